#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of one or more build folders and counts those that passed.

Test programs announce each test function as cmocka does ("[ RUN      ] name", then "[       OK ]"
or "[  SKIPPED ]"). This counts test functions: a program that crashes in its third function counts
as two passed and one failed, and a program that announces none counts as one. The last line of the
output is "N passed, N failed"; the exit status is 0 only if a test passed and none failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys

RUN = re.compile(r"^\[ RUN +\] (\S+)", re.MULTILINE)
OK = re.compile(r"^\[ +OK \] ", re.MULTILINE)
SKIPPED = re.compile(r"^\[ +SKIPPED \] ", re.MULTILINE)
WELL = re.compile(r"^\[ RUN +\] .*\n\[ +OK \] .*\n", re.MULTILINE)
SKIP_STATUS = 77


def count(record):
    """Returns (passed, failed, skipped) of one program's record in Meson's log."""
    text = record.get("stdout", "")
    failed_as_a_whole = record["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    if record["result"] == "SKIP" or record["returncode"] == SKIP_STATUS:
        return 0, 0, max(1, len(RUN.findall(text)))
    started, passed, skipped = (len(p.findall(text)) for p in (RUN, OK, SKIPPED))
    if started == 0:
        return (0, 1, 0) if failed_as_a_whole else (1, 0, 0)
    failed = started - passed - skipped
    if failed_as_a_whole and failed <= 0:
        failed = 1
    return passed, max(0, failed), skipped


def is_ours(program):
    """Returns whether this machine runs a program without an emulator: by the same e_machine."""
    heads = []
    for path in (program, sys.executable):
        with open(path, "rb") as file:
            heads.append(file.read(20)[18:])
    return heads[0] == heads[1]


def refused_engines(folder):
    """Returns the engines that this machine refuses (a container may forbid io_uring)."""
    program = os.path.join(folder, "tests", "has_engine")
    refused = []
    for engine in ("epoll", "uring", "sim"):
        if os.path.exists(program) and is_ours(program):
            done = subprocess.run([program], env={**os.environ, "ASYNCIO_ENGINE": engine},
                                  capture_output=True, text=True)
            if done.returncode == 1:
                print(f"{folder}: no engine {engine} here, its tests are left out: "
                      f"{done.stdout.strip()}")
                refused.append(engine)
    return refused


def run_folder(folder, extra, suite, patience):
    """Runs Meson's tests in a folder, all or those of a suite; returns the records of its log."""
    log = os.path.join(folder, "meson-logs", "testlog.json")
    if extra:
        log = log.replace("testlog", "testlog-" + extra[0])
    if os.path.exists(log):
        os.unlink(log)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--quiet"]
    if extra:
        # Meson names the log after the wrapper.
        command += ["--wrapper", extra[1]]
    if patience != 1:
        command += ["--timeout-multiplier", str(patience)]
    if suite:
        command += ["--suite", suite]
    for engine in refused_engines(folder):
        command += ["--no-suite", engine]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not os.path.exists(log):
        sys.stdout.write(done.stdout)
        return None
    with open(log, encoding="utf-8", errors="replace") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def report_failure(folder, record):
    """Prints the output of a program that failed."""
    print(f"\n=== {folder}: {record['name']}: {record['result']} "
          f"(status {record['returncode']}) ===")
    for stream in ("stdout", "stderr"):
        lines = WELL.sub("", record.get(stream, "")).splitlines()
        if len(lines) > 200:
            lines = lines[:40] + [f"... {len(lines) - 160} lines left out ..."] + lines[-120:]
        for line in lines:
            print("    " + line)


def run_python(folder, only):
    """Runs the tests of the Python package in a build folder; returns one record as of Meson's."""
    command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                                            "tests", "python", "run.py"), folder]
    done = subprocess.run(command + ["--only", only], stdout=subprocess.PIPE, text=True,
                          errors="replace")
    return {"name": "tests/python", "stdout": done.stdout, "returncode": done.returncode,
            "result": "OK" if done.returncode == 0 else "FAIL"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--valgrind", action="store_true",
                        help="run the programs of the suite unit under valgrind")
    parser.add_argument("--unit", action="append", default=[], metavar="FOLDER",
                        help="a build folder of which only the suite unit runs")
    parser.add_argument("--threaded", action="append", default=[], metavar="FOLDER",
                        help="a build folder of which only the suite threaded runs")
    parser.add_argument("--python", action="append", default=[], metavar="FOLDER",
                        help="a build folder whose Python package is tested (tests/python/run.py)")
    parser.add_argument("--only", default="", metavar="PART",
                        help="of the jobs for Python those whose name holds PART")
    parser.add_argument("--patience", type=int, metavar="TIMES",
                        help="how much longer than planned a test may take; 4 under valgrind")
    parser.add_argument("folders", nargs="*", help="build folders, built")
    options = parser.parse_args()
    extra = None
    if options.valgrind:
        suppressions = os.path.join(os.path.dirname(os.path.abspath(__file__)), "valgrind.supp")
        extra = ("valgrind", "valgrind --quiet --error-exitcode=99 --leak-check=full "
                             "--errors-for-leak-kinds=definite --show-leak-kinds=definite "
                             f"--suppressions={suppressions}")
    total = [0, 0, 0]
    patience = options.patience or (4 if options.valgrind else 1)
    for folder in options.folders + options.threaded + options.unit + options.python:
        suite = "unit" if options.valgrind or folder in options.unit else None
        suite = "threaded" if folder in options.threaded else suite
        if folder in options.python:
            records = [run_python(folder, options.only)]
        else:
            records = run_folder(folder, extra, suite, patience)
        if records is None:
            total[1] += 1
            continue
        here = [0, 0, 0]
        for record in records:
            numbers = count(record)
            here = [a + b for a, b in zip(here, numbers)]
            if numbers[1]:
                report_failure(folder, record)
        print(f"{folder}: {len(records)} programs, {here[0]} passed, {here[1]} failed, "
              f"{here[2]} skipped")
        total = [a + b for a, b in zip(total, here)]
    if total[2]:
        print(f"skipped by name: {total[2]}")
    sys.stdout.flush()
    print(f"{total[0]} passed, {total[1]} failed")
    return 0 if total[0] and not total[1] else 1


if __name__ == "__main__":
    sys.exit(main())
