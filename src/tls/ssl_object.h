/* SPDX-License-Identifier: MIT */
/* What is known of a connection by TLS; an asyncio_ssl_object_t is its channel. */
#ifndef ASYNCIO__TLS_SSL_OBJECT_H
#define ASYNCIO__TLS_SSL_OBJECT_H

#include "tls/ssl_context.h"

/* The names of get_extra_info: "cipher", "ssl_version", "alpn", "server_hostname", "peercert". */
int asyncio__ssl_describe(asyncio__tls_channel_t *self, const char *name,
                          asyncio__channel_info_t *ret_info);

#endif
