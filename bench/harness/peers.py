# SPDX-License-Identifier: MIT
"""Who is measured: ours and the peers; how each is built, started, and which version it is.

A peer that cannot be built here is left out, and the reason is kept for the table.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from machine import first_line

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(BENCH, "peers")


class Missing(Exception):
    """Why a peer is left out."""


@dataclass
class Peer:
    """One column of the tables."""
    key: str                   # the word in PEERS=
    label: str                 # the head of its column
    command: list              # the program, before the work
    version: str
    works: bool = True         # it has works, not only a server
    engine: str = ""           # ours: the engine
    servers: list = field(default_factory=lambda: ["echo"])

    @property
    def is_ours(self):
        return bool(self.engine)


def build(command, **options):
    """Runs a command of a build; Missing tells the first error if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, **options)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        said = [line for line in lines if "error" in line.lower()] or lines or ["failed"]
        raise Missing(f"{os.path.basename(command[0])}: {said[0].strip()}")


def is_older(target, folders):
    """Says whether a target is missing, or older than a file of these folders."""
    if not os.path.exists(target):
        return True
    built = os.path.getmtime(target)
    return any(os.path.getmtime(os.path.join(here, name)) > built
               for folder in folders for here, _, names in os.walk(folder) for name in names)


def compile_with(compiler, folder, out, sources, libraries):
    """Compiles a peer in C or C++; returns the program's path."""
    common = os.path.join(BENCH, "common")
    target = os.path.join(out, folder, "bench" if sources == "*" else sources.split(".")[0])
    here = os.path.join(PEERS, folder)
    paths = sorted(os.path.join(here, name) for name in os.listdir(here)
                   if name == sources or sources == "*" and name.endswith((".c", ".cc")))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if is_older(target, [here, common]):
        build([*compiler, "-O2", "-DNDEBUG", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-I", common,
               *paths, "-o", target, *libraries, "-lpthread"])
    return target


def archive(name, shared):
    """Returns a static library, as ours is, or what links the shared one if there is none."""
    path = first_line(["gcc", f"-print-file-name={name}"])
    return path if path and os.path.isabs(path) else shared


