# SPDX-License-Identifier: MIT
"""Tasks of libasyncio in gdb: lists them, shows their backtraces, selects their frames.

    (gdb) source tools/asyncio-gdb.py
    (gdb) asyncio tasks              the pending tasks of the loops that run
    (gdb) asyncio bt                 the backtraces of all suspended tasks
    (gdb) asyncio bt NAME            the backtrace of the task with that name or address
    (gdb) asyncio select NAME        `bt`, `up`, `info locals` show that task ...
    (gdb) asyncio select             ... and the thread itself again

It only reads memory, so that it works on a stopped process and on a core dump, and on a release
build with debug information. The coroutine of a suspended task holds the registers with which it
will continue; an unwinder tells gdb that the thread's newest frame was called from there.

Use core dumps that the kernel wrote: gdb's own generate-core-file stops writing a mapping at the
first page that it cannot read, such as the guards of stacks where Linux has MADV_GUARD_INSTALL.
"""

import re

import gdb
import gdb.unwinder


class Error(gdb.GdbError):
    """An error that the user sees as a message, without a traceback."""


# --- reading the library's data ---------------------------------------------------------------

def value_of(expression):
    """Returns the value of an expression, or None if gdb cannot evaluate it."""
    try:
        value = gdb.parse_and_eval(expression)
        value.fetch_lazy()
        return value
    except gdb.error:
        return None


def cast(address, type_name):
    return gdb.Value(int(address)).cast(gdb.lookup_type(type_name).pointer())


def running_loops():
    """Yields (thread, loop, running task or 0) for each thread that runs a loop."""
    former, frame = gdb.selected_thread(), None
    if former is None:
        raise Error("nothing runs, and no core file is open")
    try:
        frame = gdb.selected_frame()
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda one: one.num):
            thread.switch()
            own = value_of("asyncio__thread")
            if own is not None and int(own["running_loop"]):
                yield thread, own["running_loop"], int(own["task"])
    finally:
        former.switch()
        if frame is not None and frame.is_valid():
            frame.select()


