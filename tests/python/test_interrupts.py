# SPDX-License-Identifier: MIT
"""Signals, KeyboardInterrupt and SystemExit leave a loop as they leave asyncio's."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest


def interrupt_after(seconds, signum=signal.SIGINT):
    """Sends this process a signal from another thread."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signum))
    timer.start()
    return timer


def test_interrupt_ends_an_idle_loop_and_the_loop_can_run_again(loop):
    interrupt_after(0.05)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0.001, "again")) == "again"


def test_interrupt_ends_a_loop_that_waits_for_a_timer(loop):
    interrupt_after(0.05)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(100))
    assert time.monotonic() - began < 50
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_interrupt_ends_a_busy_loop(loop):
    def again():
        loop.call_soon(again)

    again()
    interrupt_after(0.05)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_base_exception_of_a_callback_leaves_the_rest_queued(loop, error):
    seen = []

    def leave():
        raise error("leaving")

    loop.call_soon(seen.append, 1)
    loop.call_soon(leave)
    loop.call_soon(seen.append, 2)
    with pytest.raises(error, match="leaving"):
        loop.run_forever()
    assert seen == [1] and not loop.is_running()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [1, 2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_base_exception_of_a_task_is_raised_once_by_the_run(loop, error):
    async def leave():
        await asyncio.sleep(0)
        raise error("leaving")

    task = loop.create_task(leave())
    with pytest.raises(error, match="leaving"):
        loop.run_until_complete(asyncio.sleep(1))
    assert task.done() and isinstance(task.exception(), error)
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(asyncio.sleep(0))


def test_system_exit_in_a_task_is_the_exit_status(program):
    done = program("""
        async def main():
            await asyncio.sleep(0)
            sys.exit(7)
        run(main())
        """)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is of 3.11")
def test_runner_cancels_its_main_task_on_interrupt(program):
    done = program("""
        async def main():
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                print("cancelled")
                raise
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """)
    assert (done.stdout, done.stderr) == ("cancelled\ninterrupted\n", "")


def test_handler_of_the_loop_runs_in_it(loop):
    seen = []

    def handler(word):
        seen.append((word, asyncio.get_running_loop() is loop))
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handler, "word")
    interrupt_after(0.05, signal.SIGUSR1)
    loop.run_forever()
    assert seen == [("word", True)]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_handler_can_cancel_the_main_task(loop):
    async def main():
        task = asyncio.current_task()
        loop.add_signal_handler(signal.SIGINT, task.cancel)
        interrupt_after(0.05)
        await asyncio.sleep(100)

    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(main())
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handler_of_the_signal_module_runs_while_the_loop_waits(loop):
    """Python runs it in the main thread, which a signal must therefore wake."""
    def handler(_signum, _frame):
        loop.call_soon_threadsafe(loop.stop)

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        interrupt_after(0.05, signal.SIGUSR2)
        loop.call_later(100, loop.stop)
        began = time.monotonic()
        loop.run_forever()
        assert time.monotonic() - began < 50
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_exception_of_such_a_handler_leaves_the_run(loop):
    def handler(_signum, _frame):
        raise ZeroDivisionError("from a handler")

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        interrupt_after(0.05, signal.SIGUSR2)
        with pytest.raises(ZeroDivisionError, match="from a handler"):
            loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_wakeup_descriptor_is_restored(loop):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        loop.run_until_complete(asyncio.sleep(0.001))
        assert signal.set_wakeup_fd(writer, warn_on_full_buffer=False) == writer
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def test_many_signals_reach_their_handlers(loop):
    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH]
    seen = {number: 0 for number in numbers}

    def note(number):
        seen[number] += 1
        if all(seen.values()):
            loop.stop()

    for number in numbers:
        loop.add_signal_handler(number, note, number)
    for number in numbers:
        loop.call_soon(os.kill, os.getpid(), number)
    loop.call_later(30, loop.stop)
    loop.run_forever()
    assert all(seen.values())
    loop.close()
    assert [signal.getsignal(number) for number in numbers] == [signal.SIG_DFL] * 4


def test_signal_handlers_belong_to_the_main_thread(loop):
    seen = []

    def work():
        asyncio.set_event_loop(loop)
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except (RuntimeError, ValueError) as error:
            seen.append(type(error))
        loop.run_until_complete(asyncio.sleep(0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [RuntimeError]


def test_interrupt_during_shutdown_of_the_executor_is_not_lost(program):
    """A job that blocks holds the end of the run back; Ctrl-C must still be noticed."""
    done = program("""
        async def main():
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(None, time.sleep, 1)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            await job
        try:
            run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """)
    assert done.stdout == "interrupted\n"
