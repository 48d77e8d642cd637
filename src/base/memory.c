/* SPDX-License-Identifier: MIT */
/*
 * Memory: the slow paths behind base/memory.h, the caches of the threads, and the allocator that
 * a program may set.
 *
 * The first allocation decides the mode, or asyncio_set_allocator() before it, and it never changes
 * again: so a block is always freed where it was allocated. With caches, every small block has the
 * full size of its class, so that any block of a class can serve any size of it. It comes from the
 * thread's cache, else from a chain in the depot, else from fresh memory.
 *
 * The caches form a list that only grows. A thread that ends empties its cache and leaves it to
 * the next new thread: so a walk over all caches needs no lock, and a fork cannot leave one locked.
 * The counts of a cache outlive its owner, so the sum stays right.
 */
#include "base/memory.h"

#include <asyncio/error.h>
#include <asyncio/memory.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/sanitizer.h"

/* A list keeps at most 1 MiB, or at most this number of blocks, whichever is more. */
#define CLASS_LIMIT_BYTES ((size_t)1024 * 1024)
#define CLASS_MIN_BLOCKS  ((size_t)4096)

/* The blocks that move from one cache to another at once. */
#define CHAIN_BLOCKS 256

enum mode {
    MODE_UNDECIDED,
    MODE_CACHED, /* a cache for each thread; large blocks by malloc and free */
    MODE_PLAIN,  /* malloc and free, for a checker that must see every block */
    MODE_CUSTOM, /* the program's allocator */
};

bool asyncio__cache_on_valgrind;

static _Atomic int mode = MODE_UNDECIDED;
static asyncio_allocator_t custom; /* written before mode becomes MODE_CUSTOM, only read after */

/* Empty and without room: for a thread that has no cache yet, and for one that has left it. */
static asyncio__cache_t no_cache_yet;
static asyncio__cache_t no_cache_any_more;

_Thread_local asyncio__cache_t *asyncio__cache = &no_cache_yet;

static _Atomic(asyncio__cache_t *) all_caches; /* linked by next */
static asyncio__depot_t depots[ASYNCIO__CACHE_CLASSES]; /* chains that the caches had no room for */
static _Atomic long taken_uncached;            /* like taken, of threads without a cache */
static pthread_key_t exit_key;                 /* its destructor empties a thread's cache */
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static bool has_exit_key; /* without it no thread gets a cache, for nothing would empty it */

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
    bool is_watched = asyncio__on_valgrind() && !asyncio__cache_on_valgrind;
    int wanted = is_watched ? MODE_PLAIN : MODE_CACHED;
#endif
    return atomic_compare_exchange_strong(&mode, &now, wanted) ? wanted : now;
}

static size_t class_bytes(size_t index)
{
    size_t bytes = index * 16;
    return bytes < ASYNCIO__BLOCK_MIN_BYTES ? ASYNCIO__BLOCK_MIN_BYTES : bytes;
}

static size_t class_limit(size_t index)
{
    size_t limit = CLASS_LIMIT_BYTES / class_bytes(index);
    return limit > CLASS_MIN_BLOCKS ? limit : CLASS_MIN_BLOCKS;
}

/* Moves up to count_max blocks of a class to its depot. */
static void move_to_depot(asyncio__cache_t *cache, size_t index, size_t count_max)
{
    asyncio__cache_class_t *class = &cache->classes[index];
    void *first = class->first, *last = first;
    if (!first || count_max == 0)
        return;
    size_t count = 1;
    for (void *next; count < count_max; count++, last = next) {
        memcpy(&next, last, sizeof(void *));
        if (!next)
            break;
    }
    memcpy(&class->first, last, sizeof(void *));
    memcpy(last, &(void *){NULL}, sizeof(void *));
    asyncio__chain_t *chain = first;
    chain->count = count;
    chain->next = NULL;
    ASYNCIO__OWNER_ADD(&class->room, count);
    ASYNCIO__OWNER_ADD(&cache->taken, -(long)count);
    asyncio__depot_put(&depots[index], chain);
}

