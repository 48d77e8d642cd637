/* SPDX-License-Identifier: MIT */
/*
 * run_coroutine_threadsafe: a task for which another thread waits.
 *
 * The record is a concurrent future and what the loop's thread needs for the task. The loop's
 * thread holds a reference from the call until the task has ended or the loop is closed; a
 * cancellation on its way to the loop holds another. The loop is used in its own thread only.
 */
#include "base/context.h"
#include "base/error.h"
#include "executor/concurrent_future.h"
#include "executor/executor_state.h"
#include "task/task.h"

typedef struct remote_task {
    asyncio_concurrent_future_t future; /* what the other thread has */
    asyncio__inbox_node_t arrival;      /* brings the coroutine to the loop */
    asyncio__inbox_node_t recall;       /* brings a cancellation to the loop */
    asyncio__inbox_t *inbox;            /* of the loop: a reference */
    asyncio_loop_t *loop;               /* used in its thread only */
    asyncio_coroutine_t *coroutine;     /* a reference, until it is a task */
    void *context;                      /* of the caller, until it is a task: see context.h */
    asyncio_task_t *task;               /* a reference, while it runs */
    asyncio__callback_t task_done;      /* in the task */
    asyncio__executor_entry_t entry;    /* in the loop's list, with the task */
} remote_task_t;

static remote_task_t *remote_task_of(asyncio_concurrent_future_t *future)
{
    return ASYNCIO__CONTAINER(future, remote_task_t, future);
}

static void finalize(asyncio_concurrent_future_t *future)
{
    asyncio__inbox_unref(remote_task_of(future)->inbox);
}

static void drop(remote_task_t *remote)
{
    asyncio_concurrent_future_unref(&remote->future);
}

static void fail(remote_task_t *remote, int code, asyncio_error_t *error)
{
    asyncio__concurrent_settle(&remote->future, ASYNCIO__CONCURRENT_FAILED, code,
                               (asyncio__result_t){NULL, NULL}, error);
}

/* --- in the loop's thread ------------------------------------------------------------------ */

/* Passes on the outcome of a task that is done. Its value moves: the task belongs to the loop's
 * thread. */
static void pass_outcome_on(remote_task_t *remote)
{
    asyncio_future_t *task = remote->task;
    asyncio__result_t result = {NULL, NULL};
    if (task->state == ASYNCIO__CANCELLED) {
        asyncio__concurrent_settle(&remote->future, ASYNCIO__CONCURRENT_CANCELLED, 0, result,
                                   NULL);
    } else if (task->state == ASYNCIO__FAILED) {
        asyncio_error_t *error;
        int code = asyncio__future_outcome(task, &error);
        fail(remote, code, error);
    } else {
        result.destroy = task->is_moved ? NULL : task->destroy;
        result.value = asyncio__future_move_value(task);
        asyncio__concurrent_settle(&remote->future, ASYNCIO__CONCURRENT_FINISHED, 0, result,
                                   NULL);
    }
}

/* Ends the loop's use of the record. */
static void leave(remote_task_t *remote)
{
    asyncio__list_remove(&remote->entry.link);
    asyncio__loop_release(remote->loop, 1);
    asyncio_task_t *task = remote->task;
    remote->task = NULL;
    asyncio_future_unref(task);
    drop(remote);
}

static void on_task_done(asyncio__ready_t *self)
{
    remote_task_t *remote = ASYNCIO__CONTAINER(self, remote_task_t, task_done.ready);
    asyncio_future_t *task = asyncio__callback_begin(&remote->task_done);
    pass_outcome_on(remote);
    asyncio_future_unref(task);
    leave(remote);
}

/* The loop closes. */
static void close_entry(asyncio__executor_entry_t *entry)
{
    remote_task_t *remote = ASYNCIO__CONTAINER(entry, remote_task_t, entry);
    asyncio__future_drop_callback(&remote->task_done);
    if (asyncio__future_is_done(remote->task))
        pass_outcome_on(remote);
    else
        fail(remote, ASYNCIO_ERUNTIME,
             asyncio__error_new_static(ASYNCIO_ERUNTIME, "Event loop is closed", NULL));
    leave(remote);
}

