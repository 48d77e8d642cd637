# SPDX-License-Identifier: MIT
"""Runs one program once: a work, or a server with the load client on it. Returns numbers."""

import os
import re
import socket
import subprocess
import sys

SERVER_CPU = "0"


def environment(peer):
    return {**os.environ, "ASYNCIO_ENGINE": peer.engine} if peer.engine else None


def pinned(command, is_pinned=True):
    """Returns the command, held on one CPU with all the threads that its runtime may make; as it
    is on a machine that has no such CPU for us."""
    if not is_pinned or int(SERVER_CPU) not in os.sched_getaffinity(0):
        return command
    return ["taskset", "-c", SERVER_CPU, *command]


def complain(command, text):
    sys.stderr.write(f"{' '.join(command)}: {text.strip()[-300:] or 'failed'}\n")


def parse(output):
    """Returns the values of lines `ROW VALUE UNIT` by row, and nothing of `ROW n/a`."""
    values = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) == 3:
            values[words[0]] = float(words[1])
    return values


def run_work(peer, work, count, times=1, has_threads=False, limit=120):
    """Returns the values that a work printed by row: nothing for what is not there, or failed."""
    command = pinned([*peer.command, work, str(count), str(times)], not has_threads)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit,
                              env=environment(peer))
    except subprocess.TimeoutExpired:
        complain(command, f"took more than {limit} s")
        return {}
    if done.returncode != 0:
        complain(command, done.stderr)
        return {}
    return parse(done.stdout)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def parse_load(output):
    """Returns requests/s, microseconds of CPU a request, and how busy the client was, or None."""
    numbers = re.findall(r"^[0-9.]+", output, re.MULTILINE)
    return [float(number) for number in numbers] if len(numbers) == 3 else None


def run_load(load_program, peer, server, connections, size, seconds, is_udp=False):
    """Starts a server, loads it, ends it; returns what parse_load() does."""
    port = str(free_port())
    words = [server, port] if server else [port]
    command = pinned([*peer.command, *words])
    process = subprocess.Popen(command, env=environment(peer), stderr=subprocess.DEVNULL)
    load = [load_program, port, str(connections), str(size), str(seconds), str(process.pid)]
    load += ["udp"] if is_udp else []
    try:
        done = subprocess.run(load, capture_output=True, text=True, timeout=60 + 10 * seconds)
        found = parse_load(done.stdout)
        if not found:
            complain(command, done.stderr)
        return found
    except subprocess.TimeoutExpired:
        complain(command, "the load did not end")
        return None
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
