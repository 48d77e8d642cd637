#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes a scenario whose traces differ down to the few statements that matter.

usage: shrink.py [--c] PROGRAM SCENARIO.json   (one scenario, or a list: the first that differs)

In each round every way to make the scenario a little smaller is tried at once, on CPython 3.13 and
on PROGRAM, the built `conformance`; the smallest one whose traces still differ goes into the next
round. At the end the scenario and both traces are printed; with --c a test in C, that makes the
calls of the scenario (as_c.py) and wants CPython's trace. What as_c.py does not understand is run
from its text instead, and the first lines say so. The test is a program of its own: link_of() says
with what.
"""
import copy
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from conformance.as_c import program_of  # noqa: E402
from conformance.c_text import literal  # noqa: E402
from conformance.facts import Untranslatable  # noqa: E402
from conformance.witness import (Program, difference, find_witness, same,  # noqa: E402
                                 witness_traces)

BATCH = 2000  # candidates of a round, at most

# Where a statement holds bodies: (operation, index of the body).
BODIES = {"try": [1, 3], "repeat": [2], "timeout": [2], "group": [1], "with": [2], "on_done": [3],
          "call_soon": [3], "call_later": [4], "call_at": [4]}


def bodies(scenario):
    """Every list of statements in a scenario, outermost first."""
    found = []

    def visit(body):
        found.append(body)
        for statement in body:
            for index in BODIES.get(statement[0], []):
                if index < len(statement) and isinstance(statement[index], list):
                    visit(statement[index])
            if statement[0] == "try":
                for handler in statement[2]:
                    if handler[1] != "reraise":
                        visit(handler[1])

    visit(scenario["main"])
    for body in scenario.get("coros", {}).values():
        visit(body)
    return found


def size(scenario):
    """What is to become small: statements first, then the length of the text."""
    return sum(len(body) for body in bodies(scenario)), len(json.dumps(scenario))


def changed(scenario, number, change):
    """A copy of a scenario in which the body of that number was changed in place."""
    smaller = copy.deepcopy(scenario)
    change(bodies(smaller)[number])
    return smaller


def without_runs(scenario):
    """Copies that lack a run of statements of one body: long runs first."""
    for number, body in enumerate(bodies(scenario)):
        length = len(body)
        while length > 0:
            for start in range(0, len(body) - length + 1, max(1, length // 2)):
                def cut(target, start=start, length=length):
                    del target[start:start + length]
                yield changed(scenario, number, cut)
            length //= 2


def unwrapped(scenario):
    """Copies in which a statement is replaced by a body that it holds."""
    for number, body in enumerate(bodies(scenario)):
        for place, statement in enumerate(body):
            for index in BODIES.get(statement[0], []):
                if index < len(statement) and isinstance(statement[index], list):
                    def unwrap(target, place=place, index=index):
                        target[place:place + 1] = target[place][index]
                    yield changed(scenario, number, unwrap)


def simplified(scenario):
    """Copies with fewer sources, handlers and coroutines, no message, fewer ticks."""
    for name in scenario.get("coros", {}):
        smaller = copy.deepcopy(scenario)
        del smaller["coros"][name]
        yield smaller
    for number, body in enumerate(bodies(scenario)):
        for place, statement in enumerate(body):
            for index, argument in enumerate(statement[1:], 1):
                for new in simpler(statement[0], index, argument):
                    def replace(target, place=place, index=index, new=new):
                        target[place][index] = new
                    yield changed(scenario, number, replace)
            if statement[0] == "try" and len(statement) > 3:
                def drop_final(target, place=place):
                    del target[place][3]
                yield changed(scenario, number, drop_final)


def simpler(operation, index, argument):
    """What could stand in the place of an argument."""
    if isinstance(argument, bool) or argument is None:
        return
    if isinstance(argument, int):
        yield from (n for n in (0, 1) if n < argument)
    elif operation == "cancel" and index == 2:
        yield None
    elif isinstance(argument, list) and index not in BODIES.get(operation, []):
        for place in range(len(argument)):  # of sources or handlers
            yield argument[:place] + argument[place + 1:]


def candidates(scenario):
    """All smaller scenarios of a round, the smallest first."""
    found = {}
    for way in (without_runs, unwrapped, simplified):
        for smaller in way(scenario):
            if size(smaller) < size(scenario):
                found[json.dumps(smaller)] = smaller
    return sorted(found.values(), key=size)[:BATCH]


class Judge:
    """Runs scenarios on both sides."""

    def __init__(self, program):
        self.program = Program(program)
        self.command = find_witness()

    def traces(self, scenarios):
        named = [{**scenario, "name": str(i)} for i, scenario in enumerate(scenarios)]
        return list(zip(witness_traces(self.command, named), self.program.traces(named),
                        strict=True))

    def first_difference(self, scenarios):
        """The first scenario whose traces differ, with both; or None."""
        for scenario, (expected, found) in zip(scenarios, self.traces(scenarios), strict=True):
            if not same(expected, found) and found != ["not reached"]:
                return scenario, expected, found
        return None


# --- as a test in C -------------------------------------------------------------------------------

EMBEDDED = """\
/* SPDX-License-Identifier: MIT */
/*
 * A scenario whose trace is not CPython's; made by tests/conformance/shrink.py. It is run from its
 * text, and not in calls of the library, because of
 * %s
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

void run_scenario(json_t *program); /* of tests/scenarios/run.c */

