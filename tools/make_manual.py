#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the manual: HTML from the guides and the public headers, and man pages.

    make_manual.py OUT [--root ROOT] [--only-man3]

OUT/source is what Sphinx reads (docs/, examples/, and a page of each header), OUT/html the manual,
OUT/man the man pages: section 3 of each function, section 7 of the concepts. Nothing is copied by
hand: names, prototypes and texts come from the headers. Every warning of Sphinx is an error, and so
is a name in a guide that no header declares. SOURCE_DATE_EPOCH sets the date of the pages.
"""

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys

import make_manual_headers as headers_of
import make_manual_man as man
import make_manual_rst as rst

# Pages at the root of the repository that the manual has too.
AT_ROOT = ("CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
SPHINX = "/usr/bin/sphinx-build" if os.path.exists("/usr/bin/sphinx-build") else "sphinx-build"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def fresh(folder):
    """Returns an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def date_of_pages():
    """Returns (the date as words, in the form of mdoc)."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    zone = datetime.timezone.utc
    date = (datetime.datetime.fromtimestamp(int(seconds), zone) if seconds
            else datetime.datetime.now(zone))
    return date.strftime("%B ") + str(date.day) + date.strftime(", %Y")


def table_of_errors(groups):
    """Returns the table of asyncio's own codes."""
    header = next(h for _, headers in groups for h in headers if h.name == "error.h")
    rows = [(m.name, m.declaration.split("= ")[1], *m.text[0][1].rstrip(".").split(": ", 1))
            for e in header.entries if e.kind == "enum" for m in e.members
            if ": " in m.text[0][1]]
    return "\n".join(["| code | value | in Python | meaning |", "| --- | --- | --- | --- |"] + [
        f"| `{name}` | {value} | {python} | {meaning} |" for name, value, python, meaning in rows])


def table_of_examples(root):
    """Returns a table of the examples: each with the sentence at its head."""
    rows = []
    folder = os.path.join(root, "examples")
    for here, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names):
            path = os.path.join(here, name)
            shown = os.path.relpath(path, folder)
            is_program = name.endswith((".c", ".cc")) and (
                os.sep not in shown or shown.startswith(("page", "manual")) or name == "main.c")
            if not is_program:
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read().split("\n", 1)[1]
            head = re.match(r"/\*(.*?)\*/|((?://[^\n]*\n)+)", text, re.DOTALL)
            words = " ".join(re.sub(r"^ \*|^//", "", line)
                             for line in (head[1] or head[2]).split("\n")).split()
            sentence = re.split(r"(?<=\.)\s", " ".join(words))[0]
            rows.append(f"| `{shown}` | {sentence} |")
    return "\n".join(["| program | what it shows |", "| --- | --- |"] + rows)


def fill_in(source, root, groups):
    """Puts tables that are made into the pages that ask for them."""
    with open(os.path.join(root, "docs", "api_table.md"), encoding="utf-8") as file:
        names = file.read()
    tables = {"ERRORS": table_of_errors(groups), "EXAMPLES": table_of_examples(root),
              "TABLE": names[re.search(r"^\d+ of ", names, re.MULTILINE).start():]}
    for page, word in (("errors", "ERRORS"), ("examples", "EXAMPLES"), ("python_names", "TABLE")):
        path = os.path.join(source, "reference", page + ".md")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        write(path, text.replace("{{" + word + "}}", tables[word]))


def unlink_sources(path):
    """Makes plain words of links that lead to files of the repository, outside of the manual."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    at_root = os.path.basename(path)[:-3].isupper()

    def replaced(match):
        target = match[2].split("#")[0]
        if re.match(r"\w+:", target) or not target:
            return match[0]
        if not at_root and re.fullmatch(r"(\.\./)+[A-Z]+\.md", target) and (
                os.path.basename(target) in AT_ROOT):
            return f"[{match[1]}]({match[2][len('../'):]})"  # docs/ is the root of the manual
        if at_root and target.startswith("docs/"):
            return f"[{match[1]}]({match[2][len('docs/'):]})"
        is_page = target.endswith(".md") and not target.startswith("tests/") and (
            os.path.exists(os.path.join(os.path.dirname(path), target)))
        return match[0] if is_page or not (at_root or target.startswith("../../") or
                                           target.startswith("../bench")) else match[1]
    text = re.sub(r"(?<!!)\[([^]]+)\]\(([^)]+)\)", replaced, text)
    write(path, text)


def make_source(root, out, groups):
    """Makes the folder that Sphinx reads."""
    source = os.path.join(out, "source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(os.path.join(root, "docs"), source)
    for folder in ("examples", "include", "tests"):
        os.symlink(os.path.abspath(os.path.join(root, folder)), os.path.join(source, folder))
    for name in AT_ROOT:
        shutil.copy(os.path.join(root, name), os.path.join(source, name))
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith(".md"):
                unlink_sources(os.path.join(folder, name))
    fill_in(source, root, groups)
    api = fresh(os.path.join(source, "api"))
    known = {header.name for _, headers in groups for header in headers}
    for _, headers in groups:
        for header in headers:
            write(os.path.join(api, header.stem + ".rst"), rst.page(header, known))
    write(os.path.join(api, "index.rst"), rst.index(groups))
    return source


def make_man(out, groups):
    """Writes section 3."""
    folder = fresh(os.path.join(out, "man", "man3"))
    for _, headers in groups:
        for header in headers:
            for name, text in man.pages(header, date_of_pages()).items():
                write(os.path.join(folder, name), text)


def run_sphinx(builder, source, out, doctrees):
    """Runs Sphinx; every warning is an error. In one process: several merge what they have read in
    the order in which they end, and the search index shows it."""
    done = subprocess.run([SPHINX, "-b", builder, "-W", "--keep-going", "-n", "-q",
                           "-d", doctrees, source, out], check=False,
                          # The search index lists the entries of sets in the order of their hashes.
                          env={**os.environ, "PYTHONHASHSEED": "0"})
    return done.returncode == 0


def mend_man(folder):
    """Removes from Sphinx's man pages what mandoc warns of: space behind a title, an old font."""
    for name in os.listdir(folder):
        if name.endswith(".7"):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            text = re.sub(r"^(\.S[HS] .*\n)\.sp\n", r"\1", text, flags=re.MULTILINE)
            write(path, re.sub(r"^\.ft C$", ".ft CW", text, flags=re.MULTILINE))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="the folder to make")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--only-man3", action="store_true", help="functions only, without Sphinx")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    groups = headers_of.read_headers(options.root)
    for _, headers in groups:
        for header in headers:
            if header.undocumented:
                print(f"{header.path}: without a documentation block: "
                      + ", ".join(header.undocumented), file=sys.stderr)
                return 1
    make_man(options.out, groups)
    if options.only_man3:
        return 0
    fresh(os.path.join(options.out, "doctrees"))
    source = make_source(options.root, options.out, groups)
    passed = True
    for builder, folder in (("html", "html"), ("man", "man")):
        path = os.path.join(options.out, folder)
        os.makedirs(path, exist_ok=True)
        passed = run_sphinx(builder, source, path, os.path.join(options.out, "doctrees")) and passed
    mend_man(os.path.join(options.out, "man"))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
