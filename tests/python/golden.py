#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the scenarios of tests/conformance on libasyncio's Python loop under its virtual clock.

Usage: PYTHON golden.py [--loop libasyncio|asyncio] [--groups NAME,...], with Python 3.12 or newer

On CPython 3.13 the traces must be the golden ones of tests/conformance. Other versions of asyncio
differ in details that the golden traces show, so there the traces must be those of the same
interpreter's own loop, run beside it. A scenario whose golden trace is the one word skip must be
survived, no more. A deadlock of the virtual clock must be libasyncio.DeadlockError.
"""

import argparse
import asyncio
import concurrent.futures
import gzip
import json
import multiprocessing
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from conformance import oracle  # noqa: E402
from conformance.witness import difference, same, split_traces  # noqa: E402
from harness import Failure, run_tests  # noqa: E402

GROUPS = ["core", "combine", "locks", "queues", "all", "collide", "edges"]
CHUNK = 250
DIFFS = 5       # traces that are shown in full; of the others the name is enough
GOLDEN = (3, 13)

if not hasattr(asyncio, "QueueShutDown"):  # 3.12; there both loops refuse to shut a queue down
    asyncio.QueueShutDown = type("QueueShutDown", (Exception,), {})


class OnLibasyncio(oracle.Scenario):
    """A scenario on libasyncio's loop."""

    def __init__(self, program):
        import libasyncio
        super().__init__(program)
        self.deadlock = libasyncio.DeadlockError
        self.new_event_loop = libasyncio.new_event_loop
        if not issubclass(self.deadlock, RuntimeError):
            raise Failure("DeadlockError is no RuntimeError")

    def new_loop(self):
        return self.new_event_loop(clock="virtual")


def traces_of(kind, chunk):
    """Returns the traces of [(number, scenario)] on one kind of loop, as text."""
    stock = oracle.Variant(asyncio.tasks._CTask, asyncio.futures._CFuture,
                           asyncio.tasks._GatheringFuture, 1000)
    return oracle.run_chunk(chunk, [stock], {"libasyncio": OnLibasyncio,
                                             "asyncio": oracle.Scenario}[kind])


def all_traces(kind, scenarios):
    """Returns the traces of scenarios, each chunk of them in a process of its own."""
    numbered = list(enumerate(scenarios))
    chunks = [numbered[i:i + CHUNK] for i in range(0, len(numbered), CHUNK)]
    with concurrent.futures.ProcessPoolExecutor(
            2, mp_context=multiprocessing.get_context("forkserver"),
            max_tasks_per_child=1) as pool:
        texts = list(pool.map(traces_of, [kind] * len(chunks), chunks))
    return [trace for text in texts for trace in split_traces(text)]


def golden_text(name):
    path = os.path.join(os.path.dirname(HERE), "conformance", "golden", name)
    opener, path = (open, path) if os.path.exists(path) else (gzip.open, path + ".gz")
    with opener(path, "rt", encoding="utf-8") as file:
        return file.read()


class Comparison:
    """Compares traces; shows the first few that differ as a whole."""

    def __init__(self):
        self.shown = 0

    def test(self, expected, found, is_fit):
        """Returns the test function of one scenario; is_fit says whether traces are compared."""
        def run():
            if not is_fit or same(expected, found):
                return
            self.shown += 1
            raise Failure(difference(expected, found) if self.shown <= DIFFS else "differs")
        return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loop", default="libasyncio", choices=["libasyncio", "asyncio"])
    parser.add_argument("--groups", default=",".join(GROUPS), help="golden groups")
    options = parser.parse_args()
    if sys.version_info < (3, 12):
        print("a scenario needs sys.monitoring and eager tasks: Python 3.12 or newer")
        return 77
    comparison, tests = Comparison(), []
    for group in options.groups.split(","):
        scenarios = json.loads(golden_text(group + ".json"))
        golden = split_traces(golden_text(group + ".txt"))
        is_golden = sys.version_info[:2] == GOLDEN
        wanted = golden if is_golden else all_traces("asyncio", scenarios)
        for known, want, got in zip(golden, wanted, all_traces(options.loop, scenarios),
                                    strict=True):
            is_fit = known[1:] != ["skip"] and want[1:] != ["skip"]
            tests.append((f"{group} {want[0][3:]}".replace(" ", "_"),
                          comparison.test(want, got, is_fit)))
    return run_tests(f"golden scenarios on Python {sys.version.split()[0]}", tests)


if __name__ == "__main__":
    sys.exit(main())
