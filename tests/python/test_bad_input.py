# SPDX-License-Identifier: MIT
"""Bad input raises the exceptions of asyncio's own loop, with the same words, in the same test."""

import asyncio
import gc
import logging
import re
import warnings

import pytest

import bad_input
from conftest import SPEC
from on_loop import factory_of


def plain(value):
    """Returns the text of a value without what differs from object to object."""
    text = str(value)
    while re.search(r"<[^<>]*>", text):
        text = re.sub(r"<[^<>]*>", "(object)", text)
    text = re.sub(r"\b(fd=|descriptor )\d+", r"\1N", text)
    return re.sub(r"\b\d{4,5}\b", "PORT", re.sub(r"/\S+/(?=\w+')", "", text))


def described(error, words):
    """Returns the type and words of an exception, of a group with what is in it."""
    inner = [described(e, words) for e in getattr(error, "exceptions", ())]
    return (type(error).__name__, plain(error) if words else "", *inner)


class Handler:
    """Keeps what a loop's exception handler is told."""

    def __init__(self):
        self.seen = []

    def __call__(self, _loop, context):
        error = context.get("exception")
        # Which function it was that raised is named as each loop calls it.
        message = re.sub(r"^(Exception in callback) .*", r"\1", plain(context["message"]))
        self.seen.append((message, sorted(set(context) - {"source_traceback"}),
                          described(error, True) if error else None))


def outcome_of(function, words):
    """Returns what a call returned or raised."""
    try:
        return "returned", plain(function())
    except (Exception, asyncio.CancelledError) as error:
        return "raised", *described(error, words)


def run_on(factory, case, words, debug, here):
    """Runs a case on a new loop; returns its outcome and what the exception handler saw."""
    loop, handler = factory(), Handler()
    loop.set_debug(debug)
    loop.slow_callback_duration = 100
    loop.set_exception_handler(handler)
    here.mkdir(parents=True)
    try:
        outcome = outcome_of(lambda: loop.run_until_complete(
            asyncio.wait_for(case(loop, str(here)), 30)), words)
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    return outcome, handler.seen


@pytest.fixture(autouse=True)
def quiet():
    """Cases leave files and coroutines behind on purpose."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("name", bad_input.CASES)
def test_refused_as_by_asyncio(name, debug, tmp_path):
    case, words = bad_input.CASES[name]
    wanted = run_on(asyncio.SelectorEventLoop, case, words, debug, tmp_path / "asyncio" / "here")
    found = run_on(factory_of(SPEC), case, words, debug, tmp_path / "ours" / "here")
    assert found == wanted


@pytest.mark.parametrize("name", bad_input.ON_CLOSED)
def test_closed_loop_refuses_as_asyncio(name):
    outcomes = []
    for factory in (asyncio.SelectorEventLoop, factory_of(SPEC)):
        loop = factory()
        loop.close()
        outcomes.append(outcome_of(lambda loop=loop: bad_input.ON_CLOSED[name](loop), True))
    assert outcomes[1] == outcomes[0]


@pytest.mark.parametrize("name", bad_input.ON_IDLE)
def test_idle_loop_refuses_as_asyncio(name):
    outcomes = []
    for factory in (asyncio.SelectorEventLoop, factory_of(SPEC)):
        loop = factory()
        try:
            outcomes.append(outcome_of(lambda loop=loop: bad_input.ON_IDLE[name](loop), True))
        finally:
            loop.close()
    assert outcomes[1] == outcomes[0]
