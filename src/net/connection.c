/* SPDX-License-Identifier: MIT */
/*
 * Connections: their two buffers, the background send, and how they end; see connection.h.
 */
#include "net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "task/waiter_list.h"

#define HIGH_WATER_BYTES 65536
#define BLOCK_LEAST      512
/* A block that grew above that is given back when it is empty. */
#define BLOCK_KEPT 65536

/* --- bytes --------------------------------------------------------------------------------- */

int asyncio__bytes_reserve(asyncio__bytes_t *bytes, size_t size)
{
    size_t count = asyncio__bytes_count(bytes);
    if (bytes->capacity - bytes->end >= size)
        return 0;
    if (bytes->capacity - count >= size && bytes->start >= count) {
        memcpy(bytes->data, bytes->data + bytes->start, count);
        bytes->start = 0;
        bytes->end = count;
        return 0;
    }
    size_t capacity = bytes->capacity ? bytes->capacity : BLOCK_LEAST;
    if (size > SIZE_MAX / 4 - count)
        return -ENOMEM;
    while (capacity < count + size)
        capacity *= 2;
    char *data = asyncio__malloc(capacity);
    if (!data)
        return -ENOMEM;
    if (count)
        memcpy(data, bytes->data + bytes->start, count);
    asyncio__free(bytes->data, bytes->capacity);
    *bytes = (asyncio__bytes_t){data, 0, count, capacity};
    return 0;
}

void asyncio__bytes_fini(asyncio__bytes_t *bytes)
{
    asyncio__free(bytes->data, bytes->capacity);
    *bytes = (asyncio__bytes_t){0};
}

/* --- made and ended ------------------------------------------------------------------------ */

/* Small messages go out at once. */
static void set_no_delay(const asyncio_socket_t *sock)
{
    int family = 0, on = 1;
    socklen_t size = sizeof(family);
    if (asyncio__sys.getsockopt(sock->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
        (family == AF_INET || family == AF_INET6))
        asyncio__ignore(
            asyncio__sys.setsockopt(sock->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

asyncio__connection_t *asyncio__connection_new(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                               size_t limit_bytes)
{
    asyncio__connection_t *connection = asyncio__calloc(sizeof(*connection));
    if (!connection)
        return NULL;
    connection->refs = 2;
    connection->writer.refs = 1;
    connection->writer.high_bytes = HIGH_WATER_BYTES;
    connection->writer.low_bytes = HIGH_WATER_BYTES / 4;
    connection->reader.limit_bytes = limit_bytes ? limit_bytes : ASYNCIO_STREAM_LIMIT_BYTES;
    asyncio__list_init(&connection->writer.drainers);
    asyncio__list_init(&connection->closers);
    connection->sock = asyncio_socket_ref(sock);
    connection->loop = asyncio__loop_hold(loop);
    set_no_delay(sock);
    return connection;
}

void asyncio__connection_unref(asyncio__connection_t *connection)
{
    if (--connection->refs > 0)
        return;
    asyncio__bytes_fini(&connection->reader.bytes);
    asyncio__bytes_fini(&connection->writer.sending);
    asyncio__bytes_fini(&connection->writer.waiting);
    asyncio_socket_unref(connection->sock);
    asyncio__loop_drop_object(connection->loop);
    asyncio__free(connection, sizeof(*connection));
}

/* The socket goes; who waits for that, or in drain(), goes on. */
static void finish_close(asyncio__connection_t *connection)
{
    if (connection->is_closed)
        return;
    connection->is_closed = true;
    asyncio__ignore(asyncio_socket_close(connection->sock));
    asyncio__waiters_wake_all(&connection->writer.drainers);
    asyncio__waiters_wake_all(&connection->closers);
}

void asyncio__connection_abort(asyncio__connection_t *connection, int code)
{
    if (connection->is_closed)
        return;
    connection->is_closing = true;
    if (connection->lost == 0)
        connection->lost = code;
    asyncio__bytes_fini(&connection->writer.waiting);
    if (!connection->is_sending)
        asyncio__bytes_fini(&connection->writer.sending);
    finish_close(connection);
}

void asyncio__connection_close(asyncio__connection_t *connection)
{
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    asyncio__connection_flush(connection);
}

/* --- sending ------------------------------------------------------------------------------- */

static size_t unsent(const asyncio__connection_t *connection)
{
    return asyncio__bytes_count(&connection->writer.sending) +
           asyncio__bytes_count(&connection->writer.waiting);
}

/* An empty buffer begins at its beginning again, and gives a large block back. */
static void rewind_bytes(asyncio__bytes_t *bytes)
{
    bytes->start = bytes->end = 0;
    if (bytes->capacity > BLOCK_KEPT)
        asyncio__bytes_fini(bytes);
}

static void on_sent(asyncio__connection_t *connection, int result)
{
    asyncio_stream_writer_t *writer = &connection->writer;
    if (connection->is_closed) {
        asyncio__bytes_fini(&writer->sending);
        return;
    }
    if (result < 0) {
        asyncio__connection_abort(connection, result);
        return;
    }
    writer->sending.start += (size_t)result;
    if (asyncio__bytes_count(&writer->sending) == 0) {
        rewind_bytes(&writer->sending);
        asyncio__bytes_t empty = writer->sending;
        writer->sending = writer->waiting;
        writer->waiting = empty;
    }
    if (writer->is_paused && unsent(connection) <= writer->low_bytes) {
        writer->is_paused = false;
        asyncio__waiters_wake_all(&writer->drainers);
    }
}

static void on_complete(asyncio__operation_t *operation)
{
    asyncio__connection_t *connection =
        ASYNCIO__CONTAINER(operation, asyncio__connection_t, send);
    connection->is_sending = false;
    if (connection->loop->closed) {
        asyncio__bytes_fini(&connection->writer.sending);
    } else {
        on_sent(connection, operation->result);
        asyncio__connection_flush(connection);
    }
    asyncio__connection_unref(connection);
}

void asyncio__connection_flush(asyncio__connection_t *connection)
{
    asyncio_stream_writer_t *writer = &connection->writer;
    asyncio__engine_t *engine = connection->loop->engine;
    while (!connection->is_sending && !connection->is_closed &&
           asyncio__bytes_count(&writer->sending) > 0) {
        connection->send = (asyncio__operation_t){
            .complete = on_complete,
            .file = connection->sock->file,
            .kind = ASYNCIO__SEND,
            .buffer = writer->sending.data + writer->sending.start,
            .size = asyncio__bytes_count(&writer->sending)};
        int rc = engine->class->submit(engine, &connection->send);
        if (rc == 0) {
            connection->is_sending = true;
            connection->refs++;
        } else {
            on_sent(connection, rc < 0 ? rc : connection->send.result);
        }
    }
    if (connection->is_sending || connection->is_closed)
        return;
    if (connection->is_closing) {
        finish_close(connection);
    } else if (writer->is_eof_wanted && !writer->is_eof_sent) {
        writer->is_eof_sent = true;
        asyncio__ignore(asyncio_socket_shutdown(connection->sock, SHUT_WR));
    }
}
