/* SPDX-License-Identifier: MIT */
/*
 * What the works of the benchmark share: the signature of a work, and its result.
 *
 * A work is a function of a count that runs inside a task. It sets up what it needs, starts the
 * stopwatch, runs its operation count times, stops the stopwatch, and tears down. bench.c calls it
 * twice: once with a tenth of the count, whose time is dropped, and once for the result. A work
 * uses only the public API, in the way that the manual shows.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "front.h"
#include "scratch_file.h"

#include <asyncio.h>

/** Runs a work once over a count. Returns 0 or a negative code. */
typedef int bench_work_t(long count, bench_result_t *result);

/** Serves a port until a signal ends the process. Returns a negative code if it cannot. */
typedef int bench_server_t(uint16_t port);

bench_work_t bench_yield, bench_yield1000, bench_future;
bench_work_t bench_spawn, bench_spawn_batch, bench_cancel;
bench_work_t bench_asleep;
bench_work_t bench_timers, bench_timeout;
bench_work_t bench_wake;
bench_work_t bench_executor, bench_executor64;
bench_work_t bench_file_read, bench_file_read64k, bench_file_write, bench_file_open;
bench_work_t bench_queue, bench_queue1000, bench_lock;
bench_work_t bench_yield_tasks, bench_lock_tasks, bench_queue_tasks, bench_gather;
bench_work_t bench_spawn_process, bench_spawn_process_large, bench_spawn_process_fds;
bench_server_t bench_echo, bench_echo_streams, bench_echo_protocol, bench_udp;
bench_server_t bench_tls, bench_tls_streams;

/* The files of those by TLS. */
extern const char *bench_cert, *bench_key;

#endif
