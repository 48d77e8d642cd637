#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a command in a copy of this system that is thrown away: what it installs, writes or removes
there never reaches the system itself.

    sandbox.py KEPT... -- COMMAND...    KEPT are folders that the command shares with the system

The copy is an overlay in memory over the root file system, in a mount namespace of its own. Needs
root, as packages can be installed by root only.
"""

import os
import shutil
import subprocess
import sys

# A system as an installer leaves it: Debian's programs, and no others before them.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUDO = '#!/bin/sh\nexec "$@"\n'


def command(kept, arguments):
    """Returns the command that runs another one in the copy."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable,
            os.path.abspath(__file__), *kept, "--", *arguments]


def why_not():
    """Returns why there can be no copy of this system, or None."""
    if os.geteuid() != 0:
        return "only root can install packages into a copy of the system"
    if not shutil.which("unshare"):
        return "unshare is not installed (util-linux)"
    done = subprocess.run(command([], ["true"]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return f"no overlay can be mounted here: {done.stdout.strip()}" if done.returncode else None


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def main():
    split = sys.argv.index("--")
    kept, arguments = sys.argv[1:split], sys.argv[split + 1:]
    mount("--make-rprivate", "/")
    top = "/mnt"  # exists everywhere, and is covered in this namespace only
    mount("-t", "tmpfs", "-o", "size=8g", "sandbox", top)
    upper, work, root = (os.path.join(top, name) for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.mkdir(folder)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root)
    mount("-t", "proc", "proc", root + "/proc")
    for folder in ("/dev", "/sys"):
        mount("--rbind", folder, root + folder)
    mount("-t", "tmpfs", "-o", "size=8g", "tmp", root + "/tmp")
    for folder in kept:
        os.makedirs(root + folder, exist_ok=True)
        mount("--bind", folder, root + folder)
    here = os.getcwd()
    os.chroot(root)
    os.chdir(here if os.path.isdir(here) else "/")
    os.environ.update(PATH=PATH, HOME="/root", DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    if not shutil.which("sudo"):
        with open("/usr/local/bin/sudo", "w", encoding="utf-8") as file:
            file.write(SUDO)
        os.chmod("/usr/local/bin/sudo", 0o755)
    return subprocess.run(arguments, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
