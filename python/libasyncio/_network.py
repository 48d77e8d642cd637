# SPDX-License-Identifier: MIT
"""The network's part of the loop: connections, servers, sockets, pipes, subprocesses."""


class Network:
    """A base of Loop, before asyncio's BaseEventLoop in the order of look-ups."""

    def _close_network(self):
        """Called once by close(), before the C loop is closed."""

    def _ensure_fd_no_transport(self, fd):
        """Raises RuntimeError if a transport of this loop uses the descriptor."""
