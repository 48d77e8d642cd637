#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the interpreter's own test.test_asyncio on a loop factory, in place, without a copy of it.

Usage: PYTHON conform.py [--loop MODULE:FACTORY] [-k PART] [-j N] [-t SECONDS] [--list]

The factory reaches CPython's tests in two ways. Test mixins get a create_event_loop() that calls
it, and asyncio.events.new_event_loop is replaced by it, which asyncio.Runner and with it most test
modules use. All modules are imported once; each test then runs in a forked process of its own, so
that a crash or a hang is the result of one test only.

A test that fails is run once more with nothing beside it, because some of CPython's tests measure
time. One that fails again is run on CPython's own loop: if that fails too, the machine is the
reason and the test is skipped. conform_ledger.txt names the tests that may fail, with the reason; a
test named there that passes is a failure, so that the list can only become shorter.
"""

import argparse
import asyncio
import importlib
import os
import re
import select
import signal
import sys
import tempfile
import time
import unittest
from asyncio import events, unix_events

LEDGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conform_ledger.txt")
LEDGER_MAX = 3
STOCK = "asyncio:SelectorEventLoop"
PASSED, FAILED, SKIPPED, HUNG = "passed", "failed", "skipped", "hung"
STATUS_SKIPPED = 77

# Modules whose tests need no class of ours: all of their loops come from events.new_event_loop.
INJECTED = ["test_streams", "test_locks", "test_queues", "test_taskgroups", "test_timeouts",
            "test_waitfor", "test_staggered", "test_threads", "test_eager_task_factory",
            "test_context", "test_futures2", "test_server", "test_server_context",
            "test_free_threading", "test_graph"]

# Those of other loops, those without a loop, and those that replace asyncio.Task by the class that
# is written in Python, which a loop in C does not look up for every task.
LEFT_OUT = ("Proactor", "Selector", "Base", "TestPyFree", "TestEagerPyFree")


class Factory:
    """The loop factory under test; replace() exchanges it in a forked child."""

    def __init__(self, spec):
        self.make = None
        self.replace(spec)

    def replace(self, spec):
        module, _, name = spec.partition(":")
        self.make = getattr(importlib.import_module(module), name or "new_event_loop")

    def __call__(self):
        return self.make()


def inject(factory):
    """Makes the factory the one that asyncio uses wherever no other is named."""
    asyncio.new_event_loop = events.new_event_loop = factory
    for name in ("_UnixDefaultEventLoopPolicy", "DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = staticmethod(factory)


def test_module(name):
    """Returns a module of test.test_asyncio, or None where this Python has none of that name."""
    try:
        return importlib.import_module("test.test_asyncio." + name)
    except (ModuleNotFoundError, unittest.SkipTest) as error:
        missing = getattr(error, "name", "")
        if isinstance(error, ModuleNotFoundError) and missing in ("test", "test.test_asyncio"):
            raise
        return None


def mixed(factory, name, *bases, **members):
    """Returns a test class made of CPython's mixins, or None where one of them is missing."""
    if None in bases:
        return None
    body = {"create_event_loop": lambda self: factory(), "new_loop": lambda self: factory(),
            "__module__": __name__, **members}
    return type(name, bases, body)


def part(module, *names):
    """Returns the first of the named attributes that a module has."""
    return next((getattr(module, n) for n in names if hasattr(module, n)), None)


def mixed_classes(factory):
    """Returns the test classes that exist in CPython as mixins only."""
    utils = test_module("utils")

    def set_up_subprocess(self):
        utils.TestCase.setUp(self)
        self.loop = factory()
        self.set_event_loop(self.loop)

    of_events, of_server = test_module("test_events"), test_module("test_server")
    classes = [
        mixed(factory, "EventLoop", part(of_events, "UnixEventLoopTestsMixin",
                                         "EventLoopTestsMixin"),
              part(of_events, "SubprocessTestsMixin"), utils.TestCase),
        mixed(factory, "SockLowLevel", part(test_module("test_sock_lowlevel"),
                                            "BaseSockTestsMixin"), utils.TestCase),
        mixed(factory, "Sendfile", part(test_module("test_sendfile"), "SendfileTestsBase"),
              utils.TestCase),
        mixed(factory, "StartServer", part(of_server, "BaseStartServer"), unittest.TestCase),
        mixed(factory, "BufferedProto", part(test_module("test_buffered_proto"),
                                             "BaseTestBufferedProtocol"), unittest.TestCase),
        mixed(factory, "StartTLS", part(test_module("test_sslproto"), "BaseStartTLS"),
              unittest.TestCase),
        mixed(factory, "SSL", part(test_module("test_ssl"), "TestSSL")),
        mixed(factory, "Subprocess", part(test_module("test_subprocess"), "SubprocessMixin"),
              utils.TestCase, setUp=set_up_subprocess),
    ]
    return {c.__name__: c for c in classes if c is not None}


