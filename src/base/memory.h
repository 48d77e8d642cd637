/* SPDX-License-Identifier: MIT */
/*
 * Memory: the only way to the allocator, for the whole library.
 *
 *     struct thing *thing = asyncio__malloc(sizeof(*thing));
 *     ...
 *     asyncio__free(thing, sizeof(*thing));
 *
 * Who frees says the size, so that small blocks can go to a cache of the thread by size: a warm
 * malloc of at most ASYNCIO__CACHE_LIMIT_BYTES costs a few instructions, and has no header. A block
 * may be freed by another thread than the one that made it: what a cache has too much of goes, many
 * at once, to where the other caches find it. Small blocks are not given back to the system. The
 * cache is off under sanitizers and valgrind, and once the program has set an allocator of its own,
 * so that every block is seen there.
 */
#ifndef ASYNCIO__BASE_MEMORY_H
#define ASYNCIO__BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/pool.h"

#define ASYNCIO__CACHE_LIMIT_BYTES 512
#define ASYNCIO__CACHE_CLASSES     (ASYNCIO__CACHE_LIMIT_BYTES / 16 + 1)

/* A block of size bytes (0 counts as 1), aligned for any type, or NULL. */
static inline void *asyncio__malloc(size_t size);

/* The same, zeroed. */
static inline void *asyncio__calloc(size_t size);

/* The block grown or shrunk from old_size to new_size, or NULL: then the old one stands. A NULL
 * block of size 0 makes a new one. */
void *asyncio__realloc(void *block, size_t old_size, size_t new_size);

/* Gives back a block of exactly that size; NULL is harmless. */
static inline void asyncio__free(void *block, size_t size);

/* A copy of the string, or NULL; asyncio__free_string gives it back. */
char *asyncio__strdup(const char *string);
void asyncio__free_string(char *string);

/* Blocks handed out and not given back, in the whole process; 0 where nothing leaks. Exact while
 * no other thread is inside one of these calls. */
long asyncio__live_blocks(void);

/* Blocks that were given back and are held back all the same; see quarantine.h. */
extern atomic_long asyncio__quarantined_blocks;

/* Leaves this thread's cached blocks to all threads. */
void asyncio__cache_trim(void);

/* Names a result that is ignored on purpose. */
static inline void asyncio__ignore(long result)
{
    (void)result;
}

/* Set before the first allocation: the cache is on under valgrind too. For tests that count the
 * instructions of what programs run, not those of what a checker sees. */
extern bool asyncio__cache_on_valgrind;

/* ---- What the calls above are made of; nobody else touches it. ---- */

/* The free blocks of one size: a multiple of 16 bytes. Blocks are linked through their first word.
 * The owner alone writes; room is atomic because asyncio__live_blocks() reads it from elsewhere. */
typedef struct asyncio__cache_class {
    void *first;         /* the block freed last, or NULL */
    _Atomic size_t room; /* how many more blocks may be kept */
} asyncio__cache_class_t;

typedef struct asyncio__cache {
    asyncio__cache_class_t classes[ASYNCIO__CACHE_CLASSES]; /* by (size + 15) / 16 */
    asyncio__region_t region;    /* where new blocks are cut */
    _Atomic long taken;          /* blocks taken minus given back by the owner */
    _Atomic int is_owned;        /* a thread uses it; else the next new thread adopts it */
    struct asyncio__cache *next; /* in the list of all caches, which never shrinks */
} asyncio__cache_t;

/* The cache of this thread. Before it has one, and where caching is off, it points at one that is
 * empty and has no room, so that the fast paths need no question of their own. Only a pointer is
 * thread-local, for the static TLS of a library that is loaded late is scarce. */
extern _Thread_local asyncio__cache_t *asyncio__cache
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

void *asyncio__malloc_slowly(size_t size);
void *asyncio__calloc_slowly(size_t size);
void asyncio__free_slowly(void *block, size_t size);

static inline asyncio__cache_class_t *asyncio__cache_class(size_t size)
{
    return &asyncio__cache->classes[(size + 15) / 16];
}

/* Adds to a number that only its owner writes: cheaper than a read-modify-write. */
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

/* Zeroes a record, of a multiple of 8 bytes: by plain stores, for what compilers make of a memset
 * of such a size (rep stos) takes longer than all the rest of making a task. */
static inline __attribute__((always_inline)) void *asyncio__clear(void *record, size_t size)
{
    typedef long long asyncio__pair_t __attribute__((vector_size(16), may_alias, aligned(8)));
    const asyncio__pair_t zero = {0, 0};
    asyncio__pair_t *at = record;
    size_t left = size / 8;
    /* Of a size that the compiler knows, the records of most, no loop is left. */
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

/* The same if the cache has one, else NULL: for who would not call anything then. */
static inline __attribute__((always_inline)) void *asyncio__calloc_at_hand(size_t size)
{
    bool is_there = size <= ASYNCIO__CACHE_LIMIT_BYTES && asyncio__cache_class(size)->first;
    return is_there ? asyncio__clear(asyncio__malloc(size), (size + 7) / 8 * 8) : NULL;
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
