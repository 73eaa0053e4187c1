#!/usr/bin/env python3
"""Processor time of one GET over QUIC and a gateway, beside TLS to redis-server, in one run on loopback.

For each point (value, streams x requests under way on each) and transport, the user and system time of all processes
that take part, client included, divided by the requests done. Rounds go A B A B; the medians are printed.

  unix   to redis-server, as a floor
  tls    to redis-server's own TLS
  tls-h  to haproxy, which ends TLS in front of redis-server's UNIX socket (if it is installed)
  quic   to `anteroom gateway` in front of the same UNIX socket
  udp    to a relay that makes the same system calls, with no QUIC between them (test/floor): what a gateway over UDP
         costs at least (if it was built)

  test/bench/quic_cpu.py [--seconds 2] [--rounds 5] [--json FILE]
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/anteroom"
LOAD = ROOT / "build/release/stream_load"
POINTS = [(64, 1, 1), (64, 16, 1), (64, 1, 32), (64, 16, 32), (16384, 16, 1), (16384, 1, 32), (16384, 16, 32)]
TICK = os.sysconf("SC_CLK_TCK")
RELAY = ROOT / "build/release/udp_relay"
TLS_PORT, HAPROXY_PORT, QUIC_PORT, UDP_PORT = 27380, 27381, 27382, 27383

HAPROXY = """
global
  nbthread 1
defaults
  mode tcp
  timeout connect 1s
  timeout client 1m
  timeout server 1m
frontend tls
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem
  default_backend redis
backend redis
  server redis unix@{folder}/redis.sock
"""


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Servers:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.gateway = self.spawn(BINARY, "gateway", "--listen", f"127.0.0.1:{QUIC_PORT}", "--upstream",
                                  f"unix://{folder}/redis.sock", "--tls-self-signed", "--tls-cert", f"{folder}/crt",
                                  "--tls-key", f"{folder}/key", "--workers", "1")
        wait_for(lambda: (self.folder / "crt").exists() and (self.folder / "key").exists())
        self.redis = self.spawn("redis-server", "--port", "0", "--tls-port", TLS_PORT, "--tls-cert-file",
                                f"{folder}/crt", "--tls-key-file", f"{folder}/key", "--tls-auth-clients", "no",
                                "--unixsocket", f"{folder}/redis.sock", "--save", "", "--dir", folder)
        wait_for((self.folder / "redis.sock").exists)
        self.haproxy = None
        if shutil.which("haproxy"):
            (self.folder / "both.pem").write_text((self.folder / "crt").read_text() + (self.folder / "key").read_text())
            (self.folder / "haproxy.cfg").write_text(HAPROXY.format(folder=folder, port=HAPROXY_PORT))
            self.haproxy = self.spawn("haproxy", "-f", f"{folder}/haproxy.cfg", "-db")
        self.relay = self.spawn(RELAY, UDP_PORT, f"{folder}/redis.sock") if RELAY.exists() else None
        time.sleep(0.5)

    def spawn(self, *words):
        log = open(self.folder / f"{pathlib.Path(words[0]).name}.log", "wb")
        return subprocess.Popen([str(word) for word in words], stdout=log, stderr=subprocess.STDOUT)

    def transports(self):
        """Its name: how the load gets there, and who works for it."""
        tls = ["--to", "tls", "--ca", f"{self.folder}/crt", "--port"]
        out = {"unix": (["--to", "unix", "--path", f"{self.folder}/redis.sock"], [self.redis]),
               "tls": ([*tls, str(TLS_PORT)], [self.redis]),
               "quic": (["--to", "quic", "--ca", f"{self.folder}/crt", "--port", str(QUIC_PORT)],
                        [self.redis, self.gateway])}
        if self.haproxy:
            out["tls-h"] = ([*tls, str(HAPROXY_PORT)], [self.redis, self.haproxy])
        if self.relay:
            out["udp"] = (["--to", "udp", "--port", str(UDP_PORT)], [self.redis, self.relay])
        return out

    def close(self):
        for process in (self.relay, self.haproxy, self.gateway, self.redis):
            if process:
                process.send_signal(signal.SIGTERM)
                process.wait()


def wait_for(is_true):
    for _ in range(500):
        if is_true():
            return
        time.sleep(0.02)
    raise SystemExit("quic_cpu: a server did not start")


def measure(how, processes, point, seconds):
    size, streams, depth = point
    load = subprocess.Popen([str(LOAD), *how, "--bytes", str(size), "--streams", str(streams), "--depth", str(depth),
                             "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)
    if load.stdout.readline().strip() != "warm":
        raise SystemExit("quic_cpu: the load has failed")
    before = sum(cpu_seconds(process.pid) for process in processes)
    requests, elapsed, own = map(float, load.stdout.readline().split()[:3])
    after = sum(cpu_seconds(process.pid) for process in processes)
    load.wait()
    return {"us": 1e6 * (own + after - before) / requests, "rps": requests / elapsed}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(folder)
        try:
            names = list(servers.transports())
            print("us of processor time for a request, and quic's to that of TLS (rps likewise)")
            print(f"{'bytes':>6} {'streams':>8}" + "".join(f"{name:>9}" for name in names) +
                  f"{'q/tls':>8}{'q/tls-h':>9}{'rps q/tls':>11}")
            for point in POINTS:
                fill = ["redis-cli", "-s", f"{folder}/redis.sock", "-x", "set", "k"]
                subprocess.run(fill, input=b"x" * point[0], stdout=subprocess.DEVNULL, check=True)
                rounds = {name: [] for name in names}
                for _ in range(options.rounds):
                    for name, (how, processes) in servers.transports().items():
                        rounds[name].append(measure(how, processes, point, options.seconds))
                us = {name: statistics.median(each["us"] for each in rounds[name]) for name in names}
                rps = {name: statistics.median(each["rps"] for each in rounds[name]) for name in names}
                print(f"{point[0]:>6} {point[1]:>3} x {point[2]:<3}" + "".join(f"{us[name]:>9.2f}" for name in names) +
                      f"{us['quic'] / us['tls']:>8.2f}{us['quic'] / us['tls-h'] if 'tls-h' in us else 0:>9.2f}"
                      f"{rps['quic'] / rps['tls']:>11.2f}", flush=True)
                results.append({"bytes": point[0], "streams": point[1], "depth": point[2], "us": us, "rps": rps})
        finally:
            servers.close()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()
