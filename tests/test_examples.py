#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every example and the program of the README, and compares what they print.

Usage: test_examples.py ROOT BUILD SANITIZER COMPILER..., on the engine of ASYNCIO_ENGINE. What an
example must print stands in expected/NAME.txt, where points in time are written TIME; what the
README's program must print stands behind it. The programs that use sockets are skipped, by name,
on the simulated engine, which has none.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

from harness import Failure, Skip, run_tests

ROOT, BUILD, SANITIZER = (os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3])
COMPILER = sys.argv[4:]
ENGINE = os.environ.get("ASYNCIO_ENGINE", "")
LIMIT = 500.0  # seconds for one program

PAGE = ["slow_operation", "wait_coroutines", "wait_futures", "await_then_task",
        "sleep_then_await", "sleep_zero", "generator", "executor", "exceptions", "callbacks"]
SMALL = ["hello_world", "factorial_gather", "timeout", "task_group", "producer_thread",
         "queue_workers", "async_generator", "context_variable", "process_pipeline",
         "subprocess_shell", "subprocess_date_protocol", "subprocess_get_date", "pipes",
         "watch_socket_reader", "watch_socket_protocol", "watch_socket_streams",
         "testing_cmocka", "lambdas", "embed_glib", "libpq_query"]
NEEDS = {"testing_cmocka": "cmocka", "lambdas": "a C++ compiler", "embed_glib": "GLib",
         "libpq_query": "libpq"}
# The programs that the pages of the manual show; those with servers are driven below.
MANUAL = ["first", "fetch_pages", "retry_test", "cheat_sheet", "cancellation", "errors",
          "ownership", "timeouts", "threads", "groups", "shutdown", "back_pressure", "own_executor",
          "fairness", "files"]
WITH_DESCRIPTORS = ["fetch_pages", "files", "libpq_query", "process_pipeline", "subprocess_shell",
                    "subprocess_date_protocol", "subprocess_get_date", "pipes",
                    "watch_socket_reader", "watch_socket_protocol", "watch_socket_streams"]
MAX_LINES = 80
MAX_LINES_OF_TUTORIAL = 100


def masked(text):
    """Returns output without what differs from run to run: times, and how late a busy machine is.

    The page's executor needs six tenths of a second at least; it may need more, never less.
    """
    text = re.sub(r"^\d+\.\d{6} - ", "TIME - ", text, flags=re.MULTILINE)
    return re.sub(r"^([6-9]|[1-9]\d+) tenths of a second$", "6 tenths of a second", text,
                  flags=re.MULTILINE)


def expected(name):
    """Returns what an example must print."""
    with open(os.path.join(ROOT, "tests", "expected", name + ".txt"), encoding="utf-8") as file:
        return file.read()


def compare(wanted, output, errors, status):
    """Output, standard error and exit status are what they must be."""
    if status != 0 or errors != "" or masked(output) != wanted:
        raise Failure(f"status {status}\n--- wanted\n{wanted}--- printed\n{output}"
                      f"--- to standard error\n{errors}")


def prints_what_it_must(name, program):
    """The program prints what is stored for it."""
    if name in NEEDS and not os.path.exists(program):
        raise Skip(f"{NEEDS[name]} is not there")
    if name in WITH_DESCRIPTORS and ENGINE == "sim":
        raise Skip("the engine has no descriptors")
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT,
                          env=environment)
    output = done.stdout
    if name == "testing_cmocka":  # what stands round the results depends on its version
        output = "".join(re.findall(r"^(?:not )?ok .*\n", output, flags=re.MULTILINE))
    compare(expected(name), output, done.stderr, done.returncode)


