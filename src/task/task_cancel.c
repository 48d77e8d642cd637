/* SPDX-License-Identifier: MIT */
/*
 * Cancellation: down the chain of awaits, at once.
 *
 *     task ──> task ──> future                       the future is cancelled; the tasks wake up
 *     task ──> gathering ──> task ──> future         each child of the gathering
 *                       └──> future
 *
 * A walk goes down from the future that is cancelled to everything it waits for. The way back is
 * kept in the tasks (a mark) and in the gatherings (a frame), so that a cancel of any depth needs
 * neither stack nor memory. There are two walks: the first one only collects what there is and
 * fails with -EDEADLK where it meets a mark again, a ring of tasks that await each other; the
 * second one cancels. So nothing has been cancelled when a ring is found.
 *
 * A task that waits for nothing, or for what cannot be cancelled, gets must_cancel: its next step
 * throws CancelledError.
 *
 * Data wins over a cancel. A received byte must not be lost, so an I/O operation that has completed
 * returns its result although its task was cancelled meanwhile; the cancel becomes late_cancel, and
 * the task's next suspension fails with it before it starts anything. The flag is set by
 * asyncio__step_outcome() for futures whose class says keeps_value and by net/operation.c, and is
 * raised by asyncio__raise_late_cancel(). A coroutine that returns first ends with its result.
 */
#include "base/error.h"
#include "loop/debug.h"
#include "task/task.h"

/* Webs of gatherings have exponentially many paths: a cancel gives up after this many children. */
#define CHILDREN_MOST 1000000

/* What descend() returns when it has entered a gathering. */
#define ENTERED 2

typedef struct walk {
    asyncio_error_t *message;    /* goes with each cancel; borrowed */
    asyncio_future_t *gathering; /* the innermost one on the path, or NULL */
    long children;               /* of gatherings, visited so far */
    bool is_trial;               /* only collects, and cancels nothing */
    bool has_failed;             /* a ring, or too many children: only leaves the path */
    bool gave_up;                /* too many children */
} walk_t;

static bool is_gathering(const asyncio_future_t *future)
{
    return future->class && future->class->child;
}

static asyncio__cancel_frame_t *frame_of(asyncio_future_t *gathering)
{
    return gathering->class->cancel_frame(gathering);
}

/* Cancels what is at the end of a chain of awaits: 1, or 0 if it cannot be cancelled. */
static int cancel_end(const walk_t *walk, asyncio_future_t *future)
{
    if (asyncio__future_is_done(future))
        return 0;
    if (walk->is_trial)
        return 1;
    if (future->class && future->class->cancel)
        return future->class->cancel(future, walk->message);
    asyncio__future_make_cancelled(future, asyncio_error_ref(walk->message));
    return 1;
}

static void must_cancel(asyncio__task_t *task, asyncio_error_t *message)
{
    asyncio__error_drop(task->cancel_message);
    task->cancel_message = asyncio_error_ref(message);
    task->must_cancel = true;
    task->late_cancel = false;
}

/* Goes back up the tasks first to last, which led to what returned rc: 1, 0 or -EDEADLK. Returns
 * what the cancel of the first one returns. */
static int ascend(const walk_t *walk, asyncio_future_t *first, asyncio_future_t *last, int rc)
{
    if (!first)
        return rc;
    for (asyncio_future_t *at = first;; at = asyncio__task_of(at)->wait.future) {
        asyncio__task_of(at)->is_cancelling = false;
        if (rc == -EDEADLK && !walk->is_trial)
            at->requests--;
        if (at == last)
            break;
    }
    if (rc == 0 && !walk->is_trial)
        must_cancel(asyncio__task_of(last), walk->message);
    return rc == -EDEADLK ? rc : 1;
}

/* Goes down from a future through the tasks that wait, to the end of the chain. Enters a gathering
 * there, and returns ENTERED; cancels anything else, and returns what the cancel returns. */
