/* SPDX-License-Identifier: MIT */
/*
 * The frames of a suspended fiber, and of the caller: walked by the unwinder of libgcc or
 * libunwind, which uses the unwind table of each function.
 *
 * An unwinder can only begin in the function that calls it. So it is called by a function whose
 * unwind table says that its caller is the frame where the fiber is suspended. Nothing is switched,
 * nothing on the stack of the fiber is touched, and a switch does nothing for it.
 */
#ifndef ASYNCIO__COROUTINE_BACKTRACE_H
#define ASYNCIO__COROUTINE_BACKTRACE_H

#include <stddef.h>

#include "coroutine/fiber.h"

typedef struct asyncio__frame {
    const void *address; /* where it resumes */
    const void *begin;   /* the start of its function; NULL if not known */
} asyncio__frame_t;

/* Stores the frames of a suspended fiber, newest first. Returns how many there are, which may be
 * more than capacity, or -EOPNOTSUPP where the machine's switch has no such table. */
long asyncio__fiber_backtrace(const asyncio__fiber_t *fiber, asyncio__frame_t *frames,
                              size_t capacity);

/* Stores the frames of the caller, newest first. Returns how many there are. */
long asyncio__own_backtrace(asyncio__frame_t *frames, size_t capacity);

#endif
