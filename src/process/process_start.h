/* SPDX-License-Identifier: MIT */
/*
 * Starting a child with the options of <asyncio/process.h>: what processes with streams and
 * processes with protocols have in common.
 *
 *     rc = asyncio__process_check(argv, options);
 *     rc = asyncio__stdio_open(&stdio, loop, options);          pipes, our ends as channels
 *     ... the caller takes stdio.channels ...
 *     rc = asyncio__process_start(argv, options, &stdio, reaper, &pid);
 */
#ifndef ASYNCIO__PROCESS_PROCESS_START_H
#define ASYNCIO__PROCESS_PROCESS_START_H

#include <asyncio/process.h>

#include "process/reaper.h"
#include "process/stdio.h"

/* Checks arguments and options: 0, or -EINVAL with details. */
int asyncio__process_check(const char *const *argv, const asyncio_process_options_t *options);

/* Checks that the loop can have children, which needs file descriptors: 0, or an error. */
int asyncio__process_check_loop(const asyncio_loop_t *loop);

/* Starts the child, closes its ends of the pipes here, and makes the reaper wait for it. On failure
 * no child is left, and the slot is filled. The caller closes stdio in either case. */
int asyncio__process_start(const char *const *argv, const asyncio_process_options_t *options,
                           asyncio__stdio_t *stdio, asyncio__reaper_t *reaper, pid_t *ret_pid);

#endif
