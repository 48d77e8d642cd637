# SPDX-License-Identifier: MIT
"""What the compiler refuses in a program, so that nobody finds it out at run time."""

import os
import shutil
import subprocess
import sys

import harness

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PROGRAM = """#include <asyncio.h>
int f(void **ret_result);
int g(asyncio_future_t *future, asyncio_task_t *task, asyncio_coroutine_t *coroutine, void *any)
{
    (void)future, (void)task, (void)coroutine, (void)any;
    return %s;
}
"""


def compiles(expression):
    """Answers whether a C program with that expression compiles without a warning."""
    compiler = os.environ.get("CC", "cc").split()[-1]
    compiler = compiler if shutil.which(compiler) else "cc"
    return subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-xc",
                           "-I" + os.path.join(ROOT, "include"), "-"],
                          input=PROGRAM % expression, text=True,
                          stderr=subprocess.DEVNULL).returncode == 0


def only_awaitables_are_awaited():
    """asyncio_await() takes a future, a task, a coroutine object, NULL, and nothing else."""
    for name in ("future", "task", "coroutine", "any", "NULL"):
        assert compiles(f"asyncio_await({name}, NULL)"), name
    for name in ("f", "&f", "&future", "\"text\"", "7"):
        assert not compiles(f"asyncio_await({name}, NULL)"), name


if __name__ == "__main__":
    sys.exit(harness.run_tests("test_refused", [
        ("only_awaitables_are_awaited", only_awaitables_are_awaited)]))
