/* SPDX-License-Identifier: MIT */
/* Protocols inside the library: a table of functions that a program has given. */
#ifndef ASYNCIO__NET_PROTOCOL_H
#define ASYNCIO__NET_PROTOCOL_H

#include <asyncio/protocol.h>

/* Makes the protocol of a connection: 0, -ENOMEM when the factory returned NULL, or -EINVAL when
 * its table cannot be used (then the protocol is left alone). The error slot is filled. */
int asyncio__protocol_make(asyncio_protocol_factory_t *factory, void *arg,
                           asyncio_protocol_t **ret_protocol);

/* Whether the table of a protocol can be used: 0, or -EINVAL with details. */
int asyncio__protocol_check(const asyncio_protocol_t *protocol);

/* Calls destroy; NULL is ignored. */
void asyncio__protocol_destroy(asyncio_protocol_t *protocol);

#endif
