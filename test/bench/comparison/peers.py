"""Which servers take part, and how each is started. One is started when it is first asked for, and stays.

Behind all front-ends is one redis-server with the keys of all their scenarios. What they are compared with is another.
"""

import dataclasses
import os
import pathlib
import re
import subprocess

from .process import Server, Trouble, accepts, accepts_unix, ask, cores, find, free_port
from .scenarios import CORES_FOR_TWO, MANY_KEYS, ZIPF_EXPONENT, lru_capacity

HAPROXY = """
global
  nbthread 1
  maxconn 5000
defaults
  mode tcp
  maxconn 5000
  timeout connect 1s
  timeout client 1m
  timeout server 1m
frontend clients
  bind 127.0.0.1:{port}
  default_backend redis
backend redis
  server redis unix@{socket}
"""
NUTCRACKER = """
bench:
  listen: 127.0.0.1:{port}
  redis: true
  preconnect: true
  backlog: 1024
  servers:
   - {socket}:1
"""
CLIENTS_MAX = 15000
CAPACITY = 100000  # more than there are keys to hit
CACHE_TTL_MS = 3600 * 1000  # longer than a run, or what was cached at its begin would be fetched anew at its end
NO_QUIC = "this build has no QUIC"  # as the program says it (src/server/lanes.hpp)
REDIS = ("redis-server", "valkey-server")  # either will do, the first is preferred
# Programs of which the first that is installed takes part, and the words that ask for its version.
VERSIONS = ((REDIS, "--version"), (("memcached",), "-V"), (("nutcracker",), "-V"), (("haproxy",), "-v"))


@dataclasses.dataclass
class Target:
    """Where the load goes (`where` are words for kv_load), whose time is its own, and who works behind it."""
    where: list
    own: Server
    behind: list
    info_port: int = 0  # where INFO tells hits and misses of the cache; 0 is nowhere

    def port(self):
        return self.where[self.where.index("--port") + 1]


class Missing(Exception):
    """A peer cannot take part here; its text says why."""


class Peers:
    """All servers of a run, in one temporary folder. Whoever calls start_redis(), which comes first, calls stop()."""

    def __init__(self, folder, build):
        self.folder = pathlib.Path(folder)
        self.build = pathlib.Path(build)
        self.socket = self.folder / "redis.sock"
        self.on_cores = {cores()[0]}
        self.servers = {}
        self.targets = {}
        self.missing = {}
        self.ports = set()

    def spawn(self, name, *words, on_cores=None):
        server = Server(name, words, self.folder, on_cores or self.on_cores)
        self.servers[name] = server
        return server

    def stop(self):
        """Front-ends before what is behind them."""
        for server in reversed(list(self.servers.values())):
            server.stop()

    def program(self, *names):
        path = find(*names)
        if not path:
            raise Missing(f"{names[0]} is not installed (`make bench-deps` brings it)")
        return path

    def built(self, name):
        path = self.build / name
        if not path.exists():
            raise Trouble(f"{path} is not built: run `make bench`, which builds it")
        return path

    def target(self, name, sizes=None):
        """`name` is a key of STARTERS; `sizes` are the bytes of a request and its reply, which the floor is made of."""
        key = (name, sizes if name.startswith("floor") else None)
        if name in self.missing:
            raise Missing(self.missing[name])
        if key not in self.targets:
            try:
                start = STARTERS[name]
                self.targets[key] = start(self, name, *sizes) if key[1] else start(self, name)
            except (Missing, Trouble) as why:  # what could not start once is not tried anew
                self.missing[name] = str(why)
                raise
        return self.targets[key]

    def start_redis(self):
        """The one behind the front-ends. The gateway comes first, because it makes the TLS port's certificate, too."""
        self.gateway_port, port, self.tls_port = (free_port(self.ports) for _ in range(3))
        words = [self.built("anteroom"), "gateway", "--listen", f"127.0.0.1:{self.gateway_port}", "--upstream",
                 f"unix://{self.socket}", "--workers", "1", "--tls-self-signed", "--tls-cert",
                 self.folder / "crt", "--tls-key", self.folder / "key"]
        self.gateway = self.spawn("gateway", *words)
        try:
            self.gateway.wait_until(lambda: (self.folder / "crt").exists() and (self.folder / "key").exists())
        except Trouble as why:
            if NO_QUIC not in str(why):
                raise
            self.gateway = None
            del self.servers["gateway"]
        tls = ["--tls-port", self.tls_port, "--tls-cert-file", self.folder / "crt", "--tls-key-file",
               self.folder / "key", "--tls-auth-clients", "no"] if self.gateway else []
        self.redis = self.spawn_redis("redis-server", port, "--unixsocket", self.socket, *tls)
        self.redis.wait_until(lambda: accepts(port) and accepts_unix(self.socket))
        self.upstream = Target(tcp(port), self.redis, [])

    def spawn_redis(self, name, port, *words):
        return self.spawn(name, self.program(*REDIS), "--bind", "127.0.0.1", "--port", port, "--save", "",
                          "--appendonly", "no", "--maxclients", CLIENTS_MAX, "--dir", self.folder, *words)

    def start_anteroom(self, name, *words, upstream=None, behind=None, is_cached=True, on_cores=None):
        port = free_port(self.ports)
        server = self.spawn(name, self.built("anteroom"), "serve", "--port", port, "--maxclients", CLIENTS_MAX,
                            "--upstream", upstream or f"unix://{self.socket}", "--cache-ttl", CACHE_TTL_MS,
                            *([] if "--workers" in words else ["--workers", "1"]), *words, on_cores=on_cores)
        server.wait_until(lambda: accepts(port))
        if is_cached:
            server.wait_until(lambda: int(info(port).get("coherence_workers_coherent", 0)) > 0)
        return Target(tcp(port), server, [self.redis, *(behind or [])], port if is_cached else 0)

    def uncached(self, name, *words, **more):
        return self.start_anteroom(name, "--cache", "false", *words, is_cached=False, **more)

    def over_tls(self, name):
        self.need_quic()
        return self.uncached(name, "--upstream-tls-verify", "false", upstream=f"rediss://127.0.0.1:{self.tls_port}")

    def over_quic(self, name):
        self.need_quic()
        return self.uncached(name, upstream=f"quic://127.0.0.1:{self.gateway_port}?insecure=1", behind=[self.gateway])

    def need_quic(self):
        if not self.gateway:
            raise Missing("anteroom is built without QUIC, whose gateway also makes the certificate for TLS")

    def start_memcached(self, name):
        port = free_port(self.ports)
        user = ["-u", "root"] if os.geteuid() == 0 else []
        server = self.spawn(name, self.program("memcached"), "-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "1", "-m",
                            "1024", "-c", CLIENTS_MAX, *user)
        return Target([*tcp(port), "--protocol", "memcached"], server.wait_until(lambda: accepts(port)), [])

    def start_haproxy(self, name):
        return self.start_configured(name, HAPROXY, lambda file, _: ["-db", "-f", file])

    def start_nutcracker(self, name):
        return self.start_configured(name, NUTCRACKER, lambda file, stats: ["-c", file, "-s", stats, "-a", "127.0.0.1"])

    def start_configured(self, name, text, words):
        port, stats = free_port(self.ports), free_port(self.ports)
        file = self.folder / f"{name}.conf"
        file.write_text(text.format(port=port, socket=self.socket))
        server = self.spawn(name, self.program(name), *words(file, stats))
        return Target(tcp(port), server.wait_until(lambda: accepts(port)), [self.redis])

    def start_floor(self, name, request_bytes, reply_bytes):
        port = free_port(self.ports)
        words = ["--port", port, "--request-bytes", request_bytes, "--reply-bytes", reply_bytes]
        is_forwarding = name == "floor-forward"
        server = self.spawn(f"{name}-{reply_bytes}", self.built("floor_server"), *words,
                            *(["--forward", self.socket] if is_forwarding else []))
        return Target(tcp(port), server.wait_until(lambda: accepts(port)), [self.redis] if is_forwarding else [])

    def versions(self):
        found = {"anteroom": output(self.built("anteroom"), "--version")}
        for names, word in VERSIONS:
            path = find(*names)
            if path:
                found[pathlib.Path(path).name] = output(path, word)
        return found


