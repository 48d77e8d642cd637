# SPDX-License-Identifier: MIT
"""The rules of the house: what every file of the tree promises, as functions that find violations.

A rule is a function of a Tree that returns a list of strings, one for each violation; RULES lists
them all. test_house.py runs them on the tree itself and on copies that break them on purpose.
"""

import os
import re
import shutil
import subprocess
import tempfile

import house_structure
import house_words

# Folders of src/, from below upward, and the folders directly beneath each. A file may include its
# own folder, those beneath it, and whatever those may include.
BENEATH = {
    "base": [],
    "worker": ["base"],
    "engine": ["base"],
    "coroutine": ["base"],
    "loop": ["engine", "coroutine"],
    "transport": ["loop", "worker"],
    "tls": ["transport"],
    "task": ["loop", "coroutine"],
    "sync": ["task"],
    "executor": ["task", "worker"],
    "net": ["task", "sync", "transport"],
    "spawn": ["base"],
    "process": ["net", "spawn"],
    "file": ["net"],
    "run": ["process", "file", "sync", "executor"],
    "testing": ["run"],
    "python": ["loop", "worker", "transport", "spawn"],
}


def layers_below(layer):
    """Returns every layer that files of layer may include, without their own."""
    found = set(BENEATH[layer])
    for below in BENEATH[layer]:
        found |= layers_below(below)
    return found


# Includes across layers that the table above forbids and that stand until their file has moved.
UNTIL_MOVED = {
}

# In which layer each public header is implemented.
PUBLIC_LAYERS = {
    "base": ["api", "context", "error", "error_group", "memory"],
    "coroutine": ["coroutine"],
    "loop": ["embed", "handle", "loop", "remote", "signal", "stats"],
    "transport": ["socket"],
    "tls": ["ssl"],
    "task": ["as_completed", "async_generator", "call_graph", "future", "gather", "shield",
             "sleep", "stack_usage", "task", "task_group", "timeout", "wait"],
    "sync": ["barrier", "condition", "event", "lock", "queue", "semaphore"],
    "executor": ["concurrent_future", "executor", "thread_pool"],
    "net": ["datagram", "protocol", "resolver", "server", "stream", "transport"],
    "process": ["process", "subprocess"],
    "file": ["file", "path", "sendfile"],
    "run": ["runner", "serve"],
    "testing": ["testing"],
}

# The parts of a documentation block that end it, in order. A function without "Cancellation:" does
# not suspend, as <asyncio/api.h> says once; one that is called inside a task says it in any case.
CLOSING_PARTS = ["Ownership:", "Context:", "Cancellation:", "Twin:"]

# What suspends and has no twin that makes an object, and why.
WITHOUT_COROUTINE = {
    "asyncio_await": "what it is given is the object already",
    "asyncio_await_unref": "what it is given is a future already",
    "asyncio_to_thread_full": "asyncio_loop_run_in_executor_full() makes a future of such a job",
    "asyncio_wait_for_unref": "asyncio_wait_for_coroutine() moves the result as well",
    "asyncio_task_group_exit": "a scope belongs to the frame of the task that entered it",
    "asyncio_task_group_cleanup": "a scope belongs to the frame of the task that entered it",
    "asyncio_lock_exit": "a scope belongs to the frame of the task that entered it",
    "asyncio_timeout_exit": "a scope belongs to the frame of the task that entered it",
}

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100
C_SUFFIXES = (".c", ".h", ".S", ".cc", ".cpp")
SCRIPT_SUFFIXES = (".py", ".sh")
TEXT_SUFFIXES = (".md", ".rst", ".txt", ".py", ".sh", ".hpp", ".in")
SCRIPT_NAMES = ("meson.build", "meson_options.txt", "Makefile", "run")


