#!/usr/bin/env python3
"""Requests over a bad network: QUIC lanes beside one TLS connection and beside sixteen of them, in one run.

Two network namespaces, joined by test/netem/tun_relay.cpp (20 ms round trip, random loss each way). On one side
redis-server (with TLS) and `anteroom gateway`; on the other sixteen clients in closed loops, each over

  quic       a front-end (cache off, one worker) whose upstream is the gateway, with sixteen lanes
  tls-1      the same front-end with rediss://: one shared TLS connection, sixteen requests pipelined
  tls-16     sixteen TLS connections of their own, straight to redis-server

Prints p50 and p99 of each and the ratios to quic, and after several rounds the medians of both. Needs root, for the
namespaces; takes SECONDS for each figure.

  test/bench/quic_loss.py [--seconds 20] [--loss 0,1,3] [--bytes 16384] [--clients 16] [--congestion bbr]
                          [--pacing false] [--stream-window BYTES] [--transports quic,tls-1] [--rounds N] [--json FILE]
"""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/anteroom"
LOAD = ROOT / "build/release/stream_load"
RELAY = ROOT / "build/release/tun_relay"
NEAR, FAR = "anteroom-near", "anteroom-far"
NEAR_IP, FAR_IP = "10.9.0.1", "10.9.0.2"


def run(*words):
    subprocess.run(words, check=True)


class World:
    """The namespaces, the network between them, and what runs in them."""

    def __init__(self, folder, loss, quic, seed):
        self.folder = pathlib.Path(folder)
        self.processes = []
        try:
            self.build(loss, quic, seed)
        except BaseException:
            self.close()
            raise

    def build(self, loss, quic, seed):
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
        self.start_far(quic)
        self.start_near(quic)

    def spawn(self, name, *words, output=None):
        inside = ["ip", "netns", "exec", name] if name else []
        log = output or open(self.folder / f"log{len(self.processes)}", "wb")
        process = subprocess.Popen([*inside, *map(str, words)], stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def start_far(self, quic):
        folder = self.folder
        gateway = self.spawn(FAR, BINARY, "gateway", "--listen", f"{FAR_IP}:6379", "--upstream",
                             f"unix://{folder}/redis.sock", "--tls-self-signed", "--tls-cert", folder / "far.crt",
                             "--tls-key", folder / "far.key", "--workers", "1", *quic)
        wait_for(lambda: (folder / "far.key").exists() and (folder / "far.crt").exists(), "the certificate")
        self.spawn(FAR, "redis-server", "--port", "0", "--tls-port", "6380", "--bind", FAR_IP, "--tls-cert-file",
                   folder / "far.crt", "--tls-key-file", folder / "far.key", "--tls-auth-clients", "no", "--protected-mode", "no",
                   "--unixsocket", folder / "redis.sock", "--save", "", "--dir", folder)
        wait_for((folder / "redis.sock").exists, "redis-server")
        assert gateway.poll() is None

    def start_near(self, quic):
        common = ["serve", "--cache", "false", "--workers", "1", "--upstream-tls-ca", self.folder / "far.crt",
                  "--upstream-tls-server-name", "anteroom-gateway"]
        self.spawn(NEAR, BINARY, *common, "--port", "7001", "--upstream", f"quic://{FAR_IP}:6379",
                   *quic)
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


class Failed(Exception):
    pass


def measure(transport, folder, size, clients, seconds):
    ways = {"quic": ["--to", "tcp", "--port", "7001"], "tls-1": ["--to", "tcp", "--port", "7002"],
            "tls-16": ["--to", "tls", "--host", FAR_IP, "--port", "6380", "--ca", f"{folder}/far.crt"]}
    load = subprocess.run(["ip", "netns", "exec", NEAR, str(LOAD), *ways[transport], "--streams", str(clients),
                           "--bytes", str(size), "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True,
                          timeout=60 + 2 * seconds)
    if load.returncode != 0:
        raise Failed(transport)
    requests, elapsed, _, p50, p99, errors = map(float, load.stdout.splitlines()[1].split())
    return {"rps": requests / elapsed, "p50_ms": p50, "p99_ms": p99, "errors": int(errors)}


def medians(rounds):
    return {name: {what: statistics.median(each[name][what] for each in rounds) for what in figures}
            for name, figures in rounds[0].items() if name != "loss_percent"}


def show(title, result):
    for name, figures in result.items():
        print(f"{title:>6} {name:>8} {figures['rps']:>7.0f} {figures['p50_ms']:>8.1f} {figures['p99_ms']:>8.1f}"
              f"   {figures['quic_p99_ratio']:.2f}" +
              (f"   {figures['errors']} errors" if figures["errors"] else ""), flush=True)


def one_round(options, quic, loss, seed):
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, loss, quic, seed)
        try:
            fill = ["redis-cli", "-s", f"{folder}/redis.sock", "-x", "set", "k"]
            subprocess.run(fill, input=b"x" * options.bytes, stdout=subprocess.DEVNULL, check=True)
            time.sleep(1)
            return {name: measure(name, folder, options.bytes, options.clients, options.seconds)
                    for name in options.transports.split(",")}
        except Failed:
            for log in sorted(pathlib.Path(folder).glob("log*")):
                print(log.name + ":", *log.read_text(errors="replace").splitlines()[-3:], sep="\n  ", file=sys.stderr)
            raise
        finally:
            world.close()


# redis-server now and then gives up a TLS connection whose socket is full ("bad length"): that round is done again.
def round_that_works(options, quic, loss, seed):
    for attempt in range(3):
        try:
            return one_round(options, quic, loss, seed + 100 * attempt)
        except Failed as failure:
            print(f"quic_loss: {failure} has lost a connection; once more", file=sys.stderr)
    sys.exit("quic_loss: three rounds in a row have failed")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("quic_loss: ended"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--loss", default="0,1,3")
    parser.add_argument("--bytes", type=int, default=16384)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--congestion", default="cubic")
    parser.add_argument("--pacing", default="true", help="of QUIC: true or false")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stream-window", type=int, help="of QUIC, in bytes; by default that of the program")
    parser.add_argument("--transports", default="quic,tls-1,tls-16")
    parser.add_argument("--json")
    options = parser.parse_args()
    quic = ["--quic-congestion", options.congestion, "--quic-pacing", options.pacing]
    if options.stream_window:
        quic += ["--quic-stream-window", str(options.stream_window), "--quic-connection-window",
                 str(16 * options.stream_window)]
    tcp = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    print(f"{options.clients} clients, {options.bytes} B replies, 20 ms round trip; QUIC {options.congestion}, TCP {tcp}")
    print(f"{'loss':>6} {'over':>8} {'rps':>7} {'p50 ms':>8} {'p99 ms':>8}   quic's p99 to it")
    all_results = []
    for loss in map(float, options.loss.split(",")):
        for number in range(options.rounds):
            result = round_that_works(options, quic, loss, number + 1)
            for name, figures in result.items():
                figures["quic_p99_ratio"] = result.get("quic", figures)["p99_ms"] / figures["p99_ms"]
            show(f"{loss}%", result)
            all_results.append({"loss_percent": loss, **result})
        if options.rounds > 1:
            show("median", medians([each for each in all_results if each["loss_percent"] == loss]))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(all_results, indent=1) + "\n")


main()
