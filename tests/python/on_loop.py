#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a Python program unchanged, on another event loop than asyncio's own.

Usage: PYTHON on_loop.py MODULE:FACTORY PROGRAM [ARGUMENT ...]

Replaces the factory that asyncio.run(), asyncio.Runner and asyncio.new_event_loop() use when the
program names none.
"""

import asyncio
import importlib
import os
import runpy
import sys
from asyncio import events


def factory_of(spec):
    """Returns the loop factory that MODULE:FACTORY names."""
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name or "new_event_loop")


if __name__ == "__main__":
    asyncio.new_event_loop = events.new_event_loop = factory_of(sys.argv[1])
    del sys.argv[:2]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
