/* SPDX-License-Identifier: MIT */
/* start_server and start_unix_server: addresses, bound and listening. */
#include <asyncio/resolver.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/operation.h"
#include "net/server.h"
#include "task/twin.h"

static int check(asyncio_client_connected_t *client_connected,
                 const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    if (!client_connected || !ret_server)
        return asyncio__fail(-EINVAL, "NULL was given");
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "the options' size is not set");
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    return asyncio__operation_check(loop);
}

/* Sets what a listening TCP socket needs; port 0 is the port of the server's first socket. */
static int listen_on(asyncio_server_t *server, struct addrinfo *address)
{
    asyncio_socket_t *sock = asyncio_socket(address->ai_family, SOCK_STREAM, 0);
    if (!sock)
        return asyncio_errno();
    int rc = asyncio_socket_setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0) /* inherited by the connections that it accepts */
        rc = asyncio_socket_setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0 && server->options.reuse_port)
        rc = asyncio_socket_setsockopt(sock, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && address->ai_family == AF_INET6)
        rc = asyncio_socket_setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    uint16_t port = asyncio_server_port(server, 0);
    if (address->ai_family == AF_INET6 && !((struct sockaddr_in6 *)address->ai_addr)->sin6_port)
        ((struct sockaddr_in6 *)address->ai_addr)->sin6_port = htons(port);
    else if (address->ai_family == AF_INET && !((struct sockaddr_in *)address->ai_addr)->sin_port)
        ((struct sockaddr_in *)address->ai_addr)->sin_port = htons(port);
    if (rc == 0)
        rc = asyncio_socket_bind(sock, address->ai_addr, address->ai_addrlen);
    if (rc == 0)
        rc = asyncio_socket_listen(sock, server->options.backlog);
    if (rc == 0)
        rc = asyncio__server_add(server, sock);
    asyncio_socket_unref(sock);
    return rc;
}

/* Serves, or gives the server up. */
static int finish(asyncio_server_t *server, int rc, asyncio_server_t **ret_server)
{
    if (rc == 0 && !server->options.is_paused)
        rc = asyncio_server_start_serving(server);
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take();
        asyncio_server_unref(server);
        return asyncio__fail_with(rc, error);
    }
    *ret_server = server;
    return 0;
}

int asyncio_start_server(const char *host, uint16_t port,
                         asyncio_client_connected_t *client_connected, void *arg,
                         const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    int rc = check(client_connected, options, ret_server);
    if (rc < 0)
        return rc;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses;
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    rc = asyncio_loop_getaddrinfo(loop, host && *host ? host : NULL, service, &hints, &addresses);
    if (rc < 0)
        return rc;
    asyncio_server_t *server = asyncio__server_new(loop, client_connected, arg, options);
    if (!server)
        rc = asyncio__fail(-ENOMEM, NULL);
    for (struct addrinfo *at = addresses; rc == 0 && at; at = at->ai_next) {
        rc = listen_on(server, at);
        /* A machine without IPv6 (or IPv4) serves what it has. */
        if (rc == -EAFNOSUPPORT && (at->ai_next || server->listener_count))
            rc = 0;
    }
    freeaddrinfo(addresses);
    return server ? finish(server, rc, ret_server) : rc;
}

/* A socket that nobody listens on any more is removed; 0, or -EADDRINUSE. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat found;
    if (asyncio__sys.lstat(address->sun_path, &found) < 0)
        return 0;
    if (!S_ISSOCK(found.st_mode))
        return asyncio__fail(-EADDRINUSE, "the path is taken by what is no socket");
    int fd = asyncio__sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return asyncio__fail(-errno, NULL);
    bool answers =
        asyncio__sys.connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
        errno != ECONNREFUSED;
    asyncio__sys.close(fd);
    if (answers)
        return asyncio__fail(-EADDRINUSE, "somebody answers on that path");
    return asyncio__sys.unlink(address->sun_path) == 0 ? 0 : asyncio__fail(-errno, NULL);
}

/* Binds so that nobody else can reach the path at any moment, without touching the umask: on
 * Linux the mode of the descriptor before bind becomes that of the path. */