def header_version(path, names):
    """Returns the numbers that a header defines, joined by points."""
    command = ["gcc", "-E", "-dM", "-x", "c", "-include", path, "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = [re.search(rf"^#define {name} (\S+)", done.stdout, re.MULTILINE) for name in names]
    return ".".join(match.group(1).strip('"') for match in found if match) or "?"


def package_version(package):
    """Returns the version of one of Debian's packages, without Debian's own part."""
    version = first_line(["dpkg-query", "-W", "-f", "${Version}", package])
    return re.split(r"[-+]", version)[0] if version else "?"


def boost_version():
    return header_version("boost/version.hpp", ["BOOST_LIB_VERSION"]).replace("_", ".")


def bare_epoll(build_folder, out):
    return [Peer("epoll", "bare epoll", [f"{build_folder}/bench/epoll_echo"], "–", works=False,
                 servers=[""])]


def libuv(build_folder, out):
    version = header_version("uv.h", ["UV_VERSION_MAJOR", "UV_VERSION_MINOR", "UV_VERSION_PATCH"])
    library = [archive("libuv_a.a", "-luv")]
    idiomatic = compile_with(["gcc"], "libuv", out, "bench.c", library)
    tuned = compile_with(["gcc"], "libuv", out, "echo_tuned.c", library)
    return [Peer("libuv", "libuv", [idiomatic], version, servers=["echo", "udp"]),
            Peer("libuv_tuned", "libuv tuned", [tuned], version, works=False)]


def state_threads(build_folder, out):
    program = compile_with(["gcc"], "state_threads", out, "*", [archive("libst.a", "-lst")])
    return [Peer("state_threads", "State Threads", [program], package_version("libst-dev"))]


def asio(build_folder, out):
    program = compile_with(["g++", "-std=c++20"], "asio", out, "*", [])
    return [Peer("asio", "Boost.Asio", [program], boost_version(), servers=["echo", "udp"])]


def fiber(build_folder, out):
    program = compile_with(["g++", "-std=c++20"], "fiber", out, "*",
                           [archive("libboost_fiber.a", "-lboost_fiber"),
                            archive("libboost_context.a", "-lboost_context")])
    return [Peer("fiber", "Boost.Fiber", [program], boost_version(), servers=[])]


def go(build_folder, out):
    program = os.path.join(os.path.abspath(out), "go", "bench")
    build(["go", "build", "-o", program, "."], cwd=os.path.join(PEERS, "go"))
    version = (first_line(["go", "version"]) or "? ? ?").split()[2]
    return [Peer("go", "Go", [program], version.removeprefix("go"), servers=["echo", "udp"])]


def tokio(build_folder, out):
    here = os.path.join(PEERS, "tokio")
    target = os.path.join(os.path.abspath(out), "tokio")
    build(["cargo", "build", "--release", "--quiet"], cwd=here,
          env={**os.environ, "CARGO_TARGET_DIR": target})
    with open(os.path.join(here, "Cargo.lock"), encoding="utf-8") as file:
        version = re.search(r'name = "tokio"\nversion = "(.*)"', file.read()).group(1)
    rustc = (first_line(["rustc", "--version"]) or "? ?").split()[1]
    return [Peer("tokio", "tokio", [f"{target}/release/bench"], f"{version}, rustc {rustc}",
                 servers=["echo", "udp"])]


def interpreter():
    """Returns a Python of 3.11 or later, 3.13 where there is one: its path, not a shim's."""
    for name in ("python3.13", "python3"):
        for version in ("", "3.13.0", "3.13"):
            environment = {**os.environ, **({"PYENV_VERSION": version} if version else {})}
            if not shutil.which(name):
                continue
            done = subprocess.run([name, "-c", "import sys; print(sys.executable, "
                                   "sys.version_info >= (3, 11))"], env=environment,
                                  capture_output=True, text=True)
            if done.returncode == 0 and done.stdout.split()[-1] == "True":
                return done.stdout.split()[0]
    raise Missing("no python3 of 3.11 or later")


def python_version(python):
    return (first_line([python, "--version"]) or "? ?").split()[1]


def asyncio(build_folder, out):
    python = interpreter()
    command = [python, os.path.join(PEERS, "asyncio", "bench.py")]
    return [Peer("asyncio", "asyncio", command, f"CPython {python_version(python)}",
                 servers=["echo", "echo_streams", "udp"])]


def uvloop(build_folder, out):
    here = os.path.join(PEERS, "uvloop")
    folder = os.path.join(os.path.abspath(out), "uvloop")
    python = os.path.join(folder, "bin", "python")
    wanted = os.path.join(here, "requirements.txt")
    if not first_line([python, "-c", "import uvloop; print(uvloop.__version__)"]):
        shutil.rmtree(folder, ignore_errors=True)
        build([interpreter(), "-m", "venv", folder])
    build([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
           "--only-binary", ":all:", "-r", wanted])
    version = first_line([python, "-c", "import uvloop; print(uvloop.__version__)"])
    return [Peer("uvloop", "uvloop", [python, os.path.join(here, "bench.py")],
                 f"{version}, CPython {python_version(python)}",
                 servers=["echo", "echo_streams", "udp"])]


# In the order of the columns.
MAKERS = {"epoll": bare_epoll, "libuv": libuv, "state_threads": state_threads, "asio": asio,
          "fiber": fiber, "go": go, "tokio": tokio, "asyncio": asyncio, "uvloop": uvloop}

# What PEERS= may name: a maker, or one of two columns that it makes.
KEYS = [*MAKERS, "libuv_tuned"]


def make_ours(build_folder, engines):
    """Returns ours, a column for each engine."""
    return [Peer(f"ours_{engine}", f"ours, {engine}", [f"{build_folder}/bench/bench"], "this tree",
                 engine=engine, servers=["echo", "echo_streams", "echo_protocol", "udp"])
            for engine in engines]


def make_all(build_folder, engines, wanted):
    """Returns all that can be measured here, and the reasons of those that cannot, by key."""
    out = os.path.join(build_folder, "bench-peers")
    found, missing = make_ours(build_folder, engines), {}
    for key, maker in MAKERS.items():
        if wanted and not any(word.startswith(key) for word in wanted):
            continue
        print(f"building {key}", flush=True)
        try:
            made = maker(build_folder, out)
        except Missing as reason:
            missing[key] = str(reason)
            print(f"  left out: {reason}")
            continue
        found += [peer for peer in made if not wanted or peer.key in wanted or key in wanted]
    return found, missing
