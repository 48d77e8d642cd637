/* SPDX-License-Identifier: MIT */
/*
 * Twins: the coroutine objects of the library's own calls. Each copies its arguments into the
 * object, and lets go of what it took when the object ends, started or not.
 */
#ifndef ASYNCIO__TASK_TWIN_H
#define ASYNCIO__TASK_TWIN_H

#include <asyncio/coroutine.h>

/* An object that runs fn with a copy of the arguments; destroy (or NULL) gives back what they
 * hold. NULL: asyncio_errno() says why, and nothing was given back. */
static inline asyncio_coroutine_t *asyncio__twin(asyncio_coroutine_function_t *fn,
                                                 const void *arguments, size_t size,
                                                 asyncio_destroy_t *destroy, const char *name)
{
    asyncio_coroutine_options_t options = {
        .size = sizeof(options), .copy_bytes = size, .destroy = destroy};
    return asyncio_coroutine_full_at(fn, arguments, &options, name);
}

#endif
