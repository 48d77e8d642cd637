/* SPDX-License-Identifier: MIT */
/* What the tests of executors share: pools, and a job that is held up until the test lets it go. */
#ifndef TESTS_EXECUTOR_FIXTURE_H
#define TESTS_EXECUTOR_FIXTURE_H

#include "support/support.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

/* A job that can be blocked at a gate, and the record of its calls. */
typedef struct held {
    sem_t begun;       /* posted when it has begun */
    sem_t gate;        /* it continues when this is posted */
    atomic_int runs;   /* how often it ran to its end */
    int destroyed;     /* how often its value was destroyed */
    int code;          /* what it returns; 0: a value */
    pthread_t thread;  /* where it ran */
} held_t;

static inline void held_init(held_t *held)
{
    memset(held, 0, sizeof(*held));
    sem_init(&held->begun, 0, 0);
    sem_init(&held->gate, 0, 0);
}

static inline void held_fini(held_t *held)
{
    sem_destroy(&held->begun);
    sem_destroy(&held->gate);
}

static inline void pass_gate(held_t *held)
{
    held->thread = pthread_self();
    sem_post(&held->begun);
    sem_wait(&held->gate);
    held->runs++;
}

/* Waits at its gate. Its value counts its destructions. */
static inline int wait_at_gate(void *arg, void **ret_result)
{
    held_t *held = arg;
    pass_gate(held);
    if (held->code < 0)
        return asyncio_raise(held->code, "behind the gate");
    return asyncio_return(ret_result, &held->destroyed, count_destruction);
}

static inline asyncio_executor_t *new_pool(size_t most)
{
    asyncio_thread_pool_options_t options = {.size = sizeof(options), .max_workers = most};
    asyncio_executor_t *pool = asyncio_thread_pool_executor_new(&options);
    assert_non_null(pool);
    return pool;
}

static inline void end_pool(asyncio_executor_t *pool)
{
    assert_int_equal(asyncio_thread_pool_executor_shutdown(pool, true, false), 0);
    asyncio_executor_unref(pool);
}

#endif
