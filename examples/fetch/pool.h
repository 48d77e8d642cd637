/* SPDX-License-Identifier: MIT */
/*
 * Connections that are kept open between requests: pool_get() returns an idle one to the host and
 * port, or opens one. At most `limit` are open at once, provided that at most `limit` are in use.
 */
#ifndef FETCH_POOL_H
#define FETCH_POOL_H

#include "url.h"

#include <asyncio.h>
#include <sys/queue.h>

/* The size of one read from a connection, in bytes. */
#define CONNECTION_BUFFER_BYTES 16384

/* A connection to a server. In use it belongs to one task; idle, it is in two lists. */
typedef struct connection {
    asyncio_stream_reader_t *reader;      /* its receiving side */
    asyncio_stream_writer_t *writer;      /* its sending side */
    char *host;                           /* of the server */
    uint16_t port;                        /* of the server */
    bool is_https;                        /* by TLS */
    bool is_reused;                       /* a request was answered on it before */
    TAILQ_ENTRY(connection) by_age;       /* in pool.idle */
    LIST_ENTRY(connection) by_origin;     /* in a bucket of pool.origins */
    char buffer[CONNECTION_BUFFER_BYTES]; /* for reads; last, so that unused pages stay untouched */
} connection_t;

#define POOL_BUCKETS 1024

/* The idle connections. */
typedef struct pool {
    TAILQ_HEAD(, connection) idle;                     /* by age, the oldest first */
    LIST_HEAD(bucket, connection) origins[POOL_BUCKETS]; /* the same, by host and port */
    size_t open_count;                                 /* idle ones and those in use */
    size_t limit;                                      /* of open_count */
    size_t made_count;                                 /* connections opened in total */
    asyncio_ssl_context_t *ssl;                        /* for https; NULL: there is none */
} pool_t;

void pool_init(pool_t *pool, size_t limit);

/*
 * Takes an idle connection to the URL's server, or opens one. may_reuse = false asks for a new one.
 * Fails as asyncio_open_connection().
 */
int pool_get(pool_t *pool, const url_t *url, bool may_reuse, connection_t **ret_connection);

/* Returns a connection to the pool; closes it if it cannot be kept. */
void pool_put(pool_t *pool, connection_t *connection, bool keep);

/* Closes the idle connections. */
void pool_fini(pool_t *pool);

#endif
