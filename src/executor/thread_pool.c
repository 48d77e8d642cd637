/* SPDX-License-Identifier: MIT */
/* The thread pool: an executor over worker threads of its own; see worker/worker.h. */
#include <asyncio/thread_pool.h>
#include <sched.h>

#include "base/error.h"
#include "base/memory.h"
#include "executor/executor_job.h"

#define THREADS_MOST 1000000

typedef struct pool {
    asyncio_executor_t base;     /* the interface; counted by its users and its jobs */
    asyncio__workers_t *workers; /* the threads: the one reference */
} pool_t;

static asyncio__workers_t *workers_of(asyncio_executor_t *executor)
{
    return ASYNCIO__CONTAINER(executor, pool_t, base)->workers;
}

static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
{
    return asyncio__workers_submit(workers_of(executor), &job->work);
}

static bool withdraw(asyncio_executor_t *executor, asyncio_job_t *job)
{
    return asyncio__workers_withdraw(workers_of(executor), &job->work);
}

static void shut_down(asyncio_executor_t *executor, bool wait, bool cancel_futures)
{
    asyncio__workers_t *workers = workers_of(executor);
    asyncio__list_t queued;
    asyncio__list_init(&queued);
    asyncio__workers_close(workers, cancel_futures ? &queued : NULL);
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(&queued)))
        asyncio_job_cancel(ASYNCIO__CONTAINER(link, asyncio_job_t, work.link));
    if (wait)
        asyncio__workers_join(workers);
}

/* Perhaps in a thread of the pool, whose job held the last reference. */
static void destroy(asyncio_executor_t *executor)
{
    pool_t *pool = ASYNCIO__CONTAINER(executor, pool_t, base);
    asyncio__workers_unref(pool->workers);
    asyncio__free(pool, sizeof(*pool));
}

static const asyncio_executor_class_t methods = {
    .size = sizeof(methods),
    .submit = submit,
    .shutdown = shut_down,
    .destroy = destroy,
    .withdraw = withdraw,
};

static size_t default_thread_count(void)
{
    cpu_set_t set;
    size_t count = sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
    return count + 4 < 32 ? count + 4 : 32;
}

asyncio_executor_t *asyncio_thread_pool_executor_new(const asyncio_thread_pool_options_t *options)
{
    asyncio_thread_pool_options_t defaults = {.size = sizeof(defaults)};
    if (!options)
        options = &defaults;
    if (options->size < sizeof(*options))
        return asyncio__fail_new(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options->max_workers > THREADS_MOST)
        return asyncio__fail_new(-EINVAL, "\"options->max_workers\" must be at most 1000000");
    pool_t *pool = asyncio__calloc(sizeof(*pool));
    if (!pool)
        return asyncio__fail_new(-ENOMEM, NULL);
    const char *name = options->thread_name_prefix ? options->thread_name_prefix : "asyncio";
    pool->workers = asyncio__workers_new(
        name, options->max_workers ? options->max_workers : default_thread_count());
    if (!pool->workers) {
        asyncio__free(pool, sizeof(*pool));
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    asyncio__ignore(asyncio_executor_init(&pool->base, &methods));
    return &pool->base;
}

int asyncio_thread_pool_executor_shutdown(asyncio_executor_t *executor, bool wait,
                                          bool cancel_futures)
{
    if (!executor || executor->methods != &methods)
        return asyncio__fail(-EINVAL, "\"executor\" must be a thread pool executor");
    return asyncio_executor_shutdown(executor, wait, cancel_futures);
}