static void empty_cache(asyncio__cache_t *cache)
{
    for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++) {
        while (cache->classes[i].first)
            move_to_depot(cache, i, CHAIN_BLOCKS);
    }
}

static void leave_cache(void *argument)
{
    asyncio__cache_t *cache = argument;
    asyncio__cache = &no_cache_any_more;
    empty_cache(cache);
    /* Release: pairs with the exchange in adopt_cache(), so that the next owner sees the counts. */
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

/* Gives this thread a cache if it has none yet; returns whether it has one. */
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

static bool is_small(enum mode how, size_t size)
{
    return how == MODE_CACHED && size <= ASYNCIO__CACHE_LIMIT_BYTES;
}

/* The size of the block that is allocated for a block of size bytes. */
static size_t allocated_bytes(enum mode how, size_t size)
{
    if (is_small(how, size))
        return class_bytes((size + 15) / 16);
    return size ? size : 1;
}

/* A small block for a thread that has left its cache. */
static void *allocate_uncached(size_t index)
{
    asyncio__chain_t *chain = asyncio__depot_take(&depots[index]);
    if (!chain)
        return malloc(class_bytes(index)); /* whoever frees it puts it into a cache */
    if (chain->second) {
        asyncio__chain_t *rest = chain->second;
        rest->next = NULL;
        rest->count = chain->count - 1;
        asyncio__depot_put(&depots[index], rest);
    }
    return chain;
}

/* A small block for a class whose list is empty. *ret_zeroed: its memory is fresh. */
static void *allocate_small(size_t index, bool *ret_zeroed)
{
    *ret_zeroed = false;
    if (!have_cache())
        return allocate_uncached(index);
    asyncio__cache_t *cache = asyncio__cache;
    asyncio__chain_t *chain = asyncio__depot_take(&depots[index]);
    if (!chain) {
        *ret_zeroed = true;
        return asyncio__region_cut(&cache->region, class_bytes(index));
    }
    /* The first of the chain is the block; allocate() counts it. */
    asyncio__cache_class_t *class = &cache->classes[index];
    class->first = chain->second;
    ASYNCIO__OWNER_ADD(&class->room, -(chain->count - 1));
    ASYNCIO__OWNER_ADD(&cache->taken, (long)chain->count - 1);
    return chain;
}

static void *allocate(size_t size, bool *ret_zeroed)
{
    enum mode how = decided_mode();
    void *block;
    *ret_zeroed = false;
    if (is_small(how, size))
        block = allocate_small((size + 15) / 16, ret_zeroed);
    else if (how == MODE_CUSTOM)
        block = custom.realloc(custom.context, NULL, 0, allocated_bytes(how, size));
    else
        block = malloc(allocated_bytes(how, size));
    if (block)
        count_taken(how, 1);
    return block;
}

/* A block cut from the current piece, if nothing else can serve and the piece has room; else NULL.
 * A program's first peak of tasks consists of such blocks. */
static inline void *cut_from_piece(size_t size)
{
    asyncio__cache_t *cache = asyncio__cache;
    size_t index = (size + 15) / 16, bytes = class_bytes(index);
    if (size > ASYNCIO__BLOCK_LARGE_BYTES - 16 || cache == &no_cache_yet ||
        cache == &no_cache_any_more ||
        atomic_load_explicit(&depots[index], memory_order_relaxed) ||
        cache->region.end - cache->region.at < (ptrdiff_t)bytes)
        return NULL;
    void *block = cache->region.at;
    cache->region.at += bytes;
    ASYNCIO__OWNER_ADD(&cache->taken, 1);
    return block;
}

void *asyncio__malloc_slowly(size_t size)
{
    bool is_zeroed;
    void *fresh = cut_from_piece(size);
    return fresh ? fresh : allocate(size, &is_zeroed);
}

void *asyncio__calloc_slowly(size_t size)
{
    void *fresh = cut_from_piece(size);
    if (fresh)
        return fresh;
    enum mode how = decided_mode();
    if (is_small(how, size) || how == MODE_CUSTOM) {
        bool is_zeroed;
        void *block = allocate(size, &is_zeroed);
        return block && !is_zeroed ? memset(block, 0, size) : block;
    }
    void *block = calloc(1, allocated_bytes(how, size));
    if (block)
        count_taken(how, 1);
    return block;
}

/* Frees a small block for which the cache has no room. */
static void free_small(void *block, size_t size)
{
    size_t index = (size + 15) / 16;
    if (have_cache()) {
        move_to_depot(asyncio__cache, index, CHAIN_BLOCKS);
        asyncio__free(block, size);
        return;
    }
    asyncio__chain_t *chain = block;
    *chain = (asyncio__chain_t){.count = 1};
    asyncio__depot_put(&depots[index], chain);
    count_taken(MODE_CACHED, -1);
}

void asyncio__free_slowly(void *block, size_t size)
{
    if (!block)
        return;
    enum mode how = decided_mode();
    if (is_small(how, size)) {
        free_small(block, size);
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
    size_t old_allocated = allocated_bytes(how, old_size);
    size_t new_allocated = allocated_bytes(how, new_size);
    if (how == MODE_CUSTOM)
        return custom.realloc(custom.context, block, old_allocated, new_allocated);
    /* With caches a small block must have the size of its class. */
    if (!is_small(how, old_size) && !is_small(how, new_size))
        return realloc(block, new_allocated);
    if (is_small(how, old_size) && (old_size + 15) / 16 == (new_size + 15) / 16)
        return block;
    void *moved = asyncio__malloc(new_size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    asyncio__free(block, old_size);
    return moved;
}

/* In front of a block for a program: the size that asyncio__free() wants. */
typedef union block_head {
    size_t size;       /* of head and block */
    max_align_t align; /* of the block behind it */
} block_head_t;

void *asyncio__malloc_sized(size_t size)
{
    block_head_t *head = size > SIZE_MAX / 2 ? NULL : asyncio__malloc(sizeof(*head) + size);
    if (!head)
        return NULL;
    head->size = sizeof(*head) + size;
    return head + 1;
}

void asyncio_free(void *block)
{
    block_head_t *head = block;
    if (head)
        asyncio__free(head - 1, head[-1].size);
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

atomic_long asyncio__quarantined_blocks;

long asyncio__live_blocks(void)
{
    long live = atomic_load_explicit(&taken_uncached, memory_order_relaxed) -
                atomic_load_explicit(&asyncio__quarantined_blocks, memory_order_relaxed);
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

/* --- trim ---------------------------------------------------------------------------------- */

/* Puts those blocks of a chain back whose memory the trim does not return. */
static void keep_rest(const asyncio__trim_t *trim, asyncio__chain_t *chain, size_t index)
{
    void *kept = NULL, *next;
    size_t count = 0;
    for (void *block = chain; block; block = next) {
        memcpy(&next, block, sizeof(next));
        if (asyncio__trim_drops(trim, block))
            continue;
        memcpy(block, &kept, sizeof(kept));
        kept = block;
        count++;
    }
    if (count == 0)
        return;
    chain = kept;
    chain->next = NULL;
    chain->count = count;
    asyncio__depot_put(&depots[index], chain);
}

size_t asyncio__memory_trim(void)
{
    asyncio__cache_t *cache = asyncio__cache;
    asyncio__trim_t trim;
    if (cache == &no_cache_yet || cache == &no_cache_any_more ||
        !asyncio__trim_begin(&trim, &cache->region))
        return 0;
    empty_cache(cache);
    asyncio__chain_t *chains[ASYNCIO__CACHE_CLASSES];
    for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++) {
        chains[i] = asyncio__depot_take_all(&depots[i]);
        for (asyncio__chain_t *chain = chains[i]; chain; chain = chain->next)
            asyncio__trim_count(&trim, chain, class_bytes(i));
    }
    asyncio__trim_choose(&trim);
    for (size_t i = 0; i < ASYNCIO__CACHE_CLASSES; i++) {
        for (asyncio__chain_t *chain = chains[i], *next; chain; chain = next) {
            next = chain->next;
            keep_rest(&trim, chain, i);
        }
    }
    return asyncio__trim_end(&trim);
}
