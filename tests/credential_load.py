#!/usr/bin/env python3
"""Agents that only want answers: a steady load of short exchanges, and what each of them saw.

usage: credential_load.py --url URL --requests N --in-flight N [--delay-ms N] [--plain] [--words N] [--until FILE]

The key is taken from ANTHROPIC_API_KEY. Each of the agents has a session of its own and sends one exchange
after the other. With --plain they are no Claude Code. --words: of a prompt. --until: goes on until that file is there.
Prints one JSON line: statuses with their counts, the longest wait in ms, and the first answer that was not
a 200, with its retry-after; exit code 1 if there was one.
"""
import argparse
import asyncio
import collections
import json
import os
import sys
import time
import urllib.parse
import uuid

IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."


class Load:
    def __init__(self, options):
        url = urllib.parse.urlsplit(options.url)
        self.options, self.host, self.port = options, url.hostname, url.port
        self.left = options.requests
        self.statuses = collections.Counter()
        self.longest_ms = 0
        self.first_bad = None

    def take(self):
        if self.options.until and os.path.exists(self.options.until):
            return False
        self.left -= 1
        return self.left >= 0

    def request(self, session):
        body = {"model": "claude-haiku-4-5", "max_tokens": 16, "stream": True,
                "messages": [{"role": "user", "content": "Good day " * self.options.words}]}
        if not self.options.plain:
            body["system"] = [{"type": "text", "text": IDENTITY}]
        body = json.dumps(body).encode()
        script = json.dumps({"delay_ms": self.options.delay_ms}) if self.options.delay_ms else "{}"
        return (f"POST /v1/messages?beta=true HTTP/1.1\r\nHost: {self.host}\r\n"
                f"Authorization: Bearer {os.environ['ANTHROPIC_API_KEY']}\r\n"
                f"X-Claude-Code-Session-Id: {session}\r\nanthropic-version: 2023-06-01\r\n"
                f"x-fake-script: {script}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    @staticmethod
    async def answer(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while (size := int(await reader.readline(), 16)) > 0:
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body

    def note(self, status, headers, body, waited_ms):
        whole = status != 200 or b"message_stop" in body
        self.statuses[str(status) if whole else "cut"] += 1
        self.longest_ms = max(self.longest_ms, waited_ms)
        if (status != 200 or not whole) and self.first_bad is None:
            self.first_bad = {"retry_after": headers.get("retry-after"), "body": body.decode()[:400]}

    async def agent(self):
        session, connection = str(uuid.uuid4()), None
        while self.take():
            begun = time.monotonic()
            try:
                if connection is None:
                    connection = await asyncio.open_connection(self.host, self.port)
                connection[1].write(self.request(session))
                status, headers, body = await self.answer(connection[0])
            except (OSError, EOFError, asyncio.IncompleteReadError) as error:
                status, headers, body, connection = "broken", {}, repr(error).encode(), None
            self.note(status, headers, body, round((time.monotonic() - begun) * 1000))
            if connection and headers.get("connection") == "close":
                connection[1].close()
                connection = None

    async def run(self):
        await asyncio.gather(*(self.agent() for _ in range(self.options.in_flight)))
        print(json.dumps({"statuses": self.statuses, "longest_ms": self.longest_ms, "first_bad": self.first_bad}))
        return 0 if set(self.statuses) == {"200"} else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--words", type=int, default=1)
    parser.add_argument("--until")
    sys.exit(asyncio.run(Load(parser.parse_args()).run()))


main()
