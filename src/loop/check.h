/* SPDX-License-Identifier: MIT */
/* Whether a caller may use a loop, and whether an object is of the kind that was expected. */
#ifndef ASYNCIO__LOOP_CHECK_H
#define ASYNCIO__LOOP_CHECK_H

#include "loop/core.h"

/* Whether this thread may use the loop: 0, ASYNCIO_ERUNTIME with a message (closed, forked, or
 * another thread's), or -EINVAL for NULL. */
int asyncio__loop_check(const asyncio_loop_t *loop);

/* The same for calls that are allowed on a closed loop. */
int asyncio__loop_check_thread(const asyncio_loop_t *loop);

/* The same, one comparison in the usual case that the loop is the one that runs here. */
static inline int asyncio__loop_check_here(const asyncio_loop_t *loop)
{
    return ASYNCIO__LIKELY(asyncio__thread.running_loop == loop) ? 0
                                                                : asyncio__loop_check_thread(loop);
}

/* Fails with -EINVAL where an object of a certain kind was expected. In debug mode an object that
 * was freed a short time ago is named as such, and reported. */
int asyncio__fail_kind(const asyncio_awaitable_t *given, const char *static_message);

/* The same for a constructor: returns NULL. */
void *asyncio__fail_new_kind(const asyncio_awaitable_t *given, const char *static_message);

#endif