class Tree:
    """The files of a checkout, and the symbols that its shared library exports."""

    def __init__(self, root, symbols):
        self.root = root
        self.symbols = symbols
        self.only_headers = None  # a list of paths: no other header is compiled

    def paths(self, *folders):
        """Returns the paths of the code files in folders ("" for all), relative to the root."""
        found = []
        for folder in folders or ("",):
            for here, below, names in os.walk(os.path.join(self.root, folder)):
                below[:] = sorted(d for d in below if d in (".ci",) or not (
                    d.startswith((".", "build")) or d == "__pycache__"))
                for name in sorted(names):
                    path = os.path.relpath(os.path.join(here, name), self.root)
                    if name.endswith(C_SUFFIXES + SCRIPT_SUFFIXES) or name in SCRIPT_NAMES:
                        found.append(path)
        return found

    def texts(self, *starts):
        """Returns the paths of all text files below starts, which are files or folders."""
        found = []
        for start in starts:
            full = os.path.join(self.root, start)
            if os.path.isfile(full):
                found.append(start)
            for here, below, names in os.walk(full):
                below[:] = sorted(d for d in below if d != "__pycache__")
                found += [os.path.relpath(os.path.join(here, name), self.root)
                          for name in sorted(names) if name.endswith(C_SUFFIXES + TEXT_SUFFIXES)
                          or name in SCRIPT_NAMES]
        return found

    def c_paths(self, *folders):
        return [p for p in self.paths(*folders) if p.endswith(C_SUFFIXES)]

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()


