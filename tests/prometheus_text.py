#!/usr/bin/env python3
"""Reads Prometheus' text form, version 0.0.4, and is strict about it.

usage: prometheus_text.py FILE            says what is wrong, if anything; exit code 1 then
       prometheus_text.py FILE --names    prints the names of all metrics
       prometheus_text.py FILE --used-by DASHBOARD.json
                                          says which metrics a Grafana dashboard names that are not there

Besides the form it checks what Prometheus' own naming rules ask for (a counter ends in _total and nothing
else does; units are base units and come last), that no series comes twice, and that histograms add up.
"""
import json
import re
import sys

NAME = r"[a-z_][a-z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (-?[0-9.e+-]+|\+Inf|NaN)')
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)"')
TYPES = {"counter", "gauge", "histogram"}
WRONG_UNITS = re.compile(r"_(ms|us|milliseconds|microseconds|minutes|hours|kb|mb|kilobytes|cents|usd)(_|$)")


def family_of(name, types):
    """The metric that a sample belongs to: a histogram's have suffixes."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[: -len(suffix)]) == "histogram":
            return name[: -len(suffix)]
    return name


def check_name(name, kind):
    if WRONG_UNITS.search(name):
        yield f"{name}: not a base unit"
    if (kind == "counter") != name.endswith("_total"):
        yield f"{name}: _total is for counters, and for all of them"


def check_histogram(name, samples):
    """One histogram without labels of its own."""
    bounds = [(float(labels["le"]), value) for sample, labels, value in samples if sample == name + "_bucket"]
    count = [value for sample, _, value in samples if sample == name + "_count"]
    if [bound for bound, _ in bounds] != sorted({bound for bound, _ in bounds}) or bounds[-1][0] != float("inf"):
        yield f"{name}: buckets are not in order, up to +Inf"
    if [value for _, value in bounds] != sorted(value for _, value in bounds):
        yield f"{name}: buckets are not cumulative"
    if count != [bounds[-1][1]]:
        yield f"{name}: the count is not what the buckets have"


def read(text):
    """Returns ({name: type}, {name: samples}, problems)."""
    types, helps, families, seen, problems = {}, set(), {}, set(), []
    if not text.endswith("\n"):
        problems.append("the last line is not ended")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            if words[2] in helps or len(words) < 4:
                problems.append(f"line {number}: help that is empty or comes again")
            helps.add(words[2])
        elif line.startswith("# TYPE "):
            if words[2] in types or words[3] not in TYPES or words[2] not in helps:
                problems.append(f"line {number}: a type that is unknown, comes again or has no help: {line}")
            types[words[2]] = words[3]
            families[words[2]] = []
            problems += check_name(words[2], words[3])
        elif match := SAMPLE.fullmatch(line):
            name, labels, value = match[1], match[2] or "", float(match[3])
            family = family_of(name, types)
            if family != next(reversed(types), None):
                problems.append(f"line {number}: {name} is not below its own type")
                continue
            if (name, labels) in seen:
                problems.append(f"line {number}: comes again: {line}")
            seen.add((name, labels))
            families[family].append((name, dict(LABEL.findall(labels)), value))
        else:
            problems.append(f"line {number}: not understood: {line}")
    for name, kind in types.items():
        if kind == "histogram":
            problems += check_histogram(name, families[name])
    return types, families, problems


def names_used(dashboard):
    """The metrics that the expressions of a dashboard name."""
    found = set()

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("expr", "query", "definition") and isinstance(value, str):
                    found.update(re.findall(r"\b(?:reeve|process)_[a-z0-9_]+", value))
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(dashboard)
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        types, _, problems = read(file.read())
    if "--names" in sys.argv:
        print("\n".join(types))
        return
    if "--used-by" in sys.argv:
        with open(sys.argv[-1], encoding="utf-8") as file:
            used = names_used(json.load(file))
        problems = [f"there is no {name}" for name in sorted(used) if family_of(name, types) not in types]
        if not used:
            problems = ["no metric is named"]
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


main()
