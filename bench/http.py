#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares examples/http_server with other HTTP servers: `python3 bench/http.py BUILD`.

wrk on CPU 1 loads each server on CPU 0, over 64 connections: 13 bytes of plain text, and a file of
64 KiB. The programs of the other servers are in bench/peers/http; one that cannot be built is left
out, and the last lines say why. `--repeats`, `--seconds`, `--only`; `--fetch` compares
examples/fetch with `curl -Z` instead. Numbers are medians; CPU is the server's, of all its threads
and processes, from /proc/PID/stat.
"""

import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "peers", "http")
TICK = os.sysconf("SC_CLK_TCK")
WORKS = {"plaintext": "/plaintext", "file 64 KiB": "/64k.bin"}

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {folder};
              location = /plaintext {{ default_type text/plain; return 200 "Hello, World!"; }} }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def build(command, **options):
    """Runs a build; raises OSError with the last words of one that fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise OSError(done.stdout.decode(errors="replace").strip().splitlines()[-1])


def need(name):
    program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise OSError(name + " is not installed")
    return program


# Each of these returns the commands of a server by work, or raises OSError.

def ours(engine):
    def commands(options, _scratch, folder, port):
        program = ["env", "ASYNCIO_ENGINE=" + engine,
                   os.path.join(options.build, "examples", "http_server"), "--port", str(port)]
        return {"plaintext": program, "file 64 KiB": program + ["--root", folder]}
    return commands


def same(command):
    return dict.fromkeys(WORKS, command)


