/* SPDX-License-Identifier: MIT */
/*
 * Memory: the slow paths behind base/memory.h, the caches of the threads, and the allocator that
 * a program may set.
 *
 * The mode is decided by the first allocation, or by asyncio_set_allocator() before it, and stands
 * for good: a block is always given back to where it came from. With caches, every small block has
 * the full size of its class, so that any block of a class can serve any size of it.
 *
 * The caches form a list that only grows. A thread that ends empties its cache and leaves it to
 * the next new thread: so a walk over all caches needs no lock, and none can be held by a thread
 * that a fork leaves behind. Counts survive their owner, so the sum stays right.
 */
#include "base/memory.h"

#include <asyncio/error.h>
#include <asyncio/memory.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/sanitizer.h"

/* A class keeps at most a mebibyte, but any class keeps at least so many blocks. */
#define CLASS_LIMIT_BYTES   ((size_t)1024 * 1024)
#define CLASS_LEAST_BLOCKS  ((size_t)4096)

enum mode {
    MODE_UNDECIDED,
    MODE_CACHED, /* malloc and free, with a cache for each thread */
    MODE_PLAIN,  /* malloc and free, for a checker that wants to see every block */
    MODE_CUSTOM, /* the program's allocator */
};

static _Atomic int mode = MODE_UNDECIDED;
static asyncio_allocator_t custom; /* written before mode becomes MODE_CUSTOM, only read after */

/* Empty and without room: a thread that has no cache yet, and one whose cache is gone. */
static asyncio__cache_t no_cache_yet;
static asyncio__cache_t no_cache_any_more;

_Thread_local asyncio__cache_t *asyncio__cache = &no_cache_yet;

static _Atomic(asyncio__cache_t *) all_caches; /* linked by next */
static _Atomic long taken_uncached;            /* as taken, by whoever has no cache */
static pthread_key_t exit_key;                 /* its destructor empties a thread's cache */
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static bool has_exit_key; /* else no thread keeps a cache, for nothing would empty it */

int asyncio_set_allocator(const asyncio_allocator_t *allocator)
{
    if (!allocator || !allocator->realloc || !allocator->free)
        return -EINVAL;
    if (atomic_load(&mode) != MODE_UNDECIDED)
        return ASYNCIO_ERUNTIME;
    custom = *allocator;
    int expected = MODE_UNDECIDED;
    return atomic_compare_exchange_strong(&mode, &expected, MODE_CUSTOM) ? 0 : ASYNCIO_ERUNTIME;
}

static enum mode decided_mode(void)
{
    int now = atomic_load_explicit(&mode, memory_order_acquire);
    if (__builtin_expect(now != MODE_UNDECIDED, 1))
        return now;
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN)
    int wanted = MODE_PLAIN;
#else
    int wanted = asyncio__on_valgrind() ? MODE_PLAIN : MODE_CACHED;
#endif
    return atomic_compare_exchange_strong(&mode, &now, wanted) ? wanted : now;
}

static size_t class_limit(size_t index)
{
    size_t limit = CLASS_LIMIT_BYTES / (index * 16 + 8);
    return limit > CLASS_LEAST_BLOCKS ? limit : CLASS_LEAST_BLOCKS;
}

static void empty_cache(asyncio__cache_t *cache)
{
    for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++) {
        asyncio__cache_class_t *class = &cache->classes[i];
        while (class->first) {
            void *block = class->first;
            memcpy(&class->first, block, sizeof(void *));
            ASYNCIO__OWNER_ADD(&class->room, 1);
            ASYNCIO__OWNER_ADD(&cache->taken, -1);
            free(block);
        }
    }
}

static void leave_cache(void *argument)
{
    asyncio__cache_t *cache = argument;
    asyncio__cache = &no_cache_any_more;
    empty_cache(cache);
    /* Pairs with the exchange in adopt_cache(): the next owner sees the counts as they are. */
    atomic_store_explicit(&cache->is_owned, 0, memory_order_release);
}

static void make_exit_key(void)
{
    has_exit_key = pthread_key_create(&exit_key, leave_cache) == 0;
}

/* A cache that a thread left, or a new one, or NULL. */
static asyncio__cache_t *adopt_cache(void)
{
    asyncio__cache_t *cache = atomic_load_explicit(&all_caches, memory_order_acquire);
    for (; cache; cache = cache->next) {
        if (!atomic_exchange_explicit(&cache->is_owned, 1, memory_order_acquire))
            return cache;
    }
    cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++)
        atomic_init(&cache->classes[i].room, class_limit(i));
    atomic_init(&cache->is_owned, 1);
    cache->next = atomic_load_explicit(&all_caches, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&all_caches, &cache->next, cache,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return cache;
}

