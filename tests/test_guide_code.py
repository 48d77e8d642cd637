#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every block of code in the guides and the README is run by a test, and each link leads somewhere.

    test_guide_code.py ROOT

Programs, and what they print, are taken from examples/ and tests/expected, and test_examples.py or
test_tls_peers.py runs them. A block that stands in a page itself is in USED, with the test that
uses it from there. What commands of `make` and `meson` name must exist.
"""

import glob
import os
import re
import sys

from harness import Failure, run_tests

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")

# (page, language): the script that compiles or runs the block as the page has it.
USED = {
    ("README.md", "c"): "tests/test_examples.py",
    ("README.md", "text"): "tests/test_examples.py",
    ("README.md", "sh"): "tests/packages/newcomer.py",
    ("docs/howto/building.md", "sh"): "tests/packages/newcomer.py",
    ("docs/howto/debugging.md", "text"): "tests/test_gdb.py",
    ("docs/howto/testing.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/chat.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/fetcher.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/first.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/http.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/install.md", "sh"): "tests/packages/newcomer.py",
    ("docs/start/install.md", "cmake"): "tests/packages/newcomer.py",
    ("docs/start/install.md", "meson"): "tests/packages/newcomer.py",
}
# Not code, but the drawings of ARCHITECTURE.md.
DRAWINGS = ("ARCHITECTURE.md",)
# What Sphinx alone understands.
MARKUP = ("{toctree}", "{eval-rst}", "{raw}")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def pages():
    """Returns the paths of the guides and of the pages at the root."""
    found = glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True)
    found += glob.glob(os.path.join(ROOT, "*.md"))
    return sorted(os.path.relpath(path, ROOT) for path in found)


def blocks(text):
    """Returns the fenced blocks of a page: [(language, argument, lines)]."""
    found, fence = [], None
    for line in text.split("\n"):
        match = re.match(r"\s*(`{3,})(\{?[\w-]*\}?)\s*(.*)$", line)
        if fence is None and match:
            fence = match[1]
            found.append((match[2], match[3], []))
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is not None:
            found[-1][2].append(line.strip())
    return found


def without_fences(text):
    return re.sub(r"^\s*```.*?^\s*```$", "", text, flags=re.DOTALL | re.MULTILINE)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def runners():
    """Returns the text of the tests that run programs of examples/."""
    return read("tests/test_examples.py") + read("tests/test_tls_peers.py")


def is_run(path, runner):
    """Whether a test runs the program of a path, or compares what it prints with it."""
    return os.path.exists(os.path.join(ROOT, path)) and (
        f'"{stem(path)}"' in runner or f'"{os.path.basename(path)}"' in runner)


def unknown_commands(line):
    """Returns what a command names that does not exist: targets of make, test programs."""
    makefile, tests = read("Makefile"), read("tests/meson.build")
    line = line.split(" #")[0]
    bad = [f"make {target}" for words in re.findall(r"\bmake((?: [a-z][\w-]*)+)", line)
           for target in words.split() if not re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:",
                                                        makefile, re.MULTILINE)]
    return bad + [name for name in re.findall(r"\btest_(\w+)", line)
                  if f"'{name}'" not in tests and f"'test_{name}'" not in tests]


def faults(path, text, runner):
    """Returns what is wrong with the blocks of a page."""
    bad = []
    if re.search(r"^\n(?: {4}|\t)(?![-*\d])\S", without_fences(text).replace("\n- ", "\n- "),
                 re.MULTILINE):
        bad.append("a block of code that is indented: take it from a program")
    for language, argument, lines in blocks(text):
        if language == "{literalinclude}":
            if not is_run(argument.lstrip("/"), runner):
                bad.append(f"{argument}: no test runs it")
        elif language == "sh" and all(re.match(r"make\b|meson\b", line) for line in lines if line):
            bad += [f"{name} does not exist" for line in lines for name in unknown_commands(line)]
        elif language == "python":
            compile("\n".join(lines), path, "exec", flags=0x2000)  # top-level await is allowed
        elif language not in MARKUP and path not in DRAWINGS and path != "docs/python.md":
            user = USED.get((path, language))
            name = re.sub(r"^docs/(start/install)?|\.md$", "", path)
            if not user or name not in read(user):
                bad.append(f"a block in {language or 'no language'} that no test uses")
    return bad


def dead_links(path, text):
    """Returns the links of a page that lead to no file, or to no heading of one.

    Pages of the API are made from the headers; Sphinx checks links to them.
    """
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_fences(text)):
        name, _, heading = target.partition("#")
        if re.match(r"\w+:", target) or name.startswith("api/"):
            continue
        full = os.path.join(os.path.dirname(path), name) if name else path
        if not os.path.exists(os.path.join(ROOT, full)):
            dead.append(target)
        elif heading and full.endswith(".md"):
            titles = re.findall(r"^#+ (.*)$", read(full), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            dead += [target] if heading not in slugs else []
    return dead


def links_lead_somewhere():
    """Every link of every page leads to a file, and to a heading if it names one."""
    dead = [f"{path}: {target}" for path in pages() for target in dead_links(path, read(path))]
    if dead:
        raise Failure("\n".join(dead))
    if dead_links("README.md", "[a](docs/planted.md) [b](README.md#planted)") != [
            "docs/planted.md", "README.md#planted"]:
        raise Failure("a link to nothing was not noticed")


def are_used(path):
    """Every block of a page is used by a test."""
    bad = faults(path, read(path), runners())
    if bad:
        raise Failure("\n".join(bad))


def is_refused(text):
    """A page with this text is refused."""
    if not faults("docs/planted.md", text, runners()):
        raise Failure(f"nobody noticed:\n{text}")


PLANTS = {
    "a program of its own": "```c\nint main(void) { return 0; }\n```\n",
    "a program that nobody runs": "```{literalinclude} /tests/instructions.c\n```\n",
    "an indented program": "Call:\n\n    asyncio_sleep(1.0);\n\n",
    "commands of its own": "```sh\ncc program.c\n```\n",
    "a target that does not exist": "```sh\nmake planted\n```\n",
    "a test that does not exist": "```sh\nmeson test -C build test_planted\n```\n",
}


def main():
    tests = [(path, lambda path=path: are_used(path)) for path in pages() if blocks(read(path))]
    tests += [("refuses " + what, lambda text=text: is_refused(text))
              for what, text in PLANTS.items()]
    tests.append(("links_lead_somewhere", links_lead_somewhere))
    return run_tests("guide_code", tests)


if __name__ == "__main__":
    sys.exit(main())
