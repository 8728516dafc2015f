#!/usr/bin/env python3
"""Kills supervisors, agents and the daemon with SIGKILL, in every order, and looks at what is left.

kill_loop.py --kills N --work DIR -- COMMAND…   where COMMAND starts the daemon; $REEVE is its binary

In each round there are two runs in two slots and a third that waits. Of the first, supervisor and agent are
killed, and so is the daemon, in one of the six orders, at times drawn by chance; the daemon is started
again at once, or only after all. The second run notices nothing, the third gets the slot of the first.
Whatever is alive has a slot at any time; once things are quiet, nothing else has one.
"""

import argparse
import glob
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

QUIET_S = 60  # until the daemon has to have noticed everything
REEVE = os.environ["REEVE"]

# Runs: two levels of processes, of which the lower one is left behind by a kill of the upper one.
AGENT = """
echo "$$ $REEVE_RUN" >"$0.agent"
(setsid sleep 1000 &)
until test -e "$0.go"; do sleep 0.02; done
exit 7
"""


class Daemon:
    def __init__(self, command, log):
        self.command, self.log, self.process = command, open(log, "ab"), None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def status(self):
        """What `reeve status` says; None while it cannot be reached."""
        said = subprocess.run([REEVE, "status", "--json"], capture_output=True, check=False)
        return json.loads(said.stdout) if said.returncode == 0 else None


class Run:
    def __init__(self, work, name):
        self.path = os.path.join(work, name)
        self.log = open(self.path + ".log", "wb")
        self.process = subprocess.Popen(
            [REEVE, "run", "--json", "--job", "killed", "--wait", "1min", "--", "bash", "-c", AGENT, self.path],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def agent(self):
        """Its process id and run id; None until it has started."""
        try:
            with open(self.path + ".agent", encoding="ascii") as file:
                pid, run = file.read().split()
                return int(pid), run
        except (OSError, ValueError):
            return None

    def finish(self):
        """Its exit code and summary."""
        open(self.path + ".go", "w", encoding="ascii").close()
        code = self.process.wait(timeout=QUIET_S)
        with open(self.path + ".log", encoding="utf-8") as file:
            return code, json.loads(file.read().splitlines()[-1])

    def forget(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def remove_files(self):
        for path in glob.glob(self.path + ".*"):
            os.unlink(path)


def with_cgroup(runs, populated=False):
    """Those of these runs that have a cgroup, or a process in it."""
    found = set()
    for run in runs:
        for path in glob.glob(f"/sys/fs/cgroup/*/reeve/{run}") + glob.glob(f"/sys/fs/cgroup/reeve/{run}"):
            try:
                with open(path + "/cgroup.procs", encoding="ascii") as file:
                    if not populated or file.read().strip():
                        found.add(run)
            except OSError:
                pass  # it goes just now
    return found


def wait_for(what, condition):
    deadline = time.monotonic() + QUIET_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not ok {what}: not within {QUIET_S} s")
        time.sleep(0.01)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # one kill has led to another


class Loop:
    def __init__(self, options):
        self.work, self.random = options.work, random.Random(options.seed)
        self.daemon = Daemon(options.command, os.path.join(options.work, "killed.log"))
        self.kills, self.rounds, self.runs = 0, 0, []

    def start_daemon(self):
        if self.daemon.process is None:
            self.daemon.start()

    def check_slots(self, runs):
        """Whatever is alive has a slot; a slot more is of a run that is about to end."""
        before = with_cgroup(runs, populated=True)
        status = self.daemon.status()
        if status is None:
            return
        alive, slots = before & with_cgroup(runs, populated=True), {run["run"] for run in status["runs"]}
        if not alive <= slots:
            sys.exit(f"not ok a live run has no slot: {alive - slots}")
        if len(slots) > status["slots"]:
            sys.exit(f"not ok {len(slots)} of {status['slots']} slots are taken")

    def slots_are(self, *runs):
        status = self.daemon.status()
        if status is None:
            return False
        taken = sorted(run["pid"] for run in status["runs"])
        return taken == sorted(run.process.pid for run in runs) and not status["waiting"]

    def kill_all(self, order, victim, bystander):
        restarts_at_once = self.random.random() < 0.5
        for whom in order:
            time.sleep(self.random.choice([0, 0, 0.002, 0.01, 0.05, 0.2]))
            if whom == "daemon":
                self.daemon.kill()
                if restarts_at_once:
                    self.start_daemon()
            else:
                kill(victim.process.pid if whom == "supervisor" else victim.agent()[0])
            self.kills += 1
            self.check_slots([victim.agent()[1], bystander.agent()[1]])
        self.start_daemon()

    def begin(self, name):
        self.runs.append(Run(self.work, f"{name}{self.rounds}"))
        return self.runs[-1]

    def forget_runs(self):
        for run in self.runs:
            run.forget()

    def round(self, order):
        self.rounds += 1
        victim, bystander = (self.begin(name) for name in ("victim", "bystander"))
        wait_for("two runs", lambda: victim.agent() and bystander.agent())
        waiter = self.begin("waiter")
        if self.random.random() < 0.5:
            wait_for("a third that waits", lambda: (self.daemon.status() or {}).get("waiting"))
        self.kill_all(order, victim, bystander)
        victim.process.wait(timeout=QUIET_S)
        wait_for("the slot goes to who waits", waiter.agent)
        wait_for("slots are live runs", lambda: self.slots_are(bystander, waiter))
        for run in (bystander, waiter):
            code, summary = run.finish()
            if code != 7 or summary["end"] != "exited" or summary["account"] is None:
                sys.exit(f"not ok a run that nobody touched: exit code {code}, {summary}")
        wait_for("no slot is taken", self.slots_are)
        left = with_cgroup(run.agent()[1] for run in (victim, bystander, waiter))
        if left:
            sys.exit(f"not ok cgroups are left: {left}")
        self.forget_runs()
        while self.runs:
            self.runs.pop().remove_files()

    def main(self, kills):
        self.start_daemon()
        wait_for("the daemon", self.daemon.status)
        orders = list(itertools.permutations(["supervisor", "agent", "daemon"]))
        while self.kills < kills:
            self.random.shuffle(orders)
            for order in orders:
                self.round(order)
        with open(os.path.join(self.work, "rounds"), "w", encoding="ascii") as file:
            file.write(str(self.rounds))
        print(f"ok {self.kills} kills in {self.rounds} rounds: slots in use are live runs, no cgroup is left")
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=QUIET_S)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    loop = Loop(options)
    try:
        loop.main(options.kills)
    finally:
        loop.forget_runs()
        if loop.daemon.process is not None:
            loop.daemon.process.kill()


main()
