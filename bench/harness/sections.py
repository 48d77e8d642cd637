# SPDX-License-Identifier: MIT
"""The three parts of a run: works, servers, scales. Each returns plain lists and dictionaries,
which table.py and plots.py read, and which are kept as JSON.

In each repeat everybody is measured once on a work before the next work begins, in an order that
changes from repeat to repeat: a slow minute of the machine touches all, and no one is always first.
"""

import resource
import time

import figures
import measure
from works import (CONNECTION_SIZES, LOADS, SCALE_SIZES, SCALES, SERVERS, WORKS, times_at)

WORK_PART = 0.25          # of SECONDS, that a work is to last
SCALE_LIMIT_SECONDS = 15  # a size that would take longer is left out
SPARE_DESCRIPTORS = 100   # of a server or client, beside its connections


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def choose_counts(work, peers, seconds):
    """Returns how often each peer does a work, by key; who is not in it does not have the work."""
    counts = {}
    for peer in peers:
        found = measure.run_work(peer, work.name, work.probe, has_threads=work.has_threads)
        if not found:
            continue
        each_ns = found.get(work.name, 0)
        counts[peer.key] = work.count or figures.count_for(each_ns, seconds * WORK_PART,
                                                           work.probe, work.most)
    return counts


def run_works(peers, settings):
    """Returns the values of each row by peer and repeat, and the counts."""
    works = [work for work in WORKS if settings.picks(work.name)]
    if not works:
        return {"rows": {}, "counts": {}}
    peers = {peer.key: peer for peer in peers if peer.works}
    say(f"works: {len(works)}, {len(peers)} programs, {settings.repeats} repeats")
    counts = {work.name: choose_counts(work, peers.values(), settings.seconds) for work in works}
    rows = {row: {key: [] for key in counts[work.name]} for work in works for row in work.goals}
    for repeat in range(settings.repeats):
        say(f"works: repeat {repeat + 1} of {settings.repeats}")
        for work in works:
            for key in figures.order(list(counts[work.name]), repeat):
                found = measure.run_work(peers[key], work.name, counts[work.name][key],
                                         has_threads=work.has_threads)
                for row in work.goals:
                    rows[row][key].append(found.get(row))
    return {"rows": rows, "counts": counts}


def server_columns(peers, settings):
    """Returns (key, label, peer, word) of each server that is to be measured."""
    columns = []
    for peer in peers:
        for server in [server for server in peer.servers if server != "udp"]:
            if settings.picks(server or "echo"):
                kind = (server or "echo").removeprefix("echo").removeprefix("_")
                columns.append((peer.key + (f"_{kind}" if kind else ""),
                                peer.label + (f", {kind}" if kind else ""), peer, server))
    return columns


def run_servers(peers, settings):
    """Returns [requests/s, us, client's share] by load, server and repeat."""
    if not any(settings.picks(server) for server in SERVERS):
        return {}
    columns = server_columns(peers, settings)
    by_key = {key: (peer, server) for key, _, peer, server in columns}
    labels = {key: label for key, label, _, _ in columns}
    by_udp = {}
    if settings.picks("udp"):
        by_udp = {peer.key: (peer, "udp") for peer in peers if "udp" in peer.servers}
        labels = {peer.key: peer.label for peer, _ in by_udp.values()} | labels
    programs = {load: by_udp if load.is_udp else by_key for load in LOADS}
    loads = {load.name: {key: [] for key in programs[load]} for load in LOADS}
    say(f"servers: {len(labels)}, {len(LOADS)} loads, {settings.repeats} repeats")
    for repeat in range(settings.repeats):
        say(f"servers: repeat {repeat + 1} of {settings.repeats}")
        for load in LOADS:
            for key in figures.order(list(programs[load]), repeat):
                loads[load.name][key].append(measure.run_load(
                    settings.load_program, *programs[load][key], load.connections, load.size,
                    settings.seconds, load.is_udp))
    return {"labels": labels, "loads": loads}


class Patience:
    """Knows from the last size whether the next one would take too long."""

    def __init__(self):
        self.last = {}

    def would_wait(self, key, operations):
        if key not in self.last:
            return False
        seconds, before = self.last[key]
        return seconds * operations / before > SCALE_LIMIT_SECONDS

    def saw(self, key, operations, seconds):
        self.last[key] = (seconds, operations)


def run_scale(scale, peers, settings, rows):
    """Measures one work at all sizes, into rows: row, peer, size, values."""
    patience = Patience()
    absent = set()
    by_key = {peer.key: peer for peer in peers if peer.works}
    for size in [size for size in SCALE_SIZES if size <= settings.scale_most]:
        times = times_at(scale, size)
        operations = size * times * scale.rounds(size)
        for repeat in range(settings.scale_repeats):
            for key in figures.order(list(by_key), repeat):
                if key in absent or patience.would_wait(key, operations):
                    continue
                begin = time.monotonic()
                found = measure.run_work(by_key[key], scale.name, size, times)
                took = time.monotonic() - begin
                if repeat == settings.scale_repeats - 1:
                    patience.saw(key, operations, took)
                if not found:
                    absent.add(key)
                for row, value in found.items():
                    rows.setdefault(row, {}).setdefault(key, {}).setdefault(str(size), []).append(
                        value)


def connection_sizes():
    """Returns how many connections a process of this user can have, up to that, one by one."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
    return sorted({min(size, most) for size in CONNECTION_SIZES})


def run_connections(peers, settings, rows):
    """Measures the servers at all sizes: nanoseconds of the server's CPU a request."""
    columns = [(peer, "echo" if peer.servers[0] else "") for peer in peers if peer.servers]
    by_key = {peer.key: (peer, server) for peer, server in columns}
    for size in [size for size in connection_sizes() if size <= settings.scale_most]:
        for repeat in range(settings.scale_repeats):
            for key in figures.order(list(by_key), repeat):
                # Each connection shall have its turn several times.
                seconds = max(settings.seconds, size / 10_000)
                found = measure.run_load(settings.load_program, *by_key[key], size, 64, seconds)
                if found:
                    rows.setdefault("connections", {}).setdefault(key, {}).setdefault(
                        str(size), []).append(found[1] * 1e3)


def run_scales(peers, settings):
    """Returns nanoseconds an operation (or bytes) by row, peer, size and repeat."""
    rows = {}
    for scale in SCALES:
        if settings.picks("scale_" + scale.name):
            say(f"scale: {scale.name}, {settings.scale_repeats} repeats")
            run_scale(scale, peers, settings, rows)
    if settings.picks("scale_connections"):
        say(f"scale: connections, {settings.scale_repeats} repeats")
        run_connections(peers, settings, rows)
    return rows
