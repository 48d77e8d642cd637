#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openssl's client and server beside ours, through a proxy that cuts the connection at bytes of the
handshake in either direction, on the engine of ASYNCIO_ENGINE.

    test_tls_cuts.py BUILD [STEP]     every STEP-th byte (1 with ASYNCIO_TEST_LONG=1)

Both programs must end, ours with an error that is documented, and the server serves the next
client. Each connection has a client's process of its own: test_ssl_proxy.c cuts at each byte.
"""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from harness import Failure, Skip, own_port, run_tests
from test_tls_peers import EXAMPLES, Files, find, started

STEP = int(sys.argv[2]) if len(sys.argv) > 2 else 1 if os.environ.get("ASYNCIO_TEST_LONG") else 71
LIMIT = 120.0  # seconds for one client: for one that hangs, not for a slow machine
ERRORS = ("ECONNRESET", "SSLEOFError", "EPIPE", "IncompleteReadError")
VERSIONS = ("-tls1_2", "-tls1_3")


class Proxy:
    """Passes bytes on, up to a number of them in one direction; then both connections end."""

    def __init__(self, target):
        self.target = target
        self.cut = None  # (direction, bytes): 0 is from the client
        self.is_reset = False
        self.passed = [0, 0]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Serves one connection after the other, each in two threads."""
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            self.passed = passed = [0, 0]
            for direction, ends in enumerate(((client, server), (server, client))):
                threading.Thread(target=self.pass_on, daemon=True,
                                 args=(direction, *ends, passed, self.cut)).start()

    def pass_on(self, direction, source, sink, passed, cut):
        """Passes bytes of one direction until its end, or until they are cut."""
        with contextlib.suppress(OSError):
            while True:
                room = 65536
                if cut and cut[0] == direction:
                    room = cut[1] - passed[direction]
                    if room == 0:
                        break
                data = source.recv(room)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                passed[direction] += len(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                if self.is_reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Cuts:
    """The tests; each method is one."""

    def __init__(self, files):
        self.files = files

    def s_client(self, proxy, version, text="hello\n"):
        """Runs openssl s_client; returns its exit status and what it prints."""
        done = subprocess.run(
            [find("openssl"), "s_client", "-connect", f"127.0.0.1:{proxy.port}", version,
             "-CAfile", self.files.ca, "-verify_return_error"], input=text, capture_output=True,
            text=True, timeout=LIMIT, errors="replace", check=False)
        return done.returncode, done.stdout + done.stderr

    def tls_client(self, proxy):
        """Runs our client; returns its exit status and what it prints."""
        done = subprocess.run(
            [os.path.join(EXAMPLES, "tls_client"), "localhost", str(proxy.port), "hello",
             self.files.ca], capture_output=True, text=True, timeout=LIMIT, check=False)
        return done.returncode, done.stdout + done.stderr

    def cut_everywhere(self, proxy, run, check):
        """Runs a client uncut, then cut at bytes of either direction, then uncut."""
        status, text = run()
        if status != 0:
            raise Failure(f"uncut: {status}: {text}")
        counts = list(proxy.passed)
        for direction in (0, 1):
            for place in range(0, counts[direction], STEP):
                proxy.cut = (direction, place)
                proxy.is_reset = not proxy.is_reset
                check(place, *run())
        proxy.cut = None
        status, text = run()
        if status != 0:
            raise Failure(f"uncut, behind all others: {status}: {text}")

    def echo_server(self):
        return started(os.path.join(EXAMPLES, "echo_server"), "0", "--tls-cert", self.files.cert,
                       "--tls-key", self.files.key, first_line=True)

    def test_s_client(self):
        """A server of ours serves on, wherever s_client's connection is cut."""
        with self.echo_server() as port:
            for version in VERSIONS:
                proxy = Proxy(port)
                self.cut_everywhere(proxy, lambda: self.s_client(proxy, version),
                                    lambda place, status, text: None)

    def test_renegotiation(self):
        """A client that asks for a renegotiation is refused, and others are served."""
        with self.echo_server() as port:
            proxy = Proxy(port)
            self.s_client(proxy, "-tls1_2", "hello\nR\nR\n")
            status, text = self.s_client(proxy, "-tls1_2")
            if status != 0 or "Verify return code: 0 (ok)" not in text:
                raise Failure(text)

    def test_s_server(self):
        """A client of ours ends with an error that says so, wherever s_server's is cut."""
        def check(place, status, text):
            if status != 0 and not any(name in text for name in ERRORS):
                raise Failure(f"cut at byte {place}: {status}: {text}")

        for version in VERSIONS:
            with own_port() as port, \
                    started("openssl", "s_server", "-accept", str(port), version, "-cert",
                            self.files.cert, "-key", self.files.key, "-rev", "-quiet", port=port):
                proxy = Proxy(port)
                self.cut_everywhere(proxy, lambda: self.tls_client(proxy), check)


def main():
    if os.environ.get("ASYNCIO_ENGINE") == "sim":
        raise Skip("the simulated engine has no sockets")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        cuts = Cuts(Files(folder))
        return run_tests("tls_cuts", [(name, getattr(cuts, name)) for name in dir(Cuts)
                                      if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
