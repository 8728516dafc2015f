#!/usr/bin/env python3
"""Makes sql/prices.csv from a catalog in JSON: sql/prices_from_json.py prices.json > sql/prices.csv

The catalog is a list of models with their rates in USD per million tokens. What it says about the past
in words (a removed fast mode, a retired long-context tier) is read from those words; a sentence that
this script does not know stops it, so that nothing is lost in silence.
"""
import csv
import json
import re
import sys
from decimal import Decimal

RATES = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"]
COLUMNS = ["name", "aliases", "kind", "above_tokens", "from", "until", *RATES, "request",
           "us_geo", "batch", "retired", "confidence", "source"]
HEAD = """\
# What Claude costs: USD per million tokens, one row for each model, kind of rates and period.
# kind          standard, long (a prompt above above_tokens), fast (speed "fast"), request (a fee for
#               each use of a server tool), refusal (a category whose refusals cost nothing)
# from, until   UTC dates; until is the first day that the row does not hold; empty: open
# us_geo, batch multipliers of all token rates for inference_geo "us" and for batches; empty: not offered
# retired       when the model went; its last price stands, so that old books can be priced again
# Made by sql/prices_from_json.py; `reeve price check` says what is wrong with an edited copy.
"""
# Not said by the catalog's models: fees, and refusals before any output that are not billed. Any
# category that is not listed is billed. "none" is a refusal without a category.
DOCUMENTATION = "Claude API documentation"
GLOBALS = [
    {"name": "web_search", "kind": "request", "request": "0.01"},
    {"name": "web_fetch", "kind": "request", "request": "0"},
    {"name": "cyber", "kind": "refusal", "from": "2026-09-24"},
    {"name": "general_harms", "kind": "refusal", "from": "2026-09-24"},
    {"name": "none", "kind": "refusal", "from": "2026-09-24"},
]
# Said in words, but without rates that could be priced, or without effect.
WITHOUT_RATES = ["introductory 2/10; the rise to 3/15 announced", "a >200k long-context premium existed"]


def rates_of(entry):
    return {"input": entry["input_usd_per_mtok"], "output": entry["output_usd_per_mtok"],
            **{name: entry[name] for name in RATES[2:]}}


def source_of(model):
    """The sources without their parentheses, which say where inside of a source."""
    return "; ".join(re.sub(r" \([^)]*\)", "", source) for source in model["source"])


def history_rows(model, standard, item):
    """The rows that one item of a model's history adds; may shorten `standard`, the row in force.

    An earlier price that is not certain is kept, with its confidence: those known are the dearer ones,
    and only old books that are priced again look at them.
    """
    what = item["what"]
    if any(what.startswith(start) for start in WITHOUT_RATES):
        return []
    if "until" in item and "cache_read" in item:
        earlier = {**standard, "until": item["until"], "cache_read": item["cache_read"],
                   "confidence": item["confidence"], "source": what}
        standard.update({"from": item["until"], "aliases": ""})
        return [earlier]
    fast = re.match(r"fast mode was (\d+)x \(([\d./]+)\), removed (\d{4}-\d\d-\d\d)", what)
    if fast:
        multiplier, given, until = fast.groups()
        rates = {name: standard[name] * Decimal(multiplier) for name in RATES}
        for name, text in zip(RATES, given.split("/")):
            assert rates[name] == Decimal(text), f"{model['model']}: {what}"
        complete = len(given.split("/")) == len(RATES)
        return [{**standard, **rates, "kind": "fast", "until": until, "aliases": "", "batch": "",
                 "confidence": standard["confidence"] if complete else "medium", "source": what}]
    long = re.search(r"beta retired (\d{4}-\d\d-\d\d)", what)
    if long and "long_context" in item:
        return [{**long_row(standard, item["long_context"]), "until": long[1], "source": what}]
    sys.exit(f"{model['model']}: history not understood: {what}")


def long_row(standard, tier):
    return {**standard, **rates_of(tier), "kind": "long", "above_tokens": tier["threshold"],
            "aliases": ""}


def model_rows(model):
    standard = {"name": model["model"], "aliases": " ".join(model["aliases"]), "kind": "standard",
                "from": model["effective_from"], **rates_of(model),
                "us_geo": model["us_inference_geo_multiplier"], "batch": model["batch_multiplier"],
                "retired": model["retires"], "confidence": model["confidence"],
                "source": source_of(model)}
    others = []
    if model["long_context"]:
        others.append(long_row(standard, model["long_context"]))
    if model["fast"]:
        others.append({**standard, **rates_of(model["fast"]), "kind": "fast", "aliases": "",
                       "batch": "", "until": model["fast"]["available_until"]})
    earlier = [row for item in model["history"] for row in history_rows(model, standard, item)]
    dated = [row for row in earlier if row["kind"] == "standard"]
    return dated + [standard] + others + [row for row in earlier if row not in dated]


def plain(value):
    """Text of a cell: decimals without exponent or trailing zeros."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        models = json.load(file, parse_float=Decimal, parse_int=Decimal)
    sys.stdout.write(HEAD)
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in [row for model in models for row in model_rows(model)]:
        writer.writerow({name: plain(value) for name, value in row.items()})
    for row in GLOBALS:
        writer.writerow({**row, "confidence": "high", "source": DOCUMENTATION})


main()
