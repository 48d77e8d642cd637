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


def unlink_sources(path):
    """Makes plain words of links that lead to files of the repository, outside of the manual."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    at_root = os.path.basename(path)[:-3].isupper()

    def replaced(match):
        target = match[2].split("#")[0]
        if re.match(r"\w+:", target) or not target:
            return match[0]
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
    for name in ("CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(os.path.join(root, name), os.path.join(source, name))
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith(".md"):
                unlink_sources(os.path.join(folder, name))
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
    """Runs Sphinx; every warning is an error."""
    done = subprocess.run([SPHINX, "-b", builder, "-W", "--keep-going", "-n", "-q", "-j", "auto",
                           "-d", doctrees, source, out], check=False)
    return done.returncode == 0


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
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