def injected_classes():
    """Returns the test classes that run on whatever events.new_event_loop makes."""
    found = {}
    for name in INJECTED:
        module = test_module(name)
        for attribute, value in vars(module).items() if module else ():
            if (isinstance(value, type) and issubclass(value, unittest.TestCase) and
                    value.__module__ == module.__name__ and
                    not attribute.startswith(LEFT_OUT)):
                found[name[len("test_"):] + "_" + attribute] = value
    return found


def test_names(classes):
    """Returns the names of all tests, CLASS.METHOD."""
    names = unittest.defaultTestLoader.getTestCaseNames
    return [f"{name}.{test}" for name, c in classes.items() for test in names(c)]


class Child:
    """A test that runs in a process of its own, whose output goes to a file."""

    def __init__(self, name, run, limit, others):
        self.name, self.output = name, tempfile.TemporaryFile()
        self.deadline = time.monotonic() + limit
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.be_the_child(run, others)
        self.watched = os.pidfd_open(self.pid)

    def be_the_child(self, run, others):
        status = 1
        try:
            os.setsid()
            for descriptor in others:
                os.close(descriptor)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            self.output.close()
            status = run(self.name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def end(self):
        """Reaps the process and whatever it left running; returns (result, output)."""
        is_late = not select.select([self.watched], [], [], 0)[0]
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has not come to setsid(), or nothing of the group is left
        if is_late:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.watched)
        self.output.seek(0)
        text = self.output.read().decode(errors="replace")
        self.output.close()
        if is_late:
            return HUNG, text
        if status < 0:
            return FAILED, text + f"died by signal {-status}\n"
        return {0: PASSED, STATUS_SKIPPED: SKIPPED}.get(status, FAILED), text


def run_all(names, run, jobs, limit, report):
    """Runs the named tests, up to `jobs` at a time; report(name, result, output) gets each."""
    waiting, running = list(reversed(names)), {}
    poll = select.poll()
    while waiting or running:
        while waiting and len(running) < jobs:
            others = [n for child in running.values()
                      for n in (child.watched, child.output.fileno())]
            child = Child(waiting.pop(), run, limit, others)
            running[child.watched] = child
            poll.register(child.watched, select.POLLIN)
        nearest = min(child.deadline for child in running.values()) - time.monotonic()
        ended = [descriptor for descriptor, _ in poll.poll(max(0.0, nearest) * 1000)]
        now = time.monotonic()
        ended += [d for d, child in running.items() if child.deadline <= now and d not in ended]
        for descriptor in ended:
            poll.unregister(descriptor)
            child = running.pop(descriptor)
            report(child.name, *child.end())


class Suite:
    """CPython's tests bound to a factory, and how one of them runs."""

    def __init__(self, spec):
        self.factory = Factory(spec)
        inject(self.factory)
        self.classes = {**mixed_classes(self.factory), **injected_classes()}
        self.names = test_names(self.classes)

    def run(self, name):
        """Runs one test in this process; returns an exit status."""
        group, test = name.split(".")
        # A suite rather than the case itself, so that setUpClass() and setUpModule() run.
        done = unittest.TextTestRunner(verbosity=0).run(
            unittest.TestSuite([self.classes[group](test)]))
        if not done.wasSuccessful():
            return 1
        return STATUS_SKIPPED if done.skipped else 0

    def run_on_stock_loop(self, name):
        self.factory.replace(STOCK)
        return self.run(name)


def ledger_entries(text):
    """Returns {test: reason} of the lines for this Python: "VERSION TEST reason"; * is any."""
    found = {}
    version = "%d.%d" % sys.version_info[:2]
    for line in text.splitlines():
        words = line.split(None, 2)
        if words and not line.startswith("#"):
            if len(words) < 3:
                sys.exit(f"{LEDGER}: {line!r} has no reason")
            if words[0] in ("*", version):
                found[words[1]] = words[2]
    return found


