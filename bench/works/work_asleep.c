/* SPDX-License-Identifier: MIT */
/*
 * The work of many tasks that wait: what a sleeping task costs in memory, to create, and to end.
 */
#include "bench.h"

#include <stdlib.h>

static int sleep_an_hour(void **ret_result)
{
    (void)ret_result;
    return asyncio_sleep(3600.0);
}
ASYNCIO_COROUTINE(sleep_an_hour);

static int cancel_all(asyncio_task_t **tasks, long count)
{
    for (long i = 0; i < count; i++)
        asyncio_task_cancel(tasks[i], NULL);
    for (long i = 0; i < count; i++) {
        int rc = asyncio_await_unref(tasks[i], NULL);
        if (rc != -ECANCELED)
            return rc < 0 ? rc : -EPROTO;
    }
    return 0;
}

int bench_asleep(long count, bench_result_t *result)
{
    asyncio_task_t **tasks = malloc((size_t)count * sizeof(asyncio_task_t *));
    if (!tasks)
        return -ENOMEM;
    /* The array belongs to the benchmark, not to the tasks: touch its pages before measuring. */
    for (long i = 0; i < count; i++)
        tasks[i] = NULL;
    __asm__ volatile("" : : "r"(tasks) : "memory");

    int64_t before_bytes = bench_resident_bytes(), before_tables = bench_page_table_bytes();
    int64_t begin_ns = bench_now_ns();
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i++) {
        tasks[i] = asyncio_create_task(sleep_an_hour_coroutine());
        if (!tasks[i])
            rc = asyncio_errno();
    }
    if (rc == 0)
        rc = asyncio_sleep(0);
    result->elapsed_ns = bench_now_ns() - begin_ns;
    int64_t grown_bytes = bench_resident_bytes() - before_bytes;
    result->bytes_per_task = (double)grown_bytes / (double)count;
    result->table_bytes_per_task =
        (double)(bench_page_table_bytes() - before_tables) / (double)count;
    if (rc == 0) {
        begin_ns = bench_now_ns();
        rc = cancel_all(tasks, count);
        result->end_ns = bench_now_ns() - begin_ns;
    }
    free(tasks);
    return rc;
}
