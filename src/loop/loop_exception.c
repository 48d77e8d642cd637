/* SPDX-License-Identifier: MIT */
/* The exception handler of a loop, as the program sets and calls it; see report.h. */
#include "loop/check.h"
#include "loop/report.h"

void asyncio_loop_set_exception_handler(asyncio_loop_t *loop, asyncio_exception_handler_t *handler,
                                        void *arg)
{
    if (loop) {
        if (asyncio__loop_check_thread(loop) < 0)
            return;
        loop->exception_handler = handler;
        loop->exception_arg = arg;
    } else {
        asyncio__process_handler = handler;
        asyncio__process_handler_arg = arg;
    }
}

asyncio_exception_handler_t *asyncio_loop_get_exception_handler(const asyncio_loop_t *loop,
                                                                void **ret_arg)
{
    asyncio_exception_handler_t *handler =
        loop ? loop->exception_handler : asyncio__process_handler;
    if (handler && ret_arg)
        *ret_arg = loop ? loop->exception_arg : asyncio__process_handler_arg;
    return handler;
}

void asyncio_loop_call_exception_handler(asyncio_loop_t *loop,
                                         const asyncio_exception_context_t *context)
{
    asyncio__report_context(loop, context);
}

void asyncio_loop_default_exception_handler(asyncio_loop_t *loop,
                                            const asyncio_exception_context_t *context)
{
    (void)loop;
    asyncio__report_default(context);
}
