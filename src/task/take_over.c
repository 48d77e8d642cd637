/* SPDX-License-Identifier: MIT */
/*
 * One coroutine object, several tasks: a misuse that has a meaning in asyncio.
 *
 * A task is made of a coroutine object that another task has begun, itself or by awaiting it. The
 * first step of the new one goes on with it, wherever it waits, and so does each later step of
 * either. Whose step it is when the coroutine ends gets what it answers; every other one finds an
 * ended coroutine and fails with ASYNCIO_ERUNTIME.
 *
 *     stack of the host:  [ host ... await c ][ c ... waits ]
 *                           ^ other             ^ a taker goes on here, and ends where c returns
 *
 * What waits for a future in a frame of the coroutine may outlive that frame: then it waits for an
 * orphan, which takes the future's place and will never be done, but can be cancelled.
 */
#include "base/memory.h"
#include "task/suspend.h"

/* A task that goes on with a coroutine that runs on the stack of another one. */
typedef struct asyncio__taker {
    asyncio__task_t *task;       /* pending; its coroutine is the host meanwhile */
    struct asyncio__taker *next; /* of the same coroutine */
} taker_t;

/* On whose stack the coroutine waits; NULL if it does not. */
static asyncio_coroutine_t *host_of(asyncio_coroutine_t *coroutine)
{
    asyncio_coroutine_t *host = coroutine;
    if (coroutine->state == ASYNCIO__COROUTINE_RUNNING && !coroutine->back)
        host = coroutine->host;
    if (!host || host->state != ASYNCIO__COROUTINE_WAITING || host->back || !host->stack)
        return NULL;
    return host;
}

ASYNCIO__COLD bool asyncio__take_over(asyncio__task_t *task)
{
    asyncio_coroutine_t *coroutine = task->coroutine, *host = host_of(coroutine);
    if (!host)
        return false;
    if (host != coroutine) {
        taker_t *taker = asyncio__malloc(sizeof(*taker));
        if (!taker)
            return false;
        *taker = (taker_t){task, coroutine->takers};
        coroutine->takers = taker; /* which holds the task's reference to the coroutine */
        task->coroutine = asyncio_coroutine_ref(host);
        asyncio__thread.coroutine = host;
    }
    task->is_started = true;
    return true;
}

/* Those that have taken it over have nothing but it, ended, again: was the running task among
 * them? */
static bool give_back(asyncio_coroutine_t *coroutine)
{
    bool is_taken = false;
    while (coroutine->takers) {
        taker_t *taker = coroutine->takers;
        coroutine->takers = taker->next;
        asyncio_coroutine_unref(taker->task->coroutine);
        taker->task->coroutine = coroutine;
        is_taken = is_taken || &taker->task->future == asyncio__thread.task;
        asyncio__free(taker, sizeof(*taker));
    }
    return is_taken;
}

ASYNCIO__COLD int asyncio__end_taken(asyncio_coroutine_t *coroutine, int code,
                                     asyncio__result_t result)
{
    asyncio_coroutine_t *host = asyncio__thread.coroutine;
    if (!give_back(coroutine))
        return code;
    asyncio__task_end(asyncio__task_of(asyncio__thread.task), code, result);
    host->state = ASYNCIO__COROUTINE_WAITING;
    asyncio__fiber_switch(&host->fiber, &asyncio__root);
    host->state = ASYNCIO__COROUTINE_RUNNING;
    /* Whatever is sent or thrown in now meets an ended coroutine. */
    if (host->is_closing)
        return asyncio__task_of(asyncio__thread.task)->resume_code;
    return asyncio__fail(ASYNCIO_ERUNTIME, "cannot reuse already awaited coroutine");
}

/* --- futures whose frame goes -------------------------------------------------------------- */

/* Puts a future that lives on in the place of one that goes. */
static void leave_orphan(asyncio_future_t *future)
{
    asyncio__task_hook_t *hook = (asyncio__task_hook_t *)future->loop->task_hook;
    asyncio_future_t *orphan =
        hook ? asyncio__future_new(future->loop, /* class= */ NULL, /* place= */ NULL) : NULL;
    if (orphan) {
        orphan->place = (const char *)(void *)hook->orphans;
        hook->orphans = orphan;
        orphan->callbacks = future->callbacks;
        orphan->last_callback = future->last_callback;
    }
    for (asyncio__callback_t *at = future->callbacks; at; at = at->next)
        at->future = orphan; /* without memory: nothing, and nothing will wake them */
    future->callbacks = NULL;
}

/* What a callback that is ready would do for the others that wait in this frame is done at once. */
ASYNCIO__COLD void asyncio__callback_hurry(asyncio__callback_t *callback)
{
    asyncio_future_t *future = callback->future;
    if (!future || !asyncio__future_is_done(future))
        return;
    asyncio__loop_unschedule(future->loop, callback->position);
    callback->ready.run(&callback->ready);
}

/* The future is done, and steps are on their way that would ask it how: they know it then. */
static void tell_outcome(asyncio_future_t *future)
{
    asyncio__list_t *tasks = &future->loop->tasks;
    for (asyncio__list_t *at = tasks->next; at != tasks; at = at->next) {
        asyncio__task_t *task = ASYNCIO__CONTAINER(at, asyncio__task_t, link);
        if (task->wait.future != future)
            continue;
        task->wait.future = NULL;
        asyncio_error_unref(task->locals.error);
        task->locals.error = NULL;
        task->resume_code = asyncio__future_outcome(future, &task->locals.error);
        future->refs--;
    }
}

ASYNCIO__COLD void asyncio__future_fini_rarely(asyncio_future_t *future)
{
    if (asyncio__future_callbacks(future))
        leave_orphan(future);
    if (future->refs != 1)
        tell_outcome(future);
    asyncio_error_unref(future->error);
}

ASYNCIO__COLD void asyncio__future_end_unheld(asyncio_future_t *future)
{
    future->refs = 1;
    asyncio_future_unref(future);
}
