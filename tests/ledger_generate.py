#!/usr/bin/env python3
"""Books of 60 days and 100,000 exchanges, with known anomalies, and what a report has to say of them.

usage: reeve price list --json | ledger_generate.py SQL EXPECTED

Writes COPY statements for psql to SQL, and to EXPECTED (JSON) sums that are added up here from each
exchange, apart from any query. Money is whole picodollars. The same seed makes the same books.
"""
import collections
import datetime
import json
import random
import sys
import uuid
import zoneinfo

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")  # clocks go back on 2026-10-25, within the books
LAST_DAY = datetime.date(2026, 11, 24)
DAYS = 60
SHORT, LONG = 300, 3600  # seconds that a cache lives

# model, credential, runs on a weekday and a day of the weekend, exchanges of a run, cache, prefix tokens
JOBS = {
    "outreach": ("claude-haiku-4-5", "main", 48, 48, 8, SHORT, 9000),
    "triage": ("claude-sonnet-4-6", "main", 24, 24, 12, LONG, 14000),
    "review": ("claude-opus-5-5", "team", 30, 6, 15, SHORT, 30000),
    "nightly": ("claude-opus-5", "max", 1, 1, 120, SHORT, 40000),
    "research": ("claude-opus-5-5", "max", 24, 24, 22, SHORT, 20000),
    "digest": ("claude-haiku-4-5", "main", 10, 0, 20, SHORT, 12000),  # on Mondays
}
# days before the last one, job: what is wrong with it, and which measures that has to show in
ANOMALIES = {
    (0, "review"): ("dear", {"cost"}),
    (3, "nightly"): ("silent", {"cost", "exchanges"}),
    (5, "triage"): ("failing", {"failures"}),
    (8, "outreach"): ("uncached", {"cache", "cost"}),
    (12, "research"): ("looping", {"cost", "exchanges"}),
}
KINDS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
EXCHANGE = ("exchange_id run_id job host credential path session_id model_asked model price_row stop_reason "
            "reserved_at settled_at first_byte_us reserved_usd cost_usd counted_usd counted_tokens "
            "counted_output_tokens input_tokens output_tokens cache_write_5m_tokens cache_write_1h_tokens "
            "cache_read_tokens thinking_tokens web_search_requests web_fetch_requests attempt http_status ended "
            "speed tier geo streamed estimated unknown_model usage").split()
RUN = "run_id job command host opened_at memory_max_bytes closed_at ended exit_code memory_peak_bytes".split()


def dollars(pico):
    return f"{pico // 10**12}.{pico % 10**12:012d}"


def as_text(value):
    return "\\N" if value is None else ("t" if value is True else "f" if value is False else str(value))


