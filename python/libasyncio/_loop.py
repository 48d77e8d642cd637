# SPDX-License-Identifier: MIT
"""The loop: what happens once a run or less; the rest is in the extension (src/python)."""

import errno
import signal
import socket
import sys
from asyncio import base_events, coroutines, events, format_helpers
from asyncio.log import logger
from inspect import iscoroutinefunction, signature

from . import _core, _probe  # noqa: F401  (_probe tells the extension about stock tasks)
from ._network import Network, call_in

_getaddrinfo = socket.getaddrinfo
_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

# In debug mode, reports show the arguments of callbacks since 3.13.
_SHOWS_ARGUMENTS = "debug" in signature(format_helpers._format_callback_source).parameters


class Loop(_core.Loop, Network, base_events.BaseEventLoop):
    """An event loop of asyncio on the engine of libasyncio.

    The extension's methods come first, then the network's; what is rare and the same for every
    loop is BaseEventLoop's: so its words and exceptions are asyncio's own.
    """

    def __init__(self, *, engine=None, clock=None, debug=None):
        # The extension has read engine and clock already.
        self._signal_handlers = {}
        self._init_network()
        base_events.BaseEventLoop.__init__(self)
        self._selector = None
        self._internal_fds = 0
        self._clock_resolution = 1e-9
        self._is_virtual = clock == "virtual"
        if debug is not None:
            self.set_debug(debug)

    if sys.version_info >= (3, 15):
        def _make_socket_transport(self, *args, context=None, **kwargs):
            return call_in(context, super()._make_socket_transport, *args, **kwargs)

    # --- running ---

    def run_forever(self):
        """Run until stop() is called."""
        self._check_closed()
        self._check_running()
        former_hooks = sys.get_asyncgen_hooks()
        former_wakeup = self._set_wakeup()
        self._set_coroutine_origin_tracking(self._debug)
        try:
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook,
                                   finalizer=self._asyncgen_finalizer_hook)
            events._set_running_loop(self)
            self._run()
        finally:
            events._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*former_hooks)
            if former_wakeup is not None:
                signal.set_wakeup_fd(former_wakeup)

    def _set_wakeup(self):
        """Has signals wake this loop, in the main thread. Returns what is to be restored."""
        try:
            former = signal.set_wakeup_fd(-1)
        except ValueError:
            return None  # another thread
        try:
            fd = self._begin_wakeups()
        except OSError:
            fd = -1  # no descriptor is left: signals that interrupt this thread are seen
        signal.set_wakeup_fd(fd if fd >= 0 else former, warn_on_full_buffer=False)
        return former

    def _run_once(self):
        """Run one turn: for tests that know the stock loop."""
        self.stop()
        self._run()

    def _write_to_self(self):
        """Wake the loop."""
        self.call_soon_threadsafe(lambda: None)

    def close(self):
        """Close the loop, and shut its default executor down without waiting."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self._debug:
            logger.debug("Close %r", self)
        self._remove_signal_handlers()
        self._close_network()
        super().close()
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    # The stock loop has a plain attribute.
    _closed = property(lambda self: self.is_closed(), lambda self, value: None)

    def set_debug(self, enabled):
        """Switch debug mode."""
        self._debug = enabled
        self._set_debug(enabled)
        if self.is_running():
            self.call_soon_threadsafe(self._set_coroutine_origin_tracking, self._debug)

    # --- reports ---

    def _callback_failed(self, error, handle):
        """Called by the extension: the callback of a handle has raised."""
        shown = {"debug": True} if self._debug and _SHOWS_ARGUMENTS else {}
        text = format_helpers._format_callback_source(handle._callback, handle._args or (),
                                                      **shown)
        context = {"message": f"Exception in callback {text}", "exception": error,
                   "handle": handle}
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    # --- executors ---

    def run_in_executor(self, executor, func, *args):
        """Run a function in an executor, and return a future of its result."""
        future = super().run_in_executor(executor, func, *args)
        if self._is_virtual:
            # The clock stands still while another thread works for this loop.
            self._count_job(1)
            future.add_done_callback(lambda _: self._count_job(-1))
        return future

    async def shutdown_default_executor(self, *args, **kwargs):
        """Wait for the threads of the default executor to end."""
        jobs = int(self._is_virtual)
        self._count_job(jobs)
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._count_job(-jobs)

    # --- names ---

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        """Find the addresses of a host; a literal address needs no thread."""
        if not self._debug:
            if socket.getaddrinfo is _getaddrinfo:
                found = self._find_literal(host, port, family, type, proto, flags)
                if found is not None:
                    return found
            if self._is_literal(host, port):
                return socket.getaddrinfo(host, port, family, type, proto, flags)
        return await super().getaddrinfo(host, port, family=family, type=type, proto=proto,
                                         flags=flags)

    async def getnameinfo(self, sockaddr, flags=0):
        """Find the names of an address; numbers need no thread."""
        if flags & _NUMERIC == _NUMERIC:
            return socket.getnameinfo(sockaddr, flags)
        return await super().getnameinfo(sockaddr, flags)

    # --- signals ---

    def add_signal_handler(self, sig, callback, *args):
        """Call a callback in the loop when a signal comes."""
        if coroutines.iscoroutine(callback) or iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check_signal(sig)
        self._check_closed()
        try:
            signal.set_wakeup_fd(signal.set_wakeup_fd(-1))
        except (ValueError, OSError) as exc:
            raise RuntimeError(str(exc))
        former = self._signal_handlers.get(sig)
        self._signal_handlers[sig] = self._make_handle(callback, *args)
        try:
            signal.signal(sig, self._on_signal)
            signal.siginterrupt(sig, False)
        except OSError as exc:
            del self._signal_handlers[sig]
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught")
            raise
        if former is not None:
            former.cancel()

    def _on_signal(self, sig, frame):
        """The Python handler of the signals of add_signal_handler()."""
        handle = self._signal_handlers.get(sig)
        if handle is None:
            return
        if handle.cancelled():
            self.remove_signal_handler(sig)
        else:
            self._add_ready(handle)

    def remove_signal_handler(self, sig):
        """End what add_signal_handler() began; return whether there was something."""
        self._check_signal(sig)
        try:
            del self._signal_handlers[sig]
        except KeyError:
            return False
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as exc:
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught")
            raise
        return True

    def _remove_signal_handlers(self):
        if sys.is_finalizing():
            self._signal_handlers.clear()
            return
        for sig in list(self._signal_handlers):
            self.remove_signal_handler(sig)

    @staticmethod
    def _check_signal(sig):
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")


def new_event_loop(*, engine=None, clock=None, debug=None):
    """Makes a loop.

    engine: "epoll", "uring" or "sim"; None: the best there is (or ASYNCIO_ENGINE).
    clock: "monotonic", or "virtual": it begins at 0 and jumps to the next deadline when idle.
    debug: debug mode; None: as for asyncio's loops (PYTHONASYNCIODEBUG, -X dev).
    """
    return Loop(engine=engine, clock=clock, debug=debug)
