#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Projects in empty folders that get the library by Meson's wrap and by Conan.

    foreign.py ROOT     CMake and Meson's subproject without a wrap are in test_install.py
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Failure, Skip, run_tests  # noqa: E402

ROOT = os.path.abspath(sys.argv[1])
MESON = """
project('hello', 'c')
executable('hello', 'first.c', dependencies: dependency('libasyncio', fallback: 'libasyncio',
           default_options: ['default_library=static', 'optimization=g']))
"""
CONAN = """
[requires]
libasyncio/%s
[generators]
CMakeDeps
CMakeToolchain
"""
CMAKE = """
cmake_minimum_required(VERSION 3.15)
project(hello C)
find_package(libasyncio REQUIRED)
add_executable(hello first.c)
target_link_libraries(hello PRIVATE libasyncio::asyncio)
"""


def run(*command, cwd=None, env=None):
    """Runs a command; returns what it prints. Fails with that text if the command fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} exits with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def says_hello(program):
    """The program is the first one of the manual, and prints what that says."""
    with open(os.path.join(ROOT, "tests", "expected", "first.txt"), encoding="utf-8") as file:
        wanted = file.read()
    printed = run(program)
    if printed != wanted:
        raise Failure(printed)


def wrap_builds_it():
    """Meson fetches and builds the library by the wrap file."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(ROOT, "examples", "manual", "first.c"), folder)
        write(os.path.join(folder, "meson.build"), MESON)
        os.mkdir(os.path.join(folder, "subprojects"))
        with open(os.path.join(ROOT, "packaging", "libasyncio.wrap"), encoding="utf-8") as file:
            wrap = re.sub(r"^url = .*", "url = file://" + ROOT, file.read(), flags=re.MULTILINE)
        write(os.path.join(folder, "subprojects", "libasyncio.wrap"),
              wrap.replace("depth = 1\n", ""))
        run("meson", "setup", "build", cwd=folder)
        run("ninja", "-C", "build", cwd=folder)
        says_hello(os.path.join(folder, "build", "hello"))


def conan_builds_it():
    """Conan makes a package, and CMake finds the library in it."""
    if not shutil.which("conan"):
        raise Skip("conan is not installed")
    with tempfile.TemporaryDirectory() as folder:
        env = {"CONAN_HOME": os.path.join(folder, "home")}
        run("conan", "profile", "detect", env=env)
        run("conan", "create", os.path.join(ROOT, "packaging", "conan"), env=env)
        with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as file:
            version = re.search(r"version: '([\d.]+)'", file.read())[1]
        shutil.copy(os.path.join(ROOT, "examples", "manual", "first.c"), folder)
        write(os.path.join(folder, "conanfile.txt"), CONAN % version)
        write(os.path.join(folder, "CMakeLists.txt"), CMAKE)
        run("conan", "install", ".", "--output-folder=build", cwd=folder, env=env)
        run("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_TOOLCHAIN_FILE=conan_toolchain.cmake", cwd=folder, env=env)
        run("cmake", "--build", "build", cwd=folder, env=env)
        says_hello(os.path.join(folder, "build", "hello"))


if __name__ == "__main__":
    sys.exit(run_tests("packages_foreign", [(f.__name__, f) for f in (wrap_builds_it,
                                                                      conan_builds_it)]))
