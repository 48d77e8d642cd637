#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a conformance scenario on CPython's own asyncio and print its trace.

usage: oracle.py SCENARIO.json...      (a file may hold one scenario or a list; '-' reads stdin)

The trace is what CPython 3.13.0 does with the scenario under a virtual clock. libasyncio prints the
same lines, but for a scenario whose trace is the one word skip. LANGUAGE.md beside this file
defines statements and trace lines.
"""
import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import json
import multiprocessing
import selectors
import sys
import warnings

FUEL = 1000  # statements
GATHER_CANCELS = 200_000  # calls; CPython takes exponential time to cancel some webs of gathers
TICK = 1 / 64  # seconds; a power of two, so that clock arithmetic is exact


class Error(Exception):
    """The scenario's own exception: ["raise", "E1"]."""


class Return:
    """The result of a body after ["return", value]; a body that runs to its end returns None."""

    def __init__(self, value):
        self.value = value


class OutOfFuel(SystemExit):
    """The scenario has run FUEL statements: its trace ends here."""


class Endless(SystemExit):
    """The scenario has cancelled gathers GATHER_CANCELS times."""


class Unbound(Exception):
    """Internal: a statement names what is unbound or of the wrong kind."""


class OrderedSet(dict):
    """A set that is read in order of insertion: a task group then cancels its tasks in order of
    creation."""

    def add(self, item):
        self[item] = None

    def discard(self, item):
        self.pop(item, None)


