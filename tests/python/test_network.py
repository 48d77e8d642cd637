# SPDX-License-Identifier: MIT
"""Transports, servers and sock_*(): what depends on how this loop does them."""

import asyncio
import errno
import gc
import os
import socket
import warnings

import pytest


class Noting(asyncio.Protocol):
    """Notes what it receives, and when its connection ends."""

    def __init__(self):
        self.received = bytearray()
        self.is_paused = False
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False

    def connection_lost(self, error):
        self.lost.set_result(error)


class Buffered(Noting, asyncio.BufferedProtocol):
    def get_buffer(self, _hint):
        self.buffer = bytearray(7)
        return self.buffer

    def buffer_updated(self, count):
        self.received += self.buffer[:count]


async def connected_pair(protocol=Noting):
    """A transport's protocol, and the blocking socket at the other end."""
    ours, peer = socket.socketpair()
    _, made = await asyncio.get_running_loop().create_connection(protocol, sock=ours)
    return made, peer


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it has not become true")


def test_many_pieces_arrive_whole_and_in_order(run):
    """More pieces than one system call takes, too many bytes to be joined, with a flow of acks."""
    pieces = [bytes([65 + number % 26]) * (1000 + number) for number in range(300)]

    async def main():
        protocol, peer = await connected_pair()
        protocol.transport.writelines(pieces)
        protocol.transport.write(memoryview(b"the end")[4:])
        protocol.transport.close()
        peer.setblocking(False)
        received = bytearray()
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(peer, 10000):
            received += data
        peer.close()
        return bytes(received)

    assert run(main()) == b"".join(pieces) + b"end"


def test_what_is_written_may_change_afterwards(run):
    async def main():
        protocol, peer = await connected_pair()
        data = bytearray(b"before")
        protocol.transport.write(data)
        data[:] = b"after!"
        await until(lambda: not protocol.transport.get_write_buffer_size())
        protocol.transport.close()
        received = peer.recv(100)
        peer.close()
        return received

    assert run(main()) == b"before"


def test_the_style_of_a_protocol_changes_while_open(run):
    async def main():
        protocol, peer = await connected_pair()
        peer.send(b"plain")
        await until(lambda: protocol.received == b"plain")
        other = Buffered()
        protocol.transport.set_protocol(other)
        peer.send(b"into buffers")
        await until(lambda: other.received == b"into buffers")
        protocol.transport.close()
        peer.close()

    run(main())


def test_a_full_peer_pauses_the_protocol_once(run):
    async def main():
        protocol, peer = await connected_pair()
        while not protocol.is_paused:
            protocol.transport.write(b"x" * 100000)
        queued = protocol.transport.get_write_buffer_size()
        low, high = protocol.transport.get_write_buffer_limits()
        assert queued > high > low
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        while protocol.is_paused:
            await loop.sock_recv(peer, 100000)
        assert protocol.transport.get_write_buffer_size() <= low
        protocol.transport.abort()
        await protocol.lost
        peer.close()

    run(main())


@pytest.mark.ours
def test_add_reader_beside_a_wait_for_the_same_socket(run):
    """Both users of a descriptor hear of its input, in either order."""
    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        for watches_first in (False, True):
            seen = asyncio.Event()
            if watches_first:
                loop.add_reader(ours, seen.set)
            task = loop.create_task(loop.sock_recv(ours, 10))
            await asyncio.sleep(0)
            if not watches_first:
                loop.add_reader(ours, seen.set)
            peer.send(b"data")
            assert await asyncio.wait_for(task, 10) == b"data"
            await asyncio.wait_for(seen.wait(), 10)
            assert loop.remove_reader(ours)
        ours.close()
        peer.close()

    run(main())


def test_a_number_that_is_used_again_means_the_new_socket(run):
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(5):
            ours, peer = socket.socketpair()
            ours.setblocking(False)
            task = loop.create_task(loop.sock_recv(ours, 10))
            await asyncio.sleep(0)
            peer.send(b"new")
            assert await asyncio.wait_for(task, 10) == b"new"
            ours.close()
            peer.close()

    run(main())


def test_a_pipe_is_written_to_at_once(run):
    """As asyncio's: a program may read the other end before the loop runs again."""
    async def main():
        read_end, write_end = os.pipe()
        with open(write_end, "wb", 0) as file:
            transport, _ = await asyncio.get_running_loop().connect_write_pipe(
                asyncio.BaseProtocol, file)
            transport.write(b"now")
            received = os.read(read_end, 10)
            transport.close()
            await asyncio.sleep(0)
        os.close(read_end)
        return received

    assert run(main()) == b"now"


