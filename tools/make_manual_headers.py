# SPDX-License-Identifier: MIT
"""Reads the public headers: what they declare, in their order, with the text that documents it.

`read_header()` returns a Header with its entries. An Entry is what one documentation block
documents: functions (a call, its macro, its `_at` form and its `_coroutine` twin are one entry), a
type, a struct with its fields, an enum with its codes, or macros. The text of a block becomes a
list of paragraphs, lists and code, which the writers of the pages turn into their own markup.
"""

import os
import re
import textwrap

CLOSING = ("Ownership", "Context", "Cancellation", "Twin")
# What only the headers themselves need. Everything else that they define has an entry.
MACHINERY = {"ASYNCIO_BEGIN_DECLS", "ASYNCIO_END_DECLS", "ASYNCIO_API", "ASYNCIO_PRINTF",
             "ASYNCIO_MUST_USE", "ASYNCIO_STRING", "ASYNCIO_CHECKED"}

PIECE = re.compile(
    r"(?P<block>/\*\*(?!<).*?\*/)|(?P<comment>/\*.*?\*/)|(?P<define>^#define (?:[^\n]*\\\n)*[^\n]*)"
    r"|(?P<other>^#[^\n]*)|(?P<blank>\n[ \t]*\n)|(?P<declaration>^[A-Za-z][^;{}]*(?:;|\{))",
    re.DOTALL | re.MULTILINE)


def text_lines(comment):
    """Returns the lines of a comment without its stars."""
    inner = re.sub(r"^/\*\*?<?|\*/$", "", comment)
    return [re.sub(r"^ ?\* ?", "", line.strip()) if line.strip().startswith("*") else line.strip()
            if number == 0 else line for number, line in enumerate(inner.split("\n"))]


def code_of(lines):
    """Returns (language, lines) of an example; remarks beside the code become comments."""
    lines = textwrap.dedent("\n".join(lines)).split("\n")
    if not re.search(r"[;{]\s*$|[;{]\s{3,}", "\n".join(lines), re.MULTILINE):
        return "text", lines
    found = []
    for line in lines:
        match = re.match(r"(.*?(?:[;,{}(|&)]|\.\.\.))\s{3,}(\S.*)$", line)
        found.append(f"{match[1]:<40} /* {match[2]} */" if match else line)
    return "c", found


def parts_of(lines):
    """Returns the text as a list: ("p", words), ("list", items), ("code", language, lines),
    ("warning", parts). An item is such a list itself."""
    lines = textwrap.dedent("\n".join(line.rstrip() for line in lines)).split("\n")
    found, paragraph, at = [], [], 0

    def finish():
        words = " ".join(" ".join(paragraph).split())
        paragraph.clear()
        match = re.match(r"@(warning|note) (.*)", words)
        if match:
            found.append((match[1], [("p", match[2])]))
        elif words:
            found.append(("p", words))

    while at < len(lines):
        line = lines[at]
        if line.strip() == "@code":
            finish()
            end = next(i for i in range(at, len(lines)) if lines[i].strip() == "@endcode")
            found.append(("code", *code_of(lines[at + 1:end])))
            at = end
        elif line.startswith("- "):
            finish()
            item, at = [line[2:]], at + 1
            while at < len(lines) and (lines[at].startswith("  ") or (
                    not lines[at] and at + 1 < len(lines) and lines[at + 1].startswith("  "))):
                item.append(lines[at][2:])
                at += 1
            if not found or found[-1][0] != "list":
                found.append(("list", []))
            found[-1][1].append(parts_of(item))
            continue
        elif not line:
            finish()
        else:
            paragraph.append(line)
        at += 1
    finish()
    return found


class Text:
    """A documentation block in its parts."""

    def __init__(self, comment):
        self.parameters, self.returns, self.closing = [], [], {}
        intro, into = [], None
        into = intro
        for line in text_lines(comment):
            match = re.match(r"@param (\w+)\s*(.*)|@return ?(.*)|(%s): (.*)" % "|".join(CLOSING),
                             line)
            if match and match[1]:
                into = [match[2]]
                self.parameters.append((match[1], into))
            elif match and match[4]:
                into = self.closing[match[4]] = [match[5]]
            elif match:
                into = [match[3]]
                self.returns.append(into)
            elif line.strip() != "@file":
                into.append(line)
        self.intro = parts_of(intro)
        self.parameters = [(name, parts_of(self.undented(ls))) for name, ls in self.parameters]
        self.returns = [parts_of(self.undented(ls)) for ls in self.returns]
        self.closing = {word: parts_of(self.undented(ls)) for word, ls in self.closing.items()}

    @staticmethod
    def undented(lines):
        """The first line stands beside its word; the others are indented below it."""
        rest = textwrap.dedent("\n".join(lines[1:])).split("\n") if lines[1:] else []
        return ([lines[0]] if lines[0] else []) + rest

    def sentence(self):
        """Returns the first sentence, without its full stop, and of a long one up to a colon."""
        words = self.intro[0][1] if self.intro and self.intro[0][0] == "p" else ""
        whole = re.split(r"(?<=[a-z`)\"*])\.(?: |$)", words)[0]
        return whole if len(whole) <= 80 else re.split(r"(?<=[a-z`)\"*])[.:](?: |$)", words)[0]


