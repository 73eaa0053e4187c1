#!/usr/bin/env python3
"""Requests over a bad network: QUIC lanes beside one TLS connection and beside sixteen of them, in one run.

Two network namespaces, joined by test/netem/tun_relay.cpp (20 ms round trip, random loss each way). On one side
redis-server (with TLS) and `anteroom gateway`; on the other sixteen clients in closed loops, each over

  quic       a front-end (cache off, one worker) whose upstream is the gateway, with sixteen lanes
  tls-1      the same front-end with rediss://: one shared TLS connection, sixteen requests pipelined
  tls-16     sixteen TLS connections of their own, straight to redis-server

Prints p50 and p99 of each and the ratios to quic. Needs root, for the namespaces; takes SECONDS for each figure.

  test/bench/quic_loss.py [--seconds 20] [--loss 0,1,3] [--bytes 16384] [--clients 16] [--congestion bbr] [--json FILE]
"""

import argparse
import ctypes
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/anteroom"
RELAY = ROOT / "build/release/tun_relay"
LIBC = ctypes.CDLL(None, use_errno=True)
NEAR, FAR = "anteroom-near", "anteroom-far"
NEAR_IP, FAR_IP = "10.9.0.1", "10.9.0.2"


def run(*words):
    subprocess.run(words, check=True)


class World:
    """The namespaces, the network between them, and what runs in them."""

    def __init__(self, folder, loss, congestion, seed):
        self.folder = pathlib.Path(folder)
        self.processes = []
        for name in (NEAR, FAR):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        relay = self.spawn(None, RELAY, "--a", "ant-near", "--b", "ant-far", "--delay-us", "10000", "--loss",
                           str(loss / 100), "--seed", str(seed), output=subprocess.PIPE)
        assert relay.stdout.readline().strip() == b"ready"
        for name, device, address in ((NEAR, "ant-near", NEAR_IP), (FAR, "ant-far", FAR_IP)):
            run("ip", "link", "set", device, "netns", name)
            run("ip", "-n", name, "addr", "add", address + "/30", "dev", device)
            run("ip", "-n", name, "link", "set", device, "mtu", "1500", "txqueuelen", "10000", "up")
        self.start_far(congestion)
        self.start_near(congestion)

    def spawn(self, name, *words, output=None):
        inside = ["ip", "netns", "exec", name] if name else []
        log = output or open(self.folder / f"log{len(self.processes)}", "wb")
        process = subprocess.Popen([*inside, *map(str, words)], stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def start_far(self, congestion):
        folder = self.folder
        gateway = self.spawn(FAR, BINARY, "gateway", "--listen", f"{FAR_IP}:6379", "--upstream",
                             f"unix://{folder}/redis.sock", "--tls-self-signed", "--tls-cert", folder / "far.crt",
                             "--tls-key", folder / "far.key", "--workers", "1", "--quic-congestion", congestion)
        wait_for(lambda: (folder / "far.key").exists() and (folder / "far.crt").exists(), "the certificate")
        self.spawn(FAR, "redis-server", "--port", "0", "--tls-port", "6380", "--bind", FAR_IP, "--tls-cert-file",
                   folder / "far.crt", "--tls-key-file", folder / "far.key", "--tls-auth-clients", "no", "--protected-mode", "no",
                   "--unixsocket", folder / "redis.sock", "--save", "", "--dir", folder)
        wait_for((folder / "redis.sock").exists, "redis-server")
        assert gateway.poll() is None

    def start_near(self, congestion):
        common = ["serve", "--cache", "false", "--workers", "1", "--upstream-tls-ca", self.folder / "far.crt",
                  "--upstream-tls-server-name", "anteroom-gateway"]
        self.spawn(NEAR, BINARY, *common, "--port", "7001", "--upstream", f"quic://{FAR_IP}:6379",
                   "--quic-congestion", congestion)
        self.spawn(NEAR, BINARY, *common, "--port", "7002", "--upstream", f"rediss://{FAR_IP}:6380")

    def close(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for name in (NEAR, FAR):
            subprocess.run(["ip", "netns", "del", name], check=False)


def wait_for(is_true, what):
    for _ in range(500):
        if is_true():
            return
        time.sleep(0.02)
    sys.exit(f"quic_loss: {what} did not come")


def enter(name):
    """The calling thread goes into the namespace: its sockets are made there."""
    with open(f"/run/netns/{name}") as file:
        if LIBC.setns(file.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def connect(transport, folder):
    ports = {"quic": 7001, "tls-1": 7002}
    if transport in ports:
        plain = socket.create_connection(("127.0.0.1", ports[transport]), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain
    context = ssl.create_default_context(cafile=f"{folder}/far.crt")
    plain = socket.create_connection((FAR_IP, 6380), 10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="anteroom-gateway")


def client(transport, folder, size, ends_at, times, failures):
    enter(NEAR)
    try:
        stream = connect(transport, folder)
        stream.settimeout(30)
        wanted = len(str(size)) + 3 + size + 2
        while True:
            began = time.monotonic()
            if began >= ends_at:
                return
            stream.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
            got = 0
            while got < wanted:
                piece = stream.recv(65536)
                if not piece or (got == 0 and not piece.startswith(b"$")):
                    raise OSError(piece)
                got += len(piece)
            times.append(time.monotonic() - began)
    except OSError as error:
        failures.append(repr(error))


def measure(transport, folder, size, clients, seconds):
    times, failures = [], []
    ends_at = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(transport, folder, size, ends_at, times, failures))
               for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"quic_loss: {transport}: {failures[0]}")
    times.sort()
    return {"rps": len(times) / seconds, "p50_ms": 1000 * times[len(times) // 2],
            "p99_ms": 1000 * times[int(len(times) * 0.99)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--loss", default="0,1,3")
    parser.add_argument("--bytes", type=int, default=16384)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--congestion", default="cubic")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json")
    options = parser.parse_args()
    print(f"{options.clients} clients, {options.bytes} B replies, 20 ms round trip, {options.congestion}")
    print(f"{'loss':>5} {'transport':>9} {'rps':>7} {'p50 ms':>8} {'p99 ms':>8}   quic's p99 to it")
    all_results = []
    for loss in map(float, options.loss.split(",")):
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                world = World(folder, loss, options.congestion, number + 1)
                try:
                    fill = ["redis-cli", "-s", f"{folder}/redis.sock", "-x", "set", "k"]
                    subprocess.run(fill, input=b"x" * options.bytes, stdout=subprocess.DEVNULL, check=True)
                    time.sleep(1)
                    result = {name: measure(name, folder, options.bytes, options.clients, options.seconds)
                              for name in ("quic", "tls-1", "tls-16")}
                finally:
                    world.close()
            for name, figures in result.items():
                ratio = result["quic"]["p99_ms"] / figures["p99_ms"]
                print(f"{loss:>4}% {name:>9} {figures['rps']:>7.0f} {figures['p50_ms']:>8.1f} {figures['p99_ms']:>8.1f}"
                      f"   {ratio:.2f}", flush=True)
            all_results.append({"loss_percent": loss, **result})
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(all_results, indent=1) + "\n")


main()
