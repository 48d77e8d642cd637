#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the plots of a run: `plots.py RESULTS.json FOLDER`, as SVG and as PNG.

A program of its own, since Matplotlib is one of Debian's packages, which Debian's python3 finds and
another python3 on the path may not.
"""

import json
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot  # noqa: E402 (the backend is chosen first)

import figures  # noqa: E402
from table import column, label, ours_of  # noqa: E402

OURS = ["#b2182b", "#ef8a62"]
OTHERS = ["#4d4d4d", "#2166ac", "#67a9cf", "#1b7837", "#7fbf7b", "#762a83", "#af8dc3", "#8c510a",
          "#d8b365", "#35978f", "#c51b7d"]


def colours(results):
    """Returns a colour for each column, so that a peer has one in all plots."""
    ours = ours_of(results)
    others = [key for key in results["peers"] if key not in ours]
    chosen = {key: OURS[i % len(OURS)] for i, key in enumerate(ours)}
    chosen.update({key: OTHERS[i % len(OTHERS)] for i, key in enumerate(others)})
    return chosen


def save(figure, folder, name):
    figure.tight_layout()
    for suffix in ("svg", "png"):
        metadata = {"Date": None} if suffix == "svg" else {"Software": None}
        figure.savefig(os.path.join(folder, f"{name}.{suffix}"), metadata=metadata, dpi=90)
    pyplot.close(figure)


def panels(count, across, width, height):
    """Returns a figure and its panels; those that are not needed are empty."""
    down = -(-count // across)
    figure, grid = pyplot.subplots(down, across, figsize=(width * across, height * down),
                                   squeeze=False)
    flat = list(grid.flat)
    for panel in flat[count:]:
        panel.set_axis_off()
    return figure, flat[:count]


def bars(panel, entries, unit):
    """Draws horizontal bars with the spread of each: (label, values, colour)."""
    entries = [entry for entry in entries if figures.known(entry[1])][::-1]
    for place, (_, values, colour) in enumerate(entries):
        middle, low, high = figures.spread(values)
        panel.barh(place, middle, color=colour, xerr=[[middle - low], [high - middle]],
                   error_kw={"elinewidth": 0.8})
        panel.text(high, place, " " + figures.short(middle), va="center", fontsize=7)
    panel.set_yticks(range(len(entries)), [entry[0] for entry in entries], fontsize=7)
    panel.tick_params(axis="x", labelsize=7)
    panel.set_xlabel(unit, fontsize=7)
    panel.margins(x=0.15)


def draw_works(results, folder):
    rows = results["works"]["rows"]
    chosen = colours(results)
    figure, drawn = panels(len(rows), 3, 4.6, 2.5)
    for panel, (row, found) in zip(drawn, rows.items()):
        entries = [(label(results, key), found[key], chosen[key])
                   for key in results["peers"] if key in found]
        bars(panel, entries, "bytes a task" if row.endswith("bytes") else "ns")
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        panel.set_xlim(low / 2, high * 3)
        panel.set_title(row, fontsize=9)
    save(figure, folder, "works")


def draw_servers(results, folder):
    labels, loads = results["servers"]["labels"], results["servers"]["loads"]
    chosen = colours(results)
    figure, drawn = panels(2 * len(loads), 2, 5.6, 3.3)
    for i, (load, found) in enumerate(loads.items()):
        for place, title in ((0, "requests/s"), (1, "µs of the server's CPU a request")):
            entries = [(labels[key], column(found, key, place),
                        chosen[key.removesuffix("_streams").removesuffix("_protocol")])
                       for key in labels if found.get(key)]
            bars(drawn[2 * i + place], entries, title)
            drawn[2 * i + place].set_title(f"echo {load}", fontsize=9)
    save(figure, folder, "servers")


def draw_scale(results, folder):
    rows = results["scale"]
    chosen = colours(results)
    ours = ours_of(results)
    figure, drawn = panels(len(rows), 3, 4.6, 3.4)
    for panel, (row, found) in zip(drawn, rows.items()):
        for key in [key for key in results["peers"] if key in found]:
            sizes = sorted(found[key], key=int)
            medians = [figures.median(found[key][size]) for size in sizes]
            panel.plot([int(size) for size in sizes], medians, marker="o", markersize=3,
                       color=chosen[key], linewidth=2.2 if key in ours else 1.0,
                       label=label(results, key))
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.grid(True, which="major", linewidth=0.3)
        panel.set_title(row, fontsize=9)
        panel.set_ylabel("bytes a task" if row.endswith("bytes") else "ns an operation", fontsize=7)
        panel.set_xlabel("connections" if row == "connections" else "tasks or timers", fontsize=7)
        panel.tick_params(labelsize=7)
        panel.legend(fontsize=6)
    save(figure, folder, "scale")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    matplotlib.rcParams["svg.hashsalt"] = "libasyncio"
    matplotlib.rcParams["svg.fonttype"] = "none"
    if results.get("works", {}).get("rows"):
        draw_works(results, sys.argv[2])
    if results.get("servers"):
        draw_servers(results, sys.argv[2])
    if results.get("scale"):
        draw_scale(results, sys.argv[2])


if __name__ == "__main__":
    main()
