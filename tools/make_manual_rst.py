# SPDX-License-Identifier: MIT
"""Writes a page of reStructuredText for each public header, for Sphinx."""

import re

FIELDS = (("Ownership", "Ownership"), ("Context", "Called from"), ("Cancellation", "Cancellation"),
          ("Twin", "In Python"))
NAMES = re.compile(r"(?<![\w`./])((?:asyncio_[a-z]\w*|ASYNCIO_[A-Z]\w*)(?:\(\))?|[a-z_]+\.h)(?!\w)")

EMPHASIS = re.compile(r"\*(new|borrowed|taken|shared|[a-z]+ [a-z]+|[A-Z][a-z]+)\*")


def inline(words, headers):
    """Returns words in which names are literals, which conf.py makes links of."""
    pieces = []  # (is a literal, text)
    for number, piece in enumerate(re.split(r"`([^`]+)`", words)):
        if number % 2:
            pieces.append((True, piece))
            continue
        for part in re.split(NAMES, piece):
            is_name = NAMES.fullmatch(part) and (not part.endswith(".h") or part in headers)
            pieces.append((bool(is_name), part))
    found = ""
    for is_literal, piece in pieces:
        if is_literal:
            # Inline markup begins and ends at white space or punctuation only.
            found += ("\\ " if re.search(r"[^\s'\"(\[{<\-/:]$", found) else "") + f"``{piece}``"
            continue
        piece = piece.replace("\\", "\\\\").replace("|", "\\|")
        piece = re.sub(EMPHASIS, "\0\\1\0", piece)
        piece = re.sub(r"(?<=\w)_(?!\w)", "\\_", piece.replace("*", "\\*").replace("\0", "*"))
        piece = piece.replace("file:", "file\\:")  # not an address
        if found.endswith("``") and re.match(r"[^\s'\")\]}>\-/:.,;!?\\]", piece):
            piece = "\\ " + piece
        found += piece
    return found


def body(parts, headers, indent=""):
    """Returns the lines of a text."""
    found = []
    for part in parts:
        if part[0] == "p":
            found += [inline(part[1], headers), ""]
        elif part[0] == "code":
            found += [f".. code-block:: {part[1]}", "   :force:", ""]
            found += ["   " + line if line else "" for line in part[2]] + [""]
        elif part[0] == "list":
            for item in part[1]:
                lines = body(item, headers)
                found += ["- " + lines[0]] + ["  " + line if line else "" for line in lines[1:]]
        else:
            found += [f".. {part[0]}::", ""] + body(part[1], headers, "   ")
    return [indent + line if line else "" for line in found]


def field(name, parts, headers):
    """Returns a field with its text indented behind it."""
    lines = body(parts, headers)
    while lines and not lines[-1]:
        lines.pop()
    if parts and parts[0][0] != "p":
        return [f":{name}:", ""] + ["   " + line if line else "" for line in lines]
    return [f":{name}: {lines[0] if lines else ''}"] + ["   " + line if line else ""
                                                        for line in lines[1:]]


def takes_place(entry, name):
    """Whether a function is the form of another one that takes the source location."""
    return name.endswith("_at") and name[:-len("_at")] in entry.names


def in_order(entry):
    """Returns (name, signature) of an entry: the call, its twin, then the form with a place."""
    return sorted(zip(entry.names, entry.signatures),
                  key=lambda pair: (takes_place(entry, pair[0]),
                                    pair[0].endswith("_coroutine")))


def is_place(entry, name):
    return name == "place" and any(takes_place(entry, n) for n in entry.names)


def fields(entry, headers):
    """Returns the parameters, the results and the closing parts of a function."""
    found = []
    for name, parts in entry.text.parameters:
        if not is_place(entry, name):
            found += field("param " + name, parts, headers)
    returns = entry.text.returns
    if len(returns) == 1:
        found += field("return", returns[0], headers)
    elif returns:
        found += field("return", [("list", returns)], headers)
    for word, title in FIELDS:
        parts = entry.text.closing.get(word)
        if parts and not (word == "Twin" and parts == [("p", "none.")]):
            found += field(title, parts, headers)
    return found


