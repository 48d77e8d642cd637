/* SPDX-License-Identifier: MIT */
/* Copies of the arguments and options of a child, for coroutine objects that start it later. */
#ifndef ASYNCIO__PROCESS_PROCESS_COPY_H
#define ASYNCIO__PROCESS_PROCESS_COPY_H

#include <asyncio/process.h>

/* Replace the pointer by one to a copy; NULL stays NULL. 0; -ENOMEM; or -EINVAL: the options have
 * no valid size. A failure sets the pointer to NULL and fills the slot. */
int asyncio__process_copy_arguments(const char *const **argv);
int asyncio__process_copy_options(const asyncio_process_options_t **options);

/* Frees a copy; NULL is ignored. */
void asyncio__process_copy_free(const void *copy);

#endif
