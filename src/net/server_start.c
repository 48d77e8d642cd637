/* SPDX-License-Identifier: MIT */
/* Starting servers, and start_server, whose connections get a task; see server_start.h. */
#include "net/server_start.h"

#include <asyncio/resolver.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/connection.h"
#include "net/operation.h"
#include "net/options_copy.h"
#include "net/secure.h"
#include "net/server.h"
#include "task/twin.h"
#include "transport/listen_table.h"

#define LISTEN_NAME_BYTES 256 /* with a terminating NUL, as in systemd */

/* As systemd's names of file descriptors. */
static bool is_listen_name(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
            return false;
    return size > 0 && size < LISTEN_NAME_BYTES;
}

static int check_call(const asyncio_loop_t *loop, const asyncio_server_options_t *options,
                      asyncio_server_t **ret_server)
{
    if (!ret_server)
        return asyncio__fail(-EINVAL, "\"ret_server\" must not be NULL");
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options && options->sock && options->listen_name)
        return asyncio__fail(-EINVAL, "\"options->sock\" has no \"listen_name\": set only one");
    if (options && options->listen_name && !is_listen_name(options->listen_name))
        return asyncio__fail(-EINVAL, "\"options->listen_name\" must be 1 to 255 printable ASCII "
                                      "characters without a colon");
    asyncio__ssl_options_t ssl;
    int rc = options ? asyncio__connection_check_linger(options->linger) : 0;
    if (rc == 0)
        rc = asyncio__operation_check(loop);
    return rc < 0 ? rc : asyncio__secure_server(options, &ssl);
}

static asyncio__bind_options_t bind_options(const asyncio_server_options_t *options)
{
    if (!options)
        return (asyncio__bind_options_t){.reuse_address = true};
    return (asyncio__bind_options_t){.backlog = options->backlog,
                                     .reuse_address = !options->no_reuse_address,
                                     .reuse_port = options->reuse_port,
                                     .keep_alive = options->keep_alive};
}

/* Adds a listening descriptor, which is taken, also on failure: 0 or an error. */
static int add_fd(asyncio_server_t *server, int fd)
{
    asyncio_socket_t *sock = asyncio__socket_new(fd);
    if (!sock) {
        asyncio__sys.close(fd);
        return asyncio__fail(-ENOMEM, NULL);
    }
    int rc = asyncio__server_add(server, sock);
    asyncio_socket_unref(sock);
    return rc;
}

/* Serves, or gives the server up. */
static int finish(asyncio_server_t *server, int rc, const asyncio_server_options_t *options,
                  asyncio_server_t **ret_server)
{
    if (rc == 0 && !(options && options->is_paused))
        rc = asyncio_server_start_serving(server);
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio_server_unref(server);
        return asyncio__fail_with(rc, error);
    }
    *ret_server = server;
    return 0;
}

/* Adds the sockets of all addresses: 0 or an error. */
static int add_addresses(asyncio_server_t *server, const struct addrinfo *addresses,
                         const asyncio__bind_options_t *options)
{
    size_t count = 0, used = 0;
    for (const struct addrinfo *at = addresses; at; at = at->ai_next)
        count++;
    int *fds = asyncio__malloc(count * sizeof(*fds));
    if (!fds)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = asyncio__bind_all(addresses, options, fds, &used);
    for (size_t i = 0; i < used; i++) {
        if (rc == 0)
            rc = add_fd(server, fds[i]);
        else
            asyncio__sys.close(fds[i]);
    }
    asyncio__free(fds, count * sizeof(*fds));
    return rc;
}

/* --- sockets with a name ------------------------------------------------------------------- */

/* Adds sockets of the listen table, which are taken: 0 or an error. */
static int add_listening(asyncio_server_t *server, const char *name, asyncio__fds_t *fds,
                         const asyncio_server_options_t *options)
{
    asyncio__bind_options_t wanted = bind_options(options);
    size_t used = 0;
    int rc = 0;
    while (rc == 0 && used < fds->count) {
        rc = asyncio__bind_adopt(fds->fds[used], &wanted);
        if (rc == 0)
            rc = add_fd(server, fds->fds[used++]);
    }
    for (; used < fds->count; used++)
        asyncio__sys.close(fds->fds[used]);
    asyncio__free(fds->fds, fds->count * sizeof(int));
    if (rc == 0 && !(server->listen_name = asyncio__strdup(name)))
        rc = asyncio__fail(-ENOMEM, NULL);
    return rc;
}

