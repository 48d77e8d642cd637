#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that docs/api_table.md is what the headers say, and that this can fail.

Usage: test_api_table.py ROOT
"""

import os
import shutil
import sys
import tempfile

from harness import Failure, run_tests

ROOT = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(ROOT, "tools"))
import house  # noqa: E402
import make_api_table  # noqa: E402


def is_current():
    """The table is the one that the headers make, and every name has a twin or a reason."""
    tree = house.Tree(ROOT, [])
    text, errors = make_api_table.make(tree)
    if errors:
        raise Failure("\n".join(errors))
    if tree.read(make_api_table.TABLE) != text:
        raise Failure("docs/api_table.md is out of date: run `make docs`")


def sees(path, old, new, complaint):
    """Returns a test that a change of a file is noticed."""
    def test():
        with tempfile.TemporaryDirectory() as folder:
            for name in ("include", "tools"):
                shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name))
            tree = house.Tree(folder, [])
            text = tree.read(path)
            if old not in text:
                raise Failure(f"{path} does not hold {old!r}, which was to be replaced")
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            errors = make_api_table.make(tree)[1]
            if not any(complaint in error for error in errors):
                raise Failure(f"not noticed; the errors were {errors}")
    return test


def main():
    return run_tests("api_table", [
        ("the_table_is_current", is_current),
        ("a_twin_that_is_gone_is_noticed",
         sees("include/asyncio/shield.h", "`asyncio.shield`", "none", "asyncio.shield: has no")),
        ("a_new_name_is_noticed",
         sees("tools/asyncio_names.txt", "asyncio.sleep\n", "asyncio.sleep\nasyncio.snooze\n",
              "asyncio.snooze: has no")),
        ("a_reason_that_nothing_needs_is_noticed",
         sees("tools/asyncio_without_twin.txt", "Future.__await__: ", "asyncio.sleep: ",
              "nothing needs 'asyncio.sleep'")),
    ])


if __name__ == "__main__":
    sys.exit(main())
