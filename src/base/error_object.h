/* SPDX-License-Identifier: MIT */
/*
 * The record of an error object, for the two files that make them: error.c and error_group.c.
 *
 * An object is immutable once others see it, and counted atomically, so that it may cross threads.
 */
#ifndef ASYNCIO__BASE_ERROR_OBJECT_H
#define ASYNCIO__BASE_ERROR_OBJECT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

struct asyncio_error {
    atomic_uint refs;         /* references; 0 for the static object */
    int code;                 /* negative */
    const char *message;      /* never NULL */
    char *own_message;        /* message, if it is ours to free */
    union {
        const char *place;          /* never NULL; lives for ever */
        asyncio_error_t *next_dead; /* without references: one that is freed after it */
    };
    asyncio_error_t *cause;   /* a reference, or NULL */
    char *ssl_reason;         /* of an error of TLS: ours to free; or NULL */
    int ssl_verify_code;      /* of a certificate that was refused; or 0 */
    uint32_t child_count;     /* of a group */
    asyncio_error_t *child[]; /* references */
};

/* What constructors return when memory is out; static, never freed. */
extern asyncio_error_t asyncio__error_out_of_memory;

/* An object with one reference and room for children, which are NULL yet; message and place live
 * for ever, cause is borrowed. The static object when memory is out. */
asyncio_error_t *asyncio__error_make(int code, const char *message, const char *place,
                                     asyncio_error_t *cause, size_t child_count);

#endif