def nginx(_options, scratch, folder, port):
    path = os.path.join(scratch, "nginx.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(NGINX.format(folder=folder, port=port))
    return same([need("nginx"), "-p", scratch, "-c", path, "-e", "/dev/null"])


def go(options, _scratch, folder, port):
    program = os.path.join(options.peers, "go_http")
    if not os.path.exists(program):
        build([need("go"), "build", "-o", program, "."], cwd=PEERS)
    return same([program, str(port), folder])


def hyper(options, _scratch, folder, port):
    target = os.path.join(options.peers, "cargo")
    program = os.path.join(target, "release", "http_bench")
    if not os.path.exists(program):
        build([need("cargo"), "build", "--release", "--target-dir", target], cwd=PEERS)
    return same([program, str(port), folder])


def node(_options, _scratch, folder, port):
    return same([need("node"), os.path.join(PEERS, "main.mjs"), str(port), folder])


def uvicorn(options, _scratch, folder, port):
    python = os.path.join(options.peers, "venv", "bin", "python")
    if not os.path.exists(python):
        build([sys.executable, "-m", "venv", os.path.join(options.peers, "venv")])
        build([python, "-m", "pip", "install", "-q", "uvicorn", "uvloop", "httptools"])
    return same([python, os.path.join(PEERS, "main.py"), str(port), folder])


SERVERS = {"libasyncio epoll": ours("epoll"), "libasyncio uring": ours("uring"), "nginx": nginx,
           "go": go, "hyper": hyper, "node": node, "uvicorn": uvicorn}


def processes(pid):
    """A process and its children: nginx has a worker."""
    yield pid
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                yield from processes(int(child))


def cpu_seconds(pid):
    total = 0
    for one in processes(pid):
        with open(f"/proc/{one}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(command, port):
    """Runs a server on CPU 0, until it listens."""
    process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            if process.poll() is not None:
                raise OSError("it ended with %d" % process.returncode)
            time.sleep(0.05)
        yield process.pid
    finally:
        end(process)


def wrk(port, path, seconds):
    """Returns the number of responses, and those in a second."""
    text = subprocess.run(["taskset", "-c", "1", need("wrk"), "-t1", "-c64", f"-d{seconds}",
                           f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    if "Non-2xx" in text or "Socket errors" in text:
        raise OSError(text)
    return (int(re.search(r"(\d+) requests in", text)[1]),
            float(re.search(r"Requests/sec: *([\d.]+)", text)[1]))


def measure(commands, work, port, seconds):
    """Returns microseconds of CPU a request, and requests a second."""
    with running(commands[work], port) as pid:
        wrk(port, WORKS[work], 1)
        before = cpu_seconds(pid)
        count, rate = wrk(port, WORKS[work], seconds)
        return (cpu_seconds(pid) - before) / count * 1e6, rate


def compare_servers(options, scratch):
    folder = os.path.join(scratch, "www")
    os.mkdir(folder)
    os.chmod(scratch, 0o755)
    with open(os.path.join(folder, "64k.bin"), "wb") as file:
        file.write(os.urandom(65536))
    names = [name for name in SERVERS if not options.only or
             any(name.startswith(only) for only in options.only.split(","))]
    figures, missing = {}, {}
    for repeat in range(options.repeats):
        for name in names[repeat % len(names):] + names[:repeat % len(names)]:
            for work in WORKS:
                if name in missing:
                    continue
                port = free_port()
                try:
                    commands = SERVERS[name](options, scratch, folder, port)
                    figures.setdefault((work, name), []).append(
                        measure(commands, work, port, options.seconds))
                except (OSError, subprocess.SubprocessError) as error:
                    missing[name] = error
    for work in WORKS:
        print(f"\n| {work} | CPU µs a request | requests a CPU second | requests/s |")
        print("| --- | --- | --- | --- |")
        for name in names:
            if (work, name) in figures:
                cpu, rate = (statistics.median(column) for column in zip(*figures[work, name]))
                print(f"| {name} | {cpu:.2f} | {1e6 / cpu:,.0f} | {rate:,.0f} |")
    for name, error in missing.items():
        print(f"{name}: left out: {error}")


def compare_fetch(options, scratch):
    """fetch and curl -Z, each with 20,000 pages, 50 at once: curl allows 300 at most."""
    port, count = free_port(), 20000
    urls, config = os.path.join(scratch, "urls"), os.path.join(scratch, "config")
    with open(urls, "w", encoding="ascii") as file:
        file.writelines(f"http://127.0.0.1:{port}/page/{i}\n" for i in range(count))
    with open(config, "w", encoding="ascii") as file:
        file.writelines(f'url = "http://127.0.0.1:{port}/page/{i}"\noutput = /dev/null\n'
                        for i in range(count))
    programs = {
        "fetch": [os.path.join(options.build, "examples", "fetch"), "--concurrency", "50",
                  "--file", urls],
        "curl -Z": [need("curl"), "-sS", "-Z", "--parallel-max", "50", "--no-progress-meter",
                    "-K", config],
    }
    figures = {name: [] for name in programs}
    server = ours("epoll")(options, scratch, scratch, port)["plaintext"]
    with running(server, port):
        for _ in range(options.repeats):
            for name, command in programs.items():
                before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
                subprocess.run(["taskset", "-c", "1", *command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, check=True)
                seconds = time.monotonic() - began
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                figures[name].append((seconds, after.ru_utime + after.ru_stime -
                                      before.ru_utime - before.ru_stime))
    print("| 20,000 pages | seconds | CPU seconds |\n| --- | --- | --- |")
    for name, rows in figures.items():
        seconds, cpu = (statistics.median(column) for column in zip(*rows))
        print(f"| {name} | {seconds:.2f} | {cpu:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="the folder of a release build")
    parser.add_argument("--peers", default="build/bench-http", help="where to build the others")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load")
    parser.add_argument("--only", default="", help="servers whose names begin so, by commas")
    parser.add_argument("--fetch", action="store_true", help="compare fetch with curl -Z")
    options = parser.parse_args()
    options.build, options.peers = os.path.abspath(options.build), os.path.abspath(options.peers)
    os.makedirs(options.peers, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-http-") as scratch:
        (compare_fetch if options.fetch else compare_servers)(options, scratch)


if __name__ == "__main__":
    main()
