#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The works on asyncio: `bench.py WORK N`, and the servers: `bench.py echo PORT`.

Written as its manual writes them. `echo` is the fastest way that the loop has: a BufferedProtocol
on asyncio, which else makes an object of 256 KiB for each receive (3 times the time), a Protocol on
uvloop. `echo_streams` is start_server and streams. The loop is CPython's; uvloop's peer imports
this file.
"""

import asyncio
import os
import sys
import threading
import time

BUFFER_BYTES = 16384
now_ns = time.perf_counter_ns


def rounds(tasks):
    """Returns the number of operations of each task in the works of scale."""
    return 3 if tasks > 100000 else 300000 // tasks


def share(count, parts, part):
    """Returns the part of a count that falls to one of several tasks."""
    return count // parts + (part < count % parts)


async def crowd(coroutines):
    """Awaits coroutines together; returns nanoseconds."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    begin = now_ns()
    await asyncio.gather(*tasks)
    return now_ns() - begin


async def give_way(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def give_way_together(tasks, count):
    return await crowd([give_way(share(count, tasks, i)) for i in range(tasks)])


async def work_yield(count):
    return await give_way_together(2, count)


async def work_yield1000(count):
    return await give_way_together(1000, count)


async def work_yield_tasks(count):
    operations = count * rounds(count)
    return await give_way_together(count, operations), operations


async def nothing():
    pass


async def work_spawn(count):
    begin = now_ns()
    for _ in range(count):
        await asyncio.create_task(nothing())
    return now_ns() - begin


async def work_spawn_batch(count):
    begin = now_ns()
    await asyncio.gather(*[asyncio.create_task(nothing()) for _ in range(count)])
    return now_ns() - begin


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def work_asleep(count):
    """Returns bytes, nanoseconds to make, nanoseconds to end."""
    tasks = [None] * count
    before_bytes = resident_bytes()
    begin = now_ns()
    for i in range(count):
        tasks[i] = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    made_ns = now_ns() - begin
    grown_bytes = resident_bytes() - before_bytes
    begin = now_ns()
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            pass
    ended_ns = now_ns() - begin
    assert all(task.cancelled() for task in tasks)
    return grown_bytes, made_ns, ended_ns


class Scatter:
    """The numbers that scatter deadlines, the same as in the other programs."""

    def __init__(self):
        self.state = 88172645463325252

    def next(self):
        state = self.state
        state ^= state << 13 & (1 << 64) - 1
        state ^= state >> 7
        self.state = state ^ state << 17 & (1 << 64) - 1
        return self.state


async def work_timers(count):
    scatter = Scatter()
    delays = [1.0 + 59.0 * ((scatter.next() >> 11) / 9007199254740992.0) for _ in range(count)]
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        other = scatter.next() % (i + 1)
        order[i], order[other] = order[other], order[i]
    call_later = asyncio.get_running_loop().call_later
    begin = now_ns()
    timers = [call_later(delay, int) for delay in delays]
    for i in order[:count // 10 * 9]:
        timers[i].cancel()
    elapsed = now_ns() - begin
    for timer in timers:
        timer.cancel()
    return elapsed


async def produce(queue, count):
    for i in range(count):
        await queue.put(i)


async def consume(queue, count, is_ordered):
    for i in range(count):
        item = await queue.get()
        assert item == i or not is_ordered


async def run_queue(bound, pairs, each):
    queue = asyncio.Queue(bound)
    return await crowd([consume(queue, each, pairs == 1) if i % 2 else produce(queue, each)
                        for i in range(2 * pairs)])


async def work_queue(count):
    return await run_queue(1, 1, count)


async def work_queue1000(count):
    return await run_queue(1000, 1, count)


async def work_queue_tasks(count):
    pairs = (count + 1) // 2
    each = rounds(2 * pairs)
    return await run_queue(1, pairs, each), pairs * each


async def work_future(count):
    loop = asyncio.get_running_loop()
    asked = None

    async def wait_for_other():
        nonlocal asked
        for _ in range(count):
            asked = loop.create_future()
            await asked

    async def resolve_other():
        nonlocal asked
        done = 0
        while done < count:
            if asked is not None:
                future, asked = asked, None
                future.set_result(None)
                done += 1
            await asyncio.sleep(0)

    return await crowd([wait_for_other(), resolve_other()])


async def take_turns(lock, count):
    for _ in range(count):
        async with lock:
            await asyncio.sleep(0)


async def run_lock(tasks, count):
    lock = asyncio.Lock()
    return await crowd([take_turns(lock, share(count, tasks, i)) for i in range(tasks)])


async def work_lock(count):
    return await run_lock(10, count)


async def work_lock_tasks(count):
    operations = count * rounds(count)
    return await run_lock(count, operations), operations


async def work_gather(count):
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]

    async def resolve_all():
        for future in futures:
            future.set_result(None)

    begin = now_ns()
    resolver = asyncio.create_task(resolve_all())
    await asyncio.gather(*futures)
    elapsed = now_ns() - begin
    await resolver
    return elapsed


async def wait_for_ever(loop):
    await loop.create_future()


async def work_cancel(count):
    loop = asyncio.get_running_loop()
    begin = now_ns()
    for _ in range(count):
        task = asyncio.create_task(wait_for_ever(loop))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        assert task.cancelled()
    return now_ns() - begin


async def work_timeout(count):
    begin = now_ns()
    for _ in range(count):
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
    return now_ns() - begin


def job():
    pass


async def hand_over(count):
    run_in_executor = asyncio.get_running_loop().run_in_executor
    for _ in range(count):
        await run_in_executor(None, job)


async def work_executor(count):
    begin = now_ns()
    await hand_over(count)
    return now_ns() - begin


async def work_executor64(count):
    return await crowd([hand_over(share(count, 64, i)) for i in range(64)])


async def work_wake(count):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    ran = 0

    def woken():
        nonlocal ran
        ran += 1
        if ran == count:
            done.set_result(None)

    def post():
        run_beside()
        for _ in range(count):
            loop.call_soon_threadsafe(woken)

    thread = threading.Thread(target=post)
    begin = now_ns()
    thread.start()
    await done
    elapsed = now_ns() - begin
    thread.join()
    return elapsed


class Echo(asyncio.Protocol):
    """Sends back what it receives; the loop itself sets TCP_NODELAY."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same from one buffer.

    What the socket does not accept stays in that buffer; until it is sent nothing is received.
    """

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        transport.set_write_buffer_limits(0)

    def get_buffer(self, size_hint):
        return self.buffer

    def buffer_updated(self, count):
        self.transport.write(self.buffer[:count])

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def server_echo(port):
    loop = asyncio.get_running_loop()
    protocol = BufferedEcho if isinstance(loop, asyncio.BaseEventLoop) else Echo
    server = await loop.create_server(protocol, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def serve(reader, writer):
    try:
        while data := await reader.read(BUFFER_BYTES):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def server_echo_streams(port):
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


class DatagramEcho(asyncio.DatagramProtocol):

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def server_udp(port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(DatagramEcho, local_addr=("127.0.0.1", port))
    await asyncio.sleep(3600)


async def work_spawn_process(count):
    spent_ns = 0
    for _ in range(count):
        begin = now_ns()
        process = await asyncio.create_subprocess_exec("/bin/true")
        spent_ns += now_ns() - begin
        await process.wait()
    return spent_ns


def set_affinity(cpus):
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        print("not pinned:", error, file=sys.stderr)


def run_beside():
    """Undoes the pin that a thread inherited, if there is another CPU."""
    if os.cpu_count() > 1:
        set_affinity(range(1, os.cpu_count()))


async def run_work(name, work, count, times):
    """Runs a work once to warm up, then a number of times; returns the results."""
    has_threads = name in ("executor", "executor64", "wake")
    warm_up = min(count // 10, 1000) if name == "asleep" else count // 10
    if warm_up > 0:
        await work(warm_up)
    if has_threads:
        set_affinity([0])
    return [await work(count) for _ in range(times)]


def print_outcomes(name, count, outcomes):
    if name == "asleep":
        made_ns, ended_ns = (sum(outcome[i] for outcome in outcomes) for i in (1, 2))
        operations = count * len(outcomes)
        print(f"asleep_bytes {outcomes[0][0] / count:.1f} B")
        print(f"asleep_make {made_ns / operations:.2f} ns")
        print(f"asleep_end {ended_ns / operations:.2f} ns")
        return
    pairs = [outcome if isinstance(outcome, tuple) else (outcome, count) for outcome in outcomes]
    print(f"{name} {sum(ns for ns, _ in pairs) / sum(count for _, count in pairs):.2f} ns")


def main(loop_factory):
    """Runs the work of the command line on a loop of this kind."""
    words = sys.argv[1:] + ["1"]
    if len(words) < 3 or not all(word.isdigit() and int(word) > 0 for word in words[1:3]):
        sys.exit("usage: bench.py WORK N [TIMES] | bench.py SERVER PORT")
    name, count, times = words[0], int(words[1]), int(words[2])
    work = globals().get("work_" + name)
    server = globals().get("server_" + name)
    if not work and not server:
        print(name, "n/a")
        return
    if name not in ("executor", "executor64", "wake"):
        set_affinity([0])
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        if server:
            runner.run(server(count))
        else:
            print_outcomes(name, count, runner.run(run_work(name, work, count, times)))


if __name__ == "__main__":
    main(None)
