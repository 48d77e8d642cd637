#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the switch of coroutines as each compiler builds it: `python3 tools/compilers.py BUILD`.

Each of gcc and clang, at -O0 to -O3, with and without optimisation at link time, with and without
control-flow protection, and gcc once without predicted returns, builds the library and the tests
that switch most, in one folder below BUILD, and runs them on the engines epoll and sim. The last
line is "N passed, N failed". A missing compiler is reported and left out. COMPILERS=gcc in the
environment selects compilers.
"""

import itertools
import os
import shutil
import subprocess
import sys

PROGRAMS = ["test_fiber", "test_coroutine", "test_stack", "test_task", "test_cancel"]
ENGINES = ["epoll", "sim"]
LEVELS = ["0", "1", "2", "3"]


def build(folder, compiler, level, lto, protected, predicts=True):
    """Configures and builds one combination; returns whether it succeeded, and the output."""
    setup = ["meson", "setup", folder, "-Dtests=true",
             "-Dbench=false", "-Dexamples=false", "-Db_ndebug=false", f"-Doptimization={level}",
             f"-Db_lto={'true' if lto else 'false'}",
             f"-Dreturn_prediction={'true' if predicts else 'false'}",
             f"-Dc_args=-fcf-protection={'full' if protected else 'none'}"]
    commands = [setup, ["ninja", "-C", folder, "--quiet"] + [f"tests/{p}" for p in PROGRAMS]]
    for command in commands:
        done = subprocess.run(command, env={**os.environ, "CC": compiler}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return False, done.stdout
    return True, ""


def run(folder, program, engine):
    """Runs one program on one engine; returns whether it passed, and its output."""
    try:
        done = subprocess.run([f"{folder}/tests/{program}"], text=True, timeout=300,
                              env={**os.environ, "ASYNCIO_ENGINE": engine},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return False, "it did not end in 300 s"
    return done.returncode == 0, done.stdout


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "build"
    passed = failed = 0
    compilers = (os.environ.get("COMPILERS") or "gcc,clang").split(",")
    for compiler in compilers:
        if not shutil.which(compiler):
            print(f"{compiler} is missing, and left out")
            continue
        combinations = [(*c, True) for c in itertools.product(LEVELS, (False, True), (False, True))]
        if compiler == "gcc":
            combinations.append(("2", False, False, False))
        for level, lto, protected, predicts in combinations:
            if compiler == "clang" and lto and not shutil.which("ld.lld"):
                continue
            name = (f"{compiler} -O{level}{' -flto' if lto else ''}"
                    f"{' -fcf-protection=full' if protected else ''}"
                    f"{'' if predicts else ' without predicted returns'}")
            folder = f"{root}-compilers"
            shutil.rmtree(folder, ignore_errors=True)
            well, output = build(folder, compiler, level, lto, protected, predicts)
            results = {"build": (well, output)}
            if well:
                results = {f"{p} {e}": run(folder, p, e) for p in PROGRAMS for e in ENGINES}
            for what, (went_well, text) in results.items():
                passed, failed = passed + went_well, failed + (not went_well)
                if not went_well:
                    print(f"=== {name}: {what} ===\n{text[-3000:]}")
            bad = [what for what, (went_well, _) in results.items() if not went_well]
            print(f"{name}: {'failed: ' + ', '.join(bad) if bad else 'well'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
