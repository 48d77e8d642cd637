/* SPDX-License-Identifier: MIT */
/*
 * Stacks for coroutines: cut from slabs of one mapping, guarded at their low end, recycled last
 * used first through the pool of the thread.
 *
 *     asyncio__stack_t *stack = asyncio__stack_acquire(64 * 1024);
 *     ...                                    the context runs from stack->top downwards
 *     asyncio__stack_release(stack);         may be called while still running on it
 *
 * Layout, low to high:  | guard page | ... the stack grows down ... | colour | record |
 * A stack that was released keeps its pages: the next one is warm. Where the kernel has
 * MADV_GUARD_INSTALL a guard splits no mapping; else a page is made PROT_NONE while the number of
 * mappings allows; else a canary at the low end is checked when the stack is released.
 */
#ifndef ASYNCIO__COROUTINE_STACK_H
#define ASYNCIO__COROUTINE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The default of a coroutine's stack; sanitizers need more. */
#define ASYNCIO__STACK_DEFAULT_BYTES ((size_t)64 * 1024)
#define ASYNCIO__STACK_LEAST_BYTES   ((size_t)16 * 1024)

typedef struct asyncio__stack asyncio__stack_t;

/* One stack; its record is at the high end of its own memory, above top. */
struct asyncio__stack {
    char *top;             /* where the first frame begins: 16-byte aligned, coloured */
    char *bottom;          /* the lowest usable byte, above the guard */
    asyncio__stack_t *next; /* in the free list */
    void *slab;            /* the mapping that it was cut from */
    unsigned valgrind_id;  /* from VALGRIND_STACK_REGISTER */
    uint8_t size_class;    /* which free list it belongs to */
    uint8_t guard;         /* asyncio__guard_t */
};

typedef enum asyncio__guard {
    ASYNCIO__GUARD_ADVICE,   /* MADV_GUARD_INSTALL */
    ASYNCIO__GUARD_MPROTECT, /* PROT_NONE */
    ASYNCIO__GUARD_CANARY,   /* a word at the low end */
} asyncio__guard_t;

/* A stack of at least size_bytes (rounded up to a power of two of 16 KiB to 64 MiB), or NULL when
 * memory is out. The thread's own pool is asked first. */
asyncio__stack_t *asyncio__stack_acquire(size_t size_bytes);

/* Gives it to the pool of this thread, whose coroutines alone may use it. */
void asyncio__stack_release(asyncio__stack_t *stack);

/* The most bytes of the stack that were ever touched since its memory was fresh, by pages. */
size_t asyncio__stack_high_water(const asyncio__stack_t *stack);

/* Whether the address lies in the guard of a stack of this process; the stack, or NULL. */
asyncio__stack_t *asyncio__stack_of_guard(const void *address);

/* Returns memory of stacks that nobody uses: whole free slabs to the system. */
void asyncio__stack_trim(void);

typedef struct asyncio__stack_statistics {
    size_t in_use;     /* stacks acquired and not released, by this thread */
    size_t free;       /* stacks in this thread's pool */
    size_t slabs;      /* mappings of this thread */
    size_t unguarded;  /* stacks with a canary only */
} asyncio__stack_statistics_t;

void asyncio__stack_statistics(asyncio__stack_statistics_t *ret_statistics);

#endif
