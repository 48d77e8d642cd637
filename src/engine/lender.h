/* SPDX-License-Identifier: MIT */
/*
 * A pool of receive buffers, all of ASYNCIO__LENT_BYTES. A receive that brings no buffer takes one
 * when data is there, so that an idle connection holds no receive memory. The buffer used last is
 * taken first: it is still in the cache, and what a peak did not need is never touched.
 *
 *     void *buffer = asyncio__lender_take(&engine->lender);     NULL: all are out, or no memory
 *     asyncio__lender_return(&engine->lender, buffer);
 *
 * The memory is mapped at the first take and unmapped by fini. Whoever finds the pool empty waits
 * for a return; nothing here waits.
 */
#ifndef ASYNCIO__ENGINE_LENDER_H
#define ASYNCIO__ENGINE_LENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASYNCIO__LENDER_BUFFERS 64
/* Room for a TLS record of 16 KiB with its header and padding. */
#define ASYNCIO__LENT_BYTES 17408u

typedef struct asyncio__lender {
    char *memory;                          /* of all buffers, or NULL: not mapped yet */
    unsigned free_count;                   /* of free */
    uint8_t free[ASYNCIO__LENDER_BUFFERS]; /* indexes of the buffers that are in, last one first */
} asyncio__lender_t;

/* NULL, with errno ENOBUFS when every buffer is lent, or ENOMEM. */
void *asyncio__lender_take(asyncio__lender_t *lender);

void asyncio__lender_return(asyncio__lender_t *lender, void *buffer);

void asyncio__lender_fini(asyncio__lender_t *lender);

#endif