/* Starts a server on sockets of the listen table, which are taken. */
static int serve_on_listening(asyncio_loop_t *loop, asyncio__fds_t *fds,
                              const asyncio__client_handler_t *handler,
                              const asyncio_server_options_t *options,
                              asyncio_server_t **ret_server)
{
    asyncio_server_t *server = asyncio__server_new(loop, handler, options);
    int rc;
    if (server) {
        rc = add_listening(server, options->listen_name, fds, options);
        rc = finish(server, rc, options, ret_server);
    } else {
        asyncio__fds_close(fds);
        rc = asyncio__fail(-ENOMEM, NULL);
    }
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__listen_table_release(options->listen_name, asyncio__serving_index(loop));
        asyncio__fail_with(rc, error);
    }
    return rc;
}

/* The addresses to bind: of a host, "" and NULL being every interface. */
static int look_up(asyncio_loop_t *loop, const char *host, uint16_t port, int family,
                   struct addrinfo **ret_addresses)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    return asyncio_loop_getaddrinfo(loop, host && *host ? host : NULL, service, &hints,
                                    ret_addresses);
}

/* Serves on a socket of the program. */
static int serve_on(asyncio_loop_t *loop, const asyncio__client_handler_t *handler,
                    const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    int fd = asyncio_socket_fileno(options->sock);
    if (fd < 0)
        return asyncio__fail(-EBADF, "\"options->sock\" is closed");
    asyncio__bind_options_t wanted = bind_options(options);
    int rc = asyncio__bind_adopt(fd, &wanted);
    if (rc < 0)
        return rc;
    asyncio_server_t *server = asyncio__server_new(loop, handler, options);
    if (!server)
        return asyncio__fail(-ENOMEM, NULL);
    return finish(server, asyncio__server_add(server, options->sock), options, ret_server);
}

/* Serves on what the listen table has, or binds for all loops. */
static int start_by_name(asyncio_loop_t *loop, const char *host, uint16_t port,
                         const asyncio__client_handler_t *handler,
                         const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    size_t index = asyncio__serving_index(loop);
    asyncio__bind_options_t wanted = bind_options(options);
    struct addrinfo *addresses;
    asyncio__fds_t fds;
    int rc = asyncio__listen_table_take(options->listen_name, index, &fds);
    if (rc == 0) {
        rc = look_up(loop, host, port, options->family, &addresses);
        if (rc < 0)
            return rc;
        rc = asyncio__listen_table_bind(options->listen_name, index, addresses, &wanted, &fds);
        freeaddrinfo(addresses);
    }
    return rc < 0 ? rc : serve_on_listening(loop, &fds, handler, options, ret_server);
}

static int start_unix_by_name(asyncio_loop_t *loop, const struct sockaddr_un *address,
                              const asyncio__client_handler_t *handler,
                              const asyncio_server_options_t *options,
                              asyncio_server_t **ret_server)
{
    size_t index = asyncio__serving_index(loop);
    asyncio__bind_options_t wanted = bind_options(options);
    asyncio__fds_t fds;
    int rc = asyncio__listen_table_take(options->listen_name, index, &fds);
    if (rc == 0)
        rc = asyncio__listen_table_bind_unix(options->listen_name, index, address, &wanted, &fds);
    return rc < 0 ? rc : serve_on_listening(loop, &fds, handler, options, ret_server);
}

