# SPDX-License-Identifier: MIT
"""The programs of the page in Python print on every loop what the C programs print."""

import glob
import os
import re
import subprocess
import sys

import pytest

from conftest import HERE, ROOT, SPEC

PAGE = os.path.join(ROOT, "examples", "python", "page")
NAMES = sorted(os.path.basename(path)[:-len(".py")] for path in glob.glob(PAGE + "/*.py"))
STOCK = "asyncio:SelectorEventLoop"


def masked(text):
    """Returns output without times, and without how late a busy machine is."""
    text = re.sub(r"^\d+\.\d{6} - ", "TIME - ", text, flags=re.MULTILINE)
    return re.sub(r"^([6-9]|[1-9]\d+) tenths of a second$", "6 tenths of a second", text,
                  flags=re.MULTILINE)


def test_every_program_of_the_page_is_here():
    in_c = {os.path.basename(path)[:-len(".c")]
            for path in glob.glob(os.path.join(ROOT, "examples", "page", "*.c"))}
    assert set(NAMES) == in_c


@pytest.fixture(scope="module")
def programs():
    """All programs on both loops, started together, because they spend their time asleep."""
    return {(name, spec): subprocess.Popen(
        [sys.executable, "-W", "error", os.path.join(HERE, "on_loop.py"), spec,
         os.path.join(PAGE, name + ".py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True) for name in NAMES for spec in {SPEC, STOCK}}


@pytest.mark.parametrize("spec", sorted({SPEC, STOCK}))
@pytest.mark.parametrize("name", NAMES)
def test_program_prints_what_its_twin_in_C_prints(programs, name, spec):
    output, errors = programs[name, spec].communicate(timeout=60)
    with open(os.path.join(ROOT, "tests", "expected", name + ".txt"), encoding="utf-8") as file:
        wanted = file.read()
    assert (masked(output), errors, programs[name, spec].returncode) == (wanted, "", 0)
