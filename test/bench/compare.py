#!/usr/bin/env python3
"""anteroom beside redis-server, memcached, nutcracker and haproxy, in one run on loopback.

Every figure is the processor time of a server's process, user and system, divided by the requests it did meanwhile,
and is also given as a ratio to redis-server's own GET in the same rounds. Servers have the first core, the load has the
last. test/bench/README.md says how to read the tables. A full run writes test/bench/results/comparison.json and .svg;
a quick one, or one of some scenarios only, writes them to build/bench/.

  make bench [QUICK=1] [ARGS='--rounds 7']        builds what this needs and runs it
  test/bench/compare.py --list                    the scenarios
  test/bench/compare.py --only hit floor          some of them, and redis-server's GET
  test/bench/compare.py --report FILE             the tables of an earlier run
"""

import argparse
import json
import math
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

from comparison import figures, plot, report, self_test
from comparison.peers import Missing, Peers
from comparison.process import FAILURES
from comparison.runner import Runner
from comparison.scenarios import SCENARIOS
from comparison.second_load import SecondLoad

ROOT = pathlib.Path(__file__).resolve().parents[2]
FULL = {"rounds": 5, "seconds": 1.2}
QUICK = {"rounds": 3, "seconds": 0.2}


def absolute(path):
    """Servers run in a folder of their own, from where a relative path leads elsewhere."""
    return pathlib.Path(path).resolve()


def above_zero(kind):
    def number(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value
    number.__name__ = "number above 0"
    return number


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, 3 rounds of 0.2 s")
    parser.add_argument("--every-point", action="store_true",
                        help="50 and 500 connections, 64 B, 1 KB and 16 KB, each at all pipelines")
    parser.add_argument("--rounds", type=above_zero(int), help="5")
    parser.add_argument("--seconds", type=above_zero(float), help="of each measurement, 1.2")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these scenarios")
    parser.add_argument("--list", action="store_true", help="print the scenarios' names")
    parser.add_argument("--build", type=absolute, default=ROOT / "build/release",
                        help="where the programs are, build/release")
    parser.add_argument("--self-test", action="store_true", help="check what is computed, without any server")
    parser.add_argument("--report", metavar="FILE", help="print the tables of this JSON file")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path)
    parser.add_argument("--svg", metavar="FILE", type=pathlib.Path)
    options = parser.parse_args()
    unknown = set(options.only) - {each.name for each in SCENARIOS}
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    for name, value in (QUICK if options.quick else FULL).items():
        setattr(options, name, getattr(options, name) or value)
    is_partial = options.quick or options.only or options.every_point or options.rounds < FULL["rounds"]
    folder = ROOT / ("build/bench" if is_partial else "test/bench/results")
    options.json = options.json or folder / "comparison.json"
    options.svg = options.svg or folder / "comparison.svg"
    return options


def cpu_model():
    found = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def revision():
    """Of the tree that this program is in; None outside of git."""
    try:
        done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                              timeout=10)
    except FAILURES:
        return None
    return done.stdout.strip() or None


def measure(options, folder):
    peers = Peers(folder, options.build)
    try:
        peers.start_redis()
        return measure_with(Runner(peers, options), peers, options)
    finally:
        peers.stop()


def measure_with(runner, peers, options):
    run = {"revision": revision(), "arguments": sys.argv[1:], "cpu": cpu_model(),
           "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
           "rounds": options.rounds, "seconds": options.seconds, "versions": peers.versions()}
    second = SecondLoad(peers, options)
    planned_seconds = runner.planned_seconds() + (0 if options.only else second.planned_seconds())
    print(f"planned: about {planned_seconds / 60:.1f} minutes", flush=True)
    started = time.monotonic()
    try:
        runner.rounds(lambda point, count: print(f"{time.monotonic() - started:6.0f} s: {count} scenarios at "
                                                 f"{point.label()}", flush=True))
        if not options.only:
            run["open_loop"] = runner.attempt("the open loop", runner.open_loop)
            run["idle"] = runner.idle()
            run["second_load"] = runner.attempt("the second load", second.run)
    finally:
        runner.stop()
    return figures.summary({**run, "left_out": runner.left_out, "failed": runner.failed, "results": runner.results})


def stop_on_signal(number, _):
    """Ends by way of every `finally`, which ends the servers."""
    raise SystemExit(128 + number)


def as_json(run):
    """A line for each part, and for each point of a scenario: what has changed between two runs can be seen."""
    lines = [f"{json.dumps(name)}: {json.dumps(part)}" for name, part in run.items() if name != "results"]
    results = ",\n  ".join(json.dumps(result) for result in run["results"])
    return "{\n " + ",\n ".join([*lines, f'"results": [\n  {results}\n ]']) + "\n}\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def stored_run(path):
    try:
        run = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as why:
        sys.exit(f"compare: no run in {path}: {why}")
    if not isinstance(run, dict) or not {"results", "versions", "rounds"} <= run.keys():
        sys.exit(f"compare: no run in {path}: another kind of file")
    return run


def main():
    options = parse()
    if options.list:
        print("\n".join(each.name for each in SCENARIOS))
        return
    if options.self_test:
        self_test.run()
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    if options.report:
        run = stored_run(options.report)
    else:
        try:
            with tempfile.TemporaryDirectory(prefix="compare-") as folder:
                run = measure(options, folder)
        except (*FAILURES, Missing) as why:
            sys.exit(f"compare: {why}")
    print(f"\n{report.report(run)}")
    if not options.report:
        try:
            write(options.json, as_json(run))
            write(options.svg, plot.svg(run))
        except OSError as why:
            sys.exit(f"compare: not written: {why}")
        print(f"\nwritten: {options.json}, {options.svg}")
        if run["failed"]:
            sys.exit(f"compare: failed: {', '.join(run['failed'])}")


main()
