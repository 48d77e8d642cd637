# SPDX-License-Identifier: MIT
"""What as_c.py writes with: literals and names of C, and blocks that become lines.

A block is a list of lines and of the nodes below. A body that an error or a return can leave is a
Do; its `break` leaves it, and rc says with what. Knows nothing of what statements mean.
"""
import json
import re
import textwrap

WIDTH = 100  # columns

# Names that C, its headers, cmocka, replay.h or the functions themselves have, and what such look
# like.
TAKEN = set("""
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false asm typeof main errno NULL
    abort abs atexit atof atoi bsearch calloc clock close conj copysign cos div dup exit exp exp2
    fail fma fmax fmin fopen fork free ftell gamma getc gets index isnan j0 j1 jn kill labs link log
    log2 logb malloc memcpy nice open pause pipe pow printf putc puts qsort raise rand read realloc
    remove rename rewind rindex rint round select send setjmp signal sin skip sleep sqrt srand
    stderr stdin stdout strlen sync system tan time trunc wait write y0 y1 yn
    begin_replay burn_fuel count_all_tasks end_replay expected hold is_any is_exception keep
    leave_done_out let_go loop make_futures replay report return_exceptions share truth
    make_newest remove_newest compare_numbers
    add_source forget_gathering rc value error future done state tests ret_result arg
""".split())
TAKEN_SHAPES = re.compile(
    r"asyncio|assert_|log_|keep_|str|mem|print_|\w*_t$|[A-Z][A-Z_]|[_0-9]"
    r"|(timeout|group|task|sources|iteration|leaving|released|turn)(_\d+)?$", re.ASCII)


# --- text -----------------------------------------------------------------------------------------

def quoted(text, is_format=False):
    """A literal of C; as a format it stands for the text itself."""
    if is_format:
        text = text.replace("%", "%%")
    found = ""
    for byte in text.encode():
        char = chr(byte)
        if char in "\"\\?":
            found += "\\" + char
        elif char == "\n":
            found += "\\n"
        else:
            found += char if " " <= char <= "~" else f"\\{byte:03o}"
    return f'"{found}"'


def literal(lines):
    """Lines of text as a literal, each in a line of its own."""
    return "\n".join("    " + quoted(line) for line in lines) or '    ""'


def value_text(value):
    """What the log says of a value of the scenario's; None for None."""
    if isinstance(value, list):
        return "[" + ",".join(value_text(one) or "None" for one in value) + "]"
    return None if value is None else str(value)


def value_of(value):
    """The same as an expression: a string, or NULL for None."""
    text = value_text(value)
    return "NULL" if text is None else quoted(text)


