#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that scenarios in calls of the library (conformance/as_c.py) leave CPython's traces.

usage: test_as_c.py [--count N] ROOT BUILD [HAS_ENGINE]

ROOT and BUILD are the folders of the sources and of a build without sanitizers. N scenarios of each
golden group are compiled into one program each, which runs on every engine that is here.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

from conformance import shrink
from conformance.as_c import Program, program_of
from conformance.c_text import Names
from harness import Failure, run_tests
from test_conformance import GROUPS, golden, statements_of_the_language
from test_fresh_scenarios import engines_here

COUNT = 25  # scenarios of each random group: as many as compile in a few seconds

# Variables, coroutines and labels with names that C has, or that two of them share; variables that
# change their kind; texts that mean something to printf() or the compiler. And CPython's trace.
NAMES = {"main": [
    ["future", "int"], ["future", "loop"], ["future", "9 a"], ["future", "9_a"],
    ["task", "y0", "main"], ["call", "index"], ["gather", "g", ["int", "y0"], True],
    ["set_exception", "int", "%d*/??/\\"],
    ["await", "g"], ["set_result", "loop", [1, None, True]], ["state", "loop"], ["state", "9 a"],
    ["call_soon", "loop", "time", [["log", "100% \"x\""], ["state", "loop"]]], ["state", "loop"],
    ["cancel_handle", "loop"], ["gather", "h", ["9_a"], False], ["set_result", "h", 0],
    ["await", "h"], ["cancel", "9_a", "é"], ["coro", "h", "index"], ["state", "h"], ["await", "h"],
    ["future", "turn_1"], ["future", "u_coroutine"], ["coro", "u", "u"], ["future", "size_t"],
    ["future", "BUFSIZ"], ["repeat", 2, [["timeout", 1, [["state", "turn_1"], ["locked", "u"]]]]],
    ["await", "u"], ["state", "size_t"], ["state", "BUFSIZ"], ["state", "u_coroutine"],
    ["log", "100% \"x\" *\\ ??/ /* é"]],
    "coros": {"index": [["return", 0]], "main": [["call", "index"], ["call", "y0"]],
              "u": [["return", "%s"]]}}
NAMES_TRACE = """\
== 0
0 main call index = 0
0 y0#1 call index = 0
0 y0#1 call y0 = None
0 main await g = [Error(%d*/??/\\),None]
0 main state loop finished [1,None,True]
0 main state 9 a pending
0 main unbound state
0 main await h = 0
0 main cancel 9_a True
0 main unbound state
0 main await h = 0
0 main state turn_1 pending
0 main unbound locked
0 main timeout_over False
0 main state turn_1 pending
0 main unbound locked
0 main timeout_over False
0 main await u = %s
0 main state size_t pending
0 main state BUFSIZ pending
0 main state u_coroutine pending
0 main log 100% "x" *\\ ??/ /* é
0 loop main returned None
0 loop shutdown 0
0 loop end main finished None
0 loop end y0#1 finished None""".splitlines()

# What is bound where: nothing by what does not run, and a handler sees what came before the error.
BOUND = {"main": [
    ["call_soon", "h", "A", [["repeat", 1, [["future", "a"]]], ["spawn", "b", "u"], ["state", "a"],
                             ["state", "b"], ["return", 1], ["future", "a"]]],
    ["try", [["log", "t"]], [], [["timeout", 1, [["return", 1]]], ["future", "c"]]], ["state", "c"],
    ["try", [["raise", "E1"], ["future", "d"]], [["error", [["state", "d"]]], ["all", []]]],
    ["repeat", 0, [["future", "e"]]], ["state", "e"], ["task", "x", "u"], ["future", "f"],
    ["task", "x", "u"], ["sleep", 1]],
    "coros": {"u": [["state", "f"], ["state", "x"]]}}
BOUND_TRACE = """\
== 0
0 main log t
0 main unbound state
0 main caught Error(E1)
0 main unbound state
0 main unbound state
0 loop callback A
0 loop skip repeat
0 loop skip spawn
0 loop unbound state
0 loop unbound state
0 x#1 state f pending
0 x#1 state x pending
0 x#2 state f pending
0 x#2 state x pending
1 loop main returned None
1 loop shutdown 0
1 loop end main finished None
1 loop end x#1 finished None
1 loop end x#2 finished None""".splitlines()

# A value is that of the return that is obeyed: not of one in a `finally`, nor of one that an error
# came after.
RETURNS = {"main": [["call", "a"], ["call", "b"], ["call", "c"], ["call", "d"], ["call", "e"]],
           "coros": {
    "a": [["try", [["group", [["spawn", "t", "fails"], ["return", 3]]]], [["group", []]]]],
    "b": [["try", [["return", 1]], [], [
        ["try", [["group", [["spawn", "t", "fails"], ["return", 2]]]], [["all", []]]]]]],
    "c": [["try", [["try", [["return", 1]], [], [["raise", "E2"]]]], [["error", []]]]],
    "d": [["repeat", 2, [["try", [["timeout", 1, [["repeat", 3, [["return", 5]]]]]], [],
                          [["repeat", 2, [["with", "L0", [["return", 6]]]]], ["log", "no"]]]]],
          ["log", "no"]],
    "e": [["try", [["with", "L1", [["release", "L1"], ["return", 7]]]],
           [["error", []], ["any", [["locked", "L1"]]]]], ["locked", "L0"]],
    "fails": [["raise", "E1"]]}}
