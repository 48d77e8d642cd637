#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the rules of house.py on the tree, and holds that each of them can fail.

Usage: test_house.py ROOT LIBRARY, where LIBRARY is the shared library that was built.
"""

import os
import shutil
import sys
import tempfile

import house
from harness import Failure, run_tests


def holds(rule, tree):
    """The rule finds nothing in the tree."""
    violations = rule(tree)
    if violations:
        raise Failure("\n".join(violations[:50]))


def is_empty(violations):
    """A list of violations is empty."""
    if violations:
        raise Failure("\n".join(violations))


def append(tree, path, text):
    """Appends text to a file of a copy, making the file if need be."""
    full = os.path.join(tree.root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "a", encoding="utf-8") as file:
        file.write(text)


def replace(tree, path, old, new):
    """Replaces the first occurrence in a file of a copy; it must be there."""
    text = tree.read(path)
    if old not in text:
        raise Failure(f"{path} does not hold {old!r}, which was to be replaced")
    with open(os.path.join(tree.root, path), "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))


SPDX = "/* SPDX-License-Identifier: MIT */\n"
BLOCK = """
/**
 * Returns a number.
 *
 * @param first   one number
 * @param second  another
 * @return the number.
 *
 * Ownership: nothing.
 * Context: %s
 * Cancellation: %s
 * Twin: none.
 */
