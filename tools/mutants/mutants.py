#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants known mistakes in a copy of the sources, and checks that a test notices each.

usage: mutants.py [--sample N | --only NAME,...] [--list] [--folder FOLDER]

core.txt beside this script lists the mistakes, each a small change of text with its reason. For
each one the copy in FOLDER (build-mutants) is changed, the static library is rebuilt, and tests run
until one fails: first the test that the mistake names, or that noticed it last time; then every
unit test on sim, the golden conformance traces, and the unit tests on epoll. A mistake that no test
notices is a failure, and so is one whose lines are not found in the sources any more.

The results stay in FOLDER/found.json: an interrupted run continues where it stopped, as long as
sources and tests are the same. --sample takes N mistakes, others each day.
"""

import argparse
import datetime
import filecmp
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACES = ["meson.build", "meson_options.txt", "include", "src", "tests"]
TIME_LIMIT = 25     # seconds for a test; a mistake may have it never end
OPTIONS = ["--buildtype=plain", "-Dc_args=-O1", "-Db_ndebug=false", "-Dbench=false",
           "-Dexamples=false", "-Dwerror=false"]
CONFORMANCE = "conformance"


# --- the list -------------------------------------------------------------------------------------

class Mutant:
    """One mistake: the change, its file, and the test that is expected to notice it."""

    def __init__(self, text):
        head, path, *lines = text.strip("\n").split("\n")
        self.name, self.why = re.fullmatch(r"(\w+): (.+)", head).groups()
        self.path = path
        self.by = None
        if lines[0].startswith("by "):
            self.by = lines.pop(0)[3:]
        self.old = "".join(line[1:] + "\n" for line in lines if line[0] in " -")
        self.new = "".join(line[1:] + "\n" for line in lines if line[0] in " +")
        if any(line[0] not in " -+" for line in lines) or self.old == self.new:
            raise ValueError(f"{self.name}: not a change")

    def applied(self, source):
        """Returns the text of its file with the mistake in it, or None: its lines are not there."""
        return source.replace(self.old, self.new) if source.count(self.old) == 1 else None


def read_mutants():
    """Returns the mistakes of core.txt, in order."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "core.txt")
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^== ", file.read(), flags=re.MULTILINE)[1:]
    mutants = [Mutant(part) for part in parts]
    if len({m.name for m in mutants}) != len(mutants):
        raise ValueError("two mistakes have one name")
    return mutants


def lost(mutants):
    """Returns the mistakes whose lines are not in the sources exactly once."""
    sources = {}
    for mutant in mutants:
        if mutant.path not in sources:
            with open(os.path.join(ROOT, mutant.path), encoding="utf-8") as file:
                sources[mutant.path] = file.read()
    return [m for m in mutants if m.applied(sources[m.path]) is None]


# --- the copy -------------------------------------------------------------------------------------

