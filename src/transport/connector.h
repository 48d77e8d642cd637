/* SPDX-License-Identifier: MIT */
/*
 * Connectors: connect to the first address of a list that accepts, by callbacks.
 *
 *     rc = asyncio__connector_new(loop, &options, &connector);
 *     rc = asyncio__connector_start(connector);
 *     rc == 1: it is over already; rc == 0: options.complete(connector, arg) is called once
 *     sock = asyncio__connector_take(connector, &names);    the socket, or NULL: all have failed
 *     rc = asyncio__connector_fail(connector, all_errors);  then: why
 *     asyncio__connector_drop(connector);                   at any time: ends what is pending
 *
 * Without a delay the addresses are tried one after another. With one (happy eyeballs, RFC 8305)
 * the next attempt begins when the latest one has failed or the delay is over, the attempts run
 * beside each other, and the first that connects wins. The errors of all are kept.
 *
 *     options --copied--> connector ==contains==> attempt (one for each address) --ref--> socket
 *
 * References to a connector: the owner's, and one for each pending operation and the timer. So the
 * owner may drop it at once when its task is cancelled.
 */
#ifndef ASYNCIO__TRANSPORT_CONNECTOR_H
#define ASYNCIO__TRANSPORT_CONNECTOR_H

#include <netdb.h>

#include "transport/socket_channel.h"

typedef struct asyncio__connector asyncio__connector_t;

typedef struct asyncio__connector_options {
    const struct addrinfo *addresses; /* of the peer, in order; at least one; copied */
    const struct addrinfo *locals;    /* to connect from, the first of the peer's family that can be
                                         bound; NULL: the kernel chooses; copied */
    int64_t delay_ns;                 /* between attempts; 0: one after another */
    size_t interleave;                /* 0: in the order given; else families alternate, behind
                                         interleave addresses of the first one's family */
    void (*complete)(asyncio__connector_t *connector, void *arg); /* may only schedule */
    void *arg;                        /* passed to it */
} asyncio__connector_options_t;

/* A new connector, with the owner's reference: 0 or -ENOMEM. */
int asyncio__connector_new(asyncio_loop_t *loop, const asyncio__connector_options_t *options,
                           asyncio__connector_t **ret_connector);

/* Begins: 1 when it is over at once, or 0. Called once. */
int asyncio__connector_start(asyncio__connector_t *connector);

/* The connected socket, whose reference moves to the caller, with TCP_NODELAY set. names.peer is
 * borrowed from the connector. NULL: no attempt has succeeded. */
asyncio_socket_t *asyncio__connector_take(asyncio__connector_t *connector,
                                          asyncio__socket_names_t *ret_names);

/*
 * Fails with the errors of the attempts: with all_errors as a group of them; else with the one
 * error if there is only one, or all are the same; else with the code of the last and the messages
 * of all, the group being the cause. An address that none of the local addresses fits counts only
 * if there is nothing else.
 */
int asyncio__connector_fail(asyncio__connector_t *connector, bool all_errors);

/* Drops the owner's reference. Pending attempts end, and complete is not called any more. */
void asyncio__connector_drop(asyncio__connector_t *connector);

#endif
