/* SPDX-License-Identifier: MIT */
/*
 * The connections of a server: each runs client_connected as a task of its own, or has a transport
 * that calls a protocol.
 *
 *     server ==contains==> clients --list--> client --> connection (its reader and its writer)
 *        ^                                      |   or  transport
 *        '------ a reference by hold() ---------'
 *
 * With TLS a client begins with a handshake, while it has a channel only.
 *
 * A client is in the list until its task has ended and its connection is closed, which may be
 * later: what the task has written is sent first. One with a protocol is in it until
 * connection_lost has returned. It knows its server only by the two callbacks.
 */
#ifndef ASYNCIO__NET_CLIENT_H
#define ASYNCIO__NET_CLIENT_H

#include <asyncio/transport.h>

#include "transport/socket_channel.h"
#include "transport/ssl_class.h"

typedef struct asyncio__clients asyncio__clients_t;

/* What a connection of the server gets: one of the two. */
typedef struct asyncio__client_handler {
    asyncio_client_connected_t *client_connected; /* a task that runs this */
    asyncio_protocol_factory_t *factory;          /* a protocol that this makes */
    void *arg;                                    /* passed to it */
} asyncio__client_handler_t;

struct asyncio__clients {
    asyncio_loop_t *loop;                         /* borrowed from the server */
    asyncio__client_handler_t handler;            /* of each connection */
    asyncio_context_t *context;                   /* each runs in a copy of it */
    size_t limit_bytes;                           /* of each reader; 0: the default */
    size_t stack_bytes;                           /* of each task; 0: the default */
    int64_t linger_ns;                            /* of each connection; 0: the default */
    asyncio__ssl_options_t ssl;                   /* of each connection: context is a reference */
    bool end_on_overrun;                          /* of each reader */
    asyncio__list_t list;                         /* of clients, oldest first */
    size_t count;                                 /* of list */
    void (*hold)(asyncio__clients_t *clients);    /* the server must stay: a client was added */
    void (*drop)(asyncio__clients_t *clients);    /* a client has left; may free the server */
};

/* Fills the record, with a copy of the current context: 0 or -ENOMEM. */
int asyncio__clients_init(asyncio__clients_t *clients);
void asyncio__clients_fini(asyncio__clients_t *clients);

/* Makes the client of an accepted descriptor, which is taken, also on failure: 0 or -ENOMEM. */
int asyncio__clients_add(asyncio__clients_t *clients, int fd, asyncio__file_kind_t kind,
                         const asyncio__socket_names_t *names);

/* Closes each connection once all is sent; closes each at once; cancels each task (those with a
 * protocol have none). */
void asyncio__clients_close(asyncio__clients_t *clients);
void asyncio__clients_abort(asyncio__clients_t *clients);
void asyncio__clients_cancel(asyncio__clients_t *clients);

#endif
