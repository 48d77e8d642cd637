# SPDX-License-Identifier: MIT
"""The two sides of a comparison: the program `conformance`, and CPython 3.13 as its witness.

Knows how traces are run and taken apart, where an interpreter is found, and how fresh scenarios are
made; what counts as a difference; not what a test prints.
"""

import difflib
import glob
import json
import os
import shlex
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TIME_LIMIT = 300    # seconds for a run of the program; none should take a tenth of that
CRASHES = 20        # then the rest of a list is given up
ENDS = ("died by ", "exit status ", "no end in ", "not reached")

# How generate.py makes the scenarios of each golden group, and what part of the fresh ones.
KINDS = {
    "core": (0.15, "--only", "basic,tasks,futures,loop"),
    "combine": (0.20, "--size", "3", "--only", "basic,tasks,futures,combine"),
    "locks": (0.15, "--size", "3", "--only", "basic,tasks,locks,combine"),
    "queues": (0.15, "--size", "3", "--only", "basic,tasks,queues,combine"),
    "all": (0.20, "--size", "5", "--only", "basic,tasks,futures,combine,loop,locks,queues"),
    "collide": (0.15, "--only", "collide"),
}


class NoWitness(Exception):
    """There is no CPython 3.13 here, or the one that was asked for is none."""


# --- traces -------------------------------------------------------------------------------------

def split_traces(text):
    """The traces of a text: a list of lists of lines, each beginning with its name."""
    traces = []
    for line in text.splitlines():
        if line.startswith("== "):
            traces.append([])
        if traces:
            traces[-1].append(line)
    return traces


def ended_early(found):
    """Did the program end on that scenario?"""
    return bool(found) and found[-1].startswith(ENDS)


def same(expected, found):
    """Is a trace what it should be? One that is the word skip must be survived, no more."""
    if expected[1:] == ["skip"]:
        return not ended_early(found)
    return expected == found


def difference(expected, found, context=1000):
    """Both traces of a scenario beside each other."""
    return "\n".join(difflib.unified_diff(expected, found, "CPython", "libasyncio", lineterm="",
                                          n=context))


# --- the program ---------------------------------------------------------------------------------

class Program:
    """The built `conformance` on an engine; `counts` says how often each statement was executed."""

    def __init__(self, path, engine=None):
        self.path = os.path.abspath(path)
        self.environment = {**os.environ, **({"ASYNCIO_ENGINE": engine} if engine else {})}
        self.counts = {}

    def run(self, scenarios):
        """The text that it prints for scenarios, and how it ended: None if well."""
        try:
            done = subprocess.run([self.path, "--count", "-"], env=self.environment, check=False,
                                  input=json.dumps(scenarios).encode(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired as expired:
            return (expired.stdout or b"").decode(errors="replace"), f"no end in {TIME_LIMIT} s"
        for line in done.stderr.decode(errors="replace").splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "count":
                self.counts[words[1]] = self.counts.get(words[1], 0) + int(words[2])
            else:
                print(line, file=sys.stderr)
        end = None
        if done.returncode < 0:
            end = "died by " + signal.Signals(-done.returncode).name
        elif done.returncode > 0:
            end = f"exit status {done.returncode}"
        return done.stdout.decode(errors="replace"), end

    def traces(self, scenarios):
        """The trace of each; one on which the program ended has a last line that says so."""
        traces, crashes = [], 0
        while len(traces) < len(scenarios):
            left = scenarios[len(traces):]
            text, end = self.run(left)
            found = split_traces(text)[:len(left)]
            if end is None:
                traces += found
                break
            if not found:
                found = [["== " + left[0].get("name", "0")]]
            found[-1].append(end)
            traces += found
            crashes += 1
            if crashes == CRASHES:
                break
        return traces + [["not reached"]] * (len(scenarios) - len(traces))


# --- the witness ---------------------------------------------------------------------------------

def is_witness(command):
    """Is that command a CPython 3.13?"""
    question = ("import sys; "
                "print(sys.implementation.name, sys.version_info[0], sys.version_info[1])")
    try:
        done = subprocess.run([*command, "-c", question], timeout=60, capture_output=True,
                              text=True, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.split() == ["cpython", "3", "13"]


def find_witness():
    """The command of a CPython 3.13: the one that ASYNCIO_PYTHON names, else the one that runs
    this, python3.13 in PATH, or the first that pyenv has. Raises NoWitness."""
    asked = os.environ.get("ASYNCIO_PYTHON")
    if asked:
        command = shlex.split(asked)
        if not is_witness(command):
            raise NoWitness(f"ASYNCIO_PYTHON={asked} is no CPython 3.13")
        return command
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    installed = sorted(glob.glob(os.path.join(root, "versions", "3.13*", "bin", "python3.13")))
    for command in (sys.executable, "python3.13", *installed):
        if is_witness([command]):
            return [command]
    raise NoWitness("there is no CPython 3.13 here")


def witness_traces(command, scenarios):
    """What CPython does with each."""
    text = subprocess.run([*command, os.path.join(HERE, "oracle.py"), "-"], check=True, text=True,
                          input=json.dumps(scenarios), stdout=subprocess.PIPE).stdout
    return split_traces(text)


def fresh_scenarios(kind, seed, count):
    """Random scenarios of a kind; their names say how to make each again."""
    options = KINDS[kind][1:]
    text = subprocess.run(
        [sys.executable, os.path.join(HERE, "generate.py"), "--seed", str(seed),
         "--count", str(count), *options], stdout=subprocess.PIPE, check=True).stdout
    scenarios = json.loads(text)
    for scenario in scenarios:
        scenario["name"] += " " + " ".join(options)
    return scenarios