def notes(entry):
    """Returns sentences about the forms of a function that its text does not mention."""
    found = []
    twin = next((n for n in entry.names if n.endswith("_coroutine")), None)
    if twin and len(entry.names) > 1:
        found += [f"``{twin}()`` makes a coroutine object of the call.", ""]
    place = [n for n in entry.names if takes_place(entry, n)]
    if place:
        forms = " and ".join(f"``{name}()``" for name in place)
        found += [f"A macro passes the source location of the call to {forms}.", ""]
    return found


def entry_lines(entry, headers, calls_too=()):
    """Returns the lines of one entry; calls_too are functions, whose names no tag may have."""
    found = []
    pairs = in_order(entry)
    if entry.kind in ("function", "macro"):
        # A macro that has no function is a macro; all other forms have a prototype.
        calls = [s for n, s in pairs if " " in s.split("(")[0].strip() or "*" in s.split("(")[0]]
        macros = [s for n, s in pairs if s not in calls]
        for directive, signatures in (("function", calls), ("macro", macros)):
            if signatures:
                space = "\n" + " " * len(f".. c:{directive}:: ")
                found += [f".. c:{directive}:: " + space.join(signatures), ""]
        text = body(entry.text.intro, headers) + notes(entry) + fields(entry, headers)
        return found + ["   " + line if line else "" for line in text] + [""]
    if entry.kind == "type":
        signature = re.sub(r"^(struct|union|enum) \w+ (?=\w+$)", "", entry.signatures[0])
        directive = "struct" if signature.startswith("struct ") else "type"
        found += [f".. c:{directive}:: {signature.removeprefix('struct ')}", ""]
    else:
        directive = "type" if entry.kind == "struct" and not entry.is_tag else entry.kind
        name = entry.names[0]
        found += [f".. c:{directive}:: {'@' + name if name in calls_too else name}", ""]
    text = body(entry.text.intro, headers)
    if entry.names[0] in calls_too:
        text += [f"It is ``enum {entry.names[0]}``.", ""]
    for member in entry.members:
        if entry.kind == "enum":
            text += [f".. c:enumerator:: {member.declaration}", ""]
        else:
            text += [f".. c:member:: {member.declaration}", ""]
        text += body(member.text, headers, "   ")
    return found + ["   " + line if line else "" for line in text] + [""]


def page(header, headers):
    """Returns the page of a header; headers is the set of all their names."""
    title = header.title()
    found = [":tocdepth: 1", "", title, "=" * len(title), "",
             f"``#include <asyncio/{header.name}>``", ""]
    found += body(header.text.intro, headers)
    calls = {n for e in header.entries if e.kind == "function" for n in e.names}
    listed = [e for e in header.entries if e.kind in ("function", "macro")]
    if len(listed) > 3:
        found += [".. rubric:: In this header", "", ".. list-table::", "   :widths: auto", ""]
        for entry in listed:
            name = in_order(entry)[0][0]
            call = "()" if entry.kind == "function" else ""
            found += [f"   * - ``{name}{call}``",
                      f"     - {inline(entry.text.sentence(), headers)}"]
        found += [""]
    for entry in header.entries:
        found += entry_lines(entry, headers, calls)
    return "\n".join(found) + "\n"


def index(groups):
    """Returns the page that lists all headers, in the groups of <asyncio.h>."""
    found = ["API, by header", "==============", "",
             "``#include <asyncio.h>`` includes all of these. Each page lists what its header "
             "declares, in the order of the header. The first page explains the words that the "
             "descriptions use.", ""]
    for group, headers in groups:
        found += [f".. toctree::", "   :maxdepth: 1", f"   :caption: {group}", ""]
        found += [f"   {header.title()} ({header.name}) <{header.stem}>" for header in headers]
        found.append("")
    return "\n".join(found) + "\n"
