/* SPDX-License-Identifier: MIT */
/* Connections and servers with protocols: the awaiting calls that make transports. */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/stream_connect.h"
#include "net/operation.h"
#include "net/options_copy.h"
#include "net/protocol.h"
#include "net/server_start.h"
#include "net/transport.h"
#include "task/twin.h"
#include "task/waiter_list.h"
#include "transport/pipe_channel.h"
#include "transport/socket_channel.h"

/* What a call wants to be made of its channel. */
typedef struct wanted {
    asyncio_protocol_factory_t *factory; /* of the caller */
    void *arg;                           /* passed to it */
    asyncio_transport_t **ret_transport; /* of the caller; may be NULL */
    const char *call;                    /* what stack listings show */
    bool can_read, can_write;            /* of the transport */
} wanted_t;

static int check_factory(asyncio_protocol_factory_t *factory)
{
    return factory ? 0 : asyncio__fail(-EINVAL, "\"factory\" must not be NULL");
}

static void drop_channel(asyncio__channel_t *channel)
{
    channel->class->abort(channel, 0, NULL);
    asyncio__channel_unref(channel);
}

/* Waits for connection_made. */
static int wait_until_made(asyncio_transport_t *transport, const char *call)
{
    int rc = 0;
    while (rc == 0 && !transport->is_made && !transport->is_over)
        rc = asyncio__waiters_wait(transport->loop, &transport->waiters, call);
    return rc;
}

/* Makes a transport with a protocol over an open channel, which is taken. */
static int open_transport(asyncio__channel_t *channel, const wanted_t *wanted)
{
    asyncio_protocol_t *protocol;
    int rc = asyncio__protocol_make(wanted->factory, wanted->arg, &protocol);
    if (rc < 0) {
        drop_channel(channel);
        return rc;
    }
    asyncio_transport_t *transport = asyncio__transport_new(channel, protocol, /* context= */ NULL);
    if (!transport) {
        asyncio__protocol_destroy(protocol);
        return asyncio__fail(-ENOMEM, NULL);
    }
    transport->can_read = wanted->can_read;
    transport->can_write = wanted->can_write;
    asyncio__transport_start(transport);
    rc = wait_until_made(transport, wanted->call);
    if (rc < 0)
        asyncio__ignore(asyncio_transport_close(transport));
    if (rc == 0 && wanted->ret_transport)
        *wanted->ret_transport = transport;
    else
        asyncio_transport_unref(transport);
    return rc;
}

/* The same for a channel that was connected with options, if rc is 0. */
static int open_connected(int rc, asyncio__channel_t *channel,
                          const asyncio_connection_options_t *options, const wanted_t *wanted)
{
    if (rc < 0)
        return rc;
    if (options && options->linger > 0)
        channel->linger_ns = asyncio__nanoseconds(options->linger);
    return open_transport(channel, wanted);
}

int asyncio_loop_create_connection(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                                   void *arg, const char *host, uint16_t port,
                                   const asyncio_connection_options_t *options,
                                   asyncio_transport_t **ret_transport)
{
    wanted_t wanted = {.factory = factory, .arg = arg, .ret_transport = ret_transport,
                       .call = "asyncio_loop_create_connection",
                       .can_read = true, .can_write = true};
    asyncio__channel_t *channel = NULL;
    int rc = check_factory(factory);
    if (rc == 0)
        rc = asyncio__connect_tcp(loop, host, port, options, &channel);
    return open_connected(rc, channel, options, &wanted);
}

int asyncio_loop_create_unix_connection(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                                        void *arg, const char *path,
                                        const asyncio_connection_options_t *options,
                                        asyncio_transport_t **ret_transport)
{
    wanted_t wanted = {.factory = factory, .arg = arg, .ret_transport = ret_transport,
                       .call = "asyncio_loop_create_unix_connection",
                       .can_read = true, .can_write = true};
    asyncio__channel_t *channel = NULL;
    int rc = check_factory(factory);
    if (rc == 0)
        rc = asyncio__connect_unix(loop, path, options, &channel);
    return open_connected(rc, channel, options, &wanted);
}

int asyncio_loop_connect_accepted_socket(asyncio_loop_t *loop,
                                         asyncio_protocol_factory_t *factory, void *arg,
                                         asyncio_socket_t *sock,
                                         const asyncio_accepted_socket_options_t *options,
                                         asyncio_transport_t **ret_transport)
{
    wanted_t wanted = {.factory = factory, .arg = arg, .ret_transport = ret_transport,
                       .call = "asyncio_loop_connect_accepted_socket",
                       .can_read = true, .can_write = true};
    asyncio__channel_t *channel = NULL;
    int rc = check_factory(factory);
    if (rc == 0)
        rc = asyncio__connect_accepted(loop, sock, options, &channel);
    return open_connected(rc, channel, /* options= */ NULL, &wanted);
}

/* --- pipes --------------------------------------------------------------------------------- */

/* Whether the call may wait, and the descriptor is one that can be waited for: 0, or an error. */
static int check_pipe(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                      asyncio_socket_t *pipe, const char *refusal)
{
    struct stat status;
    int rc = asyncio__operation_check(loop);
    if (rc == 0)
        rc = check_factory(factory);
    if (rc < 0)
        return rc;
    if (!pipe)
        return asyncio__fail(-EINVAL, "\"pipe\" must not be NULL");
    if (asyncio_socket_fileno(pipe) < 0)
        return asyncio__fail(-EBADF, "\"pipe\" is closed");
    if (fstat(pipe->fd, &status) < 0)
        return asyncio__fail(-errno, NULL);
    if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode) && !S_ISCHR(status.st_mode))
        return asyncio__fail(-EINVAL, refusal);
    return asyncio__socket_bind_loop(pipe, loop);
}

int asyncio_loop_connect_read_pipe(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                                   void *arg, asyncio_socket_t *pipe,
                                   asyncio_transport_t **ret_transport)
{
    wanted_t wanted = {.factory = factory, .arg = arg, .ret_transport = ret_transport,
                       .call = "asyncio_loop_connect_read_pipe", .can_read = true};
    asyncio__channel_t *channel = NULL;
    int rc = check_pipe(loop, factory, pipe, "Pipe transport is for pipes/sockets only.");
    if (rc == 0)
        rc = asyncio__read_pipe_channel_new(pipe, &channel);
    return open_connected(rc, channel, /* options= */ NULL, &wanted);
}

int asyncio_loop_connect_write_pipe(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                                    void *arg, asyncio_socket_t *pipe,
                                    asyncio_transport_t **ret_transport)
{
    wanted_t wanted = {.factory = factory, .arg = arg, .ret_transport = ret_transport,
                       .call = "asyncio_loop_connect_write_pipe", .can_write = true};
    asyncio__channel_t *channel = NULL;
    int rc = check_pipe(loop, factory, pipe,
                        "Pipe transport is only for pipes, sockets and character devices");
    if (rc == 0)
        rc = asyncio__write_pipe_channel_new(pipe, &channel);
    return open_connected(rc, channel, /* options= */ NULL, &wanted);
}

/* --- servers ------------------------------------------------------------------------------- */

int asyncio_loop_create_server(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                               void *arg, const char *host, uint16_t port,
                               const asyncio_server_options_t *options,
                               asyncio_server_t **ret_server)
{
    asyncio__client_handler_t handler = {.factory = factory, .arg = arg};
    int rc = check_factory(factory);
    return rc < 0 ? rc
                  : asyncio__start_server(loop, host, port, &handler, options, ret_server);
}

int asyncio_loop_create_unix_server(asyncio_loop_t *loop, asyncio_protocol_factory_t *factory,
                                    void *arg, const char *path,
                                    const asyncio_server_options_t *options,
                                    asyncio_server_t **ret_server)
{
    asyncio__client_handler_t handler = {.factory = factory, .arg = arg};
    int rc = check_factory(factory);
    return rc < 0 ? rc
                  : asyncio__start_unix_server(loop, path, &handler, options, ret_server);
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_tcp_connection(void *arguments);
static void drop_tcp_connection(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_create_connection, keep_tcp_connection, drop_tcp_connection,
                   (asyncio_loop_t *, loop), (asyncio_protocol_factory_t *, factory),
                   (void *, arg), (const char *, host), (uint16_t, port),
                   (const asyncio_connection_options_t *, options),
                   (asyncio_transport_t **, ret_transport))
ASYNCIO__OPTIONS_COPY(tcp_connection, asyncio_loop_create_connection, host, connection)

static int keep_unix_connection(void *arguments);
static void drop_unix_connection(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_create_unix_connection, keep_unix_connection,
                   drop_unix_connection, (asyncio_loop_t *, loop),
                   (asyncio_protocol_factory_t *, factory), (void *, arg), (const char *, path),
                   (const asyncio_connection_options_t *, options),
                   (asyncio_transport_t **, ret_transport))
ASYNCIO__OPTIONS_COPY(unix_connection, asyncio_loop_create_unix_connection, path, connection)

static int keep_tcp_server(void *arguments);
static void drop_tcp_server(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_create_server, keep_tcp_server, drop_tcp_server,
                   (asyncio_loop_t *, loop), (asyncio_protocol_factory_t *, factory),
                   (void *, arg), (const char *, host), (uint16_t, port),
                   (const asyncio_server_options_t *, options),
                   (asyncio_server_t **, ret_server))
ASYNCIO__OPTIONS_COPY(tcp_server, asyncio_loop_create_server, host, server)

static int keep_unix_server(void *arguments);
static void drop_unix_server(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_create_unix_server, keep_unix_server, drop_unix_server,
                   (asyncio_loop_t *, loop), (asyncio_protocol_factory_t *, factory),
                   (void *, arg), (const char *, path),
                   (const asyncio_server_options_t *, options),
                   (asyncio_server_t **, ret_server))
ASYNCIO__OPTIONS_COPY(unix_server, asyncio_loop_create_unix_server, path, server)

static int keep_accepted_socket(void *arguments);
static void drop_accepted_socket(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_connect_accepted_socket, keep_accepted_socket,
                   drop_accepted_socket, (asyncio_loop_t *, loop),
                   (asyncio_protocol_factory_t *, factory), (void *, arg),
                   (asyncio_socket_t *, sock),
                   (const asyncio_accepted_socket_options_t *, options),
                   (asyncio_transport_t **, ret_transport))

static int keep_accepted_socket(void *arguments)
{
    struct asyncio_loop_connect_accepted_socket_arguments *a = arguments;
    asyncio_socket_ref(a->sock);
    return asyncio__copy_accepted_socket_options(&a->options);
}

static void drop_accepted_socket(void *arguments)
{
    struct asyncio_loop_connect_accepted_socket_arguments *a = arguments;
    asyncio_socket_unref(a->sock);
    asyncio__free_accepted_socket_options(a->options);
}

ASYNCIO__TWIN(CODE, asyncio_loop_connect_read_pipe, (asyncio_loop_t *, loop),
              (asyncio_protocol_factory_t *, factory), (void *, arg), (asyncio_socket_t *, pipe),
              (asyncio_transport_t **, ret_transport))
ASYNCIO__TWIN(CODE, asyncio_loop_connect_write_pipe, (asyncio_loop_t *, loop),
              (asyncio_protocol_factory_t *, factory), (void *, arg), (asyncio_socket_t *, pipe),
              (asyncio_transport_t **, ret_transport))
