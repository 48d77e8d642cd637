# SPDX-License-Identifier: MIT
"""A scenario as a test in C: each statement becomes the calls of the library that it means.

Knows the statements of LANGUAGE.md and replay.h; not how traces are made or compared. Coroutines of
the scenario become coroutine functions, bodies of callbacks become callbacks. A body that an error
can leave is a `do` that `break` leaves: rc says with what. Where something is no statement that the
language describes, Untranslatable says so.
"""
import json

from conformance.c_text import (CALLBACK, FUNCTION, Do, Final, For, Forget, If, Leave, Names,
                                Printer, Return, can_leave, ends, in_comment, literal, locals_of,
                                quoted, sets_value, value_of, value_text)
from conformance.facts import AWAITABLES, FUTURES, PLAIN, Facts, Untranslatable, described

ENDINGS = ("_coroutine", "_run_", "_arguments_")  # of names that ASYNCIO_COROUTINE() makes

EXCEPTIONS = {"cancelled": "rc == ASYNCIO_ECANCELED", "timeout": "rc == ASYNCIO_ETIMEDOUT",
              "error": "rc == ASYNCIO_EUSER", "group": "rc == ASYNCIO_EGROUP",
              "any": "is_exception(rc)", "all": "is_any(rc)"}
RETURN_WHEN = {"ALL": "ASYNCIO_ALL_COMPLETED", "FIRST": "ASYNCIO_FIRST_COMPLETED",
               "EXC": "ASYNCIO_FIRST_EXCEPTION"}
SOURCES = 16  # as in replay.h

PRIMITIVES = {"L": "lock", "E": "event", "C": "condition", "S": "semaphore", "B": "barrier",
              "Q": "queue", "P": "queue", "K": "queue"}
LOCKS, QUEUES = "LCS", "QPK"

# Statements that are one call for a primitive: (letters, call, what is logged when it has worked).
CALLS_NOW = {
    "release": (LOCKS, "{kind}_release", None), "set": ("E", "event_set", None),
    "clear": ("E", "event_clear", None), "notify_all": ("C", "condition_notify_all", None),
    "task_done": (QUEUES, "queue_task_done", None),
}
CALLS_WAIT = {
    "acquire": (LOCKS, "{kind}_acquire", "acquired {} True"),
    "event_wait": ("E", "event_wait", "event {} True"),
    "cond_wait": ("C", "condition_wait", "condition {} True"),
    "barrier_reset": ("B", "barrier_reset", None), "barrier_abort": ("B", "barrier_abort", None),
    "join": (QUEUES, "queue_join", "joined {}"),
}


def seconds(ticks):
    """Ticks as seconds; null is for ever."""
    if ticks is None:
        return "ASYNCIO_FOREVER"
    if isinstance(ticks, bool) or not isinstance(ticks, (int, float)):
        raise Untranslatable(f"{json.dumps(ticks)} is no number of ticks")
    return "TICK" if ticks == 1 else f"{ticks} * TICK" if ticks else "0"


# --- statements -----------------------------------------------------------------------------------

