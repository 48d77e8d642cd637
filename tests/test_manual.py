#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual is made without a warning, and holds everything that the library offers.

    test_manual.py ROOT LIBRARY
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import zlib

import house
from harness import Failure, Skip, run_methods

ROOT, LIBRARY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(ROOT, "tools"))
import make_manual_headers as headers_of  # noqa: E402

# Programs that make the manual, and modules of the Python that Debian's Sphinx runs in.
NEEDED = ["/usr/bin/sphinx-build", "/usr/share/doc/furo", "/usr/share/doc/python3-myst-parser",
          "/usr/share/doc/python3-sphinx-copybutton"]


def expect_none(names, text):
    if names:
        raise Failure(f"{text}:\n    " + "\n    ".join(sorted(names)))


def public_names():
    """Returns ({types}, {macros}, {codes}) that the headers declare, found without their parser."""
    types, macros, codes = set(), set(), set()
    for path in glob.glob(os.path.join(ROOT, "include", "asyncio", "*.h")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        bare = house.without_comments(text)
        types |= set(re.findall(r"^(?:typedef\b[^;{]*?|\} )(asyncio_\w+_t)(?=;|\()", bare, re.M))
        macros |= set(re.findall(r"^#define (\w+)", bare, re.M))
        codes |= set(re.findall(r"\bX\((ASYNCIO_E\w+),", text))
        for body in re.findall(r"\benum \w*\s*\{(.*?)\}", bare, re.DOTALL):
            codes |= set(re.findall(r"^\s*(ASYNCIO_\w+)(?= =|,|\s*$)", body, re.M))
    macros = {name for name in macros if not name.endswith(("_H", "_"))}
    return types, macros - headers_of.MACHINERY, codes


class Manual:
    """The manual, made into a folder of its own."""

    def __init__(self, folder):
        self.out = folder
        for path in NEEDED:
            if not os.path.exists(path):
                raise Skip(f"{path} is not there: `make manual` installs what it needs")
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "make_manual.py"),
                               folder, "--root", ROOT], capture_output=True, text=True,
                              check=False)
        self.status, self.printed = done.returncode, done.stdout + done.stderr

    def entries(self):
        """Returns the names that have an entry, with their kinds."""
        with open(os.path.join(self.out, "html", "objects.inv"), "rb") as file:
            text = zlib.decompress(file.read().split(b"\n", 4)[4]).decode()
        return {line.split(" ")[0] for line in text.splitlines() if " c:" in line}

    def test_is_made_without_a_warning(self):
        """Sphinx has nothing to say, so that every name that a guide mentions exists."""
        if self.status != 0 or self.printed:
            raise Failure(self.printed)

    def test_every_function_has_an_entry_and_a_man_page(self):
        """Every exported function has an entry, and a man page."""
        symbols = set(house.shared_symbols(LIBRARY))
        if len(symbols) < 400:
            raise Failure(f"the library exports {len(symbols)} names only")
        expect_none(symbols - self.entries(), "functions without an entry")
        pages = {os.path.basename(path)[:-2]
                 for path in glob.glob(os.path.join(self.out, "man", "man3", "*.3"))}
        expect_none(symbols - pages, "functions without a man page")

    def test_every_type_macro_and_code_has_an_entry(self):
        """Every type, macro and code of the headers has an entry."""
        types, macros, codes = public_names()
        if len(types) < 70 or len(macros) < 40 or len(codes) < 40:
            raise Failure(f"found {len(types)} types, {len(macros)} macros, {len(codes)} codes")
        entries = self.entries()
        expect_none(types - entries, "types without an entry")
        expect_none(macros - entries, "macros without an entry")
        # The enumerators of a nameless enum are listed below its own entry.
        expect_none({c for c in codes if not any(e == c or e.endswith("." + c) for e in entries)},
                    "codes without an entry")

    def test_mandoc_finds_no_fault(self):
        """mandoc finds nothing in the man pages that would be shown wrongly."""
        if not shutil.which("mandoc"):
            raise Skip("mandoc is not installed")
        pages = sorted(glob.glob(os.path.join(self.out, "man", "man*", "*.[37]")))
        pages = [page for page in pages if os.path.getsize(page) > 200]
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages],
                              capture_output=True, text=True, check=False)
        if done.stdout:
            raise Failure(done.stdout[:4000])

    def test_is_spelled_well(self):
        """codespell knows every word of the guides and the headers."""
        if not shutil.which("codespell"):
            raise Skip("codespell is not installed")
        done = subprocess.run(
            ["codespell", "--ignore-words-list", "asend", "docs", "include",
             "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md"],
            cwd=ROOT, capture_output=True, text=True, check=False)
        if done.stdout:
            raise Failure(done.stdout)


def main():
    return run_methods("test_manual", Manual)


if __name__ == "__main__":
    sys.exit(main())
