#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Debian packages: built with their tests, built twice with the same bytes, without a word of
lintian, hardened, and with autopkgtests that pass.

    debian.py ROOT      `make packages` installs what it needs

newcomer.py installs them, and uses them as the manual says.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import sandbox  # noqa: E402
from harness import Failure, Skip, run_methods  # noqa: E402

ROOT = os.path.abspath(sys.argv[1])


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
        # One with the tests of the suite, under the flags of the distribution, and one without.
        processors = f"parallel={os.cpu_count()}"
        self.first = self.build("one", {"TZ": "UTC", "LC_ALL": "C.UTF-8",
                                        "DEB_BUILD_OPTIONS": processors})
        self.second = self.build("another-name", {"TZ": "Asia/Kolkata", "LC_ALL": "C",
                                                  "DEB_BUILD_OPTIONS": processors + " nocheck"})
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
            env={**env, "PATH": sandbox.PATH})
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

    def test_autopkgtest_passes(self):
        """The packages are installed, and their own tests pass with the installed library."""
        if not shutil.which("autopkgtest"):
            raise Skip("autopkgtest is not installed")
        if sandbox.why_not():
            raise Skip(sandbox.why_not())
        packages = sorted(glob.glob(os.path.join(self.first, "*.deb")))
        source = os.path.join(self.first, "libasyncio-0.1.0")
        said = run(*sandbox.command([self.folder], [
            "autopkgtest", *packages, source + "/", "--", "null"]))
        passed = {line.split()[0] for line in said.splitlines() if line.split()[1:2] == ["PASS"]}
        if passed != {"build", "examples"}:
            raise Failure(said[-4000:])

    def test_has_man_pages(self):
        """There is a man page under each name."""
        for section, name in ((3, "asyncio_create_task"), (3, "asyncio_sleep_coroutine"),
                              (7, "asyncio"), (7, "asyncio_errors")):
            path = os.path.join(self.root, f"usr/share/man/man{section}/{name}.{section}.gz")
            if not os.path.lexists(path):
                raise Failure(f"{path} is missing")


def main():
    return run_methods("packages_debian", Built)


if __name__ == "__main__":
    sys.exit(main())
