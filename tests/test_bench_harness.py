#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what the benchmark's harness makes of numbers: medians, ratios, orders, tables, settings.

Usage: test_bench_harness.py ROOT. Nothing is measured here.
"""

import os
import sys

from harness import Failure, run_tests

ROOT = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(ROOT, "bench", "harness"))
sys.dont_write_bytecode = True

import figures  # noqa: E402
import measure  # noqa: E402
import sections  # noqa: E402
import settings  # noqa: E402
import table  # noqa: E402
import works  # noqa: E402


def same(found, wanted):
    if found != wanted:
        raise Failure(f"found {found!r}, wanted {wanted!r}")


def medians_leave_out_what_failed():
    """A repeat that failed is in no median and no spread; nothing measured is None."""
    same(figures.median([3, None, 1, 2]), 2)
    same(figures.median([None]), None)
    same(figures.spread([1, 2, 3, 4, None, 5]), (3, 2, 4))
    same(figures.spread([7]), (7, 7, 7))
    same(figures.spread([]), None)


def ratios_pair_the_repeats():
    """A ratio is of one repeat, and needs both sides."""
    same(figures.ratios([2, None, 9], [1, 5, 3]), [2, 3])
    same(figures.ratios([2, 4], [None, 0]), [])


def numbers_have_three_digits():
    """A printed number has three digits that count, whatever its size."""
    for value, text in ((None, "–"), (0.5, "0.50"), (9.994, "9.99"), (9.996, "10.0"),
                        (12.34, "12.3"), (99.96, "100"), (999.4, "999"), (999.6, "1.00k"),
                        (1730, "1.73k"), (176_000, "176k"), (4_190_000, "4.19M")):
        same(figures.short(value), text)
    same(figures.short_spread([1.0, 2.0, 3.0]), "2.00 (1.50 to 2.50)")
    same(figures.short_spread([None]), "–")


def orders_change():
    """Each repeat has everybody once; in as many pairs of repeats as there are, each is first."""
    names = ["a", "b", "c"]
    orders = [figures.order(names, repeat) for repeat in range(6)]
    for order in orders:
        same(sorted(order), names)
    same(orders[1], orders[0][::-1])
    same({order[0] for order in orders[::2]}, set(names))
    same(figures.order([], 3), [])


def counts_fill_the_time():
    """A count lasts as long as asked, within its bounds, and has two digits that count."""
    same(figures.count_for(100, 0.25, 1000, 10_000_000), 2_500_000)
    same(figures.count_for(123, 0.25, 1000, 10_000_000), 2_000_000)
    same(figures.count_for(5e6, 0.25, 1000, 10_000_000), 1000)
    same(figures.count_for(0, 0.25, 1000, 10_000_000), 10_000_000)


def goals_are_judged():
    """A goal is reached or not, against a bound or against the peers; what is not there is said."""
    same(figures.goal_text(("at most", 12), 11.9, []), "≤ 12")
    same(figures.goal_text(("at most", 12), 12.1, []), "above 12")
    same(figures.goal_text(("first", None), 5, [6, None]), "first")
    same(figures.goal_text(("first", None), 7, [6, None]), "not first: 6.00")
    same(figures.goal_text(("first", None), 7, [None]), "no peer")
    same(figures.goal_text(("at most", 12), None, []), "not measured")


def outputs_are_read():
    """Lines of works and of the load client are read; what is not there gives nothing."""
    same(measure.parse("asleep_bytes 4091.9 B\nasleep_make 2.50 ns\n"),
         {"asleep_bytes": 4091.9, "asleep_make": 2.5})
    same(measure.parse("timers n/a\n"), {})
    same(measure.parse_load("100 requests/s\n2.50 us\n0.40 client busy\n"), [100, 2.5, 0.4])
    same(measure.parse_load("load: no\n"), None)


def settings_are_read():
    """The environment chooses; a partial run does not overwrite the table that is kept."""
    whole = settings.read("build", {})
    same((whole.is_whole, whole.out, whole.repeats, whole.picks("yield")),
         (True, "bench/results", 7, True))
    part = settings.read("build", {"ONLY": "spawn,yield", "REPEATS": "3", "SECONDS": "0.5"})
    same((part.is_whole, part.out, part.repeats, part.seconds),
         (False, "build/bench-results", 3, 0.5))
    same([part.picks(name) for name in ("yield1000", "spawn", "echo", "scale_timers")],
         [True, True, False, False])
    same(settings.read("build", {"PEERS": "go"}, peers=["go", "tokio"]).peers, ["go"])
    same(settings.read("build", {"ENGINES": "epoll"}).is_whole, False)
    for name, value in (("REPEATS", "0"), ("REPEATS", "x"), ("SECONDS", "-1"), ("ONLY", "spam"),
                        ("PEERS", "spam"), ("ENGINES", "spam")):
        try:
            settings.read("build", {name: value})
        except ValueError as error:
            same(name in str(error), True)
        else:
            raise Failure(f"{name}={value} was taken")


def patience_ends():
    """A size that would take too long is foreseen from the last one."""
    patience = sections.Patience()
    same(patience.would_wait("a", 10), False)
    patience.saw("a", 1000, 2.0)
    same(patience.would_wait("a", 1000), False)
    same(patience.would_wait("a", 10_000), True)
    same(patience.would_wait("b", 10_000), False)


def results_of_a_run():
    """Returns made-up results with a peer that lacks a work and a repeat that failed."""
    loads = {load.name: {"ours_epoll": [[120, 5.0, 0.5], [130, 5.0, 0.97], [125, 5.0, 0.99]],
                         "epoll": [[100, 10.0, 0.5], None, [100, 10.0, 0.5]]}
             for load in works.LOADS}
    return {
        "date": "2000-01-01", "settings": "3 repeats", "machine": {"CPU": "made up"},
        "missing": {"go": "go: No such file or directory"},
        "peers": {"ours_epoll": {"label": "ours, epoll", "version": "", "engine": "epoll"},
                  "epoll": {"label": "bare epoll", "version": "–", "engine": ""},
                  "other": {"label": "Other", "version": "1.2", "engine": ""}},
        "works": {"rows": {"yield": {"ours_epoll": [10, 11, 12], "other": [20, 33, None]},
                           "timers": {"ours_epoll": [100, 200, 300]}}},
        "servers": {"labels": {"ours_epoll": "ours, epoll", "epoll": "bare epoll"},
                    "loads": loads},
        "scale": {"timers": {"ours_epoll": {"100": [50], "1000": [100]},
                             "other": {"100": [7]}}},
    }


def cells(text, first):
    """Returns the cells of each line of a table whose first cell is this."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("| ")]
    return [line[1:] for line in lines if line[0] == first]


