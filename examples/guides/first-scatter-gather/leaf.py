import http.server
import json
import os
import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
shard = int(os.environ["PATTERN_SHARD"])


class Leaf(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        hits = [{"shard": shard, "score": (shard * 7 + n * 13) % 50} for n in range(5)]
        body = json.dumps({"hits": hits}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 8000), Leaf).serve_forever()
