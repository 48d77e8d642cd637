# SPDX-License-Identifier: MIT
"""What the extension calls for what is rare: reports, debug mode, task factories."""

import sys
from asyncio import coroutines, events, format_helpers
from asyncio.log import logger
from asyncio.tasks import Task
from inspect import iscoroutinefunction

# Factories are given all keywords since this version, else only the context.
_FORWARDS_KEYWORDS = sys.version_info >= (3, 13, 3)


def extract_stack():
    """Returns where the caller is, for a handle that is made in debug mode."""
    return format_helpers.extract_stack(sys._getframe(1))


def handle_repr(handle):
    """Returns repr() of a handle, in the words of the stock one."""
    info = events.Handle._repr_info(handle)
    if hasattr(handle, "when"):
        info.insert(2 if handle.cancelled() else 1, f"when={handle.when()}")
    return "<{}>".format(" ".join(info))


def format_handle(handle):
    """Returns a handle as text for a report: its task, if it is the step of one."""
    owner = getattr(handle._callback, "__self__", None)
    return repr(owner) if isinstance(owner, Task) else str(handle)


def report_slow(handle, seconds):
    """In debug mode: a callback took longer than loop.slow_callback_duration."""
    logger.warning("Executing %s took %.3f seconds", format_handle(handle), seconds)


def check_callback(callback, method):
    """In debug mode: refuses what cannot be a callback."""
    if coroutines.iscoroutine(callback) or iscoroutinefunction(callback):
        raise TypeError(f"coroutines cannot be used with {method}()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


def fd_of(file):
    """Returns the descriptor of a file object or number."""
    if isinstance(file, int):
        return file
    try:
        fd = int(file.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {file!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


def create_task(loop, factory, coro, *, name=None, context=None, **kwargs):
    """Makes a task where a task factory is set, or in debug mode."""
    if factory is None:
        if sys.version_info >= (3, 11):
            kwargs["context"] = context
        task = Task(coro, loop=loop, name=name, **kwargs)
        if task._source_traceback:
            del task._source_traceback[-1]
        return task
    if _FORWARDS_KEYWORDS:
        if name is not None or "name" in kwargs:
            kwargs["name"] = name
        if context is not None:
            kwargs["context"] = context
        return factory(loop, coro, **kwargs)
    if context is not None:
        task = factory(loop, coro, context=context, **kwargs)
    else:
        task = factory(loop, coro, **kwargs)
    if name is not None and hasattr(task, "set_name"):
        task.set_name(name)
    return task
