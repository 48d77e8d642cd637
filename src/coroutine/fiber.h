/* SPDX-License-Identifier: MIT */
/*
 * A fiber: a stack, and the point where execution resumes on it. A switch saves that of the running
 * fiber and resumes another one.
 *
 *     asyncio__fiber_t here = {0};
 *     asyncio__fiber_prepare(&fiber, stack, entry, argument);
 *     asyncio__fiber_switch(&here, &fiber);      runs entry(argument) on that stack
 *     ... returns when somebody switches to &here
 *
 * A fiber that was not prepared, such as `here` for the thread's own stack, begins as zeroes and is
 * filled by the switch that leaves it. entry never returns: its last act is asyncio__fiber_leave().
 * Which fiber a stack is saved in makes no difference. Fibers that switch to each other belong to
 * one thread.
 *
 * A switch keeps the registers that the ABI calls callee-saved and the C++ runtime's exceptions
 * (coroutine/exceptions.h). errno and the floating-point control words (rounding, traps) belong to
 * the thread: a switch neither saves nor changes them. Sanitizers are told of every switch here,
 * and nowhere else.
 */
#ifndef ASYNCIO__COROUTINE_FIBER_H
#define ASYNCIO__COROUTINE_FIBER_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/sanitizer.h"
#include "coroutine/exceptions.h"
#include "coroutine/stack.h"

/* The switch of x86-64 is inline; that of the other machines is a function. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(ASYNCIO__FIBER_UCONTEXT)
#define ASYNCIO__FIBER_INLINE 1
#endif

typedef struct asyncio__fiber {
    void *sp; /* the saved stack pointer; or a ucontext_t in the stack. Keep it first. */
#if defined(ASYNCIO__FIBER_INLINE)
    void *frame; /* the saved rbp; keep it second */
    void *next;  /* the address where execution resumes; keep it third */
#endif
#if defined(ASYNCIO__ASAN)
    void *fake_stack;   /* AddressSanitizer's fake stack of this fiber while it is suspended */
    const void *bottom; /* the lowest byte of its stack */
    size_t size_bytes;  /* size of its stack */
#endif
#if defined(ASYNCIO__TSAN)
    void *tsan_fiber; /* ThreadSanitizer's record of it; NULL: not made yet */
#endif
} asyncio__fiber_t;

/* Where the loop of this thread resumes when none of its coroutines can run. */
extern ASYNCIO__THREAD_LOCAL asyncio__fiber_t asyncio__root;

/* 0, or -ENOTSUP where this thread has a shadow stack, with which a switch cannot work. */
int asyncio__fiber_check(void);
#define ASYNCIO__SHADOW_STACK_MESSAGE \
    "this process has shadow stacks (GLIBC_TUNABLES=glibc.cpu.x86_shstk=on?), with which " \
    "coroutines cannot be switched"

/* Makes a fiber that runs entry(argument) on the stack when it is switched to. */
static inline void asyncio__fiber_prepare(asyncio__fiber_t *fiber, asyncio__stack_t *stack,
                                          void (*entry)(void *argument), void *argument);

/* The running fiber becomes another one, on the same stack. */
static inline void asyncio__fiber_hand_on(const asyncio__fiber_t *from, asyncio__fiber_t *to)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    *to = *from;
#else
    /* The switch that leaves it writes all of it. */
    (void)from, (void)to;
#endif
}

/* Resumes `to`. Returns when somebody switches to `from`. */
static inline void asyncio__fiber_switch(asyncio__fiber_t *from, asyncio__fiber_t *to);

/* The last switch of a fiber, whose stack is released or is prepared for another fiber. `from` is
 * only read, and not after `to` has resumed. */
_Noreturn static inline void asyncio__fiber_leave(asyncio__fiber_t *from,
                                                  asyncio__fiber_t *to);

/* "x86_64", "aarch64" or "ucontext": which switch this build has. */
const char *asyncio__fiber_name(void);

/* ---- What the machines provide, and what the calls above are made of. ---- */

#define ASYNCIO__FIBER_LOCAL __attribute__((visibility("hidden")))

/* Saves the running fiber in `from` and resumes `to`. */
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

/* The result of asyncio__fiber_name(). */
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

/* asyncio__fiber_switch() where no exception is in flight. */
static inline __attribute__((always_inline)) void
asyncio__fiber_switch_plain(asyncio__fiber_t *from, asyncio__fiber_t *to)
{
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    asyncio__fiber_switch_checked(from, to);
#else
    asyncio__fiber_swap(from, to);
#endif
}

/* The same with exceptions in flight; of exceptions.c. */
void asyncio__fiber_switch_with_exceptions(asyncio__fiber_t *from, asyncio__fiber_t *to);

/* Always inline: a call to a function that switches returns on another stack, so that the
 * processor would predict that return, and each one above it, wrongly. */
static inline __attribute__((always_inline)) void asyncio__fiber_switch(asyncio__fiber_t *from,
                                                                        asyncio__fiber_t *to)
{
    if (ASYNCIO__UNLIKELY(asyncio__exceptions_in_flight()))
        asyncio__fiber_switch_with_exceptions(from, to);
    else
        asyncio__fiber_switch_plain(from, to);
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
