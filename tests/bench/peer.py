#!/usr/bin/env python3
"""Measures reeve beside LiteLLM's proxy, as PyPI has it, and the direct way, against the same fake upstream.

LiteLLM has a key of its own and passes /v1/messages on, without its database: it keeps no books here. reeve
does what it always does. See bench.py for what is printed.
"""
import subprocess
import sys

import bench

VERSION = "1.108.7"
FOLDER = bench.TOP / "build/peer"
LITELLM = FOLDER / "bin/litellm"
CONFIGURATION = """
model_list:
  - model_name: "*"
    litellm_params: {{model: "anthropic/*", api_base: "{origin}", api_key: "{key}"}}
general_settings: {{master_key: "{key}"}}
"""
COLUMNS = (
    ("requests/s", lambda one: f"{one['requests_per_second']:,.0f}"),
    ("CPU µs/request", lambda one: f"{one['cpu_us_per_request']:,.0f}"),
    ("added p50 µs", lambda one: f"{one['added_p50_us']:+,.0f}" if "added_p50_us" in one else ""),
    ("p99 µs", lambda one: f"{one['total_p99_us']:,.0f}"),
    ("memory MB", lambda one: f"{one['memory_mb']:,.0f}" if "memory_mb" in one else ""),
)


def install():
    package = f"litellm[proxy]=={VERSION}"
    done = FOLDER / package.replace("/", "-")
    if not done.exists():
        print(f"bench: installing {package} under {FOLDER.relative_to(bench.TOP)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        subprocess.run([FOLDER / "bin/pip", "install", "--quiet", package], check=True)
        done.touch()


def start_litellm(measured, origin):
    configuration = measured.work / "litellm.yaml"
    configuration.write_text(CONFIGURATION.format(origin=origin, key=bench.API_KEY))
    port = bench.free_port()
    return bench.Way(port, measured.start("litellm", [
        "env", "LITELLM_LOCAL_MODEL_COST_MAP=True", LITELLM, "--config", configuration, "--host", "127.0.0.1",
        "--port", port, "--num_workers", 1], port))


def run(work, options):
    measured = bench.Bench(work)
    results = {"litellm": VERSION, "rounds": options.rounds, "scenarios": {}}
    try:
        ports, fake, ca_file = measured.start_fake("--bench")
        origin = f"http://127.0.0.1:{ports['plain']}"
        ways = {"direct": bench.Way(ports["plain"], fake),
                "reeve": measured.start_reeve("plain", origin, ca_file),
                "litellm": start_litellm(measured, origin)}
        for scenario in bench.SCENARIOS:
            if scenario.name in ("sse", "json"):
                print(f"bench: {scenario.name}", file=sys.stderr)
                results["scenarios"][scenario.name] = {
                    "text": scenario.text, "ways": measure_scenario(ways, scenario, measured, options)}
    finally:
        measured.stop()
    return results


def measure_scenario(ways, scenario, measured, options):
    rounds = bench.measure_rounds(ways, scenario, measured, options)
    result = {name: bench.medians(values) for name, values in rounds.items()}
    for name in ("reeve", "litellm"):
        result[name]["added_p50_us"] = bench.paired_difference(rounds[name], rounds["direct"], "total_p50_us")
        result[name]["memory_mb"] = ways[name].server.memory_kb() / 1024
    for key in ("cpu_us_per_request", "requests_per_second"):
        result["litellm"][f"{key}_to_reeve"] = bench.paired_ratio(rounds["litellm"], rounds["reeve"], key)
    return result


def print_table(results):
    for name, scenario in results["scenarios"].items():
        print(f"\n{name}: {scenario['text']}")
        print(" " * 10 + "".join(f"{title:>16}" for title, _ in COLUMNS))
        for way, one in scenario["ways"].items():
            print(f"  {way:<8}" + "".join(f"{text(one):>16}" for _, text in COLUMNS))
        peer = scenario["ways"]["litellm"]
        print(f"  LiteLLM {results['litellm']} to reeve: {peer['cpu_us_per_request_to_reeve']:.0f} times the CPU, "
              f"{peer['requests_per_second_to_reeve']:.3f} times the requests")


def main():
    options = bench.make_parser(__doc__, 1000).parse_args()
    install()
    bench.run_and_print(run, print_table, options)


if __name__ == "__main__":
    main()
