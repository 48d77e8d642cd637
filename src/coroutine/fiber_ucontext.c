/* SPDX-License-Identifier: MIT */
/*
 * The switch for machines without assembly: ucontext. Each switch costs one or two system calls,
 * for the signal mask. A suspended fiber keeps its ucontext_t on its own stack.
 */
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#include "coroutine/fiber.h"

const char asyncio__fiber_machine[] = "ucontext";

/* At the high end of a prepared stack. */
typedef struct start {
    ucontext_t context;          /* where it begins */
    void (*entry)(void *argument); /* what to run */
    void *argument;                /* for it */
} start_t;

/* makecontext() passes arguments of type int only, so the address comes in two halves. */
static void begin(unsigned high_half, unsigned low_half)
{
    const start_t *start = (start_t *)(uintptr_t)((uint64_t)high_half << 32 | low_half);
    start->entry(start->argument);
    abort();
}

void asyncio__fiber_swap(asyncio__fiber_t *from, asyncio__fiber_t *to)
{
    ucontext_t here;
    from->sp = &here;
    /* It fails only if the stack is too small for makecontext(), which ours never is. */
    if (swapcontext(&here, to->sp) != 0)
        abort();
}

void asyncio__fiber_lay(asyncio__fiber_t *fiber, void *low, void *high,
                        void (*entry)(void *argument), void *argument)
{
    start_t *start =
        (start_t *)(((uintptr_t)high - sizeof(start_t)) & ~(uintptr_t)63); /* aligned for vectors */
    uint64_t address = (uintptr_t)start;
    if (getcontext(&start->context) != 0)
        abort();
    start->entry = entry;
    start->argument = argument;
    start->context.uc_stack.ss_sp = low;
    start->context.uc_stack.ss_size = (size_t)((char *)start - (char *)low);
    start->context.uc_link = NULL;
    makecontext(&start->context, (void (*)(void))begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    fiber->sp = &start->context;
}
