/* SPDX-License-Identifier: MIT */
/*
 * The thread pool: a queue under a lock, and threads that sleep until one of them is woken.
 *
 * At most one thread is on its way to the queue at a time: it was woken, was just started, or
 * looks for work before it sleeps. Whoever takes a job and leaves others behind sends the next one
 * on its way first; so each job is begun as soon as a thread is there for it, and a burst of short
 * jobs wakes few. The thread that fell asleep last is woken first: its memory is still warm.
 *
 * Threads are joined by who waits for a shutdown, else detached when the last reference goes. The
 * record belongs to its threads and to the references together: the last of them frees it, be it
 * a thread whose job held the last reference.
 */
#include <asyncio/thread_pool.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/patience.h"
#include "base/thread.h"
#include "executor/job.h"
#include "executor/thread.h"

#define WORKERS_MOST 1000000

typedef struct pool pool_t;

typedef struct worker {
    sem_t wake;               /* what it sleeps on */
    pool_t *pool;             /* which it serves */
    struct worker *next_idle; /* fell asleep before it */
    struct worker *next;      /* was started before it */
    pthread_t thread;         /* to join or detach, once */
    bool is_joined;           /* that was done, or is being done */
    bool is_searching;        /* on its way to the queue; counted in the pool */
} worker_t;

struct pool {
    asyncio_executor_t base;  /* the interface; counted by who submits */
    atomic_uint owners;       /* who needs this record: threads, and 1 for the references */
    size_t most_count;        /* threads at most */
    unsigned fork_generation; /* of the process that made it */
    char name[16];            /* what the threads' names begin with */
    pthread_mutex_t joining;  /* held by who joins threads */
    char apart[96];           /* what is above is read by those who do not want the lock's line */
    pthread_mutex_t lock;     /* of all below */
    asyncio__list_t queue;    /* jobs that wait, in order */
    bool has_searching;       /* a thread is on its way to the queue */
    bool is_shut_down;        /* no job is taken any more */
    worker_t *idle;           /* threads that sleep, latest first */
    worker_t *workers;        /* all threads that were started, latest first */
    size_t count;             /* of workers */
    char looked_at[64];       /* who looks at what is below does not want the lock's line either */
    atomic_bool has_jobs;     /* the queue is not empty; read without the lock by who looks */
    asyncio__patience_t patience; /* of who looks */
    char behind[64];          /* nor does what stands behind this record */
};

static pool_t *pool_of(asyncio_executor_t *executor)
{
    return ASYNCIO__CONTAINER(executor, pool_t, base);
}

static void drop_owner(pool_t *pool)
{
    /* Release here, acquire in the last one: it frees what the others have written. */
    if (atomic_fetch_sub_explicit(&pool->owners, 1, memory_order_acq_rel) != 1)
        return;
    while (pool->workers) {
        worker_t *worker = pool->workers;
        pool->workers = worker->next;
        sem_destroy(&worker->wake);
        asyncio__free(worker, sizeof(*worker));
    }
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->joining);
    asyncio__free(pool, sizeof(*pool));
}

/* --- threads ------------------------------------------------------------------------------- */

static void *run_worker(void *arg);

/* Starts a thread, which is on its way to the queue then. Under the lock. */
static int start_worker(pool_t *pool)
{
    worker_t *worker = asyncio__calloc(sizeof(*worker));
    if (!worker)
        return -ENOMEM;
    worker->pool = pool;
    worker->is_searching = true;
    sem_init(&worker->wake, /* pshared= */ 0, 0);
    atomic_fetch_add_explicit(&pool->owners, 1, memory_order_relaxed);
    int rc = asyncio__thread_start(&worker->thread, NULL, run_worker, worker);
    if (rc < 0) {
        atomic_fetch_sub_explicit(&pool->owners, 1, memory_order_relaxed);
        sem_destroy(&worker->wake);
        asyncio__free(worker, sizeof(*worker));
        return rc;
    }
    worker->next = pool->workers;
    pool->workers = worker;
    pool->count++;
    pool->has_searching = true;
    return 0;
}

/* Sees to it that a thread is on its way to the queue, if there can be one. Under the lock, which
 * it leaves: to wake somebody who runs into it would be a waste. 0 or why none could be started. */