def test_datagrams_that_nobody_takes_are_no_end(run):
    class Endpoint(asyncio.DatagramProtocol):
        errors = []

        def error_received(self, error):
            self.errors.append(type(error))

    async def main():
        loop = asyncio.get_running_loop()
        free = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
        free.close()
        transport, _ = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        transport.sendto(b"x")
        await until(lambda: Endpoint.errors)
        assert not transport.is_closing()
        transport.close()
        await asyncio.sleep(0)

    run(main())
    assert set(Endpoint.errors) == {ConnectionRefusedError}


def test_a_closed_loop_leaves_the_programs_sockets_open(new_loop):
    loop = new_loop()
    ours, peer = socket.socketpair()
    ours.setblocking(False)

    async def main():
        peer.send(b"a")
        await loop.sock_recv(ours, 1)
        task = loop.create_task(loop.sock_recv(ours, 1))
        await asyncio.sleep(0)
        task.cancel()

    loop.run_until_complete(main())
    loop.close()
    peer.send(b"b")
    assert ours.recv(1) == b"b"
    ours.close()
    peer.close()


@pytest.mark.parametrize("has_object", [False, True])
def test_a_transport_that_outlives_its_loop_warns_and_closes(new_loop, has_object):
    loop = new_loop()
    ours, peer = socket.socketpair()

    async def main():
        transport, _ = await loop.create_connection(Noting, sock=ours)
        if has_object:
            assert transport.get_extra_info("socket").fileno() == ours.fileno()

    loop.run_until_complete(main())
    loop.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del loop
        gc.collect()
    assert [str(warning.message) for warning in caught
            if "unclosed transport" in str(warning.message)] or ours.fileno() >= 0
    ours.close()
    peer.close()


def test_processes_beside_each_other(run):
    async def main():
        processes = await asyncio.gather(*(asyncio.create_subprocess_exec(
            "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
            for _ in range(10)))
        texts = [str(number).encode() * 1000 for number in range(10)]
        results = await asyncio.gather(*(
            process.communicate(text) for process, text in zip(processes, texts)))
        assert [result[0] for result in results] == texts
        assert [process.returncode for process in processes] == [0] * 10

    run(main())


def test_literal_addresses_are_those_of_getaddrinfo(run):
    """What is found without a look-up is what socket.getaddrinfo() finds, in values and types."""
    hosts = ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:1.2.3.4", "fe80::1", "127.1",
             b"127.0.0.1"]
    options = [{}, {"type": 1}, {"type": 2}, {"type": 3}, {"type": 1, "proto": 6},
               {"type": 1, "proto": 17}, {"type": 1, "family": 2}, {"type": 1, "family": 10},
               {"type": 1, "flags": socket.AI_PASSIVE}, {"type": 2, "flags": socket.AI_CANONNAME}]

    def shown(found):
        return [[(type(item), item) for item in entry] for entry in found]

    async def main():
        loop = asyncio.get_running_loop()
        for host in hosts:
            for port in 80, 65536, -1, "80", None:
                for named in options:
                    try:
                        expected = shown(socket.getaddrinfo(host, port, **named))
                    except (OSError, OverflowError) as error:
                        with pytest.raises(type(error)) as caught:
                            await loop.getaddrinfo(host, port, **named)
                        assert str(caught.value) == str(error)
                    else:
                        assert shown(await loop.getaddrinfo(host, port, **named)) == expected
    run(main())


def test_replaced_getaddrinfo_is_called(run, monkeypatch):
    """A program that replaces socket.getaddrinfo() sees look-ups of literal addresses too."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: "found")

    async def main():
        return await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=1)
    assert run(main()) == "found"


def test_arguments_by_name(run):
    """write(), writelines() and set_protocol() take their argument by its name, as asyncio's do."""
    async def main():
        noting, peer = await connected_pair()
        transport = noting.transport
        transport.write(data=b"a")
        transport.writelines(list_of_data=[b"b", b"c"])
        transport.set_protocol(protocol=noting)
        for method in transport.write, transport.writelines, transport.set_protocol:
            for arguments, named in ((), {}), ((b"a", b"b"), {}), ((), {"other": b"a"}):
                with pytest.raises(TypeError):
                    method(*arguments, **named)
        await asyncio.sleep(0)
        transport.close()
        await noting.lost
        assert peer.recv(10) == b"abc"
        peer.close()
    run(main())


def test_datagrams_after_close(run):
    """Sending after close() still reports its error, until the transport is lost."""
    async def main():
        errors = []

        class Protocol(asyncio.DatagramProtocol):
            def error_received(self, error):
                errors.append(error.errno)
                transport.close()

            def connection_lost(self, _error):
                lost.set_result(None)

        loop = asyncio.get_running_loop()
        lost = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", 0))
        address = transport.get_extra_info("sockname")
        transport.sendto(bytes(70000), address)
        transport.sendto(bytes(70000), address)
        await lost
        transport.sendto(b"a", address)
        return errors
    assert run(main()) == [errno.EMSGSIZE] * 2
