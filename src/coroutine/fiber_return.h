/* SPDX-License-Identifier: MIT */
/*
 * How a function that has suspended returns, so that the processor predicts it.
 *
 * A return is predicted from the processor's own stack of calls, on whose top stands the call of
 * who suspended last. Where that is the same place of the program, as with many tasks of one
 * function, the prediction is right. Where it is another one, a return costs some 10 ns, most of
 * what a switch does; a jump to the same address is predicted from where it went before, and costs
 * nothing. But a jump leaves that stack one call too high, so that each return above it, until the
 * task suspends again, is predicted wrongly in its turn. Hence:
 *
 *     the same place                                   return
 *     another, the task's own function, or the loop    jump: there is next to nothing above
 *     another, and deep in calls                       return: one is wrong, the others right
 *
 * A function that suspends is marked ASYNCIO__RETURNS_ANEW, and says ASYNCIO__SUSPENDS() before it
 * switches. What is not marked returns as ever. Included from assembly too.
 */
#ifndef ASYNCIO__COROUTINE_FIBER_RETURN_H
#define ASYNCIO__COROUTINE_FIBER_RETURN_H

/* How near the top of its stack a task's own function is taken to call from: the library's own
 * frame there has some 100 bytes. */
#define ASYNCIO__SHALLOW_BYTES 256

/* Where assembly finds what it looks at; coroutine.c holds that they are true. */
#define ASYNCIO__OFFSET_OF_COROUTINE  16 /* asyncio__thread_t */
#define ASYNCIO__OFFSET_OF_RETURNS_TO 32 /* asyncio__thread_t */
#define ASYNCIO__OFFSET_OF_STACK      40 /* struct asyncio_coroutine */

#if !defined(__ASSEMBLER__)

#include "base/thread.h"

#if defined(__x86_64__) && defined(__LP64__) && !defined(ASYNCIO__FIBER_UCONTEXT) && \
    !defined(__code_model_large__) && defined(__has_attribute)
#if __has_attribute(function_return)
#define ASYNCIO__RETURNS_ANEW __attribute__((function_return("thunk-extern")))
#define ASYNCIO__SUSPENDS()   ((void)(asyncio__thread.returns_to = __builtin_return_address(0)))
#endif
#endif

/* What such a function answers when it ends with a call: else that became a jump, and the return
 * would be that of the function called. */
static inline int asyncio__answer(int rc)
{
    __asm__("" : "+r"(rc));
    return rc;
}

#if !defined(ASYNCIO__RETURNS_ANEW)
#define ASYNCIO__RETURNS_ANEW
#define ASYNCIO__SUSPENDS() ((void)0)
#endif

#endif
#endif
