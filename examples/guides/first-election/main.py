"""Says who it is, who leads, and, if it leads itself, by which token."""

import http.client
import http.server
import json
import os
import signal
import sys
import urllib.request

ELECTION = os.environ["PATTERN_ELECTOR"] + "/v1/elections/writer"
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # localhost is reached by no proxy


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/ready":
            return self.answer(200, {})
        try:
            with direct.open(ELECTION, timeout=1) as response:
                election = json.load(response)
        except (OSError, ValueError, http.client.HTTPException) as error:  # no answer, so this replica may not say that it leads
            return self.answer(503, {"error": f"the elector: {error}"})
        said = {"i_am": os.environ["PATTERN_MEMBER"], "version": os.environ["APP_VERSION"], "leader": election["leader"], "i_lead": election["self"]}
        if election["self"]:
            said |= {"token": election["term"], "for_ms": election["expires_in_ms"]}
        self.answer(200, said)

    def answer(self, status, said):
        body = json.dumps(said).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
http.server.ThreadingHTTPServer(("", 8080), Server).serve_forever()
