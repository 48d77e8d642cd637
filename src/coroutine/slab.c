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

/* One call of the kernel takes so many guards. */
#define BATCH_MOST 512

_Static_assert(sizeof(asyncio__stack_t) <= LINE_BYTES, "the record of a stack is one line");

size_t asyncio__slab_stride(unsigned size_class)
{
    size_t stride = ASYNCIO__STACK_LEAST_BYTES << size_class;
    /* With large pages the smallest stacks are all alike: a guard and three pages. */
    size_t least = 4 * asyncio__guard_bytes();
    return stride < least ? least : stride;
}

int asyncio__slab_map(asyncio__slab_t *slab, unsigned size_class, size_t most_bytes)
{
    size_t stride = asyncio__slab_stride(size_class);
    size_t slots = most_bytes / stride > 0 ? most_bytes / stride : 1;
    char *base;
    /* Where memory must not be overcommitted a large mapping is refused, but a small one not. */
    while ((base = asyncio__sys.mmap(NULL, slots * stride, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                                     0)) == MAP_FAILED) {
        if (slots == 1)
            return -ENOMEM;
        slots /= 2;
    }
    /* One touched stack must not become 2 MiB. MAP_STACK alone says so only since Linux 6.7. */
    asyncio__ignore(asyncio__sys.madvise(base, slots * stride, MADV_NOHUGEPAGE));
#if defined(ASYNCIO__ASAN)
    __lsan_register_root_region(base, slots * stride);
#endif
    slab->slots = slots;
    slab->guarded = 0;
    slab->batch = 1;
    slab->mprotected = 0;
    slab->unguarded = 0;
    slab->size_class = (uint8_t)size_class;
    atomic_store_explicit(&slab->cut, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->stride_bytes, stride, memory_order_relaxed);
    /* Pairs with the load in asyncio__slab_find_guard(). */
    atomic_store_explicit(&slab->base, (uintptr_t)base, memory_order_release);
    return 0;
}

static char *slot_address(const asyncio__slab_t *slab, size_t slot)
{
    return (char *)atomic_load_explicit(&slab->base, memory_order_relaxed) +
           slot * atomic_load_explicit(&slab->stride_bytes, memory_order_relaxed);
}

/* Where the record of the stack in a slot is, made or not. */
static asyncio__stack_t *slot_record(const asyncio__slab_t *slab, size_t slot)
{
    size_t colour_bytes = slot % COLOURS * LINE_BYTES;
    return (asyncio__stack_t *)(void *)(slot_address(slab, slot + 1) - colour_bytes - LINE_BYTES);
}

static void put_up_guards(asyncio__slab_t *slab)
{
    size_t left = slab->slots - slab->guarded;
    asyncio__guards_t guards = {
        .first = slot_address(slab, slab->guarded),
        .stride_bytes = slab->stride_bytes,
        .count = slab->batch < left ? slab->batch : left,
    };
    asyncio__guard_t kind;
    size_t done = asyncio__guard_install(&guards, &kind);
    slab->guard = (uint8_t)kind;
    slab->guarded += done;
    if (kind == ASYNCIO__GUARD_MPROTECT)
        slab->mprotected += done;
    if (slab->batch < BATCH_MOST)
        slab->batch *= 2;
}

asyncio__stack_t *asyncio__slab_cut(asyncio__slab_t *slab)
{
    size_t slot = atomic_load_explicit(&slab->cut, memory_order_relaxed);
    if (slot == slab->slots)
        return NULL;
    if (slot == slab->guarded)
        put_up_guards(slab);
    asyncio__stack_t *stack = slot_record(slab, slot);
    stack->top = (char *)stack;
    stack->bottom = slot_address(slab, slot) + asyncio__guard_bytes();
    stack->next = NULL;
    stack->pool = slab->pool;
    stack->slab = slab;
    stack->size_class = slab->size_class;
    stack->guard = slab->guard;
    slab->unguarded += stack->guard == ASYNCIO__GUARD_CANARY;
#if defined(ASYNCIO__VALGRIND)
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->bottom, stack->top);
    stack->is_watched = asyncio__on_valgrind() && !asyncio__cache_on_valgrind;
#endif
    /* Pairs with the load in asyncio__slab_find_guard(): the record is whole. */
    atomic_store_explicit(&slab->cut, slot + 1, memory_order_release);
    return stack;
}

void asyncio__slab_unmap(asyncio__slab_t *slab)
{
    char *base = slot_address(slab, 0);
    size_t size = slab->slots * slab->stride_bytes;
#if defined(ASYNCIO__VALGRIND)
    if (asyncio__on_valgrind()) {
        for (size_t i = 0; i < slab->cut; i++)
            VALGRIND_STACK_DEREGISTER(slot_record(slab, i)->valgrind_id);
    }
#endif
#if defined(ASYNCIO__ASAN)
    /* What is mapped here next must not inherit the poison of frames that were left for good. */
    __asan_unpoison_memory_region(base, size);
    __lsan_unregister_root_region(base, size);
#endif
    asyncio__guard_forget(ASYNCIO__GUARD_MPROTECT, slab->mprotected);
    atomic_store_explicit(&slab->base, 0, memory_order_release);
    asyncio__ignore(asyncio__sys.munmap(base, size));
}

size_t asyncio__slab_resident(const asyncio__slab_t *slab)
{
    size_t page_bytes = asyncio__guard_bytes(), pages_each = slab->stride_bytes / page_bytes;
    size_t count = slab->cut * pages_each, resident = 0;
    unsigned char pages[512];
    for (size_t first = 0; first < count; first += sizeof(pages)) {
        size_t asked = count - first < sizeof(pages) ? count - first : sizeof(pages);
        if (asyncio__sys.mincore(slot_address(slab, 0) + first * page_bytes, asked * page_bytes,
                                 pages) < 0)
            break;
        for (size_t i = 0; i < asked; i++)
            resident += (pages[i] & 1) && (first + i) % pages_each != 0;
    }
    return resident * page_bytes;
}

asyncio__stack_t *asyncio__slab_find_guard(asyncio__slab_t *slab, uintptr_t address)
{
    uintptr_t base = atomic_load_explicit(&slab->base, memory_order_acquire);
    size_t stride = atomic_load_explicit(&slab->stride_bytes, memory_order_relaxed);
    size_t cut = atomic_load_explicit(&slab->cut, memory_order_acquire);
    if (!base || address < base || address - base >= cut * stride ||
        (address - base) % stride >= asyncio__guard_bytes())
        return NULL;
    return slot_record(slab, (address - base) / stride);
}
