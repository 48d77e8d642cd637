#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Debian packages: built twice with the same bytes, without a word of lintian, hardened, and
usable by somebody who follows the manual in an empty folder.

    debian.py ROOT      `make packages` installs what it needs
"""

import glob
import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Failure, Skip, run_methods  # noqa: E402

ROOT = os.path.abspath(sys.argv[1])
# Pages of the manual that a newcomer follows: each compiles and runs one program.
PATH = ["start/first", "start/fetcher", "howto/testing", "start/http"]


def run(*command, cwd=None, env=None):
    """Runs a command; returns what it prints. Fails with that text if the command fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} exits with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


class Built:
    """The packages, built in two folders of different names, zones and locales."""

    def __init__(self, folder):
        for program in ("dpkg-buildpackage", "dh", "lintian"):
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")
        self.folder = folder
        self.first = self.build("one", {"TZ": "UTC", "LC_ALL": "C.UTF-8"})
        self.second = self.build("another-name", {"TZ": "Asia/Kolkata", "LC_ALL": "C"})
        self.root = os.path.join(folder, "root")
        for package in glob.glob(os.path.join(self.first, "*.deb")):
            run("dpkg-deb", "-x", package, self.root)

    def build(self, name, env):
        """Builds the packages of the files that git knows; returns their folder."""
        folder = os.path.join(self.folder, name)
        source = os.path.join(folder, "libasyncio-0.1.0")
        os.makedirs(source)
        files = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
        for path in filter(None, files):
            target = os.path.join(source, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, path), target, follow_symlinks=False)
        run("tar", "czf", "../libasyncio_0.1.0.orig.tar.gz", "--exclude=./debian", ".", cwd=source)
        run("dpkg-buildpackage", "--no-sign", "--no-check-builddeps", cwd=source,
            env={**env, "DEB_BUILD_OPTIONS": "nocheck"})
        return folder

    def test_is_reproducible(self):
        """Two builds have the same bytes."""
        names = sorted(os.path.basename(p) for p in glob.glob(os.path.join(self.first, "*.deb")))
        if len(names) < 4:
            raise Failure(f"built {names}")
        for name in names:
            sums = []
            for folder in (self.first, self.second):
                with open(os.path.join(folder, name), "rb") as file:
                    sums.append(hashlib.sha256(file.read()).hexdigest())
            if sums[0] != sums[1]:
                raise Failure(f"{name} differs between two builds")

    def test_lintian_is_silent(self):
        """lintian has nothing to say, at its most pedantic."""
        changes = glob.glob(os.path.join(self.first, "*.changes"))[0]
        said = run("lintian", "--allow-root", "-I", "-E", "--pedantic", changes)
        if said.strip():
            raise Failure(said)

    def test_is_hardened(self):
        """The library has read-only relocations, bound at its start, and a stack protector."""
        library = glob.glob(os.path.join(self.root, "usr/lib/*/libasyncio.so.0"))[0]
        described = run("readelf", "-W", "-l", "-d", "--dyn-syms", library)
        for wanted in ("GNU_RELRO", "BIND_NOW", "__stack_chk_fail", "_chk@"):
            if wanted not in described:
                raise Failure(f"{library} has no {wanted}")

    def environment(self):
        """What makes compilers and loaders look into the folder of the packages first."""
        library = os.path.dirname(glob.glob(os.path.join(self.root, "usr/lib/*/pkgconfig"))[0])
        return {"PKG_CONFIG_SYSROOT_DIR": self.root, "LD_LIBRARY_PATH": library,
                "PKG_CONFIG_PATH": os.path.join(library, "pkgconfig")}

    def test_of_its_own_tests(self):
        """The packages' own tests pass."""
        for name in ("build", "examples"):
            with tempfile.TemporaryDirectory() as folder:
                run(os.path.join(ROOT, "debian", "tests", name), cwd=ROOT,
                    env={**self.environment(), "AUTOPKGTEST_TMP": folder})

    def blocks(self, page):
        """Returns the blocks of code of a page of the installed manual: (language, text)."""
        path = os.path.join(self.root, "usr/share/doc/libasyncio-doc/html", page + ".html")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = re.findall(r'<div class="highlight-(\w+) notranslate"><div class="highlight">'
                           r"<pre>(.*?)</pre>", text, re.DOTALL)
        return [(language, html.unescape(re.sub(r"<[^>]+>", "", code))) for language, code in found]

    def follow(self, page):
        """Saves the program of a page, types its commands, and compares what the page promises."""
        blocks = self.blocks(page)
        program = next(text for language, text in blocks if language == "c")
        commands = next(text for language, text in blocks if language == "sh").splitlines()
        promised = next((text for language, text in blocks if language == "text"), None)
        name = re.search(r"(\w+)\.c ", commands[0])[1]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, name + ".c"), "w", encoding="utf-8") as file:
                file.write(program)
            run("sh", "-e", "-c", commands[0], cwd=folder, env=self.environment())
            if re.search(r"\d$", commands[1]):
                self.follow_server(commands[1], folder)
                return
            printed = run("sh", "-e", "-c", commands[1], cwd=folder, env=self.environment())
            if printed != promised:
                raise Failure(f"{page}: prints\n{printed}the page says\n{promised}")

    def follow_server(self, command, folder):
        """Starts the server of a page, fetches the address that the page names, and ends it."""
        url = "http://127.0.0.1:%s/" % command.split()[-1]
        server = subprocess.Popen(command.split(), cwd=folder,
                                  env={**os.environ, **self.environment()})
        try:
            deadline = time.monotonic() + 60.0
            while True:
                try:
                    with urllib.request.urlopen(url, timeout=60.0) as response:
                        body = response.read()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            if body != b"hello\n":
                raise Failure(f"{url}: {body!r}")
        finally:
            server.terminate()
            server.wait(60.0)

    def test_newcomer_follows_the_manual(self):
        """Programs of the installed manual compile and run as the manual says."""
        for page in PATH:
            self.follow(page)

    def test_newcomer_finds_man_pages(self):
        """The installed man pages are found under each name."""
        for section, name in ((3, "asyncio_create_task"), (3, "asyncio_sleep_coroutine"),
                              (7, "asyncio"), (7, "asyncio_errors")):
            path = os.path.join(self.root, f"usr/share/man/man{section}/{name}.{section}.gz")
            if not os.path.lexists(path):
                raise Failure(f"{path} is missing")


def main():
    return run_methods("packages_debian", Built)


if __name__ == "__main__":
    sys.exit(main())
