/* SPDX-License-Identifier: MIT */
/*
 * Memory: every allocation of the library goes through this file.
 *
 *     struct thing *thing = asyncio__malloc(sizeof(*thing));
 *     ...
 *     asyncio__free(thing, sizeof(*thing));
 *
 * The caller of free passes the size, so that small blocks need no header and go to a cache of the
 * thread, one list for each size: a warm malloc of at most ASYNCIO__CACHE_LIMIT_BYTES costs a few
 * instructions. Any thread may free a block. When a list is full, a chain of its blocks moves to a
 * depot, where the caches of all threads find it. The cache is off under sanitizers and valgrind,
 * and once the program has set its own allocator, so that those see every block.
 *
 * Lists over plain malloc, without depots and pieces of our own (pool.h), were measured as well,
 * with lists of any length: spawn_batch then takes 2.1 times as long, timers 1.6 times and gather
 * 1.3 times, because malloc's memory has no huge pages.
 */
#ifndef ASYNCIO__BASE_MEMORY_H
#define ASYNCIO__BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "base/pool.h"

#define ASYNCIO__CACHE_LIMIT_BYTES 512
#define ASYNCIO__CACHE_CLASSES     (ASYNCIO__CACHE_LIMIT_BYTES / 16 + 1)

/* A block of size bytes (0 counts as 1), aligned for any type, or NULL. */
static inline void *asyncio__malloc(size_t size);

/* The same, zeroed. */
static inline void *asyncio__calloc(size_t size);

/* The block grown or shrunk from old_size to new_size. On failure returns NULL and leaves the block
 * as it was. A NULL block of size 0 makes a new one. */
ASYNCIO__SHARED void *asyncio__realloc(void *block, size_t old_size, size_t new_size);

/* Frees a block of exactly that size; NULL is a no-op. */
static inline void asyncio__free(void *block, size_t size);

/* A block for a program, which frees it with asyncio_free(); or NULL. */
ASYNCIO__SHARED void *asyncio__malloc_sized(size_t size);

/* A copy of the string, or NULL; to be freed with asyncio__free_string(). */
ASYNCIO__SHARED char *asyncio__strdup(const char *string);
ASYNCIO__SHARED void asyncio__free_string(char *string);

/* Returns free blocks of this thread, and of all depots, to the kernel: whole pieces of memory in
 * which no block is in use. The result is their size in bytes. It walks over every free block, some
 * 50 ns for each: for a call of the program's, or after a peak, not for each turn of a loop. */
size_t asyncio__memory_trim(void);

/* Blocks that are allocated and not freed, in the whole process; 0 if nothing leaks. Exact while no
 * other thread is inside one of these calls. */
long asyncio__live_blocks(void);

/* Blocks that the library has freed and quarantine.h keeps. */
extern atomic_long asyncio__quarantined_blocks;

/* Marks a result that is ignored on purpose. */
static inline void asyncio__ignore(long result)
{
    (void)result;
}

/* Set before the first allocation, it leaves the cache on under valgrind: for a test that counts
 * the instructions of the ordinary path. */
extern bool asyncio__cache_on_valgrind;

/* ---- What the calls above are made of; for this file and memory.c only. ---- */

/* The free blocks of one size, a multiple of 16 bytes, linked by their first words. Only the owner
 * writes; room is atomic because asyncio__live_blocks() reads it from other threads. */
typedef struct asyncio__cache_class {
    void *first;         /* the block freed last, or NULL */
    _Atomic size_t room; /* how many more blocks the list takes */
} asyncio__cache_class_t;

typedef struct asyncio__cache {
    asyncio__cache_class_t classes[ASYNCIO__CACHE_CLASSES]; /* by (size + 15) / 16 */
    asyncio__region_t region;    /* where new blocks are cut */
    _Atomic long taken;          /* blocks allocated minus freed by the owner */
    _Atomic int is_owned;        /* a thread uses it; else the next new thread adopts it */
    struct asyncio__cache *next; /* in the list of all caches, which never shrinks */
} asyncio__cache_t;

