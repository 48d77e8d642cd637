/* SPDX-License-Identifier: MIT */
/*
 * Mappings, and the stacks that are cut from them; see coroutine/slab.h. Knows nothing of pools
 * and threads.
 */
#include "coroutine/slab.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"

#if defined(ASYNCIO__ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#define LINE_BYTES 64
#define COLOURS    16

/* Guards are installed for this number of stacks ahead, at most. */
#define BATCH_MOST 32
/* A slab of n stacks begins with n / this: there are as many in earlier slabs. */
#define BATCH_FIRST_PART 4
/* With batches of this size the first page of each stack is populated: two fifths of the cost of
 * its page fault are saved. Smaller programs get no page that they may never use. */
#define BATCH_POPULATED 16

_Static_assert(sizeof(asyncio__stack_t) <= LINE_BYTES, "the record of a stack fits a cache line");
_Static_assert(ASYNCIO__SLAB_MOST_BYTES / (ASYNCIO__STACK_LEAST_BYTES + ASYNCIO__GUARD_BYTES) <
                   ASYNCIO__SLAB_MOST_COUNT,
               "the sets have a bit for each stack");

size_t asyncio__slab_stride(unsigned size_class)
{
    size_t page_bytes = asyncio__page_bytes();
    size_t size = ASYNCIO__STACK_LEAST_BYTES << size_class;
    /* The record and the colour have a page of their own, so that a stack has all the bytes that
     * were asked for. Two more pages make the stride of the default stack 131 pages: the first
     * pages of many stacks then lie in all sets of the processor's translation cache. With 129 =
     * 2^7 + 1, which a cache of 128 sets that folds numbers of pages maps to one set, a switch
     * among 1,000 tasks took 10 % longer. */
    return asyncio__guard_bytes() + (size + page_bytes - 1) / page_bytes * page_bytes +
           3 * page_bytes;
}

size_t asyncio__slab_most(unsigned size_class)
{
    size_t count = ASYNCIO__SLAB_MOST_BYTES / asyncio__slab_stride(size_class);
    return count > 0 ? count : 1;
}

int asyncio__slab_map(asyncio__slab_t *slab, unsigned size_class, size_t count)
{
    size_t stride = asyncio__slab_stride(size_class);
    char *base;
    /* Where the kernel does not overcommit memory, it may refuse a large mapping and allow a small
     * one. */
    while ((base = asyncio__sys.mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                                     0)) == MAP_FAILED) {
        if (count == 1)
            return -ENOMEM;
        count /= 2;
    }
    /* One page that is touched must not become 2 MiB. MAP_STACK alone prevents that only since
     * Linux 6.7. */
    asyncio__ignore(asyncio__sys.madvise(base, count * stride, MADV_NOHUGEPAGE));
#if defined(ASYNCIO__ASAN)
    __lsan_register_root_region(base, count * stride);
#endif
    slab->capacity = count;
    slab->guarded = 0;
    size_t batch = count / BATCH_FIRST_PART;
    slab->batch = count <= ASYNCIO__SLAB_FIRST_COUNT ? 1 : batch < BATCH_MOST ? batch : BATCH_MOST;
    slab->mprotected = 0;
    slab->unguarded = 0;
    slab->vacant = 0;
    slab->size_class = (uint8_t)size_class;
    slab->is_changed = false;
    for (size_t i = 0; i < ASYNCIO__SLAB_MOST_COUNT / 64; i++) {
        atomic_store_explicit(&slab->vacant_set[i], 0, memory_order_relaxed);
        slab->canary_set[i] = 0;
    }
    atomic_store_explicit(&slab->cut, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->stride_bytes, stride, memory_order_relaxed);
    /* Pairs with the load in asyncio__slab_find_guard(). */
    atomic_store_explicit(&slab->base, (uintptr_t)base, memory_order_release);
    return 0;
}

