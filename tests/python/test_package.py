# SPDX-License-Identifier: MIT
"""The package as people install it: a source distribution, built by pip in an empty folder.

Needs an environment with requirements_package.txt, and git. ASYNCIO_TEST_LONG=1 builds with the
options that a user gets; otherwise nothing is optimised, which takes a fifth of the time.
"""

import email
import glob
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

from conftest import ROOT

pytest.importorskip("build")
pytest.importorskip("mesonpy")

QUICK = [] if os.environ.get("ASYNCIO_TEST_LONG") else [
    "-Csetup-args=-Dlto=false", "-Csetup-args=-Doptimization=0", "-Csetup-args=-Ddebug=false"]
MODULES = {"__init__.py", "__init__.pyi", "_core.pyi", "py.typed"}


def run(*command, cwd, **variables):
    """Runs a command outside of the sources, without the package that is under test."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # Meson and Ninja are in the environment's folder.
    path = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    done = subprocess.run(command, cwd=cwd, env={**environment, "PATH": path, **variables},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=800)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of the project with what is committed."""
    if shutil.which("git") is None or not os.path.exists(os.path.join(ROOT, ".git")):
        pytest.skip("the sources are no git repository")
    folder = tmp_path_factory.mktemp("clone") / "libasyncio"
    run("git", "-c", "safe.directory=*", "clone", "-q", ROOT, str(folder), cwd="/")
    return folder


@pytest.fixture(scope="module")
def sdist(clone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", str(folder), cwd=clone)
    found = list(folder.glob("*.tar.gz"))
    assert [path.name for path in found] == ["libasyncio-0.1.0.tar.gz"]
    return found[0]


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "-q", "wheel", "--no-build-isolation", "--no-deps",
        "--disable-pip-version-check", *QUICK, "-w", str(folder), str(sdist), cwd=folder)
    found = list(folder.glob("*.whl"))
    assert len(found) == 1
    return found[0]


@pytest.mark.ours
def test_source_distribution_holds_what_builds_it(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        metadata = email.message_from_bytes(
            archive.extractfile("libasyncio-0.1.0/PKG-INFO").read())
    for name in ("LICENSE", "pyproject.toml", "meson.build", "meson_options.txt", "README.md",
                 "src/python/module.c", "src/engine/uring.c", "include/asyncio/loop.h",
                 "python/libasyncio/__init__.py", "python/libasyncio/py.typed"):
        assert name in names, name
    assert not [name for name in names if name.endswith((".o", ".so", ".pyc"))]
    assert (metadata["Name"], metadata["Version"]) == ("libasyncio", "0.1.0")
    assert metadata["Requires-Python"].replace(" ", "") == ">=3.9"


@pytest.mark.ours
def test_wheel_holds_the_package_and_nothing_else(wheel):
    version = "cp%d%d" % sys.version_info[:2]
    platform = sysconfig.get_platform().replace("-", "_")
    assert wheel.name == f"libasyncio-0.1.0-{version}-{version}-{platform}.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = email.message_from_bytes(
            archive.read("libasyncio-0.1.0.dist-info/METADATA"))
        licences = [name for name in names if name.endswith("LICENSE")]
        assert licences and b"MIT License" in archive.read(licences[0])
    inside = {name.partition("/")[2] for name in names if name.startswith("libasyncio/")}
    sources = {os.path.basename(path) for path in
               glob.glob(os.path.join(ROOT, "python", "libasyncio", "*.py"))}
    assert inside == MODULES | sources | {"_core" + sysconfig.get_config_var("EXT_SUFFIX")}
    assert {name.partition("/")[0] for name in names} == {"libasyncio",
                                                          "libasyncio-0.1.0.dist-info"}
    assert metadata["License-Expression"] == "MIT"
    assert "Framework :: AsyncIO" in metadata.get_all("Classifier")
    assert "asyncio" in metadata.get_payload()  # the README


PROGRAM = """
import asyncio, libasyncio, os

async def main():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    writer.close()
    server.close()
    return asyncio.get_running_loop().engine

print(libasyncio.run(main()), libasyncio.__version__, os.path.dirname(libasyncio.__file__))
"""


@pytest.mark.ours
def test_installed_package_runs_a_program(wheel, tmp_path):
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "-q", "install", "--no-deps", "--no-index",
        "--disable-pip-version-check", "--target", str(target), str(wheel), cwd=tmp_path)
    output = run(sys.executable, "-c", PROGRAM, cwd=tmp_path, PYTHONPATH=str(target))
    engine, version, folder = output.split()
    assert engine in ("uring", "epoll") and version == "0.1.0"
    assert folder == str(target / "libasyncio")


@pytest.mark.ours
@pytest.mark.skipif(bool(QUICK), reason="builds once more: ASYNCIO_TEST_LONG=1")
def test_pip_installs_a_clone(clone, tmp_path):
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "-q", "install", "--no-build-isolation", "--no-deps",
        "--disable-pip-version-check", "--target", str(target), ".", cwd=clone)
    assert run(sys.executable, "-c", PROGRAM, cwd=tmp_path, PYTHONPATH=str(target))