RETURNS_TRACE = """\
== 0
0 main caught Group[Error(E1)]
0 main call a = None
0 main caught Group[Error(E1)]
0 main call b = 1
0 main caught Error(E2)
0 main call c = None
0 main call d = 5
0 main caught RuntimeError
0 main locked L1 False
0 main locked L0 False
0 main call e = None
0 loop main returned None
0 loop shutdown 0
0 loop end main finished None
0 loop end t#1 raised Error(E1)
0 loop end t#2 raised Error(E1)""".splitlines()
BY_HAND = [(NAMES, NAMES_TRACE), (BOUND, BOUND_TRACE), (RETURNS, RETURNS_TRACE)]


class Compiler:
    """Makes programs of texts in C, and runs them."""

    def __init__(self, root, build, engines, folder):
        self.root, self.build = os.path.abspath(root), os.path.abspath(build)
        self.engines, self.folder = engines, folder
        self.objects = {}  # of sources that are part of each program
        self.made = 0

    def cc(self, *arguments):
        """Names of files stay the same, so that a cache of compilers can know them."""
        done = subprocess.run(["cc", *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr[:4000])

    def object_of(self, source, flags):
        """The name of what a source is compiled to, once, and without a warning."""
        if source not in self.objects:
            self.objects[source] = os.path.basename(source)[:-2] + ".o"
            self.cc("-c", "-pedantic", "-Wall", "-Wextra", "-Werror", *flags,
                    "-Wno-overlength-strings", source, "-o", self.objects[source])
        return self.objects[source]

    def failures(self, text):
        """The tests of a program that fail, with the engine."""
        self.made += 1
        name = f"test_{self.made}"
        with open(os.path.join(self.folder, name + ".c"), "w", encoding="utf-8") as file:
            file.write(text)
        flags, sources, libraries = shrink.link_of(self.root, self.build, text)
        objects = [self.object_of(source, flags) for source in (name + ".c", *sources)]
        self.cc("-o", name, *objects, *libraries)
        program = os.path.join(self.folder, name)
        return [one for engine in self.engines for one in self.run(program, engine)]

    def run(self, program, engine):
        done = subprocess.run([program], capture_output=True, text=True, errors="replace",
                              env={**os.environ, "ASYNCIO_ENGINE": engine})
        output = done.stdout + done.stderr
        failed = re.findall(r"^\[  FAILED  \] (\w+)$", output, re.MULTILINE)
        if done.returncode != len(set(failed)) or "Running" not in output:
            raise Failure(f"{engine}: status {done.returncode}\n{output[-4000:]}")
        return [f"{engine} {name}: " + "; ".join(re.findall(r"line \d+ is .*", output))
                for name in sorted(set(failed))]


def sample(group, count):
    """A number of scenarios of a group, spread over it, with traces; all of those by hand."""
    pairs = [pair for pair in zip(*golden(group), strict=True) if pair[1][1:] != ["skip"]]
    if group != "edges":
        pairs = pairs[::max(1, len(pairs) // count)][:count]
    return [scenario for scenario, _ in pairs], [trace for _, trace in pairs]


def same_traces(compiler, scenarios, traces):
    """The programs leave the traces that CPython leaves, on every engine."""
    def run():
        failures = compiler.failures(program_of(scenarios, traces))
        if failures:
            raise Failure("\n".join([f"{len(failures)} differ", *failures[:20]]))
    return run


def every_statement_is_translated(samples):
    """Each statement of LANGUAGE.md became calls in some scenario of the samples."""
    def run():
        found = set()
        for scenarios, _ in samples:
            for scenario in scenarios:
                found |= Program(scenario, Names()).translated
        language = statements_of_the_language()
        if found != language:
            raise Failure(f"in one only: {sorted(found ^ language)}")
    return run


def a_planted_fault_fails(compiler):
    """Where CPython's trace is said to be another, and where one call is another, that test fails
    and no other one does."""
    def run():
        scenarios, traces = sample("edges", 0)
        chosen = [i for i, trace in enumerate(traces) if trace[0][3:] in (
            "conditions", "timers of one deadline", "shields")]
        scenarios, traces = [scenarios[i] for i in chosen], [list(traces[i]) for i in chosen]
        text = program_of(scenarios, traces)
        middle = len(traces[1]) // 2
        for wrong in (text.replace(traces[1][middle], traces[1][middle] + "0", 1),
                      text.replace("asyncio_condition_notify(&C0, 2)",
                                   "asyncio_condition_notify(&C0, 3)", 1)):
            failures = compiler.failures(wrong)
            names = {one.split()[1] for one in failures}
            if len(failures) != len(compiler.engines) or len(names) != 1:
                raise Failure(f"{len(failures)} failures: {failures}")
        if compiler.failures(text):
            raise Failure("it fails without the fault too")
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT, help="scenarios of each group")
    parser.add_argument("--engines", default="epoll,uring,sim")
    parser.add_argument("root")
    parser.add_argument("build")
    parser.add_argument("has_engine", nargs="?", help="the built has_engine")
    options = parser.parse_args()
    engines = engines_here(options.engines.split(","), options.has_engine)
    with tempfile.TemporaryDirectory() as folder:
        compiler = Compiler(options.root, options.build, engines, folder)
        samples = {group: sample(group, options.count) for group in GROUPS}
        tests = [(f"{len(traces)} scenarios of {group} on {', '.join(engines)}",
                  same_traces(compiler, scenarios, traces))
                 for group, (scenarios, traces) in samples.items()]
        return run_tests("test_as_c", [
            *tests,
            ("names, bindings and values", same_traces(compiler, *zip(*BY_HAND))),
            ("every statement is translated", every_statement_is_translated(samples.values())),
            ("a planted fault fails", a_planted_fault_fails(compiler))])


if __name__ == "__main__":
    sys.exit(main())
