#!/usr/bin/env python3
"""Measures reeve beside nginx and the direct way, against the same fake upstream.

Every round takes every way in turn, so that the machine's moods hit all of them alike. What is printed
are medians over the rounds; ratios are paired within a round. Only ratios carry over to other machines.
"""
import argparse
import collections
import json
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("BUILD", "build/plain")
REEVE = BUILD / "reeve"
FAKE = BUILD / "tests/fake_claude"
LOAD = BUILD / "tests/bench/load"
START_CLOCK = BUILD / "tests/bench/start_clock"
API_KEY = "sk-ant-api03-benchmark"
START_SECONDS_MAX = 60
STARTS_PER_ROUND = 10
STREAM_BYTES_MIN = 4_000

Scenario = collections.namedtuple(
    "Scenario", "name text upstream streamed body_bytes connections share fresh", defaults=(False,))
SCENARIOS = [
    Scenario("sse", "2 KB request, 5 KB of events", "plain", True, 2_000, 16, 1),
    Scenario("sse-64", "the same, 64 connections", "plain", True, 2_000, 64, 1),
    Scenario("json", "2 KB request, JSON answer", "plain", False, 2_000, 16, 1),
    Scenario("large", "100 KB request, events", "plain", True, 100_000, 16, 0.2),
    Scenario("tls", "2 KB request, events, TLS upstream", "tls", True, 2_000, 16, 1),
    Scenario("single", "2 KB request, events, 1 connection", "plain", True, 2_000, 1, 0.2),
]

# What it costs to ask the kernel who calls, which happens once for each connection.
CALLER_SCENARIOS = [
    Scenario("kept", "2 KB request, JSON answer", "plain", False, 2_000, 16, 1),
    Scenario("fresh", "the same, each on a connection of its own", "plain", False, 2_000, 16, 0.2, True),
]

