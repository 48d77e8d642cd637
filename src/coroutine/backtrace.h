/* SPDX-License-Identifier: MIT */
/*
 * The frames of a fiber that is away, and of who calls: walked by the unwinder of the compiler's
 * own library, which finds its way by the tables that each function has.
 *
 * That one can only begin where it is called. So it is called by a function whose table is a lie:
 * it says that its caller is where the fiber stands. Nothing is switched, nothing on the stack of
 * the fiber is touched, and no switch has to know of it.
 */
#ifndef ASYNCIO__COROUTINE_BACKTRACE_H
#define ASYNCIO__COROUTINE_BACKTRACE_H

#include <stddef.h>

#include "coroutine/fiber.h"

typedef struct asyncio__frame {
    const void *address; /* where it goes on */
    const void *begin;   /* of its function; NULL where that is not known */
} asyncio__frame_t;

/* The frames of a fiber that is away, newest first: how many there are, which may be more than
 * capacity; -EOPNOTSUPP where the machine's switch has no such table. */
long asyncio__fiber_backtrace(const asyncio__fiber_t *fiber, asyncio__frame_t *frames,
                              size_t capacity);

/* The frames of who calls this, newest first; as many as fit, counted likewise. */
long asyncio__own_backtrace(asyncio__frame_t *frames, size_t capacity);

#endif