/* Gives this thread a cache if it has none yet; answers whether it has one. */
static bool have_cache(void)
{
    if (__builtin_expect(asyncio__cache != &no_cache_yet, 1))
        return asyncio__cache != &no_cache_any_more;
    if (pthread_once(&exit_key_once, make_exit_key) != 0 || !has_exit_key)
        return false;
    asyncio__cache_t *cache = adopt_cache();
    if (!cache)
        return false;
    if (pthread_setspecific(exit_key, cache) != 0) {
        atomic_store_explicit(&cache->is_owned, 0, memory_order_release);
        return false;
    }
    asyncio__cache = cache;
    return true;
}

static void count_taken(enum mode how, long change)
{
    if (how == MODE_CACHED && have_cache())
        ASYNCIO__OWNER_ADD(&asyncio__cache->taken, change);
    else
        atomic_fetch_add_explicit(&taken_uncached, change, memory_order_relaxed);
}

/* What the allocator is asked for when a block of that size is wanted. */
static size_t gross(enum mode how, size_t size)
{
    if (size == 0)
        size = 1;
    if (how == MODE_CACHED && size <= ASYNCIO__CACHE_LIMIT_BYTES)
        size = (size + 7) / 16 * 16 + 8;
    return size;
}

void *asyncio__malloc_slowly(size_t size)
{
    enum mode how = decided_mode();
    size_t wanted = gross(how, size);
    void *block = how == MODE_CUSTOM ? custom.realloc(custom.context, NULL, 0, wanted)
                                     : malloc(wanted);
    if (block)
        count_taken(how, 1);
    return block;
}

void *asyncio__calloc_slowly(size_t size)
{
    enum mode how = decided_mode();
    if (how == MODE_CUSTOM) {
        void *block = asyncio__malloc_slowly(size);
        return block ? memset(block, 0, size) : NULL;
    }
    void *block = calloc(1, gross(how, size));
    if (block)
        count_taken(how, 1);
    return block;
}

void asyncio__free_slowly(void *block, size_t size)
{
    if (!block)
        return;
    enum mode how = decided_mode();
    if (asyncio__cache == &no_cache_yet && how == MODE_CACHED && have_cache()) {
        asyncio__free(block, size); /* the first block that this thread frees: now there is room */
        return;
    }
    count_taken(how, -1);
    if (how == MODE_CUSTOM)
        custom.free(custom.context, block, size ? size : 1);
    else
        free(block);
}

void *asyncio__realloc(void *block, size_t old_size, size_t new_size)
{
    if (!block)
        return asyncio__malloc(new_size);
    enum mode how = decided_mode();
    size_t old_gross = gross(how, old_size);
    size_t new_gross = gross(how, new_size);
    if (how == MODE_CUSTOM)
        return custom.realloc(custom.context, block, old_gross, new_gross);
    /* With caches a small block must keep the size of its class, also when it is class 0. */
    bool is_small =
        old_size <= ASYNCIO__CACHE_LIMIT_BYTES || new_size <= ASYNCIO__CACHE_LIMIT_BYTES;
    if (how == MODE_PLAIN || !is_small)
        return realloc(block, new_gross);
    if (old_gross == new_gross)
        return block;
    void *moved = asyncio__malloc(new_size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    asyncio__free(block, old_size);
    return moved;
}

char *asyncio__strdup(const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = asyncio__malloc(size);
    return copy ? memcpy(copy, string, size) : NULL;
}

void asyncio__free_string(char *string)
{
    if (string)
        asyncio__free(string, strlen(string) + 1);
}

long asyncio__live_blocks(void)
{
    long live = atomic_load_explicit(&taken_uncached, memory_order_relaxed);
    asyncio__cache_t *cache = atomic_load_explicit(&all_caches, memory_order_acquire);
    for (; cache; cache = cache->next) {
        live += atomic_load_explicit(&cache->taken, memory_order_relaxed);
        for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++) {
            size_t room = atomic_load_explicit(&cache->classes[i].room, memory_order_relaxed);
            live -= (long)(class_limit(i) - room);
        }
    }
    return live;
}

void asyncio__cache_trim(void)
{
    if (have_cache())
        empty_cache(asyncio__cache);
}
