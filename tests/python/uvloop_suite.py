#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs uvloop's own tests on libasyncio's loop, from uvloop's sources as they stand.

Usage: uvloop_suite.py BUILD [--source FOLDER] [--python PYTHON] [-k PART] [-j N]

Without --source, pip brings uvloop's source distribution into BUILD (which takes minutes, because
pip prepares it for a build). A package named uvloop that stands in front of it hands out our loops.
Left out are the twins that run on asyncio's own loop (AIO...) and the tests of what is uvloop's
alone: its Cython code, its file system events, the API of libuv. Each test runs in a process of its
own; one that fails is run once more alone, and then on asyncio's loop: what fails there too asks
for something of uvloop's, such as its words, and counts as skipped.
"""

import argparse
import asyncio
import glob
import os
import re
import subprocess
import sys
import tarfile
import unittest

import conform
import environment
from conform import FAILED, HUNG, PASSED, SKIPPED

MOST_FAILURES = 4
PACKAGES = ["psutil", "pyOpenSSL"]
LEFT_OUT = {"test_cython", "test_libuv_api", "test_fs_event", "test_sourcecode", "test_testbase",
            "test_aiohttp"}
SHIM = '''
import asyncio, os
__path__.append(os.environ["UVLOOP_SOURCE"] + "/uvloop")
from libasyncio import Loop, new_event_loop
import libasyncio


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = staticmethod(new_event_loop)


def install():
    asyncio.set_event_loop_policy(EventLoopPolicy())


def run(main, *, loop_factory=new_event_loop, debug=None, **options):
    with asyncio.Runner(loop_factory=loop_factory, debug=debug) as runner:
        return runner.run(main)
'''


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def source_from_pip(build):
    """Returns the folder of uvloop's sources, which pip brings if they are not there yet."""
    folder = os.path.join(build, "uvloop-source")
    if not glob.glob(folder + "/uvloop-*/"):
        os.makedirs(folder, exist_ok=True)
        environment.run([sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--no-binary",
                         "uvloop", "-d", folder, "uvloop"], "pip cannot download uvloop")
        with tarfile.open(glob.glob(folder + "/uvloop-*.tar.gz")[0]) as archive:
            archive.extractall(folder)
    return glob.glob(folder + "/uvloop-*/")[0].rstrip("/")


def tests_of(source):
    """Returns {name: test} of the portable tests."""
    found = {}

    def add(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                add(test)
            elif "AIO" not in type(test).__name__:
                found[test.id()] = test

    for path in sorted(glob.glob(os.path.join(source, "tests", "test_*.py"))):
        name = os.path.basename(path)[:-len(".py")]
        if name not in LEFT_OUT:
            add(unittest.defaultTestLoader.loadTestsFromName("tests." + name))
    return found


def run_tests(source, part, jobs):
    """Runs the tests in this interpreter's children; returns the exit status."""
    sys.path.append(source)  # behind the package that stands in front of uvloop
    tests = tests_of(source)

    def run(name):
        done = unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite([tests[name]]))
        if not done.wasSuccessful():
            return 1
        return conform.STATUS_SKIPPED if done.skipped else 0

    def run_on_stock_loop(name):
        import uvloop
        uvloop.new_event_loop = asyncio.SelectorEventLoop
        return run(name)

    report = conform.Report(ledger={})
    conform.run_all([n for n in tests if re.search(part, n)], run, jobs, 60, report.first)
    again, report.again = report.again, []
    conform.run_all(again, run, 1, 60, report.first)
    conform.run_all(report.again, run_on_stock_loop, 1, 60, report.on_stock_loop)
    report.print()
    print(f"uvloop's tests: {len(report.results)}: {report.count(PASSED)} passed, "
          f"{report.count(SKIPPED)} skipped, {report.count(FAILED, HUNG)} failed")
    return 0 if report.results and report.count(FAILED, HUNG) <= MOST_FAILURES else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="a build folder with python/libasyncio")
    parser.add_argument("--source", help="a folder of uvloop's sources")
    parser.add_argument("--python", default=sys.executable, help="the interpreter")
    parser.add_argument("-k", metavar="PART", default="", help="tests whose name matches PART")
    parser.add_argument("-j", type=int, default=3, metavar="N", help="tests at a time")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return run_tests(os.environ["UVLOOP_SOURCE"], options.k, options.j)
    build = os.path.abspath(options.build)
    source = os.path.abspath(options.source) if options.source else source_from_pip(build)
    write(os.path.join(build, "uvloop-shim", "uvloop", "__init__.py"), SHIM)
    write(os.path.join(build, "uvloop-shim", "uvloop", "loop.py"), "from libasyncio import Loop\n")
    folder = os.path.join(build, "python-environments", "uvloop-" + os.path.basename(source))
    inside = os.path.join(folder, "bin", "python")
    if not os.path.exists(inside):
        environment.make(options.python, folder)
        environment.run([inside, "-m", "pip", "-q", "install", *PACKAGES],
                        f"pip cannot install {PACKAGES}")
    path = os.pathsep.join([os.path.join(build, "uvloop-shim"), os.path.join(build, "python")])
    command = [inside, "-W", "ignore", os.path.abspath(__file__), "--inside", build,
               "-k", options.k, "-j", str(options.j)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path,
                                        "UVLOOP_SOURCE": source},
                          cwd=os.path.join(build, "uvloop-shim")).returncode


if __name__ == "__main__":
    sys.exit(main())
