/* SPDX-License-Identifier: MIT */
/*
 * run_coroutine_threadsafe: a task for which another thread waits.
 *
 * The visitor is a concurrent future with what the loop's thread needs. That thread has a
 * reference to it from the call until the task has ended, or the loop is closed; a cancel on its
 * way to the loop has another. The loop is touched in its own thread only.
 */
#include "base/context.h"
#include "base/memory.h"
#include "executor/concurrent_future.h"
#include "executor/flight.h"
#include "task/task.h"

typedef struct visitor {
    asyncio_concurrent_future_t future; /* what the other thread has */
    asyncio__inbox_node_t arrival;      /* brings the coroutine to the loop */
    asyncio__inbox_node_t recall;       /* brings a cancel */
    asyncio__inbox_t *inbox;            /* a reference */
    asyncio_loop_t *loop;               /* whose; used in its thread only */
    asyncio_coroutine_t *coroutine;     /* a reference, until it is a task */
    void *context;                      /* of who called, until it is a task: see context.h */
    asyncio_task_t *task;               /* a reference, while it runs */
    asyncio__callback_t task_done;      /* in the task */
    asyncio__list_t link;               /* in the loop's list of visitors, with the task */
} visitor_t;

static visitor_t *visitor_of(asyncio_concurrent_future_t *future)
{
    return ASYNCIO__CONTAINER(future, visitor_t, future);
}

static void finalize(asyncio_concurrent_future_t *future)
{
    asyncio__inbox_unref(visitor_of(future)->inbox);
}

static void drop(visitor_t *visitor)
{
    asyncio_concurrent_future_unref(&visitor->future);
}

static void fail(visitor_t *visitor, int code, asyncio_error_t *error)
{
    asyncio__concurrent_settle(&visitor->future, ASYNCIO__CONCURRENT_FAILED, code,
                               (asyncio__result_t){NULL, NULL}, error);
}

/* --- in the loop's thread ------------------------------------------------------------------ */

/* Tells the outcome of a task that is done. Its value moves, for the task's thread is not ours. */
static void tell(visitor_t *visitor)
{
    asyncio_future_t *task = visitor->task;
    asyncio__result_t result = {NULL, NULL};
    if (task->state == ASYNCIO__CANCELLED) {
        asyncio__concurrent_settle(&visitor->future, ASYNCIO__CONCURRENT_CANCELLED, 0, result,
                                   NULL);
    } else if (task->state == ASYNCIO__FAILED) {
        asyncio_error_t *error;
        int code = asyncio__future_outcome(task, &error);
        fail(visitor, code, error);
    } else {
        result.destroy = task->is_moved ? NULL : task->destroy;
        result.value = asyncio__future_move_value(task);
        asyncio__concurrent_settle(&visitor->future, ASYNCIO__CONCURRENT_FINISHED, 0, result,
                                   NULL);
    }
}

/* The loop has nothing to do with it any more. */
static void leave(visitor_t *visitor)
{
    asyncio__list_remove(&visitor->link);
    asyncio__loop_release(visitor->loop, 1);
    asyncio_task_t *task = visitor->task;
    visitor->task = NULL;
    asyncio_future_unref(task);
    drop(visitor);
}

static void on_task_done(asyncio__ready_t *self)
{
    visitor_t *visitor = ASYNCIO__CONTAINER(self, visitor_t, task_done.ready);
    asyncio_future_t *task = asyncio__callback_begin(&visitor->task_done);
    tell(visitor);
    asyncio_future_unref(task);
    leave(visitor);
}

void asyncio__visitors_close(asyncio__executor_state_t *state)
{
    while (!asyncio__list_is_empty(&state->visitors)) {
        visitor_t *visitor = ASYNCIO__CONTAINER(state->visitors.next, visitor_t, link);
        asyncio__future_drop_callback(&visitor->task_done);
        if (asyncio__future_is_done(visitor->task))
            tell(visitor);
        else
            fail(visitor, ASYNCIO_ERUNTIME,
                 asyncio__error_new_static(ASYNCIO_ERUNTIME, "Event loop is closed", NULL));
        leave(visitor);
    }
}

