#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds the CPythons of this machine that an extension can be built for, one of each 3.N.

Usage: find_pythons.py [--facts]

Looks at the commands in ASYNCIO_PYTHONS if that is set (separated by spaces), else at python3.9 to
python3.15 in PATH and in /usr/bin, and at pyenv's. Of two with the same 3.N it takes the one with a
test suite, then the newer one. Prints their paths, oldest first; with --facts a line of JSON for
each, with what a build needs: its version, include folders and the suffix of its extensions.
"""

import argparse
import functools
import glob
import json
import os
import subprocess
import sys

OLDEST, NEWEST = 9, 15
FACTS = """
import importlib.util, json, os, sys, sysconfig
include = sysconfig.get_path("include")
includes = list(dict.fromkeys([include, sysconfig.get_path("platinclude"),
                               os.path.dirname(include)]))
try:
    has_tests = importlib.util.find_spec("test.test_asyncio") is not None
except ImportError:
    has_tests = False
print(json.dumps({
    "path": sys.executable, "version": list(sys.version_info[:3]),
    "name": sys.implementation.name,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "includes": includes, "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "has_headers": os.path.exists(os.path.join(include, "Python.h")), "has_tests": has_tests}))
"""


def candidates():
    """Returns the commands to look at."""
    named = os.environ.get("ASYNCIO_PYTHONS")
    if named is not None:
        return named.split()
    names = ["python3.%d" % minor for minor in range(OLDEST, NEWEST + 1)]
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return (names + [os.path.join("/usr/bin", name) for name in names] +
            sorted(glob.glob(os.path.join(root, "versions", "3.*", "bin", "python3"))))


def facts_of(command):
    """Returns what an interpreter says about itself, or None where the command is none."""
    try:
        done = subprocess.run([command, "-c", FACTS], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def is_usable(facts):
    major, minor, _ = facts["version"]
    return (facts["name"] == "cpython" and facts["has_headers"] and major == 3 and
            OLDEST <= minor <= NEWEST)


@functools.lru_cache
def find():
    """Returns the facts of the interpreters, one of each minor version, oldest first."""
    found = {}
    for facts in filter(None, map(facts_of, candidates())):
        kind = (facts["version"][1], facts["free_threaded"])
        rank = (facts["has_tests"], facts["version"])
        if is_usable(facts) and (kind not in found or rank > found[kind][0]):
            found[kind] = (rank, facts)
    return [facts for _, (_, facts) in sorted(found.items(), key=lambda item: item[0])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--facts", action="store_true", help="a line of JSON for each")
    options = parser.parse_args()
    for facts in find():
        print(json.dumps(facts) if options.facts else facts["path"])
    if not find():
        print("no CPython 3.%d to 3.%d with its headers was found (Debian: python3-dev)"
              % (OLDEST, NEWEST), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
