#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every planted mistake of tools/mutants still has its place in the sources, once.

Whether a test notices each is found out by `make mutants`, which takes some minutes.
"""

import os
import sys

from harness import Failure, run_tests

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools", "mutants"))

import mutants  # noqa: E402


def every_mistake_has_its_place():
    """The sources have not moved away from under the list."""
    missing = [f"{m.name}: not in {m.path}" for m in mutants.lost(mutants.read_mutants())]
    if missing:
        raise Failure("\n".join(missing))


def a_mistake_that_lost_its_place_is_seen():
    """The check can fail."""
    mutant = mutants.Mutant("planted: nothing\nsrc/sync/lock.c\n-there is no such line\n+or this")
    if mutants.lost([mutant]) != [mutant]:
        raise Failure("a mistake without a place was not seen")


if __name__ == "__main__":
    sys.exit(run_tests("test_mutants", [(f.__name__, f) for f in (
        every_mistake_has_its_place, a_mistake_that_lost_its_place_is_seen)]))