class Member:
    """A field of a struct, or a code of an enum."""

    def __init__(self, declaration, name, text):
        self.declaration, self.name, self.text = declaration, name, text


class Entry:
    """What one block documents. kind is function, type, struct, enum or macro."""

    def __init__(self, kind, text, line):
        self.kind, self.text, self.line = kind, text, line
        self.names, self.signatures, self.members = [], [], []

    def add(self, name, signature):
        if name not in self.names:
            self.names.append(name)
            self.signatures.append(signature)


class Header:
    """A public header: its first block, and its entries in order."""

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)
        self.stem = self.name[:-2]
        self.text, self.entries, self.undocumented = Text("/** */"), [], []

    def title(self):
        sentence = self.text.sentence()
        title = re.split("[,:]", sentence)[0]
        return title if len(title) <= 50 else self.stem.replace("_", " ").capitalize()

    def find(self, name):
        return next((e for e in self.entries if name in e.names), None)


def squeeze(text):
    """Returns a declaration on one line, without attributes and comments."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\bASYNCIO_(?:API|MUST_USE)\b|\bASYNCIO_PRINTF\(\d+, \d+\)", "", text)
    return re.sub(r"\s+", " ", text).strip().rstrip(";").strip()


def declarators(declaration):
    """Returns one declaration for each name of "int a, b"."""
    match = re.fullmatch(r"([\w ]+?)(\w+(?:, \w+)+)", declaration)
    return [match[1] + name for name in match[2].split(", ")] if match else [declaration]


def members_of(body, separator):
    """Returns the members between the braces of a struct (";") or an enum (",")."""
    found, before = [], None
    pattern = r"/\*\*<(.*?)\*/|/\*\*(.*?)\*/|/\*.*?\*/|^#[^\n]*|([^%s/#]+)(%s|\Z|(?=/\*\*<))" % (
        separator, separator)
    body = re.sub(r"^#define[^\n]*(?:\\\n[^\n]*)*", "", body, flags=re.MULTILINE)
    for match in re.finditer(pattern, body, re.DOTALL | re.MULTILINE):
        if match[1] is not None:
            text = parts_of(text_lines("/**" + match[1] + "*/"))
            for member in reversed(found):
                if member.text:
                    break
                member.text = text
        elif match[2] is not None:
            before = parts_of(text_lines("/**" + match[2] + "*/"))
        elif match[3] and match[3].strip() and not match[3].strip().startswith("ASYNCIO_ERROR_T"):
            for declaration in declarators(" ".join(match[3].split())):
                bare = re.sub(r"\[[^]]*\]| = .*", "", declaration)
                name = re.search(r"\(\*(\w+)\)", bare) or re.search(r"(\w+)$", bare)
                found.append(Member(declaration, name[1], before or []))
            before = None
    return found


def codes_of_table(text):
    """Returns the codes that a table X(name, value, name in Python, meaning) makes."""
    text = re.sub(r"\\\n\s*", "", text)
    return [Member(f"{name} = {value}", name, [("p", f"{python}: {meaning}.")])
            for name, value, python, meaning in
            re.findall(r'\bX\((ASYNCIO_E\w+), (-\d+), "(\w+)", "([^"]*)"\)', text)]


def whole_declaration(text, match):
    """Returns a declaration from its start to the semicolon behind its last brace."""
    depth, at = 0, match.start()
    while True:
        if text.startswith("/*", at):
            at = text.index("*/", at) + 1
        elif text[at] in "({":
            depth += 1
        elif text[at] in ")}":
            depth -= 1
        elif text[at] == ";" and depth == 0:
            return text[match.start():at + 1]
        at += 1


def entry_of(declaration, comment, line, table):
    """Returns the entry of a declaration that is no function."""
    text = Text(comment)
    brace = declaration.find("{")
    if brace >= 0:
        kind = re.match(r"(?:typedef )?(struct|enum|union)\b\s*(\w*)", declaration)
        alias = re.search(r"\}\s*(\w+);$", declaration)
        body = declaration[brace + 1:declaration.rindex("}")]
        entry = Entry("enum" if kind[1] == "enum" else "struct", text, line)
        name = alias[1] if alias else kind[2] or "@of_line_%d" % line
        entry.add(name, name)
        entry.is_tag = not alias
        if kind[1] == "enum":
            entry.members = table if "ASYNCIO_ERROR_TABLE" in body else []
        entry.members = entry.members + members_of(body, "," if kind[1] == "enum" else ";")
        return entry
    flat = squeeze(declaration)
    entry = Entry("type", text, line)
    flat = re.sub(r"^typedef ", "", flat)
    name = (re.search(r"\(\*(\w+)\)", flat) or re.search(r"(\w+)(?= ?\()", flat) or
            re.search(r"(\w+)$", flat))
    entry.add(name[1], flat)
    return entry


def read_function(header, declaration, comment, line, entry):
    """Adds a function to the entry that it belongs to."""
    flat = squeeze(declaration)
    name = re.search(r"\(?\b(asyncio_\w+)\)? ?\(", flat)[1]
    flat = flat.replace(f"({name})", name)
    base = re.sub(r"_(coroutine|at)$", "", name)
    is_twin = comment and "Makes the coroutine object of" in comment and name.endswith("_coroutine")
    if is_twin or not comment:
        entry = header.find(name) or header.find(base) or entry
    if entry is None or (comment and not is_twin and entry.text.source is not comment):
        entry = Entry("function", Text(comment or "/** */"), line)
        entry.text.source = comment
        header.entries.append(entry)
        if not comment:
            header.undocumented.append(name)
    entry.kind = "function"
    if name in entry.names:  # a macro of the same name: the prototype says more
        entry.signatures[entry.names.index(name)] = flat
    else:
        entry.add(name, flat)
    return entry


def read_header(path):
    """Returns the Header of a file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    header, table = Header(path), codes_of_table(text)
    comment, entry, at = None, None, 0
    while True:
        match = PIECE.search(text, at)
        if not match:
            return header
        at = match.end()
        line = text.count("\n", 0, match.start()) + 1
        if match["block"]:
            if "@file" in match[0]:
                header.text = Text(match[0])
            else:
                comment, entry = match[0], None
        elif match["blank"] is not None:
            comment, entry, at = None, None, match.start() + 1
            at = match.end() - 1
        elif match["define"]:
            name, arguments = re.match(r"#define (\w+)(\([^)]*\))?", match[0]).groups()
            if name.endswith(("_H", "_", "_HPP")) or name in MACHINERY:
                continue
            if entry is None and comment:
                entry = Entry("macro", Text(comment), line)
                entry.text.source = comment
                header.entries.append(entry)
            at_form = re.search(r"\b(asyncio_\w+_at)\(", match[0])
            owner = entry or header.find(name) or (header.find(at_form[1]) if at_form else None)
            if owner is None:
                header.undocumented.append(name)
                continue
            owner.add(name, name + (arguments or ""))
        elif match["declaration"]:
            if match[0].startswith("ASYNCIO_BEGIN_DECLS") and "ASYNCIO_API" not in match[0]:
                at = match.start() + len("ASYNCIO_BEGIN_DECLS")
                continue
            if match[0].startswith(("ASYNCIO_BEGIN_DECLS", "ASYNCIO_END_DECLS", "extern")):
                at = match.start() + len(match[0].split()[0])
                continue
            declaration = whole_declaration(text, match)
            at = match.start() + len(declaration)
            if declaration.startswith("ASYNCIO_API"):
                entry = read_function(header, declaration, comment, line, entry)
            elif comment:
                found = entry_of(declaration, comment, line, table)
                found.text.source = comment
                header.entries.append(found)
            elif declaration.startswith(("typedef", "struct", "enum", "union")):
                found = entry_of(declaration, "/** */", line, table)
                known = header.find(found.names[0] + "_t")
                if known and found.members:  # the type has the text; here are its fields
                    known.kind, known.is_tag, known.members = "struct", False, found.members
                elif not re.fullmatch(r"struct \w+", squeeze(declaration)):
                    header.undocumented += found.names


def read_headers(root):
    """Returns (group, [Header]) in the order of <asyncio.h>, each group under its comment there."""
    groups = []
    with open(os.path.join(root, "include", "asyncio.h"), encoding="utf-8") as file:
        for comment, name in re.findall(r"^/\* (.*?)\.? \*/$|^#include <(asyncio/\w+\.h)>",
                                        file.read(), re.MULTILINE):
            if comment.startswith("SPDX"):
                continue
            if comment:
                groups.append((comment, []))
            else:
                groups[-1][1].append(read_header(os.path.join(root, "include", name)))
    return groups
