#!/usr/bin/env python3
"""A mixed load of Claude API exchanges, the same for the same seed, that checks every answer.

usage: load_client.py --url URL --requests N --in-flight N --seed N [--mix exact|rough]

The key is taken from ANTHROPIC_API_KEY. Each exchange tells the fake Claude in `x-fake-script` what to
answer: usage of every shape, on the wire in every form. The mix `exact` holds only what is billed to the
token, clients that leave among it; `rough` adds streams that break off, for which a meter can only
estimate. Prints one JSON line with what was done; exit code 1 if an answer was not what was asked for.
"""
import argparse
import asyncio
import collections
import gzip
import hashlib
import json
import os
import random
import sys
import urllib.parse

MODELS = [
    "claude-haiku-4-5", "claude-haiku-5-5", "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-sonnet-5-5",
    "claude-opus-4-6", "claude-opus-5-5", "claude-fable-5-2",
]
FAST_MODELS = ["claude-opus-5-5", "claude-opus-5", "claude-fable-5-2"]
US_MODELS = ["claude-haiku-5-5", "claude-sonnet-4-6", "claude-sonnet-5-5", "claude-opus-4-6"]
WORDS = "the quick brown fox jumps over a lazy dog übermäßig 漢字 and then rests a while".split()


def iteration(kind, model, tokens, output):
    return {"type": kind, "model": model, "input_tokens": tokens, "output_tokens": output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation": None}


# Shapes of usage: each returns (what the request says, what the script says).

def shape_plain(rng):
    return {}, {}


def shape_counts(rng):
    return {}, {"usage": {"input_tokens": rng.randrange(200000), "output_tokens": rng.randrange(4000),
                          "cache_read_input_tokens": rng.randrange(300000)}}


def shape_cache(rng):
    written, hour = rng.randrange(50000), rng.randrange(50000)
    return {}, {"usage": {"input_tokens": rng.randrange(100), "cache_read_input_tokens": rng.randrange(90000),
                          "cache_creation_input_tokens": written + hour,
                          "cache_creation": {"ephemeral_5m_input_tokens": written,
                                             "ephemeral_1h_input_tokens": hour}}}


def shape_cached_prefix(rng):
    prefix = f"Prefix {rng.randrange(20)}. " * 40
    return {"system": [{"type": "text", "text": prefix, "cache_control": {"type": "ephemeral"}}]}, {}


def shape_thinking(rng):
    return {}, {"thinking": words(rng, 20), "usage": {"output_tokens_details": {"thinking_tokens": 7}}}


def shape_search(rng):
    return {}, {"web_search_requests": rng.randrange(1, 5), "usage": {"input_tokens": 12000}}


def shape_compaction(rng):
    return {}, {"usage": {"input_tokens": 23000, "output_tokens": 1000},
                "iterations": [iteration("compaction", None, rng.randrange(180000), 3500),
                               iteration("message", None, 23000, 1000)]}


def shape_advisor(rng):
    return {}, {"usage": {"input_tokens": 900, "output_tokens": 400},
                "iterations": [iteration("message", None, 400, 150),
                               iteration("advisor_message", "claude-fable-5-2", rng.randrange(9000), 800),
                               iteration("message", None, 500, 250)]}


def shape_fallback(rng):
    category = rng.choice(["cyber", "bio", "general_harms", None])
    declined = rng.choice([0, 40])
    return ({"model": "claude-fable-5-2"},
            {"fallback": {"from": "claude-fable-5-2", "to": "claude-opus-5-5", "category": category},
             "usage": {"input_tokens": 8040, "output_tokens": 600},
             "iterations": [iteration("message", "claude-fable-5-2", 8000, declined),
                            iteration("fallback_message", "claude-opus-5-5", 8040, 600)]})


def shape_refusal(rng):
    category = rng.choice(["cyber", "bio", "frontier_llm", "general_harms", None])
    script = {"stop_reason": "refusal", "text": rng.choice(["", "I will"])}
    return {}, script | {"stop_category": category} if category else script


def shape_fast(rng):
    return {"model": rng.choice(FAST_MODELS), "speed": "fast"}, {"usage": {"input_tokens": 500}}


def shape_us(rng):
    return ({"model": rng.choice(US_MODELS), "inference_geo": "us"},
            {"usage": {"input_tokens": 7001, "output_tokens": 333}})


def shape_unknown_model(rng):
    return {}, {"model": "claude-future-9", "usage": {"input_tokens": 5000}}


def shape_tool(rng):
    return {}, {"text": "", "tool_use": {"name": "Bash", "input": {"command": words(rng, 5)}}}


# What breaks off is charged as reserved, or estimated: by its body, so it is billed by its body too.
BOUNDED_SHAPES = [shape_plain, shape_cached_prefix, shape_thinking, shape_tool]
SHAPES = [shape_plain, shape_counts, shape_cache, shape_cached_prefix, shape_thinking, shape_search,
          shape_compaction, shape_advisor, shape_fallback, shape_refusal, shape_fast, shape_us,
          shape_unknown_model, shape_tool]

# Forms on the wire, of a stream and of any answer.
STREAM_FORMS = [{"crlf": True}, {"message_deltas": 3}, {"null_usage": True}, {"ping_every": 2},
                {"extra_events": [{"type": "future_event", "usage": {"output_tokens": 9}}]},
                {"chunk_bytes": 7}, {"write_bytes": 11}, {"events_delay_ms": 1}, {"events": 40}, {}]
WIRE_FORMS = [{"gzip": True}, {"close": True}, {"interim": [103]}, {"framing": "chunked", "chunk_bytes": 50},
              {"delay_ms": 5}, {}, {}, {}]
# What reeve would try again by itself is to be one exchange here.
NEVER_AGAIN = {"x-should-retry": "false"}
ERRORS = [{"status": 400}, {"status": 404}, {"status": 429, "headers": {"retry-after": "1"}},
          {"status": 500, "headers": NEVER_AGAIN}, {"status": 529, "headers": NEVER_AGAIN},
          {"status": 413, "error": "request_too_large"}]
BREAKS = [{"stream_error": "overloaded_error"}, {"stream_error": "api_error", "error_after_events": 1},
          {"cut_after_bytes": 900}, {"cut_after_bytes": 600, "cut": "reset"}, {"cut_after_bytes": 40},
          {"gzip": True, "cut_after_bytes": 300}, {"drop": True}, {"lost": True}]


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


class Exchange:
    """What one request asks for. `kind` is answered, refused, left or broken."""

    def __init__(self, seed, number, mix):
        rng = random.Random(f"{seed}/{number}")
        self.kind = rng.choices(["answered", "refused", "left", "broken"],
                                [80, 8, 8, 8 if mix == "rough" else 0])[0]
        asked, script = rng.choice(BOUNDED_SHAPES if self.kind == "broken" else SHAPES)(rng)
        self.streamed = rng.random() < 0.6 or self.kind == "left"
        script.setdefault("text", words(rng, rng.randrange(1, 80)))
        script |= rng.choice(WIRE_FORMS)
        if self.streamed:
            script |= rng.choice(STREAM_FORMS)
        if self.kind == "refused":
            script |= rng.choice(ERRORS)
        elif self.kind == "broken":
            script |= rng.choice(BREAKS if self.streamed else BREAKS[2:])
        elif self.kind == "left":
            script |= rng.choice([{"events_delay_ms": 4}, {"delay_ms": 60}])
        self.script = script | {"id": f"{seed}/{number}"}
        self.read_before_leaving = rng.randrange(1, 1200) if "events_delay_ms" in script else 0
        self.chunked_body = rng.random() < 0.2
        self.close = rng.random() < 0.1
        filler = "x" * (1200000 if rng.random() < 0.01 else rng.randrange(3000))
        body = {"model": rng.choice(MODELS), "max_tokens": 8192, "stream": self.streamed,
                "messages": [{"role": "user", "content": f"exchange {number} {filler}"}]} | asked
        self.body = json.dumps(body).encode()
        self.script["body_sha256"] = hashlib.sha256(self.body).hexdigest()
        self.text = script["text"]

    def head(self, host, key):
        lines = ["POST /v1/messages HTTP/1.1", f"host: {host}", f"x-api-key: {key}",
                 "anthropic-version: 2023-06-01", "content-type: application/json",
                 "accept-encoding: gzip", f"x-fake-script: {json.dumps(self.script)}"]
        lines.append("transfer-encoding: chunked" if self.chunked_body else f"content-length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def framed_body(self):
        if not self.chunked_body:
            return self.body
        pieces = (self.body[i:i + 50000] for i in range(0, len(self.body), 50000))
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def read_head(reader):
    """The status and the headers of the final answer; interim ones are passed over."""
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        if status >= 200:
            return status, headers


async def read_body(reader, headers):
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.read()
    return gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body


def stream_problem(exchange, body):
    """Reads events as a client does. None, or what is wrong with them."""
    events = [event for event in body.decode().replace("\r\n", "\n").split("\n\n") if event]
    text = ""
    for event in events:
        name, _, data = event.partition("\n")
        data = json.loads(data.removeprefix("data: "))
        if name != "event: " + data["type"]:
            return f"event line {name} for {data['type']}"
        text += data.get("delta", {}).get("text", "")
    if not events[-1].startswith("event: message_stop"):
        return "no message_stop"
    return None if text == exchange.text else f"text {text!r} is not {exchange.text!r}"


def message_problem(exchange, body):
    text = "".join(block.get("text", "") for block in json.loads(body)["content"])
    return None if text == exchange.text else f"text {text!r} is not {exchange.text!r}"


class Connection:
    """One kept connection at a time, as a client's pool of one."""

    def __init__(self, url, key):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.key = parts.hostname, parts.port, key
        self.reader = self.writer = None

    async def send(self, exchange):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(exchange.head(f"{self.host}:{self.port}", self.key) + exchange.framed_body())
        await self.writer.drain()

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def leave(self, exchange):
        """Goes away in the middle of the answer, or before it."""
        if exchange.read_before_leaving:
            await self.reader.read(exchange.read_before_leaving)
        else:
            await asyncio.sleep(0.02)
        self.close()

    async def talk(self, exchange):
        """None, or what was wrong."""
        await self.send(exchange)
        if exchange.kind == "left":
            return await self.leave(exchange)
        status, headers = await read_head(self.reader)
        body = await read_body(self.reader, headers)
        if headers.get("connection") == "close" or exchange.close:
            self.close()
        if exchange.kind == "refused":
            expected = exchange.script["status"]
            return None if status == expected else f"status {status}, not {expected}"
        if status != 200:
            return f"status {status}: {body[:300]!r}"
        return stream_problem(exchange, body) if exchange.streamed else message_problem(exchange, body)


async def work(numbers, options, done, problems):
    connection = Connection(options.url, os.environ["ANTHROPIC_API_KEY"])
    for number in numbers:
        exchange = Exchange(options.seed, number, options.mix)
        problem = None
        try:
            problem = await connection.talk(exchange)
        except (OSError, EOFError, ValueError) as error:
            connection.close()
            problem = f"{type(error).__name__}: {error}"
        if exchange.kind == "broken":
            connection.close()  # an answer that breaks off is what was asked for
        elif problem:
            problems.append(f"exchange {number} ({exchange.kind}) {json.dumps(exchange.script)}: {problem}")
        done[exchange.kind] += 1
    connection.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mix", choices=["exact", "rough"], default="exact")
    options = parser.parse_args()
    done, problems = collections.Counter(), []
    numbers = iter(range(options.requests))
    await asyncio.gather(*(work(numbers, options, done, problems) for _ in range(options.in_flight)))
    print("\n".join(problems[:20]), file=sys.stderr)
    print(json.dumps({"exchanges": sum(done.values()), **done, "problems": len(problems)}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
