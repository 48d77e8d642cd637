/* SPDX-License-Identifier: MIT */
/*
 * A text that grows by lines. It owns exactly one block of memory from init() to fini(), so that
 * it never changes the number of allocated blocks. A line for which there is no memory is dropped,
 * and counted.
 */
#ifndef ASYNCIO__TESTING_TEXT_H
#define ASYNCIO__TESTING_TEXT_H

#include <asyncio/api.h>

typedef struct asyncio__text {
    char *text;      /* ends with a zero byte */
    size_t length;   /* without the zero byte */
    size_t capacity; /* of the block */
    size_t lines;    /* lines added, including those that were dropped */
} asyncio__text_t;

/* 0 or -ENOMEM. */
int asyncio__text_init(asyncio__text_t *text);
void asyncio__text_fini(asyncio__text_t *text);

void asyncio__text_clear(asyncio__text_t *text);

/* Adds a line; the format does not contain its newline. */
void asyncio__text_add(asyncio__text_t *text, const char *format, ...) ASYNCIO_PRINTF(2, 3);

/* Moves all lines of the other behind those of this one. */
void asyncio__text_move(asyncio__text_t *text, asyncio__text_t *other);

#endif
