/* SPDX-License-Identifier: MIT */
/*
 * Stacks for coroutines: cut from slabs of one mapping, guarded at their low end, recycled last
 * used first through the pool of the thread.
 *
 *     asyncio__stack_t *stack = asyncio__stack_acquire(64 * 1024);
 *     ...                                    the fiber runs from stack->top downwards
 *     asyncio__stack_release(stack);         may be called while still running on it
 *
 * Layout, low to high:  | guard page | ... the stack grows down ... | record | colour |
 * The record shares its page with the first frames, so that a sleeping coroutine costs one page.
 * The colour, 0 to 15 cache lines, keeps the first frames of neighbours out of each other's way in
 * the cache. A stack that was released keeps its pages: the next coroutine finds them warm. See
 * coroutine/guard.h for the kinds of guards.
 *
 * A stack is released by the thread that acquired it, or, when a loop dies elsewhere, by another:
 * it always goes back to the pool it came from. The pool of a thread that has ended, with stacks
 * still in use, is taken over by the next new thread.
 */
#ifndef ASYNCIO__COROUTINE_STACK_H
#define ASYNCIO__COROUTINE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sanitizer.h"
#include "coroutine/guard.h"

/* The default of a coroutine's stack. Sanitizers make frames larger: there, every stack is four
 * times as large as asked for. */
#define ASYNCIO__STACK_DEFAULT_BYTES ((size_t)64 * 1024)
#define ASYNCIO__STACK_LEAST_BYTES   ((size_t)16 * 1024)
#define ASYNCIO__STACK_MOST_BYTES    ((size_t)64 * 1024 * 1024)

typedef struct asyncio__stack asyncio__stack_t;

/* One stack; its record is at the high end of its own memory, at top: one cache line. */
struct asyncio__stack {
    char *top;                       /* where the first frame begins: this record, 64-aligned */
    char *bottom;                    /* the lowest usable byte, above the guard */
    asyncio__stack_t *next;          /* in the free list */
    struct asyncio__stack_pool *pool; /* that of the thread it belongs to */
    struct asyncio__slab *slab;      /* the mapping that it was cut from */
    unsigned valgrind_id;            /* from VALGRIND_STACK_REGISTER */
    uint8_t size_class;              /* 0: 16 KiB, 1: 32 KiB, ...: which free list it belongs to */
    uint8_t guard;                   /* asyncio__guard_t */
    bool is_watched;                 /* by valgrind: it is told who has it */
};

/* 16 KiB, 32 KiB, ... 64 MiB. */
#define ASYNCIO__STACK_CLASSES 13

/* Under sanitizers frames are larger, by red zones and by what is not optimised away: every stack
 * is of a class two higher. */
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
#define ASYNCIO__STACK_EXTRA_CLASSES 2u
#else
#define ASYNCIO__STACK_EXTRA_CLASSES 0u
#endif

/* The smallest class whose stacks have that size; ASYNCIO__STACK_CLASSES or more when none has. */
static inline unsigned asyncio__stack_class(size_t size_bytes)
{
    size_t last = size_bytes ? size_bytes - 1 : 0;
    unsigned class = 63 - (unsigned)__builtin_clzll((unsigned long long)last >> 13 | 1);
    unsigned most = ASYNCIO__STACK_CLASSES - 1;
    if (ASYNCIO__STACK_EXTRA_CLASSES && class <= most)
        class = class + ASYNCIO__STACK_EXTRA_CLASSES < most ? class + ASYNCIO__STACK_EXTRA_CLASSES
                                                            : most;
    return class;
}

/* A stack of size_bytes (rounded up to a power of two of 16 KiB to 64 MiB; the guard and the
 * record are part of it), or NULL when memory is out or that is too much. The thread's own pool is
 * asked first. */
asyncio__stack_t *asyncio__stack_acquire(size_t size_bytes);

/* Gives it back to its pool. With a guard that is only looked at, an overflow aborts here. */
void asyncio__stack_release(asyncio__stack_t *stack);

/* The most bytes of the stack that were ever touched since its memory was fresh, by pages. (Pages
 * that were swapped out do not count.) */
size_t asyncio__stack_high_water(const asyncio__stack_t *stack);

/* Gives its memory back but for the page of the record, so that the mark begins anew. Nothing runs
 * on it. */
void asyncio__stack_refresh(asyncio__stack_t *stack);

/* Whether the address lies in the guard of a stack of this process; the stack, or NULL. For
 * handlers of SIGSEGV: takes no lock and allocates nothing. */
asyncio__stack_t *asyncio__stack_of_guard(const void *address);

/* Returns memory of this thread's stacks that nobody uses: whole free slabs to the system. Not to
 * be called on a stack that is released already. */
void asyncio__stack_trim(void);

typedef struct asyncio__stack_statistics {
    size_t in_use;    /* stacks acquired and not released, by this thread */
    size_t free;      /* stacks in this thread's pool */
    size_t slabs;     /* mappings of this thread */
    size_t unguarded; /* stacks of this thread that have no guard which faults */
} asyncio__stack_statistics_t;

void asyncio__stack_statistics(asyncio__stack_statistics_t *ret_statistics);

/* The bytes that the slabs of this thread take, of address space and of memory. */
void asyncio__stack_memory(size_t *ret_mapped_bytes, size_t *ret_resident_bytes);

#endif
