/* SPDX-License-Identifier: MIT */
/* Connections: how they begin, what their channel tells them, and how they end. */
#include "net/connection.h"

#include "base/clock.h"
#include "base/memory.h"
#include "net/channel_info.h"
#include "task/waiter_list.h"

static void on_drained(asyncio__channel_t *channel)
{
    asyncio__connection_t *connection = channel->owner;
    connection->writer.is_paused = false;
    asyncio__waiters_wake_all(&connection->writer.drainers);
}

static void on_closed(asyncio__channel_t *channel)
{
    asyncio__connection_t *connection = channel->owner;
    channel->owner_class = NULL;
    asyncio__waiters_wake_all(&connection->writer.drainers);
    asyncio__waiters_wake_all(&connection->closers);
    if (connection->on_closed)
        connection->on_closed(connection, connection->closed_arg);
    asyncio__connection_unref(connection);
}

static void on_opened(asyncio__channel_t *channel)
{
    asyncio__connection_t *connection = channel->owner;
    connection->is_shaking = false;
    asyncio__waiters_wake_all(&connection->writer.drainers);
}

static const asyncio__channel_owner_class_t owner_class = {
    .opened = on_opened, .drained = on_drained, .closed = on_closed};

asyncio__connection_t *asyncio__connection_new(asyncio__channel_t *channel, size_t limit_bytes)
{
    asyncio__connection_t *connection = asyncio__calloc(sizeof(*connection));
    if (!connection) {
        channel->class->abort(channel, 0, NULL);
        asyncio__channel_unref(channel);
        return NULL;
    }
    connection->refs = 3; /* the reader's, the writer's, and its own until it is closed */
    connection->writer.refs = 1;
    connection->writer.high_bytes = ASYNCIO__HIGH_WATER_BYTES;
    connection->reader.limit_bytes = limit_bytes ? limit_bytes : ASYNCIO_STREAM_LIMIT_BYTES;
    asyncio__list_init(&connection->writer.drainers);
    asyncio__list_init(&connection->closers);
    connection->loop = asyncio__loop_hold(channel->loop);
    connection->channel = channel;
    channel->low_bytes = ASYNCIO__HIGH_WATER_BYTES / 4;
    channel->owner_class = &owner_class;
    channel->owner = connection;
    return connection;
}

int asyncio__connection_wrap(asyncio__connection_t *connection,
                             const asyncio__ssl_options_t *options)
{
    asyncio__channel_t *lower = connection->channel, *secure;
    size_t low_bytes = lower->low_bytes;
    bool wants_drained = lower->wants_drained;
    int rc = asyncio__ssl_class_of(options->context)->wrap(lower, options, &secure);
    if (rc < 0)
        return rc;
    secure->low_bytes = low_bytes;
    secure->wants_drained = wants_drained;
    secure->owner_class = &owner_class;
    secure->owner = connection;
    connection->channel = secure;
    connection->is_shaking = true;
    return 0;
}

void asyncio__connection_free(asyncio__connection_t *connection)
{
    asyncio__bytes_fini(&connection->reader.bytes);
    asyncio__channel_unref(connection->channel);
    asyncio__loop_drop_object(connection->loop);
    asyncio__free(connection, sizeof(*connection));
}

void asyncio__connection_abort(asyncio__connection_t *connection)
{
    connection->channel->class->abort(connection->channel, 0, NULL);
}

void asyncio__connection_close(asyncio__connection_t *connection)
{
    connection->channel->class->close(connection->channel);
}

int asyncio__connection_check_linger(double linger)
{
    return linger >= 0 ? 0 : asyncio__fail(-EINVAL, "\"linger\" must not be negative");
}

void asyncio__connection_set_linger(asyncio__connection_t *connection, double linger)
{
    if (linger > 0)
        connection->channel->linger_ns = asyncio__nanoseconds(linger);
}
