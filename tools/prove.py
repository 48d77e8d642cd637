#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every kind of test, one step after another: `python3 tools/prove.py BUILD`.

It takes hours. When a step fails, the next one runs all the same; the output of a step stays in
BUILD-prove/, and the end of a failed one is printed. `--only tsan,fuzz` selects steps, `--list`
lists them. The last line is "N passed, N failed", counting steps; the exit status is 0 only if a
step passed and none failed.
"""

import argparse
import os
import subprocess
import sys
import time

# Name, what it shows, the command, and what it adds to the environment.
STEPS = [
    ("test", "every test, as for each change", "make test", {}),
    ("asan", "gcc: addresses, undefined behaviour, leaks", "make asan", {}),
    ("tsan", "gcc: data races", "make tsan", {}),
    ("clang-asan", "clang: addresses, undefined behaviour, leaks", "make clang-asan", {}),
    ("clang-tsan", "clang: data races", "make clang-tsan", {}),
    ("valgrind", "memcheck", "make valgrind", {}),
    ("allocations", "each test with each allocation failing",
     "make all && python3 tools/run_tests.py --patience 12 --unit {build}",
     {"ASYNCIO_TEST_SWEEP": "allocations"}),
    ("calls", "each test with each system call failing",
     "make all && python3 tools/run_tests.py --patience 12 --unit {build}",
     {"ASYNCIO_TEST_SWEEP": "calls"}),
    ("proofs", "what holds for a million connections, and the like",
     "make whole && for engine in epoll uring; do export ASYNCIO_ENGINE=$engine; "
     "{build}/tests/has_engine || continue; "
     "python3 tests/test_proofs.py --large {build}/tests/proofs || exit 1; done", {}),
    ("tls-cuts", "TLS cut at each byte of a handshake",
     "make whole && for engine in epoll uring; do export ASYNCIO_ENGINE=$engine; "
     "{build}/tests/has_engine || continue; {build}/tests/test_ssl_proxy || exit 1; done",
     {"ASYNCIO_TEST_LONG": "1"}),
    ("http", "10,000 half-open peers of a web server",
     "make all && python3 tests/prove_http_server.py {build}", {}),
    ("scenarios", "20,000 fresh scenarios beside CPython",
     "make all && python3 tests/test_fresh_scenarios.py --count 20000 {build}/tests/conformance "
     "{build}/tests/has_engine", {}),
    ("fuzz", "scenarios that break a rule", "make fuzz", {}),
    ("fuzz-reader", "streams beside a model", "make fuzz FUZZ_TARGET=reader", {}),
    ("fuzz-arguments", "what children get, beside a model", "make fuzz FUZZ_TARGET=arguments", {}),
    ("fuzz-tls", "TLS in fragments, cut and changed", "make fuzz FUZZ_TARGET=tls", {}),
    ("fuzz-start-tls", "plaintext around the begin of TLS", "make fuzz FUZZ_TARGET=start_tls", {}),
    ("mutants", "planted mistakes, each noticed", "make mutants", {}),
    ("ucontext", "the switch without assembly", "make ucontext", {}),
    ("aarch64", "another machine", "make aarch64", {}),
    ("packages", "Debian packages, a wrap, Conan, a browser", "make packages", {}),
    ("compilers", "the switch by each compiler", "make compilers", {}),
]


def run_step(step, build, folder):
    """Runs one step and prints its result; returns whether it passed."""
    name, shows, command, environment = step
    print(f"{name}: {shows} ...", flush=True)
    path = os.path.join(folder, name + ".log")
    began = time.monotonic()
    with open(path, "w", encoding="utf-8") as log:
        done = subprocess.run(["bash", "-c", command.format(build=build)], stdout=log,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env={**os.environ, "BUILD": build, **environment})
    with open(path, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    passed = done.returncode == 0
    if not passed:
        print("\n".join("    " + line for line in lines[-60:]))
    last = lines[-1] if lines else ""
    print(f"{name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - began:.0f} s; "
          f"{path}: {last}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default="build", help="the folder of the build")
    parser.add_argument("--only", default="", metavar="NAMES", help="steps, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the steps, and run none")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    unknown = set(names) - {step[0] for step in STEPS}
    if unknown:
        parser.error("no such step: " + ", ".join(sorted(unknown)))
    steps = [step for step in STEPS if not names or step[0] in names]
    if options.list:
        for name, shows, command, environment in steps:
            settings = "".join(f"{key}={value} " for key, value in environment.items())
            print(f"{name:12} {shows:45} {settings}{command.format(build=options.build)}")
        return 0
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    folder = options.build + "-prove"  # a step may create the build folder again
    os.makedirs(folder, exist_ok=True)
    passed = [run_step(step, options.build, folder) for step in steps]
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