ASYNCIO_API int asyncio_planted(int first, int second);
"""
CALM = BLOCK.replace(" * Cancellation: %s\n", "") % "any thread."


def plant_declaration(text):
    """Returns a plant that declares asyncio_planted() with the given block."""
    def plant(tree):
        append(tree, "include/asyncio/api.h", text)
        tree.symbols = tree.symbols + ["asyncio_planted"]
    return plant


def plant_symbol(name):
    """Returns a plant that exports one name more."""
    def plant(tree):
        tree.symbols = tree.symbols + [name]
    return plant


def plant_text(path, text):
    """Returns a plant that appends text to a file."""
    return lambda tree: append(tree, path, text)


def plant_header(path, text):
    """Returns a plant that adds a header, and has it compiled alone."""
    def plant(tree):
        append(tree, path, text)
        tree.only_headers = [path]
    return plant


# (rule, what is planted, how)
PLANTS = [
    (house.rule_layers, "base knows loop", plant_text("src/base/error.c",
                                                      '#include "loop/loop.h"\n')),
    (house.rule_layers, "engine knows coroutine",
     plant_text("src/engine/epoll.c", '#include "coroutine/stack.h"\n')),
    (house.rule_layers, "loop knows a public header of net",
     plant_text("src/loop/loop.c", "#include <asyncio/socket.h>\n")),
    (house.rule_layers, "loop knows everything", plant_text("src/loop/loop.c",
                                                            "#include <asyncio.h>\n")),
    (house.rule_layers, "transport knows task",
     plant_text("src/transport/channel.c", SPDX + '#include "task/task.h"\n')),
    (house.rule_layers, "transport knows TLS",
     plant_text("src/transport/channel.c", SPDX + '#include "tls/tls_channel.h"\n')),
    (house.rule_layers, "worker knows loop",
     plant_text("src/worker/worker.c", SPDX + '#include "loop/loop.h"\n')),
    (house.rule_layers, "net knows executor",
     plant_text("src/net/stream_reader.c", '#include "executor/executor.h"\n')),
    (house.rule_layers, "a header in the tables that does not exist",
     lambda tree: os.remove(os.path.join(tree.root, "include/asyncio/wait.h"))),
    (house.rule_layers, "a folder that is no layer", plant_text("src/misc/misc.c", SPDX)),
    (house.rule_file_length, "800 lines", plant_text("src/base/long.c", SPDX + "\n" * 799)),
    (house.rule_function_length, "a function of 71 lines",
     plant_text("src/base/long.c", SPDX + "int f(void)\n{\n" + "    ;\n" * 69 + "}\n")),
    (house.rule_line_length, "101 columns", plant_text("tests/test_long.c",
                                                       SPDX + "/* " + "x" * 95 + " */\n")),
    (house.rule_spdx, "a source without a licence", plant_text("src/base/free.c", "int x;\n")),
    (house.rule_spdx, "a script without a licence", plant_text("tools/free.py",
                                                               "#!/usr/bin/env python3\n")),
    (house.rule_headers_alone, "a header that needs another",
     plant_header("include/asyncio/needy.h", SPDX + "void f(asyncio_loop_t *loop);\n")),
    (house.rule_headers_alone, "a header that is not C++",
     plant_header("include/asyncio/plain.h", SPDX + "struct s { int new; };\n")),
    (house.rule_headers_alone, "a header that is not C11",
     plant_header("include/asyncio/gnu.h", SPDX + "struct s { int x[0]; };\n")),
    (house.rule_contents, "a declaration in asyncio.h",
     lambda tree: replace(tree, "include/asyncio.h", "#endif", "int x;\n#endif")),
    (house.rule_contents, "a header that asyncio.h forgets",
     plant_text("include/asyncio/forgotten.h", SPDX)),
    (house.rule_documentation, "no block",
     plant_declaration("\nASYNCIO_API int asyncio_planted(int first, int second);\n")),
    (house.rule_documentation, "a comment that is no block",
     plant_declaration(CALM.replace("/**", "/*"))),
    (house.rule_documentation, "no sentence",
     plant_declaration(CALM.replace(" * Returns a number.\n *\n", ""))),
    (house.rule_documentation, "a parameter left out",
     plant_declaration(CALM.replace(" * @param second  another\n", ""))),
    (house.rule_documentation, "a parameter renamed",
     plant_declaration(CALM.replace("@param second", "@param third"))),
    (house.rule_documentation, "no return",
     plant_declaration(CALM.replace(" * @return the number.\n", ""))),
    (house.rule_documentation, "another order",
     plant_declaration(CALM.replace(" * Ownership: nothing.\n", "").replace(
         " * Twin: none.\n", " * Twin: none.\n * Ownership: nothing.\n"))),
    (house.rule_documentation, "what is the default",
     plant_declaration(BLOCK % ("any thread.", "does not suspend."))),
    (house.rule_documentation, "-EINVAL for an argument without a name",
     plant_declaration(CALM.replace("the number.", "the number; -EINVAL: NULL."))),
    (house.rule_documentation, "a twin without its sentence",
     lambda tree: replace(tree, "include/asyncio/sleep.h",
                          "Makes the coroutine object of asyncio_sleep()", "The object")),
    (house.rule_documentation, "exported without a header", plant_symbol("asyncio_hidden_one")),
    (house.rule_exports, "a foreign name", plant_symbol("foreign_name")),
    (house.rule_exports, "a name shared between files only", plant_symbol("asyncio__inside")),
    (house.rule_exports, "declared and not exported",
     plant_text("include/asyncio/api.h", CALM)),
    (house.rule_macros, "a macro that is no function",
     plant_text("include/asyncio/api.h", "#define asyncio_planted(x) asyncio_planted_at(x)\n")),
    (house.rule_negated_codes, "a code negated twice",
     plant_text("src/base/error.c", "int x = -ASYNCIO_ERUNTIME;\n")),
    (house.rule_sanitizer_macros, "a checker that is asked for in vain",
     plant_text("src/base/clock.c", "#if defined(ASYNCIO__VALGRIND)\n#endif\n")),
    (house.rule_twins, "no twin",
     plant_declaration(BLOCK % ("inside a task.", "ends the wait."))),
]
PLANTS += [
    (house.rule_words, "an odd phrase in a text", plant_text("tests/house_structure.py",
                                                             "# It goes on anew.\n")),
    (house.rule_homes, "a function in a foreign file",
     lambda tree: [plant_declaration("\nASYNCIO_API int asyncio_queue_planted(void);\n")(tree),
                   append(tree, "src/sync/lock.c", "int asyncio_queue_planted(void)\n{\n}\n")]),
    (house.rule_homes, "a function that is defined nowhere", plant_declaration(CALM)),
    (house.rule_homes, "an exception that nothing needs",
     lambda tree: replace(tree, "include/asyncio/api.h",
                          "ASYNCIO_API const char *asyncio_version", "char *asyncio_version")),
    (house.rule_circles, "a circle of includes",
     lambda tree: [append(tree, "src/net/one.h", '#include "net/two.h"\n'),
                   append(tree, "src/net/two.c", '#include "net/one.h"\n')]),
    (house.rule_circles, "a circle of calls",
     lambda tree: [append(tree, "src/net/one.c",
                          "int asyncio__one(void)\n{\n    return asyncio__two();\n}\n"),
                   append(tree, "src/net/two.c",
                          "int asyncio__two(void)\n{\n    return asyncio__one();\n}\n")]),
]
PLANTS.append((house.rule_tests_run, "a test in no list",
               plant_text("tests/test_forgotten.c", SPDX)))
for closing in house.CLOSING_PARTS:
    whole = BLOCK % ("inside a task.", "does not suspend.")
    PLANTS.append((house.rule_documentation, f"no {closing}", plant_declaration(
        "\n".join(line for line in whole.split("\n") if not line.startswith(" * " + closing)))))


# What each rule finds in a copy without a plant.
FOUND_BEFORE = {}


def is_caught(rule, plant, tree, folder):
    """The rule finds more in a copy of the tree with the plant than in one without."""
    copy = house.Tree(tempfile.mkdtemp(dir=folder), tree.symbols)
    for name in ("include", "src", "tests"):
        shutil.copytree(os.path.join(tree.root, name), os.path.join(copy.root, name))
    copy.only_headers = ["include/asyncio/api.h"]
    if rule not in FOUND_BEFORE:
        FOUND_BEFORE[rule] = [v.replace(copy.root, "") for v in rule(copy)]
    plant(copy)
    if [v.replace(copy.root, "") for v in rule(copy)] == FOUND_BEFORE[rule]:
        raise Failure("the violation was not seen")


def main():
    root, library = sys.argv[1], sys.argv[2]
    tree = house.Tree(root, house.shared_symbols(library))
    with tempfile.TemporaryDirectory() as folder:
        tests = [(rule.__name__, lambda rule=rule: holds(rule, tree)) for rule in house.RULES]
        tests.append(("private_names_are_needed", lambda: is_empty(house.private_faults(library))))
        tests += [(f"{rule.__name__} sees {what}".replace(" ", "_"),
                   lambda rule=rule, plant=plant: is_caught(rule, plant, tree, folder))
                  for rule, what, plant in PLANTS]
        return run_tests("house", tests)


if __name__ == "__main__":
    sys.exit(main())
