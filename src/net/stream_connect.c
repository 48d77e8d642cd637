/* SPDX-License-Identifier: MIT */
/*
 * Connecting from a task, and open_connection, which makes streams of that; see stream_connect.h.
 */
#include "net/stream_connect.h"

#include <asyncio/resolver.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/connection.h"
#include "net/operation.h"
#include "net/options_copy.h"
#include "net/secure.h"
#include "task/twin.h"
#include "task/waiter_list.h"
#include "transport/connector.h"

static int check_options(const asyncio_connection_options_t *options)
{
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options && !(options->happy_eyeballs_delay >= 0)) /* or not a number */
        return asyncio__fail(-EINVAL, "\"happy_eyeballs_delay\" must not be negative");
    return options ? asyncio__connection_check_linger(options->linger) : 0;
}

/* Streams over an open channel, which is taken. */
static int open_streams(asyncio__channel_t *channel, const asyncio_connection_options_t *options,
                        asyncio_stream_reader_t **ret_reader,
                        asyncio_stream_writer_t **ret_writer)
{
    asyncio__connection_t *connection =
        asyncio__connection_new(channel, options ? options->limit_bytes : 0);
    if (!connection)
        return asyncio__fail(-ENOMEM, NULL);
    if (options) {
        connection->reader.ends_on_overrun = options->end_on_overrun;
        asyncio__connection_set_linger(connection, options->linger);
    }
    *ret_reader = &connection->reader;
    *ret_writer = &connection->writer;
    return 0;
}

int asyncio_streams_of_socket(asyncio_socket_t *sock, const asyncio_connection_options_t *options,
                              asyncio_stream_reader_t **ret_reader,
                              asyncio_stream_writer_t **ret_writer)
{
    if (!sock || !ret_reader || !ret_writer)
        return asyncio__fail(-EINVAL,
                             "\"sock\", \"ret_reader\" and \"ret_writer\" must not be NULL");
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    if (options && options->ssl)
        return asyncio__fail(-EINVAL, "\"options->ssl\" must be NULL here: a handshake suspends; "
                                      "see asyncio_open_connection()");
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    rc = asyncio__socket_bind_loop(sock, loop);
    if (rc < 0)
        return rc;
    asyncio__channel_t *channel;
    rc = asyncio__socket_channel_new(sock, /* names= */ NULL, &channel);
    if (rc < 0)
        return rc;
    return open_streams(channel, options, ret_reader, ret_writer);
}

/* --- connecting ---------------------------------------------------------------------------- */

static void on_complete(asyncio__connector_t *connector, void *arg)
{
    (void)connector;
    asyncio__waiters_wake_all(arg);
}

/* Runs a connector until it is over: 0, or why this task was woken before. */
static int await_connector(asyncio_loop_t *loop, asyncio__connector_t *connector,
                           asyncio__list_t *waiters)
{
    if (asyncio__connector_start(connector) == 1)
        return 0;
    return asyncio__waiters_wait(loop, waiters, "asyncio_open_connection");
}

/* The channel of what the connector has connected; its error where it has not. */
static int take_channel(asyncio__connector_t *connector,
                        const asyncio_connection_options_t *options,
                        asyncio__channel_t **ret_channel)
{
    asyncio__socket_names_t names;
    asyncio_socket_t *sock = asyncio__connector_take(connector, &names);
    if (!sock)
        return asyncio__connector_fail(connector, options && options->all_errors);
    int rc = asyncio__socket_channel_new(sock, &names, ret_channel);
    asyncio_socket_unref(sock);
    return rc;
}

