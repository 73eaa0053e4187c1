"""anteroom under callgrind, and a client whose bytes come in the same portions in every run: what instructions.py
needs beside its points. The redis-server before which it stands has its keys from redis_with()."""

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/anteroom"
LIMIT_S = 60  # for any one step
COUNTS_OFF = 0.02  # of what INFO must count for a request: asking for it is a request, too
VALUE = b"x" * 64
REQUESTS = 12_800
AN_HOUR_MS = "3600000"
# Timers that tick whatever is asked would be shared out among more requests on a fast machine than on a slow one.
QUIET = ["--fence-interval", "1000000", "--max-staleness", AN_HOUR_MS, "--cache-period", AN_HOUR_MS,
         "--log-level", "error"]


class Trouble(Exception):
    """What keeps from counting: the message is for people."""


class Client:
    """A connection whose requests are known to have one reply of a known size each."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # blocking: a time limit would make it fail where it has to wait
        self.socket.settimeout(LIMIT_S)

    def ask(self, requests, reply, count=1):
        """Writes `requests` at once and reads as many bytes as `count` times `reply` has."""
        self.socket.sendall(requests)
        missing = len(reply) * count
        while missing > 0:
            got = self.socket.recv(missing)
            if not got:
                raise Trouble("anteroom has closed the connection")
            missing -= len(got)
        if not got.endswith(reply[-len(got):]):
            raise Trouble(f"not the reply that was expected: {got[-80:]!r}")


def program(*names):
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise Trouble(f"{names[0]} is not installed")
    return found


def until(is_true, what, process=None):
    """`process` must not end meanwhile."""
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        if process and process.poll() is not None:
            raise Trouble(f"{what}: it has ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise Trouble(f"{what} took too long")
        time.sleep(0.05)


@contextlib.contextmanager
def running(words, log):
    with open(log, "wb") as output:
        process = subprocess.Popen([str(word) for word in words], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Counted:
    """anteroom under callgrind, and the door to its counters."""

    def __init__(self, folder, process):
        self.folder = folder
        self.process = process
        self.dumps = 0

    def tell(self, *words):
        done = subprocess.run(["vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={self.process.pid}", *words],
                              capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode != 0:
            raise Trouble(f"vgdb {' '.join(words)}: {done.stderr.strip()}")

    def count(self, work):
        """The instructions executed while `work` runs, and the profile they are from."""
        self.tell("zero")
        work()
        self.tell("dump")
        self.dumps += 1
        profile = self.folder / f"callgrind.out.{self.dumps}"
        return int(re.search(r"^totals: (\d+)", profile.read_text(), re.M).group(1)), profile


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def key(number):
    return b"key:%08d" % number


def bulk(value):
    return b"$%d\r\n%b\r\n" % (len(value), value)


def cycle(name, keys, *rest):
    # A stride that is prime to the number of keys touches all of them, in no order that the cache has them in.
    return [command(name, key(keys[i * 7919 % len(keys)]), *rest) for i in range(REQUESTS)]


@contextlib.contextmanager
def counted(folder, *options):
    """anteroom before the redis-server of the folder above `folder`, which is made: (its counters, a client, its
    UNIX socket)."""
    folder.mkdir()
    listen = folder / "anteroom.sock"
    words = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/callgrind.out",
             f"--vgdb-prefix={folder}/vgdb", BINARY, "serve", "--workers", "1", "--port", "0", "--unixsocket", listen,
             "--upstream", f"unix://{folder.parent}/redis.sock", *QUIET, *options]
    with running(words, folder / "log") as process:
        until(lambda: process.poll() is not None or listen.exists(), "the start of anteroom")
        if process.poll() is not None:
            raise Trouble((folder / "log").read_text(errors="replace"))
        client = Client(listen)
        until_settled(client)
        yield Counted(folder, process), client, listen


def until_settled(client):
    """Both connections to redis-server are up when these have been answered."""
    client.ask(command(b"SET", b"settled", VALUE), b"+OK\r\n")
    client.ask(command(b"GET", b"settled"), bulk(VALUE))


def run(client, requests, depth, reply):
    """The requests in pipelines of `depth`, each when the replies to the one before have come."""
    for at in range(0, len(requests), depth):
        client.ask(b"".join(requests[at:at + depth]), reply, len(requests[at:at + depth]))


class Table:
    """Instructions for a request by the name of what was asked, and where the profile of each is."""

    def __init__(self, server, client, listen):
        self.server = server
        self.client = client
        self.listen = listen
        self.points = {}
        self.profiles = {}

    def add(self, name, requests, depth, reply, **counts):
        """`counts`: by how much each of these figures of INFO must grow with every request."""
        run(self.client, requests[:10 * depth], depth, reply)  # what is done once is done now
        requests = requests[10 * depth:]
        before = self.figures(counts)
        total, self.profiles[name] = self.server.count(lambda: run(self.client, requests, depth, reply))
        for figure, end in self.figures(counts).items():
            grown = (end - before[figure]) / len(requests)
            if abs(grown - counts[figure]) > COUNTS_OFF:
                raise Trouble(f"{name}: {figure} has grown by {grown:.3f} for each request, not {counts[figure]}")
        self.points[name] = round(total / len(requests), 1)

    def figures(self, names):
        text = info(self.listen) if names else ""
        return {name: int(re.search(rf"^{name}:(\d+)", text, re.M).group(1)) for name in names}


@contextlib.contextmanager
def redis_with(folder, numbers, *options):
    """A redis-server in `folder` that has these keys."""
    socket_path = folder / "redis.sock"
    words = [program("redis-server", "valkey-server"), "--port", "0", "--unixsocket", socket_path, "--save", "",
             "--dir", folder, *options]
    with running(words, folder / "redis.log") as process:
        until(socket_path.exists, "the start of redis-server", process)
        store_keys(folder, numbers)
        yield


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
    until(lambda: int(re.search(r"cache_entries:(\d+)", info(listen)).group(1)) >= len(numbers), "filling the cache")


def info(listen):
    return subprocess.check_output([program("redis-cli", "valkey-cli"), "-s", listen, "info", "cache"], text=True)


def versions():
    compiler = (BINARY.parent / "flags").read_text().split()[0]
    return {name: subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
            for name, tool in (("compiler", compiler), ("valgrind", "valgrind"))}
