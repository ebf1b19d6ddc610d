"""Says who it is, and what its elector says, to whoever asks at :8080; and writes to RESOURCE, every 20 ms, while its group leads."""

import http.client
import http.server
import json
import os
import threading
import time
import urllib.parse

NAME = os.environ["PATTERN_MEMBER"]
ELECTOR = urllib.parse.urlsplit(os.environ["PATTERN_ELECTOR"])
RESOURCE = urllib.parse.urlsplit(os.environ["RESOURCE"])


def ask(url, method, path, body=None, headers={}):
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=1)
    try:
        c.request(method, path, body, headers)
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def write():
    while True:
        time.sleep(0.02)
        asked = time.monotonic()
        try:
            status, body = ask(ELECTOR, "GET", "/v1/elections/one/is-leader")
            election = json.loads(body)
            if status == 200 and time.monotonic() < asked + election["expires_in_ms"] / 1000:
                ask(RESOURCE, "PUT", "/value", NAME.encode(), {"Fencing-Token": str(election["term"])})
        except (OSError, http.client.HTTPException):
            pass  # the elector has just been killed, or the resource is away


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            _, election = ask(ELECTOR, "GET", "/v1/elections/one")
        except (OSError, http.client.HTTPException):
            election = b"null"
        body = b'{"name": "%s", "revision": "%s", "election": %s}' % (NAME.encode(), os.environ["REVISION"].encode(), election.strip())
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


threading.Thread(target=write, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
