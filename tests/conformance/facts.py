# SPDX-License-Identifier: MIT
"""What is known of a scenario before it runs: what variables hold, and where they are bound.

Knows how the statements of LANGUAGE.md bind and nest; not what they become in C (as_c.py).
"""
import contextlib
import json

# What a variable can hold, by the statement that binds it. `ensure` and `shield` bind what they
# were given too.
BINDS = {"task": "task", "spawn": "task", "coro": "coroutine", "future": "future",
         "gather": "gathering", "call_soon": "handle", "call_later": "handle", "call_at": "handle"}
PLAIN = {"future", "gathering"}
FUTURES = PLAIN | {"task"}
AWAITABLES = FUTURES | {"coroutine"}

# Which argument is the coroutine that a statement names, the body of a callback, that of a scope.
STARTS = {"task": 1, "coro": 1, "spawn": 1, "call": 0}
CALLBACKS = {"on_done": 2, "call_soon": 2, "call_later": 3, "call_at": 3}
SCOPES = {"repeat": 1, "timeout": 1, "group": 0, "with": 1}
NESTED = {*SCOPES, "try", "call"}  # what a callback skips
BODY, GROUP, CALLBACK = "body", "group", "callback"  # whose body it is


class Untranslatable(Exception):
    """The scenario has something that LANGUAGE.md does not describe; the text says what."""


@contextlib.contextmanager
def described(statement):
    """What is missing or wrong in a statement is said with it."""
    try:
        yield
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise Untranslatable(f"{json.dumps(statement)[:60]}: {error}") from error


class Facts:
    """What each variable can hold, and what is bound for certain before each statement.

    A variable that was bound stays so: what is bound where a coroutine is made or a callback is
    added is bound when it runs."""

    def __init__(self, scenario):
        self.coros = {**scenario.get("coros", {})}
        self.kinds = {}       # variable -> what it can hold, a sorted list
        self.aliases = set()  # variables that can hold what another one holds
        self.entry = {}       # coroutine that something makes -> what is bound when it begins
        self.bound = {}       # id of a statement -> what is bound before it
        self.removed = set()  # labels that off_done names
        before = None
        while before != repr((self.kinds, self.entry)):
            before = repr((self.kinds, self.entry))
            self.body(scenario["main"], frozenset())
            for name in list(self.entry):
                self.body(self.coros.get(name, []), frozenset(self.entry[name]))

    def bind(self, var, kind):
        self.kinds[var] = sorted({*self.kinds.get(var, ()), kind})

    def body(self, body, bound, where=BODY):
        """What is bound behind a body; where says whose it is: BODY for any other."""
        for statement in body:
            with described(statement):
                op, *args = statement
                self.bound[id(statement)] = bound
                if op == "spawn" and where != GROUP or where == CALLBACK and op in NESTED:
                    continue  # not executed here
                bound = self.statement(op, args, bound)
        return bound

    def statement(self, op, args, bound):
        if op in BINDS:
            self.bind(args[0], BINDS[op])
            bound |= {args[0]}
        elif op in ("ensure", "shield"):
            bound = self.copy(op, args[0], args[1], bound)
        elif op == "off_done":
            self.removed.add(args[1])
        elif op == "try":
            return self.try_(args, bound)
        if op in STARTS:
            name = args[STARTS[op]]
            self.entry[name] = sorted(bound & set(self.entry.get(name, bound)))
        if op in CALLBACKS:
            self.body(args[CALLBACKS[op]] if len(args) > CALLBACKS[op] else [], bound, CALLBACK)
        elif op in SCOPES:
            inside = self.body(args[SCOPES[op]], bound, GROUP if op == "group" else BODY)
            return inside if op != "repeat" or args[0] > 0 else bound
        return bound

    def copy(self, op, var, source, bound):
        kinds = self.kinds.get(source, [])
        for kind in kinds:
            if kind in FUTURES:
                self.bind(var, kind)
                self.aliases.add(var)
            elif kind == "coroutine":
                self.bind(var, "task" if op == "ensure" else "future")
        if kinds and op == "shield":
            self.bind(var, "future")
        return bound | {var} if self.is_certain(source, AWAITABLES, bound) else bound

    def try_(self, args, bound):
        ends = [self.body(args[0], bound)]
        ends += [self.body(handler, bound) for _, handler in args[1] if handler != "reraise"]
        behind = frozenset.intersection(*map(frozenset, ends))
        if len(args) > 2 and args[2]:
            final = self.body(args[2], bound)
            if '"return"' not in json.dumps(args[2]):  # it continues after one
                behind |= final
        return behind

    def is_certain(self, var, kinds, bound):
        """Does a variable hold one of these for certain?"""
        return var in bound and set(self.kinds.get(var, ())) <= kinds
