/* SPDX-License-Identifier: MIT */
/*
 * Copies of the options of connections and servers, for coroutine objects that make a call later.
 *
 *     ASYNCIO__OPTIONS_COPY(connection, asyncio_open_connection, host, connection)
 *
 * defines keep_connection() and drop_connection() for ASYNCIO__TWIN_KEPT() of a call whose
 * parameters `host` and `options` are a string and asyncio_connection_options_t; they are declared
 * before that, and defined behind it.
 */
#ifndef ASYNCIO__NET_OPTIONS_COPY_H
#define ASYNCIO__NET_OPTIONS_COPY_H

#include <asyncio/transport.h>

/* Put a copy in place of what is given, with references to its socket and context of TLS; NULL is
 * kept, and is what a failure leaves. 0; -ENOMEM; or -EINVAL: no valid size. The slot is filled. */
int asyncio__copy_string(const char **text);
int asyncio__copy_connection_options(const asyncio_connection_options_t **options);
int asyncio__copy_server_options(const asyncio_server_options_t **options);
int asyncio__copy_accepted_socket_options(const asyncio_accepted_socket_options_t **options);
int asyncio__copy_start_tls_options(const asyncio_start_tls_options_t **options);

/* Free the copies; NULL is ignored. */
void asyncio__free_connection_options(const asyncio_connection_options_t *options);
void asyncio__free_server_options(const asyncio_server_options_t *options);
void asyncio__free_accepted_socket_options(const asyncio_accepted_socket_options_t *options);
void asyncio__free_start_tls_options(const asyncio_start_tls_options_t *options);

#define ASYNCIO__OPTIONS_COPY(word, name, string, kind) \
    static int keep_##word(void *arguments) \
    { \
        struct name##_arguments *a = arguments; \
        int rc = asyncio__copy_string(&a->string); \
        int options_rc = asyncio__copy_##kind##_options(&a->options); \
        return rc < 0 ? rc : options_rc; \
    } \
    static void drop_##word(void *arguments) \
    { \
        struct name##_arguments *a = arguments; \
        asyncio__free_string((char *)a->string); \
        asyncio__free_##kind##_options(a->options); \
    }

#endif
