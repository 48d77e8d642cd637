/* SPDX-License-Identifier: MIT */
/*
 * Accounts: which blocks of the library's memory and which descriptors of the process are out.
 *
 *     rc = asyncio__accounts_open(&accounts);
 *     ...
 *     blocks = asyncio__accounts_blocks(&accounts);        out now, and not then
 *     asyncio__accounts_descriptors(&accounts, &text);     a line for each
 *     asyncio__accounts_close(&accounts);
 */
#ifndef ASYNCIO__TESTING_ACCOUNTS_H
#define ASYNCIO__TESTING_ACCOUNTS_H

#include "testing/text.h"

typedef struct asyncio__accounts {
    long blocks;       /* out when it was opened, its own among them */
    uint8_t *open;     /* a bit for each descriptor */
    size_t open_bytes; /* of open */
} asyncio__accounts_t;

/* 0 or -ENOMEM. */
int asyncio__accounts_open(asyncio__accounts_t *accounts);
void asyncio__accounts_close(asyncio__accounts_t *accounts);

/* How many blocks are out and were not; less than 0: more were given back than taken. If there are
 * other threads, they get some time to give back what they hold. */
long asyncio__accounts_blocks(const asyncio__accounts_t *accounts);

/* Writes a line for each descriptor that is open and was not. */
void asyncio__accounts_descriptors(const asyncio__accounts_t *accounts, asyncio__text_t *text);

#endif
