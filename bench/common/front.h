/* SPDX-License-Identifier: MIT */
/*
 * The command line that the programs in C and C++ share: the result and how it is printed, the
 * warm-up, and peer_main(), the main function of a peer.
 *
 * A work is called once with a tenth of the count, whose time is dropped, and then for the result,
 * as many times as the third argument says, since a small count measures little. It sets up what it
 * needs, starts the stopwatch, runs its operation count times, stops the stopwatch, and tears down.
 * Compiles as C11 and C++20, and knows neither libasyncio nor any peer.
 */
#ifndef BENCH_FRONT_H
#define BENCH_FRONT_H

#include "measure.h"

#include <string.h>

/** The time that a work took, and its other results. */
typedef struct bench_result {
    int64_t elapsed_ns;    /**< of the timed part */
    int64_t end_ns;        /**< of a second timed part, for `asleep` and `spawn_process` */
    double bytes_per_task; /**< of the resident set, for the work `asleep` */
    double table_bytes_per_task; /**< of page tables, for the work `asleep`; 0: not measured */
    long operations;       /**< number of them in the timed part, if it differs from the count */
} bench_result_t;

/** Returns the count of the warm-up: a tenth. */
static inline long bench_warm_up(const char *name, long count)
{
    long warm_up = count / 10;
    /* More than a few tasks would leave freed memory behind, which hides the growth. */
    if (strcmp(name, "asleep") == 0 && warm_up > 1000)
        warm_up = 1000;
    return warm_up;
}

/** Adds the result of another run of a work; the bytes stay those of the first run. */
static inline void bench_add(bench_result_t *total, long count, const bench_result_t *result)
{
    if (total->operations == 0) {
        total->bytes_per_task = result->bytes_per_task;
        total->table_bytes_per_task = result->table_bytes_per_task;
    }
    total->elapsed_ns += result->elapsed_ns;
    total->end_ns += result->end_ns;
    total->operations += result->operations ? result->operations : count;
}

/** Prints the mean of all runs. */
static inline void bench_print(const char *name, const bench_result_t *result)
{
    double each_ns = (double)result->elapsed_ns / (double)result->operations;
    if (strcmp(name, "asleep") != 0) {
        printf("%s %.2f ns\n", name, each_ns);
        if (result->end_ns > 0) /* of spawn_process: posix_spawn() in the same process */
            printf("%s_bare %.2f ns\n", name, (double)result->end_ns / (double)result->operations);
        return;
    }
    printf("asleep_bytes %.1f B\n", result->bytes_per_task);
    if (result->table_bytes_per_task > 0)
        printf("asleep_page_tables %.1f B\n", result->table_bytes_per_task);
    printf("asleep_make %.2f ns\n", each_ns);
    printf("asleep_end %.2f ns\n", (double)result->end_ns / (double)result->operations);
}

/** One line of a peer's table: a work, or a server. */
typedef struct peer_entry {
    const char *name;                                   /**< its name on the command line */
    void (*work)(long count, bench_result_t *result);   /**< NULL: a server */
    void (*server)(uint16_t port);                      /**< NULL: a work */
    bool has_threads;                                   /**< it starts threads, not to be pinned */
} peer_entry_t;

/** Ends a peer's program with a message: a measurement that failed has no result. */
static inline void peer_die(const char *what)
{
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

/** Ends the program unless a condition holds. */
static inline void peer_check(bool is_so, const char *what)
{
    if (!is_so)
        peer_die(what);
}

/** Returns the number of runs of the work from the command line; 1 by default. */
static inline long bench_times(int argc, char **argv)
{
    long times = argc >= 4 ? strtol(argv[3], NULL, 10) : 1;
    return times > 0 ? times : 1;
}

/** The front of a peer: `PROGRAM WORK N [TIMES]` or `PROGRAM SERVER PORT`. */
static inline int peer_main(const peer_entry_t *entries, size_t entry_count, int argc, char **argv)
{
    long count = argc >= 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count <= 0) {
        fprintf(stderr, "usage: %s WORK N [TIMES] | SERVER PORT\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < entry_count; i++) {
        const peer_entry_t *entry = &entries[i];
        if (strcmp(argv[1], entry->name) != 0)
            continue;
        /* Threads must not inherit the pin: those of a work are started by its warm-up. */
        if (!entry->has_threads)
            bench_pin();
        if (entry->server) {
            entry->server((uint16_t)count);
            return 1;
        }
        bench_result_t result, total;
        memset(&result, 0, sizeof(result));
        memset(&total, 0, sizeof(total));
        long warm_up = bench_warm_up(entry->name, count);
        if (warm_up > 0)
            entry->work(warm_up, &result);
        if (entry->has_threads)
            bench_pin();
        for (long left = bench_times(argc, argv); left > 0; left--) {
            memset(&result, 0, sizeof(result));
            entry->work(count, &result);
            bench_add(&total, count, &result);
        }
        bench_print(entry->name, &total);
        return 0;
    }
    printf("%s n/a\n", argv[1]);
    return 0;
}

#endif
