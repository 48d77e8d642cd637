# SPDX-License-Identifier: MIT
"""Makes virtual environments for the tests, in the build folder, with what pip brings.

An environment is made once for an interpreter and a list of requirements, and made again when the
list changes. Where pip reaches no index, PIP_INDEX_URL can name another, or PIP_NO_INDEX=1 and
PIP_FIND_LINKS=FOLDER a folder of wheels.
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIREMENTS = {kind: os.path.join(HERE, name) for kind, name in {
    "tests": "requirements.txt", "downstream": "requirements_downstream.txt",
    "package": "requirements_package.txt"}.items()}
LIMIT = 600  # seconds for one run of pip


class NoEnvironment(Exception):
    """The environment could not be made; the text says what to do about that."""


def run(command, what, **options):
    """Runs a command of the set-up; raises NoEnvironment with its last lines."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=LIMIT, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        raise NoEnvironment(f"{what}: no end in {LIMIT} seconds") from None
    if done.returncode != 0:
        raise NoEnvironment(f"{what}:\n" + "\n".join(done.stdout.strip().splitlines()[-5:]))
    return done.stdout


def make(python, folder):
    """Makes an empty environment with pip in it."""
    try:
        run([python, "-m", "venv", "--clear", folder], "venv")
        return
    except NoEnvironment:  # Debian keeps ensurepip in another package
        run([python, "-m", "venv", "--clear", "--without-pip", folder],
            f"{python} cannot make a virtual environment")
    run([sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-d", folder, "pip"],
        f"{python} has no pip for virtual environments (Debian: python3-venv), and pip cannot "
        "download itself")
    wheel = glob.glob(os.path.join(folder, "pip-*.whl"))[0]
    run([os.path.join(folder, "bin", "python"), os.path.join(wheel, "pip"), "-q", "install",
         "pip"], f"{python}: pip cannot install itself")


def environment(python, folder, kinds):
    """Returns the interpreter of an environment for `python` that holds the kinds of packages."""
    wanted = ""
    for kind in kinds:
        with open(REQUIREMENTS[kind], encoding="utf-8") as file:
            wanted += file.read()
    stamp = os.path.join(folder, "requirements.installed")
    inside = os.path.join(folder, "bin", "python")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == wanted:
                return inside
    make(python, folder)
    lists = [word for kind in kinds for word in ("-r", REQUIREMENTS[kind])]
    run([inside, "-m", "pip", "-q", "--disable-pip-version-check", "install",
         "--prefer-binary", *lists],
        f"pip could not install what the tests of tests/python need for {python}; it needs a "
        "network, or PIP_NO_INDEX=1 and PIP_FIND_LINKS=FOLDER for a folder of wheels")
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted)
    return inside
