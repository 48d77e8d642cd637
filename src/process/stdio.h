/* SPDX-License-Identifier: MIT */
/*
 * The standard streams of a child that is about to be started: pipes with this process's ends as
 * channels, and the descriptors that become 0, 1 and 2 in the child.
 *
 *     rc = asyncio__stdio_open(&stdio, loop, options);     0, or everything is closed again
 *     ... the caller takes the channels, and sets them to NULL ...
 *     ... asyncio__spawn() with stdio.child_fds ...
 *     asyncio__stdio_close(&stdio);                        closes the channels that were not taken
 */
#ifndef ASYNCIO__PROCESS_STDIO_H
#define ASYNCIO__PROCESS_STDIO_H

#include <asyncio/process.h>

#include "transport/channel.h"

typedef struct asyncio__stdio {
    int child_fds[3];                /* become 0, 1 and 2; or ASYNCIO__SPAWN_INHERIT */
    bool is_ours[3];                 /* the descriptor is closed here after the start */
    asyncio__channel_t *channels[3]; /* our ends of pipes, or NULL: a reference to each */
} asyncio__stdio_t;

/* Opens the streams of the options: 0, or an error; then nothing is open. */
int asyncio__stdio_open(asyncio__stdio_t *stdio, asyncio_loop_t *loop,
                        const asyncio_process_options_t *options);

/* Closes the descriptors that the child has copies of. */
void asyncio__stdio_close_child(asyncio__stdio_t *stdio);

/* Closes everything that is still here. */
void asyncio__stdio_close(asyncio__stdio_t *stdio);

#endif