class Function:
    """A coroutine or a callback while its statements are translated. The methods now_OP and wait_OP
    return the block of a statement that does not suspend, or may."""

    def __init__(self, program, is_callback):
        self.program, self.facts = program, program.facts
        self.is_callback = is_callback
        self.bound = frozenset()  # for certain, before the statement that is translated
        self.numbers = {}  # what stands behind the names of scopes

    def numbered(self, word):
        """timeout_1, timeout_2, …"""
        self.numbers[word] = self.numbers.get(word, 0) + 1
        return f"{word}_{self.numbers[word]}"

    def body(self, body, group=None):
        """The block of a list of statements; `group` is the scope whose body it is."""
        block = []
        for statement in body:
            if ends(block):
                break
            if group and statement[0] == "spawn":
                block += self.spawn(group, *statement[1:])
                continue
            if self.program.burns_fuel:
                block += ["rc = burn_fuel();", Leave("rc < 0")]
            block += self.statement(statement)
        return block

    def statement(self, statement):
        op, args = statement[0], statement[1:]
        self.bound = self.facts.bound[id(statement)]
        now, may_wait = getattr(self, f"now_{op}", None), getattr(self, f"wait_{op}", None)
        if self.is_callback and not now and op not in CALLS_NOW:
            return [self.log(f"skip {op}")]
        with described(statement):
            if op in CALLS_NOW or op in CALLS_WAIT:
                block = self.one_call(op, *args, *{**CALLS_NOW, **CALLS_WAIT}[op])
            elif now or may_wait:
                block = (now or may_wait)(*args)
            else:
                return [self.log(f"unknown {op}")]
        if block != [self.log(f"unbound {op}")]:
            self.program.translated.add(op)
        return block

    def check(self, call):
        return [f"rc = {call};", Leave("rc < 0")]

    def log(self, words):
        return f"log_line({quoted(words, True)});"

    # --- variables --------------------------------------------------------------------------------

    def with_variable(self, op, var, kinds, block_of):
        """What a statement does with a variable of these kinds; or that it is unbound."""
        known = set(self.facts.kinds.get(var, ()))
        if not known & kinds:
            return [self.log("unbound " + op)]
        name = self.program.variable(var, "handle" if kinds == {"handle"} else "awaitable")
        block = block_of(name)
        if self.facts.is_certain(var, kinds, self.bound):
            return block
        if kinds != {"handle"} and not known - {"handle"} <= kinds:
            condition = (f"asyncio_istask({name})" if kinds == {"task"} else
                         f"asyncio_isfuture({name}) && !asyncio_istask({name})"
                         if kinds == PLAIN else f"asyncio_isfuture({name})")
            return [If((condition, block), (None, [self.log("unbound " + op)]))]
        return [If(("!" + name, [self.log("unbound " + op)]), (None, block))]

    def shared(self, var):
        """A variable's object for a call that takes coroutine objects and borrows futures."""
        name = self.program.variable(var, "awaitable")
        kinds = set(self.facts.kinds[var]) - {"handle"}
        if kinds == {"coroutine"}:
            return f"asyncio_coroutine_ref({name})"
        return f"share({name})" if "coroutine" in kinds else name

    def bind(self, var, expression, kind="awaitable"):
        """Binds a variable; the old object goes from its other half, if it has two."""
        other = self.program.other_half(var, kind)
        return [f"{self.program.variable(var, kind)} = {expression};"] + (
            [f"{other} = NULL;"] if other else [])

    def sources(self, srcs):
        """The name of a list of what is bound, and its block."""
        name = self.numbered("sources")
        block = [f"sources_t {name} = {{0}};"]
        srcs = [src for src in dict.fromkeys(srcs) if AWAITABLES & {*self.facts.kinds.get(src, ())}]
        if len(srcs) > SOURCES:
            raise Untranslatable(f"{len(srcs)} sources")
        for src in srcs:
            variable = self.program.variable(src, "awaitable")
            block.append(f"add_source(&{name}, {quoted(src)}, {variable});")
        return name, block

    # --- statements that do not suspend -----------------------------------------------------------

    def now_log(self, text):
        return [self.log("log " + text)]

    def now_time(self):
        return [self.log("time")]

    def now_raise(self, name):
        return [f"rc = asyncio_raise(ASYNCIO_EUSER, {quoted(name, True)});", Leave()]

    def now_return(self, value):
        return [Return(value_of(value))]

    def now_task(self, var, coro):
        made = f"asyncio_create_task({self.program.coroutine(coro)}_coroutine())"
        return self.bind(var, f"keep_task({quoted(var)}, {made})")

    def now_coro(self, var, coro):
        return self.bind(var, f"keep_coroutine({self.program.coroutine(coro)}_coroutine())")

    def now_future(self, var):
        return self.bind(var, "keep(asyncio_loop_create_future(loop))")

    def now_ensure(self, var, src):
        return self.with_variable("ensure", src, AWAITABLES, lambda name: self.bind(
            var, f"keep(asyncio_ensure_future({self.shared(src)}))"))

    def now_shield(self, var, src):
        return self.with_variable("shield", src, AWAITABLES, lambda name: self.bind(
            var, f"keep(asyncio_shield({self.shared(src)}))"))

    def now_gather(self, var, srcs, return_exceptions):
        options = "&return_exceptions" if return_exceptions else "/* options= */ NULL"
        sure = [src for src in dict.fromkeys(srcs)
                if self.facts.is_certain(src, AWAITABLES, self.bound)]
        if sure and len(sure) == len(set(srcs)) and not self.facts.aliases & set(sure):
            name, count = self.numbered("sources"), str(len(sure))
            block = [f"asyncio_awaitable_t *{name}[] = {{{', '.join(map(self.shared, sure))}}};"]
            items = name
        else:
            name, block = self.sources(srcs)
            items, count = name + ".items", name + ".count"
        made = f"asyncio_gather({items}, {count}, {options})"
        return block + self.bind(var, f"keep_gathering({made}, {count})")

    def now_set_result(self, var, value):
        forget = "gathering" in self.facts.kinds.get(var, ())
        return self.with_variable("set_result", var, PLAIN, lambda name: self.check(
            f"asyncio_future_set_result({name}, {value_of(value)})") + (
                [f"forget_gathering({name});"] if forget else []))

    def now_set_exception(self, var, error):
        return self.with_variable("set_exception", var, PLAIN, lambda name: self.check(
            f"asyncio_future_set_exception({name}, "
            f"asyncio_raise(ASYNCIO_EUSER, {quoted(error, True)}))"))

    def now_cancel(self, var, message):
        text = "NULL" if message is None else quoted(message)
        return self.with_variable("cancel", var, FUTURES, lambda name: [
            self.said(f"cancel {var}", "%s", f"truth(asyncio_future_cancel({name}, {text}))")])

    def said(self, words, format_, argument):
        """A line of the log with a result at its end."""
        return f'log_line({quoted(words + " ", True)[:-1]}{format_}", {argument});'

    def now_uncancel(self, var):
        return self.with_variable("uncancel", var, {"task"}, lambda name: [
            self.said(f"uncancel {var}", "%d", f"asyncio_task_uncancel({name})")])

    def now_cancelling(self, var):
        return self.with_variable("cancelling", var, {"task"}, lambda name: [
            self.said(f"cancelling {var}", "%d", f"asyncio_task_cancelling({name})")])

    def now_cancel_self(self):
        if self.is_callback:
            return [self.log("unbound cancel_self")]
        return [self.said("cancel_self", "%s",
                          "truth(asyncio_task_cancel(asyncio_current_task(), NULL))")]

    def now_uncancel_self(self):
        if self.is_callback:
            return [self.log("unbound uncancel_self")]
        return [self.said("uncancel_self", "%d", "asyncio_task_uncancel(asyncio_current_task())")]

    def now_state(self, var):
        return self.with_variable("state", var, FUTURES, lambda name: [
            f"log_state({quoted(f'state {var} ')}, {name});"])

    def now_result(self, var):
        return self.with_variable("result", var, FUTURES, lambda name: self.check(
            f"asyncio_future_result({name}, &value)") + [
                f"log_value({quoted(f'result {var} ')}, value);"])

    def now_exception(self, var):
        return self.with_variable("exception", var, FUTURES, lambda name: self.check(
            f"asyncio_future_exception({name}, &error)") + [
                f"log_error({quoted(f'exception {var} ')}, error);"])

    def now_on_done(self, var, label, body=()):
        words = f"done {label} {var} "
        newest = self.program.newest(label)
        if newest:  # the label is bound before the variable is looked at
            function = self.program.callback("done_" + label, body, words)
            return [f"{newest} = make_newest({function});"] + self.with_variable(
                "on_done", var, FUTURES, lambda name: self.check(
                    f"asyncio_future_add_done_callback({name}, {newest}.fn, {newest}.arg)"))
        return self.with_variable("on_done", var, FUTURES, lambda name: self.check(
            f"asyncio_future_add_done_callback({name}, "
            f"{self.program.callback('done_' + label, body, words)}, /* arg= */ NULL)"))

    def now_off_done(self, var, label):
        return self.with_variable("off_done", var, FUTURES, lambda name: [
            self.said(f"off_done {var} {label}", "%d",
                      f"remove_newest({name}, {self.program.newest(label)})")])

    def scheduled(self, call, handle, label, body):
        function = self.program.callback("call_" + label, body, f"callback {label}")
        name = self.program.variable(handle, "handle")
        other = self.program.other_half(handle, "handle")
        return self.check(f"{call}, {function}, /* arg= */ NULL, &{name})") + [
            f"keep_handle({name});"] + ([f"{other} = NULL;"] if other else [])

    def now_call_soon(self, handle, label, body=()):
        return self.scheduled("asyncio_loop_call_soon(loop", handle, label, body)

    def now_call_later(self, handle, ticks, label, body=()):
        call = f"asyncio_loop_call_later(loop, {seconds(ticks)}"
        return self.scheduled(call, handle, label, body)

    def now_call_at(self, handle, tick, label, body=()):
        call = f"asyncio_loop_call_at(loop, {seconds(tick)}"
        return self.scheduled(call, handle, label, body)

    def now_cancel_handle(self, handle):
        return self.with_variable("cancel_handle", handle, {"handle"}, lambda name: [
            f"asyncio_handle_cancel({name});"])

    def now_all_tasks(self):
        return [self.said("all_tasks", "%ld", "count_all_tasks()")]

    # --- primitives -------------------------------------------------------------------------------

    def with_primitive(self, op, name, letters, block_of):
        """What a statement does with a primitive: block_of gets its kind and how C calls it."""
        if not name or name[0] not in letters:
            return [self.log("unbound " + op)]
        made = self.program.primitive(name)
        if made is None:  # one that cannot be made, each time
            return self.check(self.program.failing_primitive(name))
        return block_of(PRIMITIVES[name[0]], made)

    def called(self, op, name, letters, call, more=""):
        """A statement that is one call."""
        return self.with_primitive(op, name, letters, lambda kind, made: self.check(
            f"asyncio_{call.format(kind=kind)}({made}{more})"))

    def one_call(self, op, name, letters, call, words):
        """And what it logs."""
        block = self.called(op, name, letters, call)
        return self.then(block, words.format(name)) if words else block

    def then(self, block, words):
        """A line of the log, if the block calls something."""
        return block + [self.log(words)] if isinstance(block[-1], Leave) else block

    def now_locked(self, name):
        return self.with_primitive("locked", name, LOCKS, lambda kind, made: [
            self.said(f"locked {name}", "%s", f"truth(asyncio_{kind}_locked({made}))")])

    def now_notify(self, name, count):
        return self.called("notify", name, "C", "condition_notify", f", {max(0, int(count))}")

    def now_put_nowait(self, name, item):
        return self.called("put_nowait", name, QUEUES, "queue_put_nowait", f", {value_of(item)}")

    def now_get_nowait(self, name):
        return self.got("get_nowait", name, QUEUES, "queue_get_nowait")

    def got(self, op, name, letters, call):
        """A call that returns an item."""
        block = self.called(op, name, letters, call, ", &value")
        return block + ([f"log_value({quoted(f'{op} {name} ')}, value);"]
                        if isinstance(block[-1], Leave) else [])

    def now_qsize(self, name):
        return self.with_primitive("qsize", name, QUEUES, lambda kind, made: [
            self.said(f"qsize {name}", "%zu", f"asyncio_queue_qsize({made})")])

    def now_queue_shutdown(self, name, immediate):
        word = "true" if immediate else "false"
        return self.called("queue_shutdown", name, QUEUES, "queue_shutdown",
                           f", /* immediate= */ {word}, /* drop= */ NULL")

    # --- statements that may suspend --------------------------------------------------------------

    def wait_sleep(self, ticks):
        return self.check(f"asyncio_sleep({seconds(ticks)})")

    def wait_await(self, var):
        return self.with_variable("await", var, AWAITABLES, lambda name: self.check(
            f"asyncio_await({self.shared(var)}, &value)") + [
                f"log_value({quoted(f'await {var} = ')}, value);"])

    def wait_call(self, coro):
        return self.check(f"asyncio_await({self.program.coroutine(coro)}_coroutine(), &value)") + [
            f"log_value({quoted(f'call {coro} = ')}, value);"]

    def wait_wait_for(self, var, ticks):
        return self.with_variable("wait_for", var, AWAITABLES, lambda name: self.check(
            f"asyncio_wait_for({self.shared(var)}, {seconds(ticks)}, &value)") + [
                f"log_value({quoted(f'wait_for {var} = ')}, value);"])

    def wait_wait(self, srcs, ticks, when):
        name, block = self.sources(srcs)
        block += self.check(f"make_futures(&{name})")
        return block + self.check(
            f"log_wait(&{name}, asyncio_wait({name}.items, {name}.count, {seconds(ticks)}, "
            f"{RETURN_WHEN[when]}, {name}.done))")

    def wait_as_completed(self, srcs, ticks):
        name, block = self.sources(srcs)
        iteration = self.numbered("iteration")
        block += self.check(f"make_futures(&{name})")
        return block + [
            f"leave_done_out(&{name});",
            f"asyncio_as_completed_t *{iteration} = keep_iteration("
            f"asyncio_as_completed({name}.items, {name}.count, {seconds(ticks)}));",
            f"while ((rc = asyncio_as_completed_next({iteration}, &future)) > 0 &&",
            "       (rc = log_completed(future)) == 0)",
            "    ;", Leave("rc < 0")]

    def wait_repeat(self, times, body):
        block = self.body(body) if times > 0 else []
        if times <= 1:
            return block
        index = self.numbered("turn")
        loop = For(f"for (int {index} = 0; {index} < {times}; {index}++)", block)
        return [loop] + ([Leave("rc != 0")] if can_leave(block) else [])

    def wait_timeout(self, ticks, body):
        scope = self.numbered("timeout")
        return [f"asyncio_timeout_t {scope};",
                *self.check(f"asyncio_timeout_enter(&{scope}, {seconds(ticks)})"),
                Do(self.body(body), "async with timeout()"),
                f"rc = asyncio_timeout_exit(&{scope}, rc);", Leave("rc != 0"),
                self.said("timeout_over", "%s", f"truth(asyncio_timeout_expired(&{scope}))")]

    def wait_group(self, body):
        scope = self.numbered("group")
        return [f"asyncio_task_group_t {scope};",
                *self.check(f"asyncio_task_group_enter(&{scope})"),
                Do(self.body(body, scope), "async with TaskGroup()"),
                f"rc = asyncio_task_group_exit(&{scope}, rc);", Leave("rc != 0"),
                self.log("group_over")]

    def spawn(self, group, var, coro):
        self.program.translated.add("spawn")
        task = self.numbered("task")
        coroutine = self.program.coroutine(coro) + "_coroutine()"
        made = f"asyncio_task_group_create_task(&{group}, {coroutine})"
        return [f"asyncio_task_t *{task} = {made};",
                If((f"!{task}", ["rc = asyncio_errno();", Leave()])),
                *self.bind(var, f"keep_task({quoted(var)}, asyncio_task_ref({task}))")]

    def wait_with(self, name, body):
        def block_of(kind, made):
            block = self.body(body)
            release = f"asyncio_{kind}_release({made})"
            if not can_leave(block):
                return self.check(f"asyncio_{kind}_acquire({made})") + block + self.check(release)
            released = self.numbered("released")
            return [*self.check(f"asyncio_{kind}_acquire({made})"),
                    Do(block, f"async with {made.strip('&')}"),
                    f"int {released} = {release};", f"rc = {released} < 0 ? {released} : rc;",
                    Leave("rc != 0")]
        return self.with_primitive("with", name, LOCKS, block_of)

    def wait_try(self, body, handlers, final=None):
        block = self.body(body)
        if handlers and can_leave(block):
            handled = [Forget(), "rc = 0;"] if sets_value(block) else ["rc = 0;"]
            cases = [(EXCEPTIONS[kind], ["log_caught(rc);"] + (
                [] if handler == "reraise" else handled + self.body(handler)))
                for kind, handler in handlers]
            block = [Do(block, "try"), If(*cases), Leave("rc != 0")]
        if final is None:
            return block
        final = self.body(final)
        if not can_leave(block) and not can_leave(final):
            return block + final
        held = self.numbered("leaving")
        return [Do(block, "try ... finally"), f"leaving_t {held} = hold(rc);", "rc = 0;",
                Final(final), f"rc = let_go({held}, rc);", Leave("rc != 0")]

    def wait_barrier_wait(self, name):
        return self.with_primitive("barrier_wait", name, "B", lambda kind, made: [
            *self.check(f"asyncio_barrier_wait({made})"),
            self.said(f"barrier {name}", "%d", "rc"), "rc = 0;"])

    def wait_put(self, name, item):
        block = self.called("put", name, QUEUES, "queue_put", f", {value_of(item)}")
        return self.then(block, f"put {name} {value_text(item)}")

    def wait_get(self, name):
        return self.got("get", name, QUEUES, "queue_get")


