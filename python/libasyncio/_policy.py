# SPDX-License-Identifier: MIT
"""The event loop policy, for Pythons that have policies."""

import warnings

from ._loop import Loop

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import asyncio
    _Default = asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(_Default):
    """A policy whose loops are libasyncio's."""

    _loop_factory = Loop
