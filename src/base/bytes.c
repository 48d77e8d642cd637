/* SPDX-License-Identifier: MIT */
/* Growing buffers of bytes; see bytes.h. */
#include "base/bytes.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

#define SMALLEST_BLOCK_BYTES 512
/* An empty buffer keeps a block of at most this size. */
#define KEPT_BLOCK_BYTES 65536

int asyncio__bytes_reserve(asyncio__bytes_t *bytes, size_t size)
{
    size_t count = asyncio__bytes_count(bytes);
    if (bytes->capacity - bytes->end >= size)
        return 0;
    if (bytes->capacity - count >= size && bytes->start >= count) {
        memcpy(bytes->data, bytes->data + bytes->start, count);
        bytes->start = 0;
        bytes->end = count;
        return 0;
    }
    size_t capacity = bytes->capacity ? bytes->capacity : SMALLEST_BLOCK_BYTES;
    if (count > SIZE_MAX / 4 || size > SIZE_MAX / 4 - count)
        return -ENOMEM;
    while (capacity < count + size)
        capacity *= 2;
    char *data = asyncio__malloc(capacity);
    if (!data)
        return -ENOMEM;
    if (count)
        memcpy(data, bytes->data + bytes->start, count);
    asyncio__free(bytes->data, bytes->capacity);
    *bytes = (asyncio__bytes_t){data, 0, count, capacity};
    return 0;
}

void asyncio__bytes_trim(asyncio__bytes_t *bytes)
{
    if (bytes->start < bytes->end)
        return;
    bytes->start = bytes->end = 0;
    if (bytes->capacity > KEPT_BLOCK_BYTES)
        asyncio__bytes_fini(bytes);
}

void asyncio__bytes_fini(asyncio__bytes_t *bytes)
{
    asyncio__free(bytes->data, bytes->capacity);
    *bytes = (asyncio__bytes_t){0};
}
