#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The works of the benchmark of Python loops: runs one on one loop and prints what it took.

Usage: PYTHON works.py LOOP WORK N, where LOOP is asyncio, uvloop, libasyncio or MODULE:FACTORY

Prints "WORK CPU WALL": microseconds of CPU time and of wall time for each of N operations. A work
warms up with a tenth of N. Both ends of a connection are in the process, on one loop.
"""

import asyncio
import importlib
import os
import resource
import socket
import sys
import threading
import time


def factory(name):
    module, _, attribute = name.partition(":")
    if module == "asyncio" and not attribute:
        attribute = "SelectorEventLoop"
    return getattr(importlib.import_module(module), attribute or "new_event_loop")


def clocks():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()


class Timed:
    """Measures the block of a with statement."""

    def __enter__(self):
        self.cpu, self.wall = clocks()
        return self

    def __exit__(self, *_):
        cpu, wall = clocks()
        self.cpu, self.wall = cpu - self.cpu, wall - self.wall


async def nothing():
    pass


async def together(*coros):
    """Runs coroutines as tasks, whose creation is not measured."""
    tasks = [asyncio.ensure_future(coro) for coro in coros]
    with Timed() as timed:
        for task in tasks:
            await task
    return timed


async def yields(n, tasks=2):
    async def give():
        for _ in range(n // tasks):
            await asyncio.sleep(0)
    return await together(*(give() for _ in range(tasks)))


async def yields1000(n):
    return await yields(n, 1000)


async def spawn(n):
    loop = asyncio.get_running_loop()
    with Timed() as timed:
        for _ in range(n):
            await loop.create_task(nothing())
    return timed


async def queue(n):
    items = asyncio.Queue(1)

    async def produce():
        for i in range(n):
            await items.put(i)

    async def consume():
        for _ in range(n):
            await items.get()
    return await together(produce(), consume())


async def future(n):
    loop, current = asyncio.get_running_loop(), None

    async def wait():
        nonlocal current
        for _ in range(n):
            current = loop.create_future()
            await current

    async def resolve():
        for _ in range(n):
            current.set_result(None)
            await asyncio.sleep(0)
    return await together(wait(), resolve())


async def lock(n):
    mutex = asyncio.Lock()

    async def hold():
        for _ in range(n // 10):
            async with mutex:
                await asyncio.sleep(0)
    return await together(*(hold() for _ in range(10)))


async def cancel(n):
    loop = asyncio.get_running_loop()

    async def forever():
        await loop.create_future()

    with Timed() as timed:
        for _ in range(n):
            task = loop.create_task(forever())
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
    return timed


async def timeout(n):
    with Timed() as timed:
        for _ in range(n):
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
    return timed


async def call_soon(n):
    loop, callback = asyncio.get_running_loop(), [].clear
    with Timed() as timed:
        for _ in range(n // 1000):
            for _ in range(1000):
                loop.call_soon(callback)
            await asyncio.sleep(0)
    return timed


async def call_later(n):
    loop, callback = asyncio.get_running_loop(), [].clear
    with Timed() as timed:
        for _ in range(n):
            loop.call_later(30, callback).cancel()
    return timed


async def wake(n):
    loop = asyncio.get_running_loop()
    done, count, begin = loop.create_future(), 0, threading.Event()

    def callback():
        nonlocal count
        count += 1
        if count == n:
            done.set_result(None)

    def post():
        begin.wait()
        for _ in range(n):
            loop.call_soon_threadsafe(callback)

    thread = threading.Thread(target=post)
    thread.start()
    with Timed() as timed:
        begin.set()
        await done
    thread.join()
    return timed


async def executor(n):
    loop = asyncio.get_running_loop()
    with Timed() as timed:
        for _ in range(n):
            await loop.run_in_executor(None, int)
    return timed


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Client(asyncio.Protocol):
    def __init__(self, count, size):
        self.count, self.message, self.received = count, b"x" * size, 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def begin(self):
        self.transport.write(self.message)

    def data_received(self, data):
        self.received += len(data)
        if self.received >= len(self.message):
            self.received, self.count = 0, self.count - 1
            if self.count > 0:
                self.transport.write(self.message)
            else:
                self.done.set_result(None)


async def echo(n, size=64, connections=100):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    clients = [(await loop.create_connection(lambda: Client(n // connections, size),
                                             "127.0.0.1", port))[1] for _ in range(connections)]
    with Timed() as timed:
        for client in clients:
            client.begin()
        for client in clients:
            await client.done
    for client in clients:
        client.transport.close()
    server.close()
    return timed


async def echo16k(n):
    return await echo(n, size=16384)


async def streams(n):
    async def handle(reader, writer):
        while True:
            data = await reader.read(65536)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]

    async def talk(reader, writer):
        for _ in range(n // 100):
            writer.write(b"x" * 64)
            await reader.readexactly(64)
        writer.close()

    timed = await together(*(talk(*end) for end in ends))
    server.close()
    return timed


async def sockets(n):
    loop = asyncio.get_running_loop()
    pairs = [socket.socketpair() for _ in range(100)]
    for sock in (sock for pair in pairs for sock in pair):
        sock.setblocking(False)

    async def serve(sock):
        while True:
            data = await loop.sock_recv(sock, 65536)
            if not data:
                break
            await loop.sock_sendall(sock, data)
        sock.close()

    async def talk(sock):
        for _ in range(n // 100):
            await loop.sock_sendall(sock, b"x" * 64)
            await loop.sock_recv(sock, 65536)
        sock.close()

    servers = [asyncio.ensure_future(serve(server)) for server, _ in pairs]
    timed = await together(*(talk(client) for _, client in pairs))
    for server in servers:
        await server
    return timed


async def connect(n):
    loop = asyncio.get_running_loop()

    class Closes(asyncio.Protocol):
        def connection_made(self, transport):
            transport.close()

    class Waits(asyncio.Protocol):
        def __init__(self):
            self.lost = loop.create_future()

        def connection_lost(self, _error):
            self.lost.set_result(None)

    server = await loop.create_server(Closes, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with Timed() as timed:
        for _ in range(n):
            _, protocol = await loop.create_connection(Waits, "127.0.0.1", port)
            await protocol.lost
    server.close()
    return timed


async def names(n):
    loop = asyncio.get_running_loop()
    with Timed() as timed:
        for _ in range(n):
            await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    return timed


async def process(n):
    with Timed() as timed:
        for _ in range(n):
            child = await asyncio.create_subprocess_exec("/bin/true", stdout=-1)
            await child.communicate()
    return timed


# Each with a count that takes asyncio about half a second.
WORKS = {"yield": (yields, 400000), "yield1000": (yields1000, 400000), "spawn": (spawn, 120000),
         "queue": (queue, 100000), "future": (future, 150000), "lock": (lock, 100000),
         "cancel": (cancel, 60000), "timeout": (timeout, 120000),
         "call_soon": (call_soon, 1000000), "call_later": (call_later, 300000),
         "wake": (wake, 100000), "executor": (executor, 12000), "echo": (echo, 30000),
         "echo16k": (echo16k, 20000), "streams": (streams, 20000), "sockets": (sockets, 20000),
         "connect": (connect, 4000), "names": (names, 10000), "process": (process, 300)}


def main():
    loop, name, n = factory(sys.argv[1])(), sys.argv[2], int(sys.argv[3])
    work = WORKS[name][0]
    asyncio.set_event_loop(loop)
    loop.run_until_complete(work(max(n // 10, 1000 if name in ("yield1000", "call_soon") else 100)))
    timed = loop.run_until_complete(work(n))
    print(f"{name} {timed.cpu / n * 1e6:.4f} {timed.wall / n * 1e6:.4f}", flush=True)
    os._exit(0)  # some loops do not end well, which is not measured here


if __name__ == "__main__":
    main()
