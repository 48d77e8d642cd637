/* SPDX-License-Identifier: MIT */
/*
 * The report of a stack overflow: which task, where it was made, how large its stack was.
 *
 *     rc = asyncio__overflow_open(&loop->overflow);    a loop that was asked to report
 *     ... asyncio__overflow_enter(loop->overflow);     while it runs, in the thread that runs it
 *     ... asyncio__overflow_leave(loop->overflow);
 *     asyncio__overflow_close(loop->overflow);
 *
 * While any is open, a handler of SIGSEGV and SIGBUS is installed in front of the program's own. It
 * handles no fault: it writes about a fault in the guard of a stack, and passes every fault on to
 * the former handler, or to the system's default action. Between enter and leave the thread has an
 * alternate signal stack, because a stack that has overflowed has no room for a handler.
 *
 * Where a guard is a canary, which does not fault, the check at the end of a coroutine writes the
 * same report.
 */
#ifndef ASYNCIO__COROUTINE_OVERFLOW_H
#define ASYNCIO__COROUTINE_OVERFLOW_H

#include "base/compiler.h"
#include "coroutine/stack.h"

typedef struct asyncio__overflow asyncio__overflow_t;

/* Names the task that runs in this thread: returns its name, or NULL and its number, or NULL and 0.
 * The task layer sets it. Async-signal-safe. */
extern const char *(*asyncio__overflow_task)(unsigned long *ret_number);

/* 0 or -ENOMEM. */
int asyncio__overflow_open(asyncio__overflow_t **ret_overflow);

/* With NULL these do nothing. */
void asyncio__overflow_close(asyncio__overflow_t *overflow);
void asyncio__overflow_enter(asyncio__overflow_t *overflow);
void asyncio__overflow_leave(asyncio__overflow_t *overflow);

/* Called in a forked child, where a mutex of another thread of the parent would stay locked. */
void asyncio__overflow_fork(void);

/* The canary of a stack was overwritten: reports it, if a loop was asked to report, and aborts. */
_Noreturn void asyncio__overflow_found(const asyncio__stack_t *stack);

/* Writes `before`, what runs in this thread (a task, a coroutine driven by hand, a callback) and
 * `after` to the standard error stream. */
void asyncio__overflow_write_owner(const char *before, const char *after);

/* Called when a coroutine has ended on this stack, its own. */
static inline __attribute__((always_inline)) void
asyncio__overflow_check(const asyncio__stack_t *stack)
{
    if (ASYNCIO__UNLIKELY(stack->guard == ASYNCIO__GUARD_CANARY) &&
        !asyncio__canary_is_intact(stack->bottom))
        asyncio__overflow_found(stack);
}

#endif
