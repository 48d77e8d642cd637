/* SPDX-License-Identifier: MIT */
/*
 * What an awaitable begins with: a tag that says what it is. What carries none is no awaitable.
 */
#ifndef ASYNCIO__BASE_TAG_H
#define ASYNCIO__BASE_TAG_H

#include <asyncio/api.h>

enum asyncio__tag {
    ASYNCIO__TAG_COROUTINE = 0x61c0c001,
    ASYNCIO__TAG_FUTURE = 0x61c0f001,
    ASYNCIO__TAG_TASK = 0x61c0f002,
    ASYNCIO__TAG_CONCURRENT = 0x61c0f003, /* no awaitable, but taken for one by mistake */
    ASYNCIO__TAG_FREED = 0x61c0dead,
};

/* The tag of a live object; 0 for NULL. */
static inline uint32_t asyncio__tag_of(const asyncio_awaitable_t *awaitable)
{
    return awaitable ? *(const uint32_t *)awaitable : 0;
}

#endif
