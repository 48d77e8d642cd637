# SPDX-License-Identifier: MIT
"""Makes tables of the results: Markdown for people, CSV for programs. Reads results.json's form."""

import figures
from works import LOADS, WORKS

LEGEND_WORKS = """Medians; nanoseconds an operation, bytes for `asleep_bytes`; – where the peer
has no such thing. The goal is ours, and is held against the first column."""

LEGEND_RATIOS = """How many times as long a peer takes as ours (its {first} column): the median of
the ratios of each repeat, and their quartiles. Above 1 ours is faster."""

LEGEND_SERVERS = """Requests per second (microseconds of the server's CPU for each), medians. A
star: the client was busy for 95 % of the time or more, so that it was the limit, and only the
microseconds tell servers apart. The goal is a factor of the bare server's requests per second, or
of the best peer's, held against the better engine of ours; behind it stand what was reached, and
how many times as much CPU the rival takes for a request."""

LEGEND_SCALE = """Nanoseconds an operation (bytes for `asleep_bytes`; of the server's CPU for
`connections`) by the number of tasks, timers or connections."""


def grid(head, rows):
    """Returns an aligned table of Markdown."""
    widths = [max(len(str(line[i])) for line in [head, *rows]) for i in range(len(head))]

    def line(cells):
        first = str(cells[0]).ljust(widths[0])
        return "| " + " | ".join([first] + [str(cell).rjust(width) for cell, width in
                                            zip(cells[1:], widths[1:])]) + " |"
    rule = "| " + " | ".join(["-" * widths[0]] + ["-" * (width - 1) + ":" for width in
                                                  widths[1:]]) + " |"
    return "\n".join([line(head), rule] + [line(row) for row in rows])


def ours_of(results):
    return [key for key, peer in results["peers"].items() if peer["engine"]]


def label(results, key):
    return results["peers"][key]["label"]


def work_tables(results):
    """Returns the two tables of works: what each takes, and the ratios."""
    rows = results["works"]["rows"]
    goals = {row: goal for work in WORKS for row, goal in work.goals.items()}
    keys = [key for key in results["peers"] if any(key in row for row in rows.values())]
    ours = [key for key in ours_of(results) if key in keys]
    if not ours:
        return []
    theirs = [key for key in keys if key not in ours]
    first = ours[0]
    values, ratios = [], []
    for row, found in rows.items():
        medians = {key: figures.median(found.get(key, [])) for key in keys}
        goal = figures.goal_text(goals[row], medians[first], [medians[key] for key in theirs])
        values.append([f"`{row}`", goal] + [figures.short(medians[key]) for key in keys])
        ratios.append([f"`{row}`"] + [figures.short_spread(figures.ratios(
            found.get(key, []), found.get(first, []))) for key in theirs])
    head = ["work", "goal"] + [label(results, key) for key in keys]
    parts = ["### Works\n", LEGEND_WORKS, "", grid(head, values)]
    if theirs:
        parts += ["", LEGEND_RATIOS.format(first=label(results, first).removeprefix("ours, ")), "",
                  grid(["theirs ÷ ours"] + [label(results, key) for key in theirs], ratios)]
    return parts


def column(found, key, place):
    """Returns one of the three numbers of a server's repeats."""
    return [repeat[place] if repeat else None for repeat in found.get(key, [])]


def server_cell(found, key):
    rate, cpu, busy = (figures.median(column(found, key, place)) for place in range(3))
    if rate is None:
        return "–"
    return f"{figures.short(rate)} ({cpu:.1f})" + ("*" if busy >= 0.95 else "")


def server_goal(load, found, ours, theirs):
    """Returns what became of the goal of a load: a factor of the bare server, or of the best."""
    rates = {key: figures.median(column(found, key, 0)) for key in theirs}
    rivals = ["epoll"] if load.of == "epoll" else [key for key in theirs if rates[key]]
    rivals = [key for key in rivals if rates.get(key)]
    if not rivals:
        return "no peer"
    rival = max(rivals, key=lambda key: rates[key])
    reached = {key: figures.median(figures.ratios(column(found, key, 0), column(found, rival, 0)))
               for key in ours}
    best = max((key for key in ours if reached[key]), key=lambda key: reached[key], default=None)
    if best is None:
        return "not measured"
    cheaper = figures.median(figures.ratios(column(found, rival, 1), column(found, best, 1)))
    verdict = "≥" if reached[best] >= load.factor else "below"
    return f"{verdict} {load.factor:g} {load.of} ({reached[best]:.2f}; CPU {cheaper:.2f})"


