#!/usr/bin/env python3
"""Instructions that anteroom executes for a request, counted by callgrind and compared with what was committed.

Unlike times, these counts are the same on a busy machine: one worker, one client in a closed loop that writes a whole
pipeline at once and reads all its replies, so that every run makes the same turns and system calls. Counting is on only
while that goes on, and the timers that can be are set to an hour. A count includes the libraries, not the kernel.

  hit         GET from the cache                           set   SET, forwarded over a UNIX socket
  miss        GET that is fetched and stored               get   GET, forwarded, with the cache switched off
  get and pttl   what a miss sends, as two commands of a client, forwarded

Status 1 if a count has grown by more than 3 % over test/bench/results/instructions.json (of a full cache 10 %), or if a
hit costs more with more connections or keys, or if INFO has not counted what a scenario is about. Who means a count to grow commits what --update writes with the change. With another compiler
or valgrind than the baseline's, nothing is compared with it.

  test/bench/instructions.py [--update] [--profiles FOLDER]
  test/bench/instructions.py --scale [--update]   as connections and keys grow; see instructions_scale.py
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from callgrind import (ROOT, VALUE, Client, Table, Trouble, bulk, command, counted, cycle, fill, key, redis_with,
                       run, versions)
import instructions_scale

BASELINE = ROOT / "test/bench/results/instructions.json"
GROWTH_MAX = 0.03
# How far a full index has to look depends on the seed of its hashes, which is another one in each run.
IN_FULL, GROWTH_MAX_IN_FULL = "miss in a full cache, pipeline 16", 0.10
FLAT_WITHIN = 0.10
FLAT_TO, FLAT = "hit, pipeline 1", ("hit, 1000 idle connections", "hit, 100 k keys")
FEW, MANY, BEYOND = range(10_000), range(100_000), range(100_000, 106_400)
NOT_CACHED = [range(start, start + 6_400) for start in (110_000, 120_000, 130_000)]
DEPTHS = (1, 16, 64)
IDLE_CONNECTIONS = 1000


def measure_cached(folder):
    with counted(folder / "cached", "--capacity", "300000") as (server, client, listen):
        table = Table(server, client, listen)
        fill(client, listen, FEW)
        server.tell("instrumentation", "on")
        for depth in DEPTHS:
            table.add(f"hit, pipeline {depth}", cycle(b"GET", FEW), depth, bulk(VALUE), cache_hits=1)
        for depth in DEPTHS:
            table.add(f"set, pipeline {depth}", cycle(b"SET", BEYOND, VALUE), depth, b"+OK\r\n")
        cached = cycle(b"SET", FEW, VALUE)[:len(FEW)]
        table.add("set of a cached key, pipeline 1", cached, 1, b"+OK\r\n", cache_dropped=1)
        for depth, keys in zip(DEPTHS, NOT_CACHED):
            table.add(f"miss, pipeline {depth}", [command(b"GET", key(i)) for i in keys], depth, bulk(VALUE),
                      cache_misses=1)

        server.tell("instrumentation", "off")
        idle = [Client(listen) for _ in range(IDLE_CONNECTIONS)]
        fill(client, listen, FEW)
        server.tell("instrumentation", "on")
        table.add("hit, 1000 idle connections", cycle(b"GET", FEW), 1, bulk(VALUE), cache_hits=1)
        for each in idle:
            each.socket.close()

        server.tell("instrumentation", "off")
        fill(client, listen, MANY)
        server.tell("instrumentation", "on")
        table.add("hit, 100 k keys", cycle(b"GET", MANY), 1, bulk(VALUE), cache_hits=1)
        return table


def measure_full(folder):
    """A cache that is full, so that a miss evicts what was there before."""
    with counted(folder / "full", "--capacity", str(len(FEW))) as (server, client, listen):
        table = Table(server, client, listen)
        run(client, [command(b"GET", key(i)) for i in FEW], DEPTHS[-1], bulk(VALUE))
        server.tell("instrumentation", "on")
        table.add(IN_FULL, [command(b"GET", key(i)) for i in NOT_CACHED[0]], 16, bulk(VALUE), cache_misses=1,
                  cache_evicted_capacity=1)
        return table


def measure_forwarded(folder):
    with counted(folder / "forwarded", "--cache", "false") as (server, client, listen):
        table = Table(server, client, listen)
        server.tell("instrumentation", "on")
        for depth in DEPTHS:
            table.add(f"get, pipeline {depth}", cycle(b"GET", FEW), depth, bulk(VALUE))
        pairs = [command(b"GET", key(i)) + command(b"PTTL", key(i)) for i in NOT_CACHED[0]]
        for depth in DEPTHS:
            table.add(f"get and pttl, pipeline {depth}", pairs, depth, bulk(VALUE) + b":-1\r\n")
        return table


def measure_all(keep):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with redis_with(folder, range(NOT_CACHED[-1].stop)):
            points = {}
            for table in (measure_cached(folder), measure_full(folder), measure_forwarded(folder)):
                points |= table.points
                for point, profile in table.profiles.items():
                    if keep:
                        shutil.copy(profile, pathlib.Path(keep) / re.sub(r"\W+", "_", point))
            return points


def show(points, baseline):
    print(f"{'instructions for a request':34}{'now':>9}{'baseline':>10}{'change':>9}")
    for name, count in points.items():
        if name in baseline:
            print(f"{name:34}{count:>9.0f}{baseline[name]:>10.0f}{100 * (count / baseline[name] - 1):>+8.1f}%")
        else:
            print(f"{name:34}{count:>9.0f}")


def verdict(points, baseline):
    """What is wrong; of a count that has only fallen, nothing. None for a baseline: there is nothing to compare with."""
    limits = dict.fromkeys(points, GROWTH_MAX) | {IN_FULL: GROWTH_MAX_IN_FULL}
    unlike = sorted(points.keys() ^ baseline.keys()) if baseline is not None else []
    baseline = baseline or {}
    wrong = [f"'{name}' has grown by more than {limits[name]:.0%}" for name, count in points.items()
             if name in baseline and count > baseline[name] * (1 + limits[name])]
    wrong += [f"'{name}' is not within {FLAT_WITHIN:.0%} of '{FLAT_TO}'" for name in FLAT
              if abs(points[name] / points[FLAT_TO] - 1) > FLAT_WITHIN]
    wrong += [f"'{name}' is only in the baseline, or not there" for name in unlike]
    if wrong and baseline:
        wrong.append("if it has to be: instructions.py --update, and commit the baseline with the change")
    fallen = [name for name, count in points.items() if name in baseline and count < baseline[name] * (1 - limits[name])]
    if fallen:
        print(f"instructions: fewer than the baseline has; --update keeps it so: {', '.join(fallen)}")
    return wrong


def read_baseline():
    try:
        stored = json.loads(BASELINE.read_text())
        return {name: stored[name] for name in ("compiler", "valgrind", "instructions")}
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise Trouble(f"no baseline in {BASELINE}: {why!r}; --update makes one")


def scale(update):
    try:
        return instructions_scale.main(update)
    except (Trouble, OSError, subprocess.SubprocessError) as trouble:
        raise SystemExit(f"instructions: {trouble}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--profiles", metavar="FOLDER", help="keep callgrind's files there, for callgrind_annotate")
    parser.add_argument("--scale", action="store_true", help="a hit with up to 10,000 connections and 1 M keys")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("instructions: terminated"))
    if options.scale:
        return scale(options.update)
    if options.profiles:
        pathlib.Path(options.profiles).mkdir(parents=True, exist_ok=True)
    try:
        stored = {} if options.update else read_baseline()
        made_by = versions()
        points = measure_all(options.profiles)
    except (Trouble, OSError, subprocess.SubprocessError) as trouble:
        raise SystemExit(f"instructions: {trouble}")
    is_comparable = all(stored.get(name) == version for name, version in made_by.items())
    baseline = stored["instructions"] if is_comparable else None
    show(points, baseline or {})
    if options.update and not verdict(points, None):
        BASELINE.write_text(json.dumps(made_by | {"instructions": points}, indent=1) + "\n")
        return 0
    if not is_comparable and not options.update:
        print(f"instructions: not compared, since the baseline is of {stored.get('compiler')} and "
              f"{stored.get('valgrind')}, and this of {made_by['compiler']} and {made_by['valgrind']}")
    wrong = verdict(points, baseline)
    for line in wrong:
        print(f"instructions: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
