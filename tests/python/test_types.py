# SPDX-License-Identifier: MIT
"""The package's types are complete and true: mypy --strict and stubtest find nothing."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT

pytest.importorskip("mypy")

PROGRAM = """
import asyncio

import libasyncio


async def main() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, libasyncio.Loop)
    print(loop.engine.upper(), loop.engine_reason.upper())
    await asyncio.sleep(0)
    return 42


number: int = libasyncio.run(main())
loop: libasyncio.Loop = libasyncio.new_event_loop(debug=True)
handle: asyncio.TimerHandle = loop.call_later(1, print, "late")
handle.cancel()
loop.close()
if number > 42:
    raise libasyncio.DeadlockError()
"""


def run_mypy(*arguments):
    environment = {**os.environ, "MYPYPATH": os.path.join(ROOT, "python")}
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True,
                          env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.ours
def test_program_that_uses_the_package_is_strictly_typed(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run_mypy("mypy", "--strict", "--cache-dir", str(tmp_path / "cache"),
             str(tmp_path / "program.py"))


@pytest.mark.ours
def test_stub_of_the_extension_is_what_the_extension_has(tmp_path):
    # Nobody can derive from Handle; in the stub TimerHandle does, as in asyncio.
    (tmp_path / "allowed").write_text("libasyncio._core.Handle\n")
    run_mypy("mypy.stubtest", "libasyncio._core", "--ignore-missing-stub",
             "--ignore-positional-only", "--ignore-disjoint-bases",
             "--allowlist", str(tmp_path / "allowed"), "--ignore-unused-allowlist")
