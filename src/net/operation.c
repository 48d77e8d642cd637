/* SPDX-License-Identifier: MIT */
/* Waiting for completions; see operation.h. */
#include "net/operation.h"

#include "task/task.h"

/* What the engine or a channel knows, and the task that waits for it. */
typedef struct pending {
    asyncio__channel_read_t read; /* its channel is NULL where only the operation is used */
    asyncio_future_t waiter;      /* done when the completion has come */
    asyncio__task_t *task;        /* the task that waits; NULL: a coroutine driven by hand */
    bool is_cancelled;            /* the engine or channel was asked to end it */
} pending_t;

static void finish(pending_t *pending)
{
    asyncio_future_t *waiter = &pending->waiter;
    if (pending->is_cancelled && pending->read.operation.result == -ECANCELED) {
        asyncio_error_t *message = waiter->error;
        waiter->error = NULL;
        asyncio__future_make_cancelled(waiter, message);
        return;
    }
    if (pending->is_cancelled && pending->task) {
        /* The data won: the cancellation stays pending, with its message. */
        asyncio_error_unref(pending->task->cancel_message);
        pending->task->cancel_message = waiter->error;
        waiter->error = NULL;
        pending->task->late_cancel = true;
    }
    asyncio__future_finish(waiter, NULL, NULL);
}

static void on_operation(asyncio__operation_t *operation)
{
    finish(ASYNCIO__CONTAINER(operation, pending_t, read.operation));
}

static void on_read(asyncio__channel_read_t *read)
{
    finish(ASYNCIO__CONTAINER(read, pending_t, read));
}

static void ask_to_end(pending_t *pending)
{
    asyncio__channel_t *channel = pending->read.channel;
    asyncio__engine_t *engine = pending->waiter.loop->engine;
    if (pending->is_cancelled)
        return;
    pending->is_cancelled = true;
    if (channel)
        channel->class->cancel_read(channel, &pending->read);
    else
        engine->class->cancel(engine, &pending->read.operation);
}

/* A cancellation asks for the end; the completion says what came of it. */
static int cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    asyncio_error_unref(future->error);
    future->error = asyncio_error_ref(message);
    ask_to_end(ASYNCIO__CONTAINER(future, pending_t, waiter));
    return 1;
}

static const asyncio__future_class_t pending_class = {.cancel = cancel, .keeps_value = true};

/* Something else than the completion has resumed the coroutine, whose frame may not end before. */
static ASYNCIO__COLD void wait_for_end(pending_t *pending)
{
    asyncio__engine_t *engine = pending->waiter.loop->engine;
    pending->task = NULL;
    ask_to_end(pending);
    while (!asyncio__future_is_done(&pending->waiter))
        if (engine->class->wait(engine, -1) < 0)
            engine->class->abandon(engine);
}

int asyncio__operation_refuse(const asyncio_loop_t *loop)
{
    if (!loop)
        return asyncio__fail(-EINVAL, "\"loop\" must not be NULL");
    return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of that loop");
}

/* May the coroutine suspend: 0, or why not. */
static inline int before(pending_t *pending, asyncio_loop_t *loop)
{
    asyncio_task_t *task = asyncio__thread.task;
    if (ASYNCIO__UNLIKELY(asyncio__thread.coroutine->is_closing))
        return asyncio__fail(ASYNCIO_EGENERATOREXIT, "the coroutine is being closed");
    if (ASYNCIO__UNLIKELY(task && asyncio__task_of(task)->late_cancel))
        return asyncio__raise_late_cancel();
    asyncio__future_init(&pending->waiter, loop, &pending_class);
    pending->task = task ? asyncio__task_of(task) : NULL;
    pending->is_cancelled = false;
    return 0;
}

static __attribute__((noinline)) int wait_for(pending_t *pending)
{
    pending->waiter.place = "a socket";
    int rc = asyncio__future_wait(&pending->waiter);
    if (ASYNCIO__UNLIKELY(!asyncio__future_is_done(&pending->waiter)))
        wait_for_end(pending);
    asyncio__future_fini(&pending->waiter);
    return rc;
}

/* The record is set field by field: zeroing it first would cost as much as the rest. */
int asyncio__channel_receive(asyncio__channel_t *channel, void *buffer, size_t size)
{
    pending_t pending;
    int rc = before(&pending, channel->loop);
    if (rc < 0)
        return rc;
    pending.read.operation.buffer = buffer;
    pending.read.operation.size = size;
    pending.read.complete = on_read;
    pending.read.form = ASYNCIO__READ_INTO;
    rc = channel->class->read(channel, &pending.read);
    if (ASYNCIO__UNLIKELY(rc < 0))
        return asyncio__fail(rc, NULL);
    if (rc == 0 && (rc = wait_for(&pending)) < 0)
        return rc;
    rc = pending.read.operation.result;
    if (ASYNCIO__LIKELY(rc >= 0))
        return rc;
    return rc == channel->code ? asyncio__channel_fail(channel, rc, NULL) : asyncio__fail(rc, NULL);
}

int asyncio__operation_await(asyncio_loop_t *loop, asyncio__operation_t *operation)
{
    pending_t pending;
    int rc = before(&pending, loop);
    if (rc < 0)
        return rc;
    pending.read.operation = *operation;
    pending.read.operation.complete = on_operation;
    pending.read.channel = NULL;
    rc = loop->engine->class->submit(loop->engine, &pending.read.operation);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    if (rc == 0 && (rc = wait_for(&pending)) < 0)
        return rc;
    operation->address_size = pending.read.operation.address_size;
    rc = pending.read.operation.result;
    return rc < 0 ? asyncio__fail(rc, NULL) : rc;
}