def server_tables(results):
    """Returns the tables of servers: what each does, and the ratios of requests and of CPU."""
    labels, loads = results["servers"]["labels"], results["servers"]["loads"]
    ours = [key for key in labels if key.startswith("ours_")]
    theirs = [key for key in labels if key not in ours]
    plain = [key for key in ours if not key.endswith(("_streams", "_protocol"))]
    lines, more, less = [], [], []
    for load in LOADS:
        found = loads.get(load.name, {})
        if not any(found.values()):
            continue
        lines.append([f"`{load.name}`", server_goal(load, found, plain, theirs)]
                     + [server_cell(found, key) for key in labels])
        for mine in ours:
            name = f"`{load.name}` {labels[mine].removeprefix('ours, ')}"
            more.append([name] + [figures.short_spread(figures.ratios(
                column(found, mine, 0), column(found, key, 0))) for key in theirs])
            less.append([name] + [figures.short_spread(figures.ratios(
                column(found, key, 1), column(found, mine, 1))) for key in theirs])
    parts = ["### Echo servers\n", LEGEND_SERVERS, "",
             grid(["load", "goal"] + list(labels.values()), lines)]
    if ours and theirs:
        names = [labels[key] for key in theirs]
        parts += ["", "Requests per second, ours ÷ theirs: median of the repeats' ratios, and "
                  "quartiles.", "", grid(["ours ÷ theirs"] + names, more),
                  "", "CPU of a request, theirs ÷ ours: above 1 ours is cheaper.", "",
                  grid(["theirs ÷ ours"] + names, less)]
    return parts


def scale_table(results, only_ours):
    """Returns the table of scales."""
    rows = results["scale"]
    sizes = sorted({int(size) for found in rows.values() for values in found.values()
                    for size in values})
    lines = []
    for row, found in rows.items():
        for key in [key for key in results["peers"] if key in found]:
            if only_ours and not results["peers"][key]["engine"]:
                continue
            medians = [figures.median(found[key].get(str(size), [])) for size in sizes]
            seen = figures.known(medians)
            growth = f"{seen[-1] / seen[0]:.1f}" if seen and seen[0] else "–"
            lines.append([f"`{row}`", label(results, key)]
                         + [figures.short(value) for value in medians] + [growth])
    head = ["work", "who"] + [f"{size:,}" for size in sizes] + ["last ÷ first"]
    return ["### Scale\n", LEGEND_SCALE, "", grid(head, lines)]


def facts(results):
    """Returns what the machine is, who was measured in which version, and who was left out."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    theirs = [peer for peer in results["peers"].values() if not peer["engine"]]
    versions = "; ".join(f"{peer['label']} {peer['version']}" for peer in theirs
                         if peer["version"] != "–")
    lines = [f"{results['date']}; {machine}.", "", f"Peers: {versions or 'none'}.", "",
             f"{results['settings']}."]
    for key, reason in results["missing"].items():
        lines += ["", f"Left out: {key}: {reason}."]
    return lines


def markdown(results, only_ours=False):
    """Returns all tables of a run; with only_ours the peers' lines of scale are left out."""
    parts = facts(results)
    if results.get("works", {}).get("rows"):
        parts += [""] + work_tables(results)
    if results.get("servers"):
        parts += [""] + server_tables(results)
    if results.get("scale"):
        parts += [""] + scale_table(results, only_ours)
    return "\n".join(parts) + "\n"


def csv(results):
    """Returns every single value: section, row, size or load, who, repeat, value, unit."""
    lines = ["section,row,at,who,repeat,value,unit"]

    def add(section, row, at, who, values, unit):
        lines.extend(f"{section},{row},{at},{who},{repeat},{value},{unit}"
                     for repeat, value in enumerate(values) if value is not None)
    for row, found in results.get("works", {}).get("rows", {}).items():
        for key, values in found.items():
            add("works", row, "", key, values, "B" if row.endswith("bytes") else "ns")
    for load, found in results.get("servers", {}).get("loads", {}).items():
        for key in found:
            for place, unit in enumerate(("requests/s", "us", "client busy")):
                add("servers", "echo", load, key, column(found, key, place), unit)
    for row, found in results.get("scale", {}).items():
        for key, sizes in found.items():
            for size, values in sizes.items():
                add("scale", row, size, key, values, "B" if row.endswith("bytes") else "ns")
    return "\n".join(lines) + "\n"


def between_markers(text, begin, end, inside):
    """Returns the text with what stands between two markers replaced; both must be there once."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise ValueError(f"{begin} and {end} must be there once, in this order")
    before = text[:text.index(begin) + len(begin)]
    return f"{before}\n{inside.strip()}\n{text[text.index(end):]}"
