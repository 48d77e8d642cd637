/* SPDX-License-Identifier: MIT */
/* Calling a program's callback in its context. */
#ifndef ASYNCIO__LOOP_CALLBACK_H
#define ASYNCIO__LOOP_CALLBACK_H

#include "loop/core.h"

/* Calls a callback outside of tasks in a context; NULL: in an empty one. */
void asyncio__loop_call_in(asyncio_loop_t *loop, asyncio_context_t *context,
                           asyncio_callback_t *fn, void *arg);

/* Enters a context as asyncio__context_begin() does. On failure reports the error to the loop's
 * exception handler and returns false. */
bool asyncio__loop_enter(asyncio_loop_t *loop, void **word, void **ret_former);

#endif
