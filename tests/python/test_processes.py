# SPDX-License-Identifier: MIT
"""Processes are started by the extension where it can, and nobody sees that it was not Popen."""

import asyncio
import gc
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

import pytest

from conftest import SPEC
from on_loop import factory_of

PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
SIGNALS = "grep -E 'Sig(Blk|Ign)' /proc/self/status"
LEADS = "test $(ps -o {}= -p $$) = $$; echo $?"

# Arguments and options of create_subprocess_exec(). Standard input is the null device.
CASES = {
    "path": (["/bin/echo", "a"], {}),
    "name": (["echo", "a"], {}),
    "bytes": ([b"echo", b"a"], {}),
    "path object": ([pathlib.Path("/bin/echo"), "a"], {}),
    "missing": (["/no/such/program"], {}),
    "missing name": (["no-such-program"], {}),
    "missing bytes": ([b"no-such-program"], {}),
    "missing path object": ([pathlib.Path("no-such-program")], {}),
    "not executable": (["{here}/plain"], {}),
    "no format": (["{here}/script"], {}),
    "folder": (["{here}"], {}),
    "empty name": ([""], {}),
    "null byte": (["/bin/echo", "a\0b"], {}),
    "null byte in name": (["/bin/ec\0ho"], {}),
    "number": (["/bin/echo", 3], {}),
    "none": (["/bin/echo", None], {}),
    "cwd": (["/bin/pwd"], {"cwd": "/usr"}),
    "cwd object": (["/bin/pwd"], {"cwd": pathlib.Path("/usr")}),
    "cwd missing": (["/bin/pwd"], {"cwd": "/no/such/folder"}),
    "cwd file": (["/bin/pwd"], {"cwd": b"/etc/passwd"}),
    "cwd number": (["/bin/pwd"], {"cwd": 1234567}),
    "env": (["/usr/bin/env"], {"env": {"A": "1", "B": "\xe9"}}),
    "env bytes": (["/usr/bin/env"], {"env": {b"A": b"1"}}),
    "env path": (["plain"], {"env": {"PATH": "{here}"}}),
    "env without path": (["echo", "a"], {"env": {}}),
    "env equals": (["/usr/bin/env"], {"env": {"A=": "1"}}),
    "env null byte": (["/usr/bin/env"], {"env": {"A": "1\0"}}),
    "env number": (["/usr/bin/env"], {"env": {"A": 1}}),
    "env list": (["/usr/bin/env"], {"env": ["A=1"]}),
    "executable": (["name", "-c", "echo $0"], {"executable": "/bin/sh"}),
    "executable missing": (["name"], {"executable": "/no/such/program"}),
    "errors": (["/bin/sh", "-c", "echo a; echo b >&2"], {"stderr": PIPE}),
    "errors joined": (["/bin/sh", "-c", "echo a; echo b >&2"], {"stderr": STDOUT}),
    "output as errors": (["/bin/true"], {"stdout": STDOUT}),
    "bad descriptor": (["/bin/cat"], {"stdin": 1234567}),
    "bad file": (["/bin/cat"], {"stdin": "file"}),
    "session": (["/bin/sh", "-c", LEADS.format("sid")], {"start_new_session": True}),
    "group": (["/bin/sh", "-c", LEADS.format("pgid")], {"process_group": 0}),
    "negative group": (["/bin/true"], {"process_group": -5}),
    "umask": (["/bin/sh", "-c", "umask"], {"umask": 0o27}),
    "preexec": (["/bin/pwd"], {"preexec_fn": lambda: os.chdir("/")}),
    "unknown option": (["/bin/true"], {"no_such_option": 1}),
    "signals": (["/bin/sh", "-c", SIGNALS], {}),
    "signals kept": (["/bin/sh", "-c", SIGNALS], {"restore_signals": False}),
    "descriptors": (["/bin/sh", "-c", "ls /proc/self/fd | wc -l"], {}),
    "exit status": (["/bin/sh", "-c", "exit 3"], {}),
    "signal": (["/bin/sh", "-c", "kill -9 $$"], {}),
}


def filled(value, here):
    """Puts the folder of the test where {here} stands."""
    if isinstance(value, dict):
        return {name: filled(item, here) for name, item in value.items()}
    return value.replace("{here}", str(here)) if isinstance(value, str) else value


def without_internal(match):
    """Leaves out 32 and 33: glibc's posix_spawn() has the child ignore these signals of its own."""
    return b"%x" % (int(match[0], 16) & ~(3 << 31))


