/* SPDX-License-Identifier: MIT */
/*
 * The pools of the threads: free lists of stacks, and the slabs behind them; see
 * coroutine/stack.h.
 *
 * Pools and the pages that hold the records of slabs are mapped, not allocated, and never given
 * back: they outlive threads and loops, and a handler of SIGSEGV walks over them. Both lists only
 * grow. The owner of a pool alone touches it, but for `returned`, where other threads leave stacks
 * that they release.
 */
#include "coroutine/stack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "coroutine/overflow.h"
#include "coroutine/slab.h"

#if defined(ASYNCIO__ASAN)
#include <sanitizer/asan_interface.h>
#endif
#if defined(ASYNCIO__VALGRIND)
#include <valgrind/memcheck.h>
#endif

#define CLASSES ASYNCIO__STACK_CLASSES

#define RECORD_PAGE_BYTES 4096

/* A page of records of slabs. */
typedef struct slab_page {
    _Atomic(struct slab_page *) next; /* the list only grows, at its end */
    asyncio__slab_t slabs[(RECORD_PAGE_BYTES - sizeof(void *)) / sizeof(asyncio__slab_t)];
} slab_page_t;

#define SLABS_PER_PAGE (sizeof(((slab_page_t *)NULL)->slabs) / sizeof(asyncio__slab_t))

typedef struct asyncio__stack_pool {
    asyncio__stack_t *free[CLASSES];       /* the stack released last is first */
    asyncio__slab_t *current[CLASSES];     /* from which new stacks are cut, or NULL */
    size_t next_slab_bytes[CLASSES];       /* doubles with each slab */
    size_t in_use;                         /* stacks acquired and not released */
    _Atomic(asyncio__stack_t *) returned;  /* released by other threads, linked by next */
    _Atomic int is_owned;                  /* a thread uses it; else the next one adopts it */
    _Atomic(slab_page_t *) pages;          /* the records of its slabs */
    struct asyncio__stack_pool *next;      /* in the list of all pools */
} pool_t;

/* Of a thread that has no pool yet: empty, so that acquiring needs no question of its own. */
static pool_t no_pool;

static ASYNCIO__THREAD_LOCAL pool_t *own_pool = &no_pool;

static _Atomic(pool_t *) all_pools;
static pthread_key_t exit_key; /* its destructor leaves the pool of a thread */
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static bool has_exit_key;

static void push(pool_t *pool, asyncio__stack_t *stack)
{
    stack->next = pool->free[stack->size_class];
    pool->free[stack->size_class] = stack;
}

/* Takes over what other threads released. */
static void collect_returned(pool_t *pool)
{
    /* Pairs with return_elsewhere(): what the coroutine left there has happened before. */
    asyncio__stack_t *stack =
        atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (stack) {
        asyncio__stack_t *next = stack->next;
        push(pool, stack);
        pool->in_use--;
        stack = next;
    }
}

static void unmap_slab(pool_t *pool, asyncio__slab_t *slab)
{
    for (size_t i = 0; i < CLASSES; i++) {
        if (pool->current[i] == slab)
            pool->current[i] = NULL;
    }
    /* After a peak, slabs begin small again. */
    size_t size = slab->slots * slab->stride_bytes;
    if (pool->next_slab_bytes[slab->size_class] > size)
        pool->next_slab_bytes[slab->size_class] = size;
    asyncio__slab_unmap(slab);
}

/* Sorts the free stacks of a class into those of slabs that are free as a whole, which are
 * forgotten, and the rest, which keep their order. */
static void forget_free_slabs(asyncio__stack_t **free)
{
    while (*free) {
        asyncio__stack_t *stack = *free;
        if (stack->slab->free == stack->slab->cut)
            *free = stack->next;
        else
            free = &stack->next;
    }
}

static void trim(pool_t *pool)
{
    collect_returned(pool);
    for (slab_page_t *page = pool->pages; page; page = page->next) {
        for (size_t i = 0; i < SLABS_PER_PAGE; i++)
            page->slabs[i].free = 0;
    }
    for (size_t i = 0; i < CLASSES; i++) {
        for (asyncio__stack_t *stack = pool->free[i]; stack; stack = stack->next)
            stack->slab->free++;
    }
    for (size_t i = 0; i < CLASSES; i++)
        forget_free_slabs(&pool->free[i]);
    for (slab_page_t *page = pool->pages; page; page = page->next) {
        for (size_t i = 0; i < SLABS_PER_PAGE; i++) {
            if (page->slabs[i].base && page->slabs[i].free == page->slabs[i].cut)
                unmap_slab(pool, &page->slabs[i]);
        }
    }
}

