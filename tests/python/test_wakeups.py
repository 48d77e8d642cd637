# SPDX-License-Identifier: MIT
"""No wake-up is lost: what another thread or a signal asks for is done, whenever it asks.

The tests aim at the moment at which the loop begins to wait. A wake-up that is lost there leaves
both sides waiting for each other, so the fault is a test that does not end: each test runs in a
process of its own, which is killed after PATIENCE seconds. ASYNCIO_TEST_LONG=1 for fifty times as
many cycles.
"""

import os
import subprocess
import textwrap

import pytest

FACTOR = 50 if os.environ.get("ASYNCIO_TEST_LONG") else 1
PATIENCE = 60 * (1 if FACTOR == 1 else 30)

PRELUDE = """
import asyncio, itertools, queue, random, signal, sys, threading, time

CYCLES = {cycles}

def spin(rounds):
    for _ in range(rounds):
        pass

def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
"""


@pytest.fixture
def cycles(program):
    """Runs code with CYCLES set; it must print "end" and nothing else, on either stream."""
    def run_code(count, code, **environment):
        try:
            done = program(PRELUDE.format(cycles=count * FACTOR) + textwrap.dedent(code),
                           timeout=PATIENCE, options=["-W", "ignore"], **environment)
        except subprocess.TimeoutExpired as error:
            pytest.fail(f"no end in {PATIENCE} seconds: a wake-up was lost; {error.stdout!r}")
        assert (done.stdout, done.stderr[-2000:]) == ("end\n", "")
    return run_code


# What keeps the loop from waiting for ever, or changes how long it waits.
BESIDE = {
    "nothing": "pass",
    "a_far_timer": "loop.call_later(3600, print)",
    "near_timers": """
def tick():
    loop.call_later(random.random() / 20000, tick)
tick()
""",
    "cancelled_timers": """
def again():
    loop.call_later(0.0001, print).cancel()
    loop.call_later(0.0002, again)
again()
""",
    "a_thread_that_computes": """
def compute():
    while True:
        spin(1000)
in_thread(compute)
""",
}

PING_PONG = """
loop = new_event_loop()
replies = queue.SimpleQueue()

def post(seed):
    rounds = random.Random(seed)
    for i in range(CYCLES):
        spin(rounds.choice((0, 0, 10, 50, 100, 200, 400)))
        loop.call_soon_threadsafe(replies.put, i)
        assert replies.get() == i
    loop.call_soon_threadsafe(loop.stop)
"""


@pytest.mark.parametrize("interval", [None, 0.000001], ids=["", "quick_switches"])
@pytest.mark.parametrize("beside", BESIDE)
def test_each_post_of_a_thread_is_answered(cycles, beside, interval):
    """The thread posts at varied times after the loop has run its last callback."""
    count = 300 if beside == "a_thread_that_computes" and interval is None else 4000
    cycles(count, PING_PONG + textwrap.dedent(BESIDE[beside]) + f"""
if {interval}:
    sys.setswitchinterval({interval})
in_thread(post, 1)
loop.run_forever()
print("end")
""")


def test_each_post_of_many_threads_is_answered(cycles):
    cycles(1500, """
        loop = new_event_loop()
        left = 8

        def ended():
            global left
            left -= 1
            if left == 0:
                loop.stop()

        def post(seed):
            rounds, replies = random.Random(seed), queue.SimpleQueue()
            for i in range(CYCLES):
                spin(rounds.choice((0, 0, 10, 50, 100, 200, 400)))
                if i % 3:
                    loop.call_soon_threadsafe(replies.put, i)
                else:  # several at once, of which the last one is waited for
                    for _ in range(5):
                        loop.call_soon_threadsafe(int)
                    loop.call_soon_threadsafe(replies.put, i)
                assert replies.get() == i
            loop.call_soon_threadsafe(ended)

        for seed in range(left):
            in_thread(post, seed)
        loop.run_forever()
        print("end")
        """)


def test_posts_reach_a_loop_that_stops_and_runs_again(cycles):
    """A post between two runs belongs to the next one; one during the last turn is not lost."""
    cycles(3000, """
        loop = new_event_loop()
        seen = queue.SimpleQueue()

        def post():
            for i in range(CYCLES):
                spin(i % 7 * 40)
                loop.call_soon_threadsafe(loop.stop)
                loop.call_soon_threadsafe(seen.put, i)
                assert seen.get() == i

        thread = in_thread(post)
        while thread.is_alive():
            loop.call_later(0.5, loop.stop)  # the last stop may come before the thread has ended
            loop.run_forever()
        print("end")
        """)


