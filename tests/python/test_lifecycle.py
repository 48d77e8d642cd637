# SPDX-License-Identifier: MIT
"""Loops are made, run, stopped, run again and closed, as asyncio's are, whatever happens inside."""

import asyncio
import concurrent.futures
import contextvars
import gc
import multiprocessing
import os
import sys
import threading
import time
import warnings
import weakref

import pytest

from conftest import SPEC
from on_loop import factory_of


async def double(number):
    await asyncio.sleep(0)
    return number * 2


def test_run_until_complete_returns_the_result_and_can_be_called_again(loop):
    assert [loop.run_until_complete(double(i)) for i in range(100)] == list(range(0, 200, 2))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.run() takes no factory before 3.12")
def test_asyncio_run_takes_the_factory():
    assert asyncio.run(double(21), loop_factory=factory_of(SPEC)) == 42


@pytest.mark.ours
def test_libasyncio_run_returns_the_result_and_closes_its_loop():
    import libasyncio
    seen = []

    async def main():
        seen.append(asyncio.get_running_loop())
        return await double(4)

    assert libasyncio.run(main()) == 8
    assert isinstance(seen[0], libasyncio.Loop)
    assert seen[0].is_closed()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@pytest.mark.ours
def test_libasyncio_run_turns_debug_on():
    import libasyncio

    async def is_debugged():
        return asyncio.get_running_loop().get_debug()

    assert libasyncio.run(is_debugged(), debug=True) is True
    assert libasyncio.run(is_debugged(), debug=False) is False


def test_stop_before_run_forever_runs_one_turn(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.stop()
    loop.run_forever()
    assert seen == [1]


def test_callbacks_behind_a_stop_run_at_the_next_run(loop):
    seen = []

    def first():
        loop.stop()
        loop.call_soon(seen.append, "next turn")

    loop.call_soon(first)
    loop.call_soon(seen.append, "same turn")
    loop.run_forever()
    assert seen == ["same turn"]
    loop.stop()
    loop.run_forever()
    assert seen == ["same turn", "next turn"]


def test_closed_loop_stays_closed(loop):
    loop.close()
    loop.close()
    assert loop.is_closed() and not loop.is_running()


def test_close_drops_what_has_not_run(loop):
    class Argument:
        pass

    arguments = [Argument() for _ in range(4)]
    watches = [weakref.ref(argument) for argument in arguments]
    loop.call_soon(print, arguments[0])
    loop.call_soon(print, *arguments[1:3], "and more", "than", "three")
    loop.call_later(3600, print, arguments[3])
    loop.close()
    arguments.clear()
    gc.collect()
    assert [watch() for watch in watches] == [None] * 4


def test_cancelled_handle_drops_its_arguments_at_once(loop):
    class Argument:
        pass

    argument = Argument()
    watch = weakref.ref(argument)
    handles = [loop.call_soon(print, argument), loop.call_later(3600, print, argument)]
    for handle in handles:
        handle.cancel()
    del argument
    gc.collect()
    assert watch() is None and all(handle.cancelled() for handle in handles)


def test_handles_are_asyncios(loop):
    soon, later = loop.call_soon(print), loop.call_later(3600, print)
    assert isinstance(soon, asyncio.Handle) and not isinstance(soon, asyncio.TimerHandle)
    assert isinstance(later, asyncio.TimerHandle) and isinstance(later, asyncio.Handle)
    assert isinstance(loop.call_soon_threadsafe(print), asyncio.Handle)


def test_closed_loops_are_freed(new_loop):
    make = factory_of(SPEC)
    watches = []
    for _ in range(20):
        loop = make()
        loop.run_until_complete(double(1))
        loop.close()
        watches.append(weakref.ref(loop))
    del loop
    gc.collect()
    assert [watch for watch in watches if watch() is not None] == []


def test_loop_that_is_dropped_open_warns():
    loop = factory_of(SPEC)()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del loop
        gc.collect()
    assert any(issubclass(w.category, ResourceWarning) and "unclosed event loop" in str(w.message)
               for w in seen)


def test_runs_in_another_thread_than_the_one_that_made_it(loop):
    loop.run_until_complete(double(1))
    results = []
    thread = threading.Thread(target=lambda: results.append(loop.run_until_complete(double(3))))
    thread.start()
    thread.join(60)
    assert results == [6]
    assert loop.run_until_complete(double(4)) == 8


def test_loops_in_many_threads_do_not_disturb_each_other(new_loop):
    async def main():
        await asyncio.gather(*(asyncio.sleep(0.001 * i) for i in range(20)))
        return await asyncio.get_running_loop().run_in_executor(None, threading.get_ident)

    def work():
        loop = factory_of(SPEC)()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: work(), range(24)))) == 24