def write_if_changed(path, text):
    """Writes a file unless it holds the text already, so that nothing is rebuilt for it."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def synchronize(source, copy):
    """Makes a copy of a file or folder equal, touching only what differs."""
    if os.path.isfile(source):
        if not os.path.exists(copy) or not filecmp.cmp(source, copy, shallow=False):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copyfile(source, copy)
        return
    names = {name for name in os.listdir(source) if name != "__pycache__"}
    for name in set(os.listdir(copy) if os.path.isdir(copy) else []) - names:
        path = os.path.join(copy, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    for name in sorted(names):
        synchronize(os.path.join(source, name), os.path.join(copy, name))


class Copy:
    """The copy: the sources in FOLDER/source, their build beside it."""

    def __init__(self, folder):
        self.source = os.path.join(folder, "source")
        self.build = os.path.join(folder, "build")
        self.log = os.path.join(folder, "log")
        for place in PLACES:
            synchronize(os.path.join(ROOT, place), os.path.join(self.source, place))
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            self.must(["meson", "setup", self.build, self.source, *OPTIONS])
        self.must(["ninja", "-C", self.build, "build.ninja"])  # the list of tests may have grown
        self.targets = self.programs()

    def must(self, command):
        """Runs a command; on failure exits with its output."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"mutants.py: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def programs(self):
        """Returns the test programs: {name: path in the build folder}."""
        tests = json.loads(self.must(["meson", "introspect", "--tests", self.build]))
        found = {}
        for test in tests:
            if "unit" in "".join(test["suite"]):
                found[test["name"]] = os.path.relpath(test["cmd"][0], self.build)
        found[CONFORMANCE] = "tests/conformance"
        return found

    def digest(self):
        """Returns a hash of everything that decides whether a test notices."""
        state = hashlib.sha256()
        for place in PLACES:
            path = os.path.join(self.source, place)
            files = [path] if os.path.isfile(path) else sorted(
                os.path.join(here, name) for here, _, names in os.walk(path) for name in names)
            for name in files:
                with open(name, "rb") as file:
                    state.update(name[len(self.source):].encode() + b"\0" + file.read())
        return state.hexdigest()

    def make(self, names):
        """Builds programs; returns None, or the output of the compiler."""
        done = subprocess.run(["ninja", "-C", self.build, *(self.targets[n] for n in names)],
                              capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stdout[-4000:]

    def run(self, command, engine):
        """Runs a program; returns its output, and how it failed (None: it succeeded)."""
        environment = {**os.environ, "ASYNCIO_ENGINE": engine}
        with open(self.log, "w+b") as log:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                     cwd=self.source, env=environment, start_new_session=True)
            try:
                status = child.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                status = None
            if status is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            log.seek(0)
            text = log.read(50_000_000).decode(errors="replace")
        if status == 0:
            return text, None
        if status is None:
            return text, "does not end"
        return text, signal.Signals(-status).name if status < 0 else "fails"


# --- tests ----------------------------------------------------------------------------------------

def failing_function(text):
    """Returns the first test function that failed in the output of cmocka."""
    failed = re.search(r"\[  FAILED  \] (\w+)", text)
    if failed:
        return failed.group(1)
    begun = re.findall(r"\[ RUN      \] (\w+)", text)
    return begun[-1] if begun else "?"


class Golden:
    """All golden scenarios in one file, and their expected traces."""

    def __init__(self, copy):
        sys.path.insert(0, os.path.join(ROOT, "tests"))
        import test_conformance as conformance
        self.same, self.split = conformance.same, conformance.split_traces
        self.path = os.path.join(os.path.dirname(copy.source), "golden.json")
        self.expected, scenarios = [], []
        for group in conformance.GROUPS:
            some, traces = conformance.golden(group)
            scenarios += some
            self.expected += [(group, trace) for trace in traces]
        write_if_changed(self.path, json.dumps(scenarios))

    def check(self, text, end):
        """Returns the scenario whose trace differs from the expected one, or None."""
        found = self.split(text)
        for i, (group, want) in enumerate(self.expected):
            if i >= len(found) or (i + 1 == len(found) and end):
                return f"{group} {want[0][3:]} {end or 'is missing'}"
            if not self.same(want[1:2] + want[1:], found[i][1:2] + found[i][1:]):
                return f"{group} {want[0][3:]}"
        return None


def killer(copy, golden, name, engine):
    """Runs a test; returns the name of what noticed the mistake, or None."""
    program = os.path.join(copy.build, copy.targets[name])
    if name == CONFORMANCE:
        scenario = golden.check(*copy.run([program, golden.path], engine))
        return f"{name} {engine}: {scenario}" if scenario else None
    text, end = copy.run([program], engine)
    return f"{name} {engine}: {failing_function(text)} {end}" if end else None


def order(copy, first):
    """Yields what to run, in order: pairs of a test and an engine."""
    units = [name for name in copy.targets if name != CONFORMANCE]
    all_of_them = [(name, "sim") for name in units]
    all_of_them += [(CONFORMANCE, "sim")] + [(name, "epoll") for name in units]
    return [pair for pair in all_of_them if pair[0] in first] + \
           [pair for pair in all_of_them if pair[0] not in first]