def members(head, type_name, field):
    """Yields pointers to the objects of a type that a list links by a field."""
    offset = next(f.bitpos // 8 for f in gdb.lookup_type(type_name).fields() if f.name == field)
    link = head["next"]
    while int(link) != int(head.address):
        yield cast(int(link) - offset, type_name)
        link = link["next"]


def string(pointer):
    return pointer.string(errors="replace") if int(pointer) else ""


def name_of(task):
    name = int(task["name"])
    return f"Task-{name >> 1}" if name & 1 else string(cast(name, "char"))


def describe(task, running):
    """Returns the state of a task in words."""
    if int(task) == running:
        return "running"
    if not int(task["is_started"]):
        return "not started"
    future = task["wait"]["future"]
    if not int(future):
        return "ready"
    place = string(future["place"])
    return f"waits for {hex(int(future))}" + (f" made at {place}" if place else "")


def all_tasks():
    """Yields (thread, task, whether it is the running one)."""
    for thread, loop, running in list(running_loops()):
        layer = loop.dereference()["tasks"]
        if not int(layer):
            continue  # no task was made on it
        for task in members(layer.dereference()["pending"], "asyncio__task_t", "link"):
            yield thread, task, running


def find(name):
    """Returns (thread, task, running) for a name or an address."""
    known = list(all_tasks())
    for thread, task, running in known:
        if name_of(task) == name:
            return thread, task, running
    address = value_of(name)
    for thread, task, running in known:
        if address is not None and int(address) == int(task):
            return thread, task, running
    raise Error(f"no pending task of a running loop is called {name}")


# --- the registers of a suspended fiber -------------------------------------------------------

def word(address, index):
    return int((cast(address, "unsigned long") + index).dereference())


def registers_of(fiber):
    """Returns the registers of a suspended fiber, by gdb's names."""
    machine = string(gdb.parse_and_eval("(const char *)&asyncio__fiber_machine"))
    stack = int(fiber["sp"])
    if machine == "x86_64":
        return {"rsp": stack, "rbp": int(fiber["frame"]), "rip": int(fiber["next"])}
    if machine == "aarch64":
        saved = {f"x{19 + i}": word(stack, i) for i in range(11)}
        return {**saved, "sp": stack + 160, "pc": word(stack, 11)}
    if machine == "ucontext" and gdb.selected_frame().architecture().name() == "i386:x86-64":
        saved = cast(stack, "ucontext_t")["uc_mcontext"]["gregs"]
        places = {"rbp": 10, "rbx": 11, "rsp": 15, "rip": 16, "r12": 4, "r13": 5, "r14": 6,
                  "r15": 7}
        return {name: int(saved[at]) for name, at in places.items()}
    raise Error(f"how {machine} switches is not known here")


class FiberUnwinder(gdb.unwinder.Unwinder):
    """Tells gdb that the newest frame of a thread was called from the suspended fiber."""

    def __init__(self):
        super().__init__("libasyncio")
        self.registers = None
        self.newest = None

    def aim(self, registers):
        """Shows a fiber from now on, in the selected thread; None: the thread itself again."""
        self.registers = None
        gdb.invalidate_cached_frames()
        if registers:
            frame = gdb.newest_frame()
            self.newest = (frame.read_register("pc"), frame.read_register("sp"))
            self.newest = tuple(int(value.cast(gdb.lookup_type("unsigned long")))
                                for value in self.newest)
            self.registers = registers
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.registers:
            return None
        long = gdb.lookup_type("unsigned long")
        here = tuple(int(pending.read_register(name).cast(long)) for name in ("pc", "sp"))
        if here != self.newest:
            return None
        info = pending.create_unwind_info(FrameId(pending.read_register("sp"),
                                                  pending.read_register("pc")))
        for name, value in self.registers.items():
            kind = pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        return info


class FrameId:
    """The values by which gdb identifies a frame."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


unwinder = FiberUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def aim_at(thread, task, running):
    """Points the unwinder at a suspended task; returns why that is not possible, or None."""
    if int(task) == running:
        return f"it is running: thread {thread.num} is in it"
    coroutine = task["coroutine"]
    if not int(task["is_started"]) or not int(coroutine) or not int(coroutine["stack"]):
        return "it has no stack yet"
    unwinder.aim(registers_of(coroutine["fiber"]))
    return None


def frames():
    """Returns gdb's backtrace without the newest frame, which belongs to the thread."""
    width = gdb.parameter("width")
    gdb.execute("set width 0", to_string=True)
    try:
        lines = gdb.execute("backtrace", to_string=True).splitlines()
    finally:
        gdb.execute(f"set width {width or 0}", to_string=True)
    kept, level = [], -1
    for line in lines:
        match = re.match(r"#(\d+)( +)(.*)", line)
        if match:
            level += 1
            line = f"#{level - 1:<3}{match.group(3)}"
        if level > 0:
            kept.append("    " + line)
    return kept


# --- the commands -----------------------------------------------------------------------------

class Asyncio(gdb.Command):
    """Tasks of libasyncio: asyncio tasks, asyncio bt [TASK], asyncio select [TASK]."""

    def __init__(self):
        super().__init__("asyncio", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """Lists the pending tasks of the running loops: address, name, state, source location."""

    def __init__(self):
        super().__init__("asyncio tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = 0
        for thread, task, running in list(all_tasks()):
            print(f"{hex(int(task))}  {name_of(task)}  {describe(task, running)}  "
                  f"({string(task['future']['place'])})  thread {thread.num}")
            count += 1
        print(f"{count} pending")


class Backtrace(gdb.Command):
    """Shows the backtrace of a suspended task, by name or address; of all tasks without one."""

    def __init__(self):
        super().__init__("asyncio bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = [find(argument)] if argument else list(all_tasks())
        for thread, task, running in wanted:
            print(f"{name_of(task)} ({string(task['future']['place'])}), "
                  f"{describe(task, running)}:")
            refusal = aim_at(thread, task, running)
            try:
                for line in [f"    {refusal}"] if refusal else frames():
                    print(line)
            finally:
                unwinder.aim(None)


class Select(gdb.Command):
    """Makes bt, up and info locals show a suspended task; without one: the thread itself again."""

    def __init__(self):
        super().__init__("asyncio select", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        unwinder.aim(None)
        if argument:
            refusal = aim_at(*find(argument))
            if refusal:
                raise Error(refusal)
            gdb.execute("up", to_string=True)


for command in (Asyncio, Tasks, Backtrace, Select):
    command()
