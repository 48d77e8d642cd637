#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures TLS: echo of 1 KiB and 16 KiB, handshakes in full and resumed, and idle connections.

    tls.py BUILD [--repeats 9] [--seconds 1] [--connections 100] [--peers tokio,go]

BUILD is a build folder with -Dbench=true. The server runs on CPU 0, the load client on CPU 1; each
repeat measures every server once, in a new order. Printed are medians: of the requests per second,
of the server's CPU for each request, and of the ratio of that to the bare server's in the same
repeat, with the quartiles. Ours is measured on both engines, by a protocol and by streams. Peers:
the bare server (epoll, and OpenSSL on the socket), tokio with rustls, Go.
"""

import argparse
import os
import random
import re
import socket
import statistics
import subprocess
import tempfile
import time

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORKS = [("echo, 1 KiB", 1024), ("echo, 16 KiB", 16384), ("handshake", 0), ("resumed", -1)]
IDLE_CONNECTIONS = 1000


def make_certificate(folder):
    """Makes a key of ECDSA P-256 and its certificate; returns both paths."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return cert, key


def build_peers(build, names):
    """Builds the peers; returns the command of each that could be built."""
    out = os.path.join(os.path.abspath(build), "bench-peers")
    target = os.path.join(out, "tokio_tls")
    commands = {
        "tokio": (["cargo", "build", "--release", "--quiet"], f"{target}/release/tls"),
        "go": (["go", "build", "-o", f"{out}/go_tls", "."], f"{out}/go_tls"),
    }
    found = {}
    for name in names:
        command, program = commands[name]
        done = subprocess.run(command, cwd=os.path.join(BENCH, "peers", f"{name}_tls"), check=False,
                              env={**os.environ, "CARGO_TARGET_DIR": target})
        if done.returncode == 0:
            found[name] = ([program], {})
        else:
            print(f"{name} is left out: it cannot be built")
    return found


def make_servers(build, peers):
    """Returns {name: (command, environment)}; the bare server is the first."""
    servers = {"bare epoll": ([os.path.join(build, "bench", "epoll_tls")], {})}
    for work in ("tls", "tls_streams"):
        for engine in ("epoll", "uring"):
            servers[f"{work}, {engine}"] = ([os.path.join(build, "bench", "bench"), work],
                                            {"ASYNCIO_ENGINE": engine})
    return {**servers, **peers}


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024


def start(server, files):
    """Starts a server; returns it with its port once it accepts connections."""
    command, environment = server
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(["taskset", "-c", "0", *command, str(port), *files],
                               env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"{command} does not listen")


def measure(build, server, files, arguments):
    """Returns (requests/s, microseconds of CPU each) of one load, or None if it failed."""
    process, port = start(server, files)
    try:
        done = subprocess.run(["taskset", "-c", "1", os.path.join(build, "bench", "load_tls"),
                               str(port), *map(str, arguments), str(process.pid)],
                              capture_output=True, text=True, check=False)
    finally:
        process.kill()
        process.wait()
    found = re.match(r"(\d+) requests/s, ([\d.]+) us", done.stdout)
    return (float(found[1]), float(found[2])) if found else None


def measure_idle(build, server, files):
    """Returns the bytes of memory that a connection takes which has echoed 1 KiB and is idle."""
    process, port = start(server, files)
    try:
        before = resident_bytes(process.pid)
        client = subprocess.Popen([os.path.join(build, "bench", "load_tls"), str(port),
                                   str(IDLE_CONNECTIONS), "1024", "-1", str(process.pid)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdout.readline()  # they have echoed, and stay open while its input does
        taken = resident_bytes(process.pid) - before
        client.communicate()
        return taken / IDLE_CONNECTIONS
    finally:
        process.kill()
        process.wait()


def report(name, results):
    """Prints a line for each server."""
    bare = next(iter(results.values()))
    for server, rounds in results.items():
        both = [(mine, base) for mine, base in zip(rounds, bare) if mine and base]
        if not both:
            print(f"{name:12} {server:20} failed")
            continue
        ratios = sorted(mine[1] / base[1] for mine, base in both)
        quartiles = (statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3)
        print(f"{name:12} {server:20} {statistics.median(m[0] for m, _ in both):8.0f}/s "
              f"{statistics.median(m[1] for m, _ in both):8.2f} us, ratio "
              f"{statistics.median(ratios):.3f} ({quartiles[0]:.3f} to {quartiles[2]:.3f})",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--peers", default="tokio,go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make_certificate(folder)
        servers = make_servers(options.build, build_peers(
            options.build, [name for name in options.peers.split(",") if name]))
        for name, size in WORKS:
            results = {server: [] for server in servers}
            for _ in range(options.repeats):
                for server in random.sample(list(servers), len(servers)):
                    results[server].append(measure(
                        options.build, servers[server], files,
                        (options.connections, size, options.seconds)))
            report(name, results)
        for server, started in servers.items():
            print(f"{'idle':12} {server:20} {measure_idle(options.build, started, files):8.0f} "
                  "bytes a connection", flush=True)


if __name__ == "__main__":
    main()
