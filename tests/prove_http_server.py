#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ten thousand half-open peers beside one that is served: `prove_http_server.py BUILD`.

A third of them sends nothing, a third has sent half a head and sends a byte now and then, a third
half a body. Meanwhile another client requests pages. All of its requests must succeed; its latency
without and with the others is printed, and not judged, since the machine may be busy.
"""

import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

COUNT = 10000
REQUESTS = 2000
REQUEST = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"
BEGINNINGS = (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
              b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")


def latencies(port):
    """Requests pages one after another; returns the seconds of each."""
    seconds = []
    with socket.create_connection(("127.0.0.1", port), timeout=300) as connection:
        for _ in range(REQUESTS):
            began = time.perf_counter()
            connection.sendall(REQUEST)
            response = connection.recv(4096)
            seconds.append(time.perf_counter() - began)
            assert response.endswith(b"Hello, World!"), response
            time.sleep(0.001)
    return seconds


def describe(name, seconds):
    ordered = sorted(seconds)
    print("%s: median %.0f µs, 99 of 100 within %.0f µs" %
          (name, 1e6 * statistics.median(ordered), 1e6 * ordered[len(ordered) * 99 // 100]),
          flush=True)
    return statistics.median(ordered)


def drip(peers, is_over):
    """Sends a byte by one peer after another, about 2,000 a second."""
    while not is_over.is_set():
        for i, peer in enumerate(peers):
            if is_over.is_set():
                return
            if BEGINNINGS[i % 3]:
                peer.send(b"y")
            if i % 20 == 0:
                time.sleep(0.01)


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < COUNT + 100:
        print("skipped: the hard limit of open files is %d" % limit)
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    command = [os.path.join(build, "examples", "http_server"), "--port", "0", "--max-connections",
               "20000", "--idle-timeout", "3600", "--request-timeout", "3600", "--body-timeout",
               "3600", "--grace", "5"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline().split()[2])
        alone = describe("alone", latencies(port))
        with contextlib.ExitStack() as stack:
            peers = []
            for i in range(COUNT):
                peers.append(stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), timeout=300)))
                peers[i].sendall(BEGINNINGS[i % 3])
            quiet = describe("beside %d half-open peers" % COUNT, latencies(port))
            is_over = threading.Event()
            dripping = threading.Thread(target=drip, args=(peers, is_over))
            dripping.start()
            try:
                busy = describe("and they send a byte now and then", latencies(port))
            finally:
                is_over.set()
                dripping.join()
        print("median latency: %.2f times, and %.2f times" % (quiet / alone, busy / alone))
        server.terminate()
        assert server.wait(300) == 0
    finally:
        server.kill()
        server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
