/* SPDX-License-Identifier: MIT */
/* The calls that send a file: by a transport, a stream or a socket; see <asyncio/sendfile.h>. */
#include "file/sendfile.h"

#include "base/memory.h"
#include "base/syscalls.h"
#include "net/connection.h"
#include "net/operation.h"
#include "net/transport.h"
#include "task/twin.h"
#include "transport/socket.h"

/* Whether a channel takes a file now: 0, or an error. */
static int check_channel(const asyncio__channel_t *channel, bool is_eof_wanted, bool is_shaking)
{
    if (channel->is_closing)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Transport is closing");
    if (is_shaking)
        return asyncio__fail(ASYNCIO_ERUNTIME, "start_tls() is waiting for a handshake");
    if (channel->class->sendfile_mode == ASYNCIO__SENDFILE_UNSUPPORTED)
        return asyncio__fail(ASYNCIO_ERUNTIME, "sendfile is not supported for a pipe");
    if (is_eof_wanted)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Cannot call sendfile() after write_eof()");
    if (channel->is_sending_file)
        return asyncio__fail(ASYNCIO_ERUNTIME, "unable to write; sendfile is in progress");
    return 0;
}

ssize_t asyncio_loop_sendfile(asyncio_loop_t *loop, asyncio_transport_t *transport,
                              asyncio_file_t *file, const asyncio_sendfile_options_t *options)
{
    asyncio__sendfile_t sendfile;
    if (!transport)
        return asyncio__fail(-EINVAL, "\"transport\" must not be NULL");
    int rc = asyncio__operation_check(loop);
    if (rc == 0 && transport->loop != loop)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "the transport belongs to another loop");
    if (rc == 0)
        rc = check_channel(transport->channel, transport->is_eof_wanted, transport->is_shaking);
    if (rc == 0)
        rc = asyncio__sendfile_begin(&sendfile, file, options);
    if (rc < 0)
        return rc;
    bool was_reading = asyncio_transport_is_reading(transport);
    asyncio_transport_ref(transport);
    if (was_reading)
        asyncio__ignore(asyncio_transport_pause_reading(transport));
    rc = asyncio__sendfile_by_channel(&sendfile, transport->channel);
    if (was_reading && !loop->closed)
        asyncio__ignore(asyncio_transport_resume_reading(transport));
    asyncio_transport_unref(transport);
    return asyncio__sendfile_finish(&sendfile, rc);
}

ssize_t asyncio_stream_writer_sendfile(asyncio_stream_writer_t *writer, asyncio_file_t *file,
                                       const asyncio_sendfile_options_t *options)
{
    asyncio__sendfile_t sendfile;
    if (!writer)
        return asyncio__fail(-EINVAL, "\"writer\" must not be NULL");
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    int rc = asyncio__operation_check(connection->loop);
    if (rc == 0)
        rc = check_channel(connection->channel, writer->is_eof_wanted, connection->is_shaking);
    if (rc == 0)
        rc = asyncio__sendfile_begin(&sendfile, file, options);
    if (rc < 0)
        return rc;
    connection->refs++;
    rc = asyncio__sendfile_by_channel(&sendfile, connection->channel);
    asyncio__connection_unref(connection);
    return asyncio__sendfile_finish(&sendfile, rc);
}

/* --- to a socket --------------------------------------------------------------------------- */

