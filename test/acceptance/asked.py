"""A main container that does what a test says: what it is asked below /v1/ it asks its elector; what it is told by POST /elected and /demoted it tells the TEST, whose answer is its own, and so it does when it is to end."""

import http.client
import http.server
import os
import signal
import urllib.parse

NAME = os.environ["PATTERN_MEMBER"]
ELECTOR = urllib.parse.urlsplit(os.environ["PATTERN_ELECTOR"])
TEST = urllib.parse.urlsplit(os.environ["TEST"])


def ask(url, method, path, body):
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        c.request(method, path, body, {"Member": NAME})
        r = c.getresponse()
        return r.status, r.read()
    except (OSError, http.client.HTTPException) as error:
        return 502, str(error).encode()
    finally:
        c.close()


class Between(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/":
            return self.answer(200, NAME.encode())
        self.answer(*ask(ELECTOR, "GET", self.path, None))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(*ask(ELECTOR if self.path.startswith("/v1/") else TEST, "POST", self.path, body))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def end(*_):
    ask(TEST, "POST", "/ending", b"{}")
    os._exit(0)


signal.signal(signal.SIGTERM, end)
http.server.ThreadingHTTPServer(("", 8080), Between).serve_forever()
