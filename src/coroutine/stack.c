/* SPDX-License-Identifier: MIT */
/*
 * The pools of the threads: free lists of stacks, and the slabs behind them; see
 * coroutine/stack.h.
 *
 * Pools and the blocks that hold slab records are mapped, not allocated, and never unmapped: they
 * outlive threads and loops, and a handler of SIGSEGV walks over them. Both lists only grow. Only
 * the owner of a pool touches it, except `returned`, where other threads leave stacks that they
 * release.
 */
#include "coroutine/stack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "coroutine/exceptions.h"
#include "coroutine/fiber.h"
#include "coroutine/overflow.h"
#include "coroutine/slab.h"

#if defined(ASYNCIO__ASAN)
#include <sanitizer/asan_interface.h>
#endif
#if defined(ASYNCIO__VALGRIND)
#include <valgrind/memcheck.h>
#endif

#define CLASSES ASYNCIO__STACK_CLASSES

/* A million stacks need few of them; only the part that is used gets memory. */
#define RECORD_BLOCK_BYTES ((size_t)256 * 1024)

/* How long a stack must be free before an idle loop returns its memory. */
#define TRIM_INTERVAL_NS INT64_C(1000000000)
/* How many stacks an idle loop returns at once: about a millisecond of work. */
#define TRIM_SLICE 256

/* A block of slab records. */
typedef struct slab_block {
    _Atomic(struct slab_block *) next; /* the list only grows, at its end */
    _Atomic size_t count;              /* records that were ever used: the first ones */
    asyncio__slab_t slabs[];           /* room for SLABS_PER_BLOCK */
} slab_block_t;

#define SLABS_PER_BLOCK ((RECORD_BLOCK_BYTES - sizeof(slab_block_t)) / sizeof(asyncio__slab_t))

/* The stacks of one size class. */
typedef struct shelf {
    asyncio__stack_t *free;   /* the stack released last is first */
    size_t in_use;            /* stacks acquired and not released */
    size_t peak;              /* the largest in_use since the idle loop looked last */
    size_t count;             /* stacks that are in use or free */
    size_t vacant;            /* stacks without memory */
    asyncio__slab_t *current; /* the slab from which new stacks are cut, or NULL */
    size_t next_slab_count;   /* stacks of the next slab: doubles with each slab */
} shelf_t;

typedef struct asyncio__stack_pool {
    shelf_t shelves[CLASSES];
    unsigned used_classes;                /* bit i: shelf i has had stacks */
    bool is_trimming;                     /* the idle loop has returned stacks in this round */
    int64_t trimmed_ns;                   /* when the idle loop's last round ended */
    _Atomic(asyncio__stack_t *) returned; /* released by other threads, linked by next */
    _Atomic int is_owned;                 /* a thread uses it; else the next one adopts it */
    _Atomic(slab_block_t *) blocks;       /* the records of its slabs */
    slab_block_t *first_unfilled;         /* no block before it has an unused record */
    struct asyncio__stack_pool *next;     /* in the list of all pools */
} pool_t;

/* The pool of a thread that has none yet: empty, so that acquiring needs no test for it. */
static pool_t no_pool;

static ASYNCIO__THREAD_LOCAL pool_t *own_pool = &no_pool;

ASYNCIO__THREAD_LOCAL bool asyncio__stack_has_many;

static _Atomic(pool_t *) all_pools;
static pthread_key_t exit_key; /* its destructor is leave_pool() */
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static bool has_exit_key;

static void push(pool_t *pool, asyncio__stack_t *stack)
{
    shelf_t *shelf = &pool->shelves[stack->size_class];
    stack->next = shelf->free;
    shelf->free = stack;
    shelf->in_use--;
}

/* Adds what other threads released to the free lists. */
static void collect_returned(pool_t *pool)
{
    /* Pairs with return_elsewhere(): what the coroutine did there has happened before. */
    asyncio__stack_t *stack =
        atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (stack) {
        asyncio__stack_t *next = stack->next;
        push(pool, stack);
        stack = next;
    }
}

/* --- memory that goes back to the kernel --------------------------------------------------- */