static int start(remote_task_t *remote)
{
    asyncio_loop_t *loop = remote->loop;
    asyncio_coroutine_t *coroutine = remote->coroutine;
    remote->coroutine = NULL;
    asyncio__executor_state_t *state = asyncio__executor_state(loop);
    if (!state || asyncio__loop_reserve(loop, 1) < 0) {
        asyncio__discard(coroutine);
        return asyncio__fail(-ENOMEM, NULL);
    }
    remote->task = asyncio__task_new(loop, coroutine, NULL);
    if (!remote->task) {
        asyncio__loop_release(loop, 1);
        int rc = asyncio_errno();
        return rc < 0 ? rc : -ENOMEM;
    }
    remote->entry.close = close_entry;
    asyncio__list_append(&state->entries, &remote->entry.link);
    remote->task_done.ready.run = on_task_done;
    asyncio__future_add_callback(remote->task, &remote->task_done);
    return 0;
}

/* The task begins in a copy of the caller's context, whose reference is taken. */
static int start_in(remote_task_t *remote, void *context)
{
    void *former;
    int rc = asyncio__context_begin(&context, &former);
    if (rc == 0) {
        rc = start(remote);
        asyncio__context_end(&context, former);
    }
    asyncio__context_drop(context);
    return rc;
}

static void arrive(asyncio__inbox_node_t *node, bool closed)
{
    remote_task_t *remote = ASYNCIO__CONTAINER(node, remote_task_t, arrival);
    void *context = remote->context;
    remote->context = NULL;
    if (!closed && !asyncio__concurrent_is_done(&remote->future)) {
        int rc = start_in(remote, context);
        if (rc == 0)
            return; /* leave() drops the reference */
        fail(remote, rc, asyncio__error_take_of(rc));
    } else {
        /* It was cancelled before it arrived, or the loop is closed. */
        asyncio__discard(remote->coroutine);
        remote->coroutine = NULL;
        asyncio__context_drop(context);
        fail(remote, ASYNCIO_ERUNTIME,
             asyncio__error_new_static(ASYNCIO_ERUNTIME, "Event loop is closed", NULL));
    }
    drop(remote);
}

static void recall(asyncio__inbox_node_t *node, bool closed)
{
    remote_task_t *remote = ASYNCIO__CONTAINER(node, remote_task_t, recall);
    if (!closed && remote->task)
        asyncio__ignore(asyncio__future_cancel(remote->task, NULL));
    drop(remote);
}

/* --- in any thread ------------------------------------------------------------------------- */

/* Cancels the future at once, and the task by the inbox. */
static int cancel(asyncio_concurrent_future_t *future)
{
    remote_task_t *remote = remote_task_of(future);
    asyncio_concurrent_future_ref(future); /* the recall's */
    if (!asyncio__concurrent_settle(future, ASYNCIO__CONCURRENT_CANCELLED, 0,
                                    (asyncio__result_t){NULL, NULL}, NULL)) {
        int is_cancelled = asyncio__concurrent_state(future) == ASYNCIO__CONCURRENT_CANCELLED;
        drop(remote);
        return is_cancelled;
    }
    if (asyncio__inbox_post(remote->inbox, &remote->recall) < 0)
        drop(remote);
    return 1;
}

static const asyncio__concurrent_class_t remote_task_class = {.size_bytes = sizeof(remote_task_t),
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
        return asyncio__fail_new(-EINVAL, "\"loop\" must not be NULL");
    }
    asyncio_concurrent_future_t *future = asyncio__concurrent_new(&remote_task_class);
    if (!future) {
        asyncio__discard(coroutine);
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    remote_task_t *remote = remote_task_of(future);
    remote->arrival.deliver = arrive;
    remote->recall.deliver = recall;
    remote->loop = loop;
    remote->coroutine = coroutine;
    remote->context = asyncio__context_inherit(/* given= */ NULL);
    remote->inbox = asyncio__inbox_ref(loop->inbox);
    asyncio_concurrent_future_ref(future); /* the loop's */
    if (asyncio__inbox_post(remote->inbox, &remote->arrival) < 0) {
        asyncio__discard(coroutine);
        asyncio__context_drop(remote->context);
        drop(remote);
        drop(remote);
        return asyncio__fail_new(ASYNCIO_ERUNTIME, "Event loop is closed");
    }
    return future;
}