/* The cache of this thread. Before it has one, and where caching is off, this points at a cache
 * that is empty and has no room, so that the fast paths need no test of their own. Only a pointer
 * is thread-local, because static TLS is scarce in a library that is loaded late. */
extern _Thread_local asyncio__cache_t *asyncio__cache
    __attribute__((tls_model("initial-exec"), visibility("default")));

ASYNCIO__SHARED void *asyncio__malloc_slowly(size_t size);
ASYNCIO__SHARED void *asyncio__calloc_slowly(size_t size);
ASYNCIO__SHARED void asyncio__free_slowly(void *block, size_t size);

static inline asyncio__cache_class_t *asyncio__cache_class(size_t size)
{
    return &asyncio__cache->classes[(size + 15) / 16];
}

/* Adds to a number that only its owner writes: cheaper than an atomic read-modify-write. */
#define ASYNCIO__OWNER_ADD(number, count)                                              \
    atomic_store_explicit(                                                             \
        (number), atomic_load_explicit((number), memory_order_relaxed) + (count),      \
        memory_order_relaxed)

static inline void *asyncio__malloc(size_t size)
{
    if (size <= ASYNCIO__CACHE_LIMIT_BYTES) {
        asyncio__cache_class_t *class = asyncio__cache_class(size);
        void *block = class->first;
        if (__builtin_expect(block != NULL, 1)) {
            memcpy(&class->first, block, sizeof(void *));
            ASYNCIO__OWNER_ADD(&class->room, 1);
            return block;
        }
    }
    return asyncio__malloc_slowly(size);
}

/* Zeroes a record, whose size is a multiple of 8, by plain stores: what compilers make of a memset
 * of such a size (rep stos) takes longer than the rest of creating a task. */
static inline __attribute__((always_inline)) void *asyncio__clear(void *record, size_t size)
{
    typedef long long asyncio__pair_t __attribute__((vector_size(16), may_alias, aligned(8)));
    const asyncio__pair_t zero = {0, 0};
    asyncio__pair_t *at = record;
    size_t left = size / 8;
    /* When the size is a compile-time constant, as for most records, the compiler unrolls this
     * loop completely. */
    for (int i = 0; i < 3 && __builtin_constant_p(size) && left >= 8; i++, left -= 8, at += 4)
        at[0] = at[1] = at[2] = at[3] = zero;
    for (; left >= 8; left -= 8, at += 4) {
        at[0] = at[1] = at[2] = at[3] = zero;
        __asm__ volatile(""); /* keeps the loop from becoming a memset again */
    }
    if (left & 4) {
        at[0] = at[1] = zero;
        at += 2;
    }
    if (left & 2)
        *at++ = zero;
    if (left & 1)
        memset(at, 0, 8);
    return record;
}

static inline void *asyncio__calloc(size_t size)
{
    if (size <= ASYNCIO__CACHE_LIMIT_BYTES && asyncio__cache_class(size)->first)
        return asyncio__clear(asyncio__malloc(size), (size + 7) / 8 * 8);
    return asyncio__calloc_slowly(size);
}

/* A zeroed block from the cache, or NULL if the cache has none. Calls nothing, so that a caller
 * saves no registers for it. */
static inline __attribute__((always_inline)) void *asyncio__calloc_cached(size_t size)
{
    bool is_cached = size <= ASYNCIO__CACHE_LIMIT_BYTES && asyncio__cache_class(size)->first;
    return is_cached ? asyncio__clear(asyncio__malloc(size), (size + 7) / 8 * 8) : NULL;
}

static inline void asyncio__free(void *block, size_t size)
{
    if (size <= ASYNCIO__CACHE_LIMIT_BYTES && block) {
        asyncio__cache_class_t *class = asyncio__cache_class(size);
        if (__builtin_expect(atomic_load_explicit(&class->room, memory_order_relaxed) != 0, 1)) {
            memcpy(block, &class->first, sizeof(void *));
            class->first = block;
            ASYNCIO__OWNER_ADD(&class->room, -1);
            return;
        }
    }
    asyncio__free_slowly(block, size);
}

#endif
