#!/usr/bin/env python3
"""Connections that outlive the daemon that accepted them.

usage: reload_client.py URL REEVE…

Asks over connections that are kept open while `REEVE… reload` has the daemon replaced: one between two
requests, one in the middle of a head, of a body and of a chunked body, one that sends two requests at
once. Each has to be answered on the connection on which it began. The key is in ANTHROPIC_API_KEY. Prints
what was wrong; exit code 1 if anything was.
"""
import json
import os
import socket
import subprocess
import sys
import urllib.parse

TIMEOUT_S = 30


class Connection:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname, parts.port), TIMEOUT_S)
        self.unread = b""

    def request(self, text, framing="length", script=None):
        body = json.dumps({"model": "claude-haiku-4-5", "max_tokens": 100,
                           "messages": [{"role": "user", "content": text}]}).encode()
        lines = ["POST /v1/messages HTTP/1.1", f"host: {self.host}",
                 f"x-api-key: {os.environ['ANTHROPIC_API_KEY']}", "anthropic-version: 2023-06-01",
                 "content-type: application/json", f"x-fake-script: {json.dumps(script or {'text': text})}",
                 "transfer-encoding: chunked" if framing == "chunked" else f"content-length: {len(body)}"]
        if framing == "chunked":
            half = len(body) // 2
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
        return ("\r\n".join(lines) + "\r\n\r\n").encode(), body

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def read_until(self, end):
        while end not in self.unread:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError("the connection was closed")
            self.unread += got
        before, _, self.unread = self.unread.partition(end)
        return before

    def read_body(self, head):
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers["content-length"])
            while len(self.unread) < length:
                self.unread += self.socket.recv(65536)
            body, self.unread = self.unread[:length], self.unread[length:]
            return body
        body = b""
        while (size := int(self.read_until(b"\r\n"), 16)) > 0:
            while len(self.unread) < size + 2:
                self.unread += self.socket.recv(65536)
            body, self.unread = body + self.unread[:size], self.unread[size + 2:]
        self.read_until(b"\r\n")
        return body

    def expect(self, text):
        head = self.read_until(b"\r\n\r\n").decode()
        body = self.read_body(head)
        if not head.startswith("HTTP/1.1 200") or json.loads(body)["content"][0]["text"] != text:
            raise ValueError(f"{head.splitlines()[0]} {body[:300]!r} instead of {text}")


def main():
    url, reload = sys.argv[1], sys.argv[2:] + ["reload"]
    names = ["idle", "in a head", "in a body", "in a large body", "in a chunked body", "two at once", "new"]
    connections = {name: Connection(url) for name in names}
    large = "x" * 1500000  # held in a file
    rests = {}
    for name, connection in connections.items():
        if name == "new":
            continue
        connection.send(*connection.request(f"before, {name}"))
        connection.expect(f"before, {name}")
        text = large if name == "in a large body" else name
        head, body = connection.request(text, "chunked" if "chunked" in name else "length",
                                        {"text": name} | ({"delay_ms": 1500} if "two" in name else {}))
        if name == "two at once":
            connection.send(head, body, *connection.request("the second"))
            continue
        sent = {"idle": 0, "in a head": 40}.get(name, len(head) + len(body) * 2 // 3)
        connection.send((head + body)[:sent])
        rests[name] = (head + body)[sent:]
    subprocess.run(reload, check=True, stdout=subprocess.DEVNULL)
    problems = []
    for name, connection in connections.items():
        try:
            if name == "new":
                connection.send(*connection.request(name))
            connection.send(rests.get(name, b""))
            connection.expect(name)
            if name == "two at once":
                connection.expect("the second")
            connection.send(*connection.request(f"after, {name}"))
            connection.expect(f"after, {name}")
        except (OSError, EOFError, ValueError) as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
