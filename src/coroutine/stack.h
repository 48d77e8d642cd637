/* SPDX-License-Identifier: MIT */
/*
 * Stacks for coroutines: cut from slabs of one mapping, guarded at their low end, and recycled,
 * last released first, through the pool of the thread.
 *
 *     asyncio__stack_t *stack = asyncio__stack_acquire(256 * 1024);
 *     ...                                    the fiber runs from stack->top downwards
 *     asyncio__stack_release(stack);         may be called while still running on it
 *
 * Layout, low to high:  | guard | ... the stack grows down ... | record | colour |
 * The record shares its page with the first frames, so that a coroutine that waits costs one page.
 * The colour, 0 to 15 cache lines, keeps the first frames of neighbours out of each other's cache
 * lines. See coroutine/guard.h for the guards.
 *
 * A released stack keeps its memory, so that the next coroutine finds it warm. Stacks beyond the
 * working set are returned to the kernel: all but a few when a loop closes or its thread ends, and
 * while a loop is idle, those that were free for a second (asyncio__stack_trim_idle()).
 *
 * A stack is released by the thread that acquired it or, when a loop is closed by another thread,
 * by that thread: it always returns to the pool that it came from. The pool of a thread that has
 * ended with stacks still in use is adopted by the next new thread.
 */
#ifndef ASYNCIO__COROUTINE_STACK_H
#define ASYNCIO__COROUTINE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/sanitizer.h"
#include "coroutine/guard.h"

/* Bytes that a coroutine may use. The default holds the buffers that C programs put on stacks; the
 * least holds libc's own functions (printf("%Lf") uses 36 KiB). Under sanitizers frames are larger,
 * and each stack is four times as large as asked for. */
#define ASYNCIO__STACK_DEFAULT_BYTES ((size_t)256 * 1024)
#define ASYNCIO__STACK_LEAST_BYTES   ((size_t)64 * 1024)
#define ASYNCIO__STACK_MOST_BYTES    ((size_t)64 * 1024 * 1024)

typedef struct asyncio__stack asyncio__stack_t;

/* One stack. Its record is at the high end of its own memory, at top: one cache line. */
struct asyncio__stack {
    char *top;                       /* where the first frame begins: this record, 64-aligned */
    char *bottom;                    /* the lowest usable byte, above the guard */
    asyncio__stack_t *next;          /* in the free list */
    struct asyncio__stack_pool *pool; /* the pool of the thread it belongs to */
    struct asyncio__slab *slab;      /* the mapping that it was cut from */
    unsigned valgrind_id;            /* from VALGRIND_STACK_REGISTER */
    uint8_t size_class;              /* 0: 64 KiB, 1: 128 KiB, ...: which free list it belongs to */
    uint8_t guard;                   /* asyncio__guard_t */
    bool is_watched;                 /* valgrind is told who uses it */
};

/* 64 KiB, 128 KiB, ... 64 MiB. */
#define ASYNCIO__STACK_CLASSES 11

/* Under sanitizers red zones and missing optimisation make frames larger: every stack is of a class
 * two higher. */
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
#define ASYNCIO__STACK_EXTRA_CLASSES 2u
#else
#define ASYNCIO__STACK_EXTRA_CLASSES 0u
#endif

/* The smallest class whose stacks have that size; ASYNCIO__STACK_CLASSES or more when none has. */
static inline unsigned asyncio__stack_class(size_t size_bytes)
{
    size_t last = size_bytes ? size_bytes - 1 : 0;
    unsigned class = 63 - (unsigned)__builtin_clzll((unsigned long long)last >> 15 | 1);
    unsigned most = ASYNCIO__STACK_CLASSES - 1;
    if (ASYNCIO__STACK_EXTRA_CLASSES && class <= most)
        class = class + ASYNCIO__STACK_EXTRA_CLASSES < most ? class + ASYNCIO__STACK_EXTRA_CLASSES
                                                            : most;
    return class;
}

/* A stack with at least size_bytes to use (rounded up to a power of two from 64 KiB to 64 MiB), or
 * NULL when memory is out or the size is too large. */
asyncio__stack_t *asyncio__stack_acquire(size_t size_bytes);

/* Returns a stack to its pool. If its guard is a canary and an overflow has overwritten it, this
 * aborts. */
void asyncio__stack_release(asyncio__stack_t *stack);

/* Bytes of the stack that were touched since the kernel gave it memory, by pages. Pages that were
 * swapped out do not count. */
size_t asyncio__stack_high_water(const asyncio__stack_t *stack);

/* Returns the stack's memory to the kernel, except the page of the record, so that its high-water
 * mark starts again. Nothing runs on it. */
void asyncio__stack_refresh(asyncio__stack_t *stack);

/* The stack of this process in whose guard the address lies, or NULL. For handlers of SIGSEGV:
 * takes no lock and allocates nothing. */
asyncio__stack_t *asyncio__stack_of_guard(const void *address);

/* Returns the memory of this thread's free stacks to the kernel, except that of the `kept` stacks
 * of each size that were released last. Returns how many stacks that were. Must not run on a stack
 * that is already released. */
size_t asyncio__stack_trim(size_t kept);

/* How many free stacks of each size a thread keeps when its loop closes or is idle. */
#define ASYNCIO__STACKS_KEPT 64

/* Called when the loop of this thread is about to wait, with the time now. At most once a second,
 * returns the memory of stacks that were not needed in the last second, some at a time, and then
 * that of free records. Returns in how many nanoseconds it has more to do, or -1 for never. */
int64_t asyncio__stack_trim_idle(int64_t now_ns);

/* Whether that call may have anything to do: there are more stacks of a size than are kept. */
extern ASYNCIO__THREAD_LOCAL bool asyncio__stack_has_many;

typedef struct asyncio__stack_statistics {
    size_t in_use;    /* stacks acquired and not released, by this thread */
    size_t free;      /* stacks in this thread's pool */
    size_t slabs;     /* mappings of this thread */
    size_t unguarded; /* stacks of this thread whose guard is a canary */
} asyncio__stack_statistics_t;

void asyncio__stack_statistics(asyncio__stack_statistics_t *ret_statistics);

/* Bytes of address space and of memory that the slabs of this thread take. */
void asyncio__stack_memory(size_t *ret_mapped_bytes, size_t *ret_resident_bytes);

#endif