def test_callbacks_from_many_threads_arrive_in_the_order_of_each(loop):
    threads, each = 8, 5000
    seen = [[] for _ in range(threads)]

    def post(number):
        for i in range(each):
            loop.call_soon_threadsafe(seen[number].append, i)
        loop.call_soon_threadsafe(done)

    def done():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    left = threads
    workers = [threading.Thread(target=post, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    loop.run_forever()
    for worker in workers:
        worker.join()
    assert seen == [list(range(each))] * threads


def test_timers_from_another_thread(loop):
    """Outside of debug mode another thread may set timers, while the loop waits or runs."""
    async def main():
        called, handles = loop.create_future(), []

        def post():
            handles.append(loop.call_later(0, called.cancel))
            handles[0].cancel()
            handles.append(loop.call_at(loop.time() + 0.001, called.set_result, 1))

        thread = threading.Thread(target=post)
        thread.start()
        assert await called == 1
        thread.join()
        assert handles[0].cancelled() and handles[1].when() <= loop.time()
    loop.run_until_complete(asyncio.wait_for(main(), 60))


def test_coroutine_from_another_thread_returns_its_result(loop):
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for i in range(50):
            assert asyncio.run_coroutine_threadsafe(double(i), loop).result(60) == 2 * i
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)


def test_threads_run_while_the_loop_waits(loop):
    """The GIL is free in every wait, or the other thread would never come to its post."""
    def worker():
        time.sleep(0.05)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=worker)
    thread.start()
    loop.run_forever()
    thread.join()


def test_fork_inside_a_callback(run):
    """The child has no running loop, makes one of its own, and its parent's lives on."""
    async def child():
        await asyncio.sleep(0.01)
        return await asyncio.get_running_loop().run_in_executor(None, double_now, 3)

    def double_now(number):
        return number * 2

    def be_the_child():
        status = 1
        try:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                status = 2
            # asyncio.set_event_loop(None) and a new loop: what asyncio.run() would do.
            loop = factory_of(SPEC)()
            if loop.run_until_complete(child()) == 6:
                status += 40
        finally:
            os._exit(status)

    async def main():
        loop = asyncio.get_running_loop()
        timer = loop.create_future()
        loop.call_later(0.1, timer.set_result, "parent")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            be_the_child()
        _, status = await loop.run_in_executor(None, os.waitpid, pid, 0)
        return os.WEXITSTATUS(status), await timer

    assert run(main()) == (42, "parent")


@pytest.mark.ours
def test_parents_watches_are_unharmed_by_a_child_that_removes_them(program):
    """asyncio's epoll descriptor is the parent's too, where the child removes the watch as well."""
    done = program("""
        async def main():
            reader, writer = os.pipe()
            got = []
            loop = asyncio.get_running_loop()
            loop.add_reader(reader, lambda: got.append(os.read(reader, 10)))
            pid = os.fork()
            if pid == 0:
                try:
                    loop.remove_reader(reader)
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
            os.write(writer, b"x")
            for _ in range(200):
                if got:
                    break
                await asyncio.sleep(0.01)
            return got
        print(run(main()))
        """, options=["-W", "ignore"])
    assert (done.stdout, done.stderr) == ("[b'x']\n", "")


