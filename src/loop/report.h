/* SPDX-License-Identifier: MIT */
/* Reports to a loop's exception handler, or to that of the process for what belongs to no loop. */
#ifndef ASYNCIO__LOOP_REPORT_H
#define ASYNCIO__LOOP_REPORT_H

#include "loop/core.h"

/* Reports an error to the exception handler; any of the pointers may be NULL. */
void asyncio__loop_report(asyncio_loop_t *loop, const char *message, int code,
                          asyncio_error_t *error, asyncio_future_t *future, const char *place,
                          const char *name);

/* The body of asyncio_loop_call_exception_handler(). */
void asyncio__report_context(asyncio_loop_t *loop, const asyncio_exception_context_t *context);

/* The default handler: writes to stderr; NULL is ignored. */
void asyncio__report_default(const asyncio_exception_context_t *context);

/* The handler of the process, and its argument. Set before threads are started. */
extern asyncio_exception_handler_t *asyncio__process_handler;
extern void *asyncio__process_handler_arg;

/* Exchanges the handler of the process with *handler and *arg. */
void asyncio__swap_process_handler(asyncio_exception_handler_t **handler, void **arg);

#endif
