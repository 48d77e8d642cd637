#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the traces of conformance scenarios against those of CPython, each scenario a test.

usage: test_conformance.py [--fresh N] [--seed N] [--groups NAME,...] PROGRAM

PROGRAM is the built `conformance`; the engine is the one that ASYNCIO_ENGINE names. First come the
golden traces in conformance/golden; then N (1,000) fresh scenarios, if there is a CPython 3.13 to
say what their traces are. A scenario whose trace is the one word skip must be survived, no more.
"""

import argparse
import difflib
import gzip
import json
import os
import random
import signal
import subprocess
import sys

from harness import Failure, Skip, run_tests

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conformance")
GOLDEN = ["core", "combine", "locks", "queues", "all", "collide"]
DIFFS = 5           # traces that are shown in full; of the others the name is enough
TIME_LIMIT = 300    # seconds for a run of the program; none should take a tenth of that
CRASHES = 20        # then the rest of a list is given up

# How generate.py makes the scenarios of each golden group, and what part of the fresh ones.
KINDS = [
    (0.15, "--only", "basic,tasks,futures,loop"),
    (0.20, "--size", "3", "--only", "basic,tasks,futures,combine"),
    (0.15, "--size", "3", "--only", "basic,tasks,locks,combine"),
    (0.15, "--size", "3", "--only", "basic,tasks,queues,combine"),
    (0.20, "--size", "5", "--only", "basic,tasks,futures,combine,loop,locks,queues"),
    (0.15, "--only", "collide"),
]


def split_traces(text):
    """The traces of a text: a list of lists of lines, each beginning with its name."""
    traces = []
    for line in text.splitlines():
        if line.startswith("== "):
            traces.append([])
        if traces:
            traces[-1].append(line)
    return traces


def run_program(program, scenarios):
    """The text that the program prints for scenarios, and how it ended: None if well."""
    try:
        done = subprocess.run([program, "-"], input=json.dumps(scenarios).encode(),
                              stdout=subprocess.PIPE, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode(errors="replace"), f"no end in {TIME_LIMIT} s"
    end = None
    if done.returncode < 0:
        end = "died by " + signal.Signals(-done.returncode).name
    elif done.returncode > 0:
        end = f"exit status {done.returncode}"
    return done.stdout.decode(errors="replace"), end


def run_all(program, scenarios):
    """The trace of each scenario; one on which the program ended has a last line that says so."""
    traces, crashes = [], 0
    while len(traces) < len(scenarios):
        left = scenarios[len(traces):]
        text, end = run_program(program, left)
        found = split_traces(text)[:len(left)]
        if end is None:
            traces += found
            break
        if not found:
            found = [["== " + left[0].get("name", "0")]]
        found[-1].append(end)
        traces += found
        crashes += 1
        if crashes == CRASHES:
            break
    traces += [["not reached"]] * (len(scenarios) - len(traces))
    return traces


class Comparison:
    """Compares traces; shows the first few that differ as a whole."""

    def __init__(self):
        self.shown = 0

    def test(self, expected, found):
        """A test function for one scenario."""
        def run():
            ended_early = bool(found) and (found[-1].startswith(("died by ", "exit status ",
                                                                 "no end in ", "not reached")))
            if expected[1:] == ["skip"] and not ended_early:
                return
            if expected == found:
                return
            self.shown += 1
            if self.shown > DIFFS:
                raise Failure("differs" if not ended_early else found[-1])
            raise Failure("\n".join(difflib.unified_diff(
                expected, found, "CPython", "libasyncio", lineterm="", n=1000)))
        return run


def golden_tests(program, groups, comparison):
    for group in groups:
        path = os.path.join(HERE, "golden", group)
        with gzip.open(path + ".json.gz", "rt", encoding="utf-8") as file:
            scenarios = json.load(file)
        with gzip.open(path + ".txt.gz", "rt", encoding="utf-8") as file:
            expected = split_traces(file.read())
        for want, got in zip(expected, run_all(program, scenarios), strict=True):
            yield f"{group} {want[0][3:]}", comparison.test(want, got)


def find_python():
    """The command and environment of a CPython 3.13, or None."""
    question = ("import sys; "
                "print(sys.implementation.name, sys.version_info[0], sys.version_info[1])")
    for more in ({}, {"PYENV_VERSION": "3.13.0"}):
        environment = {**os.environ, **more}
        try:
            done = subprocess.run(["python3.13", "-c", question], env=environment, timeout=60,
                                  capture_output=True, text=True, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.split() == ["cpython", "3", "13"]:
            return ["python3.13"], environment
    return None


def fresh_scenarios(seed, count):
    """Random scenarios of all kinds; their names say how to make each again."""
    scenarios = []
    for share, *options in KINDS:
        part = max(1, round(count * share))
        text = subprocess.run(
            [sys.executable, os.path.join(HERE, "generate.py"), "--seed", str(seed),
             "--count", str(part), *options], stdout=subprocess.PIPE, check=True).stdout
        for scenario in json.loads(text):
            scenario["name"] += " " + " ".join(options)
            scenarios.append(scenario)
    return scenarios


def fresh_tests(program, seed, count, comparison):
    python = find_python()
    if python is None:
        def skip():
            raise Skip("fresh scenarios are left out: there is no CPython 3.13 here")
        yield "fresh", skip
        return
    print(f"{count} fresh scenarios from seed {seed}", flush=True)
    command, environment = python
    scenarios = fresh_scenarios(seed, count)
    text = subprocess.run([*command, os.path.join(HERE, "oracle.py"), "-"], env=environment,
                          input=json.dumps(scenarios), stdout=subprocess.PIPE, check=True,
                          text=True).stdout
    found = run_all(program, scenarios)
    for want, got in zip(split_traces(text), found, strict=True):
        yield "fresh " + want[0][3:], comparison.test(want, got)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", type=int, default=1000, help="how many random scenarios")
    parser.add_argument("--seed", type=int, help="of the first of them")
    parser.add_argument("--groups", default=",".join(GOLDEN), help="golden groups; '' for none")
    parser.add_argument("program", help="the built conformance")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
    comparison = Comparison()
    tests = list(golden_tests(program, [g for g in options.groups.split(",") if g], comparison))
    if options.fresh > 0:
        tests += fresh_tests(program, seed, options.fresh, comparison)
    return run_tests("test_conformance", tests)


if __name__ == "__main__":
    sys.exit(main())
