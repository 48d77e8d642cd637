/* SPDX-License-Identifier: MIT */
/*
 * Worker threads: blocking work away from the loop's thread.
 *
 * An asyncio__workers_t has threads and one or more classes of work. Each class has a queue of its
 * own and a limit on the threads that work for it at once, so that no class can starve another.
 *
 *     asyncio__work_init(&work, run, ASYNCIO__WORK_LOOKUPS);
 *     rc = asyncio__workers_submit(asyncio__workers_shared(), &work);
 *
 * After a submit that returned 0, run(&work) is called exactly once in a worker thread, unless
 * withdraw(), abandon() or close() took the work out of the queue first. The memory of the work
 * belongs to the workers until then; run() may free it.
 *
 * There are two kinds of instances:
 *
 * - asyncio__workers_shared(), one for the process, with the classes below. Its threads end after
 *   ten idle seconds and are never joined. In a forked child it starts empty.
 * - asyncio__workers_new(), one for each thread-pool executor, with class 0 only. Its threads stay
 *   until asyncio__workers_close() and can be joined. In a forked child it refuses work.
 *
 * All functions may be called by any thread. Must not know: loops, tasks, executors.
 */
#ifndef ASYNCIO__WORKER_WORKER_H
#define ASYNCIO__WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* The classes of the shared instance. */
typedef enum asyncio__work_class {
    ASYNCIO__WORK_LOOKUPS, /* of names and addresses */
    ASYNCIO__WORK_FILES,   /* calls on files that the kernel cannot complete without blocking */
    ASYNCIO__WORK_JOBS,    /* the library's own blocking jobs, such as joining an executor */
    ASYNCIO__WORK_CLASSES, /* the number of classes */
} asyncio__work_class_t;

#define ASYNCIO__LOOKUPS_LIMIT 32 /* look-ups that run at once by default */
#define ASYNCIO__FILES_LIMIT   4  /* file operations that run at once */
#define ASYNCIO__JOBS_LIMIT    32 /* jobs that run at once */

/* Abandoned work does not count against its class's limit; but with it, a class of the shared
 * instance has at most this many times its limit of threads. */
#define ASYNCIO__WORK_ABANDONED_FACTOR 4

/* A piece of work, embedded in its owner. */
typedef struct asyncio__work {
    asyncio__list_t link;                    /* in the queue of its class; NULL links if in none */
    void (*run)(struct asyncio__work *self); /* what the thread calls */
    uint64_t ticket;                         /* set when a thread takes it: identifies the run */
    unsigned class_index;                    /* its class; 0 for an instance of one's own */
} asyncio__work_t;

typedef struct asyncio__workers asyncio__workers_t;

static inline void asyncio__work_init(asyncio__work_t *work,
                                      void (*run_work)(asyncio__work_t *self),
                                      unsigned class_index)
{
    asyncio__list_init_member(&work->link);
    work->run = run_work;
    work->ticket = 0;
    work->class_index = class_index;
}

/* The instance of the process. */
asyncio__workers_t *asyncio__workers_shared(void);

/* Makes an instance of at most thread_limit threads, whose names are the given one, cut at 15
 * bytes. Returns NULL if there is no memory. The caller has the one reference. */
asyncio__workers_t *asyncio__workers_new(const char *name, size_t thread_limit);

/* Closes the instance and drops the reference, without waiting: queued work still runs, then the
 * threads end. Not for the shared one. */
void asyncio__workers_unref(asyncio__workers_t *workers);

/* Queues work. Returns 0, ASYNCIO_ERUNTIME (closed, or made by the parent of this process),
 * -ENOMEM, or the code of pthread_create(): no thread works for the class and none could be
 * started. On failure the workers do not keep the work. */
int asyncio__workers_submit(asyncio__workers_t *workers, asyncio__work_t *work);

/* Takes work that was submitted out of the queue. Returns whether it was there: then run() is
 * never called. The work must not have been freed by its run(). */
bool asyncio__workers_withdraw(asyncio__workers_t *workers, asyncio__work_t *work);

/* As withdraw(); but work that has begun no longer counts against the limit of its class, because
 * nobody waits for it. */
bool asyncio__workers_abandon(asyncio__workers_t *workers, asyncio__work_t *work);

/* Refuses work from now on and lets the threads end once the queue is empty. With ret_queued, the
 * queued work is moved to that list instead of being run. */
void asyncio__workers_close(asyncio__workers_t *workers, asyncio__list_t *ret_queued);

/* Joins all threads but the calling one. After close(); queued work runs before. */
void asyncio__workers_join(asyncio__workers_t *workers);

/* Sets how many threads of the shared instance may work for a class at once: at least 1. */
void asyncio__workers_set_limit(asyncio__work_class_t class, size_t limit);

#endif
