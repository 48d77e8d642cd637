#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ABI of the libraries is the recorded one, or more: names may be added, nothing may change.

    test_abi.py ROOT BUILD            compares
    test_abi.py ROOT BUILD --record   writes tests/expected/libasyncio.abi.xz, libasyncio-ssl.abi.xz

BUILD is a build folder with debug information. Options structs begin with their size, so that they
may grow at their end.
"""

import glob
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Failure, Skip, run_tests

ROOT, BUILD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
LIBRARIES = ("libasyncio", "libasyncio-ssl")
# libabigail tells public types by the name of their header; headers of src/ have the same names.
SUPPRESSIONS = """
[suppress_type]
name_regexp = ^asyncio_.*(options|stats|statistics|context)(_t)?$
has_data_member_inserted_at = end

[suppress_type]
name_regexp = ^(asyncio__.*|%s)$

[suppress_function]
symbol_name_regexp = ^asyncio__

[suppress_variable]
symbol_name_regexp = ^asyncio__
"""


DESCRIBED = {}  # the description of each library


def opaque_types():
    """Returns the structs that programs know by pointers only."""
    text = ""
    for path in glob.glob(os.path.join(ROOT, "include", "asyncio", "*.h")):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    declared = set(re.findall(r"^typedef struct (asyncio_\w+) asyncio_\w+;", text, re.MULTILINE))
    return sorted(declared - set(re.findall(r"\bstruct (asyncio_\w+) \{", text)))


def linked_plainly(name, folder):
    """Links a shared library of the objects of the static one; returns its path.

    Link-time optimisation leaves functions in the debug information without their symbol, which
    libabigail does not compare then. The objects hold ordinary code as well.
    """
    built, shared = os.path.join(BUILD, name), os.path.join(folder, name + ".so")
    dynamic = subprocess.run(["readelf", "-d", built + ".so"], capture_output=True, text=True,
                             check=True).stdout
    done = subprocess.run(
        ["cc", "-shared", "-fno-lto", "-o", shared, "-Wl,--whole-archive", built + ".a",
         "-Wl,--no-whole-archive", "-Wl,-soname," + re.search(r"soname: \[(.*)\]", dynamic)[1],
         "-Wl,--version-script=" + os.path.join(ROOT, "src", "libasyncio.map")],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr)
    return shared


def with_all_symbols(text):
    """Returns a description in which each function has its symbol.

    Where a call was optimised, the debug information of the caller declares the callee, and abidw
    may describe that declaration instead of the function.
    """
    symbols = dict(re.findall(r"<elf-symbol name='([^']*)' version='([^']*)'", text))
    done = {name.split("@")[0] for name in
            re.findall(r"<function-decl [^>]*elf-symbol-id='([^']*)'", text)}

    def add(match):
        name = match[1]
        if name in done or name not in symbols:
            return match[0]
        done.add(name)
        return f"{match[0][:-1]} elf-symbol-id='{name}@@{symbols[name]}'>"
    return re.sub(r"<function-decl name='([^']*)'(?![^>]*elf-symbol-id)[^>]*[^/]>", add, text)


def described(name):
    """Returns the description of a library's ABI, without what differs from build to build."""
    if not shutil.which("abidw"):
        raise Skip("abidw is not installed (abigail-tools)")
    if not os.path.exists(os.path.join(BUILD, name + ".a")):
        raise Skip(f"{name} is not built")
    if name not in DESCRIBED:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["abidw", "--headers-dir", os.path.join(ROOT, "include"), "--drop-private-types",
                 "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                 linked_plainly(name, folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stderr)
        DESCRIBED[name] = with_all_symbols(done.stdout)
    return DESCRIBED[name]


def compare(old, new):
    """Returns what abidiff says of two descriptions, or "" if nothing but names was added."""
    with tempfile.TemporaryDirectory() as folder:
        rules = SUPPRESSIONS % "|".join(opaque_types())
        for name, text in (("old.abi", old), ("new.abi", new), ("rules", rules)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", "rules", "old.abi",
                               "new.abi"], cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr) if done.returncode else ""


def record_of(name):
    return os.path.join(ROOT, "tests", "expected", name + ".abi.xz")


def keeps_the_recorded_abi(name):
    """Programs that were linked with the recorded library run with this one."""
    new = described(name)
    with lzma.open(record_of(name), "rt", encoding="utf-8") as file:
        said = compare(file.read(), new)
    if said:
        raise Failure(said)


def compares_every_function(name):
    """Every public function is described, with its parameters, in the record too."""
    text = described(name)
    public = set(re.findall(r"<elf-symbol name='(asyncio_[a-z0-9][^']*)' [^>]*type='func-type'",
                            text))
    if len(public) < (400 if name == "libasyncio" else 30):
        raise Failure(f"{name} has {len(public)} functions only")
    missing = public - {symbol.split("@")[0] for symbol in
                        re.findall(r"<function-decl [^>]*elf-symbol-id='([^']*)'", text)}
    if missing:
        raise Failure("not compared: " + ", ".join(sorted(missing)))


def notices_a_removed_function():
    """A function that is missing is noticed."""
    text = described("libasyncio")
    without = re.sub(r"\n[^\n]*elf-symbol name='asyncio_sleep'[^\n]*", "", text)
    without = re.sub(r"\n *<function-decl name='asyncio_sleep' .*?</function-decl>", "", without,
                     flags=re.DOTALL)
    if without == text or not compare(text, without):
        raise Failure("asyncio_sleep() is missing, and nobody noticed")


def notices_a_changed_parameter():
    """A parameter of another type is noticed."""
    text = described("libasyncio")
    ids = {name: re.search(rf"<type-decl name='{name}' [^>]* id='([^']*)'", text)[1]
           for name in ("double", "int")}
    match = re.search(r"<function-decl name='([^']*)' [^>]*elf-symbol-id=[^>]*>"
                      rf"\s*<parameter type-id='({ids['double']})'", text)
    other = text[:match.start(2)] + ids["int"] + text[match.end(2):]
    if not compare(text, other):
        raise Failure(f"{match[1]}() takes an int instead of a double, and nobody noticed")


def main():
    if "--record" in sys.argv:
        for name in LIBRARIES:
            with lzma.open(record_of(name), "wt", encoding="utf-8", preset=9) as file:
                file.write(described(name))
        return 0
    tests = [(f"{f.__name__} {name}", lambda f=f, name=name: f(name))
             for name in LIBRARIES for f in (keeps_the_recorded_abi, compares_every_function)]
    return run_tests("test_abi", tests + [(f.__name__, f) for f in (
        notices_a_removed_function, notices_a_changed_parameter)])


if __name__ == "__main__":
    sys.exit(main())
