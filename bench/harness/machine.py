# SPDX-License-Identifier: MIT
"""What machine this is: what a reader must know before they compare numbers."""

import os
import platform
import re
import resource
import subprocess


def first_line(command):
    """Returns the first line that a command prints, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def cpu_model():
    match = re.search(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo"), re.MULTILINE)
    return match.group(1) if match else platform.machine()


def load_average():
    return float((read("/proc/loadavg") or "0").split()[0])


def facts():
    """Returns what is printed above each table."""
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    mitigations = [os.path.basename(path) for path in mitigation_paths()
                   if read(path).startswith("Mitigation")]
    return {
        "CPU": cpu_model(),
        "CPUs": os.cpu_count(),
        "memory": f"{int(memory.group(1)) / 2**20:.1f} GiB" if memory else "?",
        "kernel": platform.release(),
        "system": system_name(),
        "C compiler": first_line(["gcc", "--version"]) or "?",
        "mitigations": ", ".join(mitigations) or "none",
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load before": load_average(),
    }


def system_name():
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    return match.group(1) if match else platform.platform()


def mitigation_paths():
    folder = "/sys/devices/system/cpu/vulnerabilities"
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []
