/* SPDX-License-Identifier: MIT */
/* The sending side of a connection; see <asyncio/stream.h> and connection.h. */
#include "base/memory.h"
#include "net/channel_info.h"
#include "net/connection.h"
#include "net/operation.h"
#include "task/task.h"
#include "task/twin.h"
#include "task/waiter_list.h"

asyncio_stream_writer_t *asyncio_stream_writer_ref(asyncio_stream_writer_t *writer)
{
    if (writer) {
        writer->refs++;
        asyncio__connection_of_writer(writer)->refs++;
    }
    return writer;
}

void asyncio_stream_writer_unref(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return;
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    if (asyncio__loop_check_here(connection->loop) < 0)
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    if (--writer->refs == 0)
        asyncio__connection_close(connection);
    asyncio__connection_unref(connection);
}

/* Whether the writer takes bytes: 0, or an error. */
static int check_writable(const asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "\"writer\" must not be NULL");
    int rc = asyncio__loop_check(asyncio__connection_of_writer(writer)->loop);
    if (rc == 0 && writer->is_eof_wanted)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "Cannot call write() after write_eof()");
    return rc;
}

static int write_pieces(asyncio_stream_writer_t *writer, const struct iovec *pieces, size_t count)
{
    asyncio__channel_t *channel = asyncio__connection_of_writer(writer)->channel;
    if (ASYNCIO__UNLIKELY(channel->is_sending_file))
        return asyncio__fail(ASYNCIO_ERUNTIME, "unable to write; sendfile is in progress");
    int rc = channel->class->write(channel, pieces, count);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    if (channel->class->unsent(channel) > writer->high_bytes)
        writer->is_paused = channel->wants_drained = true;
    return 0;
}

int asyncio_stream_writer_writelines(asyncio_stream_writer_t *writer, const struct iovec *pieces,
                                     size_t count)
{
    int rc = check_writable(writer);
    if (rc == 0)
        rc = asyncio__check_pieces(pieces, count);
    return rc < 0 ? rc : write_pieces(writer, pieces, count);
}

int asyncio_stream_writer_write(asyncio_stream_writer_t *writer, const void *data, size_t size)
{
    int rc = check_writable(writer);
    if (rc < 0)
        return rc;
    if (!data && size)
        return asyncio__fail(-EINVAL, "\"data\" must not be NULL");
    struct iovec piece = {(void *)data, size};
    return write_pieces(writer, &piece, 1);
}

/* Whether the call is inside a coroutine of the writer's loop: returns the connection, or NULL and
 * the code in *ret_rc. */
static asyncio__connection_t *check_inside(asyncio_stream_writer_t *writer, int *ret_rc)
{
    if (!writer) {
        *ret_rc = asyncio__fail(-EINVAL, "\"writer\" must not be NULL");
        return NULL;
    }
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    *ret_rc = asyncio__operation_check(connection->loop);
    return *ret_rc < 0 ? NULL : connection;
}

/* Fails with what ended the connection. The end of a pipe's reader may be noticed by a write, which
 * fails with -EPIPE, or by the engine before: as in asyncio, drain() does not depend on which. */
static ASYNCIO__COLD int fail_drain(const asyncio_stream_writer_t *writer,
                                    const asyncio__channel_t *channel)
{
    if (writer->is_of_pipe)
        return asyncio__fail(-ECONNRESET, "Connection lost");
    return asyncio__channel_fail(channel, -ECONNRESET, "Connection lost");
}

/* drain() where the writer is paused or the channel is closing. */
static ASYNCIO__COLD int drain_slow(asyncio_stream_writer_t *writer,
                                    asyncio__connection_t *connection)
{
    int rc = 0;
    asyncio__channel_t *channel = connection->channel;
    if (channel->is_closing && (rc = asyncio__give_way()) < 0)
        return rc;
    /* Also when this side has closed it: otherwise a loop of writes would never end. */
    if (channel->is_closed)
        return fail_drain(writer, channel);
    connection->refs++;
    while (rc == 0 && writer->is_paused && !channel->is_closed)
        rc = asyncio__waiters_wait(connection->loop, &writer->drainers,
                                   "asyncio_stream_writer_drain");
    if (rc == 0 && (channel->code < 0 || (writer->is_of_pipe && channel->is_closed)))
        rc = fail_drain(writer, channel);
    asyncio__connection_unref(connection);
    return rc;
}

int asyncio_stream_writer_drain(asyncio_stream_writer_t *writer)
{
    int rc = 0;
    asyncio__connection_t *connection = check_inside(writer, &rc);
    if (!connection)
        return rc;
    const asyncio__channel_t *channel = connection->channel;
    if (channel->code < 0)
        return fail_drain(writer, channel);
    return ASYNCIO__LIKELY(!writer->is_paused && !channel->is_closing)
               ? 0
               : drain_slow(writer, connection);
}

