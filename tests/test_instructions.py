# SPDX-License-Identifier: MIT
"""Instructions per operation, counted by callgrind, may not grow unseen.

What is held is what was counted last with gcc 12 on x86-64, and a tenth more; with another gcc,
three tenths more. Who makes an operation cheaper lowers its number; who must make it dearer says in
the commit why.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness

# Of the user's side of one operation, the program's own loop included.
COUNTED = {
    "yield": 131,
    "yield1000": 204,
    "spawn": 694,
    "spawn_batch": 620,
    "await_coroutine": 169,
    "await_done": 53,
    "future": 459,
    "call_soon": 179,
    "timers": 444,
    "timeout": 398,
    "cancel": 1322,
    "queue": 595,
    "queue1000": 65,
    "lock": 379,
    "echo": 1179,
    "echo_stream": 1340,
}

KNOWN_GCC = 12


def slack(compiler):
    """How much more than counted may be, with that compiler; None: it was never counted."""
    if os.uname().machine != "x86_64" or not compiler.startswith("gcc "):
        return None
    return 1.10 if int(compiler.split()[1].split(".")[0]) == KNOWN_GCC else 1.30


def count(program):
    """Instructions per operation, by work."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500,
            env=os.environ | {"ASYNCIO_ENGINE": "epoll", "MALLOC_PERTURB_": "0"}, check=False)
        if run.returncode != 0:
            raise harness.Failure(f"{program} ended with {run.returncode}: {run.stderr}")
        operations = int(run.stdout)
        found = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            trigger = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            if trigger and total:
                found[trigger[1]] = int(total[1]) / operations
        return found


def main(program, compiler):
    """Counts once, and has a test for each work."""
    reason = None
    found = {}
    allowed = slack(compiler)
    if not shutil.which("valgrind"):
        reason = "valgrind is missing"
    elif allowed is None:
        reason = f"never counted with {compiler} on {os.uname().machine}"
    else:
        found = count(program)

    def check(work):
        if reason:
            raise harness.Skip(reason)
        if work not in found:
            raise harness.Failure(f"{work} was not counted")
        print(f"{work}: {found[work]:.1f} instructions, {COUNTED[work]} when counted last")
        if found[work] > COUNTED[work] * allowed:
            raise harness.Failure(f"that is more than {allowed:.2f} times as many")

    def all_are_held():
        if not reason and set(found) != set(COUNTED):
            raise harness.Failure(f"not in both lists: {set(found) ^ set(COUNTED)}")

    tests = [(f"instructions_of_{work}", lambda work=work: check(work)) for work in COUNTED]
    return harness.run_tests("instructions", tests + [("every_work_is_held", all_are_held)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