/* Connects to one of the addresses, from one of the local ones if there are any. */
static int connect_to(asyncio_loop_t *loop, const struct addrinfo *addresses,
                      const struct addrinfo *locals, const asyncio_connection_options_t *options,
                      asyncio__channel_t **ret_channel)
{
    asyncio__list_t waiters;
    asyncio__list_init(&waiters);
    asyncio__connector_options_t wanted = {
        .addresses = addresses, .locals = locals, .complete = on_complete, .arg = &waiters};
    if (options && options->happy_eyeballs_delay > 0)
        wanted.delay_ns = asyncio__nanoseconds(options->happy_eyeballs_delay);
    if (options && options->interleave > 0)
        wanted.interleave = (size_t)options->interleave;
    else if (wanted.delay_ns > 0 && options->interleave == 0)
        wanted.interleave = 1;
    asyncio__connector_t *connector;
    int rc = asyncio__connector_new(loop, &wanted, &connector);
    if (rc < 0)
        return rc;
    rc = await_connector(loop, connector, &waiters);
    if (rc == 0)
        rc = take_channel(connector, options, ret_channel);
    asyncio__connector_drop(connector);
    return rc;
}

static int look_up(asyncio_loop_t *loop, const char *host, uint16_t port, int family, int flags,
                   struct addrinfo **ret_addresses)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_family = family, .ai_flags = flags};
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    return asyncio_loop_getaddrinfo(loop, host, service, &hints, ret_addresses);
}

/* The channel of a connected socket of the program. */
static int connect_socket(asyncio_loop_t *loop, asyncio_socket_t *sock,
                          asyncio__channel_t **ret_channel)
{
    int type = SOCK_STREAM;
    socklen_t size = sizeof(type);
    int rc = asyncio__socket_bind_loop(sock, loop);
    if (rc < 0)
        return rc;
    asyncio__ignore(asyncio__sys.getsockopt(sock->fd, SOL_SOCKET, SO_TYPE, &type, &size));
    if (type != SOCK_STREAM)
        return asyncio__fail(-EINVAL, "A Stream Socket was expected");
    return asyncio__socket_channel_new(sock, /* names= */ NULL, ret_channel);
}

/* Whether the call is inside a task of the loop, and the options are valid. */
static int check_connect(asyncio_loop_t *loop, const asyncio_connection_options_t *options)
{
    int rc = asyncio__operation_check(loop);
    return rc < 0 ? rc : check_options(options);
}

/* Connects without TLS. */
static int connect_tcp(asyncio_loop_t *loop, const char *host, uint16_t port,
                       const asyncio_connection_options_t *options,
                       asyncio__channel_t **ret_channel)
{
    int rc;
    if (options && options->sock && (host || port))
        return asyncio__fail(-EINVAL,
                             "host/port and sock can not be specified at the same time");
    if (options && options->sock)
        return connect_socket(loop, options->sock, ret_channel);
    if (!host)
        return asyncio__fail(-EINVAL, "\"host\" must not be NULL");
    int family = options ? options->family : 0;
    struct addrinfo *addresses, *locals = NULL;
    rc = look_up(loop, host, port, family, /* flags= */ 0, &addresses);
    if (rc < 0)
        return rc;
    if (options && (options->local_host || options->local_port))
        rc = look_up(loop, options->local_host, options->local_port, family, AI_PASSIVE, &locals);
    if (rc == 0)
        rc = connect_to(loop, addresses, locals, options, ret_channel);
    freeaddrinfo(addresses);
    if (locals)
        freeaddrinfo(locals);
    return rc;
}

static int connect_unix(asyncio_loop_t *loop, const char *path,
                        const asyncio_connection_options_t *options,
                        asyncio__channel_t **ret_channel)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (options && options->sock && path)
        return asyncio__fail(-EINVAL, "path and sock can not be specified at the same time");
    if (options && options->sock)
        return connect_socket(loop, options->sock, ret_channel);
    if (!path)
        return asyncio__fail(-EINVAL, "\"path\" must not be NULL");
    if (strlen(path) >= sizeof(name.sun_path))
        return asyncio__fail(-ENAMETOOLONG, "\"path\" must be shorter than 108 bytes");
    strcpy(name.sun_path, path);
    struct addrinfo address = {.ai_family = AF_UNIX,
                               .ai_addr = (struct sockaddr *)&name,
                               .ai_addrlen = sizeof(name)};
    return connect_to(loop, &address, /* locals= */ NULL, options, ret_channel);
}

