/* SPDX-License-Identifier: MIT */
/*
 * The record of a server: its listening sockets, and the connections that they accepted.
 *
 *     server --list--> listening socket, with its listener
 *            ==contains==> clients  --list--> client (one for each connection)
 *
 * References to a server: the program's, one for each thing that a listener has pending in the loop
 * or the engine, and one for each client. So a server that accepts connections stays until it is
 * closed, whether the program keeps a reference or not, as in asyncio.
 *
 * A server of a loop of asyncio_serve() is in that loop's list too, and is held until all loops are
 * set up; see serving.h.
 */
#ifndef ASYNCIO__NET_SERVER_H
#define ASYNCIO__NET_SERVER_H

#include <asyncio/server.h>

#include "net/client.h"
#include "transport/bind.h"
#include "transport/listener.h"
#include "transport/socket.h"

/* The servers of a loop that asyncio_serve() runs; loop->serving points here. */
typedef struct asyncio__serving {
    asyncio__list_t servers; /* asyncio_server_t, as they were made */
    size_t index;            /* of the loop, from 0 */
    bool is_held;            /* until the release */
} asyncio__serving_t;

/* A listening socket of a server. */
typedef struct asyncio__server_socket {
    asyncio__list_t link;         /* in server->sockets */
    asyncio__listener_t listener; /* accepts on sock */
    asyncio_socket_t *sock;       /* a reference */
    asyncio_server_t *server;     /* whose */
    asyncio__file_kind_t kind;    /* of what it accepts */
    bool is_wildcard;             /* it listens on every address: each connection has its own */
    struct sockaddr_storage own;  /* the address that it listens on */
    socklen_t own_size;           /* of own; 0: not known */
} asyncio__server_socket_t;

struct asyncio_server {
    unsigned refs;                    /* references */
    asyncio_loop_t *loop;             /* held */
    asyncio__clients_t clients;       /* the connections */
    size_t max_connections;           /* no more of them at once; 0: no limit */
    asyncio__list_t sockets;          /* of asyncio__server_socket_t, as they were added */
    size_t pending;                   /* what the listeners have pending */
    asyncio__list_t closers;          /* tasks in wait_closed() */
    asyncio__list_t servers;          /* the task in serve_forever() */
    asyncio__unix_path_t path;        /* of a Unix socket, removed at the close */
    asyncio__list_t serving_link;     /* in loop->serving->servers; or in no list */
    char *listen_name;                /* of its sockets in the listen table, owned; or NULL */
    bool is_serving;                  /* start_serving() was called */
    bool is_closed;                   /* close() was called */
    bool ends_clients;                /* once closed, its clients were told to end */
    bool is_held;                     /* it will accept when all loops are set up; one of refs */
    bool is_full;                     /* max_connections is reached: the listeners are stopped */
};

/* The index of a loop; 0 outside asyncio_serve(). */
static inline size_t asyncio__serving_index(const asyncio_loop_t *loop)
{
    return loop->serving ? loop->serving->index : 0;
}

/* A server without sockets; one reference. NULL: no memory. */
asyncio_server_t *asyncio__server_new(asyncio_loop_t *loop,
                                      const asyncio__client_handler_t *handler,
                                      const asyncio_server_options_t *options);

/* Adds a listening socket, which is shared: 0 or an error with the slot filled. */
int asyncio__server_add(asyncio_server_t *server, asyncio_socket_t *sock);

/* Closes the listening sockets of a server, after the connections that wait for them were accepted
 * as far as max_connections allows. */
void asyncio__server_drain_and_close(asyncio_server_t *server);

/* Begins to accept if the server was held: 0 or an error. May free the server. */
int asyncio__server_release(asyncio_server_t *server);

#endif
