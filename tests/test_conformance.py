#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the golden traces of conformance scenarios, each scenario a test, and what they reach.

usage: test_conformance.py [--groups NAME,...] PROGRAM

PROGRAM is the built `conformance`; the engine is the one that ASYNCIO_ENGINE names. The traces in
conformance/golden are CPython's. A scenario whose trace is the one word skip must be survived, no
more. With all groups, every statement of LANGUAGE.md must have been executed, and every kind of
line that a trace can have must have been compared.
"""

import argparse
import gzip
import json
import os
import re
import sys

from conformance.witness import HERE, KINDS, Program, difference, ended_early, same, split_traces
from harness import Failure, run_tests

GROUPS = [*KINDS, "edges"]
DIFFS = 5       # traces that are shown in full; of the others the name is enough
LEAST = 100     # executions of each statement in all golden scenarios

# What a trace can say beside the lines of the statements. Each must be in some golden trace.
WORDS = {
    "deadlock": r"deadlock", "out of fuel": r"^out of fuel$", "skip": r"^skip$",
    "a callback's skip": r"loop skip \w", "unbound": r"unbound \w", "unknown": r"unknown \w",
    "pending at the end": r" end .* pending$", "cancelled at the end": r" end .* cancelled$",
    "finished at the end": r" end .* finished ", "raised at the end": r" end .* raised ",
    "a scenario without a name": r"^== \d+$",
    "main returned": r"main returned ", "main raised": r"main raised ",
    "a cancel with a message": r"Cancelled\(m\d\)", "a cancel without": r"Cancelled\(\)",
    "a list": r"finished \[", "a group of two": r"Group\[\w[^]]*,",
    "a timeout that expired": r"timeout_over True", "one that did not": r"timeout_over False",
}
for exception in ("Cancelled", "Timeout", "Error", "InvalidState", "QueueEmpty", "QueueFull",
                  "QueueShutDown", "BrokenBarrier", "RuntimeError", "ValueError", "Group"):
    WORDS["caught " + exception] = rf"caught {exception}\b"
for exception in ("Error", "InvalidState", "RuntimeError", "QueueEmpty"):
    WORDS["handler " + exception] = rf"loop handler {exception}\b"


class Comparison:
    """Compares traces; shows the first few that differ as a whole."""

    def __init__(self):
        self.shown = 0

    def test(self, expected, found):
        """A test function for one scenario."""
        def run():
            if same(expected, found):
                return
            self.shown += 1
            if self.shown > DIFFS:
                raise Failure(found[-1] if ended_early(found) else "differs")
            raise Failure(difference(expected, found))
        return run


def golden(group):
    """The scenarios of a group, and their traces."""
    return json.loads(text_of(group + ".json")), split_traces(text_of(group + ".txt"))


def text_of(name):
    """A file of the golden folder; the random groups are packed."""
    path = os.path.join(HERE, "golden", name)
    opener, path = (open, path) if os.path.exists(path) else (gzip.open, path + ".gz")
    with opener(path, "rt", encoding="utf-8") as file:
        return file.read()


def statements_of_the_language():
    """Those that the tables of LANGUAGE.md list."""
    with open(os.path.join(HERE, "LANGUAGE.md"), encoding="utf-8") as file:
        rows = [line.split("|")[1] for line in file if line.startswith("|")]
    return {name for row in rows for name in re.findall(r'\["(\w+)"', row)}


def test_statements(program):
    """The program knows exactly the statements of the language, and the golden scenarios execute
    each of them often."""
    def run():
        language = statements_of_the_language()
        if len(language) < 50:
            raise Failure(f"only {len(language)} statements are read from LANGUAGE.md")
        if language != set(program.counts):
            raise Failure(f"in one only: {sorted(language ^ set(program.counts))}")
        seldom = {name: n for name, n in program.counts.items() if n < LEAST}
        if seldom:
            raise Failure(f"executed fewer than {LEAST} times: {seldom}")
    return run


def test_words(traces):
    """Every kind of line stands in some golden trace."""
    def run():
        text = "\n".join(line for trace in traces for line in trace)
        missing = [name for name, pattern in WORDS.items()
                   if not re.search(pattern, text, re.MULTILINE)]
        if missing:
            raise Failure(f"in no golden trace: {missing}")
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", default=",".join(GROUPS), help="golden groups")
    parser.add_argument("program", help="the built conformance")
    options = parser.parse_args()
    program = Program(options.program)
    comparison, tests, traces = Comparison(), [], []
    for group in options.groups.split(","):
        scenarios, expected = golden(group)
        traces += expected
        for want, got in zip(expected, program.traces(scenarios), strict=True):
            tests.append((f"{group} {want[0][3:]}", comparison.test(want, got)))
    if options.groups == ",".join(GROUPS):
        tests.append(("every statement is executed", test_statements(program)))
        tests.append(("every kind of line is compared", test_words(traces)))
    return run_tests("test_conformance", tests)


if __name__ == "__main__":
    sys.exit(main())
