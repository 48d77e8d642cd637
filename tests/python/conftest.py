# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the Python loop, and results as cmocka prints them.

ASYNCIO_PYTHON_LOOP names the loop factory under test, MODULE:FACTORY; libasyncio:new_event_loop
if it is not set. Other factories serve to check the tests themselves: a test of this folder that
asyncio's own loop does not pass asks for something that is not asyncio's.
"""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap

import pytest

from on_loop import factory_of

SPEC = os.environ.get("ASYNCIO_PYTHON_LOOP", "libasyncio:new_event_loop")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("ASYNCIO_BUILD", os.path.join(ROOT, "build"))


def pytest_configure(config):
    config.addinivalue_line("markers", "ours: asks for more than asyncio's own loop has")


def pytest_collection_modifyitems(items):
    if not SPEC.startswith("libasyncio"):
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(pytest.mark.skip(reason="a promise of libasyncio alone"))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # what pytest itself has made need not be searched after every test


def pytest_runtest_logreport(report):
    """Prints a result so that tools/run_tests.py counts it; run.py turns pytest's own words off."""
    if os.environ.get("ASYNCIO_COUNT_TESTS") is None:
        return
    name = report.nodeid.rpartition("/")[2].replace(" ", "_")
    if report.when == "call" or (report.when == "setup" and not report.passed):
        word = {"passed": "      OK", "skipped": " SKIPPED", "failed": " FAILED "}[report.outcome]
        reason = f"{report.longrepr[2]}\n" if report.skipped and report.longrepr else ""
        reason = report.longreprtext + "\n" if report.failed else reason
        print(f"[ RUN      ] {name}\n{reason}[ {word:>8} ] {name}")
    elif report.when == "teardown" and report.failed:
        print(f"[ RUN      ] {name}-teardown\n{report.longreprtext}\n"
              f"[  FAILED  ] {name}-teardown")


@pytest.fixture
def new_loop():
    """The loop factory under test; closes what a test leaves open."""
    make, made = factory_of(SPEC), []

    def new(*args, **kwargs):
        made.append(make(*args, **kwargs))
        return made[-1]

    yield new
    asyncio.set_event_loop(None)
    for loop in made:
        if not loop.is_closed():
            loop.close()
    made.clear()
    gc.collect()


@pytest.fixture
def loop(new_loop):
    return new_loop()


@pytest.fixture
def run(new_loop):
    """Runs a coroutine on a new loop, as asyncio.run() does, and returns its result."""
    def run_main(main, debug=False):
        loop = new_loop()
        loop.set_debug(debug)
        try:
            return loop.run_until_complete(main)
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
    return run_main


PROGRAM = """
import asyncio, os, signal, sys, threading, time
sys.path.insert(0, {here!r})
from on_loop import factory_of
new_event_loop = factory_of({spec!r})

def run(main):
    loop = new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()

"""


@pytest.fixture
def program():
    """Runs Python code in an interpreter of its own; returns its subprocess.CompletedProcess.

    The code finds asyncio, os, signal, sys, threading, time, new_event_loop() and run(main).
    """
    def run_program(code, timeout=60, spec=SPEC, options=(), **environment):
        text = PROGRAM.format(here=HERE, spec=spec) + textwrap.dedent(code)
        return subprocess.run([sys.executable, *options, "-c", text], capture_output=True,
                              text=True, timeout=timeout, env={**os.environ, **environment})
    return run_program
