# SPDX-License-Identifier: MIT
"""What is measured: the works with their counts and goals, the loads of the servers, the scales."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """A work, and the rows that it prints with the goal of each."""
    name: str
    probe: int                 # the count of the first, small run, from which the count is chosen
    goals: dict                # row: ("at most", nanoseconds or bytes) or ("first", None)
    count: int = 0             # the count for all, where the size is part of the work; 0: by time
    has_threads: bool = False  # it needs a second CPU
    most: int = 10_000_000     # the largest count


def at_most(bound):
    return ("at most", bound)


FIRST = ("first", None)

WORKS = [
    Work("yield", 20_000, {"yield": at_most(12)}),
    Work("yield1000", 20_000, {"yield1000": at_most(15)}),
    Work("spawn", 5_000, {"spawn": at_most(60)}),
    Work("spawn_batch", 1_000, {"spawn_batch": at_most(60)}, count=100_000),
    Work("asleep", 1_000, {"asleep_bytes": at_most(4400), "asleep_make": at_most(4500),
                           "asleep_end": at_most(220)}, count=100_000),
    Work("timers", 1_000, {"timers": at_most(150)}, count=100_000),
    Work("queue", 5_000, {"queue": at_most(35)}),
    Work("queue1000", 20_000, {"queue1000": at_most(10)}),
    Work("future", 5_000, {"future": at_most(45)}),
    Work("lock", 5_000, {"lock": at_most(40)}),
    Work("cancel", 5_000, {"cancel": at_most(100)}),
    Work("timeout", 5_000, {"timeout": at_most(50)}),
    Work("executor", 500, {"executor": FIRST}, has_threads=True),
    Work("executor64", 1_000, {"executor64": FIRST}, has_threads=True),
    Work("file_read", 500, {"file_read": FIRST}, has_threads=True),
    Work("file_read64k", 500, {"file_read64k": FIRST}, has_threads=True),
    Work("file_write", 500, {"file_write": FIRST}, has_threads=True),
    Work("file_open", 500, {"file_open": FIRST}, has_threads=True),
    Work("wake", 5_000, {"wake": at_most(30)}, has_threads=True, most=3_000_000),
    # A start, and beside it posix_spawn() in the same process: rows ..._bare, ours alone.
    Work("spawn_process", 5, {"spawn_process": FIRST, "spawn_process_bare": FIRST}, count=100),
    Work("spawn_process_large", 5, {"spawn_process_large": FIRST,
                                    "spawn_process_large_bare": FIRST}, count=100),
    Work("spawn_process_fds", 5, {"spawn_process_fds": FIRST,
                                  "spawn_process_fds_bare": FIRST}, count=100),
]


@dataclass(frozen=True)
class Load:
    """Connections and bytes of a request, and our goal in requests per second: a factor of the
    bare epoll server ("epoll") or of the best peer ("best")."""
    connections: int
    size: int
    factor: float
    of: str
    is_udp: bool = False       # one datagram of each of n sockets, to the server `udp`

    @property
    def name(self):
        return f"{'udp ' if self.is_udp else ''}{self.connections}x{self.size}"


LOADS = [
    Load(1, 64, 1.0, "epoll"),
    Load(100, 64, 1.2, "epoll"),
    Load(1000, 64, 1.05, "best"),
    Load(100, 4096, 1.2, "best"),
    Load(1000, 4096, 1.05, "best"),
    Load(1, 64, 1.0, "best", is_udp=True),
    Load(100, 64, 1.0, "best", is_udp=True),
]

SERVERS = ["echo", "echo_streams", "echo_protocol", "udp"]


@dataclass(frozen=True)
class Scale:
    """A work whose count is that of the tasks or timers, and how often each does its thing."""
    name: str
    rows: list
    rounds: object = field(default=lambda tasks: 1)
    repeatable: bool = True    # small counts are done several times in one run


def rounds(tasks):
    """As bench_rounds() of common/measure.h."""
    return 3 if tasks > 100_000 else 300_000 // tasks


SCALES = [
    Scale("spawn_batch", ["spawn_batch"]),
    Scale("asleep", ["asleep_make", "asleep_end", "asleep_bytes"]),
    Scale("timers", ["timers"]),
    Scale("gather", ["gather"]),
    Scale("yield_tasks", ["yield_tasks"], rounds, repeatable=False),
    Scale("lock_tasks", ["lock_tasks"], rounds, repeatable=False),
    Scale("queue_tasks", ["queue_tasks"], rounds, repeatable=False),
]
SCALE_SIZES = [100, 1_000, 10_000, 100_000, 1_000_000]
CONNECTION_SIZES = [100, 1_000, 10_000, 100_000]


def times_at(scale, size):
    """Returns how often a run of a scale is done, so that small sizes are measured too."""
    return max(1, 100_000 // size) if scale.repeatable else 1
