/* SPDX-License-Identifier: MIT */
/*
 * Inside the library: how a failing call leaves its details, and how they move.
 *
 *     return asyncio__fail(ASYNCIO_ERUNTIME, "the loop is closed");
 *
 * The slot belongs to the running task, or to the thread outside tasks. Every failing call of the
 * library writes it, if only to empty it, so that nobody reads the details of another failure.
 */
#ifndef ASYNCIO__BASE_ERROR_H
#define ASYNCIO__BASE_ERROR_H

#include <asyncio/error.h>
#include <stddef.h>

#include "base/compiler.h"

/* Fills the slot with a code and a message that lives for ever (NULL: empties it); returns code. */
ASYNCIO__SHARED int asyncio__fail(int code, const char *static_message);

/* The same for a constructor: asyncio_errno() returns the code. Returns NULL. */
ASYNCIO__SHARED void *asyncio__fail_new(int code, const char *static_message);

/* Fills the slot with an error that is handed over (NULL: empties it); returns code. */
ASYNCIO__SHARED int asyncio__fail_with(int code, asyncio_error_t *error);

/* Empties the slot into the result: the caller's reference, or NULL. */
asyncio_error_t *asyncio__error_take(void);

/* The details in the slot if they are of that code, handed over; else NULL and the slot stays. */
asyncio_error_t *asyncio__error_take_of(int code);

/* Gives up a reference, usually of no error at all: that costs no call. */
static inline void asyncio__error_drop(asyncio_error_t *error)
{
    if (ASYNCIO__UNLIKELY(error != NULL))
        asyncio_error_unref(error);
}

/* A group of errors: children's references are taken over, also on failure. The object that says
 * "out of memory", of code -ENOMEM, when there is none. */
asyncio_error_t *asyncio__error_new_group(const char *static_message, asyncio_error_t **children,
                                          size_t count);

/* A CancelledError with a message, or NULL for none (or no memory: the message is let go). */
asyncio_error_t *asyncio__error_new_cancelled(const char *message);

/* An error of TLS: message and reason (NULL: none) are copied. The object that says "out of
 * memory" when memory is out. */
ASYNCIO__SHARED asyncio_error_t *asyncio__error_new_ssl(int code, const char *message,
                                                        const char *reason, int verify_code);

/* A code, a message that lives for ever and a cause (borrowed). */
ASYNCIO__SHARED asyncio_error_t *asyncio__error_new_static(int code, const char *static_message,
                                                           asyncio_error_t *cause);

#endif
