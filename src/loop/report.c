/* SPDX-License-Identifier: MIT */
/*
 * Reports to exception handlers; see report.h. The default handler writes to stderr: it and the
 * report of a stack overflow (coroutine/overflow.c) are all that the library prints.
 */
#include "loop/report.h"

#include <stdio.h>

#include "base/context.h"
#include "base/error.h"

asyncio_exception_handler_t *asyncio__process_handler;
void *asyncio__process_handler_arg;

void asyncio__swap_process_handler(asyncio_exception_handler_t **handler, void **arg)
{
    asyncio_exception_handler_t *former = asyncio__process_handler;
    void *former_arg = asyncio__process_handler_arg;
    asyncio__process_handler = *handler;
    asyncio__process_handler_arg = *arg;
    *handler = former;
    *arg = former_arg;
}

void asyncio__report_default(const asyncio_exception_context_t *context)
{
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

/* A handler and its arguments. */
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

void asyncio__report_context(asyncio_loop_t *loop, const asyncio_exception_context_t *context)
{
    if (!context)
        return;
    struct call call = {loop ? loop->exception_handler : asyncio__process_handler, loop, context,
                        loop ? loop->exception_arg : asyncio__process_handler_arg};
    if (!call.handler) {
        asyncio__report_default(context);
        return;
    }
    /* A report about a task is made in the context of that task. */
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
    asyncio__report_context(loop, &context);
}
