#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make` asks for, what `make install` installs, and how other projects find it.

    test_install.py ROOT BUILD      BUILD is a build folder whose library is built
"""

import glob
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

import harness

PROGRAM = r"""
#include <asyncio.h>
#include <stdio.h>

static int hello(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_sleep(0.001);
    if (rc == 0)
        puts("hello");
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(hello, NULL), NULL) < 0;
}
"""

UNLOADING = r"""
#include <dlfcn.h>
#include <pthread.h>

static void *use(void *path)
{
    void *library = dlopen(path, RTLD_NOW);
    void *(*get_loop)(void) = (void *(*)(void))dlsym(library, "asyncio_get_event_loop");
    void *loop = get_loop();
    dlclose(library);
    return loop;
}

int main(int argc, char **argv)
{
    (void)argc;
    pthread_t thread;
    void *loop = 0;
    pthread_create(&thread, 0, use, argv[1]);
    pthread_join(thread, &loop);
    return !loop;
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(hello C)
find_package(libasyncio 0.1 REQUIRED)
foreach(kind asyncio asyncio_static)
    add_executable(hello_${kind} hello.c)
    target_link_libraries(hello_${kind} PRIVATE libasyncio::${kind})
endforeach()
find_package(libasyncio 99.0 QUIET)
if(libasyncio_FOUND)
    message(FATAL_ERROR "version 0.1 is not version 99.0")
endif()
"""

MESON = """
project('hello', 'c')
executable('hello', 'hello.c', dependencies: dependency('libasyncio',
           fallback: 'libasyncio', default_options: ['default_library=static']))
"""


def run(*command, cwd=None, env=None):
    """Runs a command; returns what it prints. Fails with that text if the command fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise harness.Failure(f"{shlex.join(command)} exits with {done.returncode}:\n"
                              f"{done.stdout}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def expect(condition, text):
    if not condition:
        raise harness.Failure(text)


def installed_file(prefix, name):
    """Returns the one file of that name below the prefix."""
    found = glob.glob(os.path.join(glob.escape(prefix), "**", name), recursive=True)
    expect(len(found) == 1, f"{name} is installed {len(found)} times below {prefix}")
    return found[0]


def hello(program, library_folder=""):
    """Runs a program that must print hello."""
    printed = run(program, env={"LD_LIBRARY_PATH": library_folder})
    expect(printed == "hello\n", f"{program} prints {printed!r}")


class Installed:
    """The library, installed into a folder of its own."""

    def __init__(self, root, build, folder):
        self.root, self.build, self.folder = root, build, folder
        stage = os.path.join(folder, "stage")
        run("meson", "install", "-C", build, "--no-rebuild", "--quiet", env={"DESTDIR": stage})
        self.config = installed_file(stage, "libasyncio.pc")
        self.prefix = self.config.split("/lib", 1)[0]
        for line in open(self.config, encoding="utf-8"):
            if line.startswith("prefix="):
                self.prefix = stage + line.strip().split("=", 1)[1]
        self.libraries = os.path.dirname(os.path.realpath(
            installed_file(self.prefix, "libasyncio.a")))
        write(os.path.join(folder, "hello.c"), PROGRAM)

    def test_holds_no_tests(self):
        """Headers, libraries and their descriptions are installed, and nothing else."""
        known = (".h", ".hpp", ".a", ".so", ".so.0", ".so.0.1.0", ".pc", ".cmake", "-gdb.py",
                 ".md", "LICENSE")
        for here, _, names in os.walk(self.prefix):
            for name in names:
                expect(name.endswith(known), f"installed for nobody: {here}/{name}")
        for header in glob.glob(os.path.join(self.root, "include", "**", "*.h"), recursive=True):
            expect(os.path.exists(os.path.join(self.prefix, os.path.relpath(header, self.root))),
                   f"not installed: {header}")

    def test_pkg_config(self):
        """pkg-config's words compile and link a program, shared and static."""
        env = {"PKG_CONFIG_PATH": os.path.dirname(self.config)}
        for extra in ([], ["--static"]):
            words = run("pkg-config", f"--define-variable=prefix={self.prefix}", *extra, "--cflags",
                        "--libs", "libasyncio", env=env).split()
            program = os.path.join(self.folder, "hello" + "".join(extra))
            static = ["-Wl,-Bstatic", "-lasyncio", "-Wl,-Bdynamic"] if extra else []
            words = [w for w in words if not (extra and w == "-lasyncio")]
            run("cc", os.path.join(self.folder, "hello.c"), "-o", program, *words[:-1], *static,
                words[-1], "-lm", "-pthread")
            hello(program, "" if extra else self.libraries)

    def test_cmake(self):
        """CMake's find_package() finds both libraries, and refuses a version that does not fit."""
        if not shutil.which("cmake"):
            raise harness.Skip("cmake is not installed")
        source = os.path.join(self.folder, "cmake")
        os.mkdir(source)
        write(os.path.join(source, "CMakeLists.txt"), CMAKE)
        write(os.path.join(source, "hello.c"), PROGRAM)
        run("cmake", "-S", source, "-B", source + "/build",
            "-DCMAKE_PREFIX_PATH=" + self.prefix)
        run("cmake", "--build", source + "/build")
        hello(source + "/build/hello_asyncio", self.libraries)
        hello(source + "/build/hello_asyncio_static")

    def test_subproject(self):
        """A project that has the library as a Meson subproject builds the library alone."""
        source = os.path.join(self.folder, "meson")
        os.makedirs(source + "/subprojects")
        os.symlink(self.root, source + "/subprojects/libasyncio")
        write(source + "/meson.build", MESON)
        write(source + "/hello.c", PROGRAM)
        run("meson", "setup", source + "/build", source, "--wrap-mode=forcefallback",
            "-Dlibasyncio:optimization=0", "-Dlibasyncio:debug=false")
        run("ninja", "-C", source + "/build")
        hello(source + "/build/hello")
        built = [name for _, _, names in os.walk(source + "/build") for name in names]
        expect("test_loop" not in built and "bench" not in built, "tests or benchmark were built")

    def test_gdb_script(self):
        """The script for gdb lies where gdb looks when it loads the library."""
        script = installed_file(self.prefix, "libasyncio.so.0.1.0-gdb.py")
        library = os.path.realpath(installed_file(self.prefix, "libasyncio.so.0.1.0"))
        library = os.path.join("/", os.path.relpath(library, os.path.join(self.folder, "stage")))
        expect(script.endswith("/gdb/auto-load" + library[:-len(".0.1.0")] + ".0.1.0-gdb.py"),
               f"{script} does not belong to {library}")

    def test_links_without_a_warning(self):
        """gcc optimises the whole static library at link time without a warning."""
        if "gcc" not in run("cc", "--version").lower():
            raise harness.Skip("cc is not gcc")
        printed = run("cc", "-O2", "-flto=2", "-shared", "-fPIC", "-Wl,--whole-archive",
                      os.path.join(self.libraries, "libasyncio.a"), "-Wl,--no-whole-archive", "-lm",
                      "-pthread", "-o", os.path.join(self.folder, "whole.so"))
        expect("warning" not in printed, printed)


def test_toolchain(root):
    """`make` names what is missing and the line to type, and installs nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bash", "cc", "apt-get"):
            path = os.path.join(folder, name)
            if name == "apt-get":
                write(path, "#!/bin/sh\ntouch '" + folder + "/called'\n")
                os.chmod(path, 0o755)
            else:
                os.symlink(shutil.which(name), path)
        done = subprocess.run(["/bin/bash", os.path.join(root, "tools", "check_toolchain.sh")],
                              env={"PATH": folder}, capture_output=True, text=True, check=False)
        expect(done.returncode == 1, f"it exits with {done.returncode}")
        expect("install: sudo apt-get install meson ninja-build\n" in done.stderr, done.stderr)
        expect(not os.path.exists(folder + "/called"), "it calls apt-get")


def test_library_stays_mapped(build):
    """A thread with a loop that ends after dlclose() finds its destructors."""
    with tempfile.TemporaryDirectory() as folder:
        write(folder + "/unloading.c", UNLOADING)
        run("cc", "unloading.c", "-o", "unloading", "-pthread", "-ldl", cwd=folder)
        run(folder + "/unloading", os.path.join(build, "libasyncio.so"))


def test_make_needs_no_packages(root):
    """Neither `make` nor `make install` installs packages; `make test` and `make demo` do."""
    for target, installs in (("all", False), ("install", False), ("test", True), ("demo", True)):
        steps = run("make", "-n", "-C", root, target, "BUILD=/nonexistent")
        expect(("install_dependencies" in steps) == installs, f"make {target} runs:\n{steps}")


def main(root, build):
    """Installs once, and runs each test on that."""
    tests = [("test_toolchain", lambda: test_toolchain(root)),
             ("test_library_stays_mapped", lambda: test_library_stays_mapped(build)),
             ("test_make_needs_no_packages", lambda: test_make_needs_no_packages(root))]
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(root, build, folder)
        tests += [(name, getattr(installed, name)) for name in dir(installed)
                  if name.startswith("test_")]
        return harness.run_tests("test_install", tests)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
