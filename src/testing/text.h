/* SPDX-License-Identifier: MIT */
/*
 * A text that grows by lines. It holds one block of memory from its beginning to its end, so that
 * it does not change the number of blocks that are out. What finds no memory is left out, and
 * counted.
 */
#ifndef ASYNCIO__TESTING_TEXT_H
#define ASYNCIO__TESTING_TEXT_H

#include <asyncio/api.h>

typedef struct asyncio__text {
    char *text;      /* ends with a zero byte */
    size_t length;   /* without it */
    size_t capacity; /* of the block */
    size_t lines;    /* how many were added, also those that were left out */
} asyncio__text_t;

/* 0 or -ENOMEM. */
int asyncio__text_init(asyncio__text_t *text);
void asyncio__text_fini(asyncio__text_t *text);

void asyncio__text_clear(asyncio__text_t *text);

/* Adds a line; the format says all but its end. */
void asyncio__text_add(asyncio__text_t *text, const char *format, ...) ASYNCIO_PRINTF(2, 3);

/* Moves all lines of the other behind those of this one. */
void asyncio__text_move(asyncio__text_t *text, asyncio__text_t *other);

#endif
