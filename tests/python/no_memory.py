#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a scenario many times, and each time another allocation of the interpreter fails.

Usage: PYTHON no_memory.py SCENARIO FIRST STEP COUNT [MODULE:FACTORY]

_testcapi.set_nomemory(N, N + 1) has the N-th allocation fail, in a forked child, for N = FIRST,
FIRST + STEP, … The scenario must then return its result or raise MemoryError. It may also end in
another way that somebody was told about: the loop's exception handler, or the interpreter's hook
for exceptions that nobody can catch, were called, and the loop was stopped there, because the
callback that failed may be the one that was waited for. A crash is a fault, and so is a wait
without an end about which nobody was told. Prints a line for each fault, and last a summary.
"""

import asyncio
import os
import signal
import socket
import sys

import _testcapi

from on_loop import factory_of

PATIENCE = 20  # seconds for one run; SIGALRM ends it
RESULT, MEMORY_ERROR, TOLD, WRONG = 0, 10, 11, 12
LIMIT_OF_TEXT = 2000
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


async def double(number):
    await asyncio.sleep(0)
    return 2 * number


@scenario
async def tasks():
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.call_later(0.0005, event.set)
    loop.call_soon(int, 1)
    loop.call_later(10, int, 1, 2, 3, 4).cancel()
    found = await asyncio.gather(*(double(i) for i in range(3)))
    await event.wait()
    return found == [0, 2, 4]


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Client(asyncio.Protocol):
    def __init__(self, wanted):
        self.wanted, self.received = wanted, 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.write(b"x" * self.wanted)

    def data_received(self, data):
        self.received += len(data)
        if self.received == self.wanted and not self.done.done():
            self.done.set_result(True)

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_result(error is None)


@scenario
async def protocols():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    transport, client = await loop.create_connection(lambda: Client(5000), *address)
    found = await client.done
    transport.close()
    server.close()
    await asyncio.sleep(0.001)
    return found


@scenario
async def streams():
    async def handle(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    path = f"/tmp/no_memory.{os.getpid()}"
    server = await asyncio.start_unix_server(handle, path)
    try:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"line\n")
        found = await reader.read()
        writer.close()
    finally:
        server.close()
        if os.path.exists(path):
            os.unlink(path)
    await asyncio.sleep(0.001)
    # A server that cannot make the transport closes the connection; debug mode reports that.
    return found in (b"line\n", b"")


@scenario
async def sockets():
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        seen = loop.create_future()
        waiting = loop.create_task(loop.sock_recv(right, 100))
        await asyncio.sleep(0)
        await loop.sock_sendall(left, b"datum")
        found = await waiting
        loop.add_reader(right, lambda: seen.done() or seen.set_result(None))
        await loop.sock_sendall(left, b"x")
        await seen
        loop.remove_reader(right)
    return found == b"datum"


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, _address):
        self.received.set_result(data)

    def error_received(self, error):
        self.received.set_result(error)


@scenario
async def datagrams():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", 0))
    transport.sendto(b"datum", transport.get_extra_info("sockname"))
    found = await protocol.received
    transport.close()
    await asyncio.sleep(0)
    return found == b"datum"


@scenario
async def pipes():
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    to, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writer, "wb", 0))
    source, client = await loop.connect_read_pipe(lambda: PipeReader(5), os.fdopen(
        reader, "rb", 0))
    to.write(b"12345")
    found = await client.done
    to.close()
    source.close()
    await asyncio.sleep(0)
    return found


class PipeReader(Client):
    def connection_made(self, transport):
        pass


@scenario
async def process():
    child = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
    output, _ = await child.communicate(b"text")
    return output == b"text" and child.returncode == 0


class Watcher:
    """Is told what nobody can catch, and stops the loop then."""

    def __init__(self):
        self.loop, self.told = None, []

    def handler(self, loop, context):
        self.told.append(context.get("exception") or context["message"])
        loop.stop()

    def hook(self, unraisable):
        self.told.append(unraisable.exc_value)
        if self.loop is not None:
            self.loop.stop()


def run_once(function, factory, number):
    """Runs the scenario; returns what it came to and a word about that."""
    watcher = Watcher()
    sys.unraisablehook = watcher.hook
    status, text = WRONG, ""
    if number is not None:
        _testcapi.set_nomemory(number, number + 1)
    try:
        watcher.loop = loop = factory()
        loop.set_exception_handler(watcher.handler)
        found = loop.run_until_complete(function())
        status, text = (RESULT, "") if found else (WRONG, "wrong result")
    except MemoryError:
        status = MEMORY_ERROR
    except BaseException as error:
        status, text = WRONG, repr(error)
    if number is not None:
        _testcapi.remove_mem_hooks()
    if status == WRONG and watcher.told:
        status = TOLD
    if watcher.loop is not None and not watcher.loop.is_running():
        watcher.loop.close()
    return status, text


def run_in_child(function, factory, number):
    """Returns (status of waitpid, text) of a run in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = WRONG
        try:
            signal.alarm(PATIENCE)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(writer, 2)
            status, text = run_once(function, factory, number)
            os.write(writer, text.encode()[:LIMIT_OF_TEXT])
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def main():
    name, first, step, count = sys.argv[1], *map(int, sys.argv[2:5])
    factory = factory_of(sys.argv[5] if len(sys.argv) > 5 else "libasyncio:new_event_loop")
    function = SCENARIOS[name]
    status, text = run_in_child(function, factory, None)
    if status != RESULT:
        print(f"{name} fails with all memory that it wants: {status} {text}")
        return 1
    run_once(function, factory, None)  # imports, caches
    counts, faults = {}, 0
    for number in range(first, first + step * count, step):
        status, text = run_in_child(function, factory, number)
        counts[status] = counts.get(status, 0) + 1
        if status in (RESULT, MEMORY_ERROR, TOLD):
            continue
        faults += 1
        what = {-signal.SIGALRM: "no end", WRONG: "wrong"}.get(status, f"status {status}")
        print(f"{name} {number}: {what}: {text.strip()[-400:]}", flush=True)
    print(f"{name}: {count} runs: {counts.get(RESULT, 0)} results, "
          f"{counts.get(MEMORY_ERROR, 0)} MemoryError, {counts.get(TOLD, 0)} told, "
          f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
