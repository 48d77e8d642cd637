/* SPDX-License-Identifier: MIT */
/*
 * The servers of a loop that asyncio_serve() runs.
 *
 *     loop->serving = &serving;                 servers that are made join the list
 *     rc = asyncio__serving_release(&serving);  those that were started begin to accept
 *     asyncio__serving_stop(&serving);          none accepts any more
 *     rc = asyncio__serving_wait(&serving);     all connections have ended
 *     asyncio__serving_fini(&serving, loop);
 *
 * Until the release, a server that is started only listens: if one loop accepted before the others
 * have bound their sockets, it would get all early connections.
 */
#ifndef ASYNCIO__NET_SERVING_H
#define ASYNCIO__NET_SERVING_H

#include "net/server.h"

void asyncio__serving_init(asyncio__serving_t *serving, asyncio_loop_t *loop, size_t index);

/* The servers stay, and are not found here any more. */
void asyncio__serving_fini(asyncio__serving_t *serving, asyncio_loop_t *loop);

/* 0, or the first error: the loop cannot wait for connections. */
int asyncio__serving_release(asyncio__serving_t *serving);

/* Closes the listening sockets, after a last look for connections. */
void asyncio__serving_stop(asyncio__serving_t *serving);

/* Waits until every server is closed and its connections have ended: 0 or a code. */
int asyncio__serving_wait(asyncio__serving_t *serving);

/* Cancels the tasks of all connections; closes all connections at once. */
void asyncio__serving_cancel(asyncio__serving_t *serving);
void asyncio__serving_abort(asyncio__serving_t *serving);

#endif
