# SPDX-License-Identifier: MIT
"""Mistakes that programs make with a loop, as coroutines that test_bad_input.py runs on two loops.

A case is a function of (loop, here), where `here` is a folder of its own for files and sockets. It
returns or raises; the outcome, and what the loop's exception handler is told, must be the same on
asyncio's loop and on the loop under test. `words=False` compares the exception's type only, for
texts that say whether a function is written in C or in Python.
"""

import asyncio
import os
import signal
import socket
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

CASES = {}
HAS_WORDS_FOR_NONE = sys.version_info >= (3, 11)  # before, that of an addition, or none


def case(function=None, words=True):
    """Registers a case under its function's name."""
    if function is None:
        return lambda f: case(f, words)
    assert function.__name__ not in CASES
    CASES[function.__name__] = (function, words)
    return function


async def nothing():
    pass


def make(name, expression, words=True):
    """Registers a case that is one expression of `loop`, `here` and `sock`; awaited if need be."""
    code = compile(expression, name, "eval")

    async def run(loop, here):
        with socket.socket() as sock:
            sock.setblocking(False)
            value = eval(code, {**globals(), "loop": loop, "here": here, "sock": sock})
            return await value if asyncio.iscoroutine(value) or asyncio.isfuture(value) else value

    run.__name__ = name
    case(run, words)


# --- callbacks, tasks, executors, signals -------------------------------------------------------

make("call_soon_of_a_number", "loop.call_soon(1)", words=True)
make("call_soon_of_a_coroutine_function", "loop.call_soon(nothing)")
make("call_soon_without_callback", "loop.call_soon()", words=False)
make("call_soon_with_unknown_argument", "loop.call_soon(print, colour=1)", words=False)
make("call_later_of_a_string", "loop.call_later('1', print)")
make("call_later_of_none", "loop.call_later(None, print)", words=HAS_WORDS_FOR_NONE)
make("call_later_of_a_number", "loop.call_later(0, 1)")
if HAS_WORDS_FOR_NONE:
    make("call_at_of_none", "loop.call_at(None, print)")
make("call_at_of_a_coroutine_function", "loop.call_at(0, nothing)")
make("call_soon_threadsafe_of_a_coroutine_function", "loop.call_soon_threadsafe(nothing)")
make("exception_handler_that_is_a_number", "loop.set_exception_handler(1)")
make("task_factory_that_is_a_number", "loop.set_task_factory(1)")
if sys.version_info >= (3, 11):  # before, it was a warning
    make("executor_that_is_a_number", "loop.set_default_executor(1)")
make("create_task_of_a_number", "loop.create_task(1)")
make("create_task_of_a_coroutine_function", "loop.create_task(nothing)")
make("coroutine_function_in_executor", "loop.run_in_executor(None, nothing)")
make("number_in_executor", "loop.run_in_executor(None, 1)")
make("executor_after_shutdown", "use_after_shutdown(loop)")
make("signal_that_is_a_string", "loop.add_signal_handler('x', print)")
make("signal_number_too_high", "loop.add_signal_handler(1000, print)")
make("signal_that_cannot_be_caught", "loop.add_signal_handler(signal.SIGKILL, print)")
make("signal_handler_that_is_a_coroutine_function",
     "loop.add_signal_handler(signal.SIGUSR1, nothing)")
make("removal_of_a_signal_number_too_high", "loop.remove_signal_handler(1000)")
make("removal_of_no_signal_handler", "loop.remove_signal_handler(signal.SIGUSR2)")
make("close_of_a_running_loop", "loop.close()")
make("run_forever_of_a_running_loop", "loop.run_forever()")
make("run_until_complete_in_a_running_loop", "loop.run_until_complete(loop.create_future())")


async def use_after_shutdown(loop):
    await loop.shutdown_default_executor()
    await loop.run_in_executor(None, int)


@case
async def run_of_another_loop_in_a_running_one(loop, _here):
    other = type(loop)()
    try:
        other.run_forever()
    finally:
        other.close()