NGINX_CONFIGURATION = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    access_log off; client_body_buffer_size 1m; client_max_body_size 32m;
    upstream plain {{ server 127.0.0.1:{plain}; keepalive 256; }}
    upstream tls {{ server 127.0.0.1:{tls}; keepalive 256; }}
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    proxy_read_timeout 600s; keepalive_requests 1000000000;
    proxy_ssl_trusted_certificate {ca_file}; proxy_ssl_verify on; proxy_ssl_name localhost;
    server {{ listen 127.0.0.1:{front_plain}; location / {{ proxy_pass http://plain; }} }}
    server {{ listen 127.0.0.1:{front_tls}; location / {{ proxy_pass https://tls; }} }}
}}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port, process):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"bench: {process.args[0]} does not listen on {port}")


class Server:
    """A process in the background, measured from outside by what the kernel counts."""

    def __init__(self, work, name, command, port):
        with open(work / f"{name}.log", "wb") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        wait_for_port(port, self.process)
        self.pid = self.process.pid

    def measure_first_child(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        self.pid = int(children.split()[0])

    def cpu_us(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Way:
    """A way from the load generator to the fake: where it enters, and whose cost is measured."""

    def __init__(self, port, server, run_prefix=()):
        self.url = f"http://127.0.0.1:{port}/v1/messages"
        self.server = server
        self.run_prefix = list(run_prefix)

    def load_command(self, *arguments):
        """The key is the fake's, or the one that `reeve run` puts into the environment."""
        words = [str(LOAD), "--url", self.url, *(str(argument) for argument in arguments)]
        if not self.run_prefix:
            return [*words, "--header", f"x-api-key: {API_KEY}"]
        return [*self.run_prefix, "sh", "-c",
                'exec "$@" --header "x-api-key: $ANTHROPIC_API_KEY"', "sh", *words]

    def measure(self, scenario, body, requests):
        before = self.server.cpu_us()
        result = subprocess.run(
            self.load_command("--connections", scenario.connections, "--requests", requests,
                              "--body", body, *(["--fresh"] if scenario.fresh else [])),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            raise SystemExit(f"bench: load failed\n{result.stderr}{result.stdout}")
        seen = json.loads(result.stdout.splitlines()[-1])
        if scenario.streamed and seen["bytes"] < seen["answered"] * STREAM_BYTES_MIN:
            raise SystemExit("bench: what came was no stream")
        return {
            "requests_per_second": seen["answered"] * 1e6 / seen["duration_us"],
            "cpu_us_per_request": (self.server.cpu_us() - before) / requests,
            "first_byte_p50_us": seen["first_byte_us"]["p50"],
            "total_p50_us": seen["total_us"]["p50"],
            "total_p99_us": seen["total_us"]["p99"],
        }

    def measure_streams(self, body, streams):
        """Memory per stream that is open and idle, in KB."""
        before = self.server.memory_kb()
        with subprocess.Popen(
                self.load_command("--connections", streams, "--hold", "--body", body,
                                  "--header", 'x-fake-script: {"hang": true, "events": 3}'),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True) as load:
            if load.stdout.readline() != "holding\n":
                raise SystemExit("bench: the streams did not open")
            after = self.server.memory_kb()
            load.stdin.close()
        return (after - before) / streams


class Bench:
    def __init__(self, work):
        self.work = work
        self.servers = []

    def start(self, name, command, port):
        self.servers.append(Server(self.work, name, command, port))
        return self.servers[-1]

    def start_fake(self, *arguments):
        """Returns its two ports, the server, and the CA that has signed its certificate."""
        ports = {"plain": free_port(), "tls": free_port()}
        server = self.start("fake", [
            FAKE, "--listen", f"127.0.0.1:{ports['plain']}",
            "--tls-listen", f"127.0.0.1:{ports['tls']}", "--cert-dir", self.work, *arguments],
            ports["tls"])
        return ports, server, self.work / "ca.pem"

    def start_nginx(self, ports, ca_file):
        fronts = {"plain": free_port(), "tls": free_port()}
        configuration = self.work / "nginx.conf"
        configuration.write_text(NGINX_CONFIGURATION.format(
            work=self.work, ca_file=ca_file, front_plain=fronts["plain"], front_tls=fronts["tls"],
            **ports))
        server = self.start("nginx", ["nginx", "-p", self.work, "-c", configuration],
                            fronts["plain"])
        server.measure_first_child()
        return {name: Way(front, server) for name, front in fronts.items()}

    def start_reeve(self, name, origin, ca_file, settings=""):
        front = free_port()
        state = self.work / f"reeve-{name}"
        configuration = self.work / f"reeve-{name}.conf"
        configuration.write_text(f"[Reeve]\n{settings}\n")
        credential = self.work / "credential"
        credential.write_text(API_KEY + "\n")
        credential.chmod(0o600)
        server = self.start(f"reeve-{name}", [
            REEVE, "serve", "--config", configuration, "--listen", f"127.0.0.1:{front}",
            "--upstream", origin, "--ca-file", ca_file, "--credential", credential, "--state-dir", state], front)
        return Way(front, server, [REEVE, "run", "--state-dir", state, "--job", "bench", "--"])

    def start_ways(self, *fake_arguments):
        """{upstream: {name: Way}}"""
        ports, fake, ca_file = self.start_fake(*fake_arguments)
        nginx = self.start_nginx(ports, ca_file)
        ways = {"plain": {"direct": Way(ports["plain"], fake), "nginx": nginx["plain"]},
                "tls": {"nginx": nginx["tls"]}}
        for name, scheme in (("plain", "http"), ("tls", "https")):
            ways[name]["reeve"] = self.start_reeve(name, f"{scheme}://127.0.0.1:{ports[name]}", ca_file)
        return ways

    def start_callers(self):
        """{CallerCheck=: Way}, all to one fake."""
        ports, _, ca_file = self.start_fake("--bench")
        return {check: self.start_reeve(check, f"http://127.0.0.1:{ports['plain']}", ca_file,
                                        f"CallerCheck={check}")
                for check in ("off", "enforce")}

    def stop(self):
        while self.servers:
            self.servers.pop().stop()

    def body(self, scenario_bytes, streamed):
        request = {"model": "claude-haiku-4-5", "max_tokens": 256, "stream": streamed,
                   "messages": [{"role": "user", "content": ""}]}
        request["messages"][0]["content"] = "x" * scenario_bytes
        path = self.work / f"body-{scenario_bytes}-{streamed}.json"
        path.write_text(json.dumps(request, separators=(",", ":")))
        return path


def medians(rounds):
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def paired_ratio(rounds, other_rounds, key):
    return statistics.median(one[key] / other[key] for one, other in zip(rounds, other_rounds))


def paired_difference(rounds, other_rounds, key):
    return statistics.median(one[key] - other[key] for one, other in zip(rounds, other_rounds))


def measure_rounds(ways, scenario, bench, options):
    """{name: what each round has measured}"""
    body = bench.body(scenario.body_bytes, scenario.streamed)
    requests = max(int(options.requests * scenario.share), scenario.connections)
    rounds = {name: [] for name in ways}
    for way in ways.values():  # connections, caches and pages are warm before anything is counted
        way.measure(scenario, body, max(requests // 10, scenario.connections))
    for _ in range(options.rounds):
        for name, way in ways.items():
            rounds[name].append(way.measure(scenario, body, requests))
    return rounds


def measure_scenario(ways, scenario, bench, options):
    rounds = measure_rounds(ways, scenario, bench, options)
    result = {name: medians(values) for name, values in rounds.items()}
    for key in ("cpu_us_per_request", "requests_per_second"):
        result["reeve"][key + "_to_nginx"] = paired_ratio(rounds["reeve"], rounds["nginx"], key)
    for name in set(ways) - {"direct"} if "direct" in ways else ():
        result[name]["added_p50_us"] = paired_difference(rounds[name], rounds["direct"], "total_p50_us")
    return result


def measure_callers(ways, scenario, bench, options):
    """CPU of the daemon for each request, unchecked and checked, and their paired ratio."""
    rounds = measure_rounds(ways, scenario, bench, options)
    key = "cpu_us_per_request"
    return {"text": scenario.text, "off_cpu_us": medians(rounds["off"])[key],
            "enforce_cpu_us": medians(rounds["enforce"])[key],
            "ratio": paired_ratio(rounds["enforce"], rounds["off"], key)}


def start_commands(way, mark):
    """A small program in the ways in which one has it in a cgroup, and bare. `mark` gets two times: right
    before the way is executed, and of the program's first instruction."""
    prefixes = {"exec": [], "reeve run": way.run_prefix}
    if pathlib.Path("/run/systemd/system").is_dir():
        prefixes["systemd-run"] = ["systemd-run", "--quiet", "--scope", "--property", "MemoryMax=1G"]
    clock = [str(START_CLOCK), str(mark)]
    return {name: [*clock, *prefix, *clock] for name, prefix in prefixes.items()}


def children_cpu_ms():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure_start(way, mark, options):
    """Milliseconds to the first instruction, to the end of it all, and of the CPU by what was started."""
    commands = start_commands(way, mark)
    taken = {name: [] for name in commands}
    for _ in range(options.rounds * STARTS_PER_ROUND):
        for name, command in commands.items():
            started, cpu_ms = time.perf_counter(), children_cpu_ms()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            before, first = map(int, mark.read_text().split())
            taken[name].append({"first_instruction_ms": (first - before) / 1000,
                                "ms": (time.perf_counter() - started) * 1000,
                                "cpu_ms": children_cpu_ms() - cpu_ms})
    return {name: medians(values) for name, values in taken.items()}


WAY_COLUMNS = [
    ("requests/s", lambda result: f"{result['requests_per_second']:,.0f}"),
    ("CPU µs/request", lambda result: f"{result['cpu_us_per_request']:.1f}"),
    ("CPU ÷ nginx", lambda result: ratio_text(result, "cpu_us_per_request_to_nginx")),
    ("p50 µs", lambda result: f"{result['total_p50_us']:.0f}"),
    ("p99 µs", lambda result: f"{result['total_p99_us']:.0f}"),
    ("added p50 µs", lambda result: f"{result['added_p50_us']:+.0f}" if "added_p50_us" in result else ""),
]


def ratio_text(result, key):
    return f"{result[key]:.2f}" if key in result else ""


def print_table(results):
    for name, scenario in results["scenarios"].items():
        print(f"\n{name}: {scenario['text']}")
        print(" " * 10 + "".join(f"{title:>16}" for title, _ in WAY_COLUMNS))
        for way, result in scenario["ways"].items():
            print(f"  {way:<8}" + "".join(f"{text(result):>16}" for _, text in WAY_COLUMNS))
    print("\nmemory per open, idle stream, KB")
    for upstream, ways in results["stream_memory_kb"].items():
        print(f"  {upstream:<8}" + "".join(f"{way:>10} {kb:5.1f}" for way, kb in ways.items()))
    print("\nstart of a small program, ms: to its first instruction, to its end (of the CPU)")
    print("          " + "".join(f"{way:>12} {one['first_instruction_ms']:5.1f}, {one['ms']:.1f} ({one['cpu_ms']:.1f})"
                                 for way, one in results["start"].items()))
    print("\nCPU µs/request with CallerCheck=off and enforce")
    for name, one in results["callers"].items():
        print(f"  {name:<8}{one['off_cpu_us']:8.1f} {one['enforce_cpu_us']:8.1f}"
              f"  ratio {one['ratio']:.2f}  {one['text']}")


def run(work, options):
    bench = Bench(work)
    results = {"rounds": options.rounds, "scenarios": {}, "stream_memory_kb": {}}
    try:
        ways = bench.start_ways("--bench")
        for scenario in SCENARIOS:
            if not options.scenario or scenario.name in options.scenario:
                print(f"bench: {scenario.name}", file=sys.stderr)
                results["scenarios"][scenario.name] = {
                    "text": scenario.text,
                    "ways": measure_scenario(ways[scenario.upstream], scenario, bench, options)}
        results["start"] = measure_start(ways["plain"]["reeve"], work / "start.mark", options)
        bench.stop()
        print("bench: callers", file=sys.stderr)
        callers = bench.start_callers()
        results["callers"] = {scenario.name: measure_callers(callers, scenario, bench, options)
                              for scenario in CALLER_SCENARIOS}
        bench.stop()
        print("bench: idle streams", file=sys.stderr)
        for upstream, upstream_ways in bench.start_ways().items():
            results["stream_memory_kb"][upstream] = {
                name: way.measure_streams(bench.body(2_000, True), options.streams)
                for name, way in upstream_ways.items()}
    finally:
        bench.stop()
    return results


def make_parser(description, requests):
    """The options of every bench of ways."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=requests, help="of each way in each round")
    return parser


def run_and_print(run_bench, print_results, options):
    with tempfile.TemporaryDirectory(prefix="reeve-bench.") as work:
        results = run_bench(pathlib.Path(work), options)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print_results(results)


def main():
    parser = make_parser(__doc__, 20_000)
    parser.add_argument("--streams", type=int, default=500, help="open at once, for their memory")
    parser.add_argument("scenario", nargs="*", choices=[[], *(one.name for one in SCENARIOS)])
    run_and_print(run, print_table, parser.parse_args())


if __name__ == "__main__":
    main()