def names_of(library, kind):
    """Returns the dynamic symbols of a library, with their versions: "defined" or "undefined"."""
    lines = subprocess.run(["nm", "-D", f"--{kind}-only", library], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    fields = [line.split() for line in lines]
    return {f[-1] for f in fields if f[-2] != "A"}


def second_library(library):
    """Returns the path of libasyncio-ssl beside libasyncio, or None if it is not built."""
    path = os.path.join(os.path.dirname(library), "libasyncio-ssl.so")
    return path if os.path.exists(path) else None


def shared_symbols(library):
    """Returns the names that libasyncio and libasyncio-ssl beside it export to programs."""
    libraries = [library] + ([second_library(library)] if second_library(library) else [])
    names = set().union(*(names_of(path, "defined") for path in libraries))
    return sorted({n.split("@")[0] for n in names if not n.endswith("@LIBASYNCIO_PRIVATE")})


def private_faults(library):
    """Returns what is wrong with the names that libasyncio exports to libasyncio-ssl only."""
    if second_library(library) is None:
        return []
    offered = {n.split("@")[0] for n in names_of(library, "defined")
               if n.endswith("@LIBASYNCIO_PRIVATE")}
    wanted = {n.split("@")[0] for n in names_of(second_library(library), "undefined")
              if n.startswith("asyncio__")}
    return [f"src/libasyncio.map: nothing needs {name}" for name in sorted(offered - wanted)]


def without_comments(text):
    """Returns C text with comments and the inside of strings blanked, lines kept."""
    def blank(match):
        piece = match.group(0)
        if piece.startswith('"'):
            return '""'
        if piece.startswith("'"):
            return "' '"
        return re.sub(r"[^\n]", " ", piece)
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def split_parameters(text):
    """Returns the names in a C parameter list."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    names = []
    for part in (p.strip() for p in parts):
        if part in ("", "void", "..."):
            continue
        names.append(re.findall(r"\w+", re.sub(r"\[[^]]*\]", "", part))[-1])
    return names


class Declaration:
    """A public function as its header declares it: its name, its text, its documentation."""

    def __init__(self, path, block, macro, text):
        self.path = path
        self.block = block
        match = re.search(r"(\(?)\b(asyncio\w*)\)?\s*\((.*)\)", text, flags=re.DOTALL)
        self.name = match.group(2)
        # Its name stands in parentheses: the function of a macro, which has the documentation.
        self.is_of_macro = bool(match.group(1))
        returned = text[:match.start()].replace("ASYNCIO_API", "").replace("ASYNCIO_MUST_USE", "")
        self.is_void = returned.split() == ["void"]
        listed = macro if macro is not None else match.group(3)
        self.parameters = split_parameters(re.sub(r"\)\s*ASYNCIO_PRINTF.*", "", listed,
                                                  flags=re.DOTALL))

    def part(self, title):
        """Returns the text of a closing part, or None."""
        match = re.search(r"^%s(.*?)(?=^\w+:|\Z)" % re.escape(title), self.block or "",
                          flags=re.DOTALL | re.MULTILINE)
        return " ".join(match.group(1).split()) if match else None


def declarations(tree):
    """Returns every function declared with ASYNCIO_API in the public headers."""
    found = []
    for path in tree.c_paths("include"):
        text = tree.read(path)
        for match in re.finditer(r"^ASYNCIO_API\b[^;]*;", text, flags=re.MULTILINE):
            before = text[:match.start()].rstrip()
            macro = None
            define = re.search(r"\n#define \w+(?:\((.*?)\))?(?:[^\n]*\\\n)*[^\n]*\Z", before)
            if define:
                macro = define.group(1) or ""
                before = before[:define.start()].rstrip()
            block = None
            if before.endswith("*/"):
                block = before[before.rindex("/*"):]
                block = "\n".join(re.sub(r"^ ?\* ?", "", line) for line in block.split("\n"))
                block = block[3:-2].strip() if block.startswith("/**") else None
            found.append(Declaration(path, block, macro, match.group(0)))
    return found


def rule_layers(tree):
    """Includes never point upward, and the tables above name only headers that exist."""
    layer_of = {h: layer for layer, headers in PUBLIC_LAYERS.items() for h in headers}
    bad = [f"tests/house.py: include/asyncio/{header}.h does not exist" for header in layer_of
           if not os.path.exists(os.path.join(tree.root, "include", "asyncio", header + ".h"))]
    unused = set(UNTIL_MOVED)
    for path in tree.c_paths("src"):
        layer = path.split(os.sep)[1]
        if layer not in BENEATH:
            bad.append(f"{path}: src/{layer} is no layer")
            continue
        allowed = layers_below(layer) | {layer}
        for kind, name in re.findall(r'^#include ([<"])([^>"]+)', tree.read(path), re.MULTILINE):
            top = name.split("/")[0]
            if (path, name) in UNTIL_MOVED:
                unused.discard((path, name))
            elif kind == '"' and "/" in name and top not in allowed:
                bad.append(f"{path}: src/{layer} must not include {name}")
            elif name == "asyncio.h" and layer != "run":
                bad.append(f"{path}: include the headers that are needed, not all of them")
            elif top == "asyncio" and not name.startswith("asyncio/detail/"):
                header = name[len("asyncio/"):-len(".h")]
                if header not in layer_of:
                    bad.append(f"{path}: to which layer does {name} belong? See PUBLIC_LAYERS")
                elif layer_of[header] not in allowed:
                    bad.append(f"{path}: src/{layer} must not include {name}")
    return bad + [f"tests/house.py: UNTIL_MOVED: {path} does not include {name} any more"
                  for path, name in sorted(unused)]


def rule_file_length(tree):
    """A file has fewer than 800 lines."""
    lengths = {path: tree.read(path).count("\n") for path in tree.paths()}
    return [f"{p}: {n} lines" for p, n in lengths.items() if n >= MAX_FILE_LINES]


def rule_function_length(tree):
    """A function of the library has at most 70 lines."""
    bad = []
    for path in tree.c_paths("src"):
        start = None
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if line == "{":
                start = number
            elif line.startswith("}") and start is not None:
                if number - start + 1 > MAX_FUNCTION_LINES:
                    bad.append(f"{path}:{start}: a function of {number - start + 1} lines")
                start = None
    return bad


def rule_line_length(tree):
    """A line has at most 100 columns."""
    return [f"{path}:{number}: {len(line)} columns" for path in tree.paths()
            for number, line in enumerate(tree.read(path).split("\n"), 1)
            if len(line) > MAX_COLUMNS]


def rule_spdx(tree):
    """Every file says its licence in its first line (behind the interpreter, if it has one)."""
    bad = []
    for path in tree.paths():
        lines = tree.read(path).split("\n")
        if lines[0].startswith("#!"):
            lines = lines[1:]
        wanted = "SPDX-License-Identifier: MIT"
        wanted = f"/* {wanted} */" if path.endswith(C_SUFFIXES) else f"# {wanted}"
        if not lines or lines[0] != wanted:
            bad.append(f"{path}: does not begin with {wanted}")
    return bad


def rule_headers_alone(tree):
    """Each public header compiles alone, as C11 and as C++17, without a warning."""
    paths = tree.only_headers or tree.c_paths("include")
    headers = [os.path.relpath(path, "include") for path in paths]
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for compiler, suffix, standard in (("gcc", "c", "c11"), ("g++", "cc", "c++17"),
                                           ("clang", "c", "c11"), ("clang++", "cc", "c++17")):
            if shutil.which(compiler) is None:
                continue
            files = []
            for header in headers:
                name = header.replace(os.sep, "_") + "." + suffix
                files.append(os.path.join(folder, name))
                with open(files[-1], "w", encoding="utf-8") as file:
                    file.write(f"#include <{header}>\ntypedef int not_empty_t;\n")
            done = subprocess.run(
                [compiler, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror",
                 "-fsyntax-only", "-I", os.path.join(tree.root, "include"), *files],
                capture_output=True, text=True)
            if done.returncode != 0:
                bad.append(f"{compiler} -std={standard}: " + done.stderr.replace(folder, "")[:2000])
    return bad


def rule_contents(tree):
    """<asyncio.h> consists of includes, and of all of them."""
    text = without_comments(tree.read("include/asyncio.h"))
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    wanted = ["#ifndef LIBASYNCIO_ASYNCIO_H", "#define LIBASYNCIO_ASYNCIO_H", "#endif"]
    bad = [f"include/asyncio.h: {line}" for line in lines
           if line not in wanted and not re.fullmatch(r"#include <asyncio/\w+\.h>", line)]
    for name in sorted(os.listdir(os.path.join(tree.root, "include", "asyncio"))):
        if name.endswith(".h") and f"#include <asyncio/{name}>" not in lines:
            bad.append(f"include/asyncio.h: does not include <asyncio/{name}>")
    return bad


def block_faults(declaration):
    """Returns what is wrong with the documentation block of a function."""
    block = declaration.block
    if not block:
        return ["no documentation block right before it"]
    faults = []
    first = re.split(r"\n\s*\n", block)[0]
    if not re.match(r"[A-Z`].*\.(\s|$)", first, flags=re.DOTALL) or first.startswith("@"):
        faults.append("does not begin with a sentence")
    places = [0]
    documented = re.findall(r"^@param (\w+)", block, re.MULTILINE)
    if documented != declaration.parameters:
        faults.append(f"documents the parameters {documented}, has {declaration.parameters}")
    places += [m.start() for m in re.finditer(r"^@param ", block, re.MULTILINE)]
    returns = re.search(r"^@return ", block + " ", re.MULTILINE) or re.search(
        r"^@return$", block, re.MULTILINE)
    if not declaration.is_void and not returns:
        faults.append("has no @return")
    if declaration.is_void and returns:
        faults.append("has a @return, and is void")
    if returns:
        places.append(returns.start())
    for part in CLOSING_PARTS:
        match = re.search("^" + part + r" \S", block, re.MULTILINE)
        if match:
            places.append(match.start())
        elif part != "Cancellation:" or "Context: inside" in block:
            faults.append(f"has no {part}")
    if places != sorted(places):
        faults.append("has its parts in another order")
    if re.search(r"^Cancellation: does not suspend(?: the caller)?\.$", block, re.MULTILINE) and (
            "Context: inside" not in block):
        faults.append("says what <asyncio/api.h> says of all: leave the Cancellation: line out")
    return faults + invalid_faults(declaration)


def invalid_faults(declaration):
    """Returns a fault if -EINVAL does not say for which argument.

    A @return says it with the name of a parameter, or refers to another function; or a @param says
    what "is -EINVAL". The only parameter needs no name.
    """
    returned = re.search(r"^@return(.*?)(?=^\w+:|\Z)", declaration.block, re.DOTALL | re.MULTILINE)
    causes = re.findall(r"-EINVAL\b(.*?)(?:;|\Z|\n - )", returned[1] if returned else "", re.DOTALL)
    described = re.findall(r"^@param (.*?)(?=^@|^\w+:|\Z)", declaration.block,
                           re.DOTALL | re.MULTILINE)
    if not causes or len(declaration.parameters) <= 1 or any("-EINVAL" in d for d in described):
        return []
    words = set(re.findall(r"\w+", " ".join(causes)))
    if words & set(declaration.parameters) or any(w.startswith("asyncio_") for w in words):
        return []
    return ["-EINVAL does not say for which argument"]


def is_twin(declaration, names):
    """Returns whether a function makes the coroutine object of another one."""
    call = declaration.name.removesuffix("_coroutine")
    return call != declaration.name and call in names


def twin_faults(declaration):
    """Returns what is wrong with the one sentence at a twin; the call has the block."""
    sentence = "Makes the coroutine object of %s()" % declaration.name.removesuffix("_coroutine")
    block = declaration.block or ""
    is_good = block.startswith(sentence) and block.endswith(".") and "\n" not in block
    return [] if is_good else [f"wants one line, /** {sentence}. */"]


def rule_documentation(tree):
    """Every exported function has a complete documentation block right before its declaration."""
    known = declarations(tree)
    names = {d.name for d in known}
    bad = [f"{d.path}: {d.name}: {fault}" for d in known if not d.is_of_macro
           for fault in (twin_faults(d) if is_twin(d, names) else block_faults(d))]
    bad += [f"{s}: exported, and in no public header" for s in tree.symbols if s not in names]
    return bad


def rule_exports(tree):
    """The library exports what the headers declare, and nothing that is not asyncio_."""
    bad = [f"{s}: exported, and not asyncio_" for s in tree.symbols
           if not re.fullmatch(r"asyncio_[a-z0-9]\w*", s)]
    has_ssl = any(s.startswith("asyncio_ssl_") for s in tree.symbols)
    bad += [f"{d.path}: {d.name}: declared, and not exported" for d in declarations(tree)
            if d.name not in tree.symbols
            and (has_ssl or not d.path.endswith(("/ssl.h", "/ssl_object.h")))]
    return bad


def rule_macros(tree):
    """What programs call by a macro is a function too, for pointers and other languages."""
    names = {d.name for d in declarations(tree)}
    return [f"{path}: {macro}() is a macro only" for path in tree.c_paths("include")
            for macro in re.findall(r"^#define (asyncio_\w+)\(", tree.read(path), re.MULTILINE)
            if macro not in names]


def rule_negated_codes(tree):
    """Nobody negates asyncio's codes, which are negative already."""
    negated = re.compile(r"(?<!-)-\s*ASYNCIO_(?!_)\w+")
    return [f"{path}: {match.group(0)}" for path in tree.c_paths()
            for match in negated.finditer(without_comments(tree.read(path)))]


def rule_sanitizer_macros(tree):
    """What asks for a checker includes the header that defines the macros, or asks in vain."""
    header = "base/sanitizer.h"
    bad = []
    for path in tree.c_paths("src"):
        text = without_comments(tree.read(path))
        own = os.path.splitext(path)[0] + ".h"
        is_asked = re.search(r"\bASYNCIO__(ASAN|TSAN|VALGRIND)\b", text)
        if not is_asked or path == os.path.join("src", header):
            continue
        texts = [tree.read(name) for name in {path, own}
                 if os.path.exists(os.path.join(tree.root, name))]
        if not any(f'#include "{header}"' in text for text in texts):
            bad.append(f"{path}: asks for a checker without {header}")
    return bad


def rule_twins(tree):
    """What suspends has a twin that makes the coroutine object."""
    known = declarations(tree)
    names = {d.name for d in known}
    bad = []
    for d in known:
        cancellation = d.part("Cancellation:") or "does not suspend"
        suspends = "inside a task" in (d.part("Context:") or "").lower() and not (
            cancellation.startswith("does not suspend"))
        if suspends and d.name + "_coroutine" not in names and d.name not in WITHOUT_COROUTINE:
            bad.append(f"{d.path}: {d.name} suspends and has no {d.name}_coroutine")
    return bad


def rule_tests_run(tree):
    """Every test program is run: it stands in the list of tests/meson.build.

    pytest collects those of tests/python by their names.
    """
    listed = tree.read("tests/meson.build")
    bad = []
    for path in tree.paths("tests"):
        if path.startswith("tests/python/"):
            continue
        name = os.path.basename(path)
        concept = name[len("test_"):].rsplit(".", 1)[0]
        is_listed = f"'{concept}'" in listed or f"'{name}'" in listed
        if name.startswith("test_") and not is_listed:
            bad.append(f"{path}: nobody runs it")
    return bad


def rule_words(tree):
    """No text of the tree holds a phrase that readers stop at."""
    bad = []
    for path in tree.texts(*house_words.DONE):
        if path in house_words.EXCEPT:
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            for pattern, instead in house_words.PHRASES:
                match = re.search(pattern, line, re.IGNORECASE)
                if match:
                    bad.append(f"{path}:{number}: {match.group(0)!r}: write instead: {instead}")
    return bad


def rule_homes(tree):
    """An exported function stands in the file of its word."""
    return house_structure.misplaced(tree, declarations(tree), without_comments)


def rule_circles(tree):
    """No files of a folder include or call each other in a circle."""
    return house_structure.in_circles(tree, without_comments)


RULES = [rule_layers, rule_file_length, rule_function_length, rule_line_length, rule_spdx,
         rule_headers_alone, rule_contents, rule_documentation, rule_exports, rule_macros,
         rule_negated_codes, rule_sanitizer_macros, rule_twins, rule_tests_run, rule_words,
         rule_homes, rule_circles]
