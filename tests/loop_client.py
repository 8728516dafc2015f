#!/usr/bin/env python3
"""Agents that ask and ask, all at once, until they have had enough or are told 402.

usage: loop_client.py [--agents N] [--requests N] [--persist] [what to ask for]

Address and key come from ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY. Each agent sends --requests one after
the other, or goes on for ever (0, the default). As the SDKs do, it obeys retry-after, tries again after a
503 or 529 unless it is told not to, and gives up at any other error. With --persist, a connection that is
refused or breaks off is tried again too. Prints one JSON line: how many answers each agent had, and how
often there was each status. Exit code 1: somebody was told 402; 2: something else went wrong.
"""
import argparse
import asyncio
import collections
import json
import os
import random
import sys
import urllib.parse

from load_client import read_body, read_head

RETRIES_MAX = 10
AGAIN_S = 0.1


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--persist", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="claude-opus-5-5")
    parser.add_argument("--max-tokens", type=int, default=128000)
    parser.add_argument("--prompt-bytes", type=int, default=3000)
    parser.add_argument("--output-tokens", type=int, default=0, help="at most; else what the script says")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--script", type=json.loads, default={}, help="for the fake Claude")
    parser.add_argument("--members", type=json.loads, default={}, help="of the request's body")
    parser.add_argument("--thread", action="store_true", help="the first request begins a message thread")
    return parser.parse_args()


class Agent:
    def __init__(self, number, options, statuses):
        parts = urllib.parse.urlsplit(os.environ["ANTHROPIC_BASE_URL"])
        self.host, self.port = parts.hostname, parts.port
        self.number, self.options, self.statuses = number, options, statuses
        self.rng = random.Random(f"{options.seed}/{number}")
        self.answered = self.refused = 0
        self.problem = self.writer = self.reader = self.message_id = None

    def request(self):
        options = self.options
        body = {"model": options.model, "max_tokens": options.max_tokens, "stream": options.stream,
                "messages": [{"role": "user", "content": "x" * options.prompt_bytes}]} | options.members
        if options.thread and self.message_id:
            body |= {"thread": {"type": "continue", "previous_message_id": self.message_id}, "messages": []}
        elif options.thread:
            body["thread"] = {"type": "create"}
        script = dict(options.script)
        if options.output_tokens:
            script["usage"] = {"output_tokens": self.rng.randint(options.output_tokens // 2,
                                                                 options.output_tokens)} | script.get("usage", {})
        payload = json.dumps(body).encode()
        lines = ["POST /v1/messages HTTP/1.1", f"host: {self.host}:{self.port}",
                 f"x-api-key: {os.environ['ANTHROPIC_API_KEY']}", "anthropic-version: 2023-06-01",
                 "anthropic-beta: message-threads-2026-08-12", "content-type: application/json",
                 f"x-fake-script: {json.dumps(script)}", f"content-length: {len(payload)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload

    async def ask(self):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(self.request())
        await self.writer.drain()
        status, headers = await read_head(self.reader)
        body = await read_body(self.reader, headers)
        if headers.get("connection") == "close":
            self.close()
        if self.options.thread and status == 200:
            self.message_id = json.loads(body)["id"]
        return status, headers, body

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def try_once(self):
        """False: the agent gives up."""
        try:
            status, headers, body = await self.ask()
        except (OSError, EOFError) as error:
            self.close()
            self.statuses["broken"] += 1
            if not self.options.persist:
                self.problem = f"{type(error).__name__}: {error}"
                return False
            await asyncio.sleep(AGAIN_S)
            return True
        self.statuses[str(status)] += 1
        if status == 200:
            self.answered += 1
            return True
        if status == 402:
            self.refused += 1
            return False
        if headers.get("x-should-retry") == "false" or status not in (429, 503, 529) or self.tries > RETRIES_MAX:
            self.problem = f"{status}: {body[:300]!r}"
            return False
        self.tries += 1
        await asyncio.sleep(float(headers.get("retry-after", AGAIN_S)))
        return True

    async def work(self):
        self.tries = 0
        before = -1
        while self.options.requests == 0 or self.answered < self.options.requests:
            if self.answered != before:
                before, self.tries = self.answered, 0
            if not await self.try_once():
                break
        self.close()


async def main():
    options = parse_options()
    statuses = collections.Counter()
    agents = [Agent(number, options, statuses) for number in range(options.agents)]
    await asyncio.gather(*(agent.work() for agent in agents))
    problems = [f"agent {agent.number}: {agent.problem}" for agent in agents if agent.problem]
    print("\n".join(problems[:20]), file=sys.stderr)
    print(json.dumps({"answered": [agent.answered for agent in agents],
                      "refused": sum(agent.refused for agent in agents), "statuses": statuses}))
    return 2 if problems else 1 if statuses["402"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
