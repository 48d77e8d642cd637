# SPDX-License-Identifier: MIT
"""What users of other fast loops have suffered from does not happen here.

Each test is one fault that programs in production have met with a loop that replaces asyncio's:
descriptors closed twice, data lost, memory kept, processes that stall the loop.
"""

import asyncio
import contextvars
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time

import pytest


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


class Idle(asyncio.Protocol):
    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.lost.set_result(error)


@pytest.mark.parametrize("steps", range(8))
def test_cancelled_connect_closes_its_descriptor_once(run, steps):
    """At whichever step create_connection() is cancelled, a descriptor that is opened meanwhile
    under the same number belongs to its new owner."""
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Idle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        before = open_descriptors()
        for _ in range(20):
            task = loop.create_task(loop.create_connection(Idle, "127.0.0.1", port))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            pair = socket.socketpair()
            try:
                transport, _ = await task
                transport.abort()
            except asyncio.CancelledError:
                pass
            await asyncio.sleep(0)
            pair[0].send(b"mine")
            assert pair[1].recv(10) == b"mine"
            pair[0].close()
            pair[1].close()
        server.close()
        for _ in range(100):
            await asyncio.sleep(0.002)
            if open_descriptors() <= before - 1:
                break
        return before - open_descriptors()

    assert run(main()) >= 0


def test_number_of_a_closed_transport_can_be_used_again(run):
    """A descriptor's number is not poisoned by the transport that had it before."""
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(20):
            ours, peer = socket.socketpair()
            ours.setblocking(False)
            number = ours.fileno()
            transport, protocol = await loop.create_connection(Idle, sock=ours)
            transport.abort()
            await protocol.lost
            await asyncio.sleep(0)
            reader, writer = socket.socketpair()
            reader.setblocking(False)
            if reader.fileno() != number:
                os.dup2(reader.fileno(), number)
            seen = loop.create_future()
            loop.add_reader(reader, lambda seen=seen: seen.done() or seen.set_result(None))
            writer.send(b"x")
            await asyncio.wait_for(seen, 10)
            loop.remove_reader(reader)
            if reader.fileno() != number:
                os.close(number)
            for sock in (reader, writer, peer):
                sock.close()

    run(main())


def test_closed_pipe_closes_no_other_descriptor(run):
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(50):
            reader, writer = os.pipe()
            transport, protocol = await loop.connect_read_pipe(Idle, os.fdopen(reader, "rb", 0))
            os.close(writer)
            await asyncio.wait_for(protocol.lost, 10)
            transport.close()
            pair = os.pipe()
            await asyncio.sleep(0)
            gc.collect()
            os.write(pair[1], b"x")
            assert os.read(pair[0], 1) == b"x"
            os.close(pair[0])
            os.close(pair[1])

    run(main())


def test_idle_timers_take_no_cpu(run):
    """A hundred timers of a second and nothing else: a loop that spins takes 20 % and more."""
    async def main():
        loop, counts = asyncio.get_running_loop(), [0] * 100

        def tick(i):
            counts[i] += 1
            loop.call_later(1, tick, i)

        for i in range(100):
            loop.call_later(i / 100, tick, i)
        await asyncio.sleep(0.5)
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(3)
        return (time.process_time() - cpu) / (time.monotonic() - began), sum(counts)

    share, count = run(main())
    assert count > 200
    assert share < 0.1, f"{share:.2%} of a CPU"  # what it is on an idle machine: docs/python.md


@pytest.mark.parametrize("size", [10, 100000])
def test_what_is_written_before_the_loop_stops_is_sent(loop, size):
    """By the last callback of a run, after which the loop never runs again."""
    async def connect():
        return (await loop.create_connection(asyncio.Protocol, sock=ours))[0]

    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.settimeout(30)
    transport = loop.run_until_complete(connect())
    loop.call_soon(transport.write, b"x" * size)
    loop.call_soon(transport.close)
    loop.call_soon(loop.stop)
    loop.run_forever()
    received = 0
    while received < size:
        received += len(peer.recv(size))
    peer.close()
    transport.abort()
    loop.run_until_complete(asyncio.sleep(0.001))


def test_memory_is_given_back_after_the_connection(run):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Idle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def once():
            transport, protocol = await loop.create_connection(Idle, "127.0.0.1", port)
            transport.write(b"x" * 1000000)
            await asyncio.sleep(0)
            transport.abort()
            await protocol.lost

        for _ in range(20):
            await once()
        gc.collect()
        before = rss()
        for _ in range(100):
            await once()
        gc.collect()
        server.close()
        return rss() - before

    assert run(main()) < 8000000


def rss():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_write_on_a_closed_transport_is_a_no_op(run, caplog):
    async def main():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, protocol = await asyncio.get_running_loop().create_connection(Idle, sock=ours)
        peer.close()
        await asyncio.wait_for(protocol.lost, 10)
        for _ in range(10):
            transport.write(b"x")
        transport.close()

    run(main())
    assert "socket.send() raised exception" in caplog.text


@pytest.mark.parametrize("call", ["recv", "recv_into", "accept"])
@pytest.mark.ours
def test_close_of_a_socket_spares_its_wait(run, call):
    """uvloop's contract: the descriptor stays open until the wait has ended, with what came. With
    asyncio the wait lasts for ever, and may even get what is meant for another socket."""
    async def main():
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        if call == "accept":
            sock = listener
        else:
            sock = socket.create_connection(address)
            peer, _ = listener.accept()
        sock.setblocking(False)
        waiting = {"recv": lambda: loop.sock_recv(sock, 10), "accept": lambda: loop.sock_accept(
            sock), "recv_into": lambda: loop.sock_recv_into(sock, bytearray(10))}[call]()
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        sock.close()
        assert sock.fileno() >= 0
        if call == "accept":
            peer = socket.create_connection(address)
        else:
            peer.send(b"data")
        result = await asyncio.wait_for(task, 10)
        assert sock.fileno() == -1
        if call == "accept":
            result[0].close()
        peer.close()
        listener.close()
        return result

    result = run(main())
    assert call == "accept" or result == {"recv": b"data", "recv_into": 4}[call]


