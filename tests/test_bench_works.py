#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs each work of the benchmark with a small count, and each server under a little load.

Usage: test_bench_works.py BENCH LOAD. What is asserted is that a work ends well and says what it
measured in the form that the harness reads; never how long it took.
"""

import os
import re
import subprocess
import sys

from harness import Failure, Skip, own_port, run_tests

WORKS = ["yield", "yield1000", "spawn", "spawn_batch", "asleep", "timers", "queue", "queue1000",
         "future", "lock", "cancel", "timeout", "executor", "executor64", "file_read",
         "file_read64k", "file_write", "file_open", "wake", "yield_tasks", "lock_tasks",
         "queue_tasks", "gather"]
PROCESSES = ["spawn_process", "spawn_process_large", "spawn_process_fds"]
LINES = {"asleep": ["asleep_bytes B", "asleep_page_tables B", "asleep_make ns", "asleep_end ns"],
         **{work: [f"{work} ns", f"{work}_bare ns"] for work in PROCESSES}}
COUNT = 2000
FEW = 5  # children
LIMIT = 500  # seconds for one run: for one that hangs, not for a slow machine


def expect_lines(bench, work):
    """The work exits with 0 and prints its lines: name, decimal number, unit."""
    if work in PROCESSES and os.environ.get("ASYNCIO_ENGINE") == "sim":
        raise Skip("the simulated engine has no processes")
    count = FEW if work in PROCESSES else COUNT
    done = subprocess.run([bench, work, str(count)], capture_output=True, text=True, timeout=LIMIT)
    if done.returncode != 0:
        raise Failure(f"{work} returned {done.returncode}: {done.stderr}")
    lines = done.stdout.splitlines()
    wanted = LINES.get(work, [work + " ns"])
    found = [re.sub(r" -?\d+\.\d+ ", " ", line) for line in lines]
    if found != wanted:
        raise Failure(f"{work} printed {lines}, the form is {wanted}")


def expect_all_works(bench):
    """What the front lists as works is what is tested here, so that none is forgotten."""
    done = subprocess.run([bench], capture_output=True, text=True)
    listed = done.stderr.split("works:")[-1].split()
    servers = ["echo", "echo_streams", "echo_protocol", "udp", "tls"]
    if "tls_streams" in listed: # with OpenSSL
        servers.append("tls_streams")
    if sorted(listed) != sorted(WORKS + PROCESSES + servers):
        raise Failure(f"the front lists {listed}")


def expect_refusal(bench):
    """A work that is unknown, and a count that is none, are refused with status 2."""
    for arguments in (["nonsense", "10"], ["yield", "0"], ["yield", "-1"], ["yield"], []):
        done = subprocess.run([bench, *arguments], capture_output=True, text=True)
        if done.returncode != 2 or done.stdout or not done.stderr:
            raise Failure(f"{arguments}: status {done.returncode}, {done.stdout!r}")


def expect_echo(bench, load, work):
    """The server sends back what the load client sent, on each of several connections."""
    if os.environ.get("ASYNCIO_ENGINE") == "sim":
        raise Skip("the simulated engine has no sockets of the system")
    with own_port() as number:
        expect_echo_at(str(number), bench, load, work)


def expect_echo_at(port, bench, load, work):
    server = subprocess.Popen([bench, work, port])
    kind = ["udp"] if work == "udp" else []
    try:
        for connections, size in ((1, 64), (20, 64), (3, 8_000 if kind else 100_000)):
            done = subprocess.run([load, port, str(connections), str(size), "0.05",
                                   str(server.pid), *kind],
                                  capture_output=True, text=True, timeout=LIMIT)
            if done.returncode != 0:
                raise Failure(f"{work} {connections}x{size}: {done.stderr}")
            if not re.fullmatch(r"[1-9]\d* requests/s\n[\d.]+ us\n[\d.]+ client busy\n",
                                done.stdout):
                raise Failure(f"{work} {connections}x{size} printed {done.stdout!r}")
    finally:
        server.terminate()
        server.wait()


def main():
    bench, load = sys.argv[1:3]
    tests = [(f"{work} prints its lines", lambda work=work: expect_lines(bench, work))
             for work in WORKS + PROCESSES]
    tests += [(f"{work} echoes", lambda work=work: expect_echo(bench, load, work))
              for work in ("echo", "echo_streams", "echo_protocol", "udp")]
    tests += [("all works are tested", lambda: expect_all_works(bench)),
              ("bad arguments are refused", lambda: expect_refusal(bench))]
    return run_tests("test_bench_works", [(name.replace(" ", "_"), function)
                                          for name, function in tests])


if __name__ == "__main__":
    sys.exit(main())
