#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what conformance/shrink.py does with a scenario: smaller ones, and a test in C.

usage: test_shrink.py ROOT BUILD, the folders of the sources and of a build without sanitizers
"""

import os
import subprocess
import sys
import tempfile

from conformance import shrink
from harness import Failure, run_tests

SCENARIO = {"main": [["log", "a \"quoted\" /* one */"], ["task", "t", "u"], ["await", "t"]],
            "coros": {"u": [["sleep", 1], ["return", 7]]}}
TRACE = ["== 0", "0 main log a \"quoted\" /* one */", "1 main await t = 7",
         "1 loop main returned None", "1 loop shutdown 0", "1 loop end main finished None",
         "1 loop end t#1 finished 7"]


# More sources than a test in C has room for, and what CPython does with them.
MANY = [f"f{number}" for number in range(17)]
UNTRANSLATABLE = {"main": [*(["future", name] for name in MANY), ["wait", MANY, 1, "ALL"]]}
MANY_TRACE = ["== 0", "1 main wait " + " ".join(name + ":pending" for name in MANY),
              "1 loop main returned None", "1 loop shutdown 0", "1 loop end main finished None"]


def run_as_c(trace, scenario=None):
    """The status of the C test that wants a trace; it must compile without a warning."""
    root, build = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "test.c"), os.path.join(folder, "test")
        with open(source, "w", encoding="utf-8") as file:
            text = shrink.as_c(scenario or SCENARIO, trace)
            if (" in calls of the library;" in text) != (scenario is None):
                raise Failure(text[:400])
            file.write(text)
        flags, sources, libraries = shrink.link_of(root, build, text)
        made = subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", program, source,
                               *flags, *sources, *libraries], capture_output=True, text=True)
        if made.returncode:
            raise Failure(made.stderr)
        return subprocess.run([program], env={**os.environ, "ASYNCIO_ENGINE": "sim"},
                              capture_output=True).returncode


def the_right_trace_passes():
    """The printed test compiles, and passes where the trace is as it must be."""
    status = run_as_c(TRACE)
    if status:
        raise Failure(f"status {status}")


def a_wrong_trace_fails():
    """It fails where one line is another."""
    status = run_as_c([*TRACE[:2], "2 main await t = 7", *TRACE[3:]])
    if status != 1:
        raise Failure(f"status {status}")


def what_is_not_understood_runs_from_its_text():
    """A scenario that has no calls in C is run from its text: the test passes, or fails."""
    if run_as_c(MANY_TRACE, UNTRANSLATABLE) or run_as_c(MANY_TRACE[:-1], UNTRANSLATABLE) != 1:
        raise Failure("the status is not what it should be")


def candidates_are_smaller():
    """Each candidate of a round is smaller, and a statement of any body can go."""
    found = shrink.candidates(SCENARIO)
    if any(shrink.size(one) >= shrink.size(SCENARIO) for one in found):
        raise Failure("one is not smaller")
    if not any(len(one["main"]) == 2 for one in found) or not any(
            len(one["coros"].get("u", "")) == 1 for one in found):
        raise Failure("statements are not cut")


if __name__ == "__main__":
    sys.exit(run_tests("test_shrink", [(f.__name__, f) for f in (
        the_right_trace_passes, a_wrong_trace_fails, what_is_not_understood_runs_from_its_text,
        candidates_are_smaller)]))
