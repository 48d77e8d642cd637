/* SPDX-License-Identifier: MIT */
/*
 * C++ exceptions and coroutines.
 *
 * The C++ runtime keeps two things for each thread: a list of the exceptions that catch blocks are
 * handling, and the number of exceptions that were thrown and are not caught yet. Both belong to
 * the frames of one stack. A coroutine that awaits inside a catch block must find them again when
 * it resumes, and must not leave them to the coroutine that runs meanwhile.
 *
 * Invariant: at each switch both are empty. A fiber that leaves with something in them saves that
 * in its own frame, empties them, and restores them when it resumes. So a switch costs one test
 * where no exception is in flight, and a program without a C++ runtime pays no more.
 *
 * An exception must not leave a coroutine: the frames below are those of this library, which is
 * written in C. ASYNCIO__STOP_EXCEPTIONS() in the function that calls a coroutine's body ends the
 * search for a handler there: the process writes which coroutine it was, and std::terminate() is
 * called where the exception was thrown, with the stack intact.
 */
#ifndef ASYNCIO__COROUTINE_EXCEPTIONS_H
#define ASYNCIO__COROUTINE_EXCEPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

/* What __cxa_get_globals() points to, by the C++ ABI. */
typedef struct asyncio__exceptions {
    void *caught;          /* the exceptions that catch blocks handle, innermost first */
    unsigned int uncaught; /* thrown and not caught yet */
} asyncio__exceptions_t;

/* Finds the exceptions of this thread. Called once in each thread, before its first switch. */
void asyncio__exceptions_find(void);

/* Whether the running fiber has exceptions to save before a switch. */
static inline bool asyncio__exceptions_in_flight(void)
{
    if (ASYNCIO__LIKELY(!asyncio__thread.exceptions))
        return false;
    /* Read again, so that the test above is one comparison with memory. */
    __asm__ volatile("" : : : "memory");
    const asyncio__exceptions_t *exceptions = asyncio__thread.exceptions;
    return ((uintptr_t)exceptions->caught | exceptions->uncaught) != 0;
}

/* In a function that calls code of the program: no exception passes this function. The name of a
 * personality routine is put into the function's unwind table; no instruction is executed. */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && (defined(__x86_64__) || defined(__aarch64__))
#define ASYNCIO__STOP_EXCEPTIONS() \
    __asm__ volatile(".cfi_personality 0x1b, asyncio__exceptions_stop")
#else
#define ASYNCIO__STOP_EXCEPTIONS() ((void)0)
#endif

#endif
