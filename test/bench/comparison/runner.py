"""Measures: starts kv_load against a target, and reads the servers' processor time while its window is open.

What fails is left out of the run with its reason, and the run goes on.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import time

from .peers import Missing, info
from .process import FAILURES, Trouble, cores
from .scenarios import CORES_FOR_TWO, REFERENCE, SAME_RATE, SCENARIOS, Point, in_turn, plan

WARMUP_SECONDS = 0.1
IDLE_CONNECTIONS = 10000
WARM_SECONDS = 0.35  # of one load, of which there are as many as the wanted hit ratio needs
WARM_SECONDS_MAX = 15
REPLIES_BYTES_MAX = 1 << 30  # under way at once: kv_load, the server and the kernel hold them in memory
BACKLOG_SHARE_MAX = 0.01  # of an open loop's requests, at the end of a window
# For each round. A virtual machine that stops for some ms makes the p99 of that second ten times as long, whatever is
# measured: the median of many short windows is that of the servers.
OPEN_LOOP_WINDOWS = 4
HOLDING = ("redis", "memcached")  # targets with keys of their own; those of the others are at the redis-server behind
OPEN_LOOP_OF = (REFERENCE, "hit")
# Of several loads at once: what they did together, and the times of the one that waited longest.
ADDED = ("requests", "errors", "misses", "rate", "backlog")
GREATEST = ("p50_us", "p99_us", "p999_us")


class Runner:
    def __init__(self, peers, options):
        self.peers = peers
        self.options = options
        self.results = []
        self.sizes = {}
        self.filled = set()
        self.running = []
        self.left_out = {}
        self.failed = []
        self.loads = 0

    def leave_out(self, name, why):
        if name not in self.left_out:
            self.left_out[name] = str(why).removeprefix(f"{name}: ")
            print(f"left out: {name}: {self.left_out[name]}", flush=True)

    def attempt(self, name, step):
        """What step() returns; None, and the run goes on, where a program is missing or something fails."""
        try:
            return step()
        except Missing as why:
            self.leave_out(name, why)
        except FAILURES as why:
            self.leave_out(name, why)
            self.failed.append(name)
            self.stop()
        return None

    def load(self, *words, core=None):
        """One kv_load. Each has its own order of keys: what the one before it asked for, a cache would still have."""
        self.loads += 1
        core = cores()[1] if core is None else core
        program = [self.peers.built("kv_load"), "--cpu", core, "--seed", self.loads, *words]
        process = subprocess.Popen([str(word) for word in program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.running.append(process)
        return process

    def stop(self):
        for process in self.running:
            process.kill()
            process.communicate()
        self.running.clear()

    def trouble(self, what, process, target):
        process.kill()
        said = process.communicate()[1].strip()
        self.running.remove(process)
        logs = [server.log_tail() for server in [target.own, *target.behind]]
        raise Trouble("\n".join([f"{what}: kv_load says: {said or 'nothing'}", *logs]))

    def finish(self, what, process, target=None):
        out, said = process.communicate()
        self.running.remove(process)
        if process.returncode != 0:
            raise Trouble(f"{what}: kv_load has ended with status {process.returncode}: {said.strip()}\n"
                          + (target.own.log_tail() if target else ""))
        return out

    def target_of(self, scenario, value_bytes):
        if not scenario.target.startswith("floor"):
            return self.peers.target(scenario.target)
        words = (*scenario.keys.words(value_bytes), *scenario.words)
        if words not in self.sizes:
            out = self.finish("sizes", self.load("--print-sizes", *words))
            self.sizes[words] = tuple(map(int, out.split()))
        return self.peers.target(scenario.target, self.sizes[words])

    def is_ready(self, scenario, point):
        """Whether the target is there, with the keys that this scenario asks for."""
        label = f"{scenario.name} at {point.label()}"
        under_way = scenario.replies_bytes(point)
        if under_way > REPLIES_BYTES_MAX:
            self.leave_out(label, f"{under_way / 1e9:.1f} GB of replies would be under way")
            return False
        target = self.attempt(scenario.name, lambda: self.target_of(scenario, point.value_bytes))
        return target is not None and self.attempt(label, lambda: self.prepare(scenario, target, point.value_bytes))

    def prepare(self, scenario, target, value_bytes):
        """Writes the keys where they are not yet, and has the cache see them."""
        words = scenario.keys.words(value_bytes)
        store = target if scenario.target in HOLDING else self.peers.upstream
        if (*store.where, *words) not in self.filled:
            self.finish(f"filling for {scenario.name}", self.load(*store.where, "--fill", *words), store)
            self.filled.add((*store.where, *words))
        if scenario.hit_ratios and scenario.hit_ratios[0] > 0:
            self.warm(scenario, target, value_bytes)
        return True

    def warm(self, scenario, target, value_bytes):
        """Until the cache has what it had after a long time: other keys may have been in it meanwhile."""
        words = [*target.where, *scenario.keys.words(value_bytes), *scenario.words, "--pipeline",
                 64 if value_bytes < 16384 else 4, "--warmup", 0, "--seconds", WARM_SECONDS]
        deadline = time.monotonic() + WARM_SECONDS_MAX
        is_warm = False
        while not is_warm and time.monotonic() < deadline:
            before = cache_counts(target)
            self.finish(f"warming {scenario.name}", self.load(*words), target)
            is_warm = is_wanted(scenario, hit_ratio(before, cache_counts(target)))

    def start_loads(self, scenario, target, point, *words):
        here = sorted(os.sched_getaffinity(0))
        on_cores = here[-scenario.load_processes:] if len(here) >= CORES_FOR_TWO else here[-1:]
        return [self.load(*target.where, *scenario.keys.words(point.value_bytes), *scenario.words, "--connections",
                          point.connections // len(on_cores), "--pipeline", point.pipeline, "--warmup", WARMUP_SECONDS,
                          *words, core=core) for core in on_cores]

    def watch(self, what, processes, target):
        """What the loads say at their end, what each server's processor time was in their window, and what share of
        the target's own was in user mode."""
        servers = [target.own, *target.behind]
        for process in processes:
            if process.stdout.readline().strip() != "warm":
                self.trouble(what, process, target)
        before, ticks_before = [server.cpu_ns() for server in servers], target.own.cpu_ticks()
        lines = [process.stdout.readline() for process in processes]
        after, ticks_after = [server.cpu_ns() for server in servers], target.own.cpu_ticks()
        for process, line in zip(processes, lines):
            if not line.startswith("{"):
                self.trouble(what, process, target)
            self.finish(what, process, target)
        return ([json.loads(line) for line in lines], [end - start for start, end in zip(before, after)],
                user_share(ticks_before, ticks_after))

    def measure(self, scenario, point, seconds, rate=0):
        target = self.target_of(scenario, point.value_bytes)
        what = f"{scenario.name} at {point.label()}"
        counts = cache_counts(target)
        processes = self.start_loads(scenario, target, point, "--seconds", seconds, "--rate", rate)
        loads, ns, in_user = self.watch(what, processes, target)
        load = combined(loads)
        check(what, load, target)
        ratio = hit_ratio(counts, cache_counts(target))
        if not is_wanted(scenario, ratio):
            raise Trouble(f"{what}: the hit ratio is {ratio}, not of {scenario.hit_ratios}")
        us = [each / 1000 / load["requests"] for each in ns]
        # What several servers need may share a core; the time of each is its own all the same.
        return {"own_us": us[0], "own_user_share": in_user, "total_us": sum(us),
                "behind_us": dict(zip([s.name for s in target.behind], us[1:])),
                "load_us": load["cpu_us_per_request"], "load_cores": len(loads), "rate": load["rate"],
                "p50_us": load["p50_us"], "p99_us": load["p99_us"], "p999_us": load["p999_us"],
                "backlog": load["backlog"], "hit_ratio": ratio}

    def plan(self):
        return plan(self.options.only, self.options.quick, self.options.every_point)

    def rounds(self, on_cell):
        """A B B A: at each point, every scenario once in each round."""
        for point, scenarios in self.plan():
            cells = {each: [] for each in scenarios if self.is_ready(each, point)}
            for number in range(self.options.rounds):
                for scenario in in_turn(list(cells), number):
                    self.add_round(cells, scenario, point)
            self.results += [{"scenario": scenario.name, **dataclasses.asdict(point), "rounds": rounds}
                             for scenario, rounds in cells.items()]
            on_cell(point, len(cells))

    def add_round(self, cells, scenario, point):
        """A scenario that fails in one round has no figures at this point."""
        found = self.attempt(f"{scenario.name} at {point.label()}",
                             lambda: self.measure(scenario, point, self.options.seconds))
        if found:
            cells[scenario].append(found)
        else:
            del cells[scenario]

    def open_loop_seconds(self):
        return 2 * self.options.seconds / OPEN_LOOP_WINDOWS

    def open_loop(self):
        """Each at half of what it did in a closed loop, and anteroom also at redis-server's half."""
        wanted = [each for each in SCENARIOS if each.name in OPEN_LOOP_OF]
        scenarios = {each.name: each for each in wanted if self.is_ready(each, Point())}
        loads = [(name, scenario, self.saturating_rate(scenario) / 2) for name, scenario in scenarios.items()]
        if len(loads) == len(OPEN_LOOP_OF):
            loads.append((SAME_RATE, scenarios["hit"], loads[0][2]))
        found = {name: {"rate": rate, "rounds": []} for name, _, rate in loads}
        for number in range(OPEN_LOOP_WINDOWS * self.options.rounds):
            for name, scenario, rate in in_turn(loads, number):
                found[name]["rounds"].append(self.open_loop_window(scenario, rate))
        return found

    def saturating_rate(self, scenario):
        """What it did with 50 connections and one request under way on each."""
        rounds = [each["rounds"] for each in self.results
                  if (each["scenario"], each["pipeline"], each["connections"]) == (scenario.name, 1, 50)]
        closed = rounds[0] if rounds else [self.measure(scenario, Point(), self.options.seconds)]
        return statistics.median(each["rate"] for each in closed)

    def open_loop_window(self, scenario, rate):
        """Requests without a reply at the end are in no percentile: where they are many, the window counts as the
        worst that it may be."""
        seconds = self.open_loop_seconds()
        found = self.measure(scenario, Point(), seconds, round(rate))
        has_kept_up = found["backlog"] <= BACKLOG_SHARE_MAX * rate * seconds
        worst = {} if has_kept_up else dict.fromkeys(("p99_us", "p999_us"), seconds * 1e6)
        return {**found, **worst, "has_kept_up": has_kept_up}

    def idle(self):
        """Memory and time for 10,000 connections that have said PING and then nothing."""
        found = {name: self.attempt(f"idle connections of {name}", lambda: self.idle_at(self.peers.target(name)))
                 for name in ("idle", "idle-redis")}
        return {name: each for name, each in found.items() if each}

    def idle_at(self, target):
        without = target.own.rss_bytes()
        process = self.load(*target.where, "--idle", "--connections", IDLE_CONNECTIONS)
        if process.stdout.readline().strip() != "idle":
            self.trouble("idle connections", process, target)
        seconds = 1 if self.options.quick else 5
        time.sleep(0.5)  # what connecting has left to do
        before = target.own.cpu_ns()
        time.sleep(seconds)
        busy = (target.own.cpu_ns() - before) / 1e9 / seconds
        bytes_each = (target.own.rss_bytes() - without) / IDLE_CONNECTIONS
        self.finish("idle connections", process, target)
        return {"connections": IDLE_CONNECTIONS, "cpu_percent": 100 * busy, "bytes_each": bytes_each}

    def planned_seconds(self):
        count = sum(len(scenarios) for _, scenarios in self.plan())
        each = self.options.seconds + WARMUP_SECONDS + 0.07
        window = self.open_loop_seconds() + WARMUP_SECONDS + 0.07
        windows = OPEN_LOOP_WINDOWS * self.options.rounds * (len(OPEN_LOOP_OF) + 1)
        extra = 0 if self.options.only else windows * window + 15
        return count * (self.options.rounds * each + 0.3) + extra


