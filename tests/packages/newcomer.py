#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A newcomer follows the manual word for word, in a copy of this system in empty folders: builds
and installs the packages, compiles first programs, servers and a test, and uses pkg-config, CMake
and Meson.

    newcomer.py ROOT       `make packages` installs what it needs

The copy is thrown away (sandbox.py). The tests run in the order of the pages; each needs those
before it.
"""

import glob
import html
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import sandbox  # noqa: E402
from harness import Failure, Skip, run_tests  # noqa: E402

ROOT = os.path.abspath(sys.argv[1])
HTML = "/usr/share/doc/libasyncio-doc/html"
# Pages whose program and commands are followed, each in an empty folder.
PROGRAMS = ["start/first", "start/fetcher", "howto/testing"]
SERVERS = ["start/http", "start/chat"]


def run(command, folder, stdin=""):
    """Types a line into a shell; returns what it prints. Fails with that text if it fails."""
    done = subprocess.run(["sh", "-e", "-c", command], cwd=folder, text=True, input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Failure(f"{command}: exits with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def section(title, path="docs/start/install.md"):
    """Returns the blocks of code of a section of a page in Markdown: [(language, text)]. Nothing of
    the manual is installed yet when it is read."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    if not match:
        raise Failure(f"{path} has no section {title!r}")
    return re.findall(r"^```(\w+)\n(.*?)^```$", match[1], re.DOTALL | re.MULTILINE)


def only(blocks, language):
    """Returns the text of the only block in a language."""
    found = [text for name, text in blocks if name == language]
    if len(found) != 1:
        raise Failure(f"{len(found)} blocks in {language}, not one")
    return found[0]


def blocks_of(page):
    """Returns the blocks of code of a page of the installed manual: (language, text)."""
    with open(os.path.join(HTML, page + ".html"), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r'<div class="highlight-(\w+) notranslate"><div class="highlight">'
                       r"<pre>(.*?)</pre>", text, re.DOTALL)
    return [(language, html.unescape(re.sub(r"<[^>]+>", "", code))) for language, code in found]


def copy_source(folder):
    """Copies the files that git knows; returns the source folder."""
    source = os.path.join(folder, "libasyncio")
    for path in filter(None, run("git ls-files -z", ROOT).split("\0")):
        target = os.path.join(source, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, path), target, follow_symlinks=False)
    return source


def until_it_listens(port, server):
    """Waits until a server accepts connections."""
    deadline = time.monotonic() + 60.0
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60.0).close()
            return
        except OSError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.05)


def says_hello(port):
    """What `curl` prints of the server of the page start/http."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60.0) as response:
        body = response.read()
    if body != b"hello\n":
        raise Failure(f"the server says {body!r}")


def chats(port):
    """Two clients of the page start/chat, each in its terminal: a line of one reaches the other."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60.0) for _ in range(2)]
    clients[1].settimeout(0.1)
    for _ in range(600):  # until the server has taken the second one into its room
        clients[0].sendall(b"hello\n")
        try:
            if clients[1].recv(6) == b"hello\n":
                break
        except TimeoutError:
            continue
    else:
        raise Failure("the line has not come")
    for client in clients:
        client.close()


