# SPDX-License-Identifier: MIT
"""The network's part of the loop: what happens once a connection, a server or a process.

The extension has the transports, the accepting and sock_recv() and its like; create_connection(),
create_server() and the other methods that build on them are asyncio's own, of the interpreter's
version.
"""

import collections
import errno
import os
import signal
import socket
import stat
import subprocess
import threading
import types
from asyncio import (base_events, base_subprocess, constants, exceptions, protocols,
                     unix_events)
from asyncio.log import logger

try:
    import ssl
    from asyncio import sslproto
except ImportError:  # an interpreter without OpenSSL
    ssl = None

from . import _core

_UnixLoop = unix_events._UnixSelectorEventLoop
_Popen = subprocess.Popen
_popen_init = _Popen.__init__
# Later versions set the position of a file of which sock_sendfile() has sent nothing, too.
_SENDFILE_MOVES = _UnixLoop._sock_sendfile_update_filepos.__code__.co_argcount == 3
_PIPE_METHODS = ("connect_read_pipe", "connect_write_pipe")


def call_in(context, function, *args, **kwargs):
    """Calls a function in a context; None is the current one."""
    if context is None:
        return function(*args, **kwargs)
    return context.run(function, *args, **kwargs)


class Network:
    """A base of Loop, before asyncio's BaseEventLoop in the order of look-ups."""

    def _init_network(self):
        self._listeners = {}
        self._unix_server_sockets = {}

    def _close_network(self):
        """Called once by close(), before the C loop is closed."""
        self._listeners.clear()

    # --- transports ---

    def _make_ssl_transport(self, rawsock, protocol, sslcontext, waiter=None, *,
                            server_side=False, server_hostname=None, extra=None, server=None,
                            ssl_handshake_timeout=constants.SSL_HANDSHAKE_TIMEOUT, context=None,
                            **kwargs):
        layer = sslproto.SSLProtocol(self, protocol, sslcontext, waiter, server_side,
                                     server_hostname,
                                     ssl_handshake_timeout=ssl_handshake_timeout, **kwargs)
        call_in(context, self._make_socket_transport, rawsock, layer, extra=extra, server=server)
        return layer._app_transport

    def _make_datagram_transport(self, sock, protocol, address=None, waiter=None, extra=None):
        return self._new_datagram(sock, protocol, address, waiter, extra)

    def _make_read_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        os.set_blocking(pipe.fileno(), False)
        return self._new_read_pipe(pipe, protocol, waiter, {"pipe": pipe, **(extra or {})})

    def _make_write_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        os.set_blocking(pipe.fileno(), False)
        return self._new_write_pipe(pipe, protocol, waiter, {"pipe": pipe, **(extra or {})})

    # --- connections ---

    async def create_connection(self, protocol_factory, host=None, port=None, **options):
        """Connect to a TCP server; return a transport and a protocol."""
        if host and not any(options.values()) and not self._debug and \
                "getaddrinfo" not in self.__dict__ and "sock_connect" not in self.__dict__:
            connecting = self._connect(protocol_factory, host, port)
            if connecting is not None:
                return await connecting
        return await super().create_connection(protocol_factory, host, port, **options)

    # --- servers ---

    def _start_serving(self, protocol_factory, sock, sslcontext=None, server=None, backlog=100,
                       ssl_handshake_timeout=constants.SSL_HANDSHAKE_TIMEOUT,
                       ssl_shutdown_timeout=None, context=None):
        arguments = None
        if sslcontext is not None:
            timeouts = {"ssl_handshake_timeout": ssl_handshake_timeout}
            if ssl_shutdown_timeout is not None:
                timeouts["ssl_shutdown_timeout"] = ssl_shutdown_timeout
            arguments = sslcontext, timeouts
        # Connections run in copies of the context in which _listen() is called. Python 3.15 gives
        # that in which the server was made.
        self._listeners[sock.fileno()] = call_in(context, self._listen, sock, protocol_factory,
                                                 server, arguments)

    def _stop_serving(self, sock):
        fd = sock.fileno()
        path_inode = self._unix_server_sockets.pop(sock, None)
        path = sock.getsockname() if path_inode is not None else None
        listener = self._listeners.pop(fd, None)
        if listener is not None:
            listener.stop()
        else:
            sock.close()
        if path is not None:
            self._remove_unix_path(path, path_inode)

    @staticmethod
    def _remove_unix_path(path, inode):
        """Removes the file of a Unix server, unless another one has taken its place."""
        try:
            if os.stat(path).st_ino == inode:
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as err:
            logger.error("Unable to clean up listening UNIX socket %r: %r", path, err)

    def _accept_ssl(self, fd, protocol_factory, server, arguments):
        """Called by a listener for a connection with TLS; fd is taken."""
        conn = socket.socket(fileno=fd)
        conn.setblocking(False)
        self.create_task(self._set_up_ssl(conn, protocol_factory, server, *arguments))

    async def _set_up_ssl(self, conn, protocol_factory, server, sslcontext, timeouts):
        protocol = transport = None
        try:
            protocol = protocol_factory()
            waiter = self.create_future()
            transport = self._make_ssl_transport(conn, protocol, sslcontext, waiter=waiter,
                                                 server_side=True, server=server, **timeouts)
            try:
                await waiter
            except BaseException:
                transport.close()
                raise
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            if transport is None:
                conn.close()
            if self._debug:
                context = {"message": "Error on transport creation for incoming connection",
                           "exception": exc}
                if protocol is not None:
                    context["protocol"] = protocol
                if transport is not None:
                    context["transport"] = transport
                self.call_exception_handler(context)

    # --- Unix sockets: asyncio's ---

    create_unix_connection = _UnixLoop.create_unix_connection
    create_unix_server = _UnixLoop.create_unix_server

    # --- sockets of the program ---

    async def sock_connect(self, sock, address):
        """Connect a socket; a host name is looked up first."""
        base_events._check_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            resolved = await self._ensure_resolved(
                address, family=sock.family, type=sock.type, proto=sock.proto, loop=self)
            address = resolved[0][4]
        await self._sock_connect(sock, address)

    # --- files ---

    async def _sock_sendfile_native(self, sock, file, offset, count):
        try:
            fileno = file.fileno()
            size = os.fstat(fileno).st_size
        except (AttributeError, OSError, ValueError) as err:
            raise exceptions.SendfileNotAvailableError("not a regular file") from err
        if not size:
            return 0  # an empty file
        sent_bytes = 0
        try:
            while count is None or sent_bytes < count:
                block = 2**30 if count is None else min(count - sent_bytes, 2**30)
                try:
                    sent = os.sendfile(sock.fileno(), fileno, offset, block)
                except (BlockingIOError, InterruptedError):
                    await self._sock_writable(sock)
                    continue
                except OSError as exc:
                    if exc.errno == errno.ENOTCONN and type(exc) is not ConnectionError:
                        # Some systems say so where a peer has gone.
                        raise ConnectionError("socket is not connected", errno.ENOTCONN) from exc
                    if sent_bytes == 0:
                        # The caller may be able to send by reading and writing.
                        raise exceptions.SendfileNotAvailableError(
                            "os.sendfile call failed") from exc
                    raise
                if sent == 0:
                    break
                offset += sent
                sent_bytes += sent
        finally:
            if sent_bytes or _SENDFILE_MOVES:
                os.lseek(fileno, offset, os.SEEK_SET)
        return sent_bytes

    async def _sendfile_native(self, transp, file, offset, count):
        resume_reading = transp.is_reading()
        transp.pause_reading()
        await transp._make_empty_waiter()
        try:
            # The engine knows the transport's descriptor: a copy can be waited for beside it.
            with socket.socket(fileno=os.dup(transp._sock_fd)) as copy:
                copy.setblocking(False)
                return await self.sock_sendfile(copy, file, offset, count, fallback=False)
        finally:
            transp._reset_empty_waiter()
            if resume_reading:
                transp.resume_reading()

    # --- subprocesses ---

    async def _make_subprocess_transport(self, protocol, args, shell, stdin, stdout, stderr,
                                         bufsize, extra=None, **kwargs):
        if not self._debug and self._spawns():
            # Made first, so that after the start little memory is needed.
            transport = SpawnedTransport(self, protocol, args, extra)
            started = self._spawn(args, shell, stdin, stdout, stderr, kwargs)
            if started is not None:
                transport._begin(*started)
                return await self._attach(transport)
        waiter = self.create_future()
        transport = SubprocessTransport(self, protocol, args, shell, stdin, stdout, stderr,
                                        bufsize, waiter=waiter, extra=extra, **kwargs)
        self._watch_process(transport)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    def _spawns(self):
        """Whether nobody has replaced what a process is started with, to see or change it."""
        return (subprocess.Popen is _Popen and _Popen.__init__ is _popen_init and
                self.__dict__.keys().isdisjoint(_PIPE_METHODS))

    async def _attach(self, transport):
        """Tells the protocol of a process that it has begun."""
        try:
            self.call_soon(transport._protocol.connection_made, transport)
            transport._pending_calls = None
            await _next_turn()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            if transport._pending_calls is not None:  # its protocol knows nothing of it
                transport._protocol = protocols.SubprocessProtocol()
                transport._pending_calls = None
            transport.close()
            await transport._wait()
            raise
        return transport

    def _watch_process(self, transport, fd=-1):
        """Has transport._process_exited() called when its process has ended. fd: its pidfd, which
        is taken unless this raises."""
        pid = transport.get_pid()
        try:
            if fd < 0:
                fd = os.pidfd_open(pid)
            self._watch_child(fd, transport)
        except OSError:  # a kernel without pidfd, or none is left: a thread waits
            threading.Thread(target=self._wait_in_thread, args=(pid, transport), daemon=True,
                             name=f"waitpid-{pid}").start()
            if fd >= 0:
                os.close(fd)

    def _process_ended(self, transport):
        """Called by the extension where it could not reap a process that has ended."""
        transport._process_exited(_wait_for(transport.get_pid(), transport._proc))

    def _wait_in_thread(self, pid, transport):
        code = _wait_for(pid, transport._proc)
        try:
            self.call_soon_threadsafe(transport._process_exited, code)
        except RuntimeError:
            logger.warning("Loop %r that handles pid %r is closed", self, pid)


