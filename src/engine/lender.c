/* SPDX-License-Identifier: MIT */
/* The pool of receive buffers; see lender.h. */
#include "engine/lender.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/syscalls.h"

#define POOL_BYTES ((size_t)ASYNCIO__LENDER_BUFFERS * ASYNCIO__LENT_BYTES)

static ASYNCIO__COLD int map_pool(asyncio__lender_t *lender)
{
    void *memory = asyncio__sys.mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    lender->memory = memory;
    while (lender->free_count < ASYNCIO__LENDER_BUFFERS) {
        lender->free[lender->free_count] =
            (uint8_t)(ASYNCIO__LENDER_BUFFERS - 1 - lender->free_count);
        lender->free_count++;
    }
    return 0;
}

void *asyncio__lender_take(asyncio__lender_t *lender)
{
    if (ASYNCIO__UNLIKELY(!lender->memory) && map_pool(lender) < 0)
        return NULL;
    if (lender->free_count == 0) {
        errno = ENOBUFS;
        return NULL;
    }
    return lender->memory + (size_t)lender->free[--lender->free_count] * ASYNCIO__LENT_BYTES;
}

void asyncio__lender_return(asyncio__lender_t *lender, void *buffer)
{
    size_t offset = (size_t)((char *)buffer - lender->memory);
    assert(offset < POOL_BYTES && offset % ASYNCIO__LENT_BYTES == 0);
    assert(lender->free_count < ASYNCIO__LENDER_BUFFERS);
    lender->free[lender->free_count++] = (uint8_t)(offset / ASYNCIO__LENT_BYTES);
}

void asyncio__lender_fini(asyncio__lender_t *lender)
{
    if (lender->memory)
        asyncio__sys.munmap(lender->memory, POOL_BYTES);
    lender->memory = NULL;
    lender->free_count = 0;
}