static void unmap_slab(pool_t *pool, asyncio__slab_t *slab)
{
    shelf_t *shelf = &pool->shelves[slab->size_class];
    if (shelf->current == slab)
        shelf->current = NULL;
    shelf->vacant -= slab->vacant;
    /* After a peak, slabs begin small again. */
    if (shelf->next_slab_count > slab->capacity)
        shelf->next_slab_count = slab->capacity;
    asyncio__slab_unmap(slab);
    pool->first_unfilled = pool->blocks;
}

/* Returns the memory of the stacks that were just made vacant. */
static void flush_slabs(pool_t *pool)
{
    for (slab_block_t *block = pool->blocks; block; block = block->next) {
        for (size_t i = 0; i < block->count; i++) {
            asyncio__slab_t *slab = &block->slabs[i];
            if (!slab->base || !slab->is_changed)
                continue;
            if (slab->vacant == slab->cut)
                unmap_slab(pool, slab);
            else
                asyncio__slab_flush(slab);
        }
    }
}

/* Makes at most `most` free stacks of a shelf vacant, behind the first `kept`. Returns how many. */
static size_t vacate(shelf_t *shelf, size_t kept, size_t most)
{
    asyncio__stack_t **at = &shelf->free;
    for (; *at && kept > 0; kept--)
        at = &(*at)->next;
    size_t done = 0;
    for (; *at && done < most; done++) {
        asyncio__stack_t *stack = *at;
        *at = stack->next;
        asyncio__slab_vacate(stack);
    }
    shelf->count -= done;
    shelf->vacant += done;
    return done;
}

static size_t trim(pool_t *pool, size_t kept)
{
    size_t done = 0;
    collect_returned(pool);
    for (size_t i = 0; i < CLASSES; i++)
        done += vacate(&pool->shelves[i], kept, SIZE_MAX);
    flush_slabs(pool);
    return done;
}

size_t asyncio__stack_trim(size_t kept)
{
    return own_pool != &no_pool ? trim(own_pool, kept) : 0;
}

/* How many free stacks of a shelf were needed in the last second, and some more. */
static size_t working_set(const shelf_t *shelf)
{
    return shelf->peak - shelf->in_use + ASYNCIO__STACKS_KEPT;
}

int64_t asyncio__stack_trim_idle(int64_t now_ns)
{
    pool_t *pool = own_pool;
    bool has_many_free = false;
    asyncio__stack_has_many = pool->is_trimming;
    for (unsigned left = pool->used_classes; left; left &= left - 1) {
        const shelf_t *shelf = &pool->shelves[__builtin_ctz(left)];
        asyncio__stack_has_many |= shelf->count > ASYNCIO__STACKS_KEPT;
        has_many_free = has_many_free || shelf->count - shelf->in_use > ASYNCIO__STACKS_KEPT;
    }
    if (!has_many_free && !pool->is_trimming)
        return -1;
    int64_t due_ns = pool->trimmed_ns + TRIM_INTERVAL_NS;
    if (now_ns < due_ns)
        return due_ns - now_ns;
    size_t left = TRIM_SLICE;
    for (size_t i = 0; i < CLASSES && left > 0; i++) {
        shelf_t *shelf = &pool->shelves[i];
        if (shelf->count - shelf->in_use > working_set(shelf))
            left -= vacate(shelf, working_set(shelf), left);
    }
    if (left < TRIM_SLICE) {
        pool->is_trimming = true;
        flush_slabs(pool);
    }
    if (left == 0)
        return 0;
    /* The records of the tasks that had these stacks are free as well. */
    if (pool->is_trimming)
        asyncio__ignore((long)asyncio__memory_trim());
    pool->is_trimming = false;
    pool->trimmed_ns = now_ns;
    for (size_t i = 0; i < CLASSES; i++)
        pool->shelves[i].peak = pool->shelves[i].in_use;
    return TRIM_INTERVAL_NS;
}

/* --- the pool of a thread ------------------------------------------------------------------ */