class Names:
    """Gives each thing of a program a name of its own in C, like the one that it has."""

    def __init__(self):
        self.used = set()

    def new(self, wanted, *endings):
        """A name that nothing has yet, with these endings neither."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII) or "empty"
        if base in TAKEN or TAKEN_SHAPES.match(base):
            base = "the_" + base
        name, number = base, 1
        while self.used & {name + ending for ending in ("", *endings)}:
            number += 1
            name = f"{base}_{number}"
        self.used |= {name + ending for ending in ("", *endings)}
        return name


# --- blocks ---------------------------------------------------------------------------------------

class Leave:
    """Leaves the innermost body, or the function, with what rc says; `when` is the condition."""

    def __init__(self, when=None):
        self.when = when


class Return:
    """Leaves the coroutine with a value (an expression)."""

    def __init__(self, value):
        self.value = value


class Forget:
    """Takes the value of a return back: an error came after it, and is handled."""


class Do:
    """A body that can be left; the comment says whose."""

    def __init__(self, block, comment):
        self.block, self.comment = block, comment


class Final(Do):
    """The body of a `finally`: a return in it is not obeyed."""

    def __init__(self, block):
        super().__init__(block, "finally")


class For:
    """A body that runs again and again; `header` is what stands before its brace."""

    def __init__(self, header, block):
        self.header, self.block = header, block


class If:
    """Alternatives: (condition or None for the rest, block)."""

    def __init__(self, *alternatives):
        self.alternatives = alternatives


def ends(block):
    """Does nothing that stands behind a block run?"""
    last = block[-1] if block else None
    return isinstance(last, Return) or isinstance(last, Leave) and last.when is None


def can_leave(block):
    """Can a body be left before its end?"""
    for node in block:
        if isinstance(node, (Leave, Return)):
            return True
        if isinstance(node, (Do, For)) and can_leave(node.block):
            return True
        if isinstance(node, If) and any(can_leave(inside) for _, inside in node.alternatives):
            return True
    return False


def sets_value(block):
    """Does a return in a block leave a value?"""
    return any(isinstance(node, Return) and node.value != "NULL" or
               isinstance(node, (Do, For)) and sets_value(node.block) or
               isinstance(node, If) and any(sets_value(inside) for _, inside in node.alternatives)
               for node in block)


def breaks(block):
    """Is there a `break` that leaves just this body?"""
    return any(isinstance(node, (Leave, Return)) or
               isinstance(node, If) and any(breaks(inside) for _, inside in node.alternatives)
               for node in block)


FUNCTION, BODY, FINAL, CALLBACK = "function", "body", "final", "callback"


class Printer:
    """Blocks as lines of C."""

    def __init__(self):
        self.lines = []

    def line(self, depth, text):
        """A line, broken where it is too long and a blank stands outside of strings."""
        indent = "    " * depth
        while len(indent) + len(text) > WIDTH:
            blanks = [at for at in range(5, WIDTH - len(indent) + 1)
                      if text[at:at + 1] == " " and text[at - 1] in ",=?(:"
                      and len(re.findall(r'(?<!\\)"', text[:at])) % 2 == 0]
            if not blanks:
                break
            self.lines.append(indent + text[:blanks[-1]])
            text = "    " + text[blanks[-1] + 1:]
        self.lines.append(indent + text)

    def block(self, block, depth, where):
        """Where: FUNCTION for the outermost of a coroutine, FINAL inside of a `finally`."""
        for index, node in enumerate(block):
            following = block[index + 1] if index + 1 < len(block) else None
            if isinstance(node, str):
                if (node == "rc = 0;" and isinstance(following, str)
                        and following.startswith("rc = ")):
                    continue
                if (where == FUNCTION and node.startswith("rc = ") and isinstance(following, Leave)
                        and (following.when is None or depth == 1 and index + 2 == len(block))):
                    self.line(depth, "return " + node[len("rc = "):])
                    return
                self.line(depth, node)
            elif isinstance(node, Leave):
                self.leave(node, depth, where, depth == 1 and following is None)
            elif isinstance(node, Return):
                self.leave_with(node.value, depth, where)
            elif isinstance(node, Forget):
                if where in (FUNCTION, BODY):
                    self.line(depth, "*ret_result = NULL;")
            elif isinstance(node, Do):
                self.do(node, depth, where)
            elif isinstance(node, For):
                self.line(depth, node.header + " {")
                self.block(node.block, depth + 1, BODY if where == FUNCTION else where)
                self.line(depth, "}")
            else:
                leaves = isinstance(following, Leave) and following.when == "rc != 0"
                self.alternatives(node.alternatives, leaves, depth, where)

    def leave(self, node, depth, where, is_last):
        if node.when and not (where == FUNCTION and is_last):
            self.line(depth, f"if ({node.when})")
            depth += 1
        self.line(depth, "return rc;" if where == FUNCTION else "break;")

    def leave_with(self, value, depth, where):
        if where in (FUNCTION, BODY) and value != "NULL":
            self.line(depth, f"*ret_result = {value};")
        if where == FUNCTION:
            self.line(depth, "return 0;")
            return
        if where != CALLBACK:
            self.line(depth, "rc = RETURNED;")
        self.line(depth, "break;")

    def do(self, node, depth, where):
        block = list(node.block)
        while block and isinstance(block[-1], Leave):
            block.pop()
        where = FINAL if isinstance(node, Final) else BODY if where == FUNCTION else where
        if not breaks(block):
            self.block(block, depth, where)
            return
        self.line(depth, "do {" + (f" /* {node.comment} */" if node.comment else ""))
        self.block(block, depth + 1, where)
        self.line(depth, "} while (0);")

    def alternatives(self, alternatives, leaves, depth, where):
        """`leaves`: what stands behind them leaves where they did not end well."""
        cases = []
        for condition, block in alternatives:
            if leaves and block and isinstance(block[-1], Leave) and block[-1].when:
                block = block[:-1]
            inside = Printer()
            inside.block(block, depth + 1, where)
            cases.append((f"if ({condition})" if condition else "", inside.lines))
        braces = any(len(lines) != 1 for _, lines in cases)
        word = ""
        for condition, lines in cases:
            self.line(depth, (word + condition + (" {" if braces else "")).strip())
            self.lines += lines
            word = "} else " if braces else "else "
        if braces:
            self.line(depth, "}")


# --- the whole of a function ----------------------------------------------------------------------

LOCALS = {"rc": "int rc = 0;", "value": "void *value = NULL;",
          "error": "asyncio_error_t *error = NULL;", "future": "asyncio_future_t *future = NULL;"}


def locals_of(lines):
    """Declarations of what the lines of a function use, outside of strings."""
    text = re.sub(r'"(\\.|[^"\\])*"', "", "\n".join(lines))
    return ["    " + declaration for name, declaration in LOCALS.items()
            if re.search(rf"\b(&?){name}\b", text)]


def in_comment(scenario):
    """A scenario as JSON in a comment, a line for each statement of its coroutines."""
    def body_of(begin, body):
        return begin + "[" + (",\n" + " " * (len(begin) + 1)).join(map(json.dumps, body)) + "]"
    coros = [body_of(json.dumps(name) + ": ", body).replace("\n", "\n" + " " * 11)
             for name, body in scenario.get("coros", {}).items()]
    text = (body_of('{"main": ', scenario["main"]) + ',\n "coros": {'
            + (",\n" + " " * 11).join(coros) + "}}")
    text = text.replace("/*", "/\\u002a").replace("*/", "*\\/")
    lines = [part for line in text.split("\n")
             for part in textwrap.wrap(line, WIDTH - 7, subsequent_indent=" " * 14,
                                       break_long_words=False, break_on_hyphens=False)]
    return "\n".join(" *     " + line for line in lines)
