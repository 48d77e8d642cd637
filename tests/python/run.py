#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of the Python package on every interpreter that a build folder holds one for.

Usage: run.py BUILD [--only PART] [-j N]

For each interpreter: CPython's own tests of asyncio (conform.py), on both engines for the two
newest; the golden scenarios (golden.py); and the tests of this folder by pytest. The newest one
also runs the programs of other people, and builds the package as pip does.
tools/run_tests.py --python BUILD counts the results.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tools"))

import environment  # noqa: E402
import find_pythons  # noqa: E402

DOWNSTREAM = ["test_downstream.py", "test_types.py"]
PACKAGE = ["test_package.py"]
LIMIT = 900             # seconds for one job
GOLDEN_SINCE = (3, 12)  # sys.monitoring


class Job:
    """One command; its output is printed when it has ended."""

    def __init__(self, name, command, **variables):
        self.name, self.command, self.variables = name, command, variables

    def run(self, common):
        began = time.monotonic()
        try:
            done = subprocess.run(
                self.command() if callable(self.command) else self.command, cwd=HERE,
                env={**os.environ, **common, **self.variables}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=LIMIT)
            output, status = done.stdout, done.returncode
        except environment.NoEnvironment as error:  # a machine without a package index
            output, status = f"[ RUN      ] {self.name}\n{error}\n[  SKIPPED ] {self.name}\n", 77
        except subprocess.TimeoutExpired as error:
            output, status = (error.stdout or b"").decode(errors="replace") + "no end\n", 1
        took = time.monotonic() - began
        # A job that fails without a failed test, such as one that crashed, counts as one.
        if status not in (0, 77) and "[  FAILED  ]" not in output:
            output += f"[ RUN      ] {self.name}\nstatus {status}\n[  FAILED  ] {self.name}\n"
        return f"--- {self.name}: status {status}, {took:.0f} s\n{output}", status


def is_built(build, facts):
    return os.path.exists(os.path.join(build, "python", "libasyncio", "_core" + facts["suffix"]))


def test_files():
    """Returns the test files for every interpreter."""
    return sorted(name for name in os.listdir(HERE) if name.startswith("test_") and
                  name.endswith(".py") and name not in DOWNSTREAM + PACKAGE)


def pytest_command(build, facts, kinds, files):
    """Returns the function that makes the environment and returns the command."""
    version = "%d.%d" % tuple(facts["version"][:2])
    folder = os.path.join(build, "python-environments", version + "-" + "-".join(kinds))

    def command():
        inside = environment.environment(facts["path"], folder, kinds)
        return [inside, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:terminal", *files]
    return command


def jobs_of(build, facts, is_new, is_newest):
    """Returns the jobs of one interpreter; a new one has CPython's tests on both engines."""
    python, version = facts["path"], "%d.%d.%d" % tuple(facts["version"])
    jobs = []
    for engine in ("epoll", "uring") if is_new else ("epoll",):
        jobs.append(Job(f"test_asyncio-{version}-{engine}", [python, "conform.py", "-j", "3"],
                        ASYNCIO_ENGINE=engine))
    if tuple(facts["version"]) >= GOLDEN_SINCE:
        jobs.append(Job(f"golden-{version}", [python, "golden.py"]))
    jobs.append(Job(f"pytest-{version}", pytest_command(build, facts, ["tests"], test_files())))
    if is_newest:
        jobs.append(Job(f"downstream-{version}", pytest_command(
            build, facts, ["tests", "downstream"], DOWNSTREAM)))
        jobs.append(Job(f"package-{version}", pytest_command(
            build, facts, ["tests", "package"], PACKAGE)))
    return jobs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="a build folder with python/libasyncio")
    parser.add_argument("--only", default="", metavar="PART", help="jobs whose name holds PART")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="jobs at a time")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    pythons = [facts for facts in find_pythons.find() if is_built(build, facts)]
    if not pythons:
        print(f"[ RUN      ] pythons\nno extension in {build}/python/libasyncio for a Python of "
              "this machine: make python-build (it needs a Python's headers; Debian: python3-dev)"
              "\n[  FAILED  ] pythons")
        return 1
    jobs = [job for facts in pythons for job in jobs_of(
        build, facts, facts in pythons[-2:], facts is pythons[-1])
            if options.only in job.name]
    common = {"PYTHONPATH": os.path.join(build, "python"), "ASYNCIO_BUILD": build,
              "ASYNCIO_COUNT_TESTS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        for text, status in pool.map(lambda job: job.run(common), jobs):
            print(text, flush=True)
            failed += status not in (0, 77)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
