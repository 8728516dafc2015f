#!/usr/bin/env python3
"""A webhook for tests: webhook.py FILE [--cert PEM] [ANSWER…].

Writes one JSON line per request to FILE: what was sent, how it was signed, what it was answered. Answers
the ANSWERs in turn, the last one for ever: a status, `429+2` (with `Retry-After: 2`), `hang` (says
nothing until the client has left) or `drop` (closes without a word). Prints its URL once it listens.
"""
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

arguments = sys.argv[1:]
log = open(arguments.pop(0), "a", buffering=1)
certificate = None
if arguments[:1] == ["--cert"]:
    certificate = arguments[1]
    del arguments[:2]
answers = arguments or ["200"]


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        log.write(json.dumps({
            "path": self.path,
            "type": self.headers["Content-Type"],
            "signature": self.headers["X-Reeve-Signature"],
            "answer": answer,
            "body": body,
        }) + "\n")
        if answer == "hang":
            self.rfile.read(1)
        if answer in ("hang", "drop"):
            self.close_connection = True
            return
        status, _, seconds = answer.partition("+")
        self.send_response(int(status))
        if seconds:
            self.send_header("Retry-After", seconds)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
scheme = "http"
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https"
print(f"{scheme}://127.0.0.1:{server.server_port}/hook/T0KEN", flush=True)
server.serve_forever()
