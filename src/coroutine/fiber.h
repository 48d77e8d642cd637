/* SPDX-License-Identifier: MIT */
/*
 * A fiber: a stack and the place on it where execution goes on. Switching saves where the
 * running one stands and goes on where another one stood.
 *
 *     asyncio__fiber_t here = {0};
 *     asyncio__fiber_prepare(&fiber, stack, entry, argument);
 *     asyncio__fiber_switch(&here, &fiber);      runs entry(argument) on that stack
 *     …and when that one switches to &here, goes on behind this line
 *
 * A fiber that was not prepared, such as here for the thread's own stack, begins as zeroes and
 * is filled when it is switched away from. entry never returns: its last act is
 * asyncio__fiber_leave(). Whatever runs on a stack by then may be saved in any fiber: where it
 * began does not matter. One thread runs all fibers that switch among each other.
 *
 * Kept over a switch: what the ABI calls callee-saved, but for the floating point environment
 * (rounding, traps), which is not part of a fiber; and errno, which nothing here changes.
 * Sanitizers and valgrind are told of every switch here, and nowhere else.
 */
#ifndef ASYNCIO__COROUTINE_FIBER_H
#define ASYNCIO__COROUTINE_FIBER_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/sanitizer.h"
#include "coroutine/stack.h"

/* The switch of x86-64 is inline; that of the other machines is a function. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(ASYNCIO__FIBER_UCONTEXT)
#define ASYNCIO__FIBER_INLINE 1
#endif

typedef struct asyncio__fiber {
    void *sp; /* the saved stack pointer; of ucontext, a ucontext_t in the stack. Keep it first. */
#if defined(ASYNCIO__FIBER_INLINE)
    void *frame; /* the saved rbp; keep it second */
    void *next;  /* the address where it goes on; keep it third */
#endif
#if defined(ASYNCIO__ASAN)
    void *fake_stack;   /* what AddressSanitizer keeps of this fiber while it is away */
    const void *bottom; /* the lowest byte of its stack, as AddressSanitizer wants it */
    size_t size_bytes;  /* of its stack */
#endif
#if defined(ASYNCIO__TSAN)
    void *tsan_fiber; /* what ThreadSanitizer calls this one; NULL: not made yet */
#endif
} asyncio__fiber_t;

/* Where the loop of this thread goes on when none of its coroutines can. */
extern ASYNCIO__THREAD_LOCAL asyncio__fiber_t asyncio__root;

/* 0, or -ENOTSUP where the process has a feature (shadow stacks) that forbids our switch. */
int asyncio__fiber_check(void);

/* A fiber that begins entry(argument) on the stack when it is switched to. */
static inline void asyncio__fiber_prepare(asyncio__fiber_t *fiber, asyncio__stack_t *stack,
                                          void (*entry)(void *argument), void *argument);

/* Another fiber goes on with the stack of the running one, in its place. */
static inline void asyncio__fiber_hand_on(const asyncio__fiber_t *from, asyncio__fiber_t *to)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    *to = *from;
#else
    /* All of it is written when it is left. */
    (void)from, (void)to;
#endif
}

/* Goes on in `to`; returns when someone switches to `from`. */
static inline void asyncio__fiber_switch(asyncio__fiber_t *from, asyncio__fiber_t *to);

/* The last switch of a fiber whose stack will be given back, was just given back, or will be
 * prepared anew. `from` is only read, and not after `to` goes on. */
_Noreturn static inline void asyncio__fiber_leave(asyncio__fiber_t *from,
                                                  asyncio__fiber_t *to);

/* "x86_64", "aarch64" or "ucontext": which switch was built in. */
const char *asyncio__fiber_name(void);

/* ---- What the machines provide, and what the calls above are made of. ---- */

#define ASYNCIO__FIBER_LOCAL __attribute__((visibility("hidden")))

/* Saves the running fiber in from and goes on in to. */
#if defined(ASYNCIO__FIBER_INLINE)
#define ASYNCIO__FIBER_MACHINE static inline
#else
#define ASYNCIO__FIBER_MACHINE ASYNCIO__FIBER_LOCAL
#endif
ASYNCIO__FIBER_MACHINE void asyncio__fiber_swap(asyncio__fiber_t *from, asyncio__fiber_t *to);

/* Fills fiber so that a swap to it calls entry(argument) on the memory between low and high,
 * which is 16-aligned. Only memory just below high is written. */
ASYNCIO__FIBER_MACHINE void asyncio__fiber_lay(asyncio__fiber_t *fiber, void *low, void *high,
                                               void (*entry)(void *argument), void *argument);

/* Which machine it is. */
ASYNCIO__FIBER_LOCAL extern const char asyncio__fiber_machine[];

#if defined(ASYNCIO__FIBER_INLINE)
#include "coroutine/fiber_x86_64.h"
#endif

#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
void asyncio__fiber_prepare_checked(asyncio__fiber_t *fiber, asyncio__stack_t *stack,
                                    void (*entry)(void *argument), void *argument);
void asyncio__fiber_switch_checked(asyncio__fiber_t *from, asyncio__fiber_t *to);
_Noreturn void asyncio__fiber_leave_checked(asyncio__fiber_t *to);
#endif

static inline void asyncio__fiber_prepare(asyncio__fiber_t *fiber, asyncio__stack_t *stack,
                                          void (*entry)(void *argument), void *argument)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__fiber_prepare_checked(fiber, stack, entry, argument);
#else
    asyncio__fiber_lay(fiber, stack->bottom, stack->top, entry, argument);
#endif
}

static inline void asyncio__fiber_switch(asyncio__fiber_t *from, asyncio__fiber_t *to)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__fiber_switch_checked(from, to);
#else
    asyncio__fiber_swap(from, to);
#endif
}

/* Inline, because a call without its return would spoil the prediction of the next returns. */
_Noreturn static inline __attribute__((always_inline)) void
asyncio__fiber_leave(asyncio__fiber_t *from, asyncio__fiber_t *to)
{
    (void)from;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__fiber_leave_checked(to);
#else
    asyncio__fiber_t nobody;
    asyncio__fiber_swap(&nobody, to);
    __builtin_unreachable();
#endif
}

#endif
