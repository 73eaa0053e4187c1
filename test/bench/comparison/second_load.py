"""The same GETs and SETs asked by the distribution's redis-benchmark: whether the ratios are kv_load's own doing.

redis-benchmark tells nobody when its requests begin, so the servers' time is taken over its whole run: 50 connections
that come and go, and two CONFIG GETs, beside at least 50,000 requests.
"""

import csv
import dataclasses
import re
import subprocess
import time

from . import figures
from .peers import Missing, info, output
from .process import Trouble, ask, cores, find, prepare_child
from .scenarios import BASE, REFERENCE, Point, in_turn

PROGRAMS = ("redis-benchmark", "valkey-benchmark")
# At each pipeline, which divides them: about half a second.
REQUESTS = {1: 50_000, 16: 400_000, 64: 640_000}
KEYS = 10_000  # as many as kv_load's
# So many random ones of them that none is left out, but for a probability of 1 to 10 million.
FILL_REQUESTS = 256_000
GET = ("-t", "get")
# Its own SET would write the keys that its GET reads, and so drop them from the cache that is measured next.
SET = ("SET", "written:__rand_int__", "x" * 64)
# Named as what kv_load does; in the order of a round.
CASES = ((REFERENCE, "redis", GET), ("hit", "hit", GET), ("forward, UNIX", "forward-unix", GET), ("SET", "hit", SET))
LIMIT_S = 30  # for one run
SETTLE_S = 0.02  # for the servers to see that its connections have ended


def parsed(text):
    """Requests per second and the median of their times, from the two lines that --csv prints for one test."""
    rows = list(csv.DictReader(text.splitlines()))
    try:
        return {"rate": float(rows[0]["rps"]), "p50_us": round(1000 * float(rows[0]["p50_latency_ms"]), 1)}
    except (IndexError, KeyError, TypeError, ValueError):
        raise Trouble(f"not what redis-benchmark --csv prints: {text!r}") from None


class SecondLoad:
    def __init__(self, peers, options):
        self.peers = peers
        self.points = [Point(16)] if options.quick else BASE
        self.rounds = 1 if options.quick else options.rounds
        self.program = find(*PROGRAMS)

    def planned_seconds(self):
        return len(self.points) * self.rounds * len(CASES) * 0.7 + 2 if self.program else 0

    def ask(self, target, pipeline, requests, what):
        words = [self.program, "-h", "127.0.0.1", "-p", target.port(), "-c", "50", "-d", "64", "-r", str(KEYS),
                 "-P", str(pipeline), "-n", str(requests), "--csv", *what]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S,
                              preexec_fn=prepare_child({cores()[1]}))
        if done.returncode != 0:
            raise Trouble(f"{' '.join(words[:-1])}: status {done.returncode}: {done.stderr.strip()}\n"
                          + target.own.log_tail())
        return parsed(done.stdout)

    def measure(self, name, what, pipeline):
        target = self.peers.target(name)
        requests = REQUESTS[pipeline]
        before = target.own.cpu_ns()
        said = self.ask(target, pipeline, requests, what)
        time.sleep(SETTLE_S)
        return {"own_us": (target.own.cpu_ns() - before) / 1000 / requests, **said}

    def misses(self):
        """Of keys that are not at either redis-server, and of those that the cache does not have."""
        stats = [ask(target.port(), "INFO", "stats") for target in self.stores()]
        at_redis = [int(re.search(r"^keyspace_misses:(\d+)", each, re.MULTILINE)[1]) for each in stats]
        return *at_redis, int(info(self.peers.target("hit").info_port)["cache_misses"])

    def stores(self):
        return self.peers.target("redis"), self.peers.upstream

    def round(self, pipeline, cases):
        return {name: self.measure(target, what, pipeline) for name, target, what in cases}

    def run(self):
        """A B B A, as Runner does it; a figure of GETs that hit nothing would say nothing, so these end the run."""
        if not self.program:
            raise Missing(f"{PROGRAMS[0]} is not installed (`make bench-deps` brings it)")
        for target in self.stores():
            self.ask(target, 64, FILL_REQUESTS, ("-t", "set"))
        self.ask(self.peers.target("hit"), 64, FILL_REQUESTS, GET)
        before = self.misses()
        rows = []
        for point in self.points:
            rounds = [self.round(point.pipeline, in_turn(CASES, number)) for number in range(self.rounds)]
            rows += [{"scenario": name, **dataclasses.asdict(point), "rounds": [each[name] for each in rounds]}
                     for name, *_ in CASES]
        after = self.misses()
        if after != before:
            raise Trouble(f"redis-benchmark's GETs missed: at both redis-servers and in the cache {before} before, "
                          f"{after} after")
        return figures.summary({"program": output(self.program, "--version"), "results": rows})
