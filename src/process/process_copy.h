/* SPDX-License-Identifier: MIT */
/* Copies of the arguments and options of a child, for coroutine objects that start it later. */
#ifndef ASYNCIO__PROCESS_PROCESS_COPY_H
#define ASYNCIO__PROCESS_PROCESS_COPY_H

#include <asyncio/process.h>

/* Put a copy in place of what is given; NULL is kept, and is what a failure leaves. 0; -ENOMEM; or
 * -EINVAL: the options have no valid size. The slot is filled. */
int asyncio__process_copy_arguments(const char *const **argv);
int asyncio__process_copy_options(const asyncio_process_options_t **options);

/* Frees a copy; NULL is ignored. */
void asyncio__process_copy_free(const void *copy);

#endif
