#!/usr/bin/env python3
"""The OOM night: what a runaway agent does to its neighbours, with reeve and without, in a guest.

One process forks, and twelve take 50 MB more every second, beside two good agents of 150 MB
and Postgres with ten inserts a second: as jobs of the package under reeve, and as plain services of
systemd without limits. "idle" is the same neighbours without such an agent, each time for as long as the trial
with reeve before it took. See tests/vm/bench_oom.sh.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PROGRAMS = [TOP / "build/plain/tests/bench" / name for name in ("oom_beat", "oom_tree")]
FIELDS = ("killed", "stall_ms", "postgres_stall_ms", "stray", "duration_ms")
SECONDS_PER_ROUND = 60  # a trial of each kind, on a slow machine


def boot_guest(kind, trials):
    """Yields the lines that the guest prints. Exits if it does not come to its end."""
    package = subprocess.run(["packaging/deb.sh"], cwd=TOP, check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as work:
        count = Path(work, "trials")
        count.write_text(f"{trials}\n")
        environment = {"VM_SECONDS": str(300 + trials * SECONDS_PER_ROUND), "VM_MEMORY": "1024", **os.environ,
                       "VM_FILES": " ".join(map(str, [*PROGRAMS, count]))}
        command = ["tests/vm/boot.sh", kind, package, "package", "bench_oom"]
        with subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True) as guest:
            yield from guest.stdout
        if guest.returncode != 0:
            sys.exit(f"\nbench-oom: the guest ended with {guest.returncode}, before the last trial")


def run_trials(kind, trials):
    results = {"idle": [], "reeve": [], "nothing": []}
    for line in boot_guest(kind, trials):
        words = line.split()
        if line.startswith("    trial "):
            results[words[1]].append(dict(zip(FIELDS, map(int, words[2:]))))
            print(f"bench-oom: {sum(map(len, results.values()))} of {3 * trials}: {line.strip()}", file=sys.stderr)
        elif not line.startswith(("ok ", "--- ", "    ")):
            print(line, end="", file=sys.stderr)
    return results


def summarize(trials):
    def column(name):
        return [trial[name] for trial in trials]

    return {
        "trials": len(trials),
        "neighbours_killed": sum(column("killed")),
        "trials_with_a_kill": sum(killed > 0 for killed in column("killed")),
        "stray_processes": sum(column("stray")),
        # No stall at all is that of neighbours of whom none is left.
        **{f"{name}_{kind}": function([value for value in column(name) if value > 0] or [0])
           for name in ("stall_ms", "postgres_stall_ms", "duration_ms")
           for kind, function in (("median", statistics.median), ("max", max))},
    }


def print_table(summaries):
    rows = (
        ("trials", "trials"),
        ("neighbours killed", "neighbours_killed"),
        ("trials with one killed", "trials_with_a_kill"),
        ("stray processes left", "stray_processes"),
        ("agent's longest stall, median, ms", "stall_ms_median"),
        ("agent's longest stall, worst, ms", "stall_ms_max"),
        ("Postgres, between inserts, median, ms", "postgres_stall_ms_median"),
        ("Postgres, between inserts, worst, ms", "postgres_stall_ms_max"),
        ("until the runaway had ended, median, ms", "duration_ms_median"),
    )
    print(f"{'':<42}" + "".join(f"{how:>12}" for how in ("idle", "with reeve", "without")))
    for text, name in rows:
        values = [summaries[how][name] for how in ("idle", "reeve", "nothing")]
        if "stall" in name:
            values = [value or "none left" for value in values]
        print(f"{text:<42}" + "".join(f"{value:>12}" for value in values))
    ratio = summaries["reeve"]["stall_ms_median"] / summaries["idle"]["stall_ms_median"]
    print(f"An agent's longest stall beside a runaway under reeve is {ratio:.2f} times that of an idle machine.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON, with each trial, in place of the table")
    parser.add_argument("--trials", type=int, default=30, help="of each kind (default 30)")
    options = parser.parse_args()
    kind = os.environ.get("VM_KIND", "qemu")
    trials = run_trials(kind, options.trials)
    summaries = {how: summarize(each) for how, each in trials.items()}
    if options.json:
        print(json.dumps({"guest": kind, "summary": summaries, "trials": trials}, indent=2))
    else:
        print_table(summaries)


if __name__ == "__main__":
    main()
