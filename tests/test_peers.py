#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the library's network and processes against programs that others wrote.

Usage: test_peers.py PEERS, on the engine of ASYNCIO_ENGINE. PEERS is the program of peers/, our
side of each conversation. The other side is socat, ncat, dnsmasq, curl or a shell. All of them come
from Debian's packages; a missing one is a failed test that names its package. Everything runs on
the loopback interface, and every program that is started is bounded in time.
"""

import contextlib
import hashlib
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from harness import Failure, own_port, run_tests

PEERS = os.path.abspath(sys.argv[1])
LIMIT = 300.0  # seconds for one conversation: for one that hangs, not for a slow machine
PACKAGES = {"socat": "socat", "ncat": "ncat", "dnsmasq": "dnsmasq-base", "curl": "curl",
            "sh": "dash", "bash": "bash", "dash": "dash"}
DATA = random.Random(1).randbytes(3_000_000)  # more than the buffers of a connection hold
DIGEST = hashlib.sha256(DATA).hexdigest()


def program(name):
    """Returns the path of a program that somebody else wrote."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Failure(f"{name} is missing: install Debian's package {PACKAGES[name]}")
    return path


@contextlib.contextmanager
def started(command, data=b"", **options):
    """A running program that reads data from its standard input; it is killed at the end."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        process = subprocess.Popen(command, stdin=options.pop("stdin", file),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ours(*arguments, data=b""):
    return started([PEERS, *map(str, arguments)], data)


def address_when_ready(process):
    """Returns the port that our server prints once it can be reached."""
    line = process.stdout.readline().decode().split()
    if not line or line[0] != "ready":
        raise Failure(f"not ready: {line}: {process.communicate(timeout=LIMIT)[1].decode()}")
    return int(line[1])


def finish(process, what):
    """Waits until a program has ended well; returns what it has written."""
    output, errors = process.communicate(timeout=LIMIT)
    if process.returncode != 0:
        raise Failure(f"{what}: status {process.returncode}: {errors.decode(errors='replace')}")
    return output


def listening(process, table, is_ready):
    """Waits until a socket of a program stands in a table of /proc/net and is ready: its line."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and process.poll() is None:
        inodes = set()
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{process.pid}/fd"):
                inodes.add(os.readlink(f"/proc/{process.pid}/fd/{name}")[len("socket:["):-1])
        with open("/proc/net/" + table, encoding="utf-8") as lines:
            for line in lines:
                fields = line.split()
                if inodes.intersection(fields) and is_ready(fields):
                    return fields
        time.sleep(0.005)
    raise Failure(f"{process.args}: does not listen: {process.communicate()}")


def port_of(process, table="tcp"):
    """Returns the port at which a program listens, or receives datagrams."""
    fields = listening(process, table, lambda fields: table == "udp" or fields[3] == "0A")
    return int(fields[1].split(":")[1], 16)


def await_path(process):
    """Waits until a program accepts connections at a path."""
    listening(process, "unix", lambda fields: fields[3] == "00010000")


@contextlib.contextmanager
def new_path():
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "s")


# --- streams: each family, each side of ours, each face of it, and who ends writing first -----

def connecting(tool, family, address, command=None):
    """The command line of a client: of its standard streams, or of a command's."""
    if tool == "socat":
        there = f"TCP:127.0.0.1:{address}" if family == "tcp" else f"UNIX-CONNECT:{address}"
        return [program("socat"), "-t", str(LIMIT), f"SYSTEM:{command}" if command else "-", there]
    there = ["127.0.0.1", str(address)] if family == "tcp" else ["-U", address]
    return [program("ncat"), *there]


def serving(tool, family, address, command=None):
    """The command line of a server for one connection."""
    if tool == "socat":
        there = "TCP-LISTEN:0,bind=127.0.0.1" if family == "tcp" else f"UNIX-LISTEN:{address}"
        return [program("socat"), "-t", str(LIMIT), there, f"SYSTEM:{command}" if command else "-"]
    return [program("ncat"), "-l", *(["127.0.0.1", "0"] if family == "tcp" else ["-U", address])]


