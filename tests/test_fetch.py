#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the programs fetch and http_server of a build folder, on the engine of ASYNCIO_ENGINE.

Small servers in threads here say what a bad server would say; nginx serves ten thousand files.
Each test function has one sentence that says which promise it holds. Everything runs on the
loopback interface, and every program that is started is bounded in time.
"""

import collections
import contextlib
import gzip
import hashlib
import json
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from harness import Skip, own_port, run_functions

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
FETCH = os.path.join(BUILD, "examples", "fetch")
HTTP_SERVER = os.path.join(BUILD, "examples", "http_server")
LIMIT = 500.0  # seconds for one run of a program: for one that hangs, not for a slow machine
PATIENCE = "400"  # seconds that fetch may wait for a response that is certain to come

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """A server whose connections each run respond(connection, request, number of the request)."""

    def __init__(self, respond, keep=False):
        self.respond, self.keep = respond, keep
        self.connections = self.requests = self.now = self.most = 0
        self.paths = collections.Counter()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(LIMIT)
            stream = connection.makefile("rb")
            while True:
                if stream.peek(1)[:1] == b"\x16":  # a TLS client; this is no TLS server
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
                first = stream.readline().split()
                if not first:
                    return
                while stream.readline().strip():
                    pass
                path = first[1].decode()
                with self.lock:
                    self.paths[path] += 1
                    self.requests += 1
                    number = self.requests
                    self.now += 1
                    self.most = max(self.most, self.now)
                try:
                    self.respond(connection, path, number)
                finally:
                    with self.lock:
                        self.now -= 1
                if not self.keep:
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def says(*pieces, delay=0.0):
    """Makes a response of pieces, sent one by one."""
    def respond(connection, _path, _number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(delay)
    return respond


def run(*arguments, stdin=b"", **options):
    return subprocess.run([FETCH, "--timeout", PATIENCE, *arguments], input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT,
                          check=False, **options)


def fetch(*arguments, status=None, **options):
    """Runs fetch --json; returns the list."""
    done = run("--json", *arguments, **options)
    pages = json.loads(done.stdout.decode())
    failed = any("error" in page or page["status"] >= 400 for page in pages) or not pages
    expected = int(failed) if status is None else status
    assert done.returncode == expected, (done.returncode, expected, done.stderr[-2000:])
    return pages


def fails(respond, word, *arguments):
    """Checks that a server's response is a failure whose message holds a word; returns the page."""
    with Server(respond) as server:
        page, = fetch("--retries", "0", *arguments, server.url + "/", status=1)
    assert word in page["error"], page
    return page