# --- the whole ------------------------------------------------------------------------------------

class Program:
    """The parts of one scenario in C, in the order in which they stand there."""

    def __init__(self, scenario, names, burns_fuel=False):
        self.scenario = json.loads(json.dumps(scenario))  # no statement stands in two places
        self.facts = Facts(self.scenario)
        self.names, self.burns_fuel = names, burns_fuel
        self.variables = {}    # (variable, "awaitable" or "handle") -> its name in C
        self.labels = {}       # label that off_done names -> the variable of its newest callback
        self.primitives = {}   # name -> name in C
        self.coroutines = {}   # coroutine -> name in C
        self.under_way = []    # coroutines that are being translated
        self.ahead = []        # names of those that something uses before they stand there
        self.callbacks = []    # functions that stand before the coroutine under way
        self.functions = []    # done
        self.translated = set()  # statements that became calls somewhere
        self.main = names.new("scenario_main", *ENDINGS)
        self.functions.append(self.function(self.main, self.scenario["main"]))

    # --- what statements ask for ------------------------------------------------------------------

    def variable(self, var, half):
        """The name of a variable: handles have one of their own where it can hold both."""
        if (var, half) not in self.variables:
            is_both = half == "handle" and set(self.facts.kinds.get(var, ())) - {"handle"}
            self.variables[var, half] = self.names.new(var + "_handle" if is_both else var)
        return self.variables[var, half]

    def other_half(self, var, half):
        """The other one, or None."""
        kinds = set(self.facts.kinds.get(var, ()))
        if kinds <= {"handle"} or "handle" not in kinds:
            return None
        return self.variable(var, "awaitable" if half == "handle" else "handle")

    def newest(self, label):
        """The variable of a label, or None where no off_done names it."""
        if label not in self.facts.removed:
            return None
        if label not in self.labels:
            self.labels[label] = self.names.new("newest_" + label)
        return self.labels[label]

    def size(self, name):
        """What stands behind the colon of a primitive's name; None is no number."""
        try:
            return int(name.split(":")[1]) if ":" in name else 1
        except ValueError:
            return None

    def primitive(self, name):
        """How a call names a primitive; None for one that cannot be made."""
        size = self.size(name)
        least = {"B": 1, "S": 0}.get(name[0])
        if size is None or least is not None and size < least:
            return None
        if name not in self.primitives:
            self.primitives[name] = self.names.new(name)
        return self.primitives[name] if PRIMITIVES[name[0]] == "queue" else (
            "&" + self.primitives[name])

    def failing_primitive(self, name):
        """The call that cannot make it."""
        size, kind = self.size(name), PRIMITIVES[name[0]]
        if size is None:
            return 'asyncio_raise(ASYNCIO_EINVAL, "no such size")'
        if name not in self.primitives:
            self.primitives[name] = self.names.new(name)
        return f"asyncio_{kind}_init(&{self.primitives[name]}, {size if kind != 'barrier' else 0})"

    def coroutine(self, name):
        """The name of a coroutine function, which is translated by now or declared ahead."""
        if name not in self.coroutines:
            self.coroutines[name] = self.names.new(name, *ENDINGS)
            self.under_way.append(name)
            outer, self.callbacks = self.callbacks, []
            text = self.function(self.coroutines[name], self.facts.coros.get(name, []))
            self.functions.append(text)
            self.callbacks = outer
            self.under_way.remove(name)
        elif name in self.under_way and self.coroutines[name] not in self.ahead:
            self.ahead.append(self.coroutines[name])
        return self.coroutines[name]

    def callback(self, wanted, body, words):
        """The name of a callback with that body: words are what it logs first."""
        name = self.names.new(wanted)
        is_done = wanted.startswith("done_")
        block = Function(self, is_callback=True).body(body)
        first = f"log_state({quoted(words)}, done);" if is_done else (
            f"log_line({quoted(words, True)});")
        printer = Printer()
        printer.line(1, first)
        printer.block([Do(block, "")], 1, CALLBACK)
        if can_leave(block):
            printer.line(1, "report(rc);")
        argument = "asyncio_future_t *done, void *arg" if is_done else "void *arg"
        self.callbacks.append("\n".join([
            f"static void {name}({argument})", "{", *locals_of(printer.lines), "    (void)arg;",
            *printer.lines, "}"]))
        return name

    def function(self, name, body):
        """A coroutine function, behind the callbacks that it adds."""
        block = Function(self, is_callback=False).body(body)
        printer = Printer()
        printer.block(block, 1, FUNCTION)
        lines = printer.lines
        if not lines or not lines[-1].startswith("    return "):
            lines.append("    return 0;")
        unused = [] if any("*ret_result" in line for line in lines) else ["    (void)ret_result;"]
        text = "\n".join([f"static int {name}(void **ret_result)", "{", *locals_of(lines), *unused,
                          *lines, "}"])
        if name not in self.ahead:
            text += f"\nASYNCIO_COROUTINE({name});"
        return "\n\n".join([*self.callbacks, text])

    # --- the parts in order -----------------------------------------------------------------------

    def declarations(self):
        """Variables, primitives, and coroutines that are used before they stand there."""
        lines = []
        for (var, half), name in self.variables.items():
            kinds = set(self.facts.kinds[var]) - {"handle"}
            kind = "handle" if half == "handle" else "task" if kinds == {"task"} else (
                "future" if kinds <= FUTURES else
                "coroutine" if kinds == {"coroutine"} else "awaitable")
            lines.append(f"static asyncio_{kind}_t *{name};")
        for name, made in self.primitives.items():
            kind = PRIMITIVES[name[0]]
            lines.append(f"static asyncio_{kind}_t {'*' if kind == 'queue' else ''}{made};")
        lines += [f"static newest_t {name};" for name in self.labels.values()]
        for name in self.ahead:
            lines += [f"static int {name}(void **ret_result);", f"ASYNCIO_COROUTINE({name});"]
        return "\n".join(lines)

    def made(self):
        """The primitives that can be made: (their calls of the beginning, of the end)."""
        begin, end = [], []
        for name, made in self.primitives.items():
            if not self.primitive(name):
                continue
            kind, size = PRIMITIVES[name[0]], max(0, self.size(name))
            call = {"S": f"&{made}, {size}", "B": f"&{made}, {size}", "Q": f"queue_new({size})",
                    "K": f"lifo_queue_new({size})",
                    "P": f"priority_queue_new({size}, compare_numbers, /* arg= */ NULL)"}.get(
                        name[0], "&" + made)
            if kind == "queue":
                begin += [f"{made} = asyncio_{call};", f"assert_non_null({made});"]
                end.append(f"asyncio_queue_unref({made});")
            else:
                begin.append(f"assert_int_equal(asyncio_{kind}_init({call}), 0);")
                end.append(f"asyncio_{kind}_fini(&{made});")
        return begin, end

    def text(self, expected):
        """All of it, and a test that wants that trace: (the test's name, the text)."""
        test, trace = self.names.new("the_trace_is_as_in_python"), self.names.new("python")
        begin, end = self.made()
        steps = ["(void)state;", "begin_replay();", *begin, f"replay({self.main}_coroutine());",
                 *end, f"end_replay({trace});"]
        parts = [self.declarations(), *self.functions,
                 f"static const char {trace}[] =\n{literal(one + chr(10) for one in expected)};",
                 "/* These calls leave the trace that CPython's asyncio leaves. */\n"
                 f"static void {test}(void **state)\n{{\n" +
                 "".join(f"    {step}\n" for step in steps) + "}"]
        return test, "\n\n".join(part for part in parts if part) + "\n"


HEAD = """\
/* SPDX-License-Identifier: MIT */
/*
 * A scenario whose trace is not CPython's, in calls of the library; made by
 * tests/conformance/shrink.py from
 *
%s
 *
 *     cc -D_GNU_SOURCE -Iinclude -Itests THIS.c tests/conformance/replay.c \\
 *         build/libasyncio.a -fno-lto -lcmocka -lpthread -lm
 */
#include "conformance/replay.h"

"""
MAIN = """
int main(void)
{
    const struct CMUnitTest tests[] = {
%s
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
"""


def program_of(scenarios, traces):
    """A program in C with a test for each scenario, which wants that trace (its first line is
    passed over)."""
    names, tests, texts = Names(), [], []
    for scenario, trace in zip(scenarios, traces, strict=True):
        burns_fuel = trace[-1] == "out of fuel"
        test, text = Program(scenario, names, burns_fuel).text(trace[1:])
        tests.append(f"        cmocka_unit_test({test}),")
        texts.append(text)
    head = in_comment(scenarios[0]) if len(scenarios) == 1 else " *     a list"
    return HEAD % head + "\n".join(texts) + MAIN % "\n".join(tests)