static int start(visitor_t *visitor)
{
    asyncio_loop_t *loop = visitor->loop;
    asyncio_coroutine_t *coroutine = visitor->coroutine;
    visitor->coroutine = NULL;
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__discard(coroutine);
        return asyncio__fail(-ENOMEM, NULL);
    }
    visitor->task = asyncio__task_new(loop, coroutine, NULL);
    if (!visitor->task) {
        asyncio__loop_release(loop, 1);
        int rc = asyncio_errno();
        return rc < 0 ? rc : -ENOMEM;
    }
    asyncio__list_append(&state->visitors, &visitor->link);
    visitor->task_done.ready.run = on_task_done;
    asyncio__future_add_callback(visitor->task, &visitor->task_done);
    return 0;
}

/* The task begins with a copy of the context of who called, which is given up. */
static int start_in(visitor_t *visitor, void *context)
{
    void *former;
    int rc = asyncio__context_begin(&context, &former);
    if (rc == 0) {
        rc = start(visitor);
        asyncio__context_end(&context, former);
    }
    asyncio__context_drop(context);
    return rc;
}

static void arrive(asyncio__inbox_node_t *node, bool closed)
{
    visitor_t *visitor = ASYNCIO__CONTAINER(node, visitor_t, arrival);
    void *context = visitor->context;
    visitor->context = NULL;
    if (!closed && !asyncio__concurrent_is_done(&visitor->future)) {
        int rc = start_in(visitor, context);
        if (rc == 0)
            return; /* the reference goes when it leaves */
        fail(visitor, rc, asyncio__error_take_of(rc));
    } else {
        /* Cancelled before it came; or there is no loop for it. */
        asyncio__discard(visitor->coroutine);
        visitor->coroutine = NULL;
        asyncio__context_drop(context);
        fail(visitor, ASYNCIO_ERUNTIME,
             asyncio__error_new_static(ASYNCIO_ERUNTIME, "Event loop is closed", NULL));
    }
    drop(visitor);
}

static void recall(asyncio__inbox_node_t *node, bool closed)
{
    visitor_t *visitor = ASYNCIO__CONTAINER(node, visitor_t, recall);
    if (!closed && visitor->task)
        asyncio__ignore(asyncio__future_cancel(visitor->task, NULL));
    drop(visitor);
}

/* --- in any thread ------------------------------------------------------------------------- */

/* The future is cancelled at once; the task hears of it by the inbox. */
static int cancel(asyncio_concurrent_future_t *future)
{
    visitor_t *visitor = visitor_of(future);
    asyncio_concurrent_future_ref(future); /* goes with the recall */
    if (!asyncio__concurrent_settle(future, ASYNCIO__CONCURRENT_CANCELLED, 0,
                                    (asyncio__result_t){NULL, NULL}, NULL)) {
        int answer = asyncio__concurrent_state(future) == ASYNCIO__CONCURRENT_CANCELLED;
        drop(visitor);
        return answer;
    }
    if (asyncio__inbox_post(visitor->inbox, &visitor->recall) < 0)
        drop(visitor);
    return 1;
}

static const asyncio__concurrent_class_t visitor_class = {.size_bytes = sizeof(visitor_t),
                                                          .cancel = cancel,
                                                          .finalize = finalize};

asyncio_concurrent_future_t *asyncio_run_coroutine_threadsafe(asyncio_coroutine_t *coroutine,
                                                              asyncio_loop_t *loop)
{
    if (!coroutine) {
        asyncio__thread.constructor_code = asyncio__fail_null();
        return NULL;
    }
    if (!asyncio_iscoroutine(coroutine))
        return asyncio__fail_new(-EINVAL, "A coroutine object is required");
    if (!loop) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(-EINVAL, "no loop was given");
    }
    asyncio_concurrent_future_t *future = asyncio__concurrent_new(&visitor_class);
    if (!future) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    visitor_t *visitor = visitor_of(future);
    visitor->arrival.deliver = arrive;
    visitor->recall.deliver = recall;
    visitor->loop = loop;
    visitor->coroutine = coroutine;
    visitor->context = asyncio__context_inherit(/* given= */ NULL);
    visitor->inbox = asyncio__inbox_ref(loop->inbox);
    asyncio_concurrent_future_ref(future); /* the loop's */
    if (asyncio__inbox_post(visitor->inbox, &visitor->arrival) < 0) {
        asyncio__discard(coroutine);
        asyncio__context_drop(visitor->context);
        drop(visitor);
        drop(visitor);
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "Event loop is closed");
    }
    return future;
}
