# SPDX-License-Identifier: MIT
"""Nothing grows: descriptors, memory and Python objects stay as they are over many cycles.

ASYNCIO_SOAK_CYCLES and ASYNCIO_SOAK_CONNECTIONS make the run longer: 500 and 1,000,000 are what the
figures of docs/python.md come from.
"""

import asyncio
import gc
import os
import resource
import socket
import tracemalloc

from conftest import SPEC
from on_loop import factory_of

CYCLES = int(os.environ.get("ASYNCIO_SOAK_CYCLES", "60"))
CONNECTIONS = int(os.environ.get("ASYNCIO_SOAK_CONNECTIONS", "3000"))
GROWTH_BYTES = 2_000_000     # of the resident memory, over all cycles
TRACED_BYTES = 200_000       # of what Python has allocated


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def rss():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def talk(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x" * 10000)
    assert len(await reader.readexactly(10000)) == 10000
    writer.close()
    await writer.wait_closed()


async def everything(path):
    """Uses each part of a loop once, some of them in a hurry."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    unix = await loop.create_unix_server(Echo, path)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(talk(port) for _ in range(5)))
    given_up = [loop.create_task(talk(port)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    transport, _ = await loop.create_unix_connection(Echo, path)
    transport.write(b"x")
    transport.abort()
    datagrams, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol,
                                                       local_addr=("127.0.0.1", 0))
    datagrams.sendto(b"x", datagrams.get_extra_info("sockname"))
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    receiving = loop.create_task(loop.sock_recv(right, 100))
    await loop.sock_sendall(left, b"datum")
    assert await receiving == b"datum"
    waiting = loop.create_task(loop.sock_recv(right, 100))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await loop.run_in_executor(None, int) == 0
    await loop.getaddrinfo("127.0.0.1", port)
    for call in (loop.call_later(3600, int), loop.call_soon(int)):
        call.cancel()
    await asyncio.gather(asyncio.sleep(0.001), return_exceptions=True)
    for thing in (server, unix, datagrams, left, right):
        thing.close()
    await asyncio.sleep(0.005)


def cycle(path):
    loop = factory_of(SPEC)()
    try:
        loop.run_until_complete(everything(path))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    if os.path.exists(path):
        os.unlink(path)


def test_cycles_of_everything_leave_nothing(tmp_path):
    path = str(tmp_path / "socket")
    for _ in range(15):
        cycle(path)
    gc.collect()
    before, memory = descriptors(), rss()
    tracemalloc.start()
    for _ in range(3):
        cycle(path)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0]
    for _ in range(CYCLES):
        cycle(path)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    gc.collect()
    grown = rss() - memory
    print(f"{CYCLES} cycles: {descriptors() - before} descriptors, {grown} bytes resident, "
          f"{traced} bytes traced")
    assert descriptors() == before
    assert traced < TRACED_BYTES
    assert grown < GROWTH_BYTES + 10_000_000  # tracemalloc's own tables stay resident


def test_processes_leave_nothing(run):
    async def main():
        async def once():
            process = await asyncio.create_subprocess_exec(
                "/bin/cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
            assert await process.communicate(b"text") == (b"text", None)

        for _ in range(3):
            await once()
        before = descriptors()
        for _ in range(30):
            await once()
        await asyncio.sleep(0.01)
        return descriptors() - before

    assert run(main()) == 0


class Closes(asyncio.Protocol):
    def connection_made(self, transport):
        transport.close()


class Client(asyncio.Protocol):
    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, _error):
        self.lost.set_result(None)


def test_connections_opened_and_closed_leave_nothing(run):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Closes, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]

        async def connect(count):
            for _ in range(count):
                _, protocol = await loop.create_connection(Client, "127.0.0.1", port)
                await protocol.lost

        await asyncio.gather(*(connect(50) for _ in range(10)))
        gc.collect()
        before, memory = descriptors(), rss()
        await asyncio.gather(*(connect(CONNECTIONS // 10) for _ in range(10)))
        await asyncio.sleep(0.02)
        gc.collect()
        grown = rss() - memory
        print(f"{CONNECTIONS} connections: {descriptors() - before} descriptors, "
              f"{grown} bytes resident")
        server.close()
        return descriptors() - before, grown

    more, grown = run(main())
    assert more <= 0 and grown < GROWTH_BYTES
