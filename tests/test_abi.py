#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library's ABI is the recorded one, or more: names may be added, nothing may change.

    test_abi.py ROOT LIBRARY            compares
    test_abi.py ROOT LIBRARY --record   writes tests/expected/libasyncio.abi.xz

The library must have debug information. Options structs begin with their size, so that they may
grow at their end.
"""

import glob
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Failure, Skip, run_tests

ROOT, LIBRARY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
RECORD = os.path.join(ROOT, "tests", "expected", "libasyncio.abi.xz")
# libabigail tells public types by the name of their header; headers of src/ have the same names.
SUPPRESSIONS = """
[suppress_type]
name_regexp = ^asyncio_.*(options|stats|statistics|context)(_t)?$
has_data_member_inserted_at = end

[suppress_type]
name_regexp = ^(asyncio__.*|%s)$
"""


def opaque_types():
    """Returns the structs that programs know by pointers only."""
    text = ""
    for path in glob.glob(os.path.join(ROOT, "include", "asyncio", "*.h")):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    declared = set(re.findall(r"^typedef struct (asyncio_\w+) asyncio_\w+;", text, re.MULTILINE))
    return sorted(declared - set(re.findall(r"\bstruct (asyncio_\w+) \{", text)))


def described(library):
    """Returns the description of the ABI, without what differs from build to build."""
    if not shutil.which("abidw"):
        raise Skip("abidw is not installed (abigail-tools)")
    done = subprocess.run(
        ["abidw", "--headers-dir", os.path.join(ROOT, "include"), "--drop-private-types",
         "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", library],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr)
    return done.stdout


def compare(old, new):
    """Returns what abidiff says of two descriptions, or "" if nothing but names was added."""
    with tempfile.TemporaryDirectory() as folder:
        rules = SUPPRESSIONS % "|".join(opaque_types())
        for name, text in (("old.abi", old), ("new.abi", new), ("rules", rules)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", "rules", "old.abi",
                               "new.abi"], cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr) if done.returncode else ""


def recorded():
    with lzma.open(RECORD, "rt", encoding="utf-8") as file:
        return file.read()


def keeps_the_recorded_abi():
    """Programs that were linked with the recorded library run with this one."""
    said = compare(recorded(), described(LIBRARY))
    if said:
        raise Failure(said)


def notices_a_removed_function():
    """A function that is missing is noticed."""
    text = described(LIBRARY)
    without = re.sub(r"\n[^\n]*elf-symbol name='asyncio_sleep'[^\n]*", "", text)
    without = re.sub(r"\n *<function-decl name='asyncio_sleep' .*?</function-decl>", "", without,
                     flags=re.DOTALL)
    if without == text or not compare(text, without):
        raise Failure("asyncio_sleep() is missing, and nobody noticed")


def notices_a_changed_parameter():
    """A parameter of another type is noticed."""
    text = described(LIBRARY)
    ids = {name: re.search(rf"<type-decl name='{name}' [^>]* id='([^']*)'", text)[1]
           for name in ("double", "int")}
    # Link-time optimisation leaves some functions in the debug information without their symbol.
    match = re.search(r"<function-decl name='([^']*)' [^>]*elf-symbol-id=[^>]*>"
                      rf"\s*<parameter type-id='({ids['double']})'", text)
    other = text[:match.start(2)] + ids["int"] + text[match.end(2):]
    if not compare(text, other):
        raise Failure(f"{match[1]}() takes an int instead of a double, and nobody noticed")


def main():
    if "--record" in sys.argv:
        with lzma.open(RECORD, "wt", encoding="utf-8", preset=9) as file:
            file.write(described(LIBRARY))
        return 0
    return run_tests("test_abi", [(f.__name__, f) for f in (
        keeps_the_recorded_abi, notices_a_removed_function, notices_a_changed_parameter)])


if __name__ == "__main__":
    sys.exit(main())