def echoes(server_name, client_name, server_lines):
    """The client's text comes back from the server, which prints those lines."""
    if ENGINE == "sim":
        raise Skip("the simulated engine has no sockets")
    server = subprocess.Popen([os.path.join(BUILD, "examples", server_name), "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = server.stdout.readline().strip().rsplit(":", 1)[1]
        done = subprocess.run([os.path.join(BUILD, "examples", client_name), port],
                              capture_output=True, text=True, timeout=LIMIT)
        compare(expected(client_name), done.stdout, done.stderr, done.returncode)
        for wanted in server_lines:
            seen = server.stdout.readline()
            if seen != wanted:
                raise Failure(f"the server printed {seen!r}")
    finally:
        server.terminate()
        server.communicate(timeout=LIMIT)


def ends_by(signo):
    """The example of signal handlers names the signal that it gets, and ends."""
    program = subprocess.Popen([os.path.join(BUILD, "examples", "signal_handlers")], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        first = [program.stdout.readline(), program.stdout.readline()]
        program.send_signal(signo)
        rest, errors = program.communicate(timeout=LIMIT)
    finally:
        program.kill()
        program.communicate()
    wanted = expected("signal_handlers").replace("PID", str(program.pid))
    compare(wanted.replace("NAME", signo.name), "".join(first) + rest, errors, program.returncode)


def with_server(name, talk, wanted):
    """Runs a server of the manual, lets talk(port) use it, ends it by SIGTERM, and compares what it
    has printed behind its first line."""
    if ENGINE == "sim":
        raise Skip("the simulated engine has no sockets")
    server = subprocess.Popen([os.path.join(BUILD, "examples", "manual", name), "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().split()[-1])
        talk(port)
        server.terminate()
        output, errors = server.communicate(timeout=LIMIT)
        compare(wanted, output, errors, server.returncode)
    finally:
        server.kill()
        server.communicate()


def chats(port):
    """A line of one client reaches all others."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT) for _ in range(3)]
    files = [client.makefile("rwb", buffering=0) for client in clients]
    # A client is in the room when one that was there before has got a line of it.
    for number, file in enumerate(files):
        file.write(b"here is %d\n" % number)
        for other in files[:number]:
            read_until(other, b"here is %d\n" % number)
    files[0].write(b"hello\n")
    for file in files[1:]:
        read_until(file, b"hello\n")
    for client in clients[1:]:
        client.close()


def read_until(file, wanted):
    line = file.readline()
    while line not in (wanted, b""):
        line = file.readline()
    if not line:
        raise Failure(f"{wanted!r} has not come")


def expect_line(file, wanted):
    line = file.readline()
    if line != wanted:
        raise Failure(f"{line!r} came, not {wanted!r}")


def serves_http(port):
    """Two requests over one connection, and one that says that it is the last."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as client:
        file = client.makefile("rwb", buffering=0)
        for _ in range(2):
            file.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for wanted in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 6\r\n", b"\r\n", b"hello\n"):
                expect_line(file, wanted)
        file.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        if not file.read().endswith(b"hello\n"):
            raise Failure("the last request has no response")


def served(program, environment, **options):
    """Starts serve_all; returns the process, its number, and its port."""
    server = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, **environment}, **options)
    return server, *says_port(server)


def says_port(server):
    """Returns the number of the process that says on which port it serves, and the port."""
    match = re.fullmatch(r"process (\d+) serves on port (\d+)\n", server.stdout.readline())
    return int(match[1]), int(match[2])


def is_served(port):
    """Connections are served, one after another and several at once."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT) for _ in range(20)]
    for client in clients:
        with client, client.makefile("rwb", buffering=0) as file:
            file.write(b"ping\n")
            expect_line(file, b"pong\n")


def replaces_itself():
    """serve_all runs in several loops; SIGHUP puts a new process in its place; SIGTERM ends it."""
    if ENGINE == "sim":
        raise Skip("the simulated engine has no sockets")
    server, _, port = served([os.path.join(BUILD, "examples", "manual", "serve_all"), "0"], {})
    new = None
    try:
        is_served(port)
        server.send_signal(signal.SIGHUP)
        new, same_port = says_port(server)
        is_served(port)
        if server.wait(LIMIT) != 0 or same_port != port:
            raise Failure(f"status {server.returncode}, port {same_port} after {port}")
        is_served(port)
        os.kill(new, signal.SIGTERM)
        new = None
        compare("", *server.communicate(timeout=LIMIT), server.returncode)
    finally:
        server.kill()
        if new:
            os.kill(new, signal.SIGKILL)
        server.communicate()


def setting(unit, name):
    """Returns a setting of a unit of systemd that the manual shows."""
    with open(os.path.join(ROOT, "examples", "manual", unit), encoding="utf-8") as file:
        return re.search(f"^{name}=(.*)$", file.read(), re.MULTILINE)[1]


def takes_sockets_of_systemd():
    """serve_all takes a socket as systemd passes it to a service, blocking, by the units that the
    manual shows."""
    if ENGINE == "sim":
        raise Skip("the simulated engine has no sockets")
    name = setting("ping.socket", "FileDescriptorName")
    if os.path.basename(setting("ping.service", "ExecStart")) != "serve_all":
        raise Failure("the service starts another program")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = os.path.join(BUILD, "examples", "manual", "serve_all")
        server, _, _ = served(  # the shell becomes the program, whose number it knows
            ["sh", "-c", f'exec 3<&{listener.fileno()} && LISTEN_PID=$$ exec "$0" 0', program],
            {"LISTEN_FDS": "1", "LISTEN_FDNAMES": name}, pass_fds=[listener.fileno()])
        try:
            is_served(listener.getsockname()[1])
            server.terminate()
            compare("", *server.communicate(timeout=LIMIT), server.returncode)
        finally:
            server.kill()
            server.communicate()


def readme_programs():
    """Returns (program, output) of each program of the README that says what it prints."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    blocks = re.findall(r"```c\n(.*?)```(?:[^`]*```text\n(.*?)```)?", text, flags=re.DOTALL)
    return [(code, output) for code, output in blocks if "int main(" in code]


def readme_program_runs(code, output):
    """A program of the README compiles as it stands, without a warning, and prints what it says."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "readme.c")
        program = os.path.join(folder, "readme")
        with open(source, "w", encoding="utf-8") as file:
            file.write(code)
        flags = [] if SANITIZER == "none" else ["-fsanitize=" + SANITIZER]
        built = subprocess.run(
            [*COMPILER, "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", *flags,
             "-I", os.path.join(ROOT, "include"), source, os.path.join(BUILD, "libasyncio.a"),
             "-pthread", "-lm", "-o", program], capture_output=True, text=True)
        if built.returncode != 0:
            raise Failure(built.stderr)
        done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT)
        compare(output, done.stdout, done.stderr, done.returncode)


def each_is_short():
    """No example is longer than 80 lines (100 in a tutorial), so that it is read in one sitting."""
    for folder, most in (("examples", MAX_LINES), ("examples/page", MAX_LINES),
                         ("examples/manual", MAX_LINES_OF_TUTORIAL)):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith((".c", ".cc")):
                with open(os.path.join(ROOT, folder, name), encoding="utf-8") as file:
                    count = len(file.readlines())
                if count > most:
                    raise Failure(f"{folder}/{name}: {count} lines")


def main():
    tests = [("each_example_is_short", each_is_short)]
    for folder, names in (("examples/page", PAGE), ("examples", SMALL),
                          ("examples/manual", MANUAL)):
        for name in names:
            program = os.path.join(BUILD, folder, name)
            tests.append((folder.split("/")[-1] + "_" + name,
                          lambda name=name, program=program: prints_what_it_must(name, program)))
    tests.append(("examples_echo_server_and_echo_client",
                  lambda: echoes("echo_server", "echo_client", ["received Hello World!\n"])))
    tests.append(("examples_echo_by_protocols",
                  lambda: echoes("tcp_echo_server_protocol", "tcp_echo_client_protocol",
                                 ["Data received: Hello World!\n", "Send: Hello World!\n",
                                  "Close the client socket\n"])))
    tests.append(("examples_udp_echo",
                  lambda: echoes("udp_echo_server", "udp_echo_client",
                                 ["Received Hello World!\n"])))
    for signo in (signal.SIGINT, signal.SIGTERM):
        tests.append((f"examples_signal_handlers_{signo.name}", lambda signo=signo: ends_by(signo)))
    tests.append(("manual_chat_server",
                  lambda: with_server("chat_server", chats, "everybody has left\n")))
    tests.append(("manual_http_hello",
                  lambda: with_server("http_hello", serves_http, "stopped\n")))
    tests.append(("manual_serve_all", replaces_itself))
    tests.append(("manual_ping_socket", takes_sockets_of_systemd))
    for number, (code, output) in enumerate(readme_programs(), 1):
        tests.append((f"readme_program_{number}",
                      lambda code=code, output=output: readme_program_runs(code, output)))
    return run_tests("examples", tests)


if __name__ == "__main__":
    sys.exit(main())
