#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures libasyncio's Python loop beside its rivals: a table, and a plot where matplotlib is.

Usage: run.py BUILD [--python PYTHON] [--out FOLDER] [--repeats N] [--only WORK,...] [--scale F]

BUILD holds python/libasyncio for the interpreter, an optimised build (make bench-python makes one).
Rivals are measured if the interpreter has them: uvloop, rloop, and since 3.14 zuvloop and rsloop;
pip installs those that it can into an environment in BUILD. In each repeat every loop runs a work
before the next work begins, in an order that changes. The table has the median of CPU time, which
the machine's other load disturbs less than wall time, and of wall time.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "python"))

import environment  # noqa: E402
from works import WORKS  # noqa: E402

LOOPS = {"asyncio": "asyncio", "uvloop": "uvloop", "rloop": "rloop", "zuvloop": "zuvloop",
         "rsloop": "rsloop", "libasyncio uring": "libasyncio", "libasyncio epoll": "libasyncio"}
PACKAGES = ["uvloop", "rloop", "zuvloop", "opentelemetry-api", "typing_extensions", "rsloop"]
OURS = [name for name in LOOPS if name.startswith("libasyncio")]
LIMIT = 120  # seconds for one run of one work


def python_with_rivals(python, build):
    """Returns an interpreter that has the rivals that can be installed."""
    version = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    folder = os.path.join(build, "python-environments", "bench-" + version)
    inside = os.path.join(folder, "bin", "python")
    if not os.path.exists(inside):
        environment.make(python, folder)
        for package in PACKAGES:
            try:
                environment.run([inside, "-m", "pip", "-q", "install", "--only-binary", ":all:",
                                 package], package)
            except environment.NoEnvironment as error:
                print(f"without {package}: {str(error).splitlines()[-1]}", file=sys.stderr)
    return inside


class Bench:
    """The runs of all loops."""

    def __init__(self, python, build, scale):
        self.python, self.scale = python, scale
        self.variables = {**os.environ, "PYTHONPATH": os.path.join(build, "python")}
        self.failed = {}

    def run(self, loop, work, count):
        """Runs a work once on a loop; returns (CPU, wall), or None where it fails."""
        variables = dict(self.variables)
        if loop in OURS:
            variables["ASYNCIO_ENGINE"] = loop.split()[1]
        command = [self.python, "-W", "ignore", os.path.join(HERE, "works.py"), LOOPS[loop], work,
                   str(count)]
        try:
            done = subprocess.run(command, env=variables, capture_output=True, text=True,
                                  timeout=LIMIT)
            _, cpu, wall = done.stdout.split()
            return float(cpu), float(wall)
        except (ValueError, subprocess.TimeoutExpired) as error:
            words = getattr(error, "stderr", None) or (done.stderr if isinstance(
                error, ValueError) else "no end")
            self.failed[loop, work] = str(words).strip().splitlines()[-1:]
            return None

    def has(self, loop):
        return self.run(loop, "call_soon", 1000) is not None

    def measure(self, loops, works, repeats):
        """Returns {work: {loop: [(CPU, wall)]}}."""
        found = {work: {loop: [] for loop in loops} for work in works}
        for repeat in range(repeats):
            for work in works:
                count = max(int(WORKS[work][1] * self.scale) // 1000 * 1000, 100)
                for loop in random.Random(repeat).sample(loops, len(loops)):
                    if (loop, work) not in self.failed:
                        result = self.run(loop, work, count)
                        if result:
                            found[work][loop].append(result)
            print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
        return found


def median(runs, index):
    return statistics.median(run[index] for run in runs) if runs else None


def cell(value, best):
    if value is None:
        return "–"
    text = f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return f"**{text}**" if value == best else text


def table(found, loops, index):
    """Returns a table of microseconds, the best of each row in bold type, and two ratios."""
    heads = ["µs an operation", *loops, "uvloop ÷ ours", "best rival ÷ ours"]
    lines = ["| " + " | ".join(heads) + " |",
             "|" + " --- |" * len(heads)]
    for work, runs in found.items():
        values = {loop: median(runs[loop], index) for loop in loops}
        known = [v for v in values.values() if v is not None]
        ours = [values[loop] for loop in OURS if values.get(loop)]
        rivals = [v for loop, v in values.items() if loop not in OURS and v]
        ratios = ["–", "–"]
        if ours and values.get("uvloop"):
            ratios[0] = f"{values['uvloop'] / min(ours):.2f}"
        if ours and rivals:
            ratios[1] = f"{min(rivals) / min(ours):.2f}"
        cells = [cell(values[loop], min(known, default=None)) for loop in loops]
        lines.append(f"| `{work}` | " + " | ".join(cells + ratios) + " |")
    return "\n".join(lines)


def plot(found, loops, path):
    """Draws CPU time relative to uvloop, if matplotlib is there."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot
    shown = [work for work in found if found[work].get("uvloop")]
    figure, axes = pyplot.subplots(figsize=(10, 0.5 * len(shown) + 1.5))
    height = 0.8 / len(loops)
    for i, loop in enumerate(loops):
        places = [y + i * height for y in range(len(shown))]
        values = [(median(found[work][loop], 0) or 0) / median(found[work]["uvloop"], 0)
                  for work in shown]
        axes.barh(places, values, height, label=loop)
    axes.set_yticks([y + 0.4 for y in range(len(shown))], shown)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("CPU time of an operation; uvloop is 1, shorter is better")
    axes.set_xlim(0, 2.5)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    return True


def described(python):
    """Returns the line that says what was measured where."""
    version = subprocess.run([python, "-c", "import sys; print(sys.version.split()[0])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    load = "%.1f, %.1f" % os.getloadavg()[:2]
    return (f"CPython {version}, Linux {platform.release()}, {len(models)} × "
            f"{models[0] if models else platform.machine()}, load {load} at the beginning")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="a build folder with python/libasyncio")
    parser.add_argument("--python", default=sys.executable, help="the interpreter")
    parser.add_argument("--as-is", action="store_true", help="install nothing for it")
    parser.add_argument("--out", default=None, help="a folder for table and plot")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="works, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts of operations")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    python = options.python if options.as_is else python_with_rivals(options.python, build)
    bench, begun = Bench(python, build, options.scale), described(python)
    loops = [loop for loop in LOOPS if bench.has(loop)]
    bench.failed.clear()
    works = options.only.split(",") if options.only else list(WORKS)
    found = bench.measure(loops, works, options.repeats)
    text = (f"{begun}; medians of {options.repeats} runs.\n\nCPU time:\n\n"
            f"{table(found, loops, 0)}\n\nWall time:\n\n{table(found, loops, 1)}\n")
    for (loop, work), words in bench.failed.items():
        text += f"\n`{work}` fails on {loop}: {' '.join(words)}\n"
    print(text)
    out = options.out or os.path.join(build, "bench-python")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "table.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(out, "runs.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)
    plot(found, loops, os.path.join(out, "cpu.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