@case
async def call_soon_from_another_thread(loop, _here):
    """An error in debug mode only."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: type(loop.call_soon(print))).exception() is None


@case
async def task_that_yields_a_number(loop, _here):
    class Awaitable:
        def __await__(self):
            yield 1

    async def wait():
        await Awaitable()
    await loop.create_task(wait())


@case
async def callback_that_raises_twice(loop, _here):
    loop.call_soon(lambda: 1 / 0)
    loop.call_later(0.001, lambda: [][1])
    await asyncio.sleep(0.02)


@case
async def future_of_another_loop(loop, _here):
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(asyncio.SelectorEventLoop).result()
    try:
        await asyncio.wait_for(other.create_future(), 1)
    finally:
        other.close()


# --- watches ------------------------------------------------------------------------------------

make("reader_of_a_negative_descriptor", "loop.add_reader(-1, print)")
make("reader_of_a_string", "loop.add_reader('x', print)")
make("reader_of_an_object", "loop.add_reader(object, print)")
make("reader_of_none", "loop.add_reader(None, print)")
make("reader_of_a_descriptor_that_is_not_open", "loop.add_reader(100000, print)")
make("reader_of_a_closed_socket", "(sock.close(), loop.add_reader(sock, print))")
make("removal_of_no_reader", "loop.remove_reader(sock)")
make("removal_of_a_negative_reader", "loop.remove_reader(-1)")
make("removal_of_a_reader_that_is_a_string", "loop.remove_writer('x')")
make("writer_of_a_string", "loop.add_writer('x', print)")
make("reader_of_a_regular_file", "loop.add_reader(open(os.path.join(here, 'f'), 'w+'), print)")


@case
async def reader_of_a_transports_socket(loop, _here):
    transport, _ = await connected(loop)
    try:
        loop.add_reader(transport.get_extra_info("socket").fileno(), print)
    finally:
        transport.abort()


# --- connections and servers --------------------------------------------------------------------

P = asyncio.Protocol
make("connection_to_nowhere", "loop.create_connection(P)")
make("connection_to_host_and_socket", "loop.create_connection(P, 'a', 1, sock=sock)")
make("connection_with_server_hostname_alone",
     "loop.create_connection(P, 'a', 1, server_hostname='a')")
make("connection_with_tls_without_a_name", "loop.create_connection(P, sock=sock, ssl=True)")
make("connection_with_handshake_timeout_alone",
     "loop.create_connection(P, 'a', 1, ssl_handshake_timeout=1)")
make("connection_by_a_datagram_socket",
     "loop.create_connection(P, sock=socket.socket(type=socket.SOCK_DGRAM))")
make("connection_that_is_refused", "loop.create_connection(P, '127.0.0.1', closed_port())")
make("connection_that_is_refused_at_all_addresses",
     "loop.create_connection(P, 'localhost', closed_port())")
make("connection_from_a_foreign_address",
     "loop.create_connection(P, '127.0.0.1', 1, local_addr=('203.0.113.1', 0))")
make("connection_with_a_bad_port", "loop.create_connection(P, '127.0.0.1', 'no such port')")
make("connection_with_a_host_that_is_a_number", "loop.create_connection(P, 1, 1)")
make("connection_to_an_unknown_host", "loop.create_connection(P, 'no.such.host.invalid', 1)")
make("connection_with_tls_that_is_a_string", "loop.create_connection(P, '127.0.0.1', "
     "closed_port(), ssl='x')")
make("connection_over_an_unconnected_socket", "loop.create_connection(P, sock=sock)",
     words=False)
make("server_of_nothing", "loop.create_server(P)")
make("server_with_host_and_socket", "loop.create_server(P, 'a', 1, sock=sock)")
make("server_with_tls_that_is_true", "loop.create_server(P, 'a', 1, ssl=True)")
make("server_with_handshake_timeout_alone",
     "loop.create_server(P, 'a', 1, ssl_handshake_timeout=1)")
make("server_by_a_datagram_socket",
     "loop.create_server(P, sock=socket.socket(type=socket.SOCK_DGRAM))")
make("server_of_a_foreign_address", "loop.create_server(P, '203.0.113.1', 0)")
make("server_of_an_unknown_host", "loop.create_server(P, 'no.such.host.invalid', 1)")
make("unix_connection_to_nowhere", "loop.create_unix_connection(P)")
make("unix_connection_to_path_and_socket", "loop.create_unix_connection(P, 'a', sock=sock)")
make("unix_connection_over_an_internet_socket", "loop.create_unix_connection(P, sock=sock)")
make("unix_connection_to_no_file",
     "loop.create_unix_connection(P, os.path.join(here, 'missing'))")
make("unix_connection_with_server_hostname_alone",
     "loop.create_unix_connection(P, 'a', server_hostname='a')")
make("unix_server_of_nothing", "loop.create_unix_server(P)")
make("unix_server_with_path_and_socket", "loop.create_unix_server(P, 'a', sock=sock)")
make("unix_server_by_an_internet_socket", "loop.create_unix_server(P, sock=sock)")
make("unix_server_on_a_regular_file",
     "loop.create_unix_server(P, open(os.path.join(here, 'f'), 'w').name)")
make("unix_server_in_no_folder", "loop.create_unix_server(P, '/missing/folder/socket')")
make("accepted_datagram_socket",
     "loop.connect_accepted_socket(P, socket.socket(type=socket.SOCK_DGRAM))")
make("accepted_socket_with_handshake_timeout_alone",
     "loop.connect_accepted_socket(P, sock, ssl_handshake_timeout=1)")
make("datagrams_of_nothing", "loop.create_datagram_endpoint(asyncio.DatagramProtocol)")
make("datagrams_of_a_stream_socket",
     "loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)")
make("datagrams_of_a_socket_with_an_address", "loop.create_datagram_endpoint("
     "asyncio.DatagramProtocol, sock=socket.socket(type=socket.SOCK_DGRAM), "
     "local_addr=('127.0.0.1', 0))")
make("datagrams_of_a_string", "loop.create_datagram_endpoint(asyncio.DatagramProtocol, "
     "local_addr='x')")
make("datagrams_of_a_foreign_address", "loop.create_datagram_endpoint("
     "asyncio.DatagramProtocol, local_addr=('203.0.113.1', 0))")
make("datagrams_between_families", "loop.create_datagram_endpoint(asyncio.DatagramProtocol, "
     "local_addr=('127.0.0.1', 0), remote_addr=('::1', 1))")
make("read_pipe_of_a_regular_file",
     "loop.connect_read_pipe(P, open(os.path.join(here, 'f'), 'w+'))")
make("write_pipe_of_a_regular_file",
     "loop.connect_write_pipe(asyncio.BaseProtocol, open(os.path.join(here, 'f'), 'w'))")
make("read_pipe_of_a_number", "loop.connect_read_pipe(P, 1)")
make("name_of_an_unknown_host", "loop.getaddrinfo('no.such.host.invalid', 1)")
make("name_of_a_number", "loop.getaddrinfo(1, 1)")
make("name_info_of_a_string", "loop.getnameinfo('x')")


def closed_port():
    """Returns a port of the loopback interface on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@case
