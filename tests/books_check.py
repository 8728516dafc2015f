#!/usr/bin/env python3
"""Compares the ledger with the fake Claude's own books, exchange by exchange.

usage: books_check.py BOOKS LEDGER

BOOKS is the fake's file, LEDGER what `reeve ledger export exchange --format json` says. What the upstream
finished has to be equal in everything. What broke off may have been charged in full, if all of it had come
by then, or else at an estimate that is marked as one and is not below what was billed. Prints one JSON
line; exit code 1 and what differs, if anything does.
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


def broken_problem(entry, row):
    charged, billed = charged_pico_usd(row), entry["billed_pico_usd"]
    if row["estimated"]:
        return None if charged >= billed else f"{entry['end']}, charged {charged}, billed {billed}"
    return None if charged == entry["whole_pico_usd"] else f"{entry['end']}, but neither whole nor an estimate"


def finished_problem(entry, row):
    charged, billed = charged_pico_usd(row), entry["billed_pico_usd"]
    counts = {name: row[column] for name, column in TOKENS.items()}
    if row["estimated"]:
        return "estimated, though the upstream finished"
    if charged != billed:
        return f"charged {charged}, billed {billed}"
    if row["message_id"] != entry["message_id"]:
        return f"message {row['message_id']}, not {entry['message_id']}"
    # What is free of charge has its tokens in the answer, but none of them is billed.
    return None if billed == 0 or counts == entry["tokens"] else f"counted {counts}, billed {entry['tokens']}"


def problem_of(entry, row):
    """None, or how the ledger's row differs from what the upstream billed."""
    if entry["status"] != 200:
        charged = charged_pico_usd(row)
        return None if charged == 0 else f"charged {charged} for an answer of {entry['status']}"
    return finished_problem(entry, row) if is_finished(entry) else broken_problem(entry, row)


def silent_problem(entries, rows):
    """Exchanges of which no head arrived have no request id; they are compared as a whole."""
    charged = sum(charged_pico_usd(row) for row in rows)
    billed = sum(entry["billed_pico_usd"] for entry in entries)
    if len(rows) != len(entries):
        return f"{len(rows)} rows without a request id for {len(entries)} exchanges without a row"
    return None if charged >= billed else f"rows without a request id: charged {charged}, billed {billed}"


def main():
    entries = [entry for entry in read(sys.argv[1]) if entry["kind"] == "messages"]
    rows = [row for row in read(sys.argv[2]) if row["ended"] != "not_sent"]
    found = {row["request_id"]: row for row in rows if row["request_id"]}
    silent = [entry for entry in entries if entry["request_id"] not in found]
    problems = [f"{entry['request_id']}: {entry['script_id']}: {entry['end']}, but not in the ledger"
                for entry in silent if entry["end"] not in ("cut", "disconnected")]
    times = collections.Counter(row["request_id"] for row in rows if row["request_id"])
    problems += [f"{request_id}: {count} rows" for request_id, count in times.items() if count > 1]
    for entry in entries:
        row = found.get(entry["request_id"])
        if row and (problem := problem_of(entry, row)):
            problems.append(f"{entry['request_id']}: {entry.get('model')}, script {entry['script_id']}: {problem}")
    if problem := silent_problem(silent, [row for row in rows if not row["request_id"]]):
        problems.append(problem)
    finished = [entry for entry in entries if is_finished(entry) and entry["request_id"] in found]
    print(json.dumps({
        "exchanges": len(entries), "finished": len(finished), "silent": len(silent),
        "billed_pico_usd": sum(entry["billed_pico_usd"] for entry in finished),
        "charged_pico_usd": sum(charged_pico_usd(found[entry["request_id"]]) for entry in finished),
        "estimated_rows": sum(row["estimated"] for row in rows), "problems": len(problems)}))
    print("\n".join(problems[:20]), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