async def outcome(arguments, options):
    """Returns what a start has come to, as the program sees it."""
    options = {"stdin": DEVNULL, "stdout": PIPE, **options}
    try:
        process = await asyncio.create_subprocess_exec(*arguments, **options)
    except Exception as error:
        return type(error), error.args, getattr(error, "filename", None), str(error)
    popen = process._transport.get_extra_info("subprocess")
    output = [re.sub(rb"(?<=\t)[0-9a-f]{16}", without_internal, part or b"")
              for part in await process.communicate()]
    assert popen.pid == process.pid
    return output, process.returncode, popen.returncode, popen.poll(), popen.args


@pytest.mark.parametrize("case", CASES)
def test_starts_as_popen_does(case, tmp_path):
    """Output, return codes, exceptions and their words are those of asyncio's own loop."""
    (tmp_path / "plain").write_text("")
    (tmp_path / "script").write_text("echo a\n")
    (tmp_path / "script").chmod(0o755)
    arguments = [filled(word, tmp_path) for word in CASES[case][0]]
    options = filled(CASES[case][1], tmp_path)
    found = []
    for factory in factory_of(SPEC), asyncio.SelectorEventLoop:
        loop = factory()
        if sys.version_info < (3, 12):
            asyncio.get_child_watcher().attach_loop(loop)
        try:
            found.append(loop.run_until_complete(outcome(arguments, options)))
        finally:
            loop.close()
    assert found[0] == found[1]


def test_starts_with_blocked_signals(run):
    """The child begins with the signals blocked that the calling thread has blocked."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        async def main():
            output, *_ = await outcome(["grep", "SigBlk", "/proc/self/status"], {})
            return int(output[0].split()[1], 16)
        assert run(main()) & 1 << (signal.SIGUSR1 - 1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def test_audit_hooks_see_a_start(run):
    """sys.addaudithook() is told of a start, once, with Popen's arguments."""
    seen = []

    def hook(name, arguments):
        if name == "subprocess.Popen" and seen is not None:
            seen.append(arguments)

    sys.addaudithook(hook)

    async def main():
        await outcome(["/bin/true"], {"cwd": "/"})
        await (await asyncio.create_subprocess_shell("true", env={"A": "1"})).wait()
    run(main())
    assert seen == [("/bin/true", ["/bin/true"], "/", None),
                    ("/bin/sh", ["/bin/sh", "-c", "true"], None, {"A": "1"})]
    seen = None


def test_popen_object_waits_first(run):
    """A program that reaps the child by the Popen object gets its code, and so does the loop."""
    async def main():
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 5")
        popen = process._transport.get_extra_info("subprocess")
        assert isinstance(popen, subprocess.Popen)
        assert popen.wait() == 5
        return await process.wait()
    assert run(main()) == 5


def test_popen_object_has_the_files(run):
    """The Popen object has files of the pipes, and they are closed with the transport."""
    async def main():
        process = await asyncio.create_subprocess_exec("/bin/cat", stdin=PIPE, stdout=PIPE)
        transport = process._transport
        popen = transport.get_extra_info("subprocess")
        for file, fd in (popen.stdin, 0), (popen.stdout, 1):
            assert file is transport.get_pipe_transport(fd).get_extra_info("pipe")
            assert not file.closed
        assert popen.stderr is None
        os.write(popen.stdin.fileno(), b"a")
        assert await process.communicate(b"b") == (b"ab", None)
        assert popen.stdin.closed and popen.returncode == 0
    run(main())


def test_replaced_popen_is_called(run, monkeypatch):
    """A program that replaces subprocess.Popen sees each start."""
    seen = []

    class Popen(subprocess.Popen):
        def __init__(self, args, **options):
            seen.append(args)
            super().__init__(args, **options)

    monkeypatch.setattr(subprocess, "Popen", Popen)

    async def main():
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert isinstance(process._transport.get_extra_info("subprocess"), Popen)
        await process.wait()
    run(main())
    assert seen == [("/bin/true",)]


def test_cancelled_start_leaves_nothing(run):
    """A start that is cancelled kills and reaps its child."""
    path = pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if not path.exists():
        pytest.skip("the kernel does not list the children of a thread")
    before = path.read_text()

    async def main():
        task = asyncio.ensure_future(asyncio.create_subprocess_exec("/bin/sleep", "1000"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert path.read_text() == before
    run(main())


def test_descriptors_of_processes(run, new_loop):
    """Starts that succeed or fail leave no descriptor, nor does a loop that is closed first."""
    async def main():
        await outcome(["/bin/true"], {"stderr": PIPE})
        await outcome(["/no/such/program"], {"stderr": PIPE})

    async def leave():
        return await asyncio.create_subprocess_exec("/bin/sleep", "1000", stdin=PIPE, stdout=PIPE)

    def left_by_closed_loop():
        loop = new_loop()
        process = loop.run_until_complete(leave())
        loop.close()
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)

    run(main())
    left_by_closed_loop()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run(main())
        left_by_closed_loop()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
