/* SPDX-License-Identifier: MIT */
/*
 * Measurements that every program in C and C++ does in the same way, ours and the peers': the
 * clock, the pin to a CPU, resident bytes, and the numbers that scatter deadlines.
 *
 * It compiles as C11 and C++20, and knows neither libasyncio nor any peer.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/** Returns nanoseconds of a monotonic clock. */
static inline int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** Pins this thread, and those that it starts from now on, to CPU 0. */
static inline void bench_pin(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    /* Where CPU 0 is not available the program runs without the pin. */
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("not pinned");
}

/** Undoes the pin that this thread inherited, so that it does not share the CPU of the loop. */
static inline void bench_run_beside(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 1; cpu < CPU_SETSIZE; cpu++)
        CPU_SET(cpu, &set);
    /* On a machine with one CPU it stays on it. */
    (void)sched_setaffinity(0, sizeof(set), &set);
}

/** The bytes of this process that are resident, page tables not counted. */
static inline int64_t bench_resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/** Returns the bytes of this process's page tables (VmPTE), which its resident set excludes. */
static inline int64_t bench_page_table_bytes(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file) && sscanf(line, "VmPTE: %ld", &kib) != 1) {
    }
    fclose(file);
    return (int64_t)kib * 1024;
}

/** Returns the next number of a generator to scatter deadlines; the same numbers in each run. */
static inline uint64_t bench_scatter(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/** The deadlines of the work `timers`, and the order in which they are cancelled. */
typedef struct bench_deadlines {
    double *delays;  /**< of each timer, in seconds from 1 to 60 */
    uint32_t *order; /**< the timers in the order in which they are cancelled */
} bench_deadlines_t;

static inline void bench_deadlines_fini(bench_deadlines_t *deadlines)
{
    free(deadlines->delays);
    free(deadlines->order);
}

/** Makes the deadlines; returns false if there is no memory. */
static inline bool bench_deadlines_init(bench_deadlines_t *deadlines, long count)
{
    deadlines->delays = (double *)malloc((size_t)count * sizeof(double));
    deadlines->order = (uint32_t *)malloc((size_t)count * sizeof(uint32_t));
    if (!deadlines->delays || !deadlines->order) {
        bench_deadlines_fini(deadlines);
        return false;
    }
    uint64_t state = 88172645463325252u;
    for (long i = 0; i < count; i++) {
        double part = (double)(bench_scatter(&state) >> 11) / 9007199254740992.0;
        deadlines->delays[i] = 1.0 + 59.0 * part;
        deadlines->order[i] = (uint32_t)i;
    }
    for (long i = count - 1; i > 0; i--) {
        long other = (long)(bench_scatter(&state) % (uint64_t)(i + 1));
        uint32_t swapped = deadlines->order[i];
        deadlines->order[i] = deadlines->order[other];
        deadlines->order[other] = swapped;
    }
    return true;
}

/** Returns the number of timers that are cancelled, of count. */
static inline long bench_cancelled(long count)
{
    return count / 10 * 9;
}

/** Returns the number of operations of each task in the works of scale: 300,000 for all tasks
 * together, but at least three for each, so that the time includes a pass over cold memory. */
static inline long bench_rounds(long tasks)
{
    return tasks > 100000 ? 3 : 300000 / tasks;
}

#endif
