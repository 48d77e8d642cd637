/* SPDX-License-Identifier: MIT */
/*
 * The exception handler: who is told of what would else be lost. The default writes to stderr;
 * this is the only place where the library prints.
 */
#include <stdio.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/loop.h"

/* For what belongs to no loop; set before threads are started. */
static asyncio_exception_handler_t *process_handler;
static void *process_arg;

void asyncio_loop_set_exception_handler(asyncio_loop_t *loop, asyncio_exception_handler_t *handler,
                                        void *arg)
{
    if (loop) {
        if (asyncio__loop_check_thread(loop) < 0)
            return;
        loop->exception_handler = handler;
        loop->exception_arg = arg;
    } else {
        process_handler = handler;
        process_arg = arg;
    }
}

void asyncio__swap_process_handler(asyncio_exception_handler_t **handler, void **arg)
{
    asyncio_exception_handler_t *former = process_handler;
    void *former_arg = process_arg;
    process_handler = *handler;
    process_arg = *arg;
    *handler = former;
    *arg = former_arg;
}

void asyncio_loop_default_exception_handler(asyncio_loop_t *loop,
                                            const asyncio_exception_context_t *context)
{
    (void)loop;
    if (!context)
        return;
    fprintf(stderr, "asyncio: %s", context->message ? context->message : "unhandled error");
    if (context->name && *context->name)
        fprintf(stderr, ": %s", context->name);
    if (context->place && *context->place)
        fprintf(stderr, " (made at %s)", context->place);
    if (context->code < 0) {
        const char *message = asyncio_error_message(context->error);
        fprintf(stderr, ": %s: %s", asyncio_error_name(context->code),
                *message ? message : asyncio_strerror(context->code));
        const char *place = asyncio_error_place(context->error);
        if (*place)
            fprintf(stderr, " at %s", place);
    }
    fputc('\n', stderr);
}

asyncio_exception_handler_t *asyncio_loop_get_exception_handler(const asyncio_loop_t *loop,
                                                                void **ret_arg)
{
    asyncio_exception_handler_t *handler = loop ? loop->exception_handler : process_handler;
    if (handler && ret_arg)
        *ret_arg = loop ? loop->exception_arg : process_arg;
    return handler;
}

/* A handler and what it is told. */
struct call {
    asyncio_exception_handler_t *handler;
    asyncio_loop_t *loop;
    const asyncio_exception_context_t *context;
    void *arg;
};

static int call_handler(void *arg)
{
    struct call *call = arg;
    call->handler(call->loop, call->context, call->arg);
    return 0;
}

void asyncio_loop_call_exception_handler(asyncio_loop_t *loop,
                                         const asyncio_exception_context_t *context)
{
    if (!context)
        return;
    struct call call = {loop ? loop->exception_handler : process_handler, loop, context,
                        loop ? loop->exception_arg : process_arg};
    if (!call.handler) {
        asyncio_loop_default_exception_handler(loop, context);
        return;
    }
    /* What it is told of a task it is told in the context of that task. */
    asyncio_context_t *own = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && context->future && asyncio__context_of_future)
        own = asyncio__context_of_future(context->future);
    if (own && !asyncio__context_is_entered(own))
        asyncio__ignore(asyncio_context_run(own, call_handler, &call));
    else
        asyncio__ignore(call_handler(&call));
}

void asyncio__loop_report(asyncio_loop_t *loop, const char *message, int code,
                          asyncio_error_t *error, asyncio_future_t *future, const char *place,
                          const char *name)
{
    asyncio_exception_context_t context = {
        .size = sizeof(context),
        .message = message,
        .code = code,
        .error = error,
        .future = future,
        .place = place,
        .name = name,
    };
    asyncio_loop_call_exception_handler(loop, &context);
}
