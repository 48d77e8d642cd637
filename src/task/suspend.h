/* SPDX-License-Identifier: MIT */
/*
 * How a task suspends: inline in the few functions that programs call most.
 *
 * After a switch the processor's stack of return addresses is that of the task before, so that
 * each return up to the program is predicted wrongly and costs as much as all the rest; the first
 * of them can be spared, see coroutine/fiber_return.h. Hence as few calls as can be lie between the
 * program and the switch.
 *
 * Whoever suspends looks at the head of the ready queue: if that is a step of another task, it
 * switches there directly; else to the loop. That changes nothing in the order of what runs.
 */
#ifndef ASYNCIO__TASK_SUSPEND_H
#define ASYNCIO__TASK_SUSPEND_H

#include "base/thread.h"
#include "task/task.h"

/* Steps that may be ready while what they need is thought to be in the cache all the same; if there
 * are more, it is fetched ahead. */
#define ASYNCIO__STEPS_IN_CACHE 2048
void asyncio__steps_fetch(const asyncio__ring_t *ready);

/* The rare cases, of task.c. */
int asyncio__step_outcome(asyncio__task_t *task, asyncio_future_t *future);
bool asyncio__task_give_stack(asyncio__task_t *task);
void asyncio__task_end_unstarted(asyncio__task_t *task, int code, const char *message);
void asyncio__task_end(asyncio__task_t *task, int code, asyncio__result_t result);
int asyncio__refuse_await(asyncio_coroutine_t *coroutine);
int asyncio__fail_next_step(asyncio__task_t *task, const char *message);
int asyncio__wait_rarely(asyncio_future_t *future);

/* Whether a task cannot begin: its coroutine object has been started by someone else. */
static inline bool asyncio__task_is_refused(const asyncio__task_t *task)
{
    return !task->is_started && task->coroutine->state != ASYNCIO__COROUTINE_CREATED;
}

/* The step up to where the coroutine goes on: what its suspension will answer. */
static inline __attribute__((always_inline)) void asyncio__step_begin(asyncio__task_t *task)
{
    asyncio_future_t *future = task->wait.future;
    if (ASYNCIO__UNLIKELY(task->must_cancel || (future && future->state != ASYNCIO__FINISHED)))
        task->resume_code = asyncio__step_outcome(task, future);
    else if (future)
        task->resume_code = 0;
    if (future) {
        task->wait.future = NULL;
        future->refs--; /* the schedule's; the waiting function has one of its own */
    }
    asyncio__thread.task = &task->future;
    asyncio__thread.coroutine = task->coroutine;
    asyncio__thread.locals = &task->locals;
}

/* The next thing to run, if that is a step of a task and may be run from here; taken out. */
static inline __attribute__((always_inline)) asyncio__task_t *
asyncio__step_take(asyncio_loop_t *loop)
{
    if (loop->todo == 0 && !asyncio__loop_next_turn_quickly(loop))
        return NULL;
    if (ASYNCIO__UNLIKELY(loop->is_observed || loop->closed))
        return NULL;
    if (ASYNCIO__UNLIKELY(asyncio__ring_count(&loop->ready) > ASYNCIO__STEPS_IN_CACHE))
        asyncio__steps_fetch(&loop->ready);
    asyncio__ready_t *item = asyncio__ring_ahead(&loop->ready, 0);
    if (item->run != asyncio__task_step)
        return NULL;
    asyncio__task_t *task = ASYNCIO__CONTAINER(item, asyncio__task_t, wait.ready);
    /* What ends without running is the loop's business. */
    if (ASYNCIO__UNLIKELY(asyncio__task_is_refused(task)) ||
        (!task->is_started && task->must_cancel))
        return NULL;
    loop->todo--;
    asyncio__ring_pop(&loop->ready);
    return task;
}

/* Goes to the next task, or to the loop; returns when this task's next step has begun. */
static inline __attribute__((always_inline)) int asyncio__suspend(asyncio__task_t *task)
{
    asyncio_coroutine_t *coroutine = task->coroutine;
    ASYNCIO__SUSPENDS();
    coroutine->state = ASYNCIO__COROUTINE_WAITING;
    asyncio__task_t *next = asyncio__step_take(task->future.loop);
    if (next == NULL) {
        asyncio__fiber_switch(&coroutine->fiber, &asyncio__root);
    } else {
        asyncio__step_begin(next);
        if (next != task) {
            if (next->is_started || asyncio__task_give_stack(next)) {
                asyncio__fiber_switch(&coroutine->fiber, &next->coroutine->fiber);
            } else {
                asyncio__task_end_unstarted(next, -ENOMEM, "no stack for a task");
                asyncio__fiber_switch(&coroutine->fiber, &asyncio__root);
            }
        }
    }
    coroutine->state = ASYNCIO__COROUTINE_RUNNING;
    int rc = task->resume_code;
    if (ASYNCIO__UNLIKELY(rc < 0))
        ASYNCIO__SUSPENDS(); /* to be returned as ever, for callers mostly return it in turn */
    return rc;
}

/* What a suspension looks at first: 0, or why there is none. */
static inline int asyncio__before_suspension(asyncio_coroutine_t *coroutine)
{
    if (ASYNCIO__UNLIKELY(!coroutine))
        return asyncio__fail(ASYNCIO_ERUNTIME, "await outside a coroutine");
    if (ASYNCIO__UNLIKELY(coroutine->is_closing))
        return asyncio__refuse_await(coroutine);
    if (ASYNCIO__UNLIKELY(asyncio__thread.task &&
                          asyncio__task_of(asyncio__thread.task)->late_cancel))
        return asyncio__raise_late_cancel();
    return 0;
}

/* The running task, if it can suspend with nothing else to do before; else NULL. */
static inline __attribute__((always_inline)) asyncio__task_t *asyncio__task_ready_to_wait(void)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (ASYNCIO__UNLIKELY(!coroutine || coroutine->is_closing || coroutine->back))
        return NULL;
    asyncio__task_t *task = asyncio__task_of(asyncio__thread.task);
    return ASYNCIO__UNLIKELY(task->must_cancel || task->late_cancel) ? NULL : task;
}

/* asyncio__future_wait() for a future that the running task has just made on its loop, in the
 * caller. */
static inline __attribute__((always_inline)) int asyncio__future_wait_alone(
    asyncio_future_t *future)
{
    asyncio__task_t *task = asyncio__task_ready_to_wait();
    if (ASYNCIO__UNLIKELY(!task))
        return asyncio__wait_rarely(future);
    task->wait.next = NULL;
    task->wait.future = future;
    future->callbacks = future->last_callback = &task->wait;
    return asyncio__suspend(task);
}

/* asyncio__future_wait() for any that is pending, in the caller. */
static inline __attribute__((always_inline)) int asyncio__future_wait_here(asyncio_future_t *future)
{
    asyncio__task_t *task = asyncio__task_ready_to_wait();
    if (ASYNCIO__UNLIKELY(!task || future == &task->future ||
                          future->loop != task->future.loop))
        return asyncio__wait_rarely(future);
    asyncio__future_append_callback(future, &task->wait);
    return asyncio__suspend(task);
}

#endif
