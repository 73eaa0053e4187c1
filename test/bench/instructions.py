#!/usr/bin/env python3
"""Instructions that anteroom executes for a request, counted by callgrind and compared with what was committed.

Unlike times, these counts are the same on a busy machine: one worker, one client in a closed loop that writes a whole
pipeline at once and reads all its replies, so that every run makes the same turns and system calls. Counting is on only
while that goes on, and the timers that can be are set to an hour. A count includes the libraries, not the kernel.

  hit         GET from the cache                           set   SET, forwarded over a UNIX socket
  miss        GET that is fetched and stored               get   GET, forwarded, with the cache switched off

Status 1 if a count has grown by more than 3 % over test/bench/results/instructions.json, or if a hit costs more with
more connections or keys. Who means a count to grow commits what --update writes with the change. With another compiler
or valgrind than the baseline's, nothing is compared with it.

  test/bench/instructions.py [--update] [--profiles FOLDER]
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from callgrind import LIMIT_S, Client, Counted, Trouble, program, running, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/anteroom"
BASELINE = ROOT / "test/bench/results/instructions.json"
GROWTH_MAX = 0.03
FLAT_WITHIN = 0.10
FLAT_TO, FLAT = "hit, pipeline 1", ("hit, 1000 idle connections", "hit, 100 k keys")
VALUE = b"x" * 64
FEW, MANY, BEYOND = range(10_000), range(100_000), range(100_000, 106_400)
NOT_CACHED = [range(start, start + 6_400) for start in (110_000, 120_000, 130_000)]
DEPTHS = (1, 16, 64)
IDLE_CONNECTIONS = 1000
REQUESTS = 12_800
AN_HOUR_MS = "3600000"
# Timers that tick whatever is asked would be shared out among more requests on a fast machine than on a slow one.
QUIET = ["--fence-interval", "1000000", "--max-staleness", AN_HOUR_MS, "--cache-period", AN_HOUR_MS,
         "--log-level", "error"]


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def key(number):
    return b"key:%08d" % number


@contextlib.contextmanager
def counted(folder, redis, *options):
    folder.mkdir()
    listen = folder / "anteroom.sock"
    words = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/callgrind.out",
             f"--vgdb-prefix={folder}/vgdb", BINARY, "serve", "--workers", "1", "--port", "0", "--unixsocket", listen,
             "--upstream", f"unix://{redis}", *QUIET, *options]
    with running(words, folder / "log") as process:
        until(lambda: process.poll() is not None or listen.exists(), "the start of anteroom")
        if process.poll() is not None:
            raise Trouble((folder / "log").read_text(errors="replace"))
        client = Client(listen)
        until_settled(client)
        yield Counted(folder, process), client, listen


def bulk(value):
    return b"$%d\r\n%b\r\n" % (len(value), value)


def until_settled(client):
    """Both connections to redis-server are up when these have been answered."""
    client.ask(command(b"SET", b"settled", VALUE), b"+OK\r\n")
    client.ask(command(b"GET", b"settled"), bulk(VALUE))


def run(client, requests, depth, reply):
    """The requests in pipelines of `depth`, each when the replies to the one before have come."""
    for at in range(0, len(requests), depth):
        client.ask(b"".join(requests[at:at + depth]), reply, len(requests[at:at + depth]))


def cycle(name, keys, *rest):
    # A stride that is prime to the number of keys touches all of them, in no order that the cache has them in.
    return [command(name, key(keys[i * 7919 % len(keys)]), *rest) for i in range(REQUESTS)]


class Table:
    def __init__(self, server, client):
        self.server = server
        self.client = client
        self.points = {}
        self.profiles = {}

    def add(self, name, requests, depth, reply):
        run(self.client, requests[:10 * depth], depth, reply)  # what is done once is done now
        requests = requests[10 * depth:]
        total, self.profiles[name] = self.server.count(lambda: run(self.client, requests, depth, reply))
        self.points[name] = round(total / len(requests), 1)


def store_keys(folder, numbers):
    feed = b"".join(command(b"SET", key(i), VALUE) for i in numbers)
    cli = [program("redis-cli", "valkey-cli"), "-s", f"{folder}/redis.sock", "--pipe"]
    done = subprocess.run(cli, input=feed, capture_output=True, timeout=LIMIT_S)
    if b"errors: 0" not in done.stdout:
        raise Trouble(done.stdout.decode() + done.stderr.decode())


def fill(client, listen, numbers):
    """Has the cache fetch these keys, without counting: that would take fifty times as long."""
    for at in range(0, len(numbers), 200):
        keys = [key(i) for i in numbers[at:at + 200]]
        client.ask(command(b"MGET", *keys), b"*200\r\n" + bulk(VALUE) * 200)
    info = [program("redis-cli", "valkey-cli"), "-s", listen, "info", "cache"]
    until(lambda: int(re.search(r"cache_entries:(\d+)", subprocess.check_output(info, text=True)).group(1)) >=
          len(numbers), "filling the cache")


def measure_cached(folder):
    with counted(folder / "cached", folder / "redis.sock", "--capacity", "300000") as (server, client, listen):
        table = Table(server, client)
        fill(client, listen, FEW)
        server.tell("instrumentation", "on")
        for depth in DEPTHS:
            table.add(f"hit, pipeline {depth}", cycle(b"GET", FEW), depth, bulk(VALUE))
        for depth in DEPTHS:
            table.add(f"set, pipeline {depth}", cycle(b"SET", BEYOND, VALUE), depth, b"+OK\r\n")
        cached = cycle(b"SET", FEW, VALUE)[:len(FEW)]
        table.add("set of a cached key, pipeline 1", cached, 1, b"+OK\r\n")
        for depth, keys in zip(DEPTHS, NOT_CACHED):
            table.add(f"miss, pipeline {depth}", [command(b"GET", key(i)) for i in keys], depth, bulk(VALUE))

        server.tell("instrumentation", "off")
        idle = [Client(listen) for _ in range(IDLE_CONNECTIONS)]
        fill(client, listen, FEW)
        server.tell("instrumentation", "on")
        table.add("hit, 1000 idle connections", cycle(b"GET", FEW), 1, bulk(VALUE))
        for each in idle:
            each.socket.close()

        server.tell("instrumentation", "off")
        fill(client, listen, MANY)
        server.tell("instrumentation", "on")
        table.add("hit, 100 k keys", cycle(b"GET", MANY), 1, bulk(VALUE))
        return table


def measure_forwarded(folder):
    with counted(folder / "forwarded", folder / "redis.sock", "--cache", "false") as (server, client, _):
        table = Table(server, client)
        server.tell("instrumentation", "on")
        for depth in DEPTHS:
            table.add(f"get, pipeline {depth}", cycle(b"GET", FEW), depth, bulk(VALUE))
        return table


def measure_all(keep):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        socket_path = folder / "redis.sock"
        redis = [program("redis-server", "valkey-server"), "--port", "0", "--unixsocket", socket_path, "--save", "",
                 "--dir", folder]
        with running(redis, folder / "redis.log"):
            until(socket_path.exists, "the start of redis-server")
            store_keys(folder, range(NOT_CACHED[-1].stop))
            points = {}
            for table in (measure_cached(folder), measure_forwarded(folder)):
                points |= table.points
                for point, profile in table.profiles.items():
                    if keep:
                        shutil.copy(profile, pathlib.Path(keep) / re.sub(r"\W+", "_", point))
            return points


def versions():
    compiler = (BINARY.parent / "flags").read_text().split()[0]
    return {name: subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
            for name, tool in (("compiler", compiler), ("valgrind", "valgrind"))}


def show(points, baseline):
    print(f"{'instructions for a request':34}{'now':>9}{'baseline':>10}{'change':>9}")
    for name, count in points.items():
        if name in baseline:
            print(f"{name:34}{count:>9.0f}{baseline[name]:>10.0f}{100 * (count / baseline[name] - 1):>+8.1f}%")
        else:
            print(f"{name:34}{count:>9.0f}")


def verdict(points, baseline):
    """What is wrong; of a count that has only fallen, nothing."""
    wrong = [f"'{name}' has grown by more than {GROWTH_MAX:.0%}" for name, count in points.items()
             if name in baseline and count > baseline[name] * (1 + GROWTH_MAX)]
    wrong += [f"'{name}' is not within {FLAT_WITHIN:.0%} of '{FLAT_TO}'" for name in FLAT
              if abs(points[name] / points[FLAT_TO] - 1) > FLAT_WITHIN]
    if wrong and baseline:
        wrong.append("if it has to be: instructions.py --update, and commit the baseline with the change")
    fallen = [name for name, count in points.items() if name in baseline and count < baseline[name] * (1 - GROWTH_MAX)]
    if fallen:
        print(f"instructions: fewer than the baseline has; --update keeps it so: {', '.join(fallen)}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--profiles", metavar="FOLDER", help="keep callgrind's files there, for callgrind_annotate")
    options = parser.parse_args()
    if options.profiles:
        pathlib.Path(options.profiles).mkdir(parents=True, exist_ok=True)
    made_by = versions()
    stored = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    is_comparable = all(stored.get(name) == version for name, version in made_by.items())
    try:
        points = measure_all(options.profiles)
    except (Trouble, OSError, subprocess.SubprocessError) as trouble:
        raise SystemExit(f"instructions: {trouble}")
    baseline = stored["instructions"] if is_comparable else {}
    show(points, baseline)
    if options.update:
        BASELINE.write_text(json.dumps(made_by | {"instructions": points}, indent=1) + "\n")
        return 0
    if not is_comparable:
        print(f"instructions: not compared, since the baseline is of {stored.get('compiler')} and "
              f"{stored.get('valgrind')}, and this of {made_by['compiler']} and {made_by['valgrind']}")
    wrong = verdict(points, baseline)
    for line in wrong:
        print(f"instructions: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