ASYNCIO__TWIN(CODE, asyncio_stream_writer_drain, (asyncio_stream_writer_t *, writer))

int asyncio_stream_writer_write_eof(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "\"writer\" must not be NULL");
    asyncio__channel_t *channel = asyncio__connection_of_writer(writer)->channel;
    int rc = asyncio__loop_check(channel->loop);
    if (rc < 0 || channel->is_closing)
        return rc;
    if (channel->is_sending_file)
        return asyncio__fail(ASYNCIO_ERUNTIME, "unable to write EOF; sendfile is in progress");
    rc = channel->class->shutdown(channel);
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    writer->is_eof_wanted = true;
    return 0;
}

/* Whether this thread may close the writer or set its limits: 0, or an error. The loop may be
 * closed. */
static int check_thread(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "\"writer\" must not be NULL");
    return asyncio__loop_check_here(asyncio__connection_of_writer(writer)->loop);
}

int asyncio_stream_writer_close(asyncio_stream_writer_t *writer)
{
    int rc = check_thread(writer);
    if (rc == 0)
        asyncio__connection_close(asyncio__connection_of_writer(writer));
    return rc;
}

int asyncio_stream_writer_abort(asyncio_stream_writer_t *writer)
{
    int rc = check_thread(writer);
    if (rc == 0)
        asyncio__connection_abort(asyncio__connection_of_writer(writer));
    return rc;
}

bool asyncio_stream_writer_is_closing(const asyncio_stream_writer_t *writer)
{
    if (!writer)
        return true;
    asyncio__channel_t *channel = asyncio__connection_of_writer(writer)->channel;
    /* A reset that nobody has read yet is found by looking. */
    if (!channel->is_closing && !channel->is_eof && !channel->loop->closed &&
        asyncio__loop_check_here(channel->loop) == 0)
        channel->class->peek(channel);
    return channel->is_closing;
}

int asyncio_stream_writer_wait_closed(asyncio_stream_writer_t *writer)
{
    int rc = 0;
    asyncio__connection_t *connection = check_inside(writer, &rc);
    if (!connection)
        return rc;
    asyncio__channel_t *channel = connection->channel;
    connection->refs++;
    while (rc == 0 && !channel->is_closed)
        rc = asyncio__waiters_wait(connection->loop, &connection->closers,
                                   "asyncio_stream_writer_wait_closed");
    if (rc == 0 && channel->code < 0)
        rc = asyncio__channel_fail(channel, 0, "Connection lost");
    asyncio__connection_unref(connection);
    return rc;
}

ASYNCIO__TWIN(CODE, asyncio_stream_writer_wait_closed, (asyncio_stream_writer_t *, writer))

int asyncio_stream_writer_set_write_buffer_limits(asyncio_stream_writer_t *writer,
                                                  size_t high_bytes, size_t low_bytes)
{
    int rc = check_thread(writer);
    if (rc == 0)
        rc = asyncio__water_marks(&high_bytes, &low_bytes);
    if (rc < 0)
        return rc;
    asyncio__channel_t *channel = asyncio__connection_of_writer(writer)->channel;
    writer->high_bytes = high_bytes;
    channel->low_bytes = low_bytes;
    size_t unsent = asyncio_stream_writer_get_write_buffer_size(writer);
    if (unsent > high_bytes)
        writer->is_paused = channel->wants_drained = true;
    asyncio__channel_note_sent(channel);
    return 0;
}

size_t asyncio_stream_writer_get_write_buffer_size(const asyncio_stream_writer_t *writer)
{
    if (!writer)
        return 0;
    const asyncio__channel_t *channel = asyncio__connection_of_writer(writer)->channel;
    return channel->class->unsent(channel);
}

/* --- what is known of the connection ------------------------------------------------------- */

int asyncio_stream_writer_get_extra_info(const asyncio_stream_writer_t *writer, const char *name,
                                         char *ret_text, size_t size)
{
    if (!writer || !name || (!ret_text && size))
        return asyncio__fail(-EINVAL, "\"writer\", \"name\" and \"ret_text\" must not be NULL");
    return asyncio__channel_name(asyncio__connection_of_writer(writer)->channel, name, ret_text,
                                 size);
}

asyncio_socket_t *asyncio_stream_writer_get_socket(const asyncio_stream_writer_t *writer)
{
    return writer ? asyncio__channel_socket(asyncio__connection_of_writer(writer)->channel) : NULL;
}

const asyncio_ssl_object_t *
asyncio_stream_writer_get_ssl_object(const asyncio_stream_writer_t *writer)
{
    return writer ? asyncio__channel_ssl_object(asyncio__connection_of_writer(writer)->channel)
                  : NULL;
}
