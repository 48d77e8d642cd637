/* SPDX-License-Identifier: MIT */
/*
 * The main program: `bench WORK N [TIMES]` runs one work with the count N and prints
 * `WORK VALUE UNIT`.
 *
 * A process runs one work, so that no work inherits another's caches, heaps and mappings. The
 * thread of the loop is pinned to one CPU, because a migration costs more than most works.
 * Threads of the library's own must not inherit the pin, or the work would measure how two threads
 * share one CPU: works with threads warm up first, which starts the threads, and pin afterwards.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** One line of the table of works. */
typedef struct bench_entry {
    const char *name;       /**< its name on the command line */
    bench_work_t *work;     /**< NULL: a server */
    bench_server_t *server; /**< NULL: a work */
    bool has_threads;       /**< it starts threads, which must not be pinned */
} bench_entry_t;

static const bench_entry_t entries[] = {
    {.name = "yield", .work = bench_yield},
    {.name = "yield1000", .work = bench_yield1000},
    {.name = "spawn", .work = bench_spawn},
    {.name = "spawn_batch", .work = bench_spawn_batch},
    {.name = "asleep", .work = bench_asleep},
    {.name = "timers", .work = bench_timers},
    {.name = "queue", .work = bench_queue},
    {.name = "queue1000", .work = bench_queue1000},
    {.name = "future", .work = bench_future},
    {.name = "lock", .work = bench_lock},
    {.name = "cancel", .work = bench_cancel},
    {.name = "timeout", .work = bench_timeout},
    {.name = "executor", .work = bench_executor, .has_threads = true},
    {.name = "executor64", .work = bench_executor64, .has_threads = true},
    {.name = "file_read", .work = bench_file_read, .has_threads = true},
    {.name = "file_read64k", .work = bench_file_read64k, .has_threads = true},
    {.name = "file_write", .work = bench_file_write, .has_threads = true},
    {.name = "file_open", .work = bench_file_open, .has_threads = true},
    {.name = "wake", .work = bench_wake, .has_threads = true},
    {.name = "spawn_process", .work = bench_spawn_process},
    {.name = "spawn_process_large", .work = bench_spawn_process_large},
    {.name = "spawn_process_fds", .work = bench_spawn_process_fds},
    {.name = "yield_tasks", .work = bench_yield_tasks},
    {.name = "lock_tasks", .work = bench_lock_tasks},
    {.name = "queue_tasks", .work = bench_queue_tasks},
    {.name = "gather", .work = bench_gather},
    {.name = "echo", .server = bench_echo},
    {.name = "echo_streams", .server = bench_echo_streams},
    {.name = "echo_protocol", .server = bench_echo_protocol},
    {.name = "udp", .server = bench_udp},
#ifdef BENCH_HAS_SSL
    {.name = "tls", .server = bench_tls},
    {.name = "tls_streams", .server = bench_tls_streams},
#else
    {.name = "tls"},
#endif
};

/** The argument and the result of the main coroutine. */
typedef struct bench_job {
    const bench_entry_t *entry; /**< the work or server to run */
    long count;                 /**< N, or the port */
    long times;                 /**< number of runs of the work */
    bench_result_t total;       /**< the sum of the results of all runs */
} bench_job_t;

static int bench_main(void *arg, void **ret_result)
{
    (void)ret_result;
    bench_job_t *job = arg;
    const bench_entry_t *entry = job->entry;
    if (entry->server)
        return entry->server((uint16_t)job->count);

    long warm_up = bench_warm_up(entry->name, job->count);
    bench_result_t result;
    if (warm_up > 0) {
        int rc = entry->work(warm_up, &result);
        if (rc < 0)
            return rc;
    }
    if (entry->has_threads)
        bench_pin();
    for (long i = 0; i < job->times; i++) {
        result = (bench_result_t){0};
        int rc = entry->work(job->count, &result);
        if (rc < 0)
            return rc;
        bench_add(&job->total, job->count, &result);
    }
    return 0;
}

static const bench_entry_t *find(const char *name)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    bench_job_t job = {.entry = argc >= 3 ? find(argv[1]) : NULL};
    if (!job.entry) {
        fprintf(stderr, "usage: bench WORK N [TIMES] | bench echo PORT | "
                        "bench tls PORT CERT KEY\nworks:");
        for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
            fprintf(stderr, " %s", entries[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    job.count = strtol(argv[2], NULL, 10);
#ifdef BENCH_HAS_SSL
    if (strncmp(argv[1], "tls", 3) == 0) {
        bench_cert = argc > 3 ? argv[3] : NULL;
        bench_key = argc > 4 ? argv[4] : NULL;
        argc = 3;
    }
#endif
    job.times = bench_times(argc, argv);
    if (job.count <= 0) {
        fprintf(stderr, "bench: %s is no count\n", argv[2]);
        return 2;
    }
    if (!job.entry->work && !job.entry->server) {
        printf("%s n/a\n", job.entry->name);
        return 0;
    }
    if (!job.entry->has_threads)
        bench_pin();
    int rc = asyncio_run(asyncio_coroutine(bench_main, &job), NULL);
    if (rc < 0) {
        fprintf(stderr, "bench: %s: %s\n", job.entry->name, asyncio_error_name(rc));
        return 1;
    }
    bench_print(job.entry->name, &job.total);
    return 0;
}
