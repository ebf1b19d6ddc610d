"""Asks the elector, for images that have no curl: python3 /code/ask.py POST /v1/elections/writer/resign"""

import os
import sys
import urllib.error
import urllib.request

method, path = sys.argv[1:]
request = urllib.request.Request(os.environ["PATTERN_ELECTOR"] + path, method=method)
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
except urllib.error.HTTPError as error:  # 404 and 409 are answers, too
    answer = error
print(answer.status, answer.read().decode(), end="")
