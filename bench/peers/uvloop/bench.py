#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The works of the peer `asyncio` on the loop of uvloop, which replaces CPython's."""

import importlib.util
import os

import uvloop


def works():
    """Returns the module of the works, which is not on the path."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, os.pardir, "asyncio", "bench.py")
    spec = importlib.util.spec_from_file_location("works", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    works().main(uvloop.new_event_loop)
