/* SPDX-License-Identifier: MIT */
/*
 * Connections, kept open between requests: who needs one to a host and port gets an idle one, or
 * a new one. At most `limit` are open at once, given that at most `limit` are in use.
 */
#ifndef FETCH_POOL_H
#define FETCH_POOL_H

#include "url.h"

#include <asyncio.h>
#include <sys/queue.h>

/* What is read at once from a connection, in bytes. */
#define CONNECTION_BUFFER_BYTES 16384

/* A connection to a server. In use it belongs to one task; idle, it stands in two lists. */
typedef struct connection {
    asyncio_stream_reader_t *reader;      /* its receiving side */
    asyncio_stream_writer_t *writer;      /* its sending side */
    char *host;                           /* of the server */
    uint16_t port;                        /* of the server */
    bool is_reused;                       /* a request was answered on it before */
    TAILQ_ENTRY(connection) by_age;       /* in pool.idle */
    LIST_ENTRY(connection) by_origin;     /* in a bucket of pool.origins */
    char buffer[CONNECTION_BUFFER_BYTES]; /* what is being read; last, so it is not touched early */
} connection_t;

#define POOL_BUCKETS 1024

/* The idle connections. */
typedef struct pool {
    TAILQ_HEAD(, connection) idle;                     /* by age, the oldest first */
    LIST_HEAD(bucket, connection) origins[POOL_BUCKETS]; /* the same, by host and port */
    size_t open_count;                                 /* idle ones and those in use */
    size_t limit;                                      /* of open_count */
    size_t made_count;                                 /* how many were ever opened */
} pool_t;

void pool_init(pool_t *pool, size_t limit);

/*
 * Takes an idle connection to the URL's server, or opens one. may_reuse = false asks for a new one.
 * Fails as asyncio_open_connection().
 */
int pool_get(pool_t *pool, const url_t *url, bool may_reuse, connection_t **ret_connection);

/* Gives a connection back; one that may not be kept is closed. */
void pool_put(pool_t *pool, connection_t *connection, bool keep);

/* Closes what is idle. */
void pool_fini(pool_t *pool);

#endif
