/* SPDX-License-Identifier: MIT */
/*
 * The standard streams of a child that is about to be started: pipes with our ends as connections,
 * and the descriptors that become 0, 1 and 2 in the child.
 *
 *     rc = asyncio__stdio_open(&stdio, loop, options);     0, or everything is closed again
 *     ... asyncio__spawn() with stdio.child_fds ...
 *     asyncio__stdio_close_child(&stdio);                  the child has copies of its own
 *     the connections are moved into the process, or asyncio__stdio_close(&stdio)
 */
#ifndef ASYNCIO__PROCESS_STDIO_H
#define ASYNCIO__PROCESS_STDIO_H

#include <asyncio/process.h>

#include "net/connection.h"

typedef struct asyncio__stdio {
    int child_fds[3];                      /* what the child gets; ASYNCIO__SPAWN_INHERIT */
    bool is_ours[3];                       /* that one is to be closed here after the start */
    asyncio__connection_t *connections[3]; /* our ends of pipes, or NULL: a reference to each
                                              one's reader and one to its writer */
} asyncio__stdio_t;

int asyncio__stdio_open(asyncio__stdio_t *stdio, asyncio_loop_t *loop,
                        const asyncio_process_options_t *options);
void asyncio__stdio_close_child(asyncio__stdio_t *stdio);
void asyncio__stdio_close(asyncio__stdio_t *stdio);

/* Drops both references to a connection, which closes it; NULL is ignored. */
void asyncio__stdio_drop(asyncio__connection_t *connection);

#endif
