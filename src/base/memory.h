/* SPDX-License-Identifier: MIT */
/*
 * Memory: the only way to the allocator, for the whole library.
 *
 *     struct thing *thing = asyncio__malloc(sizeof(*thing));
 *     ...
 *     asyncio__free(thing, sizeof(*thing));
 *
 * Who frees says the size, so that small blocks can go to a cache of the thread by size: a warm
 * malloc of at most ASYNCIO__CACHE_LIMIT_BYTES costs a few instructions. A block may be freed by
 * another thread than the one that made it. The cache is off under sanitizers and valgrind, and
 * once the program has set an allocator of its own, so that every block is seen there.
 */
#ifndef ASYNCIO__BASE_MEMORY_H
#define ASYNCIO__BASE_MEMORY_H

#include <stddef.h>

#define ASYNCIO__CACHE_LIMIT_BYTES 512

/* A block of size bytes (0 counts as 1), aligned for any type, or NULL. */
void *asyncio__malloc(size_t size);

/* The same, zeroed. */
void *asyncio__calloc(size_t size);

/* The block grown or shrunk from old_size to new_size, or NULL: then the old one stands. */
void *asyncio__realloc(void *block, size_t old_size, size_t new_size);

/* Gives back a block of exactly that size; NULL is harmless. */
void asyncio__free(void *block, size_t size);

/* A copy of the string, or NULL; asyncio__free_string gives it back. */
char *asyncio__strdup(const char *string);
void asyncio__free_string(char *string);

/* Blocks handed out and not given back, in the whole process; 0 where nothing leaks. */
long asyncio__live_blocks(void);

/* Returns this thread's cached blocks to the allocator. */
void asyncio__cache_trim(void);

/* Names a result that is ignored on purpose. */
static inline void asyncio__ignore(long result)
{
    (void)result;
}

#endif