class Books:
    def __init__(self, prices):
        self.random = random.Random(20261124)
        self.prices = {row["name"]: row for row in prices if row["kind"] == "standard"}
        self.exchanges, self.runs = [], []
        self.days = collections.defaultdict(lambda: collections.defaultdict(int))
        self.by = {key: collections.defaultdict(int) for key in ("job", "model", "credential", "run")}
        self.tokens = collections.defaultdict(int)
        self.counts = collections.defaultdict(int)
        self.bad_ends = collections.defaultdict(int)
        self.missed = collections.defaultdict(lambda: {"missed": 0, "pico": 0})
        self.warm = {}  # of each job: when its prefix was used last, and what the last first prompt left cached

    def rates(self, model):
        row = self.prices[model]
        return [int(float(row[kind]) * 10**6 + 0.5) for kind in KINDS]

    def near(self, amount, share=0.15):
        return max(1, int(amount * self.random.uniform(1 - share, 1 + share)))

    def add_exchange(self, day, run, moment, tokens, trouble):
        job = run["job"]
        model, credential = JOBS[job][:2]
        ended, status, attempt, estimated = "complete", 200, 1, False
        if trouble == "failed":
            ended, status, tokens = "upstream_error", 529, [0] * 5
        elif trouble == "retried":
            attempt = 2
        elif trouble == "estimated":
            ended, estimated = "client_gone", True
        pico = sum(count * rate for count, rate in zip(tokens, self.rates(model)))
        usage = dict(zip(("input_tokens", "output_tokens"), tokens), service_tier="standard", iterations=[])
        self.exchanges.append((
            uuid.UUID(int=self.random.getrandbits(128), version=4), run["run_id"], job, "box", credential,
            "/v1/messages", run["session"], model, model, self.prices[model]["row"], "end_turn",
            moment.isoformat(), (moment + datetime.timedelta(seconds=9)).isoformat(), 800000, dollars(pico * 2),
            dollars(pico), dollars(pico), tokens[0] + tokens[1], tokens[1], *tokens, 0, 0, 0, attempt, status,
            ended, "standard", "standard", "global", True, estimated, False, json.dumps(usage)))
        self.days[day][job] += pico
        if day != LAST_DAY:
            return
        for key, name in (("job", job), ("model", model), ("credential", credential), ("run", run["run_id"])):
            self.by[key][name] += pico
        for kind, count in zip(KINDS, tokens):
            self.tokens[kind] += count
        self.counts["exchanges"] += 1
        self.counts["estimated"] += estimated
        self.counts["failed"] += trouble == "failed"
        if attempt > 1:
            self.counts["retries"] += 1
            self.counts["retries_pico"] += pico

    def note_miss(self, day, job, gap, lifetime, again):
        """The exchange came too late for the cache, by up to half of its life."""
        if day == LAST_DAY and lifetime < gap <= lifetime * 1.5:
            rates = self.rates(JOBS[job][0])
            missed = self.missed[f"{job} {'1h' if lifetime == LONG else '5m'}"]
            missed["missed"] += 1
            missed["pico"] += again * (rates[3 if lifetime == LONG else 2] - rates[4])

    def add_run(self, day, job, start, wrong):
        lifetime, prefix = JOBS[job][5:7]
        run = {"run_id": f"{start:%Y%m%d-%H%M%S}-{self.random.getrandbits(30):06x}"[:22], "job": job,
               "session": str(uuid.UUID(int=self.random.getrandbits(128), version=4))}
        size, moment, cached = self.random.uniform(0.9, 1.1), start, 0
        count = JOBS[job][4] * (3 if wrong == "looping" else 1)
        for place in range(count):
            new, before = self.near(700 * size), moment
            if place > 0:
                pause = 330 if job == "research" and day == LAST_DAY and place == 5 else self.random.uniform(18, 35)
                moment += datetime.timedelta(seconds=round(pause / (3 if wrong == "looping" else 1), 6))
                gap, left = (moment - before).total_seconds(), cached
            else:
                used, left = self.warm.get(job, (None, 0))
                gap = (moment - used).total_seconds() if used else 10**9
                cached = prefix if gap <= lifetime else 0
            if gap > lifetime:
                write, read = (cached if place > 0 else prefix) + new, 0
                self.note_miss(day, job, gap, lifetime, min(write, left))
            else:
                write, read = new, cached
            cached = read + write
            if place == 0:
                self.warm[job] = (moment, cached)
            self.warm[job] = (moment, self.warm[job][1])
            output = self.near(450 * size) * (9 if wrong == "dear" else 1)
            tokens = [self.near(12), output, 0 if lifetime == LONG else write, write if lifetime == LONG else 0, read]
            if wrong == "uncached":
                tokens = [sum(tokens) - output, output, 0, 0, 0]
            chance = self.random.random()
            trouble = ("failed" if wrong == "failing" and chance < 0.35 and place > 0 else
                       "retried" if 0.40 < chance < 0.42 else "estimated" if 0.50 < chance < 0.503 else None)
            self.add_exchange(day, run, moment, tokens, trouble)
        chance = self.random.random()
        ended = "oom" if chance < 0.004 else "ceiling" if chance < 0.01 else "timeout" if chance < 0.012 else "exited"
        closed = moment + datetime.timedelta(seconds=15)
        if closed.astimezone(ZONE).date() == LAST_DAY and ended != "exited":
            self.bad_ends[ended] += 1
        self.runs.append((run["run_id"], job, "claude", "box", start.isoformat(), 2**30, closed.isoformat(), ended,
                          0, 2**30 if ended == "oom" else self.near(4 * 10**8)))

    def add_day(self, back):
        day = LAST_DAY - datetime.timedelta(days=back)
        midnight = datetime.datetime.combine(day, datetime.time(), ZONE).astimezone(datetime.timezone.utc)
        for place, (job, (_, _, weekday, weekend, *_rest)) in enumerate(JOBS.items()):
            wrong = ANOMALIES.get((back, job), (None,))[0]
            count = 0 if wrong == "silent" else weekend if day.weekday() >= 5 else weekday
            if job == "digest" and day.weekday() != 0:
                count = 0
            for each in range(count):
                start = midnight + datetime.timedelta(seconds=300 + 60 * place + each * 86000 // max(count, 1))
                # One run of triage comes ten minutes after its cache has gone.
                if job == "triage" and back == 0 and each == 9:
                    start += datetime.timedelta(seconds=900)
                self.add_run(day, job, start, wrong)

    def write_sql(self, path):
        first_seen = {}
        for run in self.runs:
            first_seen.setdefault(run[1], run[4])
        with open(path, "w") as file:
            for table, columns, rows in (("job", ("job", "first_seen_at"), first_seen.items()),
                                         ("run", RUN, self.runs), ("exchange", EXCHANGE, self.exchanges)):
                file.write(f"COPY reeve.{table} ({', '.join(columns)}) FROM stdin;\n")
                for row in rows:
                    file.write("\t".join(map(as_text, row)) + "\n")
                file.write("\\.\n")
            file.write("ANALYZE reeve.exchange;\nANALYZE reeve.run;\n")

    def expected(self):
        last = self.days[LAST_DAY]
        month = sum(sum(jobs.values()) for day, jobs in self.days.items() if day >= LAST_DAY.replace(day=1))
        return {
            "day": str(LAST_DAY), "zone": str(ZONE), "exchanges": len(self.exchanges),
            "cost": dollars(sum(last.values())), "month": dollars(month), "counts": self.counts,
            "retries": dollars(self.counts["retries_pico"]), "tokens": self.tokens, "bad_ends": self.bad_ends,
            "by": {key: {name: dollars(pico) for name, pico in sums.items()} for key, sums in self.by.items()},
            "days": {str(day): dollars(sum(jobs.values())) for day, jobs in self.days.items()},
            "missed": {key: [value["missed"], dollars(value["pico"])] for key, value in self.missed.items()},
            "anomalies": {str(LAST_DAY - datetime.timedelta(days=back)): {job: sorted(measures)}
                          for (back, job), (_, measures) in ANOMALIES.items()},
        }


def main():
    books = Books(json.load(sys.stdin))
    for back in reversed(range(DAYS)):
        books.add_day(back)
    books.write_sql(sys.argv[1])
    with open(sys.argv[2], "w") as file:
        json.dump(books.expected(), file, indent=1)


main()
