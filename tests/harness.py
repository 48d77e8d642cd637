# SPDX-License-Identifier: MIT
"""Runs test functions and prints what cmocka would, so that they are counted in the same way."""

import contextlib
import socket
import sys
import tempfile
import traceback


class Failure(Exception):
    """A promise that does not hold; its text says what was seen."""


class Skip(Exception):
    """A test that cannot run here; its text says why."""


@contextlib.contextmanager
def own_port():
    """A port of the loopback interface for a server that sets SO_REUSEADDR, as all of ours and
    nginx do: held as long as it is used, so that no other program is given it before the server."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def run_tests(name, tests):
    """Runs (name, function) pairs in order; returns the exit status."""
    print(f"[==========] {name}: Running {len(tests)} test(s).")
    failed = 0
    for test, function in tests:
        print(f"[ RUN      ] {test}", flush=True)
        try:
            function()
        except Skip as skip:
            print(f"{skip}\n[  SKIPPED ] {test}")
        except Failure as failure:
            failed += 1
            print(f"{failure}\n[  FAILED  ] {test}")
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"[  FAILED  ] {test}")
        else:
            print(f"[       OK ] {test}")
    print(f"[==========] {name}: {len(tests)} test(s) run.", flush=True)
    return 1 if failed else 0


def run_functions(name, namespace, chosen):
    """Runs the test functions of a module's globals() in their order, or those that are chosen by
    name; returns the exit status."""
    tests = [(test, function) for test, function in namespace.items()
             if test.startswith("test_") and (not chosen or test in chosen)]
    return run_tests(name, tests) if tests else 1


def run_methods(name, fixture_class, then=None):
    """Runs the test methods of a class that is made once, with a temporary folder; where making it
    skips, each is skipped. Then calls then(fixture); returns the exit status."""
    methods = [method for method in dir(fixture_class) if method.startswith("test_")]
    with tempfile.TemporaryDirectory() as folder:
        try:
            fixture = fixture_class(folder)
        except Skip as skip:
            text = str(skip)

            def skipped():
                raise Skip(text)
            return run_tests(name, [(method, skipped) for method in methods])
        status = run_tests(name, [(method, getattr(fixture, method)) for method in methods])
        if then:
            then(fixture)
        return status
