/* SPDX-License-Identifier: MIT */
/*
 * Starting servers from a task: look the host up, bind, and serve. The connections get what the
 * handler says.
 */
#ifndef ASYNCIO__NET_SERVER_START_H
#define ASYNCIO__NET_SERVER_START_H

#include "net/client.h"

/* Starts a server on a host, or on options->sock; checks the arguments but for the handler, and
 * that the call is inside a task of the loop. 0, or an error with the slot filled. */
int asyncio__start_server(asyncio_loop_t *loop, const char *host, uint16_t port,
                          const asyncio__client_handler_t *handler,
                          const asyncio_server_options_t *options, asyncio_server_t **ret_server);

/* The same for the path of a Unix socket. */
int asyncio__start_unix_server(asyncio_loop_t *loop, const char *path,
                               const asyncio__client_handler_t *handler,
                               const asyncio_server_options_t *options,
                               asyncio_server_t **ret_server);

#endif