static int descend(walk_t *walk, asyncio_future_t *future)
{
    asyncio_future_t *first = NULL, *last = NULL;
    while (asyncio__is_task(future) && !asyncio__future_is_done(future)) {
        asyncio__task_t *task = asyncio__task_of(future);
        if (task->is_cancelling)
            return ascend(walk, first, last, -EDEADLK);
        task->is_cancelling = true;
        future->requests += !walk->is_trial;
        first = first ? first : future;
        last = future;
        if (!task->wait.future)
            return ascend(walk, first, last, 0);
        future = task->wait.future;
    }
    if (!is_gathering(future))
        return ascend(walk, first, last, cancel_end(walk, future));
    asyncio__cancel_frame_t *frame = frame_of(future);
    if (frame->is_active)
        return ascend(walk, first, last, -EDEADLK);
    if (asyncio__future_is_done(future))
        return ascend(walk, first, last, 0);
    *frame = (asyncio__cancel_frame_t){.above = walk->gathering, .first = first, .last = last,
                                       .is_active = true, .requested = frame->requested};
    walk->gathering = future;
    return ENTERED;
}

/* Leaves the innermost gathering, and returns what its cancel returns. */
static int leave(walk_t *walk)
{
    asyncio__cancel_frame_t *frame = frame_of(walk->gathering);
    frame->is_active = false;
    walk->gathering = frame->above;
    if (walk->has_failed)
        return ascend(walk, frame->first, frame->last, -EDEADLK);
    frame->requested = frame->requested || (frame->any && !walk->is_trial);
    return ascend(walk, frame->first, frame->last, frame->any);
}

/* Visits everything that a cancel of this future reaches. */
static int visit_all(walk_t *walk, asyncio_future_t *future)
{
    int rc = descend(walk, future);
    while (walk->gathering) {
        asyncio__cancel_frame_t *frame = frame_of(walk->gathering);
        frame->any = frame->any || rc == 1;
        walk->gave_up = walk->gave_up || walk->children++ > CHILDREN_MOST;
        walk->has_failed = walk->has_failed || rc == -EDEADLK || walk->gave_up;
        asyncio_future_t *child =
            walk->has_failed ? NULL : walk->gathering->class->child(walk->gathering, frame->next++);
        rc = child ? descend(walk, child) : leave(walk);
    }
    return walk->is_trial && walk->gave_up ? 0 : rc;
}

/* A future that a cancel ends at once. */
static bool is_plain(const asyncio_future_t *future)
{
    return future->state == ASYNCIO__PENDING && !asyncio__is_task(future) &&
           (!future->class || (!future->class->cancel && !future->class->child));
}

int asyncio__future_cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    /* The most frequent case, a task that waits for a plain future, needs no walk. */
    if (asyncio__is_task(future) && !asyncio__future_is_done(future)) {
        asyncio__task_t *task = asyncio__task_of(future);
        asyncio_future_t *end = task->wait.future;
        if (end && is_plain(end) && !task->is_cancelling) {
            future->requests++;
            asyncio__future_make_cancelled(end, asyncio_error_ref(message));
            return 1;
        }
    }
    if (is_plain(future)) {
        asyncio__future_make_cancelled(future, asyncio_error_ref(message));
        return 1;
    }
    walk_t collecting = {.is_trial = true}, cancelling = {.message = message};
    int rc = visit_all(&collecting, future);
    return rc < 0 ? rc : visit_all(&cancelling, future);
}

int asyncio_task_cancel(asyncio_task_t *task, const char *message)
{
    if (!asyncio__is_task(task))
        return asyncio__fail_kind(task, "\"task\" must be a task");
    return asyncio_future_cancel(task, message);
}

int asyncio_task_uncancel(asyncio_task_t *future)
{
    if (!asyncio__is_task(future))
        return asyncio__fail_kind(future, "\"task\" must be a task");
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
        return asyncio__fail_kind(future, "\"task\" must be a task");
    return (int)future->requests;
}
