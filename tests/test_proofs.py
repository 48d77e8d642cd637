#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the programs of proofs/, each of which proves a promise by running something many times.

Usage: test_proofs.py [--large] FOLDER [SANITIZER], on the engine of ASYNCIO_ENGINE. FOLDER has the
programs. `make prove` runs them with --large, which takes up to ten minutes for each. Under a
checker they run less often than in a plain build.
"""

import os
import subprocess
import sys

from harness import Failure, run_tests

IS_LARGE = "--large" in sys.argv
ARGUMENTS = [argument for argument in sys.argv[1:] if argument != "--large"]
FOLDER = os.path.abspath(ARGUMENTS[0])
IS_CHECKED = len(ARGUMENTS) > 1 and ARGUMENTS[1] != "none"
LIMIT = 1500.0  # seconds for one program: for one that hangs, not for a slow machine


def run(name, *sizes):
    """Runs a program with the arguments of a (small, under a checker, large) triple each."""
    which = 2 if IS_LARGE else 1 if IS_CHECKED else 0
    program = os.path.join(FOLDER, name)
    if not os.path.exists(program):
        raise Failure(f"{name} is not built: install Debian's package libssl-dev")
    done = subprocess.run([program, *(str(size[which]) for size in sizes)], capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        raise Failure(f"{name}: status {done.returncode}: {done.stderr}")


def test_connections_come_and_go():
    """Descriptors and memory stay flat while connections are opened and closed."""
    run("connections", (100_000, 2_000, 1_000_000), (100, 50, 100))


def test_a_reader_stops():
    """Memory is bounded while a reader stops, and then no byte is lost."""
    run("pour", (300, 32, 10_240), (20, 4, 100))


def test_slow_peers():
    """Many peers that send slowly get their replies, and a quick one is served meanwhile."""
    run("slow_peers", (2_000, 200, 10_000), (100, 20, 1_000))


def test_accepting_at_the_limit_of_descriptors():
    """A server out of descriptors loses no connection that it has, and serves all others later."""
    run("descriptor_limit", (100, 100, 1_000))


def test_children_come_and_go():
    """Descriptors, memory and children stay flat while children start and end."""
    run("children", (1_000, 200, 100_000), (100, 20, 100))


def test_a_reader_stops_by_tls():
    """The same by TLS."""
    run("tls_pour", (64, 8, 10_240), (10, 3, 100))


def test_handshakes_fail():
    """Descriptors, tasks and memory stay flat while handshakes fail in several ways."""
    run("tls_failures", (10_000, 400, 1_000_000))


if __name__ == "__main__":
    sys.exit(run_tests("test_proofs", [(name, function) for name, function in globals().items()
                                       if name.startswith("test_")]))
