#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print random conformance scenarios as JSON.

usage: generate.py [--seed N] [--count N] [--size N] [--only GROUP,...]

Each scenario depends on its own number alone: of --seed N the third is the first of --seed N+2.
--only collide makes scenarios of another kind: several tasks wait for one thing, and whoever gives
it, cancels the waiters and comes too late does so in one tick.
"""
import argparse
import json
import random

FUTURES, COROS, HANDLES = ["a", "b", "c", "d", "e"], ["u", "v", "w", "x"], ["h", "i"]
GROUPS = {
    "basic": ["log", "sleep", "sleep", "raise", "return", "call", "try", "time", "repeat"],
    "tasks": ["task", "task", "await", "await", "coro", "ensure", "cancel", "cancel_self",
              "uncancel", "cancelling", "uncancel_self", "state", "result", "exception",
              "all_tasks"],
    "futures": ["future", "set_result", "set_result", "set_exception", "on_done", "on_done",
                "off_done", "await"],
    "combine": ["gather", "gather", "wait", "wait_for", "wait_for", "shield", "as_completed",
                "timeout", "timeout", "group", "group"],
    "loop": ["call_soon", "call_later", "call_at", "cancel_handle"],
    "locks": ["with", "acquire", "release", "locked", "event_wait", "set", "clear", "cond",
              "notify", "notify_all", "barrier_wait", "barrier_reset", "barrier_abort"],
    "queues": ["put", "put", "get", "get", "put_nowait", "get_nowait", "task_done", "join",
               "qsize", "queue_shutdown"],
}
SYNC_OPS = {"log", "time", "task", "future", "coro", "ensure", "set_result", "set_exception",
            "cancel", "uncancel", "cancelling", "state", "result", "exception", "on_done",
            "off_done", "gather", "shield", "call_soon", "call_later", "call_at", "cancel_handle",
            "all_tasks", "release", "set", "clear", "put_nowait", "get_nowait", "raise"}


# Things to wait for: the name; what main does first, so that whoever comes waits; how tasks wait;
# what lets them go on; what is done seldom; what shows the state afterwards.
COLLISIONS = [
    ("L0", "acquire", "with with acquire", "release", "", "locked"),
    ("S0:0", "", "with acquire", "release", "", "locked"),
    ("S0:1", "acquire", "with with acquire", "release", "", "locked"),
    ("S0:2", "acquire acquire", "with acquire acquire", "release", "acquire", "locked"),
    ("C0", "", "cond cond cond with", "notify notify notify_all", "", "locked"),
    ("E0", "", "event_wait", "set set", "clear", ""),
    ("B0:2", "", "barrier_wait", "barrier_wait", "barrier_reset barrier_abort", ""),
    ("B0:4", "", "barrier_wait", "barrier_wait", "barrier_reset barrier_abort", ""),
    ("Q0:0", "", "get", "put_nowait", "queue_shutdown get", "qsize"),
    ("K0:0", "", "get", "put_nowait put", "get_nowait", "qsize"),
    ("Q0:1", "put_nowait", "put", "get_nowait", "queue_shutdown put", "qsize"),
    ("P0:2", "put_nowait put_nowait", "put", "get_nowait get", "queue_shutdown", "qsize"),
    ("Q1:0", "put_nowait put_nowait", "join", "task_done task_done queue_shutdown", "put_nowait",
     "qsize"),
    ("group", "", "group", "", "", ""),
    ("f", "future later", "wait_for await stubborn", "set_result", "later future set_exception",
     "state"),
]


class Collision:
    """Waiters queue up for one thing; then rounds of giving, cancelling and arriving, each without
    a pause inside."""

    def __init__(self, seed):
        self.random = random.Random(f"collide {seed}")
        self.name, *words = self.random.choice(COLLISIONS)
        self.before, self.waits, self.gives, self.seldom, self.shows = [w.split() for w in words]
        self.given = 0
        self.tasks = [f"t{i}" for i in range(self.random.randint(3, 6))]

    def statement(self, op):
        r, name = self.random, self.name
        if op == "with":
            inside = [[["log", "in"]], [["sleep", 0]], [["sleep", 0], ["log", "in"]],
                      [["sleep", 1]]]
            return [op, name, r.choice(inside)]
        if op == "cond":
            after = r.choice([[], [], [["sleep", 0]], [["notify", name, 1]]])
            return ["with", name, [["cond_wait", name]] + after]
        if op == "notify":
            return ["with", name, [[op, name, r.randint(1, 2)]] + r.choice([[], self.cancels()])]
        if op == "notify_all":
            return ["with", name, [[op, name]]]
        if op == "group":
            return self.group()
        if op == "stubborn":
            return ["repeat", 1, [["coro", "c", "slow"], ["wait_for", "c", r.randint(0, 2)]]]
        if op == "later":  # in the tick of a deadline
            return ["call_later", "h", r.randint(0, 2), "late", [["set_result", name, 4]]]
        more = {"queue_shutdown": [r.random() < 0.5], "wait_for": [r.randint(0, 2)],
                "set_exception": ["E1"]}
        if op in ("put", "put_nowait", "set_result"):
            return [op, name, r.randint(0, 9)]
        return [op, name] + more.get(op, [])

    def give(self):
        self.given += 1
        return self.tried(self.statement(self.random.choice(self.gives)))

    def tried(self, *body):
        return ["try", list(body), [[self.random.choice(["any", "all"]), []]]]

    def cancels(self):
        """A cancel, usually of the task that was, or will be, the first in the queue."""
        r = self.random
        var = self.tasks[(self.given + r.choice([-1, -1, 0, 0, 1, 2])) % len(self.tasks)]
        cancel = ["cancel", var, r.choice([None, None, "m1", "m2"])]
        return [cancel] + ([["uncancel", var]] if r.random() < 0.2 else [])

    def group(self):
        """A group whose body continues, and spawns, after it was told to stop."""
        r = self.random
        body = [["spawn", f"k{i}", r.choice(["fails", "quick", "slow"])]
                for i in range(r.randint(1, 3))]
        pause = ["sleep", r.choice([0, 1, 1, 2])]
        body.insert(r.randint(1, len(body)),
                    r.choice([pause, ["try", [pause], [["cancelled", []]]]]))
        late = ["spawn", "k9", r.choice(["fails", "quick"])]
        return ["group", body + r.choice([[], [late], [late, ["sleep", 0]], [["raise", "E2"]]])]

    def waiter(self):
        """A task's body: it waits once or twice, perhaps against a deadline, perhaps with a way to
        take a cancel."""
        r = self.random
        wait = self.statement(r.choice(self.waits))
        after = [["release", self.name]] if wait[0] == "acquire" and r.random() < 0.7 else []
        again = self.statement(r.choice(self.waits))
        kind = r.random()
        if kind < 0.25:
            wait = ["timeout", r.randint(0, 2), [wait]]
        elif kind < 0.45:
            wait = ["try", [wait], [["cancelled", r.choice([[again], [["sleep", 0]], "reraise"])]]]
        elif kind < 0.55:
            wait = ["try", [wait], [], [["sleep", 0]]]
        elif kind < 0.65:
            wait = ["repeat", 2, [wait] + after]
        before = [["sleep", 0]] * r.choice([0, 0, 0, 1])
        return before + [wait] + after + r.choice([[], [["log", "end"]], [again]])

    def round(self, number):
        """Give, cancel and arrive in any order; a callback may do a part of it in the same
        iteration."""
        r = self.random
        acts = [self.give() for _ in range(r.choice([1, 1, 2])) if self.gives]
        if self.seldom and r.random() < 0.2:
            acts.append(self.tried(["timeout", 1, [self.statement(r.choice(self.seldom))]]))
        acts += [st for _ in range(r.randint(1, 2)) for st in self.cancels()]
        if r.random() < 0.4:
            acts.append(["task", f"n{number}", r.choice("uvw")])
        if r.random() < 0.3:
            acts.append(["call_soon", "h", f"c{number}", self.cancels()])
        r.shuffle(acts)
        return [["sleep", r.choice([0, 0, 0, 1, 1, 2])]] + acts

    def scenario(self, name):
        r = self.random
        coros = {"u": self.waiter(), "v": self.waiter(), "w": self.waiter(),
                 "quick": [["sleep", 0]], "fails": [["sleep", r.choice([0, 1])], ["raise", "E1"]],
                 "slow": [["try", [["sleep", 2]],
                           [["cancelled", r.choice([[["sleep", 0]], "reraise"])]]]]}
        make = [["task", var, r.choice("uuvw")] for var in self.tasks]
        rounds = [st for n in range(r.randint(2, 4)) for st in self.round(n)]
        rounds += [["sleep", 1]] + [self.give() for _ in range(3) if self.gives]
        show = [["sleep", 3], ["cancelling", r.choice(self.tasks)], ["all_tasks"]]
        before, after = ([self.statement(op) for op in ops] for ops in (self.before, self.shows))
        return {"name": name, "coros": coros, "main": before + make + rounds + show + after}


class Generator:
    def __init__(self, seed, size, groups):
        self.random = random.Random(seed)
        self.size = size
        self.groups = groups
        self.ops = [op for g in groups for op in GROUPS[g]]
        self.labels = 0
        self.budget = 60 * size

    def label(self):
        self.labels += 1
        return f"L{self.labels}"

    def scenario(self, name):
        coros = {}
        for self.callees in range(len(COROS)):
            # a coroutine starts only those after it in the alphabet, so that none starts itself
            most = self.random.randint(1, 3 + self.size)
            coros[COROS[self.callees]] = self.body(0, most, depth=1)
        self.callees = -1
        spawn = [["future", var] if self.random.random() < 0.35
                 else ["task", var, self.random.choice(COROS)]
                 for var in self.random.sample(FUTURES, 5) if self.random.random() < 0.92]
        if self.random.random() < 0.85:
            coros["reaper"] = self.reaper()
            spawn.insert(self.random.randint(0, len(spawn)), ["task", "z", "reaper"])
        main = spawn + [self.guard(st) for st in self.body(1, 4 + 2 * self.size)]
        return {"name": name, "coros": coros, "main": main}

    def reaper(self):
        """From time to time, do what others may wait for: without it most scenarios end in
        deadlock."""
        helps = [["set_result", v, 8] for v in FUTURES]
        if "locks" in self.groups:
            helps += [["set", "E0"], ["set", "E1"], ["with", "C0", [["notify_all", "C0"]]],
                      ["barrier_reset", "B0:2"]]
            helps += [["release", x] for x in ("L0", "S0:1")]
        if "queues" in self.groups:
            helps += [["get_nowait", q] for q in ("Q0:1", "P0:2", "K0:2")]
            helps += [["put_nowait", q, 7] for q in ("Q0:1", "Q1:0", "P0:2", "K0:2")]
            helps += [["task_done", q] for q in ("Q0:1", "Q1:0")]
        rounds = []
        for _ in range(self.random.randint(2, 4)):
            rounds.append(["sleep", self.random.choice([1, 2, 3, 5])])
            rounds += [["try", [st], [["any", []]]]
                       for st in self.random.sample(helps, self.random.randint(3, len(helps)))]
        return rounds

    def guard(self, st):
        """Most of main's statements are tried, so that one exception rarely ends the scenario."""
        return ["try", [st], [["all", []]]] if self.random.random() < 0.8 else st

    def body(self, least, most=None, depth=0, sync=False):
        count = self.random.randint(least, most if most is not None else 3)
        return [self.statement(depth, sync) for _ in range(count)]

    def ticks(self):
        return self.random.choice([0, 0, 1, 1, 2, 3, 5, 8])

    def some(self):
        return self.random.sample(FUTURES, self.random.randint(1, 4))

    def timeout(self):
        return self.random.choice([None, 0, 1, 2, 3, 5])

    def statement(self, depth, sync=False):
        r = self.random
        self.budget -= 1
        while True:
            op = r.choice(self.ops)
            if sync and op not in SYNC_OPS:
                continue
            holds_body = op in ("try", "timeout", "group", "with", "cond", "repeat", "call")
            if holds_body and (depth > 3 or self.budget < 0):
                continue
            if op in ("call", "repeat") and r.random() < 0.5:
                continue
            break
        var, coro = r.choice(FUTURES), r.choice(COROS[self.callees + 1:] or [""])
        if op in ("call", "task", "coro", "group") and not coro:
            op = "state"
        if op in ("log",):
            return ["log", self.label()]
        if op in ("time", "cancel_self", "uncancel_self", "all_tasks"):
            return [op]
        if op == "sleep":
            return ["sleep", self.ticks()]
        if op == "raise":
            return ["raise", f"E{r.randint(1, 3)}"] if r.random() < 0.4 else ["log", self.label()]
        if op == "return":
            return ["return", r.randint(0, 9)] if r.random() < 0.3 else ["log", self.label()]
        if op == "call":
            return ["call", coro]
        if op == "repeat":
            return ["repeat", r.randint(2, 3), self.body(1, 2, depth + 1)]
        if op == "try":
            kinds = r.sample(["cancelled", "timeout", "error", "group", "any", "all"],
                             r.randint(1, 3))
            handlers = [[k, "reraise" if r.random() < 0.3 else self.body(0, 2, depth + 1)]
                        for k in kinds]
            return ["try", self.body(1, 3, depth + 1), handlers] + (
                [self.body(0, 2, depth + 1)] if r.random() < 0.3 else [])
        if op in ("task", "coro"):
            # main makes most of the tasks
            if self.callees < 0 or self.random.random() < 0.3:
                return [op, var, coro]
            return ["state", var]
        if op == "future":
            return ["future", var]
        if op in ("await", "uncancel", "cancelling", "state", "result", "exception"):
            return [op, var]
        if op in ("ensure", "shield"):
            return [op, var, r.choice(FUTURES)]
        if op == "set_result":
            return [op, var, r.randint(0, 9)]
        if op == "set_exception":
            return [op, var, f"E{r.randint(1, 3)}"]
        if op == "cancel":
            return [op, var, r.choice([None, None, "m1", "m2"])]
        if op == "on_done":
            return [op, var, self.label(), self.body(0, 2, depth + 2, sync=True)]
        if op == "off_done":
            return [op, var, f"L{r.randint(1, max(1, self.labels))}"]
        if op == "gather":
            return [op, var, self.some(), r.random() < 0.5]
        if op == "wait":
            return [op, self.some(), self.timeout(), r.choice(["ALL", "FIRST", "EXC"])]
        if op == "wait_for":
            return [op, var, self.timeout()]
        if op == "as_completed":
            return [op, self.some(), self.timeout()]
        if op == "timeout":
            return [op, self.timeout(), self.body(1, 3, depth + 1)]
        if op == "group":
            body = self.body(0, 2, depth + 1)
            for _ in range(r.randint(1, 3)):
                body.insert(r.randint(0, len(body)),
                            ["spawn", r.choice(FUTURES), r.choice(COROS[self.callees + 1:])])
            return [op, body]
        if op == "call_soon":
            return [op, r.choice(HANDLES), self.label(), self.body(0, 2, depth + 2, sync=True)]
        if op in ("call_later", "call_at"):
            return [op, r.choice(HANDLES), r.randint(0, 9), self.label(),
                    self.body(0, 2, depth + 2, sync=True)]
        if op == "cancel_handle":
            return [op, r.choice(HANDLES)]
        if op == "with":
            return [op, r.choice(["L0", "L1", "C0", "S0:1", "S1:2"]), self.body(0, 2, depth + 1)]
        if op == "cond":
            return ["with", "C0", [["cond_wait", "C0"]] + self.body(0, 1, depth + 1)]
        if op in ("acquire", "release", "locked"):
            return [op, r.choice(["L0", "S0:1", "S1:2"])]
        if op in ("event_wait", "set", "clear"):
            return [op, r.choice(["E0", "E1"])]
        if op == "notify":
            return ["with", "C0", [["notify", "C0", r.randint(1, 2)]]]
        if op == "notify_all":
            return ["with", "C0", [["notify_all", "C0"]]]
        if op in ("barrier_wait", "barrier_reset", "barrier_abort"):
            return ["barrier_wait" if r.random() < 0.8 else op, r.choice(["B0:2", "B1:3"])]
        queue = r.choice(["Q0:1", "Q1:0", "P0:2", "K0:2"])
        if op in ("put", "put_nowait"):
            return [op, queue, r.randint(0, 9)]
        if op == "queue_shutdown":
            return [op, queue, r.random() < 0.5] if r.random() < 0.2 else ["qsize", queue]
        return [op, queue]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--size", type=int, default=2)
    parser.add_argument("--only", default=",".join(GROUPS))
    args = parser.parse_args()
    groups = args.only.split(",")
    scenarios = []
    for n in range(args.seed, args.seed + args.count):
        is_collision = groups == ["collide"]
        maker = Collision(n) if is_collision else Generator(n, args.size, groups)
        scenarios.append(maker.scenario(f"seed-{n}"))
    print(json.dumps(scenarios))


if __name__ == "__main__":
    main()
