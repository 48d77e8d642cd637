#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmark and prints medians: `python3 bench/harness/run.py BUILD`.

The repeats of all works are interleaved, so that a slow minute of the machine touches each of
them. The echo servers stand beside the bare epoll server of the same run: read the ratio.

In the environment: ONLY=echo or ONLY=yield,spawn picks works by the beginning of their names;
REPEATS (5); SECONDS, of each echo run (1.0); ENGINES, for echo (epoll,uring).
"""

import os
import re
import socket
import statistics
import subprocess
import sys

# Each work, how often it is done in one run, and the goal in the unit of the work.
WORKS = [
    ("yield", 10_000_000, {"yield": 12}),
    ("yield1000", 10_000_000, {"yield1000": 15}),
    ("spawn", 3_000_000, {"spawn": 60}),
    ("spawn_batch", 100_000, {"spawn_batch": 60}),
    ("asleep", 100_000, {"asleep_bytes": 4400, "asleep_make": 4500, "asleep_end": 220}),
    ("timers", 100_000, {"timers": 150}),
    ("queue", 3_000_000, {"queue": 35}),
    ("queue1000", 3_000_000, {"queue1000": 10}),
    ("future", 3_000_000, {"future": 45}),
    ("lock", 3_000_000, {"lock": 40}),
    ("cancel", 1_000_000, {"cancel": 100}),
    ("timeout", 3_000_000, {"timeout": 50}),
    ("executor", 20_000, {"executor": None}),
    ("executor64", 100_000, {"executor64": None}),
    ("wake", 3_000_000, {"wake": 30}),
]

# Connections and bytes of a request.
LOADS = [(1, 64), (100, 64), (1000, 64), (100, 4096), (1000, 4096)]


def environment(name, default):
    return os.environ.get(name) or default


def picked(name, only):
    return not only or any(name.startswith(prefix) for prefix in only)


def run_work(build, work, count):
    """Answers the values that one run prints, by name; None for what is not there yet."""
    command = [f"{build}/bench/bench", work, str(count)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    values = {}
    for line in output.splitlines():
        name, value = line.split()[:2]
        values[name] = None if value == "n/a" else float(value)
    return values


def bench_works(build, only, repeats):
    values = {}
    works = [work for work in WORKS if picked(work[0], only)]
    for _ in range(repeats):
        for work, count, _ in works:
            for name, value in run_work(build, work, count).items():
                values.setdefault(name, []).append(value)
    if works:
        print(f"{'work':<14}{'median':>10}{'least':>10}{'most':>10}{'goal':>8}")
    for _, _, goals in works:
        for name, goal in goals.items():
            found = [value for value in values.get(name, []) if value is not None]
            if not found:
                print(f"{name:<14}{'n/a':>10}")
                continue
            median = statistics.median(found)
            print(f"{name:<14}{median:>10.1f}{min(found):>10.1f}{max(found):>10.1f}"
                  f"{goal or 'first':>8}{'' if not goal or median <= goal else '  above'}")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def run_load(build, command, engine, connections, size, seconds):
    """Starts a server, loads it, stops it; answers requests per second and us of CPU for each."""
    port = free_port()
    env = dict(os.environ, ASYNCIO_ENGINE=engine) if engine else None
    server = subprocess.Popen(command + [str(port)], env=env)
    try:
        load = [f"{build}/bench/load", str(port), str(connections), str(size), str(seconds),
                str(server.pid)]
        output = subprocess.run(load, capture_output=True, text=True, timeout=60)
        numbers = re.findall(r"^[0-9.]+", output.stdout, re.M)
        if len(numbers) != 3:
            sys.stderr.write(f"{' '.join(command)} {engine}: {output.stderr}")
            return None
        return float(numbers[0]), float(numbers[1])
    finally:
        server.terminate()
        server.wait()


def bench_echo(build, only, repeats, seconds, engines):
    servers = [("bare epoll", [f"{build}/bench/epoll_echo"], None)]
    for work in ("echo", "echo_streams"):
        if picked(work, only):
            servers += [(f"{work} {engine}", [f"{build}/bench/bench", work], engine)
                        for engine in engines]
    if len(servers) == 1:
        return
    results = {}
    for _ in range(repeats):
        for load in LOADS:
            for name, command, engine in servers:
                result = run_load(build, command, engine, *load, seconds)
                if result:
                    results.setdefault((load, name), []).append(result)
    print(f"{'load':<12}{'server':<22}{'requests/s':>12}{'us/request':>12}{'of epoll':>10}")
    for load in LOADS:
        base = None
        for name, _, _ in servers:
            found = results.get((load, name))
            if not found:
                print(f"{load[0]}x{load[1]:<8} {name:<22}{'n/a':>12}")
                continue
            rate = statistics.median(rate for rate, _ in found)
            cpu = statistics.median(cpu for _, cpu in found)
            base = base or rate
            text = f"{load[0]}x{load[1]}"
            print(f"{text:<12}{name:<22}{rate:>12.0f}{cpu:>12.2f}{rate / base:>10.2f}")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    with open("/proc/loadavg", encoding="ascii") as load:
        print(f"load average before: {load.read().split()[0]} "
              "(more than about 0.5 spoils the numbers)")
    only = [word for word in environment("ONLY", "").split(",") if word]
    repeats = int(environment("REPEATS", "5"))
    bench_works(build, only, repeats)
    bench_echo(build, only, repeats, float(environment("SECONDS", "1.0")),
               environment("ENGINES", "epoll,uring").split(","))


if __name__ == "__main__":
    main()
