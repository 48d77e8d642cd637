# SPDX-License-Identifier: MIT
"""Rules about where functions stand and which files know each other; house.py lists them.

Both rules read the sources, not the objects, so that they need no build.
"""

import os
import re

DEFINITION = re.compile(
    r"^(?:[A-Za-z_][\w \t*]*?)?\(?\b(asyncio_\w+)\)?\s*\([^;{}]*\)\s*\{", re.MULTILINE)
PROTOTYPE = re.compile(
    r"^(?:[A-Za-z_][\w \t*]*?|[^\n;{}]*\)\s)?\basyncio_\w+\s*\([^;{}]*\)[^;{}\n]*;", re.MULTILINE)
TWIN = re.compile(r"\bASYNCIO__TWIN(?:_\w+)?\(\s*\w+,\s*(asyncio_\w+)")

# The exported functions that stand elsewhere, and why; at most one in twenty.
ELSEWHERE = {
    "asyncio_version": "declared in api.h, which has no source of its own",
    "asyncio_ensure_future": "makes tasks, which future.c does not know",
}
AT_HOME_MIN = 0.95

# Folders in which no files may include or call each other in a circle.
WITHOUT_CIRCLES = ["loop", "net", "executor"]

def code_of(tree, path, blank):
    return blank(tree.read(path))


def definitions(tree, blank):
    """Returns where each function of src is defined: {name: path}."""
    found = {}
    for path in tree.c_paths("src"):
        if not path.endswith(".c"):
            continue
        text = code_of(tree, path, blank)
        for match in DEFINITION.finditer(text):
            found.setdefault(match.group(1), path)
        for match in TWIN.finditer(text):
            found[match.group(1) + "_coroutine"] = path
    return found


def word_of(name, headers):
    """Returns the longest prefix of a function's name that names a public header, or None."""
    parts = name[len("asyncio_"):].split("_")
    for count in range(len(parts), 0, -1):
        word = "_".join(parts[:count])
        if word in headers:
            return word
    return None


def is_file_of(path, word):
    base = os.path.basename(path)[:-len(".c")]
    return word is not None and (base == word or base.startswith(word + "_"))


def strangers(tree, declared, blank):
    """Returns [(name, path, words)] of the exported functions that stand in no file of theirs."""
    where = definitions(tree, blank)
    headers = {name[:-len(".h")] for name in
               os.listdir(os.path.join(tree.root, "include", "asyncio")) if name.endswith(".h")}
    found = []
    for d in declared:
        path = where.get(d.name)
        words = [word_of(d.name, headers), os.path.basename(d.path)[:-len(".h")]]
        if path is None or not any(is_file_of(path, word) for word in words):
            found.append((d.name, path, sorted({w for w in words if w})))
    return found


def misplaced(tree, declared, blank):
    """Returns the violations of: an exported function stands in the file of its word."""
    away = strangers(tree, declared, blank)
    names = {name for name, _, _ in away}
    bad = [f"{path}: {name} belongs to {' or '.join(w + '*.c' for w in words)}"
           for name, path, words in away if name not in ELSEWHERE]
    bad += [f"tests/house_structure.py: ELSEWHERE: {name} needs no exception any more"
            for name in ELSEWHERE if name not in names]
    if declared and 1 - len(ELSEWHERE) / len(declared) < AT_HOME_MIN:
        bad.append(f"tests/house_structure.py: {len(ELSEWHERE)} of {len(declared)} stand elsewhere")
    return bad


def graph_of(tree, folder, blank):
    """Returns which files of a folder include or call which: {unit: {unit: reason}}.

    A unit is a header together with the source of the same name.
    """
    texts = {}
    for path in tree.c_paths(os.path.join("src", folder)):
        unit = os.path.splitext(os.path.basename(path))[0]
        raw = tree.read(path)
        texts.setdefault(unit, []).append((path, raw, blank(raw)))
    home = {}
    for unit, files in texts.items():
        for path, _, text in files:
            for match in DEFINITION.finditer(text):
                if path.endswith(".c"):
                    home[match.group(1)] = unit
    graph = {}
    for unit, files in texts.items():
        edges = graph.setdefault(unit, {})
        for path, raw, text in files:
            for name in re.findall(r'^#include "%s/(\w+)\.h"' % folder, raw, re.MULTILINE):
                if name != unit and name in texts:
                    edges.setdefault(name, f"{path} includes {folder}/{name}.h")
            for name in re.findall(r"\b(asyncio_\w+)\s*\(", PROTOTYPE.sub("", text)):
                if home.get(name, unit) != unit:
                    edges.setdefault(home[name], f"{path} calls {name}()")
    return graph


def circles(graph):
    """Returns the sets of units that reach each other (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(unit):
        index[unit] = low[unit] = len(index)
        stack.append(unit)
        for other in graph[unit]:
            if other not in index:
                visit(other)
                low[unit] = min(low[unit], low[other])
            elif other in stack:
                low[unit] = min(low[unit], index[other])
        if low[unit] == index[unit]:
            group = set()
            while unit not in group:
                group.add(stack.pop())
            if len(group) > 1:
                found.append(group)

    for unit in sorted(graph):
        if unit not in index:
            visit(unit)
    return found


def in_circles(tree, blank):
    """Returns the violations of: no files of a folder know each other in a circle."""
    bad = []
    for folder in WITHOUT_CIRCLES:
        graph = graph_of(tree, folder, blank)
        for group in circles(graph):
            reasons = [reason for unit in sorted(group) for other, reason in graph[unit].items()
                       if other in group]
            bad.append(f"src/{folder}: a circle of {', '.join(sorted(group))}: "
                       + "; ".join(reasons[:12]))
    return bad
