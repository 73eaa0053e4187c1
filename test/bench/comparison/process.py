"""A server of the benchmark as a process: where it listens, what it costs, and how it ends."""

import ctypes
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
FILES_MAX = 24000  # 10,000 clients, and as many connections behind them
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
START_SECONDS = 10
LOG_LINES = 15


class Trouble(Exception):
    """What is measured cannot be; its text says why."""


# What may happen to one part of a run, and must not take the others along.
FAILURES = (Trouble, subprocess.TimeoutExpired, OSError)


def cores():
    """The core of the servers and that of the load; the same one where there is no other."""
    here = sorted(os.sched_getaffinity(0))
    return here[0], here[-1]


def free_port(taken, first=28100):
    """A port of loopback that nobody has, neither for TCP nor for UDP; `taken` are those given out before."""
    for port in range(first, 32000):
        if port in taken:
            continue
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        taken.add(port)
        return port
    raise Trouble("no free port on loopback")


def prepare_child(on_cores):
    """What to run in the new process before the server's program."""
    def run():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a driver that is killed takes its servers along
        os.sched_setaffinity(0, on_cores)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = hard if hard != resource.RLIM_INFINITY else FILES_MAX
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, FILES_MAX), hard))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, which then ends the servers
    return run


class Server:
    def __init__(self, name, words, folder, on_cores):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, cwd=folder, preexec_fn=prepare_child(on_cores))

    def log_tail(self):
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"--- end of the log of {self.name}:", *lines])

    def check(self):
        if self.process.poll() is not None:
            raise Trouble(f"{self.name} has ended with status {self.process.returncode}\n{self.log_tail()}")

    def wait_until(self, is_ready):
        """Until is_ready() is true, for as long as the process lives and START_SECONDS at most."""
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise Trouble(f"{self.name} was not ready within {START_SECONDS} s\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def cpu_ns(self):
        """User and system time of all threads so far."""
        self.check()
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        try:
            return sum(int((task / "schedstat").read_text().split()[0]) for task in (folder / "task").iterdir())
        except (OSError, IndexError):  # a kernel without schedstat: ticks of 10 ms
            return sum(self.cpu_ticks()) * TICK_NS

    def cpu_ticks(self):
        """(user, system) time so far, which the kernel divides by what it finds at each tick of its clock."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Trouble(f"{self.name} has no VmRSS")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def accepts_unix(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            return True
        except OSError:
            return False


def find(*programs):
    """The path of the first of these that is installed, also where an ordinary user's PATH leaves sbin out."""
    places = [(name, path) for name in programs for path in (None, "/usr/sbin:/sbin:/usr/local/sbin")]
    return next(filter(None, (shutil.which(name, path=path) for name, path in places)), None)


def ask(port, *words):
    """The reply to one command of RESP that has a bulk string for a reply."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", port), 5) as client, client.makefile("rb") as replies:
        client.sendall(request.encode())
        head = replies.readline()
        if not head.startswith(b"$"):
            raise Trouble(f"unexpected reply to {' '.join(words)}: {head!r}")
        return replies.read(int(head[1:])).decode()
