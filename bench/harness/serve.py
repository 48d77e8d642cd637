#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures asyncio_serve() with one loop and with two, in turn.

    serve.py BUILD [REPEATS [SECONDS]]

Prints the medians: requests per second and microseconds of the server's CPU a request, without and
with 100 us of computation for each request. With the computation the client needs little, so that
two loops can use two CPUs on a machine that has no more.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import time

CONNECTIONS, BYTES = 1000, 64  # with fewer, chance gives one loop many more than the other
COMPUTE_US = (0, 100)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_served(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit("the server does not start")


def measure(build, loops, compute_us, seconds):
    """Returns requests per second, and microseconds of the server's CPU a request."""
    port = free_port()
    server = subprocess.Popen([os.path.join(build, "bench", "serve"), str(port), str(loops),
                               str(compute_us)])
    try:
        wait_until_served(port)
        out = subprocess.run([os.path.join(build, "bench", "load"), str(port), str(CONNECTIONS),
                              str(BYTES), str(seconds), str(server.pid)], check=True,
                             capture_output=True, text=True).stdout.splitlines()
        return float(out[0].split()[0]), float(out[1].split()[0])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def main():
    build = sys.argv[1]
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 1
    for compute_us in COMPUTE_US:
        found = {1: [], 2: []}
        for repeat in range(repeats):
            for loops in sorted(found, reverse=repeat % 2 == 1):
                found[loops].append(measure(build, loops, compute_us, seconds))
        for loops, values in found.items():
            print(f"{loops} loops, {compute_us} us computed: "
                  f"{statistics.median(v[0] for v in values):.0f} requests/s, "
                  f"{statistics.median(v[1] for v in values):.2f} us of CPU a request")
        for index, name in enumerate(("requests/s", "CPU a request")):
            ratios = [b[index] / a[index] for a, b in zip(found[1], found[2])]
            print(f"two loops / one: {name} {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
