# SPDX-License-Identifier: MIT
"""Finds out what a stock task passes to call_soon(), so that the loop can recognise it.

A task's next step and its wake-up are objects that only _asyncio makes, and whose handle it drops
at once: the loop needs to make none. Where a Python has other tasks, nothing is learned, and each
call makes a handle.
"""

import asyncio
import contextlib

from . import _core


class _ProbeLoop(asyncio.AbstractEventLoop):
    """Records the callbacks of one task."""

    def __init__(self):
        self.calls = []

    def call_soon(self, callback, *args, context=None):
        self.calls.append((callback, args))

    def get_debug(self):
        return False

    def is_running(self):
        return False

    def call_exception_handler(self, context):
        pass


async def _wait_for(future):
    await future


def learn():
    """Tells the extension the callbacks of stock tasks, if they look as expected."""
    with contextlib.suppress(Exception):
        import _asyncio
        if asyncio.Task is not _asyncio.Task or asyncio.Future is not _asyncio.Future:
            return
        loop = _ProbeLoop()
        future = asyncio.Future(loop=loop)
        task = asyncio.Task(_wait_for(future), loop=loop)
        (step, step_args), = loop.calls
        step()
        future.set_result(None)
        (wake, wake_args), = loop.calls[1:]
        wake(future)
        if step_args == () and wake_args == (future,) and step.__self__ is task and task.done():
            _core.learn_steps(step, wake)


learn()