static const char scenario[] =
%s;

static const char expected[] =
%s;

/* The scenario's trace is the one that CPython gives. */
static void the_trace_is_as_in_python(void **state)
{
    (void)state;
    FILE *terminal = stdout;
    char *trace = NULL;
    size_t length = 0;
    json_t *program = json_loads(scenario, 0, NULL);
    assert_non_null(program);
    stdout = open_memstream(&trace, &length);
    run_scenario(program);
    fclose(stdout);
    stdout = terminal;
    assert_string_equal(trace, expected);
    free(trace);
    json_decref(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_trace_is_as_in_python)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
"""
PARTS = ["observe", "run", "statements_now", "statements_sync", "statements_wait", "trace",
         "variables"]


def as_c(scenario, expected):
    """A program that makes the calls of a scenario and wants that trace (without its first
    line)."""
    try:
        return program_of([scenario], [expected])
    except Untranslatable as reason:
        return embedded(scenario, expected, str(reason))


def embedded(scenario, expected, reason):
    """A program that runs the text of a scenario, and says why."""
    text = json.dumps({key: scenario[key] for key in ("main", "coros") if key in scenario})
    pieces = text.replace("], [", "],\n [").split("\n")
    return EMBEDDED % (reason.replace("*/", "*\\/"), literal(pieces),
                       literal(line + "\n" for line in expected[1:]))


def link_of(root, build, text):
    """What the compiler needs beside the file with that text: options, sources, libraries."""
    here = os.path.join(root, "tests")
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-I" + os.path.join(root, "include"), "-I" + here]
    libraries = [os.path.join(build, "libasyncio.a"), "-fno-lto", "-lcmocka", "-lpthread", "-lm"]
    if '"conformance/replay.h"' in text:
        return flags, [os.path.join(here, "conformance", "replay.c")], libraries
    # Both cmocka and the scenarios have a function of that name.
    flags += ["-Dprint_error=print_scenario_error", "-I" + os.path.join(root, "src")]
    sources = [os.path.join(here, "scenarios", part + ".c") for part in PARTS]
    return flags, sources, [*libraries, "-ljansson"]


def main():
    wants_c = sys.argv[1:2] == ["--c"]
    if len(sys.argv) != 3 + wants_c:
        sys.exit("usage: shrink.py [--c] PROGRAM SCENARIO.json")
    judge = Judge(sys.argv[1 + wants_c])
    with open(sys.argv[2 + wants_c], encoding="utf-8") as file:
        data = json.load(file)
    best = judge.first_difference(data if isinstance(data, list) else [data])
    if best is None:
        sys.exit("shrink.py: the traces are the same")
    while True:
        smaller = candidates(best[0])
        found = judge.first_difference(smaller) if smaller else None
        if found is None:
            break
        best = found
        print("statements: %d, characters: %d" % size(best[0]), file=sys.stderr)
    scenario, expected, found = best
    if wants_c:
        print(as_c(scenario, expected), end="")
        return
    print(json.dumps(scenario))
    print(difference(expected, found))


if __name__ == "__main__":
    main()
