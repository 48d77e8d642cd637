/* SPDX-License-Identifier: MIT */
/*
 * How a function that has suspended returns, so that the processor predicts it.
 *
 * The processor predicts a return from its own stack of calls, whose top entry is the call of the
 * task that suspended last. If both tasks were suspended in the same line of the program, as many
 * tasks of one function are, the prediction is right. Otherwise the return costs some 10 ns, most
 * of the cost of a switch; a jump to the same address is predicted from where it went before, and
 * costs nothing. But a jump leaves that stack one entry too high, so that each return above it is
 * mispredicted until the task suspends again. Hence:
 *
 *     the same return address                          return
 *     another, in the task's own function or the loop  jump: there is next to nothing above
 *     another, and deep in calls                       return: one is wrong, the others are right
 *
 * A function that suspends is marked ASYNCIO__RETURNS_ANEW, and says ASYNCIO__SUSPENDS() before it
 * switches. Other functions return as usual. Included from assembly too.
 *
 * gcc has such a function jump to a symbol whose name it chooses, __x86_return_thunk. A program
 * that is built with -mfunction-return=thunk has one of its own of that name, so the library must
 * define none: ASYNCIO__SUSPENDS() makes the name an alias of ours in the same assembly file.
 */
#ifndef ASYNCIO__COROUTINE_FIBER_RETURN_H
#define ASYNCIO__COROUTINE_FIBER_RETURN_H

/* A call from this near the top of the stack is taken to be from the task's own function: the
 * library's frame above it has some 100 bytes. */
#define ASYNCIO__SHALLOW_BYTES 256

/* Offsets of fields that the assembly reads; coroutine.c asserts that they are right. */
#define ASYNCIO__OFFSET_OF_COROUTINE  16 /* asyncio__thread_t */
#define ASYNCIO__OFFSET_OF_RETURNS_TO 32 /* asyncio__thread_t */
#define ASYNCIO__OFFSET_OF_STACK      40 /* struct asyncio_coroutine */

#if !defined(__ASSEMBLER__)

#include "base/thread.h"

#if defined(__x86_64__) && defined(__LP64__) && !defined(ASYNCIO__FIBER_UCONTEXT) && \
    !defined(__code_model_large__) && !defined(ASYNCIO__PLAIN_RETURNS) && \
    defined(__has_attribute)
#if __has_attribute(function_return)
#define ASYNCIO__RETURNS_ANEW __attribute__((function_return("thunk-extern")))
#define ASYNCIO__SUSPENDS() \
    do { \
        __asm__ volatile(".set __x86_return_thunk, asyncio__return_after_switch"); \
        asyncio__thread.returns_to = __builtin_return_address(0); \
    } while (0)
#endif
#endif

/* For such a function that ends with a call: without this the call would become a jump, and the
 * return would be that of the function called. */
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
