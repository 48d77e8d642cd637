/* SPDX-License-Identifier: MIT */
/* open_connection: resolve, connect to each address in turn, and make streams of what answers. */
#include <asyncio/resolver.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"
#include "net/operation.h"
#include "task/twin.h"
#include "transport/socket_channel.h"

static int check_options(const asyncio_connection_options_t *options)
{
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "the options' size is not set");
    return options ? asyncio__connection_check_linger(options->linger) : 0;
}

int asyncio_streams_of_socket(asyncio_socket_t *sock, const asyncio_connection_options_t *options,
                              asyncio_stream_reader_t **ret_reader,
                              asyncio_stream_writer_t **ret_writer)
{
    if (!sock || !ret_reader || !ret_writer)
        return asyncio__fail(-EINVAL, "NULL was given");
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

static int bind_local(asyncio_socket_t *sock, int family,
                      const asyncio_connection_options_t *options)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *address;
    char port[8];
    snprintf(port, sizeof(port), "%u", options->local_port);
    if (getaddrinfo(options->local_host, port, &hints, &address) != 0)
        return asyncio__fail(-EINVAL, "the local address is no literal of that family");
    int rc = asyncio_socket_bind(sock, address->ai_addr, address->ai_addrlen);
    freeaddrinfo(address);
    return rc;
}

/* Connects to one address: a socket, or NULL and *ret_rc. */
static asyncio_socket_t *connect_to(asyncio_loop_t *loop, int family,
                                    const struct sockaddr *address, socklen_t size,
                                    const asyncio_connection_options_t *options, int *ret_rc)
{
    asyncio_socket_t *sock = asyncio_socket(family, SOCK_STREAM, 0);
    if (!sock) {
        *ret_rc = asyncio_errno();
        return NULL;
    }
    *ret_rc = 0;
    if (options && (options->local_host || options->local_port))
        *ret_rc = bind_local(sock, family, options);
    if (*ret_rc == 0)
        *ret_rc = asyncio_loop_sock_connect(loop, sock, address, size);
    if (*ret_rc == 0)
        return sock;
    asyncio_socket_unref(sock);
    return NULL;
}

static int finish(asyncio_socket_t *sock, const asyncio_connection_options_t *options,
                  asyncio_stream_reader_t **ret_reader, asyncio_stream_writer_t **ret_writer)
{
    int rc = asyncio_streams_of_socket(sock, options, ret_reader, ret_writer);
    asyncio_socket_unref(sock);
    return rc;
}

int asyncio_open_connection(const char *host, uint16_t port,
                            const asyncio_connection_options_t *options,
                            asyncio_stream_reader_t **ret_reader,
                            asyncio_stream_writer_t **ret_writer)
{
    if (!host || !ret_reader || !ret_writer)
        return asyncio__fail(-EINVAL, "NULL was given");
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int rc = check_options(options);
    if (rc == 0 && !loop)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    if (rc == 0)
        rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_family = options ? options->family : 0};
    struct addrinfo *addresses;
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    rc = asyncio_loop_getaddrinfo(loop, host, service, &hints, &addresses);
    if (rc < 0)
        return rc;
    asyncio_socket_t *sock = NULL;
    for (struct addrinfo *at = addresses; at && !sock; at = at->ai_next) {
        sock = connect_to(loop, at->ai_family, at->ai_addr, at->ai_addrlen, options, &rc);
        if (rc == -ECANCELED || rc == ASYNCIO_EGENERATOREXIT || rc == -EMFILE || rc == -ENOMEM)
            break;
    }
    freeaddrinfo(addresses);
    return sock ? finish(sock, options, ret_reader, ret_writer) : rc;
}

int asyncio_open_unix_connection(const char *path, const asyncio_connection_options_t *options,
                                 asyncio_stream_reader_t **ret_reader,
                                 asyncio_stream_writer_t **ret_writer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || !ret_reader || !ret_writer)
        return asyncio__fail(-EINVAL, "NULL was given");
    if (strlen(path) >= sizeof(address.sun_path))
        return asyncio__fail(-ENAMETOOLONG, "the path is too long for a Unix socket");
    strcpy(address.sun_path, path);
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int rc = check_options(options);
    if (rc == 0 && !loop)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    if (rc < 0)
        return rc;
    asyncio_socket_t *sock = connect_to(loop, AF_UNIX, (struct sockaddr *)&address,
                                        sizeof(address), NULL, &rc);
    return sock ? finish(sock, options, ret_reader, ret_writer) : rc;
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

static asyncio_coroutine_t *make(asyncio_coroutine_function_t *fn, const char *host, uint16_t port,
                                 const asyncio_connection_options_t *options,
                                 asyncio_stream_reader_t **ret_reader,
                                 asyncio_stream_writer_t **ret_writer, const char *name)
{
    if (!host || check_options(options) < 0)
        return asyncio__fail_new(-EINVAL, "no host, or bad options");
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
    return make(run_tcp, host, port, options, ret_reader, ret_writer, "asyncio_open_connection");
}

asyncio_coroutine_t *
asyncio_open_unix_connection_coroutine(const char *path,
                                       const asyncio_connection_options_t *options,
                                       asyncio_stream_reader_t **ret_reader,
                                       asyncio_stream_writer_t **ret_writer)
{
    return make(run_unix, path, 0, options, ret_reader, ret_writer,
                "asyncio_open_unix_connection");
}
