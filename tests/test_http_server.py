#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the program http_server of a build folder: what it accepts, refuses and survives.

REQUESTS is the table of raw requests and the statuses that they must get. curl, wrk and ab are
clients that others wrote; one that is missing is skipped by name. Each test function has one
sentence that says which promise it holds. Everything runs on the loopback interface.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from harness import Skip, run_functions

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
HTTP_SERVER = os.path.join(BUILD, "examples", "http_server")
LIMIT = 300.0  # seconds: for a server that hangs, not for a slow machine
HOST = b"Host: x\r\n"

# What it is, the bytes, and the statuses of all responses until the server closes the connection.
# Where a second request follows, its status shows that the first one ended where it should.
NEXT = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"
REQUESTS = [
    ("a request", b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    ("two requests at once", NEXT * 2, [200, 200]),
    ("empty lines before a request", b"\r\n\r\n" + NEXT, [200]),
    ("HTTP/1.0 without a host", b"GET / HTTP/1.0\r\n\r\n" + NEXT, [200]),
    ("HTTP/1.0 that stays", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + NEXT, [200, 200]),
    ("a connection to close", b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x, Close\r\n\r\n" + NEXT,
     [200]),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", [200]),
    ("a whole URL", b"GET http://x/plaintext?y HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    ("a URL without a path", b"GET http://x HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    ("a URL without a host", b"GET http:///x HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("HEAD", b"HEAD /bytes/9 HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, [200, 200]),

    ("nothing", b"", []),
    ("half a request", b"GET / HTTP/1.1\r\nHost:", []),
    ("no HTTP", b"nonsense\r\n\r\n", [400]),
    ("no version", b"GET /\r\n\r\n", [400]),
    ("no target", b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("two spaces", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a space in the target", b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a space behind the version", b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", [400]),
    ("a space before the method", b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a tab for a space", b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a target that is no path", b"GET x HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a fragment", b"GET /#x HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a byte above 127", b"GET /\xc3\xb6 HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a NUL in the target", b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("a NUL in a field", b"GET / HTTP/1.1\r\n" + HOST + b"X: \0\r\n\r\n", [400]),
    ("HTTP in small letters", b"GET / http/1.1\r\n" + HOST + b"\r\n", [400]),
    ("HTTP/0.9", b"GET / HTTP/0.9\r\n\r\n", [505]),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", [505]),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    ("a version of three numbers", b"GET / HTTP/1.1.1\r\n" + HOST + b"\r\n", [400]),
    ("a long version", b"GET / HTTP/1.11\r\n" + HOST + b"\r\n", [400]),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", [400]),
    ("a method that is none", b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", [501]),
    ("a method in small letters", b"get / HTTP/1.1\r\n" + HOST + b"\r\n", [501]),
    ("a method that is not allowed", b"DELETE / HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, [405, 200]),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    ("CONNECT", b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n", [405]),

    ("no host", b"GET / HTTP/1.1\r\n\r\n", [400]),
    ("two hosts", b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n", [400]),
    ("a host with a path", b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", [400]),
    ("lines with a bare LF", b"GET / HTTP/1.1\nHost: x\n\n", [400]),
    ("one line with a bare LF", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\nZ: z\r\n\r\n", [400]),
    ("an end with a bare LF", b"GET / HTTP/1.1\r\n" + HOST + b"\n", [400]),
    ("a bare CR in a field", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\rZ: z\r\n\r\n", [400]),
    ("a folded field", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n", [400]),
    ("a folded first field", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", [400]),
    ("a space before the colon", b"GET / HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n", [400]),
    ("a field without a name", b"GET / HTTP/1.1\r\n" + HOST + b": y\r\n\r\n", [400]),
    ("a field without a colon", b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n", [400]),
    ("a name with a parenthesis", b"GET / HTTP/1.1\r\n" + HOST + b"X(: y\r\n\r\n", [400]),
    ("a DEL in a field", b"GET / HTTP/1.1\r\n" + HOST + b"X: \x7f\r\n\r\n", [400]),
    ("bytes above 127 in a field", b"GET / HTTP/1.1\r\n" + HOST + b"X: \xff\r\n\r\n", [200]),
    ("an expectation", b"GET / HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", [417]),

    ("a long target", b"GET /%s HTTP/1.1\r\n" % (b"x" * 5000) + HOST + b"\r\n", [414]),
    ("a first line without an end", b"GET /" + b"x" * 20000, [414]),
    ("a long field", b"GET / HTTP/1.1\r\nX: " + b"x" * 70000, [431]),
    ("many fields", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", [431]),
    ("as many fields as may be", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 99 + b"\r\n", [200]),

    ("a body", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + NEXT,
     [200, 200]),
    ("a body that nobody wants",
     b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + NEXT, [200, 200]),
    ("a body with a method that is not allowed",
     b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + NEXT, [405, 200]),
    ("an empty body", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n" + NEXT,
     [200, 200]),
    ("a body without a length", b"POST /echo HTTP/1.1\r\n" + HOST + b"\r\n", [411]),
    ("half a body", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nabc", []),
    ("a body that is too large",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n", [413]),
    ("a body as large as it may be",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, [200]),
    ("a length beyond 64 bits",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 18446744073709551617\r\n\r\nx", [400]),
    ("a negative length", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", [400]),
    ("a length with a sign",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", [400]),
    ("a length in hexadecimal",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc", [400]),
    ("an empty length", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n", [400]),
    ("a list of lengths",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc", [400]),
    ("two lengths", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n" * 2 + b"\r\nabc",
     [400]),
    ("an expected continue",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     [100, 200]),
    ("an expected continue of nothing that is wanted",
     b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 36\r\n\r\n" + NEXT,
     [200]),
]

CHUNKED = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
REQUESTS += [
    ("chunks", CHUNKED + b"\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n" + NEXT, [200, 200]),
    ("trailers", CHUNKED + b"\r\n1\r\nx\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n" + NEXT,
     [200, 200]),
    ("chunks and a length", CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("a length and chunks",
     b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\n\r\n" + NEXT, [400]),
    ("chunks twice", CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunks in HTTP/1.0", CHUNKED.replace(b"/1.1", b"/1.0") + b"\r\n0\r\n\r\n" + NEXT, [400]),
    ("another coding", CHUNKED.replace(b"chunked", b"gzip, chunked") + b"\r\n0\r\n\r\n", [501]),
    ("a coding with a vertical tab", CHUNKED.replace(b": chunked", b":\x0bchunked") + b"\r\n",
     [400]),
    ("no coding", CHUNKED.replace(b"chunked", b"identity") + b"\r\n0\r\n\r\n", [501]),
    ("chunks in large letters", CHUNKED.replace(b"chunked", b"CHUNKED") + b"\r\n0\r\n\r\n" + NEXT,
     [200, 200]),
    ("a chunk without a size", CHUNKED + b"\r\n\r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's size that is no number", CHUNKED + b"\r\nxyz\r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's size with 0x", CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's size with a sign", CHUNKED + b"\r\n+3\r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's size with a space", CHUNKED + b"\r\n3 \r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's size beyond 64 bits", CHUNKED + b"\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
     [400]),
    ("a chunk's line with a bare LF", CHUNKED + b"\r\n3\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's line with a bare CR", CHUNKED + b"\r\n3;\rx\r\nabc\r\n0\r\n\r\n", [400]),
    ("a chunk's line that is too long", CHUNKED + b"\r\n3;" + b"x" * 300 + b"\r\n", [400]),
    ("a chunk that is longer than its size", CHUNKED + b"\r\n3\r\nabcd\r\n0\r\n\r\n", [400]),
    ("a chunk that ends with a bare LF", CHUNKED + b"\r\n3\r\nabc\n0\r\n\r\n", [400]),
    ("chunks that are too large together", CHUNKED + b"\r\n" + b"1F4\r\n%s\r\n" % (b"x" * 500) * 3,
     [413]),
    ("a chunk that is too large", CHUNKED + b"\r\nffffffffffffff0\r\n", [413]),
    ("many trailers", CHUNKED + b"\r\n0\r\n" + b"X: y\r\n" * 101 + b"\r\n", [431]),
    ("chunks without an end", CHUNKED + b"\r\n3\r\nabc\r\n", []),
]


@contextlib.contextmanager
def http_server(*arguments, status=0):
    """Runs the server; returns its port and its process. Ends it by SIGTERM and wants 0."""
    process = subprocess.Popen([HTTP_SERVER, "--port", "0", *arguments], stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        yield int(line.split()[2]), process
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == status, process.returncode
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive_all(connection):
    response = b""
    while piece := connection.recv(65536):
        response += piece
    return response


def talk(port, request, pieces=1):
    """Sends bytes in that many pieces, and the end; returns all that the server sends."""
    with connect(port) as connection:
        size = max(1, len(request) // pieces)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for begin in range(0, len(request), size):
                connection.sendall(request[begin:begin + size])
            connection.shutdown(socket.SHUT_WR)
        return receive_all(connection)


def get(port, path, *fields, method=b"GET"):
    """Requests a path; returns the status, the fields in small letters and the body."""
    request = b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % (method, path)
    response = talk(port, request + b"".join(field + b"\r\n" for field in fields) + b"\r\n")
    head, _, body = response.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    named = dict(line.split(b": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), {name.lower(): value for name, value in named.items()}, body


def statuses(response):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z ]+\r\n",
                                                 response)]


def test_requests_get_their_statuses():
    """Each row of the table gets its statuses, in one piece and in many."""
    wrong = []
    with http_server("--max-body", "1000") as (port, _):
        for name, request, expected in REQUESTS:
            for pieces in (1, 7):
                got = statuses(talk(port, request, pieces))
                if got != expected:
                    wrong.append("%s, in %d: %s, not %s" % (name, pieces, got, expected))
    assert not wrong, "\n".join(wrong)


def test_a_refusal_closes_and_says_so():
    """What follows a refused request is never taken for another one."""
    with http_server() as (port, _):
        response = talk(port, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + NEXT)
        assert statuses(response) == [400] and b"Connection: close\r\n" in response, response
        status, fields, _ = get(port, b"/", method=b"PUT")
        assert status == 405 and fields[b"allow"] == b"GET, HEAD", fields
        status, fields, _ = get(port, b"/echo")
        assert status == 405 and fields[b"allow"] == b"POST", fields


def test_a_client_that_still_sends_gets_the_refusal():
    """What comes after a refusal is dropped, and does not reset the connection."""
    with http_server() as (port, _), connect(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        select.select([connection], [], [], LIMIT)
        for _ in range(3):
            connection.sendall(b"more" * 1000)
            time.sleep(0.05)  # a reset would come now, and nothing says that none does
        connection.shutdown(socket.SHUT_WR)
        assert statuses(receive_all(connection)) == [400]


def test_a_body_comes_back():
    """Sized and chunked bodies are received whole, over many reads."""
    body = os.urandom(300000)
    with http_server() as (port, _):
        for head, sent in (
                (b"Content-Length: %d\r\n" % len(body), body),
                (b"Transfer-Encoding: chunked\r\n",
                 b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7777]), body[i:i + 7777])
                          for i in range(0, len(body), 7777)) + b"0\r\n\r\n")):
            response = talk(port, b"POST /echo HTTP/1.1\r\n" + HOST + head + b"\r\n" + sent + NEXT)
            assert response.partition(b"\r\n\r\n")[2][:len(body)] == body
            assert statuses(response[-400:])[-1:] == [200] and b"Hello, World!" in response[-20:]


@contextlib.contextmanager
def folder():
    """A root with files, links and special files, beside a secret."""
    with tempfile.TemporaryDirectory() as parent:
        root = os.path.join(parent, "root")
        os.makedirs(os.path.join(root, "sub", "deep"))
        for name, body in (("root/a.txt", b"0123456789"), ("root/index.html", b"<p>"),
                           ("root/empty", b""), ("root/with space", b"space"),
                           ("root/large.bin", bytes(range(256)) * 8192), ("secret", b"secret")):
            with open(os.path.join(parent, name), "wb") as file:
                file.write(body)
        os.symlink("a.txt", os.path.join(root, "inside"))
        os.symlink("../secret", os.path.join(root, "outside"))
        os.symlink(os.path.join(parent, "secret"), os.path.join(root, "absolute"))
        os.symlink("..", os.path.join(root, "up"))
        os.symlink("loop", os.path.join(root, "loop"))
        os.mkfifo(os.path.join(root, "fifo"))
        yield root


def test_files_and_types():
    """Files come whole, with a type by their ending, a folder by its index.html."""
    with folder() as root, http_server("--root", root) as (port, _):
        status, fields, body = get(port, b"/a.txt")
        assert (status, body) == (200, b"0123456789"), (status, body)
        assert fields[b"content-type"].startswith(b"text/plain"), fields
        assert fields[b"accept-ranges"] == b"bytes" and b"date" in fields, fields
        for path in (b"/", b"//", b"/index.html", b"/?query"):
            status, fields, body = get(port, path)
            assert (status, body) == (200, b"<p>"), (path, status)
            assert fields[b"content-type"].startswith(b"text/html"), fields
        assert get(port, b"/large.bin")[2] == bytes(range(256)) * 8192
        assert get(port, b"/with%20space")[2] == b"space"
        assert get(port, b"/empty")[0::2] == (200, b"")
        status, fields, body = get(port, b"/a.txt", method=b"HEAD")
        assert (status, fields[b"content-length"], body) == (200, b"10", b"")
        status, fields, _ = get(port, b"//sub?x")
        assert (status, fields[b"location"]) == (301, b"/sub/?x"), fields
        assert get(port, b"/sub/")[0] == 404
        assert get(port, b"/a.txt", method=b"POST")[0] == 405


def test_no_path_leads_out_of_the_root():
    """Dots, encoded dots, backslashes, NULs, links and special files lead to no file outside."""
    with folder() as root, http_server("--root", root) as (port, _):
        for path in (b"/../secret", b"/sub/../../secret", b"/%2e%2e/secret", b"/.%2e/secret",
                     b"/..%2fsecret", b"/sub/..%2f..%2fsecret", b"/..%5csecret", b"/..\\secret",
                     b"/%2e%2e%2fsecret", b"/%252e%252e/secret", b"/a.txt/../../secret",
                     b"/outside", b"/absolute", b"/up/secret", b"/up/", b"/loop", b"/fifo",
                     b"/a.txt/", b"/a.txt/x", b"/a.txt%00", b"/%00", b"/%", b"/%2", b"/%zz",
                     b"//../secret", b"/./../secret", b"/sub/..", b"/..", b"/none",
                     b"/" + b"x" * 300, b"/" + b"x/" * 2000,
                     b"/proc/self/root/" + os.path.dirname(root).encode() + b"/secret"):
            status, _, body = get(port, path)
            assert status in (400, 403, 404) and b"secret" not in body, (path, status, body)


def test_ranges():
    """One range gives that part, one behind the end 416, what is no range the whole file."""
    with folder() as root, http_server("--root", root) as (port, _):
        for value, status, body, field in (
                (b"bytes=0-3", 206, b"0123", b"bytes 0-3/10"),
                (b"bytes=4-", 206, b"456789", b"bytes 4-9/10"),
                (b"bytes=9-99999999999999999999", 206, b"9", b"bytes 9-9/10"),
                (b"bytes=-4", 206, b"6789", b"bytes 6-9/10"),
                (b"bytes=-99", 206, b"0123456789", b"bytes 0-9/10"),
                (b"bytes=10-", 416, b"416 Range Not Satisfiable\n", b"bytes */10"),
                (b"bytes=%d-" % 10**20, 416, b"416 Range Not Satisfiable\n", b"bytes */10"),
                (b"bytes=-0", 416, b"416 Range Not Satisfiable\n", b"bytes */10")):
            got, fields, got_body = get(port, b"/a.txt", b"Range: " + value)
            assert (got, got_body, fields[b"content-range"]) == (status, body, field), (value, got)
        for value in (b"bytes=3-2", b"bytes=", b"bytes=-", b"bytes=a-b", b"lines=0-1", b"bytes=0",
                      b"bytes=0-1,3-4", b"bytes= 0-1", b"bytes=--1", b"bytes=0-1x"):
            got, _, got_body = get(port, b"/a.txt", b"Range: " + value)
            assert (got, got_body) == (200, b"0123456789"), (value, got)
        assert get(port, b"/a.txt", b"Range: bytes=0-3", method=b"HEAD")[0] == 200
        assert get(port, b"/empty", b"Range: bytes=0-")[0] == 416
        large = get(port, b"/large.bin", b"Range: bytes=1000001-2000000")
        assert large[2] == (bytes(range(256)) * 8192)[1000001:2000001], large[1]
        etag, modified = (get(port, b"/a.txt")[1][name] for name in (b"etag", b"last-modified"))
        for value, status in ((etag, 206), (modified, 206), (b'"other"', 200), (b"W/" + etag, 200),
                              (b"Sun, 06 Nov 1994 08:49:37 GMT", 200)):
            got = get(port, b"/a.txt", b"Range: bytes=0-3", b"If-Range: " + value)[0]
            assert got == status, (value, got)


def test_conditional_requests():
    """A client that has the file gets 304, by its entity tag first, else by its date."""
    with folder() as root, http_server("--root", root) as (port, _):
        _, fields, _ = get(port, b"/a.txt")
        etag, modified = fields[b"etag"], fields[b"last-modified"]
        old, new = b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 2094 08:49:37 GMT"
        for conditions, status in (
                ([b"If-None-Match: " + etag], 304), ([b"If-None-Match: W/" + etag], 304),
                ([b'If-None-Match: "x", W/"y" , ' + etag], 304), ([b"If-None-Match: *"], 304),
                ([b'If-None-Match: "x"'], 200), ([b"If-None-Match: x"], 200),
                ([b'If-None-Match: "'], 200), ([b"If-None-Match:"], 200),
                ([b"If-Modified-Since: " + modified], 304), ([b"If-Modified-Since: " + new], 304),
                ([b"If-Modified-Since: " + old], 200), ([b"If-Modified-Since: never"], 200),
                ([b"If-Modified-Since: " + new + b"x"], 200),
                ([b'If-None-Match: "x"', b"If-Modified-Since: " + new], 200),
                ([b"If-None-Match: " + etag, b"If-Modified-Since: " + old], 304),
                ([b"If-None-Match: " + etag, b"Range: bytes=0-3"], 304)):
            got, fields, body = get(port, b"/a.txt", *conditions)
            assert got == status and (status == 200) == (body != b""), (conditions, got)
            assert fields[b"etag"] == etag, fields
        with open(os.path.join(root, "a.txt"), "ab") as file:
            file.write(b"more")
        assert get(port, b"/a.txt", b"If-None-Match: " + etag)[0] == 200


def test_time_limits():
    """Head, body and idle time have their limits, and the client is told where it began."""
    with http_server("--idle-timeout", "0.2", "--request-timeout", "0.2", "--body-timeout",
                     "0.2") as (port, _):
        for request, expected in (
                (b"", []), (NEXT, [200]), (b"GET / HTTP/1.1\r\n", [408]), (NEXT + b"G", [200, 408]),
                (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nab", [408]),
                (CHUNKED + b"\r\n3\r\n", [408])):
            with connect(port) as connection:
                connection.sendall(request)
                assert statuses(receive_all(connection)) == expected, request


def test_a_client_that_does_not_read_is_dropped():
    """A response that nobody takes ends with its time limit, by files and by pages."""
    with folder() as root:
        with open(os.path.join(root, "huge"), "wb") as file:
            file.truncate(1 << 30)
        for arguments, path in ((["--root", root], b"/huge"), ([], b"/bytes/1000000000")):
            with http_server("--send-timeout", "0.2", *arguments) as (port, _), \
                    connect(port) as connection:
                connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                time.sleep(1.0)  # the real time of the server's limit: it has no clock of ours
                received = 0
                with contextlib.suppress(ConnectionResetError):
                    while piece := connection.recv(1 << 20):
                        received += len(piece)
                assert received < 1000000000, received


def test_half_open_peers_do_not_stop_others():
    """Hundreds of clients that send a byte now and then, or nothing, leave the server usable."""
    with http_server("--workers", "2") as (port, _), contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(port)) for _ in range(300)]
        for i, peer in enumerate(peers):
            peer.sendall((b"", b"GET / HTTP/1.1\r\nX: ", b"POST /echo HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 9\r\n\r\nx")[i % 3])
        for _ in range(3):
            for peer in peers[1::3]:
                peer.sendall(b"y")
            assert get(port, b"/plaintext")[2] == b"Hello, World!"


def test_the_limit_of_connections():
    """Clients beyond the limit wait until others close."""
    with http_server("--max-connections", "2", "--idle-timeout", "60") as (port, _):
        first, second, third = connect(port), connect(port), connect(port)
        for connection in (first, second, third):
            connection.sendall(NEXT)
        assert b"Hello" in first.recv(4096) and b"Hello" in second.recv(4096)
        third.settimeout(0.3)
        try:
            raise AssertionError(third.recv(4096))
        except TimeoutError:
            pass
        first.close()
        third.settimeout(LIMIT)
        assert b"Hello" in third.recv(4096)
        second.close()
        third.close()


def test_a_stop_is_graceful():
    """SIGTERM ends idle connections at once; a request that has begun gets its response."""
    with http_server("--delay", "0.5", "--grace", "60", "--workers", "2") as (port, process):
        idle, busy = connect(port), connect(port)
        busy.sendall(NEXT + NEXT)
        time.sleep(0.2)  # the server has received it: nothing else says so
        process.send_signal(signal.SIGTERM)
        response = receive_all(busy)
        assert statuses(response) == [200] and b"Connection: close" in response, response
        assert idle.recv(1) == b""
        assert process.wait(LIMIT) == 0
        idle.close()
        busy.close()


def test_the_access_log():
    """Each request has a line, and no client can make one of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "log")
        with http_server("--access-log", path, "--workers", "2") as (port, _):
            get(port, b"/plaintext")
            get(port, b'/a"b\\c')
            talk(port, b"nonsense\r\n\r\n")
            get(port, b"/" + b"x" * 3000)
        with open(path, encoding="ascii") as file:
            lines = sorted(file, key=len)
        assert len(lines) == 4, lines
        assert re.fullmatch(r'127\.0\.0\.1 - - \[.*\] "-" 400 16 \d\.\d{6}\n', lines[0]), lines
        assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
                            r'"GET /plaintext HTTP/1\.1" 200 13 \d\.\d{6}\n',
                            min(line for line in lines if "plaintext" in line)), lines
        assert any(r'"GET /a\x22b\x5cc HTTP/1.1" 200' in line for line in lines), lines
        assert all(len(line) < 1024 for line in lines), lines


def test_wrong_options_are_said():
    """An option with a wrong value, and one that does not exist, are named; nothing is served."""
    for arguments, word in ((["--port", "x"], b"--port"), (["--workers", "-1"], b"--workers"),
                            (["--root", "/nonexistent"], b"/nonexistent"), (["x"], b'"x"'),
                            (["--nonsense"], b"nonsense"), (["--host", "192.0.2.1"], b"192.0.2.1")):
        done = subprocess.run([HTTP_SERVER, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=LIMIT, check=False)
        assert done.returncode in (1, 2) and word in done.stderr and not done.stdout, done
    done = subprocess.run([HTTP_SERVER, "--help"], stdout=subprocess.PIPE, timeout=LIMIT,
                          check=True)
    assert b"--max-connections" in done.stdout


def client(name):
    program = shutil.which(name)
    if program is None:
        raise Skip(name + " is not installed")
    return program


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
                          check=True).stdout


def test_curl():
    """curl fetches, resumes, revalidates, uploads with Expect, and reuses its connection."""
    curl = client("curl")
    with folder() as root, http_server("--root", root, "--workers", "2") as (port, _):
        url = "http://127.0.0.1:%d" % port
        part, etag = os.path.join(root, "..", "part"), os.path.join(root, "..", "etag")
        with open(part, "wb") as file:
            file.write((bytes(range(256)) * 8192)[:12345])
        output(curl, "-sSf", "-C", "-", "-o", part, url + "/large.bin")
        with open(part, "rb") as file:
            assert file.read() == bytes(range(256)) * 8192
        for code in (b"200", b"304"):
            assert output(curl, "-sS", "--etag-save", etag, "--etag-compare", etag, "-o",
                          os.devnull, "-w", "%{http_code}", url + "/a.txt") == code
        two = output(curl, "-sS", "-w", "|%{num_connects}|", url + "/a.txt", url + "/inside")
        assert two == b"0123456789|1|0123456789|0|", two
        assert output(curl, "-sS", "--path-as-is", "-o", os.devnull, "-w", "%{http_code}",
                      url + "/../secret") == b"400"
    with http_server() as (port, _), tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(1 << 20))
        file.flush()
        url = "http://127.0.0.1:%d/echo" % port
        for more in ((), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:")):
            back = output(curl, "-sSf", *more, "--data-binary", "@" + file.name, url)
            with open(file.name, "rb") as sent:
                assert back == sent.read()


def test_wrk():
    """wrk's connections get a response to each request, from two workers."""
    wrk = client("wrk")
    with http_server("--workers", "2") as (port, _):
        text = output(wrk, "-t1", "-c50", "-d1", "http://127.0.0.1:%d/plaintext" % port)
        assert b"Socket errors" not in text and b"Non-2xx" not in text, text
        assert int(re.search(rb"(\d+) requests in", text)[1]) > 0, text


def test_ab():
    """ab, which speaks HTTP/1.0, gets every response, with and without a kept connection."""
    ab = client("ab")
    with http_server() as (port, _):
        for more in ((), ("-k",)):
            text = output(ab, "-q", *more, "-n", "2000", "-c", "50",
                          "http://127.0.0.1:%d/plaintext" % port)
            assert b"Complete requests:      2000" in text, text
            assert b"Failed requests:        0" in text and b"Non-2xx" not in text, text
            if more:
                assert b"Keep-Alive requests:    2000" in text, text


if __name__ == "__main__":
    sys.exit(run_functions("test_http_server", globals(), sys.argv[2:]))
