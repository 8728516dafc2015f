#!/usr/bin/env python3
"""Compares the ledger with the fake Claude's own books, exchange by exchange.

usage: books_check.py BOOKS LEDGER

BOOKS is the fake's file, LEDGER what `reeve ledger export exchange --format json` says. What the upstream finished has to be equal in everything; what
broke off may only have been charged higher, and has to be marked as an estimate. Prints one JSON line; exit
code 1 and what differs, if anything does.
"""
import collections
import decimal
import json
import sys

TOKENS = {"input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_tokens",
          "cache_write_5m": "cache_write_5m_tokens", "cache_write_1h": "cache_write_1h_tokens",
          "web_searches": "web_search_requests"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def charged_pico_usd(row):
    return int(decimal.Decimal(row["cost_usd"]) * 10**12)


def is_finished(entry):
    """Whether the upstream said all it had to say."""
    return entry["end"] == "complete" and entry["status"] == 200


def problem_of(entry, row):
    """None, or how the ledger's row differs from what the upstream billed."""
    billed, charged = entry["billed_pico_usd"], charged_pico_usd(row)
    if entry["status"] != 200:
        return None if charged == 0 else f"charged {charged} for an answer of {entry['status']}"
    if not is_finished(entry):
        if not row["estimated"]:
            return f"{entry['end']}, but not marked as an estimate"
        return None if charged >= billed else f"{entry['end']}, charged {charged}, billed {billed}"
    if row["estimated"]:
        return "estimated, though the upstream finished"
    if charged != billed:
        return f"charged {charged}, billed {billed}"
    if row["message_id"] != entry["message_id"]:
        return f"message {row['message_id']}, not {entry['message_id']}"
    counts = {name: row[column] for name, column in TOKENS.items()}
    # What is free of charge has its tokens in the answer, but none of them is billed.
    return None if billed == 0 or counts == entry["tokens"] else f"counted {counts}, billed {entry['tokens']}"


def main():
    entries = [entry for entry in read(sys.argv[1]) if entry["kind"] == "messages"]
    rows = [row for row in read(sys.argv[2]) if row["ended"] != "not_sent"]
    by_request = collections.Counter(row["request_id"] for row in rows)
    found = {row["request_id"]: row for row in rows}
    # An answer of which nothing arrived has no request id; it is in the ledger all the same.
    silent = [entry for entry in entries if entry["request_id"] not in found]
    problems = [f"{request_id}: {count} rows" for request_id, count in by_request.items() if request_id and count > 1]
    if len(rows) != len(entries):
        problems.append(f"{len(rows)} rows for {len(entries)} exchanges")
    for entry in entries:
        row = found.get(entry["request_id"])
        if row is None and entry["bytes_out"] > 0:
            problems.append(f"{entry['request_id']}: {entry['script_id']}: not in the ledger")
        elif row is not None and (problem := problem_of(entry, row)):
            problems.append(f"{entry['request_id']}: {entry['model']}, script {entry['script_id']}: {problem}")
    finished = [entry for entry in entries if is_finished(entry)]
    charged = sum(charged_pico_usd(found[entry["request_id"]]) for entry in finished if entry["request_id"] in found)
    print(json.dumps({
        "exchanges": len(entries), "finished": len(finished), "silent": len(silent),
        "billed_pico_usd": sum(entry["billed_pico_usd"] for entry in finished), "charged_pico_usd": charged,
        "estimated_rows": sum(row["estimated"] for row in rows), "problems": len(problems)}))
    print("\n".join(problems[:20]), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