static int bind_private(asyncio_server_t *server, asyncio_socket_t *sock,
                        const struct sockaddr_un *address)
{
    if (asyncio__sys.fchmod(sock->fd, S_IRUSR | S_IWUSR) < 0)
        return asyncio__fail(-errno, NULL);
    int rc = asyncio_socket_bind(sock, (const struct sockaddr *)address, sizeof(*address));
    if (rc < 0)
        return rc;
    struct stat made;
    server->path = asyncio__strdup(address->sun_path);
    rc = !server->path ? -ENOMEM : asyncio__sys.stat(address->sun_path, &made) < 0 ? -errno : 0;
    if (rc < 0) {
        /* The close cannot know that it is ours. */
        asyncio__ignore(asyncio__sys.unlink(address->sun_path));
        return asyncio__fail(rc, NULL);
    }
    server->path_device = (uint64_t)made.st_dev;
    server->path_inode = (uint64_t)made.st_ino;
    return 0;
}

int asyncio_start_unix_server(const char *path, asyncio_client_connected_t *client_connected,
                              void *arg, const asyncio_server_options_t *options,
                              asyncio_server_t **ret_server)
{
    int rc = check(client_connected, options, ret_server);
    if (rc == 0 && !path)
        rc = asyncio__fail(-EINVAL, "no path was given");
    if (rc < 0)
        return rc;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return asyncio__fail(-ENAMETOOLONG, "the path is too long for a Unix socket");
    strcpy(address.sun_path, path);
    rc = remove_stale(&address);
    if (rc < 0)
        return rc;
    asyncio_server_t *server =
        asyncio__server_new(asyncio_get_running_loop(), client_connected, arg, options);
    if (!server)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio_socket_t *sock = asyncio_socket(AF_UNIX, SOCK_STREAM, 0);
    rc = sock ? bind_private(server, sock, &address) : asyncio_errno();
    if (rc == 0)
        rc = asyncio_socket_listen(sock, server->options.backlog);
    if (rc == 0)
        rc = asyncio__server_add(server, sock);
    asyncio_socket_unref(sock);
    return finish(server, rc, ret_server);
}

/* --- coroutine objects --------------------------------------------------------------------- */

struct arguments {
    char *host;                                   /* a copy, or NULL: a host, or a path */
    uint16_t port;                                /* to listen on */
    asyncio_client_connected_t *client_connected; /* the caller's */
    void *arg;                                    /* passed to it */
    bool has_options;                             /* options count */
    asyncio_server_options_t options;             /* a copy */
    asyncio_server_t **ret_server;                /* the caller's */
};

static void destroy(void *arg)
{
    asyncio__free_string(((struct arguments *)arg)->host);
}

static int run_tcp(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_start_server(a->host, a->port, a->client_connected, a->arg,
                                a->has_options ? &a->options : NULL, a->ret_server);
}

static int run_unix(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_start_unix_server(a->host, a->client_connected, a->arg,
                                     a->has_options ? &a->options : NULL, a->ret_server);
}

static asyncio_coroutine_t *make(asyncio_coroutine_function_t *fn, struct arguments arguments,
                                 const char *host, const asyncio_server_options_t *options,
                                 const char *name)
{
    if (options) {
        arguments.has_options = true;
        arguments.options = *options;
    }
    if (host && !(arguments.host = asyncio__strdup(host)))
        return asyncio__fail_new(-ENOMEM, NULL);
    asyncio_coroutine_t *twin = asyncio__twin(fn, &arguments, sizeof(arguments), destroy, name);
    if (!twin)
        destroy(&arguments);
    return twin;
}

asyncio_coroutine_t *asyncio_start_server_coroutine(const char *host, uint16_t port,
                                                    asyncio_client_connected_t *client_connected,
                                                    void *arg,
                                                    const asyncio_server_options_t *options,
                                                    asyncio_server_t **ret_server)
{
    return make(run_tcp,
                (struct arguments){.port = port, .client_connected = client_connected, .arg = arg,
                                   .ret_server = ret_server},
                host, options, "asyncio_start_server");
}

asyncio_coroutine_t *
asyncio_start_unix_server_coroutine(const char *path, asyncio_client_connected_t *client_connected,
                                    void *arg, const asyncio_server_options_t *options,
                                    asyncio_server_t **ret_server)
{
    return make(run_unix,
                (struct arguments){
                    .client_connected = client_connected, .arg = arg, .ret_server = ret_server},
                path, options, "asyncio_start_unix_server");
}
