#!/usr/bin/env python3
"""Counts, as long as its group leads: of all replicas, one at a time.

    ELECTOR   where the elector is (default PATTERN_ELECTOR, or http://127.0.0.1:4040, beside this container)
    ELECTION  name of the election (default one)
    RESOURCE  what is written: see resource.mjs (default http://127.0.0.1:8090/count)
    NAME      who this is (default PATTERN_MEMBER, or the host's name)
    PORT      where it says who it is, and is told that it leads no more (default: nowhere)

Three things keep two writers from undoing each other's work:

1. It asks the elector before it writes, and believes the answer only for as long as the elector has said (expires_in_ms). That time
   is counted from before the question, and by a clock that nobody sets (time.monotonic).
2. If the elector does not answer, it goes by its last answer until that is over, and stops then.
3. It may still be paused just before it writes, for a minute, while another one is elected. So it says its term with each write, and
   the resource refuses terms that are smaller than one that it has seen. Only this one is safe by itself.

Before the lead is given away, POST /demoted is answered when no write is under way: so the next one begins where this one has ended.
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

ELECTOR = os.environ.get("ELECTOR") or os.environ.get("PATTERN_ELECTOR", "http://127.0.0.1:4040")
ELECTION = os.environ.get("ELECTION", "one")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8090/count")
NAME = os.environ.get("NAME") or os.environ.get("PATTERN_MEMBER") or os.environ.get("HOSTNAME", "writer")
PORT = int(os.environ.get("PORT", "0"))
PAUSE = 0.1  # seconds between two writes

# What is asked on localhost goes by no proxy.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, body=None, headers={}, timeout=1.0):
    """Gives the status and the body of an answer, whatever the status is. Raises OSError if there is no answer."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with direct.open(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:  # 404, 409, 412, ... are answers, too
        with error:
            return error.code, error.read()


class Leadership:
    """What the elector has said last: the term that this group leads in, and until when at most."""

    def __init__(self):
        self.term, self.until = 0, 0.0

    def renew(self):
        asked = time.monotonic()  # before the question: the answer may have been long on its way
        try:
            # "renew" also says that this application lives, which an elector with campaign = "app" wants to know.
            status, body = ask("POST", f"{ELECTOR}/v1/elections/{ELECTION}/renew")
        except OSError:
            return  # it may have been killed: its last answer holds until its time is over
        if status == 200:
            election = json.loads(body)
            self.term, self.until = election["term"], asked + election["expires_in_ms"] / 1000
        else:  # 409: another group leads, or none
            self.end()

    def end(self):
        self.term, self.until = 0, 0.0

    def left(self):
        """For how many seconds this group leads at most; 0 if it does not."""
        return max(0.0, self.until - time.monotonic())


def count(leadership):
    """One more than what is there."""
    status, body = ask("GET", RESOURCE)
    value = json.loads(body)["count"] if status == 200 else 0
    line = json.dumps({"count": value + 1, "by": NAME})
    status, body = ask("PUT", RESOURCE, line.encode(), {"Fencing-Token": str(leadership.term)})
    if status == 412:
        print(f"{NAME}: refused: {json.loads(body)['error']}", flush=True)
    elif status // 100 == 2:
        print(f"{NAME}: term {leadership.term}: {line}", flush=True)
    else:
        print(f"{NAME}: {RESOURCE} answers with {status}", flush=True)


class Server(http.server.BaseHTTPRequestHandler):
    """GET / says who this is, and by which term it leads; POST /demoted is answered when no write is under way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        left = self.server.leadership.left()
        self.answer(200, {"name": NAME, "leads": left > 0, "term": self.server.leadership.term if left > 0 else 0})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/demoted":
            return self.answer(404, {"error": "POST /demoted"})
        with self.server.writing:
            self.server.leadership.end()  # until the elector says otherwise
        self.answer(200, {"name": NAME, "leads": False, "term": 0})

    def answer(self, status, said):
        body = json.dumps(said).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(leadership, writing):
    server = http.server.ThreadingHTTPServer(("", PORT), Server)
    server.leadership, server.writing = leadership, writing
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the first process of a container ends by no signal that it does not take
    leadership, led, writing = Leadership(), False, threading.Lock()
    if PORT:
        serve(leadership, writing)
    while True:
        with writing:
            leadership.renew()
            leads = leadership.left() > 0
            if leads != led:
                print(f"{NAME}: " + (f"leads in term {leadership.term}" if leads else "does not lead"), flush=True)
            led = leads
            if leads:
                try:
                    count(leadership)
                except OSError as error:
                    print(f"{NAME}: {RESOURCE}: {error}", flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