def ours_serves(tool, face, family, role):
    """Our server and a foreign client; returns what each of them has received."""
    command = "sha256sum" if role == "speak" else None
    with new_path() as path, ours("talk", "serve", face, family,
                                  path if family == "unix" else 0, role, data=DATA) as server:
        port = address_when_ready(server)
        command = connecting(tool, family, path if family == "unix" else port, command)
        if tool == "ncat" and role == "speak":
            # It ends its output at the end of the stream, and sends its input all the same.
            with started(command, stdin=subprocess.PIPE) as client:
                received = client.stdout.read()
                client.stdin.write(hashlib.sha256(received).hexdigest().encode())
                finish(client, tool)
                return received, finish(server, "ours")
        with started(command, DATA) as client:
            return finish(client, tool), finish(server, "ours")


def ours_connects(tool, face, family, role):
    """A foreign server and our client."""
    command = "sha256sum" if role == "speak" else None
    with new_path() as path, started(serving(tool, family, path, command),
                                     b"" if role == "speak" else DATA) as server:
        if family == "tcp":
            address = port_of(server)
        else:
            await_path(server)
            address = path
        with ours("talk", "connect", face, family, address, role, data=DATA) as client:
            received = finish(server, tool)
            printed = finish(client, "ours")
            if tool == "ncat" and role == "speak":
                # It ends with the stream, so that the script replies for it.
                printed += hashlib.sha256(received).hexdigest().encode()
            return received, printed


def converse(tool, side):
    """No byte is lost, whichever end stops writing first and by whichever face of the library."""
    for face in ("streams", "protocol", "buffered"):
        for family in ("tcp", "unix"):
            for role in ("speak", "reply"):
                theirs, printed = side(tool, face, family, role)
                what = f"{tool}, {side.__name__}, {face}, {family}, {role}"
                if role == "speak" and printed.split()[:1] != [DIGEST.encode()]:
                    raise Failure(f"{what}: the peer received something else: {printed}")
                if role == "reply" and theirs != DATA:
                    raise Failure(f"{what}: {len(theirs)} bytes came back, not {len(DATA)}")


def test_socat_connects_to_our_servers():
    converse("socat", ours_serves)


def test_socat_serves_our_clients():
    converse("socat", ours_connects)


def test_ncat_connects_to_our_servers():
    converse("ncat", ours_serves)


def test_ncat_serves_our_clients():
    converse("ncat", ours_connects)


# --- datagrams -------------------------------------------------------------------------------

QUESTIONS = [b"one", b"\0\xff" * 300, b"x" * 1400]


def in_hexadecimal(questions):
    return "".join(question.hex() + "\n" for question in questions).encode()


def ask_by_peer(command):
    """A foreign client sends datagrams; each must come back before the next one is sent."""
    with started(command, stdin=subprocess.PIPE) as client:
        for question in QUESTIONS:
            client.stdin.write(question)
            client.stdin.flush()
            reply = b""
            while len(reply) < len(question):
                piece = os.read(client.stdout.fileno(), 65536)
                if not piece:
                    raise Failure(f"{command}: ended: {client.communicate()}")
                reply += piece
            if reply != question:
                raise Failure(f"{command}: {question!r} came back as {reply!r}")


def peers_ask(tool):
    """Datagrams of a foreign client reach our endpoint and our socket, and their echoes return."""
    for face in ("endpoint", "socket"):
        for family in ("inet", "unix"):
            with new_path() as path, ours("datagrams", "echo", face, family,
                                          path if family == "unix" else 0, 3) as server:
                port = address_when_ready(server)
                if tool == "ncat":
                    command = [program("ncat"), "-u", "127.0.0.1", str(port)]
                    if family == "unix":
                        command = [program("ncat"), "-U", "-u", path]
                elif family == "inet":
                    command = [program("socat"), "-b", "65536", "-", f"UDP:127.0.0.1:{port}"]
                else:
                    command = [program("socat"), "-b", "65536", "-",
                               f"UNIX-SENDTO:{path},bind={path}.client"]
                ask_by_peer(command)
                finish(server, f"{tool}, {face}, {family}")


def test_socat_sends_us_datagrams():
    peers_ask("socat")


def test_ncat_sends_us_datagrams():
    peers_ask("ncat")


