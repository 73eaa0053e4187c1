"""Measures: starts kv_load against a target, and reads the servers' processor time while its window is open."""

import dataclasses
import json
import statistics
import subprocess
import time

from .peers import Missing, info
from .process import Trouble, cores
from .scenarios import REFERENCE, Point, in_turn, plan

WARMUP_SECONDS = 0.1
IDLE_CONNECTIONS = 10000
SHARE_OFF = 0.03  # how far a hit ratio may be from what its scenario is about
# For each round. A virtual machine that stops for some ms makes the p99 of that second ten times as long, whatever is
# measured: the median of many short windows is that of the servers.
OPEN_LOOP_WINDOWS = 4
HOLDING = ("redis", "memcached")  # targets with keys of their own; those of the others are at the redis-server behind
OPEN_LOOP_OF = (REFERENCE, "hit")


class Runner:
    def __init__(self, peers, options):
        self.peers = peers
        self.options = options
        self.load_core = cores()[1]
        self.results = []
        self.sizes = {}
        self.filled = set()
        self.running = []
        self.left_out = {}
        self.loads = 0

    def load(self, *words):
        """One kv_load. Each has its own order of keys: what the one before it asked for, a cache would still have."""
        self.loads += 1
        program = [str(self.peers.built("kv_load")), "--cpu", str(self.load_core), "--seed", str(self.loads),
                   *map(str, words)]
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.running.append(process)
        return process

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()

    def trouble(self, what, process, target=None):
        process.kill()
        said = process.communicate()[1].strip()
        logs = [server.log_tail() for server in [target.own, *target.behind]] if target else []
        raise Trouble("\n".join([f"{what}: kv_load says: {said or 'nothing'}", *logs]))

    def finish(self, what, process, target=None):
        out, said = process.communicate()
        self.running.remove(process)
        if process.returncode != 0:
            raise Trouble(f"{what}: kv_load has ended with status {process.returncode}: {said.strip()}\n"
                          + (target.own.log_tail() if target else ""))
        return out

    def target_of(self, scenario, value_bytes):
        words = scenario.keys.words(value_bytes)
        if scenario.target.startswith("floor") and value_bytes not in self.sizes:
            out = self.finish("sizes", self.load("--print-sizes", *words))
            self.sizes[value_bytes] = tuple(map(int, out.split()))
        return self.peers.target(scenario.target, self.sizes.get(value_bytes))

    def prepare(self, scenario, value_bytes):
        """Starts the target, writes the keys, and has the cache see them. False where the peer is missing."""
        try:
            target = self.target_of(scenario, value_bytes)
        except Missing as why:
            if scenario.name not in self.left_out:
                print(f"left out: {scenario.name}: {why}", flush=True)
                self.left_out[scenario.name] = str(why)
            return False
        words = scenario.keys.words(value_bytes)
        store = target if scenario.target in HOLDING else self.peers.upstream
        if (*store.where, *words) not in self.filled:
            self.filled.add((*store.where, *words))
            self.finish(f"filling for {scenario.name}", self.load(*store.where, "--fill", *words), store)
        if scenario.share_wanted and (scenario.name, value_bytes) not in self.filled:
            self.filled.add((scenario.name, value_bytes))
            self.finish(f"warming {scenario.name}", self.load(*target.where, *words, *scenario.words, "--pipeline",
                                                              64 if value_bytes < 16384 else 4, "--warmup", 0,
                                                              "--seconds", 0.7), target)
        return True

    def measure(self, scenario, point, seconds, rate=0):
        target = self.target_of(scenario, point.value_bytes)
        servers = [target.own, *target.behind]
        hits_before = cache_counts(target)
        process = self.load(*target.where, *scenario.keys.words(point.value_bytes), *scenario.words, "--connections",
                            point.connections, "--pipeline", point.pipeline, "--warmup", WARMUP_SECONDS, "--seconds",
                            seconds, "--rate", rate)
        what = f"{scenario.name} at {point.label()}"
        if process.stdout.readline().strip() != "warm":
            self.trouble(what, process, target)
        before = [server.cpu_ns() for server in servers]
        line = process.stdout.readline()
        after = [server.cpu_ns() for server in servers]
        if not line.startswith("{"):
            self.trouble(what, process, target)
        load = json.loads(line)
        self.finish(what, process, target)
        check(what, load, target)
        us = [(end - start) / 1000 / load["requests"] for start, end in zip(before, after)]
        # What several servers need may share a core; the time of each is its own all the same.
        return {"own_us": us[0], "total_us": sum(us), "behind_us": dict(zip([s.name for s in target.behind], us[1:])),
                "load_us": load["cpu_us_per_request"], "rate": load["rate"], "p50_us": load["p50_us"],
                "p99_us": load["p99_us"], "p999_us": load["p999_us"], "backlog": load["backlog"],
                "hit_ratio": self.hit_ratio(what, scenario, hits_before, cache_counts(target))}

    def hit_ratio(self, what, scenario, before, after):
        hits, misses = (end - start for start, end in zip(before, after))
        if not hits + misses:
            return None
        ratio = hits / (hits + misses)
        if scenario.share_wanted is not None and abs(ratio - scenario.share_wanted) > SHARE_OFF:
            raise Trouble(f"{what}: the hit ratio is {ratio:.3f}, not {scenario.share_wanted}")
        return ratio

    def plan(self):
        return plan(self.options.only, self.options.quick, self.options.every_point)

    def rounds(self, on_cell):
        """A B B A: at each point, every scenario once in each round."""
        for point, scenarios in self.plan():
            ready = [each for each in scenarios if self.prepare(each, point.value_bytes)]
            cells = {each.name: [] for each in ready}
            for number in range(self.options.rounds):
                for scenario in in_turn(ready, number):
                    cells[scenario.name].append(self.measure(scenario, point, self.options.seconds))
            for scenario in ready:
                self.results.append({"scenario": scenario.name, **dataclasses.asdict(point),
                                     "rounds": cells[scenario.name]})
            on_cell(point, len(ready))

    def open_loop_seconds(self):
        return 2 * self.options.seconds / OPEN_LOOP_WINDOWS

    def open_loop(self):
        """At half of what each did in a closed loop of 50 connections with one request under way on each."""
        found = {}
        scenarios = [each for each in plan(OPEN_LOOP_OF, True)[0][1] if self.prepare(each, 64)]
        rates = {}
        for scenario in scenarios:
            rounds = [each["rounds"] for each in self.results
                      if (each["scenario"], each["pipeline"], each["connections"]) == (scenario.name, 1, 50)]
            closed = rounds[0] if rounds else [self.measure(scenario, Point(), self.options.seconds)]
            rates[scenario.name] = statistics.median(each["rate"] for each in closed) / 2
            found[scenario.name] = []
        for number in range(OPEN_LOOP_WINDOWS * self.options.rounds):
            for scenario in in_turn(scenarios, number):
                found[scenario.name].append(self.measure(scenario, Point(), self.open_loop_seconds(),
                                                         round(rates[scenario.name])))
        return {name: {"rate": rates[name], "rounds": rounds} for name, rounds in found.items()}

    def idle(self):
        """Memory and time for 10,000 connections that have said PING and then nothing."""
        found = {}
        for name in ("idle", "idle-redis"):
            target = self.peers.target(name)
            without = target.own.rss_bytes()
            process = self.load(*target.where, "--idle", "--connections", IDLE_CONNECTIONS)
            if process.stdout.readline().strip() != "idle":
                self.trouble("idle connections", process, target)
            seconds = 1 if self.options.quick else 5
            time.sleep(0.5)  # what connecting has left to do
            before = target.own.cpu_ns()
            time.sleep(seconds)
            busy = (target.own.cpu_ns() - before) / 1e9 / seconds
            found[name] = {"connections": IDLE_CONNECTIONS, "cpu_percent": 100 * busy,
                           "bytes_each": (target.own.rss_bytes() - without) / IDLE_CONNECTIONS}
            self.finish("idle connections", process, target)
        return found

    def planned_seconds(self):
        count = sum(len(scenarios) for _, scenarios in self.plan())
        each = self.options.seconds + WARMUP_SECONDS + 0.07
        window = self.open_loop_seconds() + WARMUP_SECONDS + 0.07
        windows = OPEN_LOOP_WINDOWS * self.options.rounds * len(OPEN_LOOP_OF)
        extra = 0 if self.options.only else windows * window + 15
        return count * (self.options.rounds * each + 0.3) + extra


def cache_counts(target):
    if not target.info_port:
        return 0, 0
    counts = info(target.info_port)
    return int(counts["cache_hits"]), int(counts["cache_misses"])


def check(what, load, target):
    """The requests must have had the replies that the scenario is about, else a figure of them says nothing."""
    if load["requests"] == 0 or load["errors"] or load["misses"]:
        raise Trouble(f"{what}: {load['requests']} requests, {load['errors']} errors, {load['misses']} keys not there\n"
                      + target.own.log_tail())