def tcp(port):
    return ["--host", "127.0.0.1", "--port", str(port)]


def output(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=10)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "?"


def info(port):
    """Hits, misses and state of anteroom's cache."""
    return dict(re.findall(r"^(\w+):(.*?)\r?$", ask(port, "INFO", "cache"), re.MULTILINE))


def cache_for(percent):
    """Starts anteroom with a cache that so much of the Zipf-distributed reads hit."""
    capacity = lru_capacity(percent / 100, MANY_KEYS, ZIPF_EXPONENT)
    return lambda peers, name: peers.start_anteroom(name, "--capacity", capacity)


def two_workers(peers, name):
    here = sorted(os.sched_getaffinity(0))
    on_cores = set(here[:2]) if len(here) >= CORES_FOR_TWO else None
    return peers.start_anteroom(name, "--capacity", CAPACITY, "--workers", "2", on_cores=on_cores)


def lone_redis(peers, name):
    """A redis-server of its own, with nobody behind or before it."""
    port = free_port(peers.ports)
    return Target(tcp(port), peers.spawn_redis(name, port).wait_until(lambda: accepts(port)), [])


STARTERS = {
    "redis": lone_redis,
    "hit": lambda peers, name: peers.start_anteroom(name, "--capacity", CAPACITY),
    "miss": lambda peers, name: peers.start_anteroom(name, "--capacity", "64"),
    "zipf90": cache_for(90),
    "zipf99": cache_for(99),
    "forward-unix": Peers.uncached,
    "forward-tcp": lambda peers, name: peers.uncached(name, upstream=f"redis://127.0.0.1:{peers.upstream.port()}"),
    "forward-tls": Peers.over_tls,
    "forward-quic": Peers.over_quic,
    "two-workers": two_workers,
    "memcached": Peers.start_memcached,
    "nutcracker": Peers.start_nutcracker,
    "haproxy": Peers.start_haproxy,
    "floor": Peers.start_floor,
    "floor-forward": Peers.start_floor,
    "idle": lambda peers, name: peers.start_anteroom(name),
    "idle-redis": lone_redis,
}