def ask_peer(command, table, family):
    """Our datagrams reach a foreign server, and its echoes return to us."""
    for face in ("endpoint", "socket"):
        with new_path() as path, started([part.replace("PATH", path) for part in command],
                                         stdin=subprocess.DEVNULL) as server:
            if family == "inet":
                address = port_of(server, table)
            else:
                listening(server, "unix", lambda fields: fields[-1] == path)
                address = path
            with ours("datagrams", "ask", face, family, address, len(QUESTIONS),
                      data=in_hexadecimal(QUESTIONS)) as client:
                replies = finish(client, f"{command[0]}, {face}")
            if replies != in_hexadecimal(QUESTIONS):
                raise Failure(f"{command}, {face}: other replies: {replies}")


def test_socat_sends_our_datagrams_back():
    # Each datagram starts a process, which sends what it has received back.
    ask_peer([program("socat"), "-b", "65536", "UDP-RECVFROM:0,bind=127.0.0.1,fork", "PIPE"],
             "udp", "inet")
    ask_peer([program("socat"), "-b", "65536", "UNIX-RECVFROM:PATH,fork", "PIPE"], "unix", "unix")


def test_ncat_sends_our_datagrams_back():
    ask_peer([program("ncat"), "-u", "-l", "127.0.0.1", "0", "-e", "/bin/cat"], "udp", "inet")


# --- dnsmasq ---------------------------------------------------------------------------------

TEXTS = [f"text {i} " + "t" * 180 for i in range(8)]  # more than a datagram without EDNS may hold
TYPES = {"A": 1, "TXT": 16, "AAAA": 28}


