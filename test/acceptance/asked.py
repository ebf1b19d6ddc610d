"""A main container that does what a test says: what it is asked below /v1/ it asks its elector, and what it is told by POST /elected and /demoted it tells the TEST, whose answer is its own."""

import http.client
import http.server
import os
import urllib.parse

NAME = os.environ["PATTERN_MEMBER"]
ELECTOR = urllib.parse.urlsplit(os.environ["PATTERN_ELECTOR"])
TEST = urllib.parse.urlsplit(os.environ["TEST"])


class Between(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/":
            return self.answer(200, NAME.encode())
        self.ask(ELECTOR)

    def do_POST(self):
        self.ask(ELECTOR if self.path.startswith("/v1/") else TEST)

    def ask(self, url):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        c = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            c.request(self.command, self.path, body, {"Member": NAME})
            r = c.getresponse()
            status, body = r.status, r.read()
        except (OSError, http.client.HTTPException) as error:
            status, body = 502, str(error).encode()
        finally:
            c.close()
        self.answer(status, body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("", 8080), Between).serve_forever()
