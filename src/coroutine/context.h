/* SPDX-License-Identifier: MIT */
/*
 * A context: a stack and the place on it where execution goes on. Switching saves where the
 * running one stands and goes on where another one stood.
 *
 *     asyncio__context_t here = {0};
 *     asyncio__context_prepare(&context, stack, entry, argument);
 *     asyncio__context_switch(&here, &context);      runs entry(argument) on that stack
 *     …and when that one switches to &here, goes on behind this line
 *
 * A context that was not prepared, such as here for the thread's own stack, begins as zeroes and
 * is filled when it is switched away from. entry never returns: its last act is
 * asyncio__context_leave(). Whatever runs on a stack by then may be saved in any context: where it
 * began does not matter. One thread runs all contexts that switch among each other.
 *
 * Kept over a switch: what the ABI calls callee-saved, but for the floating point environment
 * (rounding, traps), which is not part of a context; and errno, which nothing here changes.
 * Sanitizers and valgrind are told of every switch here, and nowhere else.
 */
#ifndef ASYNCIO__COROUTINE_CONTEXT_H
#define ASYNCIO__COROUTINE_CONTEXT_H

#include <stddef.h>

#include "base/sanitizer.h"
#include "coroutine/stack.h"

/* The switch of x86-64 is inline; that of the other machines is a function. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(ASYNCIO__CONTEXT_UCONTEXT)
#define ASYNCIO__CONTEXT_INLINE 1
#endif

typedef struct asyncio__context {
    void *sp; /* the saved stack pointer; of ucontext, a ucontext_t in the stack. Keep it first. */
#if defined(ASYNCIO__CONTEXT_INLINE)
    void *frame; /* the saved rbp; keep it second */
    void *next;  /* the address where it goes on; keep it third */
#endif
#if defined(ASYNCIO__ASAN)
    void *fake_stack;   /* what AddressSanitizer keeps of this context while it is away */
    const void *bottom; /* the lowest byte of its stack, as AddressSanitizer wants it */
    size_t size_bytes;  /* of its stack */
#endif
#if defined(ASYNCIO__TSAN)
    void *fiber; /* what ThreadSanitizer calls this context; NULL: not made yet */
#endif
} asyncio__context_t;

/* 0, or -ENOTSUP where the process has a feature (shadow stacks) that forbids our switch. */
int asyncio__context_check(void);

/* A context that begins entry(argument) on the stack when it is switched to. */
void asyncio__context_prepare(asyncio__context_t *context, asyncio__stack_t *stack,
                              void (*entry)(void *argument), void *argument);

/* Goes on in `to`; returns when someone switches to `from`. */
static inline void asyncio__context_switch(asyncio__context_t *from, asyncio__context_t *to);

/* The last switch of a context whose stack will be given back, was just given back, or will be
 * prepared anew. `from` is only read, and not after `to` goes on. */
_Noreturn static inline void asyncio__context_leave(asyncio__context_t *from,
                                                    asyncio__context_t *to);

/* "x86_64", "aarch64" or "ucontext": which switch was built in. */
const char *asyncio__context_name(void);

/* ---- What the machines provide, and what the calls above are made of. ---- */

#define ASYNCIO__CONTEXT_LOCAL __attribute__((visibility("hidden")))

/* Saves the running context in from and goes on in to. */
#if defined(ASYNCIO__CONTEXT_INLINE)
static inline void asyncio__context_swap(asyncio__context_t *from, asyncio__context_t *to);
#else
ASYNCIO__CONTEXT_LOCAL void asyncio__context_swap(asyncio__context_t *from,
                                                  asyncio__context_t *to);
#endif

/* Fills context so that a swap to it calls entry(argument) on the memory between low and high,
 * which is 16-aligned. Only memory just below high is written. */
ASYNCIO__CONTEXT_LOCAL void asyncio__context_lay(asyncio__context_t *context, void *low, void *high,
                                                 void (*entry)(void *argument), void *argument);

/* Which machine it is. */
ASYNCIO__CONTEXT_LOCAL extern const char asyncio__context_machine[];

#if defined(ASYNCIO__CONTEXT_INLINE)
#include "coroutine/context_x86_64.h"
#endif

#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
void asyncio__context_switch_checked(asyncio__context_t *from, asyncio__context_t *to);
_Noreturn void asyncio__context_leave_checked(asyncio__context_t *to);
#endif

static inline void asyncio__context_switch(asyncio__context_t *from, asyncio__context_t *to)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__context_switch_checked(from, to);
#else
    asyncio__context_swap(from, to);
#endif
}

/* Inline, because a call without its return would spoil the prediction of the next returns. */
_Noreturn static inline __attribute__((always_inline)) void
asyncio__context_leave(asyncio__context_t *from, asyncio__context_t *to)
{
    (void)from;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__context_leave_checked(to);
#else
    asyncio__context_t nobody;
    asyncio__context_swap(&nobody, to);
    __builtin_unreachable();
#endif
}

#endif
