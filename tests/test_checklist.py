#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that each line of CHECKLIST.md has a reason, or names test functions that exist.

Readers judge whether a test would really notice the fault; this checks that the test exists, and
that the list has lost no line.
"""

import os
import re
import sys

from harness import Failure, run_tests

FOLDER = os.path.dirname(os.path.abspath(__file__))

# How many lines each section has: whoever adds one says so here, so that none gets lost.
COUNTS = {"A": 37, "B": 16, "C": 58, "D": 24, "E": 33, "F": 18, "G": 24, "H": 32, "I": 9, "J": 17}

ROW = re.compile(r"^\| ([A-Z])(\d+) \|(.*)\|(.*)\|$")
NAMED = re.compile(r"`(test_\w+\.(?:c|py)): (\w+)`")
ANYTHING_NAMED = re.compile(r"`test_[^`]*`")
REASON = re.compile(r"(?:by design|not there yet): \S.{10}")


def read(name):
    """The text of a file of this folder, or none if there is no such file."""
    path = os.path.join(FOLDER, name)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def is_test(name, function, read_file):
    """Whether the file has that function as one of its tests."""
    text = read_file(name)
    if name.endswith(".py"):
        return re.search(rf"^def {function}\(", text, re.M) is not None
    main = text[text.rfind("\nint main("):]
    return (re.search(rf"^static void {function}\(void \*\*state\)", text, re.M) is not None and
            re.search(rf"\b{function}\b", main) is not None)


def wrong_numbers(rows):
    """What is wrong with the numbers of the rows."""
    found = []
    for section in sorted(set(COUNTS) | {row[0] for row in rows}):
        numbers = [int(number) for letter, number, _, _ in rows if letter == section]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"the lines of {section} are not numbered 1, 2, 3, …")
        if len(numbers) != COUNTS.get(section, 0):
            found.append(f"{section} has {len(numbers)} lines, not {COUNTS.get(section, 0)}")
    return found


def violations(text, read_file=read):
    """What is wrong with the list."""
    lines = [line for line in text.splitlines() if re.match(r"\| *[A-Z]?\d+ *\|", line)]
    rows = [match.groups() for match in map(ROW.match, lines) if match]
    found = [] if len(rows) == len(lines) else ["a line of a table has not three columns"]
    found += wrong_numbers(rows)
    for letter, number, fault, reason in rows:
        named = NAMED.findall(reason)
        if not fault.strip():
            found.append(f"{letter}{number} names no fault")
        if not named and not REASON.search(reason):
            found.append(f"{letter}{number} has no reason")
        if len(named) != len(ANYTHING_NAMED.findall(reason)):
            found.append(f"{letter}{number} names a test otherwise than `file: function`")
        found += [f"{letter}{number}: {name} has no test {function}"
                  for name, function in named if not is_test(name, function, read_file)]
    return found


def each_line_is_answered():
    """Each fault has its tests, or a reason."""
    found = violations(read("CHECKLIST.md"))
    if found:
        raise Failure("\n".join(found))


def sees(old, new, wanted, read_file=read):
    """A test that the check says what is wanted once a piece of the list is replaced."""
    def test():
        text = read("CHECKLIST.md")
        if not re.search(old, text, re.M):
            raise Failure(f"the list does not have {old}")
        found = violations(re.sub(old, new, text, count=1, flags=re.M), read_file)
        if not any(wanted in violation for violation in found):
            raise Failure("the violation was not seen")
    return test


def without_list(name):
    """The file as if its tests were there and not run."""
    text = read(name)
    return text[:text.rfind("\nint main(")] + "\nint main(void)\n{\n}\n"


TESTS = [
    ("each line is answered", each_line_is_answered),
    ("a test that is renamed is seen",
     sees("a_long_chain_can_be_cancelled", "a_long_chain", "has no test a_long_chain")),
    ("a file that is renamed is seen",
     sees("`test_cancel.c: ", "`test_cancels.c: ", "test_cancels.c has no test")),
    ("tests that are not run are seen", sees("^# ", "# ", "has no test", without_list)),
    ("a test without its file is seen",
     sees("`test_heap.c: the_first", "`test_the_first", "otherwise than")),
    ("a line that is missing is seen", sees(r"^\| B7 .*\n", "", "lines of B are not numbered")),
    ("a last line that is missing is seen", sees(r"^\| J\d+ .*\n(?=\Z)", "", "J has")),
    ("a line that is there twice is seen",
     sees(r"^(\| C3 .*\n)", r"\1\1", "lines of C are not numbered")),
    ("a fault without a word is seen",
     sees(r"^\| A4 \|[^|]*\|", "| A4 | |", "A4 names no fault")),
    ("an empty reason is seen",
     sees(r"^(\| A4 \|[^|]*\|)[^|]*\|", r"\1 |", "A4 has no reason")),
    ("a reason that only says by design is seen",
     sees(r"^(\| A4 \|[^|]*\|)[^|]*\|", r"\1 by design: |", "A4 has no reason")),
    ("a line without its columns is seen",
     sees(r"^(\| A4 \|[^|]*\|)[^|]*\|", r"\1", "three columns")),
]


if __name__ == "__main__":
    sys.exit(run_tests("checklist",
                       [(name.replace(" ", "_"), function) for name, function in TESTS]))
