/* SPDX-License-Identifier: MIT */
/*
 * Accounts: how many blocks the library has allocated, and which descriptors the process has open.
 *
 *     rc = asyncio__accounts_open(&accounts);
 *     ...
 *     blocks = asyncio__accounts_blocks(&accounts);        allocated since, and not freed
 *     asyncio__accounts_descriptors(&accounts, &text);     a line for each
 *     asyncio__accounts_close(&accounts);
 */
#ifndef ASYNCIO__TESTING_ACCOUNTS_H
#define ASYNCIO__TESTING_ACCOUNTS_H

#include "testing/text.h"

typedef struct asyncio__accounts {
    long blocks;       /* allocated when the accounts were opened, including their own */
    uint8_t *open;     /* a bit for each descriptor that was open then */
    size_t open_bytes; /* the size of open */
} asyncio__accounts_t;

/* 0 or -ENOMEM. */
int asyncio__accounts_open(asyncio__accounts_t *accounts);
void asyncio__accounts_close(asyncio__accounts_t *accounts);

/* Returns the number of blocks allocated since the accounts were opened less those freed. Other
 * threads, if any, get some time to free theirs. */
long asyncio__accounts_blocks(const asyncio__accounts_t *accounts);

/* Adds a line for each descriptor that was opened since and is still open. */
void asyncio__accounts_descriptors(const asyncio__accounts_t *accounts, asyncio__text_t *text);

#endif
