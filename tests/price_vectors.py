#!/usr/bin/env python3
"""Prints random usages and what they cost, reckoned with exact fractions: price_vectors.py CSV COUNT SEED

It shares nothing with accounting/price.c: it reads the price file by itself and follows the pricing
rules in the order in which the API's documentation gives them. One vector is one line, fields with
one space between:

  time_us model speed tier geo refused searches fetches TOKENS count {type model declined TOKENS}*
  cost_pico_usd unknown

TOKENS are input, output, 5-minute writes, 1-hour writes and reads; "-" is an empty model.
"""
import csv
import math
import random
import sys
from datetime import datetime, timezone
from fractions import Fraction

CLASSES = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"]
TYPES = ["message", "fallback_message", "compaction", "advisor_message", "unknown"]
DAYS = ["2025-02-28", "2026-04-29", "2026-04-30", "2026-06-28", "2026-06-29", "2026-07-23",
        "2026-07-24", "2026-10-06", "2026-10-07", "2026-11-22", "2026-11-29", "2026-11-30"]
EDGES = [0, 1, 99_999, 100_000, 100_001, 199_999, 200_000, 200_001]


def micros(day):
    date = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    return int(date.timestamp()) * 1_000_000


class Prices:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        self.rows = [row for row in rows if row["kind"] in ("standard", "long", "fast")]
        self.fees = {row["name"]: Fraction(row["request"]) for row in rows if row["request"]}
        self.names = {}
        for row in self.rows:
            for name in [row["name"], *row["aliases"].split()]:
                self.names[name] = row["name"]

    def row(self, name, kind, time_us):
        name = self.names.get(name[:-4] if name.endswith("[1m]") else name)
        rows = [row for row in self.rows if row["name"] == name and row["kind"] == kind]
        for row in rows:
            begins = not row["from"] or micros(row["from"]) <= time_us
            if begins and (not row["until"] or time_us < micros(row["until"])):
                return row
        return min(rows, key=lambda row: row["from"]) if rows and kind == "standard" else None

    def dearest(self, speed):
        rows = [row for row in self.rows if speed == "fast" or row["kind"] != "fast"]
        best = {name: max(Fraction(row[name]) for row in rows) for name in CLASSES}
        best["batch"] = max(Fraction(row["batch"] or 1) for row in rows)
        return {**best, "us_geo": self.us_geo(), "name": None}

    def us_geo(self):
        return max(Fraction(row["us_geo"] or 1) for row in self.rows)


def price_part(prices, usage, model, tokens, advisor=False):
    """(USD, whether the rates are not known) of one part."""
    time_us, speed = usage["time_us"], usage["speed"]
    prompt = sum(tokens[name] for name in CLASSES if name != "output")
    row = prices.row(model, "standard", time_us)
    long = prices.row(model, "long", time_us)
    if row is None:
        row = prices.dearest(speed)
    elif long and prompt > int(long["above_tokens"]):
        row = long
    elif speed == "fast":
        known = prices.row(model, "fast", time_us)
        row = known or (row if advisor else prices.dearest(speed))
    cost = Fraction(0)
    for name in CLASSES:
        rate = Fraction(row[name]) * 10**6  # picodollars a token
        if usage["geo"] == "us":
            rate = Fraction(math.ceil(rate * Fraction(row["us_geo"] or prices.us_geo())))
        if usage["tier"] == "batch" and row["batch"]:
            rate = Fraction(math.ceil(rate * Fraction(row["batch"])))
        assert rate.denominator == 1
        cost += tokens[name] * rate / 10**12
    return cost, row["name"] is None


def totals(entries):
    return {name: sum(entry["tokens"][name] for entry in entries) for name in CLASSES}


def merged(tokens):
    return [tokens["input"], tokens["output"], tokens["cache_read"],
            tokens["cache_write_5m"] + tokens["cache_write_1h"]]