static int send_and_unlock(pool_t *pool)
{
    int rc = 0;
    worker_t *worker = NULL;
    if (!pool->has_searching) {
        worker = pool->idle;
        if (worker) {
            pool->idle = worker->next_idle;
            worker->is_searching = pool->has_searching = true;
        } else if (pool->count < pool->most_count) {
            rc = start_worker(pool);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    if (worker)
        sem_post(&worker->wake);
    return rc;
}

static void stop_searching(worker_t *worker)
{
    if (worker->is_searching)
        worker->is_searching = worker->pool->has_searching = false;
}

static asyncio__list_t *take(pool_t *pool)
{
    asyncio__list_t *link = asyncio__list_pop(&pool->queue);
    if (link && asyncio__list_is_empty(&pool->queue))
        atomic_store_explicit(&pool->has_jobs, false, memory_order_relaxed);
    return link;
}

/* Looks for a job a short while before it sleeps, one thread at a time: whether there is one.
 * Under the lock, which it leaves and takes again. */
static bool look_around(worker_t *worker)
{
    pool_t *pool = worker->pool;
    if (pool->has_searching && !worker->is_searching)
        return false;
    uint32_t rounds = asyncio__patience_rounds(&pool->patience);
    if (rounds == 0)
        return false;
    worker->is_searching = pool->has_searching = true;
    pthread_mutex_unlock(&pool->lock);
    /* Relaxed: the queue itself is looked at under the lock. */
    while (rounds > 0 && !atomic_load_explicit(&pool->has_jobs, memory_order_relaxed)) {
        asyncio__pause();
        rounds--;
    }
    pthread_mutex_lock(&pool->lock);
    asyncio__patience_learn(&pool->patience, rounds > 0);
    return !asyncio__list_is_empty(&pool->queue);
}

/* Sleeps until it is woken. Under the lock, which it leaves and takes again. */
static void sleep_idle(worker_t *worker)
{
    pool_t *pool = worker->pool;
    stop_searching(worker);
    worker->next_idle = pool->idle;
    pool->idle = worker;
    pthread_mutex_unlock(&pool->lock);
    while (sem_wait(&worker->wake) < 0)
        ; /* interrupted by a debugger */
    pthread_mutex_lock(&pool->lock);
}

static void *run_worker(void *arg)
{
    worker_t *worker = arg;
    pool_t *pool = worker->pool;
    pthread_mutex_lock(&pool->lock);
    pthread_setname_np(pthread_self(), pool->name);
    for (;;) {
        asyncio__list_t *link = take(pool);
        if (link) {
            stop_searching(worker);
            if (asyncio__list_is_empty(&pool->queue))
                pthread_mutex_unlock(&pool->lock);
            else
                /* If no thread can be started, the jobs wait for those that are there. */
                asyncio__ignore(send_and_unlock(pool));
            asyncio_job_run(ASYNCIO__CONTAINER(link, asyncio_job_t, link));
            pthread_mutex_lock(&pool->lock);
        } else if (pool->is_shut_down) {
            break;
        } else if (!look_around(worker) && !pool->is_shut_down) {
            sleep_idle(worker);
        }
    }
    stop_searching(worker);
    pthread_mutex_unlock(&pool->lock);
    drop_owner(pool);
    return NULL;
}

/* --- the executor -------------------------------------------------------------------------- */

static int submit(asyncio_executor_t *executor, asyncio_job_t *job)
{
    pool_t *pool = pool_of(executor);
    if (pool->fork_generation != asyncio__fork_generation)
        return ASYNCIO_ERUNTIME;
    pthread_mutex_lock(&pool->lock);
    if (pool->is_shut_down) {
        pthread_mutex_unlock(&pool->lock);
        return ASYNCIO_ERUNTIME;
    }
    if (ASYNCIO__UNLIKELY(pool->count == 0)) {
        int rc = start_worker(pool);
        if (rc < 0) {
            pthread_mutex_unlock(&pool->lock);
            return rc;
        }
    }
    asyncio__list_append(&pool->queue, &job->link);
    atomic_store_explicit(&pool->has_jobs, true, memory_order_relaxed);
    asyncio__ignore(send_and_unlock(pool));
    return 0;
}

static bool withdraw(asyncio_executor_t *executor, asyncio_job_t *job)
{
    pool_t *pool = pool_of(executor);
    if (pool->fork_generation != asyncio__fork_generation)
        return false;
    pthread_mutex_lock(&pool->lock);
    bool is_waiting = asyncio__list_is_member(&job->link);
    asyncio__list_remove(&job->link);
    if (asyncio__list_is_empty(&pool->queue))
        atomic_store_explicit(&pool->has_jobs, false, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    return is_waiting;
}

/* Refuses jobs and lets idle threads end. Those that wait are moved out, if asked for. */
static void close_queue(pool_t *pool, asyncio__list_t *ret_jobs)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_shut_down = true;
    if (ret_jobs)
        asyncio__list_move(&pool->queue, ret_jobs);
    atomic_store_explicit(&pool->has_jobs, !asyncio__list_is_empty(&pool->queue),
                          memory_order_relaxed);
    while (pool->idle) {
        worker_t *worker = pool->idle;
        pool->idle = worker->next_idle;
        sem_post(&worker->wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Joins all threads but the calling one, or detaches all. New ones may be started meanwhile by
 * those that still empty the queue. */
static void end_threads(pool_t *pool, bool join)
{
    pthread_mutex_lock(&pool->joining);
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        worker_t *worker = pool->workers;
        while (worker && (worker->is_joined || (join && pthread_equal(worker->thread,
                                                                      pthread_self()))))
            worker = worker->next;
        if (worker)
            worker->is_joined = true;
        pthread_mutex_unlock(&pool->lock);
        if (!worker)
            break;
        if (join)
            pthread_join(worker->thread, NULL);
        else
            pthread_detach(worker->thread);
    }
    pthread_mutex_unlock(&pool->joining);
}

static void shut_down(asyncio_executor_t *executor, bool wait, bool cancel_futures)
{
    pool_t *pool = pool_of(executor);
    if (pool->fork_generation != asyncio__fork_generation)
        return; /* the threads, and who held the lock, are in the parent */
    asyncio__list_t jobs;
    asyncio__list_init(&jobs);
    close_queue(pool, cancel_futures ? &jobs : NULL);
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(&jobs)))
        asyncio_job_cancel(ASYNCIO__CONTAINER(link, asyncio_job_t, link));
    if (wait)
        end_threads(pool, /* join= */ true);
}

static void destroy(asyncio_executor_t *executor)
{
    pool_t *pool = pool_of(executor);
    if (pool->fork_generation != asyncio__fork_generation)
        return; /* leaked rather than harmed */
    close_queue(pool, NULL);
    end_threads(pool, /* join= */ false);
    drop_owner(pool);
}

static const asyncio_executor_class_t methods = {
    .size = sizeof(methods),
    .submit = submit,
    .shutdown = shut_down,
    .destroy = destroy,
    .withdraw = withdraw,
};

static size_t default_workers(void)
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
    if (options->size < sizeof(*options) || options->max_workers > WORKERS_MOST)
        return asyncio__fail_new(-EINVAL, "bad options of a thread pool");
    asyncio__fork_watch();
    pool_t *pool = asyncio__calloc(sizeof(*pool));
    if (!pool)
        return asyncio__fail_new(-ENOMEM, NULL);
    asyncio__ignore(asyncio_executor_init(&pool->base, &methods));
    atomic_init(&pool->owners, 1);
    pool->most_count = options->max_workers ? options->max_workers : default_workers();
    pool->fork_generation = asyncio__fork_generation;
    const char *name = options->thread_name_prefix ? options->thread_name_prefix : "asyncio";
    snprintf(pool->name, sizeof(pool->name), "%s", name);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    /* It is held for a few instructions: rather try again for a moment than sleep. */
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&pool->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&pool->joining, NULL);
    asyncio__list_init(&pool->queue);
    return &pool->base;
}

int asyncio_thread_pool_executor_shutdown(asyncio_executor_t *executor, bool wait,
                                          bool cancel_futures)
{
    if (!executor || executor->methods != &methods)
        return asyncio__fail(-EINVAL, "no thread pool was given");
    return asyncio_executor_shutdown(executor, wait, cancel_futures);
}
