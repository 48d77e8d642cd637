# SPDX-License-Identifier: MIT
"""libasyncio: the event loop of the C library libasyncio for programs of asyncio.

    import asyncio, libasyncio
    asyncio.run(main(), loop_factory=libasyncio.new_event_loop)     # Python 3.12 and later
    libasyncio.run(main())                                          # every version
"""

from ._core import DeadlockError
from ._loop import Loop, new_event_loop
from ._run import install, run
from ._version import __version__

__all__ = ["DeadlockError", "Loop", "install", "new_event_loop", "run"]


def __getattr__(name):
    # Policies are deprecated, and gone in Python 3.16: made when somebody asks.
    if name == "EventLoopPolicy":
        from ._policy import EventLoopPolicy
        return EventLoopPolicy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