def ledger_faults(entries, names):
    """Returns what is wrong with the ledger itself."""
    faults = [f"{LEDGER}: there is no test {name}" for name in entries if name not in names]
    if len(entries) > LEDGER_MAX:
        faults.append(f"{LEDGER}: {len(entries)} tests, more than {LEDGER_MAX}")
    return faults


def last_lines(text, count=25):
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-count:])


class Report:
    """Collects results, prints them as cmocka would, and decides what counts as failed."""

    def __init__(self, ledger):
        self.ledger, self.results, self.outputs, self.again = ledger, {}, {}, []

    def first(self, name, result, output):
        if result in (FAILED, HUNG) and name not in self.ledger:
            self.again.append(name)
        self.keep(name, result, output)

    def keep(self, name, result, output):
        self.results[name], self.outputs[name] = result, output

    def on_stock_loop(self, name, result, output):
        if result in (FAILED, HUNG):
            self.keep(name, SKIPPED, f"CPython's own loop fails here too: {output[-300:]}")

    def settle(self):
        """Applies the ledger: a test that it names is skipped if it fails, fails if it passes."""
        for name, reason in self.ledger.items():
            if self.results.get(name) == PASSED:
                self.keep(name, FAILED, "passes: take its line out of " + LEDGER)
            elif name in self.results:
                self.keep(name, SKIPPED, "ledger: " + reason)

    def print(self):
        for name, result in self.results.items():
            print(f"[ RUN      ] {name}")
            if result == PASSED:
                print(f"[       OK ] {name}")
            elif result == SKIPPED:
                why = re.findall(r"^(?:ledger: |CPython's own).*", self.outputs[name])
                print("\n".join(why + [f"[  SKIPPED ] {name}"]))
            else:
                print(f"{last_lines(self.outputs[name])}\n    {result}\n[  FAILED  ] {name}")

    def count(self, *results):
        return sum(1 for result in self.results.values() if result in results)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loop", default=os.environ.get("LOOP", "libasyncio:new_event_loop"),
                        help="MODULE:FACTORY; libasyncio:new_event_loop if not named")
    parser.add_argument("-k", metavar="PART", help="only tests whose name holds PART")
    parser.add_argument("-j", type=int, default=4, metavar="N", help="tests at a time")
    parser.add_argument("-t", type=float, default=60, metavar="SECONDS", help="limit of a test")
    parser.add_argument("--list", action="store_true", help="print the names of the tests")
    parser.add_argument("--one", metavar="TEST", help="run one test in this process")
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        suite = Suite(options.loop)
    except ModuleNotFoundError as error:
        if error.name not in ("test", "test.test_asyncio"):
            raise
        print(f"{sys.executable} has no test.test_asyncio (Debian: libpython3-testsuite)")
        return STATUS_SKIPPED
    if options.one:
        return suite.run(options.one)
    names = [name for name in suite.names if not options.k or options.k in name]
    if options.list:
        print("\n".join(names), len(names), sep="\n")
        return 0
    with open(LEDGER, encoding="utf-8") as file:
        ledger = ledger_entries(file.read())
    title = f"test_asyncio of Python {sys.version.split()[0]} on {options.loop}"
    print(f"[==========] {title}: Running {len(names)} test(s).", flush=True)
    report = Report(ledger)
    run_all(names, suite.run, options.j, options.t, report.first)
    again, report.again = report.again, []
    run_all(again, suite.run, 1, options.t, report.first)
    if options.loop != STOCK:
        run_all(report.again, suite.run_on_stock_loop, 1, options.t, report.on_stock_loop)
    report.settle()
    report.print()
    faults = ledger_faults(ledger, suite.names)
    print("\n".join(faults), end="\n" if faults else "")
    print(f"[==========] {title}: {len(names)} test(s) run: {report.count(PASSED)} passed, "
          f"{report.count(FAILED, HUNG)} failed, {report.count(SKIPPED)} skipped, "
          f"{len(again)} run again.", flush=True)
    return 1 if faults or report.count(FAILED, HUNG) else 0


if __name__ == "__main__":
    if not sys.warnoptions:
        os.execv(sys.executable, [sys.executable, "-W", "ignore", *sys.argv])
    sys.exit(main())
