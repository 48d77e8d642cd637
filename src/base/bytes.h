/* SPDX-License-Identifier: MIT */
/*
 * A growing buffer of bytes that are appended at its end and consumed from its start.
 *
 *     rc = asyncio__bytes_reserve(&bytes, size);              0 or -ENOMEM
 *     memcpy(bytes.data + bytes.end, data, size);
 *     bytes.end += size;
 *     ...
 *     bytes.start += consumed;
 *     asyncio__bytes_trim(&bytes);                            when it may be empty
 *
 * Pointers into it are valid until the next reserve, trim or fini. A zeroed record is an empty
 * buffer that owns no memory.
 */
#ifndef ASYNCIO__BASE_BYTES_H
#define ASYNCIO__BASE_BYTES_H

#include <stddef.h>

#include "base/compiler.h"

/* The bytes [start, end) of a block of capacity bytes. */
typedef struct asyncio__bytes {
    char *data;      /* the block, or NULL */
    size_t start;    /* offset of the first byte */
    size_t end;      /* offset behind the last byte */
    size_t capacity; /* size of the block */
} asyncio__bytes_t;

/* Makes room for size more bytes behind the end: 0 or -ENOMEM, which changes nothing. */
ASYNCIO__SHARED int asyncio__bytes_reserve(asyncio__bytes_t *bytes, size_t size);

/* Rewinds an empty buffer to the start of its block, and frees the block if it has grown large. */
void asyncio__bytes_trim(asyncio__bytes_t *bytes);

/* Frees the block; the buffer is empty and can be used again. */
ASYNCIO__SHARED void asyncio__bytes_fini(asyncio__bytes_t *bytes);

static inline size_t asyncio__bytes_count(const asyncio__bytes_t *bytes)
{
    return bytes->end - bytes->start;
}

#endif