@types.coroutine
def _next_turn():
    """Awaited by a task: its next step comes behind what is ready."""
    yield


def _wait_for(pid, proc):
    """Reaps a process that has ended, and returns its exit code."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        if proc.returncode is not None:
            return proc.returncode  # its poll() or wait() was called
        logger.warning("child process pid %d exit status already read: "
                       " will report returncode 255", pid)
        return 255
    return os.waitstatus_to_exitcode(status)


class SubprocessTransport(base_subprocess.BaseSubprocessTransport):
    """The transport of a process that subprocess.Popen has started."""

    def _start(self, args, shell, stdin, stdout, stderr, bufsize, **kwargs):
        self._proc = subprocess.Popen(args, shell=shell, stdin=stdin, stdout=stdout,
                                      stderr=stderr, universal_newlines=False, bufsize=bufsize,
                                      **kwargs)


class _Child:
    """What a transport needs of a Popen object, until a program asks for one."""

    __slots__ = ("pid", "returncode")

    def __init__(self):
        self.pid = self.returncode = None

    def poll(self):
        """Tells whether the process has ended; it is reaped later."""
        if self.returncode is None:
            try:
                if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None
            except ChildProcessError:  # somebody else has reaped it
                pass
            return 0
        return self.returncode

    def send_signal(self, number):
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class _Waiters(set):
    """For BaseSubprocessTransport, which has a list up to Python 3.13."""

    append = set.add


class SpawnedTransport(base_subprocess.BaseSubprocessTransport):
    """The transport of a process that the extension has started."""

    def __init__(self, loop, protocol, args, extra):
        self._extra = {} if extra is None else extra
        self._closed = True  # until it has begun
        self._finished = False
        self._protocol = protocol
        self._loop = loop
        self._pid = None
        self._proc = _Child()
        self._args = args
        self._returncode = None
        self._exit_waiters = _Waiters()
        self._pending_calls = collections.deque()
        self._pipes = {}

    def _begin(self, pid, pidfd, *pipes):
        """Takes a process, its pidfd and our ends of its pipes; -1: there is none."""
        left = [pidfd, *pipes]
        try:
            self._pid = self._proc.pid = pid
            self._loop._watch_process(self, pidfd)
            left[0], self._closed = -1, False
            for number, fd in enumerate(pipes):
                if fd >= 0:
                    left[number + 1] = -1
                    self._connect_pipe(number, fd)
        except BaseException:
            self._give_up(left)
            raise

    def _give_up(self, left):
        """Ends a process that could not be taken, and closes the descriptors that are left."""
        if self._closed:  # nobody waits for it
            self._proc.kill()
            os.waitpid(self._pid, 0)
        else:
            self.close()
        for fd in left:
            if fd >= 0:
                os.close(fd)

    def _connect_pipe(self, number, fd):
        if number == 0:
            proto = base_subprocess.WriteSubprocessPipeProto(self, number)
            proto.pipe = self._loop._new_write_pipe(fd, proto, None, None)
        else:
            proto = base_subprocess.ReadSubprocessPipeProto(self, number)
            proto.pipe = self._loop._new_read_pipe(fd, proto, None, None)
        self._pipes[number] = proto

    def get_extra_info(self, name, default=None):
        if name == "subprocess" and type(self._proc) is _Child:
            self._extra[name] = self._proc = self._make_popen()
        return super().get_extra_info(name, default)

    def _make_popen(self):
        """Makes the object that Popen() would have made."""
        popen = _Popen.__new__(_Popen)
        files = [proto and proto.pipe.get_extra_info("pipe")
                 for proto in map(self._pipes.get, range(3))]
        popen.__dict__.update(
            args=self._args, pid=self._pid, returncode=self._returncode, stdin=files[0],
            stdout=files[1], stderr=files[2], encoding=None, errors=None, text_mode=None,
            pipesize=-1, _waitpid_lock=threading.Lock(), _input=None,
            _communication_started=False, _sigint_wait_secs=0.25, _closed_child_pipe_fds=True,
            _child_created=True)
        return popen


_core.SocketTransport._start_tls_compatible = True
_core.SocketTransport._sendfile_compatible = constants._SendfileMode.TRY_NATIVE
