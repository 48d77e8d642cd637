/* SPDX-License-Identifier: MIT */
/*
 * Connections kept open. Idle ones are found by host and port, the latest used first (its server is
 * the least likely to have closed it), and the oldest is closed when the limit is reached.
 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

static struct bucket *bucket_of(pool_t *pool, const char *host, uint16_t port)
{
    uint32_t hash = 2166136261u ^ port;
    for (const char *c = host; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &pool->origins[hash % POOL_BUCKETS];
}

static void free_connection(pool_t *pool, connection_t *connection)
{
    if (connection->writer != NULL)
        asyncio_stream_writer_abort(connection->writer);
    asyncio_stream_reader_unref(connection->reader);
    asyncio_stream_writer_unref(connection->writer);
    free(connection->host);
    free(connection);
    pool->open_count--;
}

static void remove_idle(pool_t *pool, connection_t *connection)
{
    TAILQ_REMOVE(&pool->idle, connection, by_age);
    LIST_REMOVE(connection, by_origin);
}

static connection_t *find_idle(pool_t *pool, const url_t *url)
{
    connection_t *connection;
    LIST_FOREACH(connection, bucket_of(pool, url->host, url->port), by_origin)
        if (connection->port == url->port && connection->is_https == url->is_https &&
            strcmp(connection->host, url->host) == 0)
            return connection;
    return NULL;
}

void pool_init(pool_t *pool, size_t limit)
{
    *pool = (pool_t){.limit = limit};
    TAILQ_INIT(&pool->idle);
}

int pool_get(pool_t *pool, const url_t *url, bool may_reuse, connection_t **ret_connection)
{
    connection_t *connection = may_reuse ? find_idle(pool, url) : NULL;
    if (connection != NULL) {
        remove_idle(pool, connection);
        *ret_connection = connection;
        return 0;
    }
    connection_t *oldest = TAILQ_FIRST(&pool->idle);
    if (pool->open_count >= pool->limit && oldest != NULL) {
        remove_idle(pool, oldest);
        free_connection(pool, oldest);
    }
    connection = malloc(sizeof(*connection));
    if (connection == NULL)
        return -ENOMEM;
    memset(connection, 0, offsetof(connection_t, buffer));
    pool->open_count++;
    connection->port = url->port;
    connection->host = strdup(url->host);
    connection->is_https = url->is_https;
    asyncio_connection_options_t options = {.size = sizeof(options),
                                            .ssl = url->is_https ? pool->ssl : NULL};
    int rc = connection->host == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = asyncio_open_connection(url->host, url->port, &options, &connection->reader,
                                     &connection->writer);
    if (rc < 0) {
        free_connection(pool, connection);
        return rc;
    }
    pool->made_count++;
    *ret_connection = connection;
    return 0;
}

void pool_put(pool_t *pool, connection_t *connection, bool keep)
{
    if (!keep || pool->open_count > pool->limit) {
        free_connection(pool, connection);
        return;
    }
    connection->is_reused = true;
    TAILQ_INSERT_TAIL(&pool->idle, connection, by_age);
    LIST_INSERT_HEAD(bucket_of(pool, connection->host, connection->port), connection, by_origin);
}

void pool_fini(pool_t *pool)
{
    connection_t *connection;
    while ((connection = TAILQ_FIRST(&pool->idle)) != NULL) {
        remove_idle(pool, connection);
        free_connection(pool, connection);
    }
}