def loop_in_process(number):
    loop = factory_of(SPEC)()
    try:
        return loop.run_until_complete(double(number))
    finally:
        loop.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_have_loops_of_their_own(run, method):
    async def main():
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(
                loop.run_in_executor(pool, loop_in_process, i) for i in range(4)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert run(main()) == [0, 2, 4, 6]


def test_async_generators_are_finished_by_the_loop(run):
    ended = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    async def main():
        generator = numbers()
        async for _ in generator:
            break
        return generator

    hooks = sys.get_asyncgen_hooks()
    run(main())
    assert ended == ["ended"] and sys.get_asyncgen_hooks() == hooks


def test_callbacks_run_in_the_context_of_their_call(loop):
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    def note(word):
        seen.append((word, variable.get()))

    context = contextvars.copy_context()
    context.run(variable.set, "given")
    variable.set("current")
    loop.call_soon(note, "soon")
    loop.call_soon(note, "in a context", context=context)
    loop.call_later(0, note, "later", context=context)
    loop.call_soon_threadsafe(note, "threadsafe", context=context)
    variable.set("too late")
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert sorted(seen) == [("in a context", "given"), ("later", "given"), ("soon", "current"),
                            ("threadsafe", "given")]


def test_exceptions_of_callbacks_reach_the_handler_and_the_loop_runs_on(loop):
    seen = []
    loop.set_exception_handler(lambda of, context: seen.append((of, context["exception"].args,
                                                                 context["message"][:21])))
    loop.call_soon(lambda: [][1])
    loop.call_later(0.001, lambda: {}["key"])
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert seen == [(loop, ("list index out of range",), "Exception in callback"),
                    (loop, ("key",), "Exception in callback")]


def test_handler_that_raises_is_logged(loop, caplog):
    def handler(_loop, _context):
        raise ValueError("in the handler")

    loop.set_exception_handler(handler)
    loop.call_soon(lambda: [][1])
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert "Unhandled error in exception handler" in caplog.text


def test_debug_mode_reports_slow_callbacks(loop, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    loop.call_soon(time.sleep, 0.03)
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    assert "Executing <Handle sleep(0.03)" in caplog.text.replace("<TimerHandle", "<Handle")
    assert " took " in caplog.text


def test_timers_run_in_the_order_of_their_deadlines(loop):
    seen, now = [], loop.time()
    for i in (3, 1, 2, 5, 4):
        loop.call_at(now + i / 500, seen.append, i)
    cancelled = loop.call_at(now + 0.003, seen.append, "cancelled")
    cancelled.cancel()
    loop.call_at(now + 0.02, loop.stop)
    loop.run_forever()
    assert seen == [1, 2, 3, 4, 5]


def test_exception_in_the_task_factory_reaches_the_caller(loop):
    def factory(_loop, coro, **_kwargs):
        coro.close()
        raise ZeroDivisionError("no task")

    loop.set_task_factory(factory)
    with pytest.raises(ZeroDivisionError, match="no task"):
        loop.run_until_complete(double(1))
    loop.set_task_factory(None)
    assert loop.run_until_complete(double(1)) == 2


@pytest.mark.ours
def test_virtual_clock_waits_in_no_time():
    import libasyncio
    loop = libasyncio.new_event_loop(clock="virtual")

    async def main():
        begin = loop.time()
        await asyncio.gather(asyncio.sleep(86400), asyncio.sleep(3600))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.create_future(), 1000)
        return loop.time() - begin

    began = time.monotonic()
    assert loop.run_until_complete(main()) == 87400
    assert time.monotonic() - began < 60
    loop.close()


@pytest.mark.ours
def test_deadlock_of_the_virtual_clock_is_an_error():
    import libasyncio
    loop = libasyncio.new_event_loop(clock="virtual")

    async def wait():
        await asyncio.Event().wait()

    task = loop.create_task(wait())
    with pytest.raises(libasyncio.DeadlockError):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


@pytest.mark.ours
def test_loop_says_which_engine_it_has(loop):
    assert loop.engine in ("epoll", "uring", "sim")
    assert isinstance(loop.engine_reason, str)
    assert loop.stats()


def test_open_connections_continue_in_another_thread(loop):
    """A program prepares its loop and then hands it to a thread, and takes it back."""
    async def handle(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def prepare():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        loop.add_reader(pipe[0], lambda: seen.append(os.read(pipe[0], 10)))
        return server, await asyncio.open_connection(*server.sockets[0].getsockname())

    async def use(reader, writer, port, word):
        os.write(pipe[1], word)
        writer.write(word)
        assert await reader.read(10) == word
        other = await asyncio.open_connection("127.0.0.1", port)
        other[1].write(word)
        assert await other[0].read(10) == word
        other[1].close()
        while word not in seen:
            await asyncio.sleep(0.001)

    def work(word):
        loop.run_until_complete(use(*ends, server.sockets[0].getsockname()[1], word))
        return word

    pipe, seen = os.pipe(), []
    server, ends = loop.run_until_complete(prepare())
    for word in (b"1", b"2", b"3"):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(work, word).result(60) == word
    work(b"4")
    loop.remove_reader(pipe[0])
    ends[1].close()
    server.close()
    loop.run_until_complete(asyncio.sleep(0.01))
    for descriptor in pipe:
        os.close(descriptor)