int asyncio__connect_tcp(asyncio_loop_t *loop, const char *host, uint16_t port,
                         const asyncio_connection_options_t *options,
                         asyncio__channel_t **ret_channel)
{
    asyncio__ssl_options_t wanted;
    int rc = check_connect(loop, options);
    if (rc == 0)
        rc = asyncio__secure_client(options, host, port, &wanted);
    if (rc == 0)
        rc = connect_tcp(loop, host, port, options, ret_channel);
    return rc < 0 ? rc : asyncio__secure(ret_channel, &wanted, "asyncio_open_connection");
}

int asyncio__connect_unix(asyncio_loop_t *loop, const char *path,
                          const asyncio_connection_options_t *options,
                          asyncio__channel_t **ret_channel)
{
    asyncio__ssl_options_t wanted;
    int rc = check_connect(loop, options);
    if (rc == 0)
        rc = asyncio__secure_client(options, /* host= */ NULL, /* port= */ 0, &wanted);
    if (rc == 0)
        rc = connect_unix(loop, path, options, ret_channel);
    return rc < 0 ? rc : asyncio__secure(ret_channel, &wanted, "asyncio_open_unix_connection");
}

int asyncio__connect_accepted(asyncio_loop_t *loop, asyncio_socket_t *sock,
                              const asyncio_accepted_socket_options_t *options,
                              asyncio__channel_t **ret_channel)
{
    asyncio__ssl_options_t wanted;
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!sock)
        return asyncio__fail(-EINVAL, "\"sock\" must not be NULL");
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    rc = asyncio__secure_accepted(options, &wanted);
    if (rc == 0)
        rc = connect_socket(loop, sock, ret_channel);
    return rc < 0 ? rc
                  : asyncio__secure(ret_channel, &wanted, "asyncio_loop_connect_accepted_socket");
}

/* --- streams ------------------------------------------------------------------------------- */

/* Whether streams can be returned: the running loop, or NULL. */
static asyncio_loop_t *check_call(asyncio_stream_reader_t **ret_reader,
                                  asyncio_stream_writer_t **ret_writer, int *ret_rc)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!ret_reader || !ret_writer)
        *ret_rc = asyncio__fail(-EINVAL, "\"ret_reader\" and \"ret_writer\" must not be NULL");
    else if (!loop)
        *ret_rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    else
        return loop;
    return NULL;
}

int asyncio_open_connection(const char *host, uint16_t port,
                            const asyncio_connection_options_t *options,
                            asyncio_stream_reader_t **ret_reader,
                            asyncio_stream_writer_t **ret_writer)
{
    asyncio__channel_t *channel;
    int rc = 0;
    asyncio_loop_t *loop = check_call(ret_reader, ret_writer, &rc);
    if (loop)
        rc = asyncio__connect_tcp(loop, host, port, options, &channel);
    return rc < 0 ? rc : open_streams(channel, options, ret_reader, ret_writer);
}

int asyncio_open_unix_connection(const char *path, const asyncio_connection_options_t *options,
                                 asyncio_stream_reader_t **ret_reader,
                                 asyncio_stream_writer_t **ret_writer)
{
    asyncio__channel_t *channel;
    int rc = 0;
    asyncio_loop_t *loop = check_call(ret_reader, ret_writer, &rc);
    if (loop)
        rc = asyncio__connect_unix(loop, path, options, &channel);
    return rc < 0 ? rc : open_streams(channel, options, ret_reader, ret_writer);
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_tcp(void *arguments);
static void drop_tcp(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_open_connection, keep_tcp, drop_tcp, (const char *, host),
                   (uint16_t, port), (const asyncio_connection_options_t *, options),
                   (asyncio_stream_reader_t **, ret_reader),
                   (asyncio_stream_writer_t **, ret_writer))
ASYNCIO__OPTIONS_COPY(tcp, asyncio_open_connection, host, connection)

static int keep_unix(void *arguments);
static void drop_unix(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_open_unix_connection, keep_unix, drop_unix, (const char *, path),
                   (const asyncio_connection_options_t *, options),
                   (asyncio_stream_reader_t **, ret_reader),
                   (asyncio_stream_writer_t **, ret_writer))
ASYNCIO__OPTIONS_COPY(unix, asyncio_open_unix_connection, path, connection)
