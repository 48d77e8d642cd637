#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/asyncio-gdb.py: what gdb shows of tasks, in a process and in a core dump of it.

    test_gdb.py ROOT PROGRAM        PROGRAM is tests/suspended.c
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


class Skip(Exception):
    """gdb is missing, or may not trace here."""


def gdb(root, program, *commands, core=None):
    """Returns what gdb prints for the commands, behind the breakpoint or in the core dump."""
    if not shutil.which("gdb"):
        raise Skip("there is no gdb")
    line = ["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off",
            "-iex", "set confirm off", "-x", os.path.join(root, "tools", "asyncio-gdb.py")]
    begin = [] if core else ["break stop_here", "run"]
    for command in begin + list(commands):
        line += ["-ex", command]
    done = subprocess.run(line + [program] + ([core] if core else []), text=True, timeout=500,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if re.search("ptrace: Operation not permitted|Couldn't get registers", done.stdout):
        raise Skip("this machine lets no process be traced")
    return done.stdout


def functions(text):
    """The names of the functions of a backtrace, newest first."""
    return re.findall(r"^ *#\d+ +(?:0x[0-9a-f]+ in )?([\w.]+)", text, re.MULTILINE)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def check_sleeper(text):
    """It stands three functions deep, with arguments and lines, and its frames end."""
    names = functions(text)
    for name in ("innermost", "middle", "outermost"):
        check(name in names, text)
    check(names.index("innermost") < names.index("middle") < names.index("outermost"), text)
    check("stop_here" not in names, text)
    check(re.search(r"innermost .*suspended\.c:\d+", text), text)
    check_end(text)


def check_end(text):
    """The last frame is the first of the stack, and gdb has nothing to complain about."""
    check(functions(text)[-1] in ("asyncio__fiber_begin", "begin", "task_main"), text)
    for complaint in ("corrupt", "previous frame", "?? ", "Traceback", "Python Exception"):
        check(complaint not in text, text)


def tasks_are_listed(root, program):
    """Every pending task is listed with its name, its place and what it is at."""
    text = gdb(root, program, "asyncio tasks")
    check(re.search(r"the sleeper  waits for 0x\w+.*suspended\.c:\d+ outermost\)", text), text)
    check(re.search(r"Task-\d+  running .*suspended\.c:\d+ run_all\)", text), text)
    check(re.search(r"Task-\d+  not started .*outermost\)", text), text)
    check("3 pending" in text, text)


def a_suspended_task_has_a_backtrace(root, program):
    """`asyncio bt NAME` shows the frames of a suspended task, down to its first one."""
    check_sleeper(gdb(root, program, "asyncio bt the sleeper").split("the sleeper (")[1])


def all_tasks_have_backtraces(root, program):
    """`asyncio bt` shows the suspended task and says why the others have no such frames."""
    text = gdb(root, program, "asyncio bt")
    check_sleeper(text.split("the sleeper (")[1].split("Task-")[0])
    check("it has no stack yet" in text and "it is running: thread 1" in text, text)


def the_running_backtrace_ends(root, program):
    """gdb's own backtrace of the running coroutine ends at the first frame of its stack."""
    text = gdb(root, program, "echo \\nHERE\\n", "bt").split("HERE")[1]
    check(functions(text)[:2] == ["stop_here", "run_all"], text)
    check_end(text)


def a_task_can_be_selected(root, program):
    """`asyncio select` lets gdb's own commands look into a suspended task, and back."""
    text = gdb(root, program, "asyncio select the sleeper", "echo \\nHERE\\n", "bt",
               "asyncio select", "echo \\nBACK\\n", "bt")
    inside, back = text.split("HERE")[1].split("BACK")
    check("middle" in functions(inside), text)
    check(functions(back)[:2] == ["stop_here", "run_all"] and "middle" not in back, text)


def unknown_names_are_refused(root, program):
    """A name that no task has, and a program that does not run, are said to be so."""
    text = gdb(root, program, "asyncio bt nobody", "kill", "asyncio tasks")
    check("no pending task of a running loop is called nobody" in text, text)
    check("nothing runs" in text and "Traceback" not in text, text)


def the_manual_has_these_commands(root, program):
    """The commands of the page docs/howto/debugging.md do what that page says."""
    with open(os.path.join(root, "docs", "howto", "debugging.md"), encoding="utf-8") as file:
        block = re.search(r"```text\n(.*?)```", file.read(), re.DOTALL)[1]
    commands = re.findall(r"^\(gdb\) (.*)$", block, re.MULTILINE)
    check(len(commands) > 2, block)
    text = gdb(root, program, *(c.replace("Task-7", "the sleeper") for c in commands), "bt")
    check("3 pending" in text and "Undefined" not in text, text)
    check(text.count("#0 ") >= 2 and "middle" in functions(text.rsplit("#0 ", 1)[1]), text)


def a_core_dump_shows_the_same(root, program):
    """All of that works on a core dump, where nothing runs any more."""
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        pattern = file.read()
    if "/" in pattern or "|" in pattern or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise Skip("core dumps do not come to the folder of the program here")
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    former = os.getcwd()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            made = gdb(root, program, "signal SIGABRT")
            check(len(os.listdir(folder)) == 1, made)
            text = gdb(root, program, "asyncio tasks", "asyncio bt the sleeper",
                       core=os.path.join(folder, os.listdir(folder)[0]))
            check("3 pending" in text, text)
            check_sleeper(text.split("3 pending")[1].split("warning")[0])
            os.chdir(former)
    finally:
        os.chdir(former)
        resource.setrlimit(resource.RLIMIT_CORE, limits)


TESTS = [tasks_are_listed, a_suspended_task_has_a_backtrace, all_tasks_have_backtraces,
         the_running_backtrace_ends, a_task_can_be_selected, unknown_names_are_refused,
         the_manual_has_these_commands, a_core_dump_shows_the_same]


def main():
    root, program = (os.path.abspath(path) for path in sys.argv[1:])
    failed = skipped = 0
    for test in TESTS:
        print(f"[ RUN      ] {test.__name__}")
        try:
            test(root, program)
            print(f"[       OK ] {test.__name__}")
        except Skip as reason:
            print(f"{reason}\n[  SKIPPED ] {test.__name__}")
            skipped += 1
        except AssertionError as reason:
            print(f"{reason}\n[  FAILED  ] {test.__name__}")
            failed += 1
    return 1 if failed else SKIPPED if skipped == len(TESTS) else 0


if __name__ == "__main__":
    sys.exit(main())
