/* SPDX-License-Identifier: MIT */
/* open_connection: look the host up, connect to one of its addresses, and make streams of that. */
#include <asyncio/resolver.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"
#include "net/operation.h"
#include "task/twin.h"
#include "task/waiter_list.h"
#include "transport/connector.h"

static int check_options(const asyncio_connection_options_t *options)
{
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
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

/* Makes streams of what the connector has connected; its error where it has not. */
static int take_streams(asyncio__connector_t *connector,
                        const asyncio_connection_options_t *options,
                        asyncio_stream_reader_t **ret_reader,
                        asyncio_stream_writer_t **ret_writer)
{
    asyncio__socket_names_t names;
    asyncio__channel_t *channel;
    asyncio_socket_t *sock = asyncio__connector_take(connector, &names);
    if (!sock)
        return asyncio__connector_fail(connector, options && options->all_errors);
    int rc = asyncio__socket_channel_new(sock, &names, &channel);
    asyncio_socket_unref(sock);
    return rc < 0 ? rc : open_streams(channel, options, ret_reader, ret_writer);
}

/* Connects to one of the addresses, from one of the local ones if there are any. */
static int connect_to(asyncio_loop_t *loop, const struct addrinfo *addresses,
                      const struct addrinfo *locals, const asyncio_connection_options_t *options,
                      asyncio_stream_reader_t **ret_reader, asyncio_stream_writer_t **ret_writer)
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
        rc = take_streams(connector, options, ret_reader, ret_writer);
    asyncio__connector_drop(connector);
    return rc;
}

/* --- the calls ----------------------------------------------------------------------------- */

static int check_call(const asyncio_connection_options_t *options,
                      asyncio_stream_reader_t **ret_reader, asyncio_stream_writer_t **ret_writer)
{
    if (!ret_reader || !ret_writer)
        return asyncio__fail(-EINVAL, "\"ret_reader\" and \"ret_writer\" must not be NULL");
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    return asyncio__operation_check(loop);
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

int asyncio_open_connection(const char *host, uint16_t port,
                            const asyncio_connection_options_t *options,
                            asyncio_stream_reader_t **ret_reader,
                            asyncio_stream_writer_t **ret_writer)
{
    if (!host)
        return asyncio__fail(-EINVAL, "\"host\" must not be NULL");
    int rc = check_call(options, ret_reader, ret_writer);
    if (rc < 0)
        return rc;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int family = options ? options->family : 0;
    struct addrinfo *addresses, *locals = NULL;
    rc = look_up(loop, host, port, family, /* flags= */ 0, &addresses);
    if (rc < 0)
        return rc;
    if (options && (options->local_host || options->local_port))
        rc = look_up(loop, options->local_host, options->local_port, family, AI_PASSIVE, &locals);
    if (rc == 0)
        rc = connect_to(loop, addresses, locals, options, ret_reader, ret_writer);
    freeaddrinfo(addresses);
    if (locals)
        freeaddrinfo(locals);
    return rc;
}

int asyncio_open_unix_connection(const char *path, const asyncio_connection_options_t *options,
                                 asyncio_stream_reader_t **ret_reader,
                                 asyncio_stream_writer_t **ret_writer)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!path)
        return asyncio__fail(-EINVAL, "\"path\" must not be NULL");
    if (strlen(path) >= sizeof(name.sun_path))
        return asyncio__fail(-ENAMETOOLONG, "\"path\" must be shorter than 108 bytes");
    int rc = check_call(options, ret_reader, ret_writer);
    if (rc < 0)
        return rc;
    strcpy(name.sun_path, path);
    struct addrinfo address = {.ai_family = AF_UNIX,
                               .ai_addr = (struct sockaddr *)&name,
                               .ai_addrlen = sizeof(name)};
    return connect_to(asyncio_get_running_loop(), &address, /* locals= */ NULL, options,
                      ret_reader, ret_writer);
}

/* --- coroutine objects --------------------------------------------------------------------- */

struct arguments {
    char *host;                            /* a copy: a host, or a path */
    char *local_host;                      /* a copy, or NULL */
    uint16_t port;                         /* of the peer */
    bool has_options;                      /* options count */
    asyncio_connection_options_t options;  /* a copy */
    asyncio_stream_reader_t **ret_reader;  /* the caller's */
    asyncio_stream_writer_t **ret_writer;  /* the caller's */
};

static void destroy(void *arg)
{
    struct arguments *a = arg;
    asyncio__free_string(a->host);
    asyncio__free_string(a->local_host);
}

static int run_tcp(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_open_connection(a->host, a->port, a->has_options ? &a->options : NULL,
                                   a->ret_reader, a->ret_writer);
}

static int run_unix(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_open_unix_connection(a->host, a->has_options ? &a->options : NULL,
                                        a->ret_reader, a->ret_writer);
}

static asyncio_coroutine_t *new_twin(asyncio_coroutine_function_t *fn, const char *host,
                                     uint16_t port, const asyncio_connection_options_t *options,
                                     asyncio_stream_reader_t **ret_reader,
                                     asyncio_stream_writer_t **ret_writer, const char *name)
{
    if (!host || check_options(options) < 0)
        return asyncio__fail_new(
            -EINVAL, "\"host\" or \"path\" must not be NULL, and \"options\" must be valid");
    struct arguments arguments = {.host = asyncio__strdup(host), .port = port,
                                  .ret_reader = ret_reader, .ret_writer = ret_writer};
    bool is_whole = arguments.host != NULL;
    if (options) {
        arguments.has_options = true;
        arguments.options = *options;
        if (options->local_host) {
            arguments.local_host = asyncio__strdup(options->local_host);
            arguments.options.local_host = arguments.local_host;
            is_whole = is_whole && arguments.local_host;
        }
    }
    asyncio_coroutine_t *twin =
        is_whole ? asyncio__twin(fn, &arguments, sizeof(arguments), destroy, name) : NULL;
    if (twin)
        return twin;
    destroy(&arguments);
    return asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_coroutine_t *asyncio_open_connection_coroutine(const char *host, uint16_t port,
                                                       const asyncio_connection_options_t *options,
                                                       asyncio_stream_reader_t **ret_reader,
                                                       asyncio_stream_writer_t **ret_writer)
{
    return new_twin(run_tcp, host, port, options, ret_reader, ret_writer,
                    "asyncio_open_connection");
}

asyncio_coroutine_t *
asyncio_open_unix_connection_coroutine(const char *path,
                                       const asyncio_connection_options_t *options,
                                       asyncio_stream_reader_t **ret_reader,
                                       asyncio_stream_writer_t **ret_writer)
{
    return new_twin(run_unix, path, 0, options, ret_reader, ret_writer,
                    "asyncio_open_unix_connection");
}