class VirtualSelector(selectors.DefaultSelector):
    """Waiting advances the clock instead of taking time."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise Deadlock
        if timeout > 0:
            self.now += timeout
        return []


class Deadlock(BaseException):
    pass


class Timer(asyncio.TimerHandle):
    """asyncio leaves the order of timers with one deadline open; here they run in the order in
    which they were set."""

    def __init__(self, when, callback, args, loop, context=None):
        super().__init__(when, callback, args, loop, context)
        loop.timers += 1
        self.number = loop.timers

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.virtual = VirtualSelector()
        self.timers = 0
        super().__init__(self.virtual)
        self._clock_resolution = 1e-9

    def time(self):
        return self.virtual.now


class Variant:
    """asyncio's futures and tasks are written twice, in C and in Python. Where the two return
    differently (a task that awaits itself and is awaited, one coroutine object in two tasks),
    neither is the definition."""

    def __init__(self, task, future, gathering, depth):
        self.task, self.future, self.gathering, self.depth = task, future, gathering, depth

    def use(self):
        asyncio.Task = asyncio.tasks.Task = self.task
        asyncio.Future = asyncio.futures.Future = self.future
        asyncio.tasks._GatheringFuture = self.gathering
        sys.setrecursionlimit(self.depth)


class Watch:
    """Notices what makes a scenario unfit for comparison. Nothing here depends on the speed of the
    machine."""

    def __init__(self):
        self.overflow = False   # the stack was full once, even if nobody saw the exception
        self.cancels = 0        # of gathers

    def install(self, variants):
        tool, events = sys.monitoring.PROFILER_ID, sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "oracle")
        sys.monitoring.register_callback(tool, events.RAISE, self.on_raise)
        sys.monitoring.register_callback(tool, events.PY_START, self.on_gather_cancel)
        sys.monitoring.set_events(tool, events.RAISE)
        for variant in variants:
            code = variant.gathering.cancel.__code__
            sys.monitoring.set_local_events(tool, code, events.PY_START)

    def on_raise(self, code, offset, exc):
        if isinstance(exc, RecursionError):
            self.overflow = True

    def on_gather_cancel(self, code, offset):
        self.cancels += 1
        if self.cancels > GATHER_CANCELS:
            raise Endless

    def unfit(self):
        return self.overflow or self.cancels > GATHER_CANCELS


def describe(exc):
    """One word for an exception, the same in every implementation."""
    if isinstance(exc, asyncio.CancelledError):
        return f"Cancelled({exc.args[0] if exc.args and exc.args[0] is not None else ''})"
    if isinstance(exc, BaseExceptionGroup):
        return "Group[" + ",".join(describe(e) for e in exc.exceptions) + "]"
    if isinstance(exc, TimeoutError):
        return "Timeout"
    if isinstance(exc, Error):
        return f"Error({exc.args[0]})"
    for kind, word in ((asyncio.InvalidStateError, "InvalidState"),
                       (asyncio.QueueEmpty, "QueueEmpty"), (asyncio.QueueFull, "QueueFull"),
                       (asyncio.QueueShutDown, "QueueShutDown"),
                       (asyncio.BrokenBarrierError, "BrokenBarrier"),
                       (ValueError, "ValueError"), (RuntimeError, "RuntimeError")):
        if isinstance(exc, kind):
            return word
    return type(exc).__name__


PRIMITIVES = {
    "L": lambda size: asyncio.Lock(), "E": lambda size: asyncio.Event(),
    "C": lambda size: asyncio.Condition(), "S": asyncio.Semaphore, "B": asyncio.Barrier,
    "Q": asyncio.Queue, "P": asyncio.PriorityQueue, "K": asyncio.LifoQueue,
}
LOCKS, QUEUES = "LCS", "QPK"

KINDS = {
    "cancelled": asyncio.CancelledError,
    "timeout": TimeoutError,
    "error": Error,
    "group": BaseExceptionGroup,
    "any": Exception,
    "all": (Exception, asyncio.CancelledError),
}


class Scenario:
    # How a loop says that nothing can happen any more; tests/python replaces both for its loop.
    deadlock = Deadlock
    zero = 0.0              # what loop.time() is at the beginning

    def __init__(self, program):
        self.coros = program.get("coros", {})
        self.main = program["main"]
        self.vars = {}
        self.fuel = FUEL
        self.keep = []      # nothing is collected while the scenario runs
        self.tasks = {}     # task -> label, in order of creation
        self.sync = {}
        self.lines = []
        self.waiter = None  # the hidden task of the shutdown
        self.is_shared = False  # two tasks would drive one coroutine object

    # --- trace -------------------------------------------------------------------------------
    def actor(self):
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        return self.tasks.get(task, "?") if task else "loop"

    def log(self, *words):
        if self.fuel < 0:
            return  # a task group keeps OutOfFuel back until its tasks are done
        ticks = round((self.loop.time() - self.zero) / TICK)
        self.lines.append(f"{ticks} {self.actor()} " + " ".join(str(w) for w in words))

    def state(self, fut):
        if not fut.done():
            return "pending"
        if fut.cancelled():
            return "cancelled"
        exc = fut.exception()
        if exc is not None:
            return f"raised {describe(exc)}"
        return f"finished {self.value(fut.result())}"

    def value(self, v):
        if isinstance(v, list):
            return "[" + ",".join(self.value(x) for x in v) + "]"
        if isinstance(v, BaseException):
            return describe(v)
        return str(v)

    # --- variables ---------------------------------------------------------------------------
    def bind(self, var, obj):
        self.vars[var] = obj
        self.keep.append(obj)

    def get(self, var):
        if var not in self.vars:
            raise Unbound(var)
        return self.vars[var]

    def future(self, var):
        obj = self.get(var)
        if not asyncio.isfuture(obj):
            raise Unbound(var)
        return obj

    def handle(self, var):
        obj = self.get(var)
        if not isinstance(obj, asyncio.Handle):
            raise Unbound(var)
        return obj

    def awaitable(self, src):
        obj = self.get(src)
        if isinstance(obj, asyncio.Handle):
            raise Unbound(src)
        return obj

    def awaitables(self, srcs):
        """Those of `srcs` that are bound, each once, in order."""
        found = []
        for src in srcs:
            obj = self.vars.get(src)
            if obj is None or isinstance(obj, asyncio.Handle) or any(obj is o for _, o in found):
                continue
            found.append((src, obj))
        return found

    def coroutine(self, name):
        return self.top(self.coros.get(name, []))

    def task_factory(self, loop, coro, **kwargs):
        """Label every task with the order of its creation; label() puts a variable's name before
        it."""
        kwargs.pop("name", None)
        loop.call_soon(self.watch_driver, coro)
        task = asyncio.Task(coro, loop=loop, **kwargs)
        self.tasks[task] = f"task#{len(self.tasks)}"
        self.keep.append(task)
        return task

    def watch_driver(self, coro):
        """Notices a task whose coroutine object waits inside another task at its first step."""
        if inspect.iscoroutine(coro) and \
                inspect.getcoroutinestate(coro) == inspect.CORO_SUSPENDED:
            self.is_shared = True

    def label(self, task, var):
        self.tasks[task] = var + "#" + self.tasks[task].split("#")[1]
        self.bind(var, task)

    def primitive(self, name, letters):
        """L lock, E event, C condition, S semaphore, B barrier, Q queue; digits after the letter:
        its number, then after a colon its size (S0:2, B0:3, Q0:1). `letters` are those that the
        statement takes."""
        if not name or name[0] not in letters:
            raise Unbound(name)
        if name not in self.sync:
            self.sync[name] = PRIMITIVES[name[0]](int(name.split(":")[1]) if ":" in name else 1)
        return self.sync[name]

    # --- statements that do not suspend --------------------------------------------------------
    def step(self, st):
        """Run one statement that cannot suspend: True or a Return. False: it is not such a
        statement."""
        op, args = st[0], st[1:]
        self.fuel -= 1
        if self.fuel < 0:
            raise OutOfFuel
        if op == "log":
            self.log("log", args[0])
        elif op == "time":
            self.log("time")
        elif op == "raise":
            raise Error(args[0])
        elif op == "return":
            return Return(args[0])
        elif op == "task":
            self.label(self.loop.create_task(self.coroutine(args[1])), args[0])
        elif op == "future":
            self.bind(args[0], self.loop.create_future())
        elif op == "coro":
            self.bind(args[0], self.coroutine(args[1]))
        elif op == "ensure":
            self.bind(args[0], asyncio.ensure_future(self.awaitable(args[1])))
        elif op == "set_result":
            fut = self.future(args[0])
            if isinstance(fut, asyncio.Task):
                raise Unbound(args[0])
            fut.set_result(args[1])
        elif op == "set_exception":
            fut = self.future(args[0])
            if isinstance(fut, asyncio.Task):
                raise Unbound(args[0])
            fut.set_exception(Error(args[1]))
        elif op == "cancel":
            fut = self.future(args[0])
            result = fut.cancel(args[1]) if args[1] is not None else fut.cancel()
            self.log("cancel", args[0], result)
        elif op == "uncancel":
            self.log("uncancel", args[0], self.taskvar(args[0]).uncancel())
        elif op == "cancelling":
            self.log("cancelling", args[0], self.taskvar(args[0]).cancelling())
        elif op == "uncancel_self":
            task = asyncio.current_task()
            if task is None:
                raise Unbound("self")
            self.log("uncancel_self", task.uncancel())
        elif op == "cancel_self":
            task = asyncio.current_task()
            if task is None:
                raise Unbound("self")
            self.log("cancel_self", task.cancel())
        elif op == "state":
            self.log("state", args[0], self.state(self.future(args[0])))
        elif op == "result":
            self.log("result", args[0], self.value(self.future(args[0]).result()))
        elif op == "exception":
            exc = self.future(args[0]).exception()
            self.log("exception", args[0], "None" if exc is None else describe(exc))
        elif op == "on_done":
            self.on_done(*args)
        elif op == "off_done":
            fut, callback = self.future(args[0]), self.vars.get("cb:" + args[1])
            self.log("off_done", args[0], args[1], fut.remove_done_callback(callback))
        elif op == "gather":
            srcs = self.awaitables(args[1])
            self.bind(args[0], asyncio.gather(*[o for _, o in srcs], return_exceptions=args[2]))
        elif op == "shield":
            self.bind(args[0], asyncio.shield(self.awaitable(args[1])))
        elif op == "call_soon":
            self.bind(args[0], self.loop.call_soon(self.callback(*args[1:])))
        elif op == "call_later":
            self.bind(args[0], self.loop.call_later(args[1] * TICK, self.callback(*args[2:])))
        elif op == "call_at":
            self.bind(args[0], self.loop.call_at(
                self.zero + args[1] * TICK, self.callback(*args[2:])))
        elif op == "cancel_handle":
            self.handle(args[0]).cancel()
        elif op == "all_tasks":
            self.log("all_tasks", len(asyncio.all_tasks(self.loop) - {self.waiter}))
        elif op == "release":
            self.primitive(args[0], LOCKS).release()
        elif op == "locked":
            self.log("locked", args[0], self.primitive(args[0], LOCKS).locked())
        elif op == "set":
            self.primitive(args[0], "E").set()
        elif op == "clear":
            self.primitive(args[0], "E").clear()
        elif op == "notify":
            self.primitive(args[0], "C").notify(args[1])
        elif op == "notify_all":
            self.primitive(args[0], "C").notify_all()
        elif op == "put_nowait":
            self.primitive(args[0], QUEUES).put_nowait(args[1])
        elif op == "get_nowait":
            self.log("get_nowait", args[0], self.primitive(args[0], QUEUES).get_nowait())
        elif op == "task_done":
            self.primitive(args[0], QUEUES).task_done()
        elif op == "queue_shutdown":
            self.primitive(args[0], QUEUES).shutdown(args[1])
        elif op == "qsize":
            self.log("qsize", args[0], self.primitive(args[0], QUEUES).qsize())
        else:
            return False
        return True

    def taskvar(self, var):
        task = self.future(var)
        if not isinstance(task, asyncio.Task):
            raise Unbound(var)
        return task

    def sync_body(self, body):
        """The statements of a callback: none may suspend."""
        for st in body:
            try:
                result = self.step(st)
                if not result:
                    self.log("skip", st[0])
                elif result is not True:
                    return
            except Unbound:
                self.log("unbound", st[0])

    def callback(self, label, body=()):
        def run():
            self.log("callback", label)
            self.sync_body(body)
        return run

    def on_done(self, var, label, body=()):
        def run(fut):
            self.log("done", label, var, self.state(fut))
            self.sync_body(body)
        self.bind("cb:" + label, run)
        self.future(var).add_done_callback(run)

    # --- statements that may suspend -----------------------------------------------------------
    async def top(self, body):
        """A whole coroutine: its value is the one returned, or None."""
        result = await self.run(body)
        return result.value if result else None

    async def run(self, body):
        for st in body:
            try:
                result = self.step(st) or await self.suspend(st)
                if isinstance(result, Return):
                    return result
            except Unbound:
                self.log("unbound", st[0])
        return None

    async def suspend(self, st):
        op, args = st[0], st[1:]
        if op == "sleep":
            await asyncio.sleep(args[0] * TICK)
        elif op == "await":
            self.log("await", args[0], "=", self.value(await self.awaitable(args[0])))
        elif op == "call":
            self.log("call", args[0], "=", self.value(await self.coroutine(args[0])))
        elif op == "try":
            return await self.try_(*args)
        elif op == "repeat":
            for _ in range(args[0]):
                if result := await self.run(args[1]):
                    return result
        elif op == "wait":
            srcs = self.awaitables(args[0])
            futs = [(name, asyncio.ensure_future(obj)) for name, obj in srcs]
            when = {"ALL": asyncio.ALL_COMPLETED, "FIRST": asyncio.FIRST_COMPLETED,
                    "EXC": asyncio.FIRST_EXCEPTION}
            timeout = None if args[1] is None else args[1] * TICK
            done, _ = await asyncio.wait([f for _, f in futs], timeout=timeout,
                                         return_when=when[args[2]])
            self.log("wait", *[f"{n}:{'done' if f in done else 'pending'}" for n, f in futs])
        elif op == "wait_for":
            timeout = None if args[1] is None else args[1] * TICK
            value = await asyncio.wait_for(self.awaitable(args[0]), timeout)
            self.log("wait_for", args[0], "=", self.value(value))
        elif op == "as_completed":
            # as_completed() reads a set: futures are made here, in order, and those already done
            # are left out
            futs = [asyncio.ensure_future(obj) for _, obj in self.awaitables(args[0])]
            futs = [f for f in futs if not f.done()]
            timeout = None if args[1] is None else args[1] * TICK
            for nxt in asyncio.as_completed(futs, timeout=timeout):
                try:
                    self.log("completed", self.value(await nxt))
                except Error as exc:
                    self.log("completed", describe(exc))
        elif op == "timeout":
            delay = None if args[0] is None else args[0] * TICK
            async with asyncio.timeout(delay) as scope:
                if result := await self.run(args[1]):
                    return result
            self.log("timeout_over", scope.expired())
        elif op == "group":
            return await self.group(args[0])
        elif op == "with":
            async with self.primitive(args[0], LOCKS):
                return await self.run(args[1])
        elif op == "acquire":
            self.log("acquired", args[0], await self.primitive(args[0], LOCKS).acquire())
        elif op == "event_wait":
            self.log("event", args[0], await self.primitive(args[0], "E").wait())
        elif op == "cond_wait":
            self.log("condition", args[0], await self.primitive(args[0], "C").wait())
        elif op == "barrier_wait":
            self.log("barrier", args[0], await self.primitive(args[0], "B").wait())
        elif op == "barrier_reset":
            await self.primitive(args[0], "B").reset()
        elif op == "barrier_abort":
            await self.primitive(args[0], "B").abort()
        elif op == "put":
            await self.primitive(args[0], QUEUES).put(args[1])
            self.log("put", args[0], args[1])
        elif op == "get":
            self.log("get", args[0], await self.primitive(args[0], QUEUES).get())
        elif op == "join":
            await self.primitive(args[0], QUEUES).join()
            self.log("joined", args[0])
        else:
            self.log("unknown", op)
        return None

    async def try_(self, body, handlers, final=None):
        try:
            return await self.run(body)
        except (Exception, asyncio.CancelledError) as exc:
            for kind, handler in handlers:
                if isinstance(exc, KINDS[kind]) and not isinstance(exc, Unbound):
                    self.log("caught", describe(exc))
                    if handler == "reraise":
                        raise
                    return await self.run(handler)
            raise
        finally:
            if final is not None:
                await self.run(final)  # a return in it is not obeyed

    async def group(self, body):
        async with asyncio.TaskGroup() as tg:
            tg._tasks = OrderedSet()
            for st in body:
                if st[0] == "spawn":
                    self.label(tg.create_task(self.coroutine(st[2])), st[1])
                elif result := await self.run([st]):
                    return result
        self.log("group_over")
        return None

    # --- the whole -----------------------------------------------------------------------------
    def new_loop(self):
        return VirtualLoop()

    def execute(self):
        """The lines of the trace."""
        self.loop = loop = self.new_loop()
        self.zero = loop.time()
        loop.set_task_factory(self.task_factory)
        loop.set_exception_handler(self.on_error)
        asyncio.set_event_loop(loop)
        try:
            with contextlib.suppress(OutOfFuel):
                self.live()
                self.shut_down()
            return self.lines + ["out of fuel"] * (self.fuel < 0)  # a copy: cleaning up may log
        finally:
            for obj in self.keep:
                if asyncio.iscoroutine(obj):
                    with contextlib.suppress(BaseException):
                        obj.close()
            for task in self.tasks:
                task._log_destroy_pending = False
            asyncio.set_event_loop(None)
            loop.close()

    def live(self):
        main = self.loop.create_task(self.top(self.main))
        self.tasks[main] = "main"
        try:
            value = self.loop.run_until_complete(main)
            self.log("main", "returned", self.value(value))
        except self.deadlock:
            self.log("deadlock")
        except (Exception, asyncio.CancelledError) as exc:
            self.log("main", "raised", describe(exc))

    def shut_down(self):
        left = [t for t in self.tasks if not t.done()]
        self.log("shutdown", len(left))
        for task in left:
            task.cancel()
        if left:
            self.waiter = asyncio.Task(asyncio.wait(left, timeout=1000 * TICK), loop=self.loop)
            self.loop.run_until_complete(self.waiter)
        for task, label in list(self.tasks.items()):
            self.log("end", label, self.state(task))

    def on_error(self, loop, context):
        exc = context.get("exception")
        message = context["message"].split(":")[0].split(" ")[0]
        self.log("handler", describe(exc) if exc is not None else message)


def in_c_and_python():
    """The second has a deeper stack, because there a step and a cancel of a task take some of
    it."""
    c = Variant(asyncio.tasks._CTask, asyncio.futures._CFuture, asyncio.tasks._GatheringFuture,
                1000)
    # the base of the class whose source is run once more
    asyncio.futures.Future = asyncio.futures._PyFuture
    space = dict(vars(asyncio.tasks))
    exec(inspect.getsource(asyncio.tasks._GatheringFuture), space)
    python = Variant(asyncio.tasks._PyTask, asyncio.futures._PyFuture, space["_GatheringFuture"],
                     2500)
    return [c, python]


def trace(number, program, variants, watch, kind=Scenario):
    """The lines of one scenario, as printed; `kind` is the class that runs it."""
    traces = []
    for variant in variants:
        variant.use()
        watch.overflow, watch.cancels = False, 0
        scenario = kind(program)
        try:
            traces.append(scenario.execute())
        except (RecursionError, Endless):
            pass  # and watch knows
        if watch.unfit() or scenario.is_shared or traces[-1] != traces[0]:
            traces = [["skip"]]
            break
    return "\n".join([f"== {program.get('name', number)}"] + traces[0])


def run_chunk(chunk, variants=None, kind=Scenario):
    """In a process of its own, so that what scenarios leave behind does not slow the next ones
    down."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda unraisable: None
    gc.disable()
    asyncio.events.TimerHandle = Timer
    variants = variants or in_c_and_python()
    watch = Watch()
    watch.install(variants)
    return "\n".join(trace(number, program, variants, watch, kind)
                     for number, program in chunk)


def main():
    if sys.version_info[:2] != (3, 13):
        sys.exit("oracle.py: needs Python 3.13, this is " + sys.version.split()[0])
    programs = []
    for name in sys.argv[1:] or ["-"]:
        data = json.load(sys.stdin if name == "-" else open(name))
        programs += enumerate(data if isinstance(data, list) else [data])
    chunks = [programs[i:i + 250] for i in range(0, len(programs), 250)]
    with concurrent.futures.ProcessPoolExecutor(
            mp_context=multiprocessing.get_context("forkserver"), max_tasks_per_child=1) as pool:
        for text in pool.map(run_chunk, chunks):
            print(text)


if __name__ == "__main__":
    main()