class Newcomer:
    """The tests, in the order of the pages."""

    def __init__(self, folder):
        self.folder = folder
        self.source = copy_source(folder)

    def empty(self):
        return tempfile.mkdtemp(dir=self.folder)

    def installs_the_packages(self):
        """The commands of the page build the packages and install them."""
        os.environ["DEB_BUILD_OPTIONS"] = "nocheck"  # its tests are a test of its own
        for line in only(section("Debian packages"), "sh").splitlines():
            run(line, self.source, stdin="y\n")
        for line in only(section("Is it there?"), "sh").splitlines():
            if not run(line, self.folder).strip():
                raise Failure(f"{line}: prints nothing")

    def runs_a_program(self, page):
        """The program of a page is saved, compiled and run, and prints what the page says."""
        blocks = blocks_of(page)
        folder = self.empty()
        compiling, running = only(blocks, "sh").splitlines()
        name = re.search(r"(\w+\.c) ", compiling)[1]
        write(folder, name, only(blocks, "c"))
        warnings = run(compiling, folder)
        if warnings:
            raise Failure(f"{compiling}: prints {warnings}")
        if page in SERVERS:
            self.serves(running, folder, says_hello if page == "start/http" else chats)
            return
        printed = run(running, folder)
        if printed != only(blocks, "text"):
            raise Failure(f"{page}: prints\n{printed}the page says\n{only(blocks, 'text')}")

    @staticmethod
    def serves(command, folder, talk):
        """A server is started, talked to and ended."""
        port = int(command.split()[-1])
        with subprocess.Popen(command.split(), cwd=folder) as server:
            try:
                until_it_listens(port, server)
                talk(port)
            finally:
                server.terminate()
            if server.wait(60.0) != 0:
                raise Failure(f"{command}: exits with {server.returncode}")

    def first_program(self, folder):
        """Puts the first program of the manual into a folder as program.c; returns its output."""
        blocks = blocks_of("start/first")
        write(folder, "program.c", only(blocks, "c"))
        return only(blocks, "text")

    def uses_pkg_config(self):
        """The line for any program compiles one."""
        folder = self.empty()
        wanted = self.first_program(folder)
        run(only(section("Compile a program"), "sh").strip(), folder)
        if run("./program", folder) != wanted:
            raise Failure("the program prints something else")

    def links_statically(self):
        """The line of docs/howto/building.md links a program that needs no shared library."""
        folder = self.empty()
        wanted = self.first_program(folder)
        run(only(section("The static library", "docs/howto/building.md"), "sh").strip(), folder)
        if run("./program", folder) != wanted or "INTERP" in run("readelf -lW program", folder):
            raise Failure("the program prints something else, or is not static")

    def uses_cmake(self):
        """The lines for CMake build a program."""
        folder = self.empty()
        wanted = self.first_program(folder)
        lines = only(section("CMake"), "cmake").splitlines(keepends=True)
        write(folder, "CMakeLists.txt",
              "cmake_minimum_required(VERSION 3.13)\nproject(program C)\n" + lines[0] +
              "add_executable(program program.c)\n" + "".join(lines[1:]))
        run("cmake -S . -B build && cmake --build build", folder)
        if run("build/program", folder) != wanted:
            raise Failure("the program prints something else")

    def uses_meson(self):
        """The lines for Meson build a program, with the installed library and without it."""
        folder = self.empty()
        wanted = self.first_program(folder)
        write(folder, "meson.build", "project('program', 'c')\n" + only(section("Meson"), "meson"))
        run("meson setup build && ninja -C build", folder)
        if run("build/program", folder) != wanted:
            raise Failure("the program prints something else")

    def removes_the_packages(self):
        """apt removes what it installed, and the headers and the library with it."""
        run("sudo apt-get purge -y 'libasyncio*'", self.folder)
        left = [path for path in ("/usr/include/asyncio.h", HTML) if os.path.exists(path)]
        if left + glob.glob("/usr/lib/*/libasyncio*"):
            raise Failure(f"left behind: {left}")

    def builds_for_sanitizers(self):
        """The lines of docs/howto/building.md build the library with a sanitizer."""
        for line in only(section("Sanitizers", "docs/howto/building.md"), "sh").splitlines():
            run(line, self.source)
        if not os.path.exists(os.path.join(self.source, "build-asan", "libasyncio.so")):
            raise Failure("there is no library")

    def installs_as_the_readme_says(self):
        """The two lines of README.md do the same."""
        with open(os.path.join(ROOT, "examples", "manual", "first.c"), encoding="utf-8") as file:
            write(self.source, "program.c", file.read())
        for line in only(section("Install", "README.md"), "sh").splitlines():
            run(line, self.source)
        run("./program", self.source)

    def installs_from_source(self):
        """The commands of the page install the library below /usr/local, and a program uses it."""
        folder = self.empty()
        with open(os.path.join(ROOT, "examples", "manual", "first.c"), encoding="utf-8") as file:
            write(folder, "program.c", file.read())
        for line in only(section("From source"), "sh").splitlines():
            run(line, self.source)
        run(only(section("Compile a program"), "sh").strip(), folder)
        with open(os.path.join(ROOT, "tests", "expected", "first.txt"), encoding="utf-8") as file:
            if run("./program", folder) != file.read():
                raise Failure("the program prints something else")


def inside():
    """The tests, in the copy of the system."""
    with tempfile.TemporaryDirectory() as folder:
        newcomer = Newcomer(folder)
        tests = [("installs_the_packages", newcomer.installs_the_packages)]
        tests += [("follows_" + page.replace("/", "_"),
                   lambda page=page: newcomer.runs_a_program(page))
                  for page in [*PROGRAMS, *SERVERS]]
        tests += [(f.__name__, f) for f in (
            newcomer.uses_pkg_config, newcomer.links_statically, newcomer.uses_cmake,
            newcomer.uses_meson, newcomer.removes_the_packages, newcomer.installs_from_source,
            newcomer.installs_as_the_readme_says, newcomer.builds_for_sanitizers)]
        return run_tests("packages_newcomer", tests)


def refused():
    raise Skip(sandbox.why_not())


def main():
    if "--inside" in sys.argv:
        return inside()
    if sandbox.why_not():
        return run_tests("packages_newcomer", [("newcomer_follows_the_manual", refused)])
    return subprocess.run(sandbox.command([ROOT], [sys.executable, os.path.abspath(__file__), ROOT,
                                                   "--inside"]), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