def tables_say_what_was_found():
    """Medians, goals, ratios, the client's limit, what is missing: each stands in its cell."""
    text = table.markdown(results_of_a_run())
    same(cells(text, "`yield`"), [["≤ 12", "11.0", "26.5"], ["2.50 (2.25 to 2.75)"]])
    same(cells(text, "`timers`")[:2], [["above 150", "200", "–"], ["–"]])
    same(cells(text, "`1x64`"), [["≥ 1 epoll (1.23; CPU 2.00)", "125 (5.0)*", "100 (10.0)"]])
    same(cells(text, "`1x64` epoll"), [["1.23 (1.21 to 1.24)"], ["2.00 (2.00 to 2.00)"]])
    same(cells(text, "`1000x4096`")[0][0], "≥ 1.05 best (1.23; CPU 2.00)")
    same(cells(text, "`timers`")[2:], [["ours, epoll", "50.0", "100", "2.0"],
                                       ["Other", "7.00", "–", "1.0"]])
    same("Left out: go: go: No such file or directory." in text, True)
    same(len(cells(table.markdown(results_of_a_run(), only_ours=True), "`timers`")), 3)


def values_are_kept():
    """The CSV has each value that was measured, and no line for what was not."""
    lines = table.csv(results_of_a_run()).splitlines()
    same("works,yield,,other,1,33,ns" in lines, True)
    same([line for line in lines if ",other,2," in line], [])
    same("servers,echo,1x64,epoll,2,10.0,us" in lines, True)
    same("scale,timers,1000,ours_epoll,0,100,ns" in lines, True)
    same({line.count(",") for line in lines}, {6})


def markers_hold_the_table():
    """What stands between the markers is replaced, and nothing else; without them nothing is."""
    same(table.between_markers("a\n<b>\nold\n<e>\nz\n", "<b>", "<e>", "new\n"),
         "a\n<b>\nnew\n<e>\nz\n")
    for text in ("a", "<e><b>", "<b><b><e>"):
        try:
            table.between_markers(text, "<b>", "<e>", "new")
        except ValueError:
            continue
        raise Failure(f"{text!r} was taken")


def readme_has_the_markers():
    """The README of the benchmark has the place for the table."""
    with open(os.path.join(ROOT, "bench", "README.md"), encoding="utf-8") as file:
        text = file.read()
    same([text.count(mark) for mark in ("<!-- table: begin -->", "<!-- table: end -->")], [1, 1])


def programs_in_python_compile():
    """The peers and the harness that are written in Python have no error of syntax."""
    found = 0
    for folder in ("bench/peers", "bench/harness"):
        for here, _, names in os.walk(os.path.join(ROOT, folder)):
            for path in [os.path.join(here, name) for name in names if name.endswith(".py")]:
                with open(path, encoding="utf-8") as file:
                    compile(file.read(), path, "exec")
                found += 1
    same(found >= 10, True)


TESTS = [medians_leave_out_what_failed, ratios_pair_the_repeats, numbers_have_three_digits,
         orders_change, counts_fill_the_time, goals_are_judged, outputs_are_read,
         settings_are_read, patience_ends, tables_say_what_was_found, values_are_kept,
         markers_hold_the_table, readme_has_the_markers, programs_in_python_compile]

if __name__ == "__main__":
    sys.exit(run_tests("test_bench_harness", [(test.__name__, test) for test in TESTS]))