@contextlib.contextmanager
def http_server(*arguments):
    process = subprocess.Popen([HTTP_SERVER, "--port", "0", *arguments], stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        yield int(line.split()[2])
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0, process.returncode
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def talk(port, request, end=True):
    """Sends bytes, and the end unless told not to; returns all that the server sends."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        response = b""
        while piece := connection.recv(65536):
            response += piece
        return response


def test_what_is_no_url_fails_with_a_message():
    """What cannot be fetched is said, each URL for itself, and counts as failed."""
    words = {
        "foo": "not a URL", "http://": "not a URL", "http:///x": "not a URL",
        "/just/a/path": "not a URL", "http://host:99999/": "not a URL",
        "http://host:0/": "not a URL", "http://a b/": "not a URL", "http://h/a\rb": "not a URL",
        "ftp://host/": "ftp is not supported",
        "http://me:secret@host/": "user name", "http://host/" + "x" * 9000: "longer than",
        "": "not a URL",
    }
    pages = fetch(*words, status=1)
    assert [page["url"] for page in pages] == list(words)
    for page in pages:
        assert page["status"] == 0 and page["bytes"] == 0, page
        assert words[page["url"]] in page["error"], page


def test_json_is_utf8_whatever_the_url():
    """A URL with bytes that are no UTF-8, or quotes, still makes JSON."""
    pages = fetch(b"http://\xff\xfe", 'say "\\"', "http://ö\t", status=1)
    assert len(pages) == 3 and pages[1]["url"] == 'say "\\"'


def test_a_host_that_does_not_resolve_fails():
    """A name that nobody has is a failure with a message, and no retry helps."""
    page, = fetch("http://no-such-host.invalid/", status=1)
    assert page["status"] == 0 and page["error"], page


def test_a_refused_connection_fails():
    """Where nobody listens, the error says so."""
    with socket.socket() as silent:  # its port is nobody else's meanwhile
        silent.bind(("127.0.0.1", 0))
        page, = fetch("http://127.0.0.1:%d/" % silent.getsockname()[1], status=1)
    assert page["status"] == 0 and "refused" in page["error"].lower(), page


def test_a_server_that_closes_early_fails():
    """A close before the response, within its header, and within its body give different errors."""
    fails(says(), "without a response")
    fails(says(b"HTTP/1.1 200 OK\r\nContent-"), "within the header")
    page = fails(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "3 of 10 bytes")
    assert page["status"] == 200 and page["bytes"] == 3, page
    fails(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "chunked")


def zipped(*pieces):
    """Makes a response whose body is gzip."""
    body = b"".join(pieces)
    return (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
            % len(body) + body)


def understands_gzip():
    with open(FETCH, "rb") as program:
        if b"Accept-Encoding: gzip" not in program.read():
            raise Skip("fetch was built without zlib")


def test_gzip_is_decoded():
    """Bodies in gzip come decoded: in any pieces, of several members, in chunks, to the close."""
    understands_gzip()
    text = os.urandom(30000) + b"x" * 300000
    body = gzip.compress(text)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: x-GZIP\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 999]), body[i:i + 999])
                      for i in range(0, len(body), 999))
    whole = zipped(body)
    for pieces in ([whole], [whole[:50], whole[50:200], whole[200:]],
                   [zipped(gzip.compress(text[:1000]), gzip.compress(b""),
                           gzip.compress(text[1000:]))],
                   [head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"],
                   [head + b"\r\n" + body]):
        with Server(says(*pieces, delay=0.01)) as server, tempfile.TemporaryDirectory() as folder:
            page, = fetch("--output", folder, server.url + "/a")
            assert page["bytes"] == len(text), page
            with open(os.path.join(folder, page["file"]), "rb") as file:
                assert file.read() == text
    with Server(says(zipped())) as server:
        assert fetch(server.url)[0]["bytes"] == 0


def test_gzip_that_is_corrupt_fails():
    """What is cut off, corrupt, followed by other bytes or too large is an error with words."""
    understands_gzip()
    body = gzip.compress(os.urandom(5000))
    fails(says(zipped(body[:-1])), "ends too early")
    fails(says(zipped(body[:100])), "ends too early")
    fails(says(zipped(body[:5])), "ends too early")
    fails(says(zipped(b"plain text")), "not valid gzip")
    fails(says(zipped(body[:-8] + bytes(8))), "not valid gzip")
    fails(says(zipped(body, b"rest")), "not valid gzip")
    million = gzip.compress(bytes(1 << 20))
    fails(says(zipped(million * 1030)), "larger than 1073741824 bytes")


def test_a_server_that_never_answers_times_out():
    """The timeout ends the wait for a response, for the rest of a header, and for a body."""
    for piece in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):
        def respond(connection, _path, _number, piece=piece):
            connection.sendall(piece)
            connection.recv(1)  # until the other side gives up

        with Server(respond) as server:
            page, = fetch("--timeout", "0.3", "--retries", "0", server.url, status=1)
        assert "timed out" in page["error"], page


def test_a_header_without_end_fails():
    """A header beyond the limit is refused, in many lines or in one."""
    def lines(connection, *_):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(100000):
            connection.sendall(b"X-%d: y\r\n" % number * 50)

    def line(connection, *_):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(10000):
            connection.sendall(b"x" * 1000)

    fails(lines, "header is longer")
    fails(line, "header is longer")


def test_what_is_no_http_fails():
    """A response in another protocol, or with a broken chunk, is no crash and no success."""
    fails(says(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP")
    fails(says(b"\x00\xff\x00\xff" * 100), "not HTTP")
    fails(says(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "not HTTP")
    fails(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "not HTTP")


def test_bodies_come_whole_in_every_form():
    """Chunked, with a length, until the close, none at all, behind a 100: each byte by byte too."""
    chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n"
               b"6;x=y\r\npedia \r\n0\r\nT: x\r\n\r\n")
    forms = {
        chunked: b"wikipedia ", OK: b"hello",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the close": b"until the close",
        b"HTTP/1.0 200 OK\r\n\r\nold": b"old",
        b"HTTP/1.1 204 No Content\r\n\r\n": b"",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK: b"hello",
    }
    for raw, body in forms.items():
        for pieces in ((raw,), [raw[i:i + 1] for i in range(len(raw))]):
            with Server(says(*pieces)) as server, tempfile.TemporaryDirectory() as folder:
                page, = fetch("--output", folder, server.url + "/x", status=0)
                assert page["bytes"] == len(body), (page, raw)
                with open(os.path.join(folder, page["file"]), "rb") as file:
                    assert file.read() == body, raw


def test_redirects_are_followed_and_bounded():
    """Locations absolute and relative lead on; a circle, TLS without a TLS server, and nonsense
    end in an error."""
    places = {
        "/a/b": b"c", "/a/c": b"../d?q=1", "/d?q=1": b"//%s/e", "/e": b"http://%s/./f/../g",
        "/g": b"?end", "/loop": b"/loop", "/secure": b"https://%s/", "/odd": b"http://",
    }

    def respond(connection, path, _number):
        if path not in places:
            return connection.sendall(OK)
        location = places[path].replace(b"%s", b"127.0.0.1:%d" % connection.getsockname()[1])
        return connection.sendall(b"HTTP/1.1 302 Found\r\nlOcAtIoN: " + location +
                                  b"\r\nContent-Length: 3\r\n\r\nno!")

    with Server(respond, keep=True) as server:
        page, = fetch(server.url + "/a/b", status=0)
        assert (page["status"], page["bytes"]) == (200, 5), page
        assert set(server.paths) == {"/a/b", "/a/c", "/d?q=1", "/e", "/g", "/g?end"}, server.paths
        assert server.connections == 1, server.connections
        loop, secure, odd = fetch(*(server.url + p for p in ("/loop", "/secure", "/odd")), status=1)
        assert "redirects" in loop["error"] and server.paths["/loop"] == 11, loop
        said = ("wrong version number", "https is not supported")  # the latter without TLS
        assert any(words in secure["error"] for words in said), secure
        assert "not a URL" in odd["error"], (secure, odd)


def test_connections_are_kept():
    """Fifty pages one after another come over one connection; close is heeded."""
    with Server(says(OK), keep=True) as server:
        fetch("--concurrency", "1", *(server.url + "/%d" % i for i in range(50)), status=0)
        assert server.connections == 1, server.connections
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with Server(says(closing), keep=True) as server:
        fetch("--sequential", *(server.url + "/%d" % i for i in range(5)), status=0)
        assert server.connections == 5, server.connections


def test_a_kept_connection_that_was_closed_is_replaced():
    """A server that closes after each response unannounced causes no failure, without retries."""
    with Server(says(OK)) as server:
        pages = fetch("--retries", "0", "--concurrency", "2",
                      *(server.url + "/%d" % i for i in range(20)), status=0)
        assert all(page["bytes"] == 5 for page in pages)


def test_retries_try_again():
    """A failed connection is tried again as often as was asked, and no more."""
    def respond(connection, _path, number):
        if number >= 3:
            connection.sendall(OK)

    with Server(respond) as server:
        page, = fetch("--retries", "2", server.url, status=0)
        assert page["status"] == 200 and server.requests == 3, page
    with Server(respond) as server:
        fetch("--retries", "1", server.url, status=1)
        assert server.requests == 2, server.requests


def test_at_most_so_many_at_once():
    """--concurrency bounds what is in flight, and uses it; --sequential is one."""
    for arguments, most in ((("--concurrency", "5"), 5), (("--sequential",), 1)):
        all_are_there = threading.Event()

        def respond(connection, _path, _number, most=most, all_are_there=all_are_there):
            if server.most >= most:
                all_are_there.set()
            all_are_there.wait(LIMIT)
            time.sleep(0.02)  # for one too many to be seen
            connection.sendall(OK)

        with Server(respond, keep=True) as server:
            fetch(*arguments, *(server.url + "/%d" % i for i in range(30)), status=0)
            assert server.most == most, (arguments, server.most)


def test_exit_status_and_summary():
    """0 for success, 1 for a 404 or no URLs, 2 for a wrong command line; the summary counts."""
    with http_server() as port:
        base = "http://127.0.0.1:%d" % port
        done = run(base + "/", base + "/bytes/1000")
        assert done.returncode == 0 and b"2 fetched, 0 failed" in done.stdout, done
        for word in (b"requests/s", b"p50", b"p99", b"200 x 2"):
            assert word in done.stdout, (word, done.stdout)
        done = run(base + "/", base + "/missing", base + "/status/503")
        assert done.returncode == 1 and b"1 fetched, 2 failed" in done.stdout, done
        assert b"/missing: the server returned 404" in done.stderr, done.stderr
    assert run(stdin=b"").returncode == 1 and json.loads(run("--json", stdin=b"").stdout) == []
    for wrong in (("--concurrency", "0"), ("--timeout", "x"), ("--nonsense",), ("--retries", "-1"),
                  ("--file", "/no/such/file"), ("--output", "/dev/null/x", "http://h/")):
        done = run(*wrong)
        assert done.returncode == 2 and done.stderr, (wrong, done)
    assert run("--help").returncode == 0


def test_urls_come_from_arguments_files_and_standard_input():
    """Lines are URLs, blanks around them and blank lines do not count, order is kept."""
    with Server(says(OK), keep=True) as server, tempfile.NamedTemporaryFile() as file:
        lines = ["%s/%d" % (server.url, i) for i in range(3)]
        text = ("\n  %s\r\n%s\n\n%s" % tuple(lines)).encode()
        file.write(text)
        file.flush()
        for pages in (fetch(stdin=text, status=0), fetch("--file", file.name, status=0),
                      fetch("--file", "-", stdin=text, status=0), fetch(*lines, status=0)):
            assert [page["url"] for page in pages] == lines, pages
        both = fetch("--file", file.name, server.url + "/first", status=0)
        assert [page["url"] for page in both] == [server.url + "/first", *lines]


def test_output_has_a_file_for_each_body_inside_the_folder():
    """Names are unique, never lead out of the folder, and failures leave none."""
    def respond(connection, path, _number):
        status = b"404 No" if "missing" in path else b"200 OK"
        body = path.encode()
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"
                           % (status, len(body), body))

    paths = ["/", "/a", "/a", "/a.1", "/a", "/../../etc/x", "/..", "/.hidden", "/x/y?z", "/missing",
             "/%2e%2e%2f", "/" + "n" * 4000, "/" + "n" * 4000]
    with Server(respond, keep=True) as server, tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, "out")
        pages = fetch("--output", folder, *(server.url + path for path in paths), status=1)
        assert os.listdir(parent) == ["out"]
        names = [page.get("file") for page in pages if "error" not in page]
        assert len(set(names)) == len(paths) - 1, names
        assert sorted(names) == sorted(os.listdir(folder)), os.listdir(folder)
        for path, page in zip(paths, pages):
            if "error" not in page:
                with open(os.path.join(folder, page["file"]), encoding="ascii") as file:
                    assert file.read() == path, (path, page)


def test_a_run_that_cannot_begin_fails_each_page():
    """Without a loop every page counts as failed, and the message says what is the matter."""
    done = run("--json", "http://127.0.0.1/", env={**os.environ, "ASYNCIO_ENGINE": "nonsense"})
    page, = json.loads(done.stdout)
    assert done.returncode == 1 and page["status"] == 0 and page["error"], done
    assert b"engine" in done.stderr, done.stderr


def test_a_terminal_gets_a_progress_bar():
    """Standard error shows the bar if it is a terminal, and only then."""
    with Server(says(OK, delay=0.3)) as server:
        leader, follower = pty.openpty()
        process = subprocess.Popen([FETCH, server.url], stdout=subprocess.PIPE, stderr=follower)
        process.communicate(timeout=LIMIT)
        os.close(follower)
        shown = os.read(leader, 65536)
        os.close(leader)
        assert b"0/1" in shown and process.returncode == 0, shown
        assert b"0/1" not in run(server.url).stderr


def test_too_low_a_limit_of_files_is_said_and_lived_with():
    """With fewer descriptors than asked for, fetch says what to raise and still fetches all."""
    with Server(says(OK, delay=0.01), keep=True) as server:
        done = run("--concurrency", "200", *(server.url + "/%d" % i for i in range(200)),
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        assert done.returncode == 0 and b"200 fetched, 0 failed" in done.stdout, done
        assert b"ulimit -n" in done.stderr, done.stderr


def test_ten_thousand_at_once():
    """Ten thousand URLs are in flight at once, over as many connections."""
    count = 10000
    with open(FETCH, "rb") as program:
        if b"__tsan_init" in program.read():
            count = 4000  # the thread sanitizer knows at most 8128 stacks
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + 100:
        raise Skip("the hard limit of open files is below %d" % (count + 100))
    with http_server("--delay", "0.05") as port:
        text = "".join("http://127.0.0.1:%d/%d\n" % (port, i) for i in range(count)).encode()
        done = run("--concurrency", str(count), stdin=text)
    assert done.returncode == 0 and b"%d fetched, 0 failed" % count in done.stdout, done
    assert b"%d connections" % count in done.stdout, done.stdout


def test_http_server_answers_what_it_says():
    """Made-up pages, redirects, HEAD, requests sent ahead, and refusals of what is wrong."""
    with http_server() as port:
        base = "http://127.0.0.1:%d" % port
        pages = fetch(*(base + path for path in ("/", "/chunked", "/redirect/3", "/status/404",
                                                 "/bytes/0", "/bytes/100000", "/status/204")))
        small = pages[0]["bytes"]
        assert [(page["status"], page["bytes"]) for page in pages] == [
            (200, small), (200, 19), (200, small), (404, 14), (200, 0), (200, 100000), (204, 0)]
        head = talk(port, b"HEAD /bytes/77 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"Content-Length: 77\r\n" in head and head.endswith(b"\r\n\r\n"), head
        ahead = talk(port, b"GET /bytes/3 HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        assert ahead.count(b"HTTP/1.1 200 OK") == 5 and ahead.count(b"\r\n\r\nabc") == 5, ahead
        old = talk(port, b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
        assert old.count(b"HTTP/1.1 200") == 1 and b"Connection: close" in old, old
        for request, status in (
                (b"nonsense\r\n\r\n", b"400"), (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
                (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", b"414"),
                (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000, b"431")):
            response = talk(port, request)
            assert response.startswith(b"HTTP/1.1 " + status), (request[:40], response[:100])


NGINX_CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off; default_type application/octet-stream; sendfile on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www; }}
}}
"""


@contextlib.contextmanager
def nginx(folder):
    """Runs nginx in a folder of its own; returns the port."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise Skip("nginx is not installed")
    with own_port() as port, nginx_at(port, program, folder):
        yield port


@contextlib.contextmanager
def nginx_at(port, program, folder):
    """Runs it until the end, and begins when it listens."""
    files = min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    configuration = os.path.join(folder, "nginx.conf")
    with open(configuration, "w", encoding="ascii") as file:
        file.write(NGINX_CONFIGURATION.format(folder=folder, port=port, files=files,
                                              connections=files // 2))
    with open(os.path.join(folder, "out"), "wb") as out:
        process = subprocess.Popen([program, "-p", folder, "-c", configuration,
                                    "-e", os.path.join(folder, "error.log")],
                                   stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                with open(os.path.join(folder, "out"), "rb") as out:
                    assert process.poll() is None, out.read()
                assert time.monotonic() < deadline, "nginx does not begin to listen"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)


def test_ten_thousand_files_of_nginx_come_byte_by_byte():
    """Ten thousand distinct files of a real server arrive each in its own file, unchanged."""
    with tempfile.TemporaryDirectory(prefix="fetch-nginx-") as folder:
        os.chmod(folder, 0o755)
        www, out = os.path.join(folder, "www"), os.path.join(folder, "fetched")
        os.mkdir(www)
        bodies = {}
        for i in range(10000):
            seed = hashlib.sha256(b"%d" % i).digest()
            bodies["file-%05d.bin" % i] = (seed * 40)[:i % 1200] + b"%d" % i
        for name, body in bodies.items():
            with open(os.path.join(www, name), "wb") as file:
                file.write(body)
        with nginx(folder) as port:
            text = "".join("http://127.0.0.1:%d/%s\n" % (port, name) for name in bodies)
            pages = fetch("--concurrency", "1000", "--output", out,
                          stdin=text.encode(), status=0)
        assert len(pages) == 10000 and sorted(os.listdir(out)) == sorted(bodies)
        for (name, body), page in zip(bodies.items(), pages):
            assert page["file"] == name and page["bytes"] == len(body), page
            with open(os.path.join(out, name), "rb") as file:
                assert file.read() == body, name


if __name__ == "__main__":
    sys.exit(run_functions("test_fetch", globals(), sys.argv[2:]))
