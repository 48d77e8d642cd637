# SPDX-License-Identifier: MIT
"""What a run is asked for in its environment: `make bench ONLY=echo` sets it there."""

import os
from dataclasses import dataclass, field

from works import SCALES, SERVERS, WORKS

ENGINES = ["uring", "epoll"]
PICKED = [work.name for work in WORKS] + SERVERS + [f"scale_{scale.name}" for scale in SCALES] + [
    "scale_connections"]


def words(environment, name):
    return [word for word in environment.get(name, "").replace(" ", ",").split(",") if word]


def known_words(environment, name, known, are_beginnings=False):
    """Returns the words of the environment; ValueError says which of them mean nothing."""
    chosen = words(environment, name)
    for word in chosen:
        if not any(one == word or are_beginnings and one.startswith(word) for one in known):
            raise ValueError(f"{name}={word} is none of {', '.join(known)}")
    return chosen


def number(environment, name, default, kind):
    """Returns a positive number of the environment; ValueError says which is none."""
    text = environment.get(name) or str(default)
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if not value > 0:
        raise ValueError(f"{name}={text} is no positive number")
    return value


@dataclass
class Settings:
    """All that can be chosen."""
    build: str
    only: list = field(default_factory=list)
    peers: list = field(default_factory=list)
    engines: list = field(default_factory=list)
    repeats: int = 7
    seconds: float = 1.0
    scale_repeats: int = 3
    scale_most: int = 1_000_000
    out: str = ""
    is_quick: bool = False

    @property
    def load_program(self):
        return f"{self.build}/bench/load"

    @property
    def is_whole(self):
        """Whether this is a run whose table is worth keeping."""
        return not (self.only or self.peers or self.is_quick or set(self.engines) != set(ENGINES))

    def picks(self, name):
        """Says whether a work is asked for: by the beginning of its name, or because all are."""
        return not self.only or any(name.startswith(prefix) for prefix in self.only)

    def __str__(self):
        said = [f"{self.repeats} repeats", f"{self.seconds:g} s a load",
                f"{self.scale_repeats} repeats of scale"]
        if self.only:
            said.append("only " + ", ".join(self.only))
        if self.is_quick:
            said.append("quick: not for quoting")
        return "; ".join(said)


def read(build, environment=os.environ, peers=()):
    """Returns the settings that an environment asks for; peers are the keys that there are."""
    is_quick = environment.get("QUICK", "0") not in ("", "0")
    settings = Settings(
        build=build, only=known_words(environment, "ONLY", PICKED, are_beginnings=True),
        peers=known_words(environment, "PEERS", peers),
        engines=known_words(environment, "ENGINES", ENGINES) or ENGINES, is_quick=is_quick,
        repeats=number(environment, "REPEATS", 2 if is_quick else 7, int),
        seconds=number(environment, "SECONDS", 0.3 if is_quick else 1.0, float),
        scale_repeats=number(environment, "SCALE_REPEATS", 1 if is_quick else 3, int),
        scale_most=number(environment, "SCALE_MOST", 10_000 if is_quick else 1_000_000, int))
    settings.out = environment.get("OUT", "") or (
        "bench/results" if settings.is_whole else f"{build}/bench-results")
    return settings