/* The pool of a thread that ends waits for the next thread, with what is still in use. */
static void leave_pool(void *argument)
{
    pool_t *pool = argument;
    trim(pool);
    own_pool = &no_pool;
    /* Pairs with the exchange in adopt_pool(). */
    atomic_store_explicit(&pool->is_owned, 0, memory_order_release);
}

static void make_exit_key(void)
{
    has_exit_key = pthread_key_create(&exit_key, leave_pool) == 0;
}

static void *map_records(size_t size)
{
    void *records = asyncio__sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return records == MAP_FAILED ? NULL : records;
}

/* A pool that a thread left, or a new one, or NULL. */
static pool_t *adopt_pool(void)
{
    pool_t *pool = atomic_load_explicit(&all_pools, memory_order_acquire);
    for (; pool; pool = pool->next) {
        if (!atomic_exchange_explicit(&pool->is_owned, 1, memory_order_acquire))
            return pool;
    }
    pool = map_records(sizeof(*pool));
    if (!pool)
        return NULL;
    atomic_init(&pool->is_owned, 1);
    pool->next = atomic_load_explicit(&all_pools, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&all_pools, &pool->next, pool,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return pool;
}

/* Gives this thread a pool if it has none; answers whether it has one. */
static bool have_pool(void)
{
    if (own_pool != &no_pool)
        return true;
    if (pthread_once(&exit_key_once, make_exit_key) != 0 || !has_exit_key)
        return false;
    pool_t *pool = adopt_pool();
    if (!pool)
        return false;
    if (pthread_setspecific(exit_key, pool) != 0) {
        atomic_store_explicit(&pool->is_owned, 0, memory_order_release);
        return false;
    }
    own_pool = pool;
    return true;
}

/* A record of a slab that is not in use, or NULL. */
static asyncio__slab_t *find_record(pool_t *pool)
{
    _Atomic(slab_page_t *) *end = &pool->pages;
    slab_page_t *page;
    while ((page = atomic_load_explicit(end, memory_order_relaxed))) {
        for (size_t i = 0; i < SLABS_PER_PAGE; i++) {
            if (!page->slabs[i].base)
                return &page->slabs[i];
        }
        end = &page->next;
    }
    page = map_records(sizeof(*page));
    if (!page)
        return NULL;
    /* Pairs with asyncio__stack_of_guard(): a page of zeroes is one of unused records. */
    atomic_store_explicit(end, page, memory_order_release);
    return &page->slabs[0];
}

static asyncio__slab_t *map_slab(pool_t *pool, unsigned class)
{
    size_t most_bytes = pool->next_slab_bytes[class];
    if (!most_bytes)
        most_bytes = ASYNCIO__SLAB_LEAST_BYTES;
    asyncio__slab_t *slab = find_record(pool);
    if (!slab)
        return NULL;
    slab->pool = pool;
    if (asyncio__slab_map(slab, class, most_bytes) < 0)
        return NULL;
    if (most_bytes < ASYNCIO__SLAB_MOST_BYTES)
        most_bytes *= 2;
    pool->next_slab_bytes[class] = most_bytes;
    pool->current[class] = slab;
    return slab;
}

static ASYNCIO__COLD asyncio__stack_t *acquire_slowly(unsigned class)
{
    if (class >= CLASSES || !have_pool())
        return NULL;
    pool_t *pool = own_pool;
    collect_returned(pool);
    asyncio__stack_t *stack = pool->free[class];
    if (stack) {
        pool->free[class] = stack->next;
    } else {
        asyncio__slab_t *slab = pool->current[class];
        stack = slab ? asyncio__slab_cut(slab) : NULL;
        if (!stack) {
            slab = map_slab(pool, class);
            stack = slab ? asyncio__slab_cut(slab) : NULL;
        }
    }
    if (stack)
        pool->in_use++;
    return stack;
}

#if defined(ASYNCIO__VALGRIND)
/* Apart: what asks valgrind takes a frame. */
static __attribute__((noinline)) void forget_on_valgrind(const asyncio__stack_t *stack)
{
    VALGRIND_MAKE_MEM_UNDEFINED(stack->bottom, (size_t)(stack->top - stack->bottom));
}
#endif

/* What checkers remember of the coroutine that had the stack before. */
static inline void forget_contents(const asyncio__stack_t *stack)
{
#if defined(ASYNCIO__ASAN)
    __asan_unpoison_memory_region(stack->bottom, (size_t)(stack->top - stack->bottom));
#endif
#if defined(ASYNCIO__VALGRIND)
    if (ASYNCIO__UNLIKELY(stack->is_watched))
        forget_on_valgrind(stack);
#endif
    (void)stack;
}

asyncio__stack_t *asyncio__stack_acquire(size_t size_bytes)
{
    unsigned class = asyncio__stack_class(size_bytes);
    pool_t *pool = own_pool;
    asyncio__stack_t *stack = class < CLASSES ? pool->free[class] : NULL;
    if (ASYNCIO__UNLIKELY(!stack))
        return acquire_slowly(class);
    pool->free[class] = stack->next;
    pool->in_use++;
    forget_contents(stack);
    return stack;
}

static ASYNCIO__COLD void return_elsewhere(asyncio__stack_t *stack)
{
    pool_t *pool = stack->pool;
    stack->next = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&pool->returned, &stack->next, stack,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

void asyncio__stack_release(asyncio__stack_t *stack)
{
    /* The neighbour below is overwritten already: to go on would do more harm. */
    asyncio__overflow_check(stack);
    pool_t *pool = own_pool;
    if (ASYNCIO__UNLIKELY(stack->pool != pool)) {
        return_elsewhere(stack);
        return;
    }
    push(pool, stack);
    pool->in_use--;
}

size_t asyncio__stack_high_water(const asyncio__stack_t *stack)
{
    size_t page_bytes = asyncio__guard_bytes();
    char *end = (char *)((uintptr_t)stack->top / page_bytes * page_bytes); /* of whole pages */
    unsigned char pages[64];
    for (char *from = stack->bottom; from < end;) {
        size_t count = (size_t)(end - from) / page_bytes;
        if (count > sizeof(pages))
            count = sizeof(pages);
        if (asyncio__sys.mincore(from, count * page_bytes, pages) < 0)
            break;
        for (size_t i = 0; i < count; i++) {
            if (pages[i] & 1)
                return (size_t)(stack->top - (from + i * page_bytes));
        }
        from += count * page_bytes;
    }
    return (size_t)(stack->top - end);
}

void asyncio__stack_refresh(asyncio__stack_t *stack)
{
    size_t page_bytes = asyncio__guard_bytes();
    char *end = (char *)((uintptr_t)stack->top / page_bytes * page_bytes);
    asyncio__ignore(
        asyncio__sys.madvise(stack->bottom, (size_t)(end - stack->bottom), MADV_DONTNEED));
}

asyncio__stack_t *asyncio__stack_of_guard(const void *address)
{
    /* Pairs with adopt_pool() and find_record(), which add to these lists. */
    pool_t *pool = atomic_load_explicit(&all_pools, memory_order_acquire);
    for (; pool; pool = pool->next) {
        slab_page_t *page = atomic_load_explicit(&pool->pages, memory_order_acquire);
        for (; page; page = atomic_load_explicit(&page->next, memory_order_acquire)) {
            for (size_t i = 0; i < SLABS_PER_PAGE; i++) {
                asyncio__stack_t *stack =
                    asyncio__slab_find_guard(&page->slabs[i], (uintptr_t)address);
                if (stack)
                    return stack;
            }
        }
    }
    return NULL;
}

void asyncio__stack_trim(void)
{
    if (own_pool != &no_pool)
        trim(own_pool);
}

void asyncio__stack_statistics(asyncio__stack_statistics_t *ret_statistics)
{
    pool_t *pool = own_pool;
    if (pool != &no_pool)
        collect_returned(pool);
    asyncio__stack_statistics_t statistics = {.in_use = pool->in_use};
    size_t cut = 0;
    for (slab_page_t *page = pool->pages; page; page = page->next) {
        for (size_t i = 0; i < SLABS_PER_PAGE; i++) {
            const asyncio__slab_t *slab = &page->slabs[i];
            if (!slab->base)
                continue;
            statistics.slabs++;
            statistics.unguarded += slab->unguarded;
            cut += slab->cut;
        }
    }
    statistics.free = cut - statistics.in_use;
    *ret_statistics = statistics;
}

void asyncio__stack_memory(size_t *ret_mapped_bytes, size_t *ret_resident_bytes)
{
    *ret_mapped_bytes = *ret_resident_bytes = 0;
    for (slab_page_t *page = own_pool->pages; page; page = page->next) {
        for (size_t i = 0; i < SLABS_PER_PAGE; i++) {
            const asyncio__slab_t *slab = &page->slabs[i];
            if (!slab->base)
                continue;
            *ret_mapped_bytes += slab->slots * slab->stride_bytes;
            *ret_resident_bytes += asyncio__slab_resident(slab);
        }
    }
}
