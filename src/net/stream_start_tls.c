/* SPDX-License-Identifier: MIT */
/* start_tls of streams: the connection gets a channel of TLS over the one that it has. */
#include "net/connection.h"
#include "net/operation.h"
#include "net/options_copy.h"
#include "net/secure.h"
#include "task/twin.h"
#include "task/waiter_list.h"

/* Whether the writer can begin with TLS: 0, or an error. */
static int check_call(asyncio_stream_writer_t *writer, asyncio_ssl_context_t *ssl)
{
    if (!writer || !ssl)
        return asyncio__fail(-EINVAL, "\"writer\" and \"ssl\" must not be NULL");
    const asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    int rc = asyncio__operation_check(connection->loop);
    if (rc < 0)
        return rc;
    if (connection->reader.is_waiting)
        return asyncio__fail(-EBUSY, "another task is reading");
    if (writer->is_eof_wanted)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Cannot call start_tls() after write_eof()");
    if (connection->channel->is_sending_file)
        return asyncio__fail(ASYNCIO_ERUNTIME, "sendfile is in progress");
    if (connection->channel->is_closing)
        return asyncio__channel_fail(connection->channel, -ECONNRESET, "Connection lost");
    return 0;
}

/* What the reader has received and nobody has read is either the begin of TLS, or an error. */
static int take_received(asyncio_stream_reader_t *reader, asyncio__ssl_options_t *wanted)
{
    reader->bytes.start += reader->lent;
    reader->lent = 0;
    wanted->received_bytes = asyncio__bytes_count(&reader->bytes);
    wanted->received =
        wanted->received_bytes > 0 ? reader->bytes.data + reader->bytes.start : NULL;
    return asyncio__secure_check_received(wanted);
}

/* Waits until the handshake is over: 0, or an error, and the connection is aborted. */
static int await_handshake(asyncio__connection_t *connection)
{
    asyncio__channel_t *channel = connection->channel;
    int rc = 0;
    while (rc == 0 && connection->is_shaking && !channel->is_closed)
        rc = asyncio__waiters_wait(connection->loop, &connection->writer.drainers,
                                   "asyncio_stream_writer_start_tls");
    if (rc == 0 && connection->is_shaking)
        rc = asyncio__channel_fail(channel, -ECONNRESET, "the TLS handshake was interrupted");
    connection->is_shaking = false;
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__connection_abort(connection);
        asyncio__fail_with(rc, error);
    }
    return rc;
}

int asyncio_stream_writer_start_tls(asyncio_stream_writer_t *writer, asyncio_ssl_context_t *ssl,
                                    const asyncio_start_tls_options_t *options)
{
    asyncio__ssl_options_t wanted;
    int rc = check_call(writer, ssl);
    if (rc < 0)
        return rc;
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    asyncio_stream_reader_t *reader = &connection->reader;
    rc = asyncio__secure_start(ssl, options, connection->is_accepted, &wanted);
    if (rc < 0)
        return rc;
    rc = take_received(reader, &wanted);
    if (rc < 0) {
        asyncio__channel_t *channel = connection->channel;
        channel->class->abort(channel, rc, asyncio_error_last());
        return rc;
    }
    rc = asyncio__connection_wrap(connection, &wanted);
    if (rc < 0)
        return rc;
    asyncio__bytes_fini(&reader->bytes);
    connection->refs++;
    reader->is_waiting = true; /* nobody reads before the handshake is over */
    rc = await_handshake(connection);
    reader->is_waiting = false;
    asyncio__connection_unref(connection);
    return rc;
}

static int keep_start_tls(void *arguments);
static void drop_start_tls(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_stream_writer_start_tls, keep_start_tls, drop_start_tls,
                   (asyncio_stream_writer_t *, writer), (asyncio_ssl_context_t *, ssl),
                   (const asyncio_start_tls_options_t *, options))

static int keep_start_tls(void *arguments)
{
    struct asyncio_stream_writer_start_tls_arguments *a = arguments;
    asyncio__ssl_ref(a->ssl);
    return asyncio__copy_start_tls_options(&a->options);
}

static void drop_start_tls(void *arguments)
{
    struct asyncio_stream_writer_start_tls_arguments *a = arguments;
    asyncio__ssl_unref(a->ssl);
    asyncio__free_start_tls_options(a->options);
}