def executed_parts(usage):
    """The parts that the message itself was priced by: [(model, tokens)]."""
    top, entries = usage["tokens"], usage["iterations"]
    executed = [entry for entry in entries if entry["type"] in TYPES[:2]]
    fallbacks = [entry for entry in entries if entry["type"] == "fallback_message"]
    serving = fallbacks or executed
    whole = executed and all(a >= b for a, b in zip(merged(totals(serving)), merged(top)))
    if not fallbacks and not whole:
        return [] if usage["refused"] else [(usage["model"], top)]
    lacking = top["cache_write_1h"] - totals(serving)["cache_write_1h"]
    parts = []
    for entry in reversed(executed):
        tokens = dict(entry["tokens"])
        if entry in serving:
            moved = max(0, min(lacking, tokens["cache_write_5m"]))
            tokens["cache_write_5m"] -= moved
            tokens["cache_write_1h"] += moved
            lacking -= moved
        refused = usage["refused"] and (not fallbacks or entry is executed[-1])
        if not refused and not entry["declined"]:
            parts.append((entry["model"] or usage["model"], tokens))
    return parts


def price(prices, usage):
    parts = [price_part(prices, usage, *part) for part in executed_parts(usage)]
    for entry in usage["iterations"]:
        if entry["type"] in TYPES[2:]:
            advisor = entry["type"] == "advisor_message"
            model = entry["model"] if advisor else usage["model"]
            parts.append(price_part(prices, usage, model, entry["tokens"], advisor))
    usd = sum((cost for cost, _ in parts), Fraction(0))
    usd += prices.fees["web_search"] * usage["searches"] + prices.fees["web_fetch"] * usage["fetches"]
    pico_usd = usd * 10**12
    assert pico_usd.denominator == 1
    return int(pico_usd), any(unknown for _, unknown in parts)


class Maker:
    def __init__(self, prices, seed):
        self.random = random.Random(seed)
        self.names = sorted(prices.names)

    def model(self):
        name = self.random.choice(self.names + ["claude-haiku-5-5"] * 8)
        return self.random.choice([name] * 8 + [name + "[1m]", "claude-unheard-of-9"])

    def count(self):
        choose = self.random.choice
        return choose([0, 0, choose(EDGES), self.random.randrange(3000), self.random.randrange(10**6)])

    def tokens(self):
        return {name: self.count() for name in CLASSES}

    def iteration(self):
        kind = self.random.choice(TYPES + ["message"] * 5)
        named = kind in ("fallback_message", "advisor_message")
        model = self.model() if named or self.random.random() < 0.2 else ""
        return {"type": kind, "model": model, "tokens": self.tokens(),
                "declined": kind in TYPES[:2] and self.random.random() < 0.1}

    def usage(self):
        chance = self.random.random
        entries = [self.iteration() for _ in range(self.random.randrange(5))] if chance() < 0.5 else []
        serving = [e for e in entries if e["type"] == "fallback_message"] or \
                  [e for e in entries if e["type"] == "message"]
        tokens = totals(serving) if serving and chance() < 0.8 else self.tokens()
        if chance() < 0.3:  # the message knows a split that its iterations do not
            moved = self.random.randrange(tokens["cache_write_5m"] + 1)
            tokens["cache_write_5m"] -= moved
            tokens["cache_write_1h"] += moved
        return {"time_us": micros(self.random.choice(DAYS)) + self.random.choice([0, 86_399_999_999]),
                "model": self.model(), "tokens": tokens, "iterations": entries,
                "speed": self.random.choice(["standard"] * 3 + ["fast"]),
                "tier": self.random.choice(["standard"] * 3 + ["batch", "priority"]),
                "geo": self.random.choice(["global"] * 3 + ["us"]),
                "refused": chance() < 0.05,
                "searches": self.random.choice([0, 0, 0, self.random.randrange(100)]),
                "fetches": self.random.choice([0, 0, self.random.randrange(100)])}


def line_of(usage, cost, unknown):
    fields = [usage["time_us"], usage["model"], usage["speed"], usage["tier"], usage["geo"],
              int(usage["refused"]), usage["searches"], usage["fetches"],
              *[usage["tokens"][name] for name in CLASSES], len(usage["iterations"])]
    for entry in usage["iterations"]:
        fields += [entry["type"], entry["model"] or "-", int(entry["declined"]),
                   *[entry["tokens"][name] for name in CLASSES]]
    return " ".join(map(str, fields + [cost, int(unknown)]))


def main():
    path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    prices = Prices(path)
    maker = Maker(prices, seed)
    for _ in range(count):
        usage = maker.usage()
        print(line_of(usage, *price(prices, usage)))


main()
