/* SPDX-License-Identifier: MIT */
/*
 * Cancel: down the chain of awaits, at once, in a loop.
 *
 * A task passes the cancel to what it waits for; a gathering to each of its children. The way
 * back is kept in the tasks (a mark) and in the gatherings (a frame), so that a cancel of any
 * depth needs neither stack nor memory. Meeting a mark again is a ring of tasks that await each
 * other: -EDEADLK. Where a gathering is met, all below it is gone through on trial first, so that
 * nothing has been cancelled when a ring is found.
 */
#include "base/error.h"
#include "loop/debug.h"
#include "task/task.h"

/* Webs of gatherings can be exponentially deep: a cancel gives up behind so many children. */
#define CHILDREN_MOST 1000000

static bool is_gathering(const asyncio_future_t *future)
{
    return future->class && future->class->child;
}

static int cancel_plain(asyncio_future_t *future, asyncio_error_t *message)
{
    if (asyncio__future_is_done(future))
        return 0;
    if (future->class && future->class->cancel)
        return future->class->cancel(future, message);
    asyncio__future_make_cancelled(future, asyncio_error_ref(message));
    return 1;
}

static void must_cancel(asyncio__task_t *task, asyncio_error_t *message)
{
    asyncio__error_drop(task->cancel_message);
    task->cancel_message = asyncio_error_ref(message);
    task->must_cancel = true;
    task->late_cancel = false;
}

/* What was reached through the tasks first … last answered: so do they. */
static int climb(asyncio_future_t *first, asyncio_future_t *last, asyncio_error_t *message,
                 bool is_trial, int answer)
{
    if (!first)
        return answer;
    for (asyncio_future_t *at = first;; at = asyncio__task_of(at)->wait.future) {
        asyncio__task_of(at)->is_cancelling = false;
        if (answer == -EDEADLK && !is_trial)
            at->requests--;
        if (at == last)
            break;
    }
    if (answer == 0 && !is_trial)
        must_cancel(asyncio__task_of(last), message);
    return answer == -EDEADLK ? answer : 1;
}

/* Walks down from a future through tasks. Answers what is at the end of the chain, or NULL where
 * a mark was met again. */
static asyncio_future_t *walk_down(asyncio_future_t *future, bool is_trial,
                                   asyncio_future_t **ret_first, asyncio_future_t **ret_last)
{
    *ret_first = *ret_last = NULL;
    while (asyncio__is_task(future) && !asyncio__future_is_done(future)) {
        asyncio__task_t *task = asyncio__task_of(future);
        if (task->is_cancelling)
            return NULL;
        task->is_cancelling = true;
        future->requests += !is_trial;
        if (!*ret_first)
            *ret_first = future;
        *ret_last = future;
        if (!task->wait.future)
            break;
        future = task->wait.future;
    }
    return future;
}

/* Goes through all that a cancel reaches, and cancels it; or only goes through it. */
static int walk(asyncio_future_t *future, asyncio_error_t *message, bool is_trial)
{
    asyncio_future_t *gathering = NULL; /* the innermost on the path */
    long children = 0;
    bool gave_up = false; /* no ring was found in so many */
    for (;;) {
        asyncio_future_t *first, *last;
        asyncio_future_t *end = walk_down(future, is_trial, &first, &last);
        int answer;
        if (!end || (is_gathering(end) && end->class->cancel_frame(end)->is_active)) {
            answer = -EDEADLK;
        } else if (end == last) {
            answer = 0; /* a task that waits for nothing: it must be cancelled itself */
        } else if (is_gathering(end) && !asyncio__future_is_done(end)) {
            if (!is_trial && !gathering && walk(end, NULL, /* is_trial= */ true) < 0) {
                climb(first, last, message, is_trial, -EDEADLK);
                return -EDEADLK;
            }
            *end->class->cancel_frame(end) = (asyncio__cancel_frame_t){
                .above = gathering, .first = first, .last = last, .is_active = true,
                .requested = end->class->cancel_frame(end)->requested};
            gathering = end;
            goto next_child;
        } else if (is_trial) {
            answer = asyncio__future_is_done(end) ? 0 : 1;
        } else {
            answer = cancel_plain(end, message);
        }
        answer = climb(first, last, message, is_trial, answer);
        for (;;) {
            if (!gathering)
                return is_trial && gave_up ? 0 : answer;
            asyncio__cancel_frame_t *frame = gathering->class->cancel_frame(gathering);
            frame->any = frame->any || answer == 1;
            if (answer != -EDEADLK && ++children < CHILDREN_MOST)
                break;
            gave_up = gave_up || answer != -EDEADLK;
            answer = -EDEADLK; /* leave every gathering on the path */
            frame->is_active = false;
            gathering = frame->above;
            answer = climb(frame->first, frame->last, message, is_trial, answer);
        }
    next_child:
        for (;;) {
            asyncio__cancel_frame_t *frame = gathering->class->cancel_frame(gathering);
            future = gathering->class->child(gathering, frame->next++);
            if (future)
                break;
            frame->is_active = false;
            frame->requested = frame->requested || (frame->any && !is_trial);
            answer = climb(frame->first, frame->last, message, is_trial, frame->any ? 1 : 0);
            gathering = frame->above;
            if (!gathering)
                return answer;
            asyncio__cancel_frame_t *outer = gathering->class->cancel_frame(gathering);
            outer->any = outer->any || answer == 1;
        }
    }
}

/* A future that a cancel ends at once. */
static bool is_plain(const asyncio_future_t *future)
{
    return future->state == ASYNCIO__PENDING && !asyncio__is_task(future) &&
           (!future->class || (!future->class->cancel && !future->class->child));
}

int asyncio__future_cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    /* Most that are cancelled are tasks that wait for a plain future: a walk of one step. */
    if (asyncio__is_task(future) && !asyncio__future_is_done(future)) {
        asyncio__task_t *task = asyncio__task_of(future);
        asyncio_future_t *end = task->wait.future;
        if (end && is_plain(end) && !task->is_cancelling) {
            future->requests++;
            asyncio__future_make_cancelled(end, asyncio_error_ref(message));
            return 1;
        }
    }
    return walk(future, message, /* is_trial= */ false);
}

int asyncio_task_cancel(asyncio_task_t *task, const char *message)
{
    if (!asyncio__is_task(task))
        return asyncio__fail_kind(task, "no task was given");
    return asyncio_future_cancel(task, message);
}

int asyncio_task_uncancel(asyncio_task_t *future)
{
    if (!asyncio__is_task(future))
        return asyncio__fail_kind(future, "no task was given");
    int rc = asyncio__loop_check_here(future->loop);
    if (rc < 0)
        return rc;
    asyncio__task_t *task = asyncio__task_of(future);
    if (future->requests > 0 && --future->requests == 0) {
        task->must_cancel = false;
        task->late_cancel = false;
    }
    return (int)future->requests;
}

int asyncio_task_cancelling(const asyncio_task_t *future)
{
    if (!asyncio__is_task(future))
        return asyncio__fail_kind(future, "no task was given");
    return (int)future->requests;
}