def try_mutant(copy, golden, mutant, former):
    """Plants a mistake, runs tests, and restores the copy. Returns what noticed it, or None."""
    path = os.path.join(copy.source, mutant.path)
    with open(path, encoding="utf-8") as file:
        source = file.read()
    write_if_changed(path, mutant.applied(source))
    try:
        first = [name for name in (former, mutant.by) if name in copy.targets]
        for names in filter(None, (first, list(copy.targets))):
            said = copy.make(names)
            if said:
                return f"NOT BUILT\n{said}"
            for name, engine in order(copy, first):
                if name in names:
                    found = killer(copy, golden, name, engine)
                    if found:
                        return found
        return None
    finally:
        write_if_changed(path, source)


# --- the run --------------------------------------------------------------------------------------

class Notes:
    """The results, saved after each mistake."""

    def __init__(self, path):
        self.path = path
        self.data = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.data = json.load(file)

    def get(self, mutant):
        return self.data.get(mutant.name, {})

    def put(self, mutant, key, found):
        self.data[mutant.name] = {"key": key, "by": found}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1)


def sample(mutants, count):
    """Returns a number of mistakes, spread over the list, others each day."""
    step = max(1, len(mutants) // count)
    start = datetime.date.today().toordinal() % step
    return mutants[start::step][:count]


def check_clean(copy, golden, notes, state):
    """Checks that every test passes without a mistake: otherwise the results mean nothing."""
    if notes.data.get("", {}).get("key") == state:
        return
    said = copy.make(list(copy.targets))
    if said:
        sys.exit(f"mutants.py: the sources cannot be built\n{said}")
    for name, engine in order(copy, []):
        found = killer(copy, golden, name, engine)
        if found:
            sys.exit(f"mutants.py: fails without a mistake: {found}")
    notes.data[""] = {"key": state}


def run(mutants, folder):
    """Tries each mistake; returns the exit status."""
    copy = Copy(folder)
    golden = Golden(copy)
    notes = Notes(os.path.join(folder, "found.json"))
    state = copy.digest()
    begun = time.monotonic()
    check_clean(copy, golden, notes, state)
    survivors = []
    for number, mutant in enumerate(mutants, 1):
        key = hashlib.sha256((state + mutant.new).encode()).hexdigest()
        known = notes.get(mutant)
        if known.get("key") == key and known["by"]:
            found = known["by"]
        else:
            former = (known.get("by") or "").split(" ")[0]
            found = try_mutant(copy, golden, mutant, former)
            notes.put(mutant, key, found)
        is_killed = found is not None and not found.startswith("NOT BUILT")
        if not is_killed:
            survivors.append(mutant)
        print(f"{number}/{len(mutants)} {mutant.name}: "
              f"{found if found else 'SURVIVED: ' + mutant.why}", flush=True)
    print(f"{len(mutants) - len(survivors)} killed, {len(survivors)} survived, "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if survivors else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sample", type=int, help="how many of them, others each day")
    parser.add_argument("--only", help="names")
    parser.add_argument("--list", action="store_true", help="only look for their places")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build-mutants"))
    options = parser.parse_args()
    mutants = read_mutants()
    missing = lost(mutants)
    for mutant in missing:
        print(f"{mutant.name}: its place is not in {mutant.path} (exactly once)")
    if missing:
        return 1
    if options.list:
        print(f"{len(mutants)} mistakes, each with its place")
        return 0
    if options.only:
        names = options.only.split(",")
        mutants = [m for m in mutants if m.name in names]
        if len(mutants) != len(names):
            sys.exit("mutants.py: no such mistake")
    elif options.sample:
        mutants = sample(mutants, options.sample)
    os.makedirs(options.folder, exist_ok=True)
    return run(mutants, os.path.abspath(options.folder))


if __name__ == "__main__":
    sys.exit(main())