static char *lowest_address(const asyncio__slab_t *slab, size_t index)
{
    return (char *)atomic_load_explicit(&slab->base, memory_order_relaxed) +
           index * atomic_load_explicit(&slab->stride_bytes, memory_order_relaxed);
}

/* Where the record of a stack is, whether or not the stack exists. */
static asyncio__stack_t *record_at(const asyncio__slab_t *slab, size_t index)
{
    size_t colour_bytes = index % COLOURS * LINE_BYTES;
    return (asyncio__stack_t *)(void *)(lowest_address(slab, index + 1) - colour_bytes -
                                        LINE_BYTES);
}

static bool is_vacant(const asyncio__slab_t *slab, size_t index)
{
    uint64_t word = atomic_load_explicit(&slab->vacant_set[index / 64], memory_order_acquire);
    return word >> index % 64 & 1;
}

static void set_vacant(asyncio__slab_t *slab, size_t index, bool vacant)
{
    _Atomic uint64_t *word = &slab->vacant_set[index / 64];
    uint64_t bit = (uint64_t)1 << index % 64;
    uint64_t former = atomic_load_explicit(word, memory_order_relaxed);
    /* Pairs with the load in is_vacant(): a record is complete before a handler sees it. */
    atomic_store_explicit(word, vacant ? former | bit : former & ~bit, memory_order_release);
    slab->vacant += vacant ? 1 : (size_t)-1;
}

static void install_guards(asyncio__slab_t *slab)
{
    size_t left = slab->capacity - slab->guarded, page_bytes = asyncio__page_bytes();
    asyncio__ranges_t ranges = {
        .first = lowest_address(slab, slab->guarded),
        .bytes = asyncio__guard_bytes(),
        .stride_bytes = slab->stride_bytes,
        .count = slab->batch < left ? slab->batch : left,
    };
    asyncio__guard_t kind;
    ranges.count = asyncio__guard_install(&ranges, &kind);
    if (ranges.count >= BATCH_POPULATED) {
        ranges.first += slab->stride_bytes - page_bytes;
        ranges.bytes = page_bytes;
        asyncio__pages_populate(&ranges);
    }
    slab->guard = (uint8_t)kind;
    slab->guarded += ranges.count;
    if (kind == ASYNCIO__GUARD_MPROTECT)
        slab->mprotected += ranges.count;
    slab->batch = slab->batch * 2 < BATCH_MOST ? slab->batch * 2 : BATCH_MOST;
}

static asyncio__stack_t *fill_record(asyncio__slab_t *slab, size_t index, asyncio__guard_t guard)
{
    asyncio__stack_t *stack = record_at(slab, index);
    stack->top = (char *)stack;
    stack->bottom = lowest_address(slab, index) + asyncio__guard_bytes();
    stack->next = NULL;
    stack->pool = slab->pool;
    stack->slab = slab;
    stack->size_class = slab->size_class;
    stack->guard = (uint8_t)guard;
#if defined(ASYNCIO__VALGRIND)
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->bottom, stack->top);
    stack->is_watched = asyncio__on_valgrind() && !asyncio__cache_on_valgrind;
#endif
    return stack;
}

static asyncio__stack_t *take_vacant(asyncio__slab_t *slab)
{
    size_t index = 0;
    while (!is_vacant(slab, index))
        index++;
    bool has_canary = slab->canary_set[index / 64] >> index % 64 & 1;
    asyncio__stack_t *stack = fill_record(
        slab, index, has_canary ? ASYNCIO__GUARD_CANARY : ASYNCIO__GUARD_ADVICE);
    set_vacant(slab, index, false);
    return stack;
}

