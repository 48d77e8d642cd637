#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures libasyncio beside its peers: `python3 bench/harness/run.py BUILD`, or `make bench`.

What can be chosen in the environment stands in bench/README.md. Writes results.json, results.csv,
table.md and the plots to bench/results, and the table into bench/README.md, if the run was whole;
to BUILD/bench-results if it was only a part.
"""

import json
import os
import subprocess
import sys
import time

import machine
import peers
import sections
import settings as settings_module
import table

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
BUSY_LOAD = 0.5


def measure_all(settings):
    """Runs what is asked for; returns the results as plain data."""
    results = {"date": time.strftime("%Y-%m-%d"), "settings": str(settings),
               "machine": machine.facts()}
    for name, value in results["machine"].items():
        print(f"{name}: {value}")
    if results["machine"]["load before"] > BUSY_LOAD:
        print(f"the machine is busy (more than {BUSY_LOAD}): these numbers are not for quoting")
    found, missing = peers.make_all(settings.build, settings.engines, settings.peers)
    results["peers"] = {peer.key: {"label": peer.label, "version": peer.version,
                                   "engine": peer.engine} for peer in found}
    results["missing"] = missing
    results["works"] = sections.run_works(found, settings)
    results["servers"] = sections.run_servers(found, settings)
    results["scale"] = sections.run_scales(found, settings)
    results["machine"]["load after"] = machine.load_average()
    return results


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def draw(folder):
    """Draws the plots with the first python3 that has Matplotlib; says so if none has."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plots.py")
    for python in (sys.executable, "/usr/bin/python3"):
        if machine.first_line([python, "-c", "import matplotlib; print(1)"]):
            subprocess.run([python, script, os.path.join(folder, "results.json"), folder],
                           check=True)
            return
    print("no plots: no python3 here has Matplotlib", file=sys.stderr)


def write_all(results, settings):
    os.makedirs(settings.out, exist_ok=True)
    write(os.path.join(settings.out, "results.json"), json.dumps(results, indent=1) + "\n")
    write(os.path.join(settings.out, "results.csv"), table.csv(results))
    write(os.path.join(settings.out, "table.md"), table.markdown(results))
    draw(settings.out)
    if settings.out == "bench/results":
        with open("bench/README.md", encoding="utf-8") as file:
            text = file.read()
        inside = table.markdown(results, only_ours=True)
        write("bench/README.md", table.between_markers(text, BEGIN, END, inside))


def main():
    try:
        build = sys.argv[1] if len(sys.argv) > 1 else "build"
        settings = settings_module.read(build, peers=peers.KEYS)
    except ValueError as error:
        sys.exit(f"bench: {error}")
    begin = time.monotonic()
    results = measure_all(settings)
    write_all(results, settings)
    print(table.markdown(results))
    minutes = (time.monotonic() - begin) / 60
    print(f"{minutes:.1f} minutes; all of it is in {settings.out}/")


if __name__ == "__main__":
    main()
