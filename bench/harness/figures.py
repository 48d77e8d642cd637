# SPDX-License-Identifier: MIT
"""Pure functions of numbers: medians, ratios and their spread, how a number is printed.

Nothing here runs or reads anything, so that tests/test_bench_harness.py can hold all of it.
"""

import statistics


def known(values):
    """Returns the values that were measured, without the None of the repeats that failed."""
    return [value for value in values if value is not None]


def median(values):
    """Returns the median of what was measured, or None."""
    found = known(values)
    return statistics.median(found) if found else None


def spread(values):
    """Returns the median, the lower and the upper quartile of what was measured, or None."""
    found = sorted(known(values))
    if not found:
        return None
    if len(found) == 1:
        return found[0], found[0], found[0]
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return middle, low, high


def ratios(above, below):
    """Returns the ratio of each repeat of which both sides were measured.

    The two sides of a ratio stem from the same repeat, minutes apart at most, so that a slow hour
    of the machine is in both.
    """
    return [a / b for a, b in zip(above, below) if a is not None and b]


def short(value):
    """Returns a number with three digits that count: 12.3, 1.73k, 176k, 4.19M."""
    if value is None:
        return "–"
    for unit in ("", "k", "M"):
        if abs(value) < 999.5 or unit == "M":
            break
        value /= 1000
    size = abs(value)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def short_spread(values):
    """Returns a median with its quartiles: 1.21 (1.18 to 1.25)."""
    found = spread(values)
    if found is None:
        return "–"
    middle, low, high = (short(value) for value in found)
    return f"{middle} ({low} to {high})"


def order(names, repeat):
    """Returns the order of a repeat: another begins each time, and every second goes backward."""
    if not names:
        return []
    first = repeat // 2 % len(names)
    turned = names[first:] + names[:first]
    return turned[::-1] if repeat % 2 else turned


def count_for(each_ns, seconds, least, most):
    """Returns how often a work is to be done so that it takes so long, two digits that count."""
    count = int(seconds * 1e9 / max(each_ns, 0.1))
    count = max(least, min(most, count))
    scale = 10 ** max(0, len(str(count)) - 2)
    return max(least, count // scale * scale)


def goal_text(goal, ours, theirs):
    """Returns what became of a goal of the form ("at most", 12) or ("first", None).

    `ours` is our median, `theirs` those of the peers; smaller is better.
    """
    kind, bound = goal
    if ours is None:
        return "not measured"
    if kind == "first":
        found = known(theirs)
        if not found:
            return "no peer"
        return "first" if ours <= min(found) else f"not first: {short(min(found))}"
    return f"≤ {bound:g}" if ours <= bound else f"above {bound:g}"
