/* SPDX-License-Identifier: MIT */
/*
 * The record of a server: its listening sockets, and the clients that they accepted.
 *
 *     server --> listener (one for each address): an accept operation in flight while it serves
 *            --> client   (one for each connection): in a list while its task runs
 *
 * Each listener's operation and each client hold a reference to the server.
 */
#ifndef ASYNCIO__NET_SERVER_H
#define ASYNCIO__NET_SERVER_H

#include <asyncio/server.h>

#include "loop/timer.h"
#include "net/connection.h"
#include "transport/socket.h"

typedef struct asyncio__listener {
    asyncio__operation_t accept; /* in flight while is_accepting */
    asyncio__timer_t pause;      /* set while it is out of descriptors or memory */
    asyncio_socket_t *sock;      /* a reference */
    asyncio_server_t *server;    /* whose */
    bool is_accepting;           /* the operation is in flight: a reference to the server */
    bool is_paused;              /* the timer is set, or will be */
    bool has_slot;               /* a place in the ready queue, for where no timer can be set */
} asyncio__listener_t;

struct asyncio_server {
    unsigned refs;                                /* references */
    asyncio_loop_t *loop;                         /* held */
    asyncio_client_connected_t *client_connected; /* what each connection runs */
    void *arg;                                    /* passed to it */
    asyncio_server_options_t options;             /* a copy */
    asyncio__listener_t *listeners;               /* listener_count of them */
    size_t listener_count;                        /* of listeners */
    size_t active;                                /* clients whose task has not ended */
    asyncio__list_t clients;                      /* those, oldest first */
    asyncio__list_t closers;                      /* who waits in wait_closed() */
    asyncio__list_t servers;                      /* who waits in serve_forever() */
    char *path;                                   /* of a Unix socket, to be removed; or NULL */
    uint64_t path_device, path_inode;             /* which file that was */
    bool is_serving;                              /* start_serving() was called */
    bool is_closed;                               /* close() was called */
};

/* A server without listeners; one reference, or NULL. */
asyncio_server_t *asyncio__server_new(asyncio_loop_t *loop,
                                      asyncio_client_connected_t *client_connected, void *arg,
                                      const asyncio_server_options_t *options);

/* Adds a listening socket, which is borrowed: 0 or an error. */
int asyncio__server_add(asyncio_server_t *server, asyncio_socket_t *sock);

/* Runs the task of a connection that was accepted; fd is taken. */
void asyncio__server_connect(asyncio_server_t *server, int fd);

/* A reference less of a client's: who waits for the last one goes on. */
void asyncio__server_wake_closers(asyncio_server_t *server);

#endif
