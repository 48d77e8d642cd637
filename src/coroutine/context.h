/* SPDX-License-Identifier: MIT */
/*
 * A context: a stack and the place on it where execution goes on. Switching saves where the
 * running one stands and goes on where another one stood.
 *
 *     asyncio__context_prepare(&context, stack, entry, argument);
 *     asyncio__context_switch(&here, &context);      runs entry(argument) on that stack
 *     …and when that one switches to &here, goes on behind this line
 *
 * entry never returns: its last act is asyncio__context_leave(). One thread runs all contexts
 * that switch among each other. The floating point environment (rounding, traps) is not part of
 * a context. Sanitizers and valgrind are told of every switch here, and nowhere else.
 */
#ifndef ASYNCIO__COROUTINE_CONTEXT_H
#define ASYNCIO__COROUTINE_CONTEXT_H

#include "coroutine/stack.h"

typedef struct asyncio__context {
    void *sp; /* the saved stack pointer (x86-64, aarch64), or a ucontext_t in the stack */
#if defined(ASYNCIO__ASAN)
    void *fake_stack;    /* what AddressSanitizer keeps of this context while it is away */
    const void *bottom;  /* the lowest byte of its stack, as AddressSanitizer wants it */
    size_t size_bytes;   /* of its stack */
#endif
#if defined(ASYNCIO__TSAN)
    void *fiber; /* what ThreadSanitizer calls this context */
#endif
} asyncio__context_t;

/* A context that begins entry(argument) on the stack when it is switched to. */
void asyncio__context_prepare(asyncio__context_t *context, asyncio__stack_t *stack,
                              void (*entry)(void *argument), void *argument);

/* Goes on in `to`; returns when someone switches to `from`. */
void asyncio__context_switch(asyncio__context_t *from, asyncio__context_t *to);

/* The last switch of a context whose stack will be given back or prepared anew. */
_Noreturn void asyncio__context_leave(asyncio__context_t *from, asyncio__context_t *to);

/* "x86_64", "aarch64" or "ucontext": which switch was built in. */
const char *asyncio__context_name(void);

#endif
