#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the C++ compiler refuses what would go wrong at run time, and says why.

Usage: test_cpp_refusals.py ROOT COMPILER...
"""

import os
import subprocess
import sys

from harness import Failure, run_tests

ROOT, COMPILER = sys.argv[1], sys.argv[2:]

HEAD = """
#include <asyncio.hpp>
#include <string>
static int greet(%s, void **) { return 0; }
ASYNCIO_COROUTINE(greet, (%s, who));
int main() { %s; }
"""


def compile_errors(argument, statement):
    """Returns the output of the compiler for a program, "" if it accepts it."""
    code = HEAD % (argument, argument, statement)
    done = subprocess.run(
        [*COMPILER, "-std=c++17", "-fsyntax-only", "-I", os.path.join(ROOT, "include"), "-x", "c++",
         "-"], input=code, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def test_a_correct_program_is_accepted():
    """Plain arguments, and a task, compile."""
    text = compile_errors("const char *", "asyncio::await(asyncio::create_task([] {}))")
    if text:
        raise Failure(text)


def test_arguments_that_need_a_constructor():
    """ASYNCIO_COROUTINE() copies bytes: a std::string is refused with a message."""
    text = compile_errors("std::string", "")
    if "each argument must be trivially copyable" not in text:
        raise Failure(text or "it was accepted")


def test_awaiting_a_function():
    """A function is no awaitable; in C++ the overloads refuse it."""
    text = compile_errors("int", "asyncio::await(greet)")
    if not text:
        raise Failure("it was accepted")


if __name__ == "__main__":
    sys.exit(run_tests("test_cpp_refusals", [
        (test.__name__, test)
        for test in (test_a_correct_program_is_accepted, test_arguments_that_need_a_constructor,
                     test_awaiting_a_function)]))
