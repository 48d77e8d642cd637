#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every example in the documentation blocks of the public headers compiles.

    test_header_code.py ROOT

An example shows the lines that matter. What it takes for granted (a loop, a coroutine function, a
buffer) is declared by header_code.h, which is the same for all. `...` stands for omitted lines.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

from harness import Failure, run_tests

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
sys.path.insert(0, os.path.join(ROOT, "tools"))
import make_manual_headers as headers_of  # noqa: E402

OUTSIDE = re.compile(r"static |int main\(|typedef |ASYNCIO_COROUTINE\(|struct \w+ \{|"
                     r"const asyncio_\w+ \w+ = ")


def examples_of(path):
    """Returns the examples in C of a header: (number of the line, lines)."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = []
    for match in re.finditer(r"^ *\* @code\n(.*?)^ *\* @endcode", text, re.DOTALL | re.MULTILINE):
        lines = [re.sub(r"^ *\* ?", "", line) for line in match[1].split("\n")[:-1]]
        language, lines = headers_of.code_of(lines)
        if language == "c":
            found.append((text.count("\n", 0, match.start()) + 2, lines))
    return found


def program_of(lines, path, number):
    """Returns a program with the example: functions and types outside, statements in a function."""
    outside, inside, is_outside, depth = [], [], False, 0
    for offset, line in enumerate(lines):
        line = re.sub(r"\{\s*\.\.\.\s*\}", "{0}", line)
        line = re.sub(r"\(\.\.\.\)", "(1)", line)
        line = re.sub(r"^(\s*)\.\.\.", r"\1;", line)
        if depth == 0 and line.strip() and not line.startswith((" ", "{", "}", "/")):
            is_outside = bool(OUTSIDE.match(line))
        bare = re.sub(r'/\*.*?\*/|"(?:\\.|[^"])*"', "", line)
        depth += bare.count("{") - bare.count("}")
        into = outside if is_outside else inside
        into.append(f'#line {number + offset} "{path}"\n{line}')
    return "\n".join(['#include "header_code.h"', *outside, "int statements(void);",
                      "int statements(void)", "{", *inside, "return 0;", "}", ""])


def compiles(path):
    """The examples of a header compile."""
    bad, stem = [], os.path.basename(path)[:-2].upper()
    for number, lines in examples_of(path):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "example.c")
            with open(name, "w", encoding="utf-8") as file:
                file.write(program_of(lines, os.path.basename(path), number))
            done = subprocess.run(
                ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-Wno-unused",
                 "-DFOR_" + stem, "-fsyntax-only", "-I", os.path.join(ROOT, "include"),
                 "-I", os.path.join(ROOT, "tests", "support"), name],
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                bad.append(done.stderr)
    if bad:
        raise Failure("\n".join(bad))


def main():
    paths = sorted(glob.glob(os.path.join(ROOT, "include", "asyncio", "*.h")))
    return run_tests("header_code", [(os.path.basename(path), lambda path=path: compiles(path))
                                     for path in paths if examples_of(path)])


if __name__ == "__main__":
    sys.exit(main())
