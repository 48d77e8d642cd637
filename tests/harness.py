# SPDX-License-Identifier: MIT
"""Runs test functions and prints what cmocka would, so that they are counted in the same way."""

import sys
import traceback


class Failure(Exception):
    """A promise that does not hold; its text says what was seen."""


class Skip(Exception):
    """A test that cannot run here; its text says why."""


def run_tests(name, tests):
    """Runs (name, function) pairs in order; answers the exit status."""
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
