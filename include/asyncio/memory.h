/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory: the allocator that the library uses.
 *
 * By default the library takes small blocks from its own cache and all others from malloc. A
 * program that wants to count, limit or fail its allocations sets an allocator before anything
 * else:
 *
 * @code
 *     static void *grow(void *context, void *block, size_t old_size, size_t new_size)
 *     {
 *         struct arena *arena = context;
 *         arena->used_bytes += new_size - old_size;
 *         return realloc(block, new_size);
 *     }
 *
 *     static void give_back(void *context, void *block, size_t size)
 *     {
 *         struct arena *arena = context;
 *         arena->used_bytes -= size;
 *         free(block);
 *     }
 *
 *     int main(void)
 *     {
 *         asyncio_allocator_t allocator = {&arena, grow, give_back};
 *         if (asyncio_set_allocator(&allocator) < 0)
 *             return 1;
 *         return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
 *     }
 * @endcode
 *
 * Stacks of coroutines are mapped from the kernel and do not come from the allocator.
 *
 * Memory that is freed is kept for the next tasks. What a peak leaves is returned to the kernel
 * when the loop is idle for a second or two, when it closes and when its thread ends: all stacks
 * but those that the last second needed and 64 of each size, and whole pieces of small blocks in
 * which none is in use. asyncio_trim() of stack_usage.h returns all of it at once.
 */
#ifndef ASYNCIO_MEMORY_H
#define ASYNCIO_MEMORY_H

#include <asyncio/api.h>

ASYNCIO_BEGIN_DECLS

/** An allocator. Both functions are called from any thread that uses the library. */
typedef struct asyncio_allocator {
    void *context; /**< passed to both functions */
    /**
     * Makes a block (NULL, 0), or grows or shrinks one of exactly old_size bytes. The result is
     * aligned for any type; NULL leaves the old block as it was. new_size is never 0.
     */
    void *(*realloc)(void *context, void *block, size_t old_size, size_t new_size);
    /** Frees a block of exactly size bytes; never called with NULL. */
    void (*free)(void *context, void *block, size_t size);
} asyncio_allocator_t;

/**
 * Makes the library take all its memory from an allocator, in the whole process. It cannot be
 * undone.
 *
 * To be called once, before anything else of the library that allocates. The library's own cache
 * of small blocks is off from then on, so that the allocator sees every block.
 *
 * @param allocator  copied; its functions must not be NULL.
 * @return 0.
 * @return -EINVAL: allocator or one of its functions is NULL.
 * @return ASYNCIO_ERUNTIME: the library has allocated already, or has an allocator already.
 *
 * Ownership: the structure is copied; what context points to is *borrowed* until the process ends.
 * Context: any thread, before others use the library.
 * Twin: none.
 */
ASYNCIO_API int asyncio_set_allocator(const asyncio_allocator_t *allocator);

/**
 * Frees a block that a call has returned as *new*, such as what asyncio_path_read() has read.
 *
 * @param block  NULL is allowed.
 *
 * Ownership: block is *taken*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_free(void *block);

ASYNCIO_END_DECLS

#endif
