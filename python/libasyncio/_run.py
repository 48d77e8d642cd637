# SPDX-License-Identifier: MIT
"""run() and install(): how a program comes to run on the loop."""

import asyncio
import sys
import warnings

from ._loop import new_event_loop


def run(main, *, debug=None, loop_factory=new_event_loop, **options):
    """Runs a coroutine on a new loop, as asyncio.run() does, and closes the loop.

    Options are those of new_event_loop(): engine, clock.
    """
    if options:
        make = loop_factory

        def loop_factory():
            return make(**options)
    if sys.version_info >= (3, 12):
        return asyncio.run(main, debug=debug, loop_factory=loop_factory)
    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
            return runner.run(main)
    return _run_old(main, debug, loop_factory)


def _run_old(main, debug, loop_factory):
    """What asyncio.run() of Python 3.9 and 3.10 does, with a loop of its own choice."""
    if asyncio.events._get_running_loop() is not None:
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")
    if not asyncio.iscoroutine(main):
        raise ValueError("a coroutine was expected, got {!r}".format(main))
    loop = loop_factory()
    try:
        asyncio.set_event_loop(loop)
        if debug is not None:
            loop.set_debug(debug)
        return loop.run_until_complete(main)
    finally:
        try:
            asyncio.runners._cancel_all_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def install():
    """Makes libasyncio's loops the default of asyncio.run() and asyncio.new_event_loop().

    It sets the event loop policy. Since Python 3.12 a loop factory is the better way:
    asyncio.run(main(), loop_factory=libasyncio.new_event_loop).
    """
    from ._policy import EventLoopPolicy
    if sys.version_info >= (3, 14):
        warnings.warn("libasyncio.install() sets an event loop policy, which is deprecated; use "
                      "libasyncio.run(), or a loop factory", DeprecationWarning, stacklevel=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(EventLoopPolicy())