/* The pool of a thread that ends waits for the next thread, with the stacks still in use. */
static void leave_pool(void *argument)
{
    pool_t *pool = argument;
    asyncio__ignore((long)trim(pool, /* kept= */ 0));
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

/* A pool that an ended thread has left, or a new one, or NULL. */
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

/* Gives this thread a pool if it has none. Returns whether it has one. */
static bool have_pool(void)
{
    if (own_pool != &no_pool)
        return true;
    if (asyncio__fiber_check() < 0 || pthread_once(&exit_key_once, make_exit_key) != 0 ||
        !has_exit_key)
        return false;
    pool_t *pool = adopt_pool();
    if (!pool)
        return false;
    if (pthread_setspecific(exit_key, pool) != 0) {
        atomic_store_explicit(&pool->is_owned, 0, memory_order_release);
        return false;
    }
    own_pool = pool;
    asyncio__stack_has_many = true; /* it may be the pool of an ended thread */
    asyncio__exceptions_find();
    return true;
}

/* --- slabs --------------------------------------------------------------------------------- */

static asyncio__slab_t *find_record_in(slab_block_t *block)
{
    size_t count = atomic_load_explicit(&block->count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (!block->slabs[i].base)
            return &block->slabs[i];
    }
    if (count == SLABS_PER_BLOCK)
        return NULL;
    /* Pairs with asyncio__stack_of_guard(): the record is one of zeroes, which is an unused one. */
    atomic_store_explicit(&block->count, count + 1, memory_order_release);
    return &block->slabs[count];
}

/* A slab record that is not in use, or NULL. */
static asyncio__slab_t *find_record(pool_t *pool)
{
    _Atomic(slab_block_t *) *end = &pool->blocks;
    for (slab_block_t *block = pool->first_unfilled; block;
         block = atomic_load_explicit(end, memory_order_relaxed)) {
        asyncio__slab_t *slab = find_record_in(block);
        pool->first_unfilled = block;
        if (slab)
            return slab;
        end = &block->next;
    }
    slab_block_t *block = map_records(RECORD_BLOCK_BYTES);
    if (!block)
        return NULL;
    pool->first_unfilled = block;
    /* Pairs with asyncio__stack_of_guard(): the block is one without records. */
    atomic_store_explicit(end, block, memory_order_release);
    return find_record_in(block);
}

static asyncio__slab_t *map_slab(pool_t *pool, unsigned class)
{
    shelf_t *shelf = &pool->shelves[class];
    size_t count = shelf->next_slab_count, most = asyncio__slab_most(class);
    if (count == 0)
        count = ASYNCIO__SLAB_FIRST_COUNT;
    if (count > most)
        count = most;
    asyncio__slab_t *slab = find_record(pool);
    if (!slab)
        return NULL;
    slab->pool = pool;
    if (asyncio__slab_map(slab, class, count) < 0)
        return NULL;
    shelf->next_slab_count = count * 2;
    shelf->current = slab;
    return slab;
}

/* A slab of that class with a vacant stack. There is one. */
static asyncio__slab_t *find_vacant(pool_t *pool, unsigned class)
{
    for (slab_block_t *block = pool->blocks; block; block = block->next) {
        for (size_t i = 0; i < block->count; i++) {
            asyncio__slab_t *slab = &block->slabs[i];
            if (slab->base && slab->size_class == class && slab->vacant > 0)
                return slab;
        }
    }
    return NULL;
}

/* A stack that is vacant or was never used, or NULL. */
static asyncio__stack_t *cut_stack(pool_t *pool, unsigned class)
{
    shelf_t *shelf = &pool->shelves[class];
    pool->used_classes |= 1u << class;
    asyncio__stack_has_many |= shelf->count >= ASYNCIO__STACKS_KEPT;
    if (shelf->vacant > 0) {
        /* All vacant stacks of a slab are used before the next slab is looked for. */
        if (!shelf->current || shelf->current->vacant == 0)
            shelf->current = find_vacant(pool, class);
        shelf->vacant--;
        shelf->count++;
        return asyncio__slab_cut(shelf->current);
    }
    asyncio__stack_t *stack = shelf->current ? asyncio__slab_cut(shelf->current) : NULL;
    if (!stack) {
        asyncio__slab_t *slab = map_slab(pool, class);
        stack = slab ? asyncio__slab_cut(slab) : NULL;
    }
    shelf->count += stack != NULL;
    return stack;
}

#if defined(ASYNCIO__VALGRIND)
/* In a function of its own, because a request to valgrind needs a frame. */
static __attribute__((noinline)) void forget_on_valgrind(const asyncio__stack_t *stack)
{
    VALGRIND_MAKE_MEM_UNDEFINED(stack->bottom, (size_t)(stack->top - stack->bottom));
}
#endif

/* Drops what checkers know about the frames of the previous coroutine. */
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

static inline asyncio__stack_t *take(shelf_t *shelf, asyncio__stack_t *stack)
{
    if (++shelf->in_use > shelf->peak)
        shelf->peak = shelf->in_use;
    forget_contents(stack);
    return stack;
}

static ASYNCIO__COLD asyncio__stack_t *acquire_slow(unsigned class)
{
    if (class >= CLASSES || !have_pool())
        return NULL;
    pool_t *pool = own_pool;
    shelf_t *shelf = &pool->shelves[class];
    collect_returned(pool);
    asyncio__stack_t *stack = shelf->free;
    if (stack)
        shelf->free = stack->next;
    else
        stack = cut_stack(pool, class);
    return stack ? take(shelf, stack) : NULL;
}

asyncio__stack_t *asyncio__stack_acquire(size_t size_bytes)
{
    unsigned class = asyncio__stack_class(size_bytes);
    shelf_t *shelf = &own_pool->shelves[class < CLASSES ? class : 0];
    asyncio__stack_t *stack = shelf->free;
    if (ASYNCIO__UNLIKELY(!stack || class >= CLASSES))
        return acquire_slow(class);
    shelf->free = stack->next;
    return take(shelf, stack);
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
    /* The stack below is overwritten already: to continue would do more harm. */
    asyncio__overflow_check(stack);
    pool_t *pool = own_pool;
    if (ASYNCIO__UNLIKELY(stack->pool != pool)) {
        return_elsewhere(stack);
        return;
    }
    push(pool, stack);
}

/* --- questions ----------------------------------------------------------------------------- */

/* The lowest address of the page that holds the record. */
static char *record_page(const asyncio__stack_t *stack)
{
    size_t page_bytes = asyncio__page_bytes();
    return (char *)((uintptr_t)stack->top / page_bytes * page_bytes);
}

size_t asyncio__stack_high_water(const asyncio__stack_t *stack)
{
    size_t page_bytes = asyncio__page_bytes();
    char *end = record_page(stack);
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
    size_t bytes = (size_t)(record_page(stack) - stack->bottom);
    asyncio__ignore(asyncio__sys.madvise(stack->bottom, bytes, MADV_DONTNEED));
}

asyncio__stack_t *asyncio__stack_of_guard(const void *address)
{
    /* Pairs with adopt_pool() and find_record(), which add to these lists. */
    pool_t *pool = atomic_load_explicit(&all_pools, memory_order_acquire);
    for (; pool; pool = pool->next) {
        slab_block_t *block = atomic_load_explicit(&pool->blocks, memory_order_acquire);
        for (; block; block = atomic_load_explicit(&block->next, memory_order_acquire)) {
            size_t count = atomic_load_explicit(&block->count, memory_order_acquire);
            for (size_t i = 0; i < count; i++) {
                asyncio__stack_t *stack =
                    asyncio__slab_find_guard(&block->slabs[i], (uintptr_t)address);
                if (stack)
                    return stack;
            }
        }
    }
    return NULL;
}

void asyncio__stack_statistics(asyncio__stack_statistics_t *ret_statistics)
{
    pool_t *pool = own_pool;
    if (pool != &no_pool)
        collect_returned(pool);
    asyncio__stack_statistics_t statistics = {.in_use = 0};
    for (size_t i = 0; i < CLASSES; i++) {
        const shelf_t *shelf = &pool->shelves[i];
        statistics.in_use += shelf->in_use;
        statistics.free += shelf->count - shelf->in_use;
    }
    for (slab_block_t *block = pool->blocks; block; block = block->next) {
        for (size_t i = 0; i < block->count; i++) {
            const asyncio__slab_t *slab = &block->slabs[i];
            if (!slab->base)
                continue;
            statistics.slabs++;
            statistics.unguarded += slab->unguarded;
        }
    }
    *ret_statistics = statistics;
}

void asyncio__stack_memory(size_t *ret_mapped_bytes, size_t *ret_resident_bytes)
{
    *ret_mapped_bytes = *ret_resident_bytes = 0;
    for (slab_block_t *block = own_pool->blocks; block; block = block->next) {
        for (size_t i = 0; i < block->count; i++) {
            const asyncio__slab_t *slab = &block->slabs[i];
            if (!slab->base)
                continue;
            *ret_mapped_bytes += slab->capacity * slab->stride_bytes;
            *ret_resident_bytes += asyncio__slab_resident(slab);
        }
    }
}
