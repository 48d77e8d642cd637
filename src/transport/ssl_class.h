/* SPDX-License-Identifier: MIT */
/*
 * How the core reaches TLS, which is in a library of its own (src/tls): a context begins with a
 * pointer to the class table below, and its class makes the channel.
 *
 *     asyncio__ssl_options_t options = {.context = ssl, .server_hostname = "example.org", …};
 *     rc = asyncio__ssl_check(&options);                  before anything is connected
 *     rc = asyncio__ssl_wrap(channel, &options, &secure); channel is taken, also on failure
 *     secure->owner_class = &my_class;                    opened(), or closed() with the reason
 *
 * The handshake begins in the loop's next turn. The core includes nothing of OpenSSL.
 */
#ifndef ASYNCIO__TRANSPORT_SSL_CLASS_H
#define ASYNCIO__TRANSPORT_SSL_CLASS_H

#include <asyncio/socket.h>

#include "transport/channel.h"

/* What a channel of TLS is made with. */
typedef struct asyncio__ssl_options {
    asyncio_ssl_context_t *context; /* NULL: no TLS is wanted */
    const char *server_hostname;    /* of a client: the name that is verified; "": none is known */
    uint16_t port;                  /* of a client: which sessions may be used again; 0: none */
    bool is_server;                 /* this side is the server */
    int64_t handshake_timeout_ns;   /* how long the handshake may take */
    int64_t shutdown_timeout_ns;    /* how long close() waits for the peer's close_notify */
    const void *received;           /* of a server: what was received for TLS already */
    size_t received_bytes;          /* of received */
} asyncio__ssl_options_t;

typedef struct asyncio__ssl_class {
    void (*ref)(asyncio_ssl_context_t *context);
    void (*unref)(asyncio_ssl_context_t *context);

    /* Whether a channel can be made with these options: 0, or an error with details. */
    int (*check)(const asyncio__ssl_options_t *options);

    /* Makes a channel over an open one, which is not taken on failure: 0 or an error with details.
     * From now on the context does not change any more. */
    int (*wrap)(asyncio__channel_t *lower, const asyncio__ssl_options_t *options,
                asyncio__channel_t **ret_channel);
} asyncio__ssl_class_t;

static inline const asyncio__ssl_class_t *
asyncio__ssl_class_of(const asyncio_ssl_context_t *context)
{
    return *(const asyncio__ssl_class_t *const *)context;
}

static inline asyncio_ssl_context_t *asyncio__ssl_ref(asyncio_ssl_context_t *context)
{
    if (context)
        asyncio__ssl_class_of(context)->ref(context);
    return context;
}

static inline void asyncio__ssl_unref(asyncio_ssl_context_t *context)
{
    if (context)
        asyncio__ssl_class_of(context)->unref(context);
}

static inline int asyncio__ssl_check(const asyncio__ssl_options_t *options)
{
    return options->context ? asyncio__ssl_class_of(options->context)->check(options) : 0;
}

/* Makes a channel over another one, which is taken, also on failure. */
static inline int asyncio__ssl_wrap(asyncio__channel_t *lower,
                                    const asyncio__ssl_options_t *options,
                                    asyncio__channel_t **ret_channel)
{
    int rc = asyncio__ssl_class_of(options->context)->wrap(lower, options, ret_channel);
    if (rc < 0) {
        lower->class->abort(lower, 0, NULL);
        asyncio__channel_unref(lower);
    }
    return rc;
}

#endif