/* Whether it is a stream socket of the loop: 0, or an error. */
static int check_socket(asyncio_loop_t *loop, asyncio_socket_t *sock)
{
    int type = 0;
    socklen_t size = sizeof(type);
    int rc = asyncio__operation_check(loop);
    if (rc == 0)
        rc = asyncio__socket_bind_loop(sock, loop);
    if (rc < 0)
        return rc;
    if (asyncio__sys.getsockopt(sock->fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return asyncio__fail(-errno, NULL);
    return type == SOCK_STREAM
               ? 0
               : asyncio__fail(-EINVAL, "only SOCK_STREAM type sockets are supported");
}

static int send_by_reading(asyncio__sendfile_t *sendfile, asyncio_socket_t *sock)
{
    int rc = 0;
    while (rc == 0 && sendfile->left > 0) {
        size_t sent = 0;
        int count = asyncio__sendfile_read(sendfile);
        if (count <= 0)
            return count;
        rc = asyncio_loop_sock_sendall(sendfile->file->loop, sock, sendfile->buffer, (size_t)count,
                                       &sent);
        asyncio__sendfile_sent(sendfile, (int64_t)sent);
    }
    return rc;
}

ssize_t asyncio_loop_sock_sendfile(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                   asyncio_file_t *file,
                                   const asyncio_sendfile_options_t *options)
{
    asyncio__sendfile_t sendfile;
    int rc = check_socket(loop, sock);
    if (rc == 0)
        rc = asyncio__sendfile_begin(&sendfile, file, options);
    if (rc < 0)
        return rc;
    asyncio_socket_ref(sock);
    rc = asyncio__sendfile_native(&sendfile, sock, /* channel= */ NULL);
    if (rc == ASYNCIO_ESENDFILENOTAVAILABLE && !sendfile.no_fallback)
        rc = send_by_reading(&sendfile, sock);
    asyncio_socket_unref(sock);
    return asyncio__sendfile_finish(&sendfile, rc);
}

/* --- coroutine objects --------------------------------------------------------------------- */

/* The object keeps a copy of the options: *options is replaced by it. */
static int keep_options(const asyncio_sendfile_options_t **options)
{
    const asyncio_sendfile_options_t *given = *options;
    *options = NULL;
    if (!given)
        return 0;
    if (given->size < sizeof(*given))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    asyncio_sendfile_options_t *copy = asyncio__malloc(sizeof(*copy));
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    *copy = *given;
    *options = copy;
    return 0;
}

static void drop_options(const asyncio_sendfile_options_t *options)
{
    asyncio__free((void *)options, sizeof(*options));
}

static int keep_loop_sendfile(void *arguments);
static void drop_loop_sendfile(void *arguments);
static int keep_writer_sendfile(void *arguments);
static void drop_writer_sendfile(void *arguments);
static int keep_sock_sendfile(void *arguments);
static void drop_sock_sendfile(void *arguments);

ASYNCIO__TWIN_KEPT(COUNT, asyncio_loop_sendfile, keep_loop_sendfile, drop_loop_sendfile,
                   (asyncio_loop_t *, loop), (asyncio_transport_t *, transport),
                   (asyncio_file_t *, file), (const asyncio_sendfile_options_t *, options))
ASYNCIO__TWIN_KEPT(COUNT, asyncio_stream_writer_sendfile, keep_writer_sendfile,
                   drop_writer_sendfile, (asyncio_stream_writer_t *, writer),
                   (asyncio_file_t *, file), (const asyncio_sendfile_options_t *, options))
ASYNCIO__TWIN_KEPT(COUNT, asyncio_loop_sock_sendfile, keep_sock_sendfile, drop_sock_sendfile,
                   (asyncio_loop_t *, loop), (asyncio_socket_t *, sock), (asyncio_file_t *, file),
                   (const asyncio_sendfile_options_t *, options))

static int keep_loop_sendfile(void *arguments)
{
    return keep_options(&((struct asyncio_loop_sendfile_arguments *)arguments)->options);
}

static void drop_loop_sendfile(void *arguments)
{
    drop_options(((struct asyncio_loop_sendfile_arguments *)arguments)->options);
}

static int keep_writer_sendfile(void *arguments)
{
    return keep_options(&((struct asyncio_stream_writer_sendfile_arguments *)arguments)->options);
}

static void drop_writer_sendfile(void *arguments)
{
    drop_options(((struct asyncio_stream_writer_sendfile_arguments *)arguments)->options);
}

static int keep_sock_sendfile(void *arguments)
{
    return keep_options(&((struct asyncio_loop_sock_sendfile_arguments *)arguments)->options);
}

static void drop_sock_sendfile(void *arguments)
{
    drop_options(((struct asyncio_loop_sock_sendfile_arguments *)arguments)->options);
}
