# SPDX-License-Identifier: MIT
"""Finds out what a stock task passes to call_soon(), so that the loop can recognise it.

A task's next step and its wake-up are objects that only _asyncio makes, and whose handle it drops
at once: the loop needs to make none. Where a Python has other tasks, nothing is learned, and each
call makes a handle.
"""

import asyncio
import contextlib
import threading
from asyncio import events

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


def _record():
    """Runs a task that waits for a future. Returns its step and its wake-up, or None."""
    loop = _ProbeLoop()
    events._set_running_loop(loop)
    try:
        future = asyncio.Future(loop=loop)
        task = asyncio.Task(_wait_for(future), loop=loop)
        (step, step_args), = loop.calls
        step()
        future.set_result(None)
        (wake, wake_args), = loop.calls[1:]
        wake(future)
    finally:
        events._set_running_loop(None)
    if step_args == () and wake_args == (future,) and step.__self__ is task and task.done():
        return step, wake
    return None


def _learn():
    with contextlib.suppress(Exception):
        import _asyncio
        if asyncio.Task is _asyncio.Task and asyncio.Future is _asyncio.Future:
            found = _record()
            if found is not None:
                _core.learn_steps(*found)


def learn():
    """Tells the extension the callbacks of stock tasks, if they look as expected."""
    if events._get_running_loop() is None:
        _learn()
    else:  # a task cannot be stepped inside another one
        thread = threading.Thread(target=_learn)
        thread.start()
        thread.join()


learn()