def cache_counts(target):
    """Hits and misses; an MGET is one of either, and counted apart from GETs."""
    if not target.info_port:
        return 0, 0
    counts = info(target.info_port)
    return tuple(int(counts[f"cache_{what}"]) + int(counts[f"cache_snapshot_{what}"]) for what in ("hits", "misses"))


def user_share(before, after):
    """Of the time between two looks at (user, system); None where that was less than a tick."""
    user, system = (end - start for start, end in zip(before, after))
    return user / (user + system) if user + system else None


def hit_ratio(before, after):
    """None where nobody counts, or nothing was looked up."""
    hits, misses = (end - start for start, end in zip(before, after))
    return hits / (hits + misses) if hits + misses else None


def is_wanted(scenario, ratio):
    """A cache that counts nothing was not asked, which is as wrong as another ratio."""
    if not scenario.hit_ratios:
        return True
    return ratio is not None and scenario.hit_ratios[0] <= ratio <= scenario.hit_ratios[1]


def combined(loads):
    requests = sum(each["requests"] for each in loads)
    cpu_us = sum(each["cpu_us_per_request"] * each["requests"] for each in loads)
    return {**{what: sum(each[what] for each in loads) for what in ADDED},
            **{what: max(each[what] for each in loads) for what in GREATEST},
            "cpu_us_per_request": cpu_us / max(requests, 1)}


def check(what, load, target):
    """The requests must have had the replies that the scenario is about, else a figure of them says nothing."""
    if load["requests"] == 0 or load["errors"] or load["misses"]:
        raise Trouble(f"{what}: {load['requests']} requests, {load['errors']} errors, {load['misses']} keys not there\n"
                      + target.own.log_tail())
