"""How the instructions for a hit grow with connections and with keys: instructions.py --scale, which is not part of
`make check` because it takes a minute or more.

Once a second a worker walks over its sessions, and those without anything under way give their buffers back. Under
callgrind that is shared among a fiftieth of the usual requests, and among how many depends on the machine. So each
point is counted in short windows: the least of them is what a hit costs where no second ends, and is judged; their mean
has the work of a second in it, too.
"""

import json
import pathlib
import resource
import statistics
import tempfile

from callgrind import REQUESTS, ROOT, VALUE, Client, bulk, command, counted, cycle, fill, redis_with, run, versions

RESULTS = ROOT / "test/bench/results/instructions_scale.json"
FLAT_WITHIN = 0.10
FEW, CONNECTIONS = 10_000, (100, 1000, 10_000)
KEYS = {"100 k": 100_000, "1 M": 1_000_000}
CLIENTS_MAX = 15_000  # each has one open file here and one in anteroom
ASKERS = 1000
WINDOWS, WINDOWS_OF_TURNS = 10, 30
# Redis forgets for whom it tracks a key beyond a million of them, and has the cache drop it.
TRACK_ALL = ("--tracking-table-max-keys", "0")


class Scale:
    """One anteroom, to which connections and then keys are added. Counting is off while they are."""

    def __init__(self, server, client, listen):
        self.server = server
        self.client = client
        self.listen = listen
        self.others = []
        self.points = {}

    def hit(self, name, keys):
        """One connection asks, and whoever else there is does not."""
        requests = cycle(b"GET", range(keys))
        size = REQUESTS // WINDOWS
        windows = [requests[at:at + size] for at in range(0, REQUESTS, size)]
        self.count(name, windows, lambda window: run(self.client, window, 1, bulk(VALUE)))

    def hit_by_turns(self, name):
        """A request of each connection after the other, and all have asked just before. In more windows, because one is
        of use only if no second has ended since then."""
        window = cycle(b"GET", range(FEW))[:ASKERS]

        def ask(requests):
            for asker, request in zip(self.others, requests, strict=True):
                asker.ask(request, bulk(VALUE))

        self.count(name, [window] * WINDOWS_OF_TURNS, ask, lambda: ask(window))

    def count(self, name, windows, ask, before=lambda: None):
        self.server.tell("instrumentation", "on")
        ask(windows[-1])  # what is done once is done now
        counts = []
        for window in windows:
            before()
            counts.append(self.server.count(lambda: ask(window))[0] / len(window))
        self.server.tell("instrumentation", "off")
        self.points[name] = {"least": round(min(counts), 1), "mean": round(statistics.mean(counts), 1)}
        print(f"{name:34}{self.points[name]['least']:>9.0f}{self.points[name]['mean']:>9.0f}", flush=True)

    def connect(self, count):
        """Until there are so many beside the one that asks. Each has had a reply, and so is known to be served."""
        while len(self.others) < count:
            self.others.append(Client(self.listen))
            self.others[-1].ask(command(b"PING"), b"+PONG\r\n")

    def disconnect(self):
        for each in self.others:
            each.socket.close()
        self.others = []


def measure(folder):
    options = ("--capacity", "2000000", "--maxclients", str(CLIENTS_MAX))
    with redis_with(folder, range(max(KEYS.values())), *TRACK_ALL), \
            counted(folder / "scale", *options) as (server, client, listen):
        scale = Scale(server, client, listen)
        fill(client, listen, range(FEW))
        scale.hit("alone, 10 k keys", FEW)
        for count in CONNECTIONS:
            scale.connect(count)
            scale.hit(f"beside {count} idle connections", FEW)
            if count == ASKERS:
                scale.hit_by_turns(f"{ASKERS} connections by turns")
        scale.disconnect()
        for name, count in KEYS.items():
            fill(client, listen, range(count))
            scale.hit(f"alone, {name} keys", count)
        return scale.points


def main(update):
    """Writes the results if `update`. The exit status: 1 if a point is not within FLAT_WITHIN of the first."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # anteroom inherits it
    made_by = versions()
    print(f"{'instructions for a hit':34}{'least':>9}{'mean':>9}")
    with tempfile.TemporaryDirectory() as name:
        points = measure(pathlib.Path(name))
    if update:
        RESULTS.write_text(json.dumps(made_by | {"instructions": points}, indent=1) + "\n")
    first = next(iter(points.values()))["least"]
    wrong = [name for name, point in points.items() if abs(point["least"] / first - 1) > FLAT_WITHIN]
    for name in wrong:
        print(f"instructions: '{name}' is not within {FLAT_WITHIN:.0%} of the first")
    return 1 if wrong else 0