def question_of(number, name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(
        ">BHH", 0, TYPES[kind], 1)


def records_of(message, question):
    """Returns (is truncated, response code, data of each record) of a reply to a question."""
    number, flags, questions, count = struct.unpack(">4H", message[:8])
    if number != struct.unpack(">H", question[:2])[0] or questions != 1 or not flags & 0x8000:
        raise Failure(f"no reply to {question.hex()}: {message.hex()}")
    at, found = len(question), []
    for _ in range(count):
        if message[at] & 0xC0 == 0xC0:  # the name is that of the question
            at += 2
        else:
            at = message.index(0, at) + 1
        size = struct.unpack(">H", message[at + 8:at + 10])[0]
        found.append(message[at + 10:at + 10 + size])
        at += 10 + size
    return bool(flags & 0x0200), flags & 15, found


@contextlib.contextmanager
def name_server():
    """dnsmasq, which knows two names; returns its port."""
    texts = ",".join(TEXTS)
    with own_port() as port, tempfile.TemporaryDirectory() as folder:
        command = [program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null",
                   "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1",
                   "--port=%d" % port, "--pid-file=" + os.path.join(folder, "pid"), "--user=",
                   "--log-facility=-", "--address=/peer.example/192.0.2.7",
                   "--address=/peer.example/2001:db8::7", "--txt-record=long.example," + texts]
        with started(command, stdin=subprocess.DEVNULL) as server:
            port_of(server)
            yield port


def check_replies(messages, questions, transport):
    replies = [records_of(message, question)
               for message, question in zip(messages, questions, strict=True)]
    if replies[0] != (False, 0, [socket.inet_aton("192.0.2.7")]):
        raise Failure(f"{transport}: another A: {replies[0]}")
    if replies[1] != (False, 0, [socket.inet_pton(socket.AF_INET6, "2001:db8::7")]):
        raise Failure(f"{transport}: another AAAA: {replies[1]}")
    return replies[2]


def test_dnsmasq_tells_us_addresses():
    """A name is asked for by datagrams; what they cannot hold, by a connection."""
    questions = [question_of(1, "peer.example", "A"), question_of(2, "peer.example", "AAAA"),
                 question_of(3, "long.example", "TXT")]
    with name_server() as port:
        for face in ("endpoint", "socket"):
            with ours("datagrams", "ask", face, "inet", port, len(questions),
                      data=in_hexadecimal(questions)) as client:
                lines = finish(client, "ours").decode().split()
            text = check_replies([bytes.fromhex(line) for line in lines], questions, face)
            if not text[0]:
                raise Failure("a reply that is too long is not marked as cut off")
        for face in ("streams", "protocol", "buffered"):
            framed = b"".join(struct.pack(">H", len(q)) + q for q in questions)
            with ours("talk", "connect", face, "tcp", port, "speak", data=framed) as client:
                reply, messages = finish(client, "ours"), []
            while reply:
                size = struct.unpack(">H", reply[:2])[0]
                messages.append(reply[2:2 + size])
                reply = reply[2 + size:]
            text = check_replies(messages, questions, face)
            wanted = b"".join(bytes([len(t)]) + t.encode() for t in TEXTS)
            if text != (False, 0, [wanted]):
                raise Failure(f"{face}: another TXT: {text}")


# --- curl ------------------------------------------------------------------------------------

def test_curl_asks_our_unix_socket():
    """Two requests on one connection, the second with a body that a single read cannot hold."""
    with new_path() as path, ours("http", path) as server, tempfile.NamedTemporaryFile() as body:
        address_when_ready(server)
        body.write(DATA)
        body.flush()
        done = subprocess.run(
            [program("curl"), "--silent", "--show-error", "--fail", "--unix-socket", path,
             "http://localhost/first", "--next", "--silent", "--show-error", "--fail",
             "--unix-socket", path, "--header", "Expect:", "--data-binary", "@" + body.name,
             "http://localhost/second"],
            capture_output=True, timeout=LIMIT, check=False)
        wanted = b"GET /first HTTP/1.1\nPOST /second HTTP/1.1\n" + DATA
        if done.returncode != 0 or done.stdout != wanted:
            raise Failure(f"curl: {done.returncode}, {len(done.stdout)} bytes: {done.stderr}")
        finish(server, "ours")


# --- shells ----------------------------------------------------------------------------------

COMMANDS = [
    ("exit codes", "exit 7", b""),
    ("an exit code of a pipeline", "exit 3 | exit 4", b""),
    ("a signal to itself", "kill -TERM $$", b""),
    ("a signal to a child of it", "{ sh -c 'kill -KILL $$'; } 2>/dev/null; echo $?", b""),
    ("a command that is not there", "/nowhere/at/all 2>/dev/null; exit $?", b""),
    ("both outputs", "echo out; echo err >&2; exit 1", b""),
    ("a pipeline over its input", "tr a-z A-Z | sort | uniq -c | sort -n | tail -n 3",
     b"some\nwords\nof\nsome\nlines\n" * 2000),
    ("large output", "head -c 3000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/zero >&2", b""),
    ("large input and output", "cat", DATA),
    ("input that nobody reads", "exec 0<&-; echo done", DATA),
    ("input that is read in part", "head -c 5", DATA),
    ("quotes and expansions", "x='a  b'; echo \"$x\" $((6 * 7)) `echo c` $(echo d) \"$0\"", b""),
    ("a here-document", "cat <<END\nline\nEND\n", b""),
    ("a child in the background", "echo first; (echo second) & wait", b""),
    ("SIGPIPE's default action", "yes | head -n 1", b""),
    ("no blocked and no ignored signals", "grep -E '^Sig(Blk|Ign)' /proc/self/status", b""),
    ("no descriptors but three", "ls /proc/self/fd | wc -l", b""),
    ("odd bytes", "printf '\\377\\001\\177'", b""),
]


def run_in(shell, command, data):
    """Returns (code, output, errors) of our call."""
    with ours("shell", shell, command, data=data) as client:
        printed = finish(client, f"{shell}: {command}")
    first, _, rest = printed.partition(b"\n")
    code, out_size, err_size = map(int, first.split())
    return code, rest[:out_size], rest[out_size:out_size + err_size]


def run_in_shell(name):
    """Codes, outputs and signals are those that Python's subprocess sees of the same command."""
    shell = program(name)
    for what, command, data in COMMANDS:
        wanted = subprocess.run(command, shell=True, executable=shell, input=data,
                                capture_output=True, timeout=LIMIT, check=False)
        found = run_in(shell, command, data)
        if found != (wanted.returncode, wanted.stdout, wanted.stderr):
            raise Failure(f"{name}: {what}: {[str(part)[:300] for part in found]}, not "
                          f"{str(wanted)[:900]}")


def test_sh_runs_our_commands():
    run_in_shell("sh")


def test_bash_runs_our_commands():
    run_in_shell("bash")


def test_dash_runs_our_commands():
    run_in_shell("dash")


if __name__ == "__main__":
    sys.exit(run_tests("test_peers", [(name, function) for name, function in globals().items()
                                      if name.startswith("test_")]))
