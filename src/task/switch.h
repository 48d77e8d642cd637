/* SPDX-License-Identifier: MIT */
/*
 * The switch: how a task suspends, and what runs next.
 *
 * A task that suspends looks at the head of the ready queue. If that is a step of another task, it
 * switches to it directly, without the loop in between; else it switches to the loop. The order of
 * what runs is the same. A stack whose coroutine has ended runs the next new task in place.
 *
 *     ready ring:  [step of B] [step of C] [a timer] ...
 *
 *     A suspends ──take──> B: is on its stack, suspends ──take──> C: has not begun, gets a stack
 *                                                                 and ends on it
 *                 the loop <──nothing to take, a timer comes── C's stack
 *
 * Taking an entry is asyncio__step_take(). C's stack may have taken a new task that needs a larger
 * stack; it gives the entry back to the head of the ring with asyncio__step_give_back(), and the
 * loop begins that task.
 *
 * Returning. The processor predicts returns with its own stack of return addresses. After a switch
 * that stack is still that of the task that suspended, so each return up to the program is
 * predicted wrongly, which costs as much as everything else together. Therefore few calls lie
 * between the program and the switch: what is needed for it is inline. The first return can be
 * predicted all the same:
 *
 *     A: f() ──call──> asyncio_sleep() ──switch──> asyncio_sleep() ──return──> B: g()
 *                                                   the processor predicts f()
 *
 *     the return address is the same            return: many tasks of one function
 *     another, B's own function, or the loop    jump: it is predicted from where it went last, and
 *                                               leaves one address too many on the processor's
 *                                               stack, but there are next to no returns above
 *     another, and deep in calls                return: one wrong prediction, the others right
 *
 * A function that suspends is marked ASYNCIO__RETURNS_ANEW and says ASYNCIO__SUSPENDS() before
 * it switches; coroutine/fiber_return.h has both. Other functions return as usual, and so does
 * everything on other machines, with compilers that lack the attribute, and with the build option
 * -Dreturn_prediction=false.
 */
#ifndef ASYNCIO__TASK_SWITCH_H
#define ASYNCIO__TASK_SWITCH_H

#include "base/thread.h"
#include "coroutine/fiber_return.h"
#include "task/task.h"

/* If more steps than this are ready, their records are fetched into the cache ahead of time. */
#define ASYNCIO__STEPS_IN_CACHE 2048
void asyncio__steps_fetch(const asyncio__ring_t *ready);

/* The rare cases, in switch.c. */
int asyncio__step_outcome(asyncio__task_t *task, asyncio_future_t *future);
bool asyncio__task_give_stack(asyncio__task_t *task);
void asyncio__task_end_unstarted(asyncio__task_t *task, int code, const char *message);
void asyncio__task_end(asyncio__task_t *task, int code, asyncio__result_t result);
int asyncio__refuse_await(asyncio_coroutine_t *coroutine);
int asyncio__fail_next_step(asyncio__task_t *task, const char *message);
int asyncio__wait_slow(asyncio_future_t *future);

/* Whether a task cannot begin: its coroutine object has been started by someone else. */
static inline bool asyncio__task_is_refused(const asyncio__task_t *task)
{
    return !task->is_started && task->coroutine->state != ASYNCIO__COROUTINE_CREATED;
}

/* Begins a step: decides what the suspension of its coroutine returns, and makes it the running
 * task. */
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

/* Takes the head of the ready ring if it is a step of a task that may run without the loop; else
 * returns NULL. */
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
    /* The loop ends those that will not run. */
    if (ASYNCIO__UNLIKELY(asyncio__task_is_refused(task)) ||
        (!task->is_started && task->must_cancel))
        return NULL;
    loop->todo--;
    asyncio__ring_pop(&loop->ready);
    return task;
}

/* Gives back what asyncio__step_take() has returned last. */
static inline void asyncio__step_give_back(asyncio_loop_t *loop)
{
    loop->todo++;
    asyncio__ring_unpop(&loop->ready);
}

/* Switches to the next task or to the loop; returns when this task's next step has begun. */
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
        ASYNCIO__SUSPENDS(); /* return as usual: the caller is likely to return rc in turn */
    else if (ASYNCIO__UNLIKELY(task->locals.error != NULL))
        asyncio_error_clear(); /* of a failure before this wait, which is over */
    return rc;
}

/* Whether the running coroutine may suspend: 0, or an error. */
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

/* The running task if nothing else has to be done before it suspends; else NULL. */
static inline __attribute__((always_inline)) asyncio__task_t *asyncio__task_ready_to_wait(void)
{
    asyncio_coroutine_t *coroutine = asyncio__thread.coroutine;
    if (ASYNCIO__UNLIKELY(!coroutine || coroutine->is_closing || coroutine->back))
        return NULL;
    asyncio__task_t *task = asyncio__task_of(asyncio__thread.task);
    return ASYNCIO__UNLIKELY(task->must_cancel || task->late_cancel) ? NULL : task;
}

/* asyncio__future_wait(), inline, for a future that the running task has just made on its loop. */
static inline __attribute__((always_inline)) int asyncio__future_wait_alone(
    asyncio_future_t *future)
{
    asyncio__task_t *task = asyncio__task_ready_to_wait();
    if (ASYNCIO__UNLIKELY(!task))
        return asyncio__wait_slow(future);
    task->wait.next = NULL;
    task->wait.future = future;
    future->callbacks = future->last_callback = &task->wait;
    return asyncio__suspend(task);
}

/* asyncio__future_wait(), inline, for any pending future. */
static inline __attribute__((always_inline)) int asyncio__future_wait_here(asyncio_future_t *future)
{
    asyncio__task_t *task = asyncio__task_ready_to_wait();
    if (ASYNCIO__UNLIKELY(!task || future == &task->future ||
                          future->loop != task->future.loop))
        return asyncio__wait_slow(future);
    asyncio__future_append_callback(future, &task->wait);
    return asyncio__suspend(task);
}

#endif
