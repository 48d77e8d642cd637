/* SPDX-License-Identifier: MIT */
/*
 * The report of a stack overflow: which task, where it was made, how large its stack was.
 *
 *     rc = asyncio__overflow_open(&loop->overflow);    a loop that wants it
 *     ... asyncio__overflow_enter(loop->overflow);     while it runs, in the thread that runs it
 *     ... asyncio__overflow_leave(loop->overflow);
 *     asyncio__overflow_close(loop->overflow);
 *
 * While any is open, a handler of SIGSEGV and SIGBUS stands before the one that was there. It
 * claims no fault: one in the guard of a stack is written about, and then all go on to the former
 * handler, or to what the system does by default. Between enter and leave the thread has a stack
 * for signals, because the one that overflowed has no room for a handler.
 *
 * Where guards do not fault, the check when a stack's coroutine has ended writes the same.
 */
#ifndef ASYNCIO__COROUTINE_OVERFLOW_H
#define ASYNCIO__COROUTINE_OVERFLOW_H

#include "base/compiler.h"
#include "coroutine/stack.h"

typedef struct asyncio__overflow asyncio__overflow_t;

/* What a handler says of the task that runs in this thread: its name, or NULL and its number, or
 * NULL and 0. The task layer sets it. Async-signal-safe. */
extern const char *(*asyncio__overflow_task)(unsigned long *ret_number);

/* 0 or -ENOMEM. */
int asyncio__overflow_open(asyncio__overflow_t **ret_overflow);

/* NULL is ignored by these. */
void asyncio__overflow_close(asyncio__overflow_t *overflow);
void asyncio__overflow_enter(asyncio__overflow_t *overflow);
void asyncio__overflow_leave(asyncio__overflow_t *overflow);

/* In a forked child: what another thread of the parent was at is not waited for. */
void asyncio__overflow_fork(void);

/* The guard of a stack that is only looked at was written to: says so, if a loop wants it said,
 * and aborts. */
_Noreturn void asyncio__overflow_found(const asyncio__stack_t *stack);

/* A coroutine has ended on this stack, its own. */
static inline __attribute__((always_inline)) void
asyncio__overflow_check(const asyncio__stack_t *stack)
{
    if (ASYNCIO__UNLIKELY(stack->guard == ASYNCIO__GUARD_CANARY) &&
        !asyncio__canary_is_intact(stack->bottom))
        asyncio__overflow_found(stack);
}

#endif