async def server_on_a_port_in_use(loop, _here):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        await loop.create_server(P, *sock.getsockname(), reuse_address=False)


@case
async def protocol_factory_that_raises(loop, _here):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        await loop.create_connection(lambda: {}["missing"], *sock.getsockname())


@case
async def server_that_is_awaited_twice(loop, _here):
    server = await loop.create_server(P, "127.0.0.1", 0)
    async with server:
        first = loop.create_task(server.serve_forever())
        await asyncio.sleep(0.001)
        try:
            await server.serve_forever()
        finally:
            first.cancel()


@case
async def server_that_serves_after_its_end(loop, _here):
    server = await loop.create_server(P, "127.0.0.1", 0)
    server.close()
    await server.start_serving()


# --- transports ---------------------------------------------------------------------------------

class Noting(asyncio.Protocol):
    """A protocol that keeps what happens to it."""

    def __init__(self, loop):
        self.events, self.lost = [], loop.create_future()

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, error):
        self.events.append(("lost", type(error), str(error)))
        self.lost.set_result(None)


async def connected(loop, protocol=None):
    """Returns a transport whose peer reads nothing and lives as long as the transport."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    transport, protocol = await loop.create_connection(
        lambda: protocol or Noting(loop), sock=ours)
    transport.get_protocol().peer = peer
    return transport, transport.get_protocol()


def on_transport(name, expression, words=True):
    """Registers a case that is one expression of `transport`, which is closed afterwards."""
    code = compile(expression, name, "eval")

    async def run(loop, here):
        transport, protocol = await connected(loop)
        try:
            value = eval(code, {**globals(), "loop": loop, "transport": transport, "here": here})
            return await value if asyncio.iscoroutine(value) else value
        finally:
            transport.abort()
            protocol.peer.close()
            await protocol.lost

    run.__name__ = name
    case(run, words)


on_transport("write_of_a_string", "transport.write('text')")
on_transport("write_of_a_number", "transport.write(1)")
on_transport("write_of_none", "transport.write(None)")
on_transport("write_after_eof", "(transport.write_eof(), transport.write(b'x'))")
on_transport("write_after_close", "(transport.close(), transport.write(b'x'))")
on_transport("eof_twice", "(transport.write_eof(), transport.write_eof())")
on_transport("eof_after_close", "(transport.close(), transport.write_eof())")
on_transport("writelines_of_a_number", "transport.writelines(1)", words=False)
on_transport("writelines_of_strings", "transport.writelines(['x'])", words=False)
on_transport("negative_high_mark", "transport.set_write_buffer_limits(high=-1)")
on_transport("low_mark_above_high", "transport.set_write_buffer_limits(high=1, low=2)")
on_transport("pause_twice", "(transport.pause_reading(), transport.pause_reading())")
on_transport("resume_without_pause", "transport.resume_reading()")
on_transport("pause_after_close", "(transport.close(), transport.pause_reading())")
on_transport("close_twice", "(transport.close(), transport.close())")
on_transport("abort_twice", "(transport.abort(), transport.abort())")
on_transport("unknown_extra_info", "transport.get_extra_info('missing', 'default')")
on_transport("start_tls_without_context",
             "loop.start_tls(transport, transport.get_protocol(), None)")
on_transport("start_tls_of_a_closing_transport_without_context",
             "(transport.close(), loop.start_tls(transport, transport.get_protocol(), 1))[1]")
on_transport("sendfile_of_a_text_file",
             "loop.sendfile(transport, open(os.path.join(here, 'f'), 'w+'))")
on_transport("sendfile_with_a_negative_offset",
             "loop.sendfile(transport, open(os.path.join(here, 'f'), 'wb+'), -1)")
on_transport("sendfile_of_no_bytes",
             "loop.sendfile(transport, open(os.path.join(here, 'f'), 'wb+'), 0, 0)")
on_transport("sendfile_to_a_closing_transport", "(transport.close(), "
             "loop.sendfile(transport, open(os.path.join(here, 'f'), 'wb+')))[1]")


@case
async def start_tls_of_something_else(loop, _here):
    await loop.start_tls(asyncio.Transport(), P(), ssl.create_default_context())


@case
async def sendfile_to_something_else(loop, here):
    with open(os.path.join(here, "f"), "wb+") as file:
        await loop.sendfile(asyncio.Transport(), file)


class Raising(Noting):
    """Raises in one of its methods."""

    def __init__(self, loop, method, error):
        super().__init__(loop)
        self.error, self.is_raised = error, False
        setattr(self, method, self.raise_once)

    def raise_once(self, *_):
        self.is_raised = True
        raise self.error


async def events_of(loop, protocol, peer_does):
    """Connects a protocol, lets its peer do something, and returns what the protocol noted."""
    transport, protocol = await connected(loop, protocol)
    peer_does(protocol.peer)
    for _ in range(100):
        await asyncio.sleep(0.001)
        if protocol.lost.done() or getattr(protocol, "is_raised", False):
            break
    await asyncio.sleep(0.005)
    is_closing = transport.is_closing()
    transport.abort()
    protocol.peer.close()
    await asyncio.sleep(0.005)
    return protocol.events, is_closing


@case
async def data_received_that_raises(loop, _here):
    return await events_of(loop, Raising(loop, "data_received", ValueError("bad data")),
                           lambda peer: peer.send(b"x"))


@case
async def eof_received_that_raises(loop, _here):
    return await events_of(loop, Raising(loop, "eof_received", ValueError("bad end")),
                           lambda peer: peer.close())


@case
async def connection_made_that_raises(loop, _here):
    return await events_of(loop, Raising(loop, "connection_made", ValueError("bad begin")),
                           lambda peer: None)


@case
async def connection_lost_that_raises(loop, _here):
    return await events_of(loop, Raising(loop, "connection_lost", ValueError("bad loss")),
                           lambda peer: peer.close())


class Buffered(Noting, asyncio.BufferedProtocol):
    """A BufferedProtocol with the buffer that it is given."""

    def __init__(self, loop, buffer):
        super().__init__(loop)
        self.buffer = buffer

    def get_buffer(self, _hint):
        return self.buffer

    def buffer_updated(self, count):
        self.events.append(count)


for label, buffer in {"nothing": b"", "bytes": b"read only", "none": None, "a_number": 1}.items():
    async def get_buffer_that_returns(loop, _here, buffer=buffer):
        made = Buffered(loop, bytearray() if buffer == b"" else buffer)
        return await events_of(loop, made, lambda peer: peer.send(b"x"))
    get_buffer_that_returns.__name__ += "_" + label
    case(get_buffer_that_returns)


@case
async def get_buffer_that_raises(loop, _here):
    made = Buffered(loop, bytearray(10))
    made.get_buffer = Raising(loop, "x", ValueError("no buffer")).raise_once
    return await events_of(loop, made, lambda peer: peer.send(b"x"))


# --- datagrams ----------------------------------------------------------------------------------

async def with_datagrams(loop, use, **options):
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options)
    try:
        return use(transport)
    finally:
        transport.close()
        await asyncio.sleep(0.001)


@case
async def datagram_that_is_a_string(loop, _here):
    await with_datagrams(loop, lambda t: t.sendto("text", ("127.0.0.1", 9)),
                         local_addr=("127.0.0.1", 0))


@case
async def datagram_to_another_address_than_the_connected(loop, _here):
    await with_datagrams(loop, lambda t: t.sendto(b"x", ("127.0.0.1", 1)),
                         remote_addr=("127.0.0.1", 9))


@case
async def datagram_that_is_too_long(loop, _here):
    return await with_datagrams(loop, lambda t: t.sendto(b"x" * 100000, ("127.0.0.1", 9)),
                                local_addr=("127.0.0.1", 0))


@case(words=False)
async def datagram_to_a_bad_address(loop, _here):
    await with_datagrams(loop, lambda t: t.sendto(b"x", "nowhere"), local_addr=("127.0.0.1", 0))


# --- sock_* -------------------------------------------------------------------------------------

for label, call in {
        "sock_recv": "loop.sock_recv({}, 10)",
        "sock_recv_into": "loop.sock_recv_into({}, bytearray(10))",
        "sock_sendall": "loop.sock_sendall({}, b'x')",
        "sock_connect": "loop.sock_connect({}, ('127.0.0.1', 9))",
        "sock_accept": "loop.sock_accept({})"}.items():
    make(label + "_of_a_number", call.format("1"), words=False)
    make(label + "_of_a_closed_socket", f"(sock.close(), {call.format('sock')})[1]")
    make(label + "_of_a_blocking_socket", f"(sock.setblocking(True), {call.format('sock')})[1]"
         if label in ("sock_connect",) else f"only_in_debug(loop, sock, lambda: "
         f"{call.format('sock')})")
make("sock_recv_of_an_unconnected_socket", "loop.sock_recv(sock, 10)")
make("sock_recv_of_a_negative_size", "loop.sock_recv(socket.socketpair()[0], -1)", words=False)
make("sock_sendall_to_an_unconnected_socket", "loop.sock_sendall(sock, b'x')")
make("sock_sendall_of_a_string", "loop.sock_sendall(sock, 'x')", words=False)
make("sock_recv_into_bytes", "loop.sock_recv_into(sock, b'xxxx')", words=False)
make("sock_accept_of_a_socket_that_does_not_listen", "loop.sock_accept(sock)")
make("sock_connect_to_a_closed_port",
     "loop.sock_connect(sock, ('127.0.0.1', closed_port()))")
make("sock_connect_to_a_bad_address", "loop.sock_connect(sock, 'x')", words=False)
make("sock_sendfile_of_a_text_file",
     "loop.sock_sendfile(sock, open(os.path.join(here, 'f'), 'w+'))")
make("sock_sendfile_with_a_negative_offset",
     "loop.sock_sendfile(sock, open(os.path.join(here, 'f'), 'wb+'), -1)")
make("sock_sendfile_over_datagrams", "loop.sock_sendfile("
     "socket.socket(type=socket.SOCK_DGRAM), open(os.path.join(here, 'f'), 'wb+'))")


async def only_in_debug(loop, sock, call):
    """A blocking socket would block the loop where it is not refused."""
    if not loop.get_debug():
        return None
    sock.setblocking(True)
    return await call()


# --- processes ----------------------------------------------------------------------------------

SP = asyncio.SubprocessProtocol
make("process_without_file", "loop.subprocess_exec(SP, '/missing/program')")
make("process_that_is_no_program", "loop.subprocess_exec(SP, here)")
make("process_that_is_a_number", "loop.subprocess_exec(SP, 1)", words=False)
make("process_with_text", "loop.subprocess_exec(SP, 'true', universal_newlines=True)")
make("process_with_shell", "loop.subprocess_exec(SP, 'true', shell=True)")
make("process_with_buffers", "loop.subprocess_exec(SP, 'true', bufsize=1)")
make("process_with_encoding", "loop.subprocess_exec(SP, 'true', encoding='utf-8')")
make("process_with_unknown_argument", "loop.subprocess_exec(SP, 'true', colour=1)")
make("shell_command_that_is_a_number", "loop.subprocess_shell(SP, 1)")
make("shell_command_without_shell", "loop.subprocess_shell(SP, 'true', shell=False)")
make("shell_command_with_text", "loop.subprocess_shell(SP, 'true', text=True)")
make("process_in_a_missing_folder", "loop.subprocess_exec(SP, 'true', cwd='/missing')")


# --- a closed loop; these run outside of it -----------------------------------------------------

ON_CLOSED = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "run_forever": lambda loop: loop.run_forever(),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_writer": lambda loop: loop.add_writer(1, print),
    "remove_reader": lambda loop: loop.remove_reader(0),
    "remove_writer": lambda loop: loop.remove_writer(0),
    "add_signal_handler": lambda loop: loop.add_signal_handler(signal.SIGUSR1, print),
    "remove_signal_handler": lambda loop: loop.remove_signal_handler(signal.SIGUSR1),
    "stop": lambda loop: loop.stop(),
    "time": lambda loop: loop.time() > 0,
    "create_future": lambda loop: loop.create_future().done(),
    "run_until_complete": lambda loop: run_and_close(loop),
    "create_task": lambda loop: run_and_close(loop, loop.create_task),
    "is_running": lambda loop: loop.is_running(),
    "get_debug": lambda loop: loop.get_debug(),
    "close": lambda loop: loop.close(),
    "call_soon_threadsafe_from_a_thread": lambda loop: ThreadPoolExecutor(1).submit(
        loop.call_soon_threadsafe, print).result(60),
}


def run_and_close(loop, call=None):
    coro = nothing()
    try:
        (call or loop.run_until_complete)(coro)
    finally:
        coro.close()


# Outside of a running loop.
ON_IDLE = {
    "run_until_complete_of_a_number": lambda loop: loop.run_until_complete(1),
    "run_until_complete_of_a_function": lambda loop: loop.run_until_complete(nothing),
    "run_until_complete_of_a_foreign_future": lambda loop: loop.run_until_complete(
        foreign_future()),
    "run_until_complete_that_is_stopped": lambda loop: (
        loop.call_soon(loop.stop), loop.run_until_complete(loop.create_future())),
    "second_run_in_a_thread": lambda loop: second_run(loop),
}


def foreign_future():
    loop = asyncio.SelectorEventLoop()
    loop.close()
    return loop.create_future()


def second_run(loop):
    """Two threads run one loop at once."""
    found = []

    def run():
        try:
            loop.run_forever()
        except RuntimeError as error:
            found.append(str(error))

    def start():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
        loop.stop()

    loop.call_soon(start)
    loop.run_forever()
    return found
