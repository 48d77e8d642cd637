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
    %s;
    return 0;
}
"""


def compiles(statement):
    """Returns whether a C program with that statement compiles without a warning."""
    compiler = os.environ.get("CC", "cc").split()[-1]
    compiler = compiler if shutil.which(compiler) else "cc"
    return subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", "-c", "-o", os.devnull, "-xc",
                           "-I" + os.path.join(ROOT, "include"), "-"],
                          input=PROGRAM % statement, text=True,
                          stderr=subprocess.DEVNULL).returncode == 0


# The calls that take an awaitable, and what a program writes behind it.
TAKERS = {"asyncio_await": ", NULL", "asyncio_wait_for": ", 1.0, NULL",
          "asyncio_shield": "", "asyncio_ensure_future": ""}


def only_awaitables_are_awaited():
    """Calls that take an awaitable take a future, a task, a coroutine object or NULL only."""
    for call, rest in TAKERS.items():
        for name in ("future", "task", "coroutine", "any", "NULL"):
            assert compiles(f"return {call}({name}{rest}) == 0"), (call, name)
        for name in ("f", "&f", "&future", "\"text\"", "7"):
            assert not compiles(f"return {call}({name}{rest}) == 0"), (call, name)


# Calls that return a new reference, which a program must not drop, and calls whose result it may.
CONSTRUCTORS = ["asyncio_create_task(coroutine)", "asyncio_create_task_full(coroutine, NULL)",
                "asyncio_loop_create_task(NULL, coroutine)",
                "asyncio_task_new(NULL, coroutine, NULL)", "asyncio_loop_create_future(NULL)",
                "asyncio_ensure_future(coroutine)", "asyncio_gather(any, 0, NULL)",
                "asyncio_gather_of(1, coroutine)", "asyncio_shield(coroutine)",
                "asyncio_as_completed(any, 0, 1.0)", "asyncio_queue_new(0)",
                "asyncio_new_event_loop()", "asyncio_runner_new(NULL)", "asyncio_context_new()"]
RESULTS_TO_IGNORE = ["asyncio_task_group_create_task(any, coroutine)",
                     "asyncio_task_detach(task)", "asyncio_future_set_result(future, NULL)",
                     "asyncio_task_cancel(task, NULL)", "asyncio_await(coroutine, NULL)"]


def dropped_references_are_told():
    """The compiler warns of a new reference that a program drops, and of no other result."""
    for call in CONSTRUCTORS:
        assert not compiles(call), call
        assert compiles(f"return {call} != 0"), call
    for call in RESULTS_TO_IGNORE:
        assert compiles(call), call


if __name__ == "__main__":
    sys.exit(harness.run_tests("test_refused", [
        ("only_awaitables_are_awaited", only_awaitables_are_awaited),
        ("dropped_references_are_told", dropped_references_are_told)]))
