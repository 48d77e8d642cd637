/* SPDX-License-Identifier: MIT */
/*
 * Tasks inside the library: the record, the step, and how a coroutine suspends.
 *
 * A task waits for at most one future at a time, through the callback in its own record; so
 * neither a wait nor a wake-up allocates. While it is pending, either it waits for a future, or
 * its step is in the ready queue. The loop's list of tasks holds a reference to each pending one.
 *
 *     rc = asyncio__future_wait(&waiter);     0: the future is finished
 *                                            -ECANCELED: this task was cancelled, even if the
 *                                             future has a value: pass on what it stands for
 */
#ifndef ASYNCIO__TASK_TASK_H
#define ASYNCIO__TASK_TASK_H

#include <asyncio/task.h>

#include "coroutine/coroutine.h"
#include "task/future.h"

typedef struct asyncio__task {
    asyncio_future_t future;        /* what others see; first, so that both are one address */
    asyncio__callback_t wait;       /* the step, and the future that it waits for */
    asyncio__list_t link;           /* in loop->tasks->pending */
    asyncio_coroutine_t *coroutine; /* a reference, while pending */
    asyncio__locals_t locals;       /* its error's slot and its context */
    asyncio_error_t *cancel_message;/* of the latest cancel that became must_cancel */
    struct asyncio__group_member *kept_members; /* of the task group that it left last */
    uintptr_t name;                 /* the address of its name; odd: it has a number, see below */
    int32_t resume_code;            /* what its suspension returns; before: an error to throw */
    bool must_cancel;               /* the next step throws CancelledError */
    bool late_cancel;               /* an I/O wait won against a cancel: the next wait throws */
    bool is_cancelling;             /* on the path of a cancel under way */
    bool is_started;                /* its body has begun */
    uint8_t timeouts;               /* timeout scopes that it has entered and not exited */
} asyncio__task_t;

/* What a task without a name of its own keeps in that place: its number in the process, doubled
 * and made odd. A thread takes numbers many at a time: they grow in each, from 1 in the first. */
static inline uintptr_t asyncio__name_of_number(uint32_t number)
{
    return (uintptr_t)number << 1 | 1;
}

/* What the task layer keeps for a loop: loop->tasks, NULL before the first task. */
typedef struct asyncio__task_layer {
    asyncio__loop_hook_t hook; /* ends the tasks at close; first, so that both are one address */
    asyncio__list_t pending;   /* the tasks that have not ended, in order of creation */
    asyncio__list_t generators; /* of async_generator.c: those that began and have not ended */
    bool generators_shut_down;  /* shutdown_asyncgens() was called */
    asyncio_task_factory_t *factory; /* makes the tasks; NULL: the library */
    void *factory_arg;               /* passed to it */
    void (*task_created)(asyncio_task_t *task, void *arg); /* tells of each new task; tests */
    void *task_created_arg;                                /* passed to it */
} asyncio__task_layer_t;

static inline asyncio__task_t *asyncio__task_of(asyncio_future_t *future)
{
    return (asyncio__task_t *)(void *)future;
}

/* The pending tasks of a loop, in order of creation; of a loop without tasks, an empty list. */
extern asyncio__list_t asyncio__no_tasks;
static inline asyncio__list_t *asyncio__pending_tasks(const asyncio_loop_t *loop)
{
    return loop->tasks ? &loop->tasks->pending : &asyncio__no_tasks;
}

/* A new task on a loop (NULL: the running one); coroutine is taken, also on failure. */
asyncio_task_t *asyncio__task_new(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                  const char *place);

/* The same with options (NULL: the defaults), by the loop's factory if it has one. */
asyncio_task_t *asyncio__task_new_full(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                       const asyncio_task_options_t *options, const char *place);

/* The loop (NULL: the running one) if a task can be made on it of that coroutine; else NULL with
 * the slot filled, and the coroutine was given up. */
asyncio_loop_t *asyncio__task_loop(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine);

/* A pending task whose first step is still to be scheduled; coroutine is taken, also on failure. */
asyncio__task_t *asyncio__task_make(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                    const char *place);

/* Runs the first step of such a task now, inside what runs. */
void asyncio__task_begin(asyncio__task_t *task);

/* Has a function told of each new task of a loop: 0 or -ENOMEM. */
int asyncio__tasks_watch(asyncio_loop_t *loop, void (*created)(asyncio_task_t *task, void *arg),
                         void *arg);

/* The running task of the running loop, or NULL with the slot filled. */
asyncio__task_t *asyncio__task_running(void);

/* Suspends the running coroutine until the future is done: 0, or what was thrown in. Pending or
 * done, of this loop. The caller holds the future. */
int asyncio__future_wait(asyncio_future_t *future);

/* What it keeps in that loop, from the first task on; made if need be. NULL: out of memory. */
asyncio__task_layer_t *asyncio__task_layer_of(asyncio_loop_t *loop);

/* The generator that is driven from the stack of that coroutine, and awaits, or NULL. */
asyncio_coroutine_t *asyncio__generator_driven_from(const asyncio__task_layer_t *hook,
                                                    const asyncio_coroutine_t *host);

/* At the end of a loop: its generators live on without it. */
void asyncio__generators_forget(asyncio__task_layer_t *hook);

/* Suspends for one turn: 0, or what was thrown in. */
int asyncio__give_way(void);

/* Raises a cancel that an I/O wait has left over: 0 or -ECANCELED. */
int asyncio__raise_late_cancel(void);

/* Why a NULL came instead of an awaitable: the constructor's code, or -EINVAL. */
int asyncio__fail_null(void);

/* Makes a future of an awaitable, on that loop; as asyncio_ensure_future(). */
asyncio_future_t *asyncio__ensure_future(asyncio_loop_t *loop, asyncio_awaitable_t *awaitable);

/* Releases the tasks of the task group that a task has left last. */
void asyncio__task_group_release(asyncio__task_t *parent);

/* Gives up awaitables that were handed over and will not be used: coroutine objects are closed. */
void asyncio__discard(asyncio_awaitable_t *awaitable);

/* Runs the step of a task: what its wait callback does. */
void asyncio__task_step(asyncio__ready_t *self);

#endif