asyncio__stack_t *asyncio__slab_cut(asyncio__slab_t *slab)
{
    if (slab->vacant > 0)
        return take_vacant(slab);
    size_t index = atomic_load_explicit(&slab->cut, memory_order_relaxed);
    if (index == slab->capacity)
        return NULL;
    if (index == slab->guarded)
        install_guards(slab);
    asyncio__stack_t *stack = fill_record(slab, index, slab->guard);
    if (stack->guard == ASYNCIO__GUARD_CANARY) {
        slab->unguarded++;
        slab->canary_set[index / 64] |= (uint64_t)1 << index % 64;
    }
    /* Pairs with the load in asyncio__slab_find_guard(): the record is complete. */
    atomic_store_explicit(&slab->cut, index + 1, memory_order_release);
    return stack;
}

void asyncio__slab_vacate(asyncio__stack_t *stack)
{
    asyncio__slab_t *slab = stack->slab;
#if defined(ASYNCIO__VALGRIND)
    if (asyncio__on_valgrind())
        VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
    size_t offset = (size_t)(stack->bottom - lowest_address(slab, 0));
    set_vacant(slab, offset / slab->stride_bytes, true);
    slab->is_changed = true;
}

void asyncio__slab_flush(asyncio__slab_t *slab)
{
    slab->is_changed = false;
    for (size_t index = 0; index < slab->cut; index++) {
        size_t first = index;
        while (index < slab->cut && is_vacant(slab, index))
            index++;
        if (index == first)
            continue;
        /* Neighbours at once, with the guards between them, which this leaves installed. */
        char *low = lowest_address(slab, first) + asyncio__guard_bytes();
        size_t size = (size_t)(lowest_address(slab, index) - low);
#if defined(ASYNCIO__ASAN)
        __asan_unpoison_memory_region(low, size);
#endif
        asyncio__ignore(asyncio__sys.madvise(low, size, MADV_DONTNEED));
    }
}

void asyncio__slab_unmap(asyncio__slab_t *slab)
{
    char *base = lowest_address(slab, 0);
    size_t size = slab->capacity * slab->stride_bytes;
#if defined(ASYNCIO__VALGRIND)
    for (size_t i = 0; asyncio__on_valgrind() && i < slab->cut; i++) {
        if (!is_vacant(slab, i))
            VALGRIND_STACK_DEREGISTER(record_at(slab, i)->valgrind_id);
    }
#endif
#if defined(ASYNCIO__ASAN)
    /* The next mapping at this address must not inherit the poison of abandoned frames. */
    __asan_unpoison_memory_region(base, size);
    __lsan_unregister_root_region(base, size);
#endif
    asyncio__guard_forget(ASYNCIO__GUARD_MPROTECT, slab->mprotected);
    atomic_store_explicit(&slab->base, 0, memory_order_release);
    asyncio__ignore(asyncio__sys.munmap(base, size));
}

size_t asyncio__slab_resident(const asyncio__slab_t *slab)
{
    size_t page_bytes = asyncio__page_bytes(), resident = 0;
    unsigned char pages[512];
    for (size_t index = 0; index < slab->cut; index++) {
        char *at = lowest_address(slab, index) + asyncio__guard_bytes();
        char *end = lowest_address(slab, index + 1);
        while (at < end) {
            size_t count = (size_t)(end - at) / page_bytes;
            if (count > sizeof(pages))
                count = sizeof(pages);
            if (asyncio__sys.mincore(at, count * page_bytes, pages) < 0)
                return resident;
            for (size_t i = 0; i < count; i++)
                resident += pages[i] & 1 ? page_bytes : 0;
            at += count * page_bytes;
        }
    }
    return resident;
}

asyncio__stack_t *asyncio__slab_find_guard(asyncio__slab_t *slab, uintptr_t address)
{
    uintptr_t base = atomic_load_explicit(&slab->base, memory_order_acquire);
    size_t stride = atomic_load_explicit(&slab->stride_bytes, memory_order_relaxed);
    size_t cut = atomic_load_explicit(&slab->cut, memory_order_acquire);
    if (!base || address < base || address - base >= cut * stride ||
        (address - base) % stride >= asyncio__guard_bytes() ||
        is_vacant(slab, (address - base) / stride))
        return NULL;
    return record_at(slab, (address - base) / stride);
}
