/* SPDX-License-Identifier: MIT */
/*
 * TLS as calls with options want it: what the options say, and waiting for a handshake. The channel
 * itself is made by the context's class; see transport/ssl_class.h.
 */
#ifndef ASYNCIO__NET_SECURE_H
#define ASYNCIO__NET_SECURE_H

#include <asyncio/transport.h>

#include "transport/ssl_class.h"

/* Reads the options of a client that connects to host (NULL: not known) and port: 0, or an error
 * with details. Without TLS ret_wanted->context is NULL. */
int asyncio__secure_client(const asyncio_connection_options_t *options, const char *host,
                           uint16_t port, asyncio__ssl_options_t *ret_wanted);

/* The same of a server. The context is borrowed. */
int asyncio__secure_server(const asyncio_server_options_t *options,
                           asyncio__ssl_options_t *ret_wanted);

/* The same of a socket that the program has accepted. */
int asyncio__secure_accepted(const asyncio_accepted_socket_options_t *options,
                             asyncio__ssl_options_t *ret_wanted);

/* The same of start_tls: is_accepted says that a server has accepted the connection. */
int asyncio__secure_start(asyncio_ssl_context_t *context,
                          const asyncio_start_tls_options_t *options, bool is_accepted,
                          asyncio__ssl_options_t *ret_wanted);

/* Whether what was received before may belong to TLS: 0; or ASYNCIO_ESSL with details, since a
 * server never speaks first, and a client speaks with a handshake record. */
int asyncio__secure_check_received(const asyncio__ssl_options_t *wanted);

/* Puts TLS over a channel, and waits in the task until the handshake has succeeded: 0, or an error
 * with details. *channel is taken, and replaced by the new one; on failure both are ended and
 * dropped. Without TLS it does nothing. call is what stack listings show. */
int asyncio__secure(asyncio__channel_t **channel, const asyncio__ssl_options_t *wanted,
                    const char *call);

#endif
