/* SPDX-License-Identifier: MIT */
/* Operations awaited; see operation.h. */
#include "net/operation.h"

#include "task/task.h"

typedef struct waiting {
    asyncio_future_t waiter; /* done when the operation is */
    asyncio__task_t *task;   /* who waits; NULL for one driven by hand outside tasks */
    bool is_cancelled;       /* the engine was asked to cancel it */
} waiting_t;

/* The operation under a waiter; they stand beside each other, so each finds the other. */
typedef struct slot {
    asyncio__operation_t operation; /* what the engine sees */
    waiting_t waiting;              /* who waits for it */
} slot_t;

static void on_complete(asyncio__operation_t *operation)
{
    slot_t *slot = ASYNCIO__CONTAINER(operation, slot_t, operation);
    waiting_t *waiting = &slot->waiting;
    if (waiting->is_cancelled && operation->result == -ECANCELED) {
        asyncio_error_t *message = waiting->waiter.error;
        waiting->waiter.error = NULL;
        asyncio__future_make_cancelled(&waiting->waiter, message);
        return;
    }
    if (waiting->is_cancelled && waiting->task) {
        /* The data won: the cancel waits, with its message. */
        asyncio_error_unref(waiting->task->cancel_message);
        waiting->task->cancel_message = waiting->waiter.error;
        waiting->waiter.error = NULL;
        waiting->task->late_cancel = true;
    }
    asyncio__future_finish(&waiting->waiter, NULL, NULL);
}

/* A cancel asks the engine; the completion says what came of it. */
static int cancel(asyncio_future_t *future, asyncio_error_t *message)
{
    slot_t *slot = ASYNCIO__CONTAINER(future, slot_t, waiting.waiter);
    asyncio_error_unref(future->error);
    future->error = asyncio_error_ref(message);
    if (!slot->waiting.is_cancelled) {
        slot->waiting.is_cancelled = true;
        asyncio__engine_t *engine = future->loop->engine;
        engine->class->cancel(engine, &slot->operation);
    }
    return 1;
}

static const asyncio__future_class_t operation_class = {.cancel = cancel, .keeps_value = true};

/* Something else than the completion has woken the coroutine: it must not leave before that. */
static ASYNCIO__COLD void drain(slot_t *slot)
{
    asyncio__engine_t *engine = slot->waiting.waiter.loop->engine;
    slot->waiting.is_cancelled = true;
    slot->waiting.task = NULL;
    engine->class->cancel(engine, &slot->operation);
    while (!asyncio__future_is_done(&slot->waiting.waiter))
        if (engine->class->wait(engine, -1) < 0)
            engine->class->abandon(engine);
}

int asyncio__operation_check(asyncio_loop_t *loop)
{
    if (!loop)
        return asyncio__fail(-EINVAL, "no loop was given");
    if (loop != asyncio_get_running_loop() || !asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of that loop");
    return 0;
}

static __attribute__((noinline)) int wait_for(asyncio_loop_t *loop, slot_t *slot)
{
    slot->waiting.waiter.place = "a socket";
    int rc = asyncio__future_wait(&slot->waiting.waiter);
    if (ASYNCIO__UNLIKELY(!asyncio__future_is_done(&slot->waiting.waiter)))
        drain(slot);
    asyncio__future_fini(&slot->waiting.waiter);
    (void)loop;
    return rc;
}

int asyncio__operation_await(asyncio_loop_t *loop, asyncio__operation_t *operation)
{
    asyncio_task_t *task = asyncio__thread.task;
    if (ASYNCIO__UNLIKELY(asyncio__thread.coroutine->is_closing))
        return asyncio__fail(ASYNCIO_EGENERATOREXIT, "the coroutine is being closed");
    if (ASYNCIO__UNLIKELY(task && asyncio__task_of(task)->late_cancel))
        return asyncio__raise_late_cancel();
    slot_t slot; /* set field by field: zeroing it first would cost as much as the rest */
    slot.operation = *operation;
    slot.operation.complete = on_complete;
    asyncio__future_init(&slot.waiting.waiter, loop, &operation_class);
    slot.waiting.task = task ? asyncio__task_of(task) : NULL;
    slot.waiting.is_cancelled = false;
    asyncio__engine_t *engine = loop->engine;
    int rc = engine->class->submit(engine, &slot.operation);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    if (rc == 0) {
        rc = wait_for(loop, &slot);
        if (rc < 0)
            return rc;
    }
    operation->address_size = slot.operation.address_size;
    rc = slot.operation.result;
    return rc < 0 ? asyncio__fail(rc, NULL) : rc;
}