def test_coroutines_of_other_threads_return_their_results(cycles):
    cycles(1000, """
        loop = new_event_loop()

        async def double(number):
            await asyncio.sleep(0 if number % 3 else 0.00002)
            return 2 * number

        def post():
            for i in range(CYCLES):
                assert asyncio.run_coroutine_threadsafe(double(i), loop).result() == 2 * i

        async def main():
            await asyncio.gather(*(loop.run_in_executor(None, post) for _ in range(4)))

        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_default_executor())
        print("end")
        """)


def test_jobs_of_an_executor_wake_the_loop(cycles):
    cycles(3000, """
        async def main():
            loop = asyncio.get_running_loop()
            for i in range(CYCLES):
                await loop.run_in_executor(None, spin, i % 11 * 20)
            await loop.shutdown_default_executor()
        run(main())
        print("end")
        """)


def test_loop_that_moves_between_threads_is_woken_in_each(cycles):
    cycles(500, """
        loop = new_event_loop()
        replies = queue.SimpleQueue()
        for i in range(CYCLES):
            runner = in_thread(loop.run_forever)
            for k in range(4):
                spin(i % 5 * 50)
                loop.call_soon_threadsafe(replies.put, k)
                assert replies.get() == k
            loop.call_soon_threadsafe(loop.stop)
            runner.join()
        loop.close()
        print("end")
        """)


def test_two_loops_wake_each_other(cycles):
    cycles(3000, """
        loops = [new_event_loop(), new_event_loop()]

        def serve(number, count):
            if count == CYCLES:
                for loop in loops:
                    loop.call_soon_threadsafe(loop.stop)
                return
            other = loops[1 - number]
            other.call_soon_threadsafe(serve, 1 - number, count + 1)

        loops[0].call_soon_threadsafe(serve, 0, 0)
        second = in_thread(loops[1].run_forever)
        loops[0].run_forever()
        second.join()
        print("end")
        """)


def test_posts_and_sockets_wake_the_loop_together(cycles):
    cycles(2000, """
        import socket
        loop = new_event_loop()
        left, right = socket.socketpair()
        right.setblocking(False)
        replies = queue.SimpleQueue()
        loop.add_reader(right, lambda: replies.put(right.recv(1)))

        def post():
            for i in range(CYCLES):
                spin(i % 9 * 30)
                wanted = {b"x", "posted"}
                first, second = lambda: left.send(b"x"), lambda: loop.call_soon_threadsafe(
                    replies.put, "posted")
                for act in (first, second) if i % 2 else (second, first):
                    act()
                assert {replies.get(), replies.get()} == wanted
            loop.call_soon_threadsafe(loop.stop)

        in_thread(post)
        loop.run_forever()
        print("end")
        """)


@pytest.mark.parametrize("how", ["loop.add_signal_handler(signal.SIGUSR1, note)",
                                 "signal.signal(signal.SIGUSR1, lambda *_: note())"],
                         ids=["of_the_loop", "of_the_interpreter"])
def test_each_signal_wakes_the_loop(cycles, how):
    """A thread sends one signal after another, at varied times, to the process."""
    cycles(1500, f"""
        import os
        loop = new_event_loop()
        seen = queue.SimpleQueue()

        def note():
            seen.put("signal")

        def post():
            for i in range(CYCLES):
                spin(i % 9 * 40)
                os.kill(os.getpid(), signal.SIGUSR1)
                seen.get()
            loop.call_soon_threadsafe(loop.stop)

        {how}
        in_thread(post)
        loop.run_forever()
        print("end")
        """)


def test_stop_in_a_signal_handler_ends_an_idle_loop(cycles):
    """stop() changes a field only; what the interpreter's handler does must be seen at once."""
    cycles(300, """
        import os
        loop = new_event_loop()
        handled = threading.Event()

        def handler(*_):
            handled.set()
            loop.stop()

        signal.signal(signal.SIGUSR1, handler)
        for i in range(CYCLES):
            handled.clear()
            running = threading.Event()
            loop.call_soon(running.set)

            def post():
                running.wait()
                spin(i % 9 * 100)
                os.kill(os.getpid(), signal.SIGUSR1)

            thread = in_thread(post)
            loop.run_forever()
            thread.join()
            assert handled.is_set()
        print("end")
        """)


def test_posts_from_a_signal_handler_wake_the_loop(cycles):
    cycles(1500, """
        import os
        loop = new_event_loop()
        seen = queue.SimpleQueue()
        signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(seen.put, 1))

        def post():
            for i in range(CYCLES):
                spin(i % 9 * 40)
                os.kill(os.getpid(), signal.SIGUSR1)
                seen.get()
            loop.call_soon_threadsafe(loop.stop)

        in_thread(post)
        loop.run_forever()
        print("end")
        """)


def test_children_that_end_wake_the_loop(cycles):
    cycles(60, """
        async def main():
            async def one(status):
                child = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exit {status}")
                assert await child.wait() == status
            for i in range(CYCLES // 3):
                await asyncio.gather(one(0), one(1), one(i % 200))
        run(main())
        print("end")
        """)
