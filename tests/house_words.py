# SPDX-License-Identifier: MIT
"""The phrases that no text of the tree may hold, as data; house.py has the rule.

Each is one that a native reader stops at, with what to write instead. They are looked for in the
comments, guides, error texts and names of the files in DONE.
"""

# (pattern, what to write instead)
PHRASES = [
    (r"\b(of|for|by|to|from) who\b", "name the one who is meant: the caller, the task, the owner"),
    (r"\bwho (waits|asks|cannot|calls|wants|posts|holds|runs|frees|has)\b",
     "the task that waits, the caller, the owner"),
    (r"\bso many\b", "n, count, that number of"),
    (r"\banew\b", "again"),
    (r"\banswers?\b", "returns, the result"),
    (r"\bNULL was given\b", 'say which argument: "loop" must not be NULL'),
    (r"\bno [\w ,]+ was given\b", 'say which argument: "loop" must not be NULL'),
    (r"\bgoes on\b", "continues, runs on"),
    (r"\bgives? way\b", "suspends, is replaced"),
    (r"\bmostly\b", "usually, nearly always; or leave it out"),
    (r"\b(is|are|was|were) gone\b", "has ended, is freed, is closed"),
    (r"\btaken back\b", "undone, returned"),
    (r"\bat hand\b", "available, cached"),
    (r"\bput aside\b", "preempted, suspended"),
    (r"\bfor good\b", "permanently"),
    (r"\bsimulated kernel\b", "sim has timers and threads and refuses descriptors"),
]

# The folders and files that are held to it: all.
DONE = ["src", "include", "tests", "examples", "bench", "docs", "tools", "README.md",
        "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "meson.build"]

# Files that may hold them, and why.
EXCEPT = {
    "tests/house_words.py": "the list itself",
    "tests/test_house.py": "plants them",
    "tests/conformance/golden/edges.json": "names of scenarios with golden traces",
    "tests/conformance/golden/edges.txt": "names of scenarios with golden traces",
}