@pytest.mark.ours
def test_protocols_run_in_the_context_of_their_transports_creation(run):
    variable = contextvars.ContextVar("variable")

    class Noting(Idle):
        seen = []

        def connection_made(self, transport):
            super().connection_made(transport)
            self.seen.append(variable.get(None))

        def data_received(self, _data):
            self.seen.append(variable.get(None))

        def connection_lost(self, error):
            self.seen.append(variable.get(None))
            super().connection_lost(error)

    async def main():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        variable.set("creation")
        _, protocol = await asyncio.get_running_loop().create_connection(Noting, sock=ours)
        variable.set("later")
        peer.send(b"x")
        await asyncio.sleep(0.01)
        peer.close()
        await protocol.lost

    run(main())
    assert Noting.seen == ["creation"] * 3


def test_a_process_starts_without_hooks_of_fork_and_without_stalling_the_loop(run):
    """Hooks of os.register_at_fork() do not run, and the loop's other callbacks do meanwhile."""
    hooks, late = [], []
    os.register_at_fork(before=lambda: hooks.append("ran"))

    async def watch():
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            late.append(time.monotonic() - began)

    async def main():
        task = asyncio.ensure_future(watch())
        for _ in range(10):
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", "sleep 0.01; echo out", stdout=asyncio.subprocess.PIPE)
            assert await process.communicate() == (b"out\n", None)
            assert process.returncode == 0
        task.cancel()

    run(main())
    assert hooks == [] and len(late) > 5


def test_sigchld_is_left_alone(run):
    seen = []

    async def main():
        process = await asyncio.create_subprocess_exec("/bin/true")
        return await process.wait()

    before = signal.signal(signal.SIGCHLD, lambda *_: seen.append("handler"))
    try:
        assert run(main()) == 0
        assert signal.getsignal(signal.SIGCHLD) not in (signal.SIG_DFL, signal.SIG_IGN, None)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_whole_surface_is_there(loop):
    """No method of AbstractEventLoop raises NotImplementedError by being missing."""
    names = [name for name in vars(asyncio.AbstractEventLoop) if not name.startswith("_")]
    missing = [name for name in names
               if getattr(type(loop), name) is getattr(asyncio.AbstractEventLoop, name)]
    assert missing == []


def test_transports_are_asyncios(run):
    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, _ = await loop.create_connection(Idle, sock=ours)
        datagrams, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol,
                                                           local_addr=("127.0.0.1", 0))
        server = await loop.create_server(Idle, "127.0.0.1", 0)
        found = (isinstance(transport, asyncio.Transport),
                 isinstance(datagrams, asyncio.DatagramTransport),
                 isinstance(server, asyncio.AbstractServer))
        for thing in (transport, datagrams, server, peer):
            thing.close()
        await asyncio.sleep(0.001)
        return found

    assert run(main()) == (True, True, True)


def test_sendfile_and_datagrams_by_sock_calls(run, tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        path = tmp_path / "file"
        path.write_bytes(b"0123456789" * 100000)
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.setblocking(False)

        async def receive():
            data = b""
            while len(data) < 1000000:
                data += await loop.sock_recv(peer, 65536)
            return data

        receiving = asyncio.ensure_future(receive())
        with open(path, "rb") as file:
            assert await loop.sock_sendfile(ours, file) == 1000000
        assert await receiving == path.read_bytes()
        a, b = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        for sock in (a, b):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        if sys.version_info >= (3, 11):
            await loop.sock_sendto(a, b"datagram", b.getsockname())
            assert await loop.sock_recvfrom(b, 100) == (b"datagram", a.getsockname())
        for sock in (a, b, ours, peer):
            sock.close()

    run(main())


def test_start_tls_keeps_bytes_that_came_before(run):
    """Data that the peer sends in one piece with its reply is read after the change to TLS, not
    lost: here the peer sends garbage, which must end the handshake rather than hang it."""
    import ssl

    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, protocol = await loop.create_connection(Idle, sock=ours)
        peer.send(b"this is no TLS, but is here before the handshake" * 10)
        context = ssl.create_default_context()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.wait_for(loop.start_tls(transport, protocol, context,
                                                  server_hostname="x"), 10)
        peer.close()

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="_interpreters is of 3.13")
def test_a_process_starts_while_a_subinterpreter_exists(program):
    done = program("""
        import _interpreters
        other = _interpreters.create()
        async def main():
            process = await asyncio.create_subprocess_exec("/bin/true")
            return await process.wait()
        print(run(main()))
        _interpreters.destroy(other)
        """)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_callbacks_from_threads_while_the_loop_closes_do_no_harm(new_loop):
    for _ in range(50):
        loop = new_loop()
        stop = threading.Event()

        def post(loop=loop, stop=stop):
            while not stop.is_set():
                try:
                    loop.call_soon_threadsafe(int)
                except RuntimeError:
                    return

        threads = [threading.Thread(target=post) for _ in range(3)]
        for thread in threads:
            thread.start()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        stop.set()
        for thread in threads:
            thread.join()
