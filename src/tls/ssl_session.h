/* SPDX-License-Identifier: MIT */
/*
 * The sessions that a client keeps: by host and port, those used last. A ticket of TLS 1.3 is used
 * once, because two uses would tell an observer that both were the same client.
 */
#ifndef ASYNCIO__TLS_SSL_SESSION_H
#define ASYNCIO__TLS_SSL_SESSION_H

#include "tls/ssl_context.h"

typedef struct asyncio__ssl_sessions asyncio__ssl_sessions_t;

void asyncio__ssl_sessions_free(asyncio__ssl_sessions_t *sessions);

/* Gives ssl a session of an earlier connection to the same host and port, if there is one, and has
 * the sessions of this connection kept. Does nothing where the context keeps none. */
void asyncio__ssl_sessions_use(asyncio_ssl_context_t *context, SSL *ssl, const char *host,
                               uint16_t port);

#endif
