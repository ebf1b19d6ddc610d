"""One shard of a search over manual pages.

GET /search?q=WORDS&n=COUNT answers the pages that have all of the words, best first:
{"hits": [{"page": "open(2)", "score": 120, "title": "..."}, ...]}. The score counts the words, those of the title ten times.

PATTERN_SHARD of PATTERN_SHARDS (default: 0 of 1) says which pages are its own: those whose names give that remainder.
"""

import glob
import gzip
import http.server
import json
import os
import re
import urllib.parse
import zlib

SHARD, SHARDS = int(os.environ.get("PATTERN_SHARD", 0)), int(os.environ.get("PATTERN_SHARDS", 1))
WORD = re.compile(r"[a-z0-9_]+")


def words(text):
    return WORD.findall(text.lower())


def read_pages():
    """Yields the name, the title and the text of each page of this shard. Pages that only point to others are none."""
    for path in sorted(glob.glob("/usr/share/man/man*/*.gz")):
        base = os.path.basename(path)[: -len(".gz")]
        name, section = base.rsplit(".", 1)
        page = f"{name}({section})"
        if zlib.crc32(page.encode()) % SHARDS != SHARD or os.path.islink(path):
            continue
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            text = file.read()
        if text.startswith(".so "):
            continue
        title = ""
        found = re.search(r"^\.SH \"?NAME\"?\n(.*)", text, re.MULTILINE)
        if found:
            title = re.sub(r"\\[-&|^]", "", found.group(1).replace("\\-", "-"))
        yield page, title, text


def index():
    """Maps each word to the scores of the pages that have it."""
    postings, titles = {}, {}
    for page, title, text in read_pages():
        titles[page] = title
        for word in words(text):
            of = postings.setdefault(word, {})
            of[page] = of.get(page, 0) + 1
        for word in words(title):
            postings[word][page] += 10
    return postings, titles


POSTINGS, TITLES = index()


def search(query, count):
    wanted = set(words(query))
    if not wanted:
        return []
    of = [POSTINGS.get(word, {}) for word in wanted]
    pages = set.intersection(*(set(scores) for scores in of))
    scored = sorted((-sum(scores[page] for scores in of), page) for page in pages)
    return [{"page": page, "score": -score, "title": TITLES[page]} for score, page in scored[:count]]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(url.query)
        if url.path == "/ready":
            return self.answer(200, {"pages": len(TITLES)})
        if url.path != "/search":
            return self.answer(404, {"error": "there is /search?q=WORDS&n=COUNT"})
        self.answer(200, {"hits": search(asked.get("q", [""])[0], int(asked.get("n", ["10"])[0]))})

    def answer(self, status, what):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    import signal
    import sys

    print(f"shard {SHARD} of {SHARDS}: {len(TITLES)} pages", file=sys.stderr)
    server = Server(("", int(os.environ.get("PORT", 8000))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()
