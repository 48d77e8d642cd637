#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes docs/api_table.md: every public name of CPython 3.13's asyncio and its name here.

The names come from asyncio_names.txt; the twins from the `Twin:` lines of the public headers, from
the types and codes that the headers define, and from asyncio_without_twin.txt, which says why some
have none. A name with neither is an error, and so is a reason that applies to no name.

Usage: make_api_table.py [--check] [ROOT]; --check compares instead of writing.
"""

import fnmatch
import os
import re
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import house  # noqa: E402

TABLE = "docs/api_table.md"
TYPES = {"AbstractEventLoop": "asyncio_loop_t", "Task": "asyncio_task_t",
         "BoundedSemaphore": "asyncio_semaphore_t", "LifoQueue": "asyncio_queue_t",
         "PriorityQueue": "asyncio_queue_t"}
CLASS_OF_FUNCTION = {"timeout": "Timeout", "timeout_at": "Timeout"}

HEAD = """# asyncio's names, and their twins

Every public name of CPython 3.13's asyncio, and what it is called here, or why it has no twin. What
suspends has a coroutine object too, `NAME_coroutine(…)`, which is left out below. Made by
`tools/make_api_table.py` from the headers; do not edit.

"""


def macros_of(text):
    """Returns {function: [macros that call it with the source location added]}."""
    found = {}
    for macro, body in re.findall(r"^#define (asyncio_\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*)", text,
                                  re.MULTILINE):
        for function in re.findall(r"\b(asyncio_\w+_at)\(", body):
            found.setdefault(function, []).append(macro)
    return found


def python_names(twin):
    """Returns the names of asyncio that a `Twin:` line mentions."""
    names, last = [], None
    for piece in re.findall(r"`([^`]+)`", twin):
        piece = re.sub(r"\(.*", "", re.sub(r"^await ", "", piece))
        piece = re.sub(r"^(StreamWriter\.)?transport\.", "WriteTransport.", piece)
        if re.fullmatch(r"__\w+__", piece) and last:
            owner = last.split(".")
            owner = CLASS_OF_FUNCTION.get(owner[1]) if owner[0] == "asyncio" else owner[0]
            names.append(f"{owner}.{piece}")
        elif re.fullmatch(r"\w+\.\w+", piece):
            names.append(piece)
            last = piece
    return names


def twins(tree):
    """Returns {name of asyncio: [names here]}."""
    text = "\n".join(tree.read(path) for path in tree.c_paths("include"))
    macros = macros_of(text)
    found = {}
    for d in house.declarations(tree):
        if d.name.endswith("_coroutine"):
            continue
        for name in python_names(d.part("Twin:") or ""):
            found.setdefault(name, []).extend(f"{n}()" for n in macros.get(d.name, [d.name]))
    for code, python in re.findall(r'X\((ASYNCIO_E\w+), [^,]+, "(\w+)"', text):
        found.setdefault("asyncio." + python, []).append(code)
    for code, python in re.findall(r"(ASYNCIO_E\w+) = [^,]+,\s*/\*\*< (\w+Error)", text):
        found.setdefault("asyncio." + python, []).append(code)
    for constant in re.findall(r"\bASYNCIO_((?:ALL|FIRST)_\w+)\b", text):
        found["asyncio." + constant] = ["ASYNCIO_" + constant]
    types = set(re.findall(r"\b(asyncio_\w+_t)\b", text))
    for name in names_of(tree):
        kind, _, last = name.partition(".")
        if kind == "asyncio" and last[0].isupper():
            snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).lower()
            c_type = TYPES.get(last, f"asyncio_{snake}_t")
            if c_type in types:
                found.setdefault(name, []).insert(0, c_type)
    return found


def names_of(tree):
    """Returns the names of asyncio, in the order of the table."""
    lines = tree.read("tools/asyncio_names.txt").split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def reasons_of(tree):
    """Returns [(pattern, reason)]."""
    lines = tree.read("tools/asyncio_without_twin.txt").split("\n")
    return [tuple(line.split(": ", 1)) for line in lines if line and not line.startswith("#")]


def make(tree):
    """Returns (the text of the table, a list of errors)."""
    found, reasons, used, errors = twins(tree), reasons_of(tree), set(), []
    rows, count = [], 0
    names = names_of(tree)
    for name in names:
        twin = list(dict.fromkeys(found.get(name, [])))
        if twin:
            count += 1
            rows.append(f"| `{name}` | " + ", ".join(f"`{t}`" for t in twin) + " |")
            continue
        reason = next((r for r in reasons if fnmatch.fnmatchcase(name, r[0])), None)
        if reason is None:
            errors.append(f"{name}: has no twin and no reason in tools/asyncio_without_twin.txt")
            continue
        used.add(reason)
        rows.append(f"| `{name}` | – {reason[1]} |")
    errors += [f"tools/asyncio_without_twin.txt: nothing needs {pattern!r}"
               for pattern, reason in reasons if (pattern, reason) not in used]
    text = (HEAD + f"{count} of {len(names)} names have a twin.\n\n"
            "| asyncio | here |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return text, errors


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    tree = house.Tree(arguments[0] if arguments else ROOT, [])
    text, errors = make(tree)
    path = os.path.join(tree.root, TABLE)
    if "--check" in sys.argv:
        if not os.path.exists(path) or tree.read(TABLE) != text:
            errors.append(f"{TABLE} is not what tools/make_api_table.py makes: run it")
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
