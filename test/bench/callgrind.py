"""anteroom under callgrind, and a client whose bytes come in the same portions in every run. For instructions.py."""

import contextlib
import re
import shutil
import socket
import subprocess
import time

LIMIT_S = 60  # for any one step


class Trouble(Exception):
    pass


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


def until(is_true, what):
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
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