int asyncio__start_server(asyncio_loop_t *loop, const char *host, uint16_t port,
                          const asyncio__client_handler_t *handler,
                          const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    struct addrinfo *addresses;
    int rc = check_call(loop, options, ret_server);
    if (rc < 0)
        return rc;
    if (options && options->sock && (host || port))
        return asyncio__fail(-EINVAL,
                             "host/port and sock can not be specified at the same time");
    if (options && options->sock)
        return serve_on(loop, handler, options, ret_server);
    if (options && options->listen_name)
        return start_by_name(loop, host, port, handler, options, ret_server);
    rc = look_up(loop, host, port, options ? options->family : 0, &addresses);
    if (rc < 0)
        return rc;
    asyncio_server_t *server = asyncio__server_new(loop, handler, options);
    if (server) {
        asyncio__bind_options_t wanted = bind_options(options);
        rc = add_addresses(server, addresses, &wanted);
    }
    freeaddrinfo(addresses);
    return server ? finish(server, rc, options, ret_server) : asyncio__fail(-ENOMEM, NULL);
}

int asyncio__start_unix_server(asyncio_loop_t *loop, const char *path,
                               const asyncio__client_handler_t *handler,
                               const asyncio_server_options_t *options,
                               asyncio_server_t **ret_server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, rc = check_call(loop, options, ret_server);
    if (rc < 0)
        return rc;
    if (options && options->sock && path)
        return asyncio__fail(-EINVAL, "path and sock can not be specified at the same time");
    if (options && options->sock)
        return serve_on(loop, handler, options, ret_server);
    if (!path)
        return asyncio__fail(-EINVAL, "\"path\" must not be NULL");
    if (strlen(path) >= sizeof(address.sun_path))
        return asyncio__fail(-ENAMETOOLONG, "the path is too long for a Unix socket");
    strcpy(address.sun_path, path);
    if (options && options->listen_name)
        return start_unix_by_name(loop, &address, handler, options, ret_server);
    asyncio_server_t *server = asyncio__server_new(loop, handler, options);
    if (!server)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio__bind_options_t wanted = bind_options(options);
    rc = asyncio__bind_unix(&address, &wanted, &fd, &server->path);
    if (rc == 0)
        rc = add_fd(server, fd);
    return finish(server, rc, options, ret_server);
}

/* --- each connection a task ---------------------------------------------------------------- */

/* Whether a task can be started for each connection: the running loop, or NULL. */
static asyncio_loop_t *check_handler(asyncio_client_connected_t *client_connected, int *ret_rc)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!client_connected)
        *ret_rc = asyncio__fail(-EINVAL, "\"client_connected\" must not be NULL");
    else if (!loop)
        *ret_rc = asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    else
        return loop;
    return NULL;
}

int asyncio_start_server(const char *host, uint16_t port,
                         asyncio_client_connected_t *client_connected, void *arg,
                         const asyncio_server_options_t *options, asyncio_server_t **ret_server)
{
    asyncio__client_handler_t handler = {.client_connected = client_connected, .arg = arg};
    int rc = 0;
    asyncio_loop_t *loop = check_handler(client_connected, &rc);
    return loop ? asyncio__start_server(loop, host, port, &handler, options, ret_server) : rc;
}

int asyncio_start_unix_server(const char *path, asyncio_client_connected_t *client_connected,
                              void *arg, const asyncio_server_options_t *options,
                              asyncio_server_t **ret_server)
{
    asyncio__client_handler_t handler = {.client_connected = client_connected, .arg = arg};
    int rc = 0;
    asyncio_loop_t *loop = check_handler(client_connected, &rc);
    return loop ? asyncio__start_unix_server(loop, path, &handler, options, ret_server) : rc;
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_tcp(void *arguments);
static void drop_tcp(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_start_server, keep_tcp, drop_tcp, (const char *, host),
                   (uint16_t, port), (asyncio_client_connected_t *, client_connected),
                   (void *, arg), (const asyncio_server_options_t *, options),
                   (asyncio_server_t **, ret_server))
ASYNCIO__OPTIONS_COPY(tcp, asyncio_start_server, host, server)

static int keep_unix(void *arguments);
static void drop_unix(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_start_unix_server, keep_unix, drop_unix, (const char *, path),
                   (asyncio_client_connected_t *, client_connected), (void *, arg),
                   (const asyncio_server_options_t *, options), (asyncio_server_t **, ret_server))
ASYNCIO__OPTIONS_COPY(unix, asyncio_start_unix_server, path, server)
