# SPDX-License-Identifier: MIT
"""Writes a man page (section 3, in mdoc) for each function of the public headers."""

import re

from make_manual_rst import in_order, is_place

SECTIONS = (("Ownership", "OWNERSHIP"), ("Context", "CALLED FROM"),
            ("Cancellation", "CANCELLATION"))


def escaped(line):
    """Returns a line of text that groff prints as it is."""
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("\u2026", "...")
    line = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in line)
    return "\\&" + line if line.startswith((".", "'")) else line


def argument(words):
    """Returns words for the line of a macro: none of them is taken for a macro."""
    words = escaped(words).replace('"', "\\(dq")
    return re.sub(r"(?<!\S)([A-Z%][a-z]{0,2}|[a-z]{1,2})(?!\S)", r"\\&\1", words)


def marked(words):
    """Returns a paragraph with code in bold and the four words of ownership in italics."""
    found = []
    for number, piece in enumerate(re.split(r"`([^`]+)`", words)):
        piece = escaped(piece)
        if number % 2:
            found.append(f"\\fB{piece}\\fP")
            continue
        piece = re.sub(r"\*(new|borrowed|taken|shared)\*", r"\\fI\1\\fP", piece)
        found.append(re.sub(r"\b(asyncio_\w+)\(\)", r"\\fB\1\\fP()", piece))
    return re.sub(r"(?<=[.;:]) (?=\S)", "\n", "".join(found))


def body(parts):
    """Returns the lines of a text."""
    found = []
    for number, part in enumerate(parts):
        if part[0] == "p":
            if number > 0:
                found.append(".Pp")
            found += [("\\&" + line if line.startswith((".", "'")) else line)
                      for line in marked(part[1]).split("\n")]
        elif part[0] == "code":
            found += [".Bd -literal -offset indent"]
            found += [escaped(line) for line in part[2]] + [".Ed"]
        elif part[0] == "list":
            found.append(".Bl -dash -compact")
            for item in part[1]:
                found += [".It"] + body(item)
            found.append(".El")
        else:
            found += [".Pp", f".Em {part[0].capitalize()} :"] + body(part[1])
    return found


def without_last_stop(words):
    return words.rstrip(".") if words else "a function of libasyncio"


def synopsis(signature):
    """Returns the lines of one prototype, or of a macro."""
    match = re.match(r"(.*?)\b(\w+)\((.*)\)$", signature)
    if not match or not match[1].strip():
        return [".Fd " + argument("#define " + signature)]
    parameters, depth, start = [], 0, 0
    for at, char in enumerate(match[3]):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parameters.append(match[3][start:at])
            start = at + 1
    parameters.append(match[3][start:])
    lines = [f'.Ft "{match[1].strip()}"', f".Fo {match[2]}"]
    return lines + [f'.Fa "{p.strip()}"' for p in parameters] + [".Fc"]


def page(header, entry, date):
    """Returns the page of an entry."""
    pairs = in_order(entry)
    name = pairs[0][0]
    sentence = without_last_stop(entry.text.sentence())
    sentence = sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence
    found = [f".Dd {date}", f".Dt {name.upper()} 3", ".Os", ".Sh NAME"]
    names = [n for n, _ in pairs]
    found += [f".Nm {n} ," for n in names[:-1]] + [f".Nm {names[-1]}"]
    found += [".Nd " + argument(sentence.replace("`", ""))]
    found += [".Sh LIBRARY", "libasyncio (pkg\\-config libasyncio, \\-lasyncio)", ".Sh SYNOPSIS",
              f".In asyncio/{header.name}"]
    for _, signature in pairs:
        found += synopsis(signature)
    found += [".Sh DESCRIPTION"] + body(entry.text.intro)
    twin = next((n for n in names if n.endswith("_coroutine") and n != name), None)
    if twin:
        found += [".Pp", f".Fn {twin}", "makes a coroutine object of the call."]
    parameters = [p for p in entry.text.parameters if not is_place(entry, p[0])]
    if parameters:
        found += [".Pp", "The parameters are:", ".Bl -tag -width Ds"]
        for parameter, parts in parameters:
            found += [f".It Fa {parameter}"] + body(parts)
        found.append(".El")
    if entry.text.returns:
        found.append(".Sh RETURN VALUES")
        returns = entry.text.returns
        found += body(returns[0] if len(returns) == 1 else [("list", returns)])
    for word, title in SECTIONS:
        if word in entry.text.closing:
            found += [f".Sh {title}"] + body(entry.text.closing[word])
    found += [".Sh SEE ALSO", ".Xr asyncio 7"]
    twin = entry.text.closing.get("Twin")
    if twin and twin != [("p", "none.")]:
        found += [".Pp", "In Python:"] + body(twin)
    return "\n".join(found) + "\n"


def pages(header, date):
    """Returns {file name: text} for the functions of a header; other names refer to the page."""
    found = {}
    for entry in header.entries:
        if entry.kind not in ("function", "macro"):
            continue
        names = [name for name, _ in in_order(entry)]
        found[f"{names[0]}.3"] = page(header, entry, date)
        for name in names[1:]:
            found[f"{name}.3"] = f".so man3/{names[0]}.3\n"
    return found
