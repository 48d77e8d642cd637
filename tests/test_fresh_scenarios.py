#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the traces of fresh scenarios with CPython's, on every engine.

usage: test_fresh_scenarios.py [--count N] [--seed N] [--engines NAME,...] CONFORMANCE [HAS_ENGINE]

A test is a list of up to 500 scenarios of one kind, made from a seed that is chosen now and stands
in the test's name; CPython 3.13 says what their traces are (conformance/witness.py finds one), and
CONFORMANCE prints its own on each engine that HAS_ENGINE says is there. Without a CPython 3.13 the
test is skipped, unless ASYNCIO_PYTHON names one that is none.
"""

import argparse
import os
import random
import subprocess
import sys

from conformance.witness import (KINDS, NoWitness, Program, difference, find_witness,
                                 fresh_scenarios, same, witness_traces)
from harness import Failure, Skip, run_tests

CHUNK = 500     # scenarios of a test
DIFFS = 3       # traces of a test that are shown


def engines_here(names, has_engine):
    """Those of the engines that this machine does not refuse."""
    if has_engine is None:
        return names
    return [name for name in names if subprocess.run(
        [has_engine], env={**os.environ, "ASYNCIO_ENGINE": name}, check=False,
        stdout=subprocess.DEVNULL).returncode != 1]


def test_chunk(command, programs, kind, seed, count):
    """CPython and libasyncio agree, on each engine."""
    def run():
        scenarios = fresh_scenarios(kind, seed, count)
        expected = witness_traces(command, scenarios)
        bad = []
        for engine, program in programs.items():
            found = program.traces(scenarios)
            bad += [f"{engine}:\n{difference(want, got)}"
                    for want, got in zip(expected, found, strict=True) if not same(want, got)]
        if bad:
            raise Failure("\n".join([f"{len(bad)} traces differ", *bad[:DIFFS]]))
    return run


def fresh_tests(command, programs, seed, count):
    """Tests of at most CHUNK scenarios each, in the proportions of the kinds."""
    for kind, (share, *_) in KINDS.items():
        part = max(1, round(count * share))
        for start in range(0, part, CHUNK):
            length = min(CHUNK, part - start)
            name = f"{kind}: {length} from seed {seed + start} on {', '.join(programs)}"
            yield name, test_chunk(command, programs, kind, seed + start, length)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="how many scenarios in all")
    parser.add_argument("--seed", type=int, help="of the first of each kind")
    parser.add_argument("--engines", default="epoll,uring,sim")
    parser.add_argument("program", help="the built conformance")
    parser.add_argument("has_engine", nargs="?", help="the built has_engine")
    options = parser.parse_args()
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
    engines = engines_here(options.engines.split(","), options.has_engine)
    programs = {engine: Program(options.program, engine) for engine in engines}
    try:
        command = find_witness()
    except NoWitness as missing:
        reason, kind = str(missing), Failure if os.environ.get("ASYNCIO_PYTHON") else Skip

        def without():
            raise kind(reason)
        return run_tests("test_fresh_scenarios", [("fresh scenarios", without)])
    tests = list(fresh_tests(command, programs, seed, options.count))
    return run_tests("test_fresh_scenarios", tests)


if __name__ == "__main__":
    sys.exit(main())
