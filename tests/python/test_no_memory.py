# SPDX-License-Identifier: MIT
"""An allocation that fails is a MemoryError or a report, never a crash and never a silent hang.

ASYNCIO_TEST_LONG=1 has each of the first 1,500 allocations of a scenario fail, one in a run.
"""

import os
import subprocess
import sys

import pytest

from conftest import HERE, SPEC

pytest.importorskip("_testcapi", reason="no _testcapi here (Debian: libpython3-testsuite)")

STEP, COUNT = (1, 1500) if os.environ.get("ASYNCIO_TEST_LONG") else (23, 18)


@pytest.mark.parametrize("name", ["tasks", "protocols", "streams", "sockets", "datagrams", "pipes"])
def test_failed_allocation_is_a_memory_error(name):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", os.path.join(HERE, "no_memory.py"), name, "0", str(STEP),
         str(COUNT), SPEC], capture_output=True, text=True, timeout=120 * COUNT)
    assert done.returncode == 0, done.stdout + done.stderr
