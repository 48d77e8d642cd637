/* SPDX-License-Identifier: MIT */
/*
 * Servers: what start, close and wait mean for their listeners and clients; see server.h.
 */
#include "net/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/operation.h"
#include "net/secure.h"
#include "task/twin.h"
#include "task/waiter_list.h"
#include "transport/address.h"
#include "transport/listen_table.h"

/* Whether it is closed and nothing of it is left. */
static bool has_ended(const asyncio_server_t *server)
{
    return server->is_closed && server->clients.count == 0 && server->pending == 0;
}

static void wake_closers(asyncio_server_t *server)
{
    if (has_ended(server))
        asyncio__waiters_wake_all(&server->closers);
}

/* --- clients ------------------------------------------------------------------------------- */

static asyncio_server_t *server_of_clients(asyncio__clients_t *clients)
{
    return ASYNCIO__CONTAINER(clients, asyncio_server_t, clients);
}

static void stop_listeners(asyncio_server_t *server)
{
    for (asyncio__list_t *at = server->sockets.next; at != &server->sockets; at = at->next)
        asyncio__listener_stop(&ASYNCIO__CONTAINER(at, asyncio__server_socket_t, link)->listener);
}

static void stop_if_full(asyncio_server_t *server)
{
    if (server->is_full || server->max_connections == 0 ||
        server->clients.count < server->max_connections)
        return;
    server->is_full = true;
    stop_listeners(server);
}

static void resume_if_room(asyncio_server_t *server)
{
    if (!server->is_full || server->clients.count >= server->max_connections)
        return;
    server->is_full = false;
    /* Each may hand over a connection that it has held, until the server is full again. */
    for (asyncio__list_t *at = server->sockets.next; at != &server->sockets; at = at->next)
        if (server->is_serving && !server->is_full && !server->loop->closed)
            asyncio__listener_resume(
                &ASYNCIO__CONTAINER(at, asyncio__server_socket_t, link)->listener);
}

static void on_client_added(asyncio__clients_t *clients)
{
    asyncio_server_t *server = server_of_clients(clients);
    server->refs++;
    stop_if_full(server);
}

static void on_client_left(asyncio__clients_t *clients)
{
    asyncio_server_t *server = server_of_clients(clients);
    resume_if_room(server);
    wake_closers(server);
    asyncio_server_unref(server);
}

/* --- listeners ----------------------------------------------------------------------------- */

static asyncio__server_socket_t *socket_of(asyncio__listener_t *listener)
{
    return ASYNCIO__CONTAINER(listener, asyncio__server_socket_t, listener);
}

static int on_accepted(asyncio__listener_t *listener, int fd, const struct sockaddr *peer,
                       socklen_t peer_size)
{
    asyncio__server_socket_t *at = socket_of(listener);
    asyncio__socket_names_t names = {0};
    if (at->server->ends_clients) { /* it came late, and the others were told to end */
        asyncio__sys.close(fd);
        return 0;
    }
    if (peer_size > 0 && peer->sa_family != AF_UNSPEC) {
        names.peer = peer;
        names.peer_size = peer_size;
    }
    if (at->own_size > 0 && !at->is_wildcard) {
        names.own = (const struct sockaddr *)&at->own;
        names.own_size = at->own_size;
    }
    return asyncio__clients_add(&at->server->clients, fd, at->kind, &names);
}

static void on_failed(asyncio__listener_t *listener, int code)
{
    asyncio__loop_report(listener->loop, "socket.accept() out of system resource", code, NULL, NULL,
                         NULL, NULL);
}

static void on_hold(asyncio__listener_t *listener)
{
    asyncio_server_t *server = socket_of(listener)->server;
    server->refs++;
    server->pending++;
}

static void on_drop(asyncio__listener_t *listener)
{
    asyncio_server_t *server = socket_of(listener)->server;
    server->pending--;
    wake_closers(server);
    asyncio_server_unref(server);
}

static const asyncio__listener_class_t listener_class = {
    .accepted = on_accepted, .failed = on_failed, .hold = on_hold, .drop = on_drop};

/* Notes the address that the socket listens on. */
static void note_address(asyncio__server_socket_t *at)
{
    at->own_size = sizeof(at->own);
    if (asyncio__sys.getsockname(at->sock->fd, (struct sockaddr *)&at->own, &at->own_size) < 0)
        at->own_size = 0;
    int family = at->own_size > 0 ? at->own.ss_family : AF_UNSPEC;
    at->kind = family == AF_INET || family == AF_INET6 ? ASYNCIO__FILE_TCP : ASYNCIO__FILE_SOCKET;
    at->is_wildcard = asyncio__address_is_wildcard((const struct sockaddr *)&at->own);
}

int asyncio__server_add(asyncio_server_t *server, asyncio_socket_t *sock)
{
    int rc = asyncio__socket_bind_loop_as(sock, server->loop, ASYNCIO__FILE_SOCKET);
    if (rc < 0)
        return rc;
    if (sock->file_copy)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the socket already belongs to streams or a server");
    asyncio__server_socket_t *added = asyncio__calloc(sizeof(*added));
    if (!added || asyncio__listener_init(&added->listener, server->loop, sock->file,
                                         &listener_class) < 0) {
        asyncio__free(added, sizeof(*added));
        return asyncio__fail(-ENOMEM, NULL);
    }
    sock->file_copy = &added->listener.file;
    added->sock = asyncio_socket_ref(sock);
    added->server = server;
    note_address(added);
    asyncio__list_append(&server->sockets, &added->link);
    return 0;
}

/* --- life ---------------------------------------------------------------------------------- */

asyncio_server_t *asyncio__server_new(asyncio_loop_t *loop,
                                      const asyncio__client_handler_t *handler,
                                      const asyncio_server_options_t *options)
{
    asyncio__ssl_options_t ssl;
    if (asyncio__secure_server(options, &ssl) < 0)
        return NULL;
    asyncio_server_t *server = asyncio__calloc(sizeof(*server));
    if (!server)
        return NULL;
    *server = (asyncio_server_t){.refs = 1,
                                 .loop = loop,
                                 .clients = {.loop = loop,
                                             .handler = *handler,
                                             .hold = on_client_added,
                                             .drop = on_client_left}};
    if (options) {
        server->clients.limit_bytes = options->limit_bytes;
        server->clients.stack_bytes = options->stack_bytes;
        if (options->linger > 0)
            server->clients.linger_ns = asyncio__nanoseconds(options->linger);
        server->clients.end_on_overrun = options->end_on_overrun;
        server->max_connections = options->max_connections;
        server->clients.ssl = ssl;
        asyncio__ssl_ref(ssl.context);
    }
    asyncio__list_init(&server->sockets);
    asyncio__list_init(&server->closers);
    asyncio__list_init(&server->servers);
    if (asyncio__clients_init(&server->clients) < 0) {
        asyncio__free(server, sizeof(*server));
        return NULL;
    }
    if (loop->serving)
        asyncio__list_append(&loop->serving->servers, &server->serving_link);
    asyncio__loop_hold(loop);
    return server;
}

asyncio_server_t *asyncio_server_ref(asyncio_server_t *server)
{
    if (server)
        server->refs++;
    return server;
}

void asyncio_server_unref(asyncio_server_t *server)
{
    if (!server || asyncio__loop_check_here(server->loop) < 0)
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    if (--server->refs > 0)
        return;
    if (!server->is_closed) {
        server->refs = 1; /* for the close */
        asyncio__ignore(asyncio_server_close(server));
        if (--server->refs > 0)
            return; /* something pending ends first */
    }
    asyncio__list_t *link;
    while ((link = asyncio__list_pop(&server->sockets))) {
        asyncio__server_socket_t *at = ASYNCIO__CONTAINER(link, asyncio__server_socket_t, link);
        asyncio_socket_unref(at->sock);
        asyncio__free(at, sizeof(*at));
    }
    asyncio__list_remove(&server->serving_link);
    asyncio__free_string(server->listen_name);
    asyncio__clients_fini(&server->clients);
    asyncio__loop_drop_object(server->loop);
    asyncio__free(server, sizeof(*server));
}

/* --- serving ------------------------------------------------------------------------------- */

static int check_here(const asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "\"server\" must not be NULL");
    return asyncio__loop_check_here(server->loop);
}

/* Whether the call is inside a coroutine of the server's loop: 0, or an error. */
static int check_inside(const asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "\"server\" must not be NULL");
    return asyncio__operation_check(server->loop);
}

/* Starts the listeners, until the server is full: 0, or a code, and none is started. */
static int start_listeners(asyncio_server_t *server)
{
    for (asyncio__list_t *at = server->sockets.next; at != &server->sockets; at = at->next) {
        if (server->is_full)
            break;
        int rc = asyncio__listener_start(
            &ASYNCIO__CONTAINER(at, asyncio__server_socket_t, link)->listener);
        if (rc < 0) {
            stop_listeners(server);
            return rc;
        }
    }
    return 0;
}

static int accept_connections(asyncio_server_t *server)
{
    int rc = start_listeners(server);
    if (rc == 0)
        return 0;
    server->is_serving = false;
    return asyncio__fail(rc, "the event loop cannot wait for connections");
}

int asyncio_server_start_serving(asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "\"server\" must not be NULL");
    int rc = asyncio__loop_check(server->loop);
    if (rc < 0)
        return rc;
    if (server->is_closed)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the server is closed");
    if (server->is_serving)
        return 0;
    server->is_serving = true;
    if (server->loop->serving && server->loop->serving->is_held) {
        /* The others would miss what this one accepts now. The program may drop its reference. */
        server->is_held = true;
        server->refs++;
        return 0;
    }
    return accept_connections(server);
}

int asyncio__server_release(asyncio_server_t *server)
{
    if (!server->is_held)
        return 0;
    server->is_held = false;
    int rc = accept_connections(server);
    asyncio_server_unref(server);
    return rc;
}

int asyncio_server_set_ssl(asyncio_server_t *server, asyncio_ssl_context_t *context)
{
    int rc = check_here(server);
    if (rc < 0)
        return rc;
    asyncio__ssl_options_t *ssl = &server->clients.ssl, wanted = *ssl;
    if (!context || !ssl->context)
        return asyncio__fail(-EINVAL, "\"context\" must not be NULL, and \"server\" must have been "
                                      "started with one");
    wanted.context = context;
    rc = asyncio__ssl_check(&wanted);
    if (rc < 0)
        return rc;
    asyncio__ssl_unref(ssl->context);
    ssl->context = asyncio__ssl_ref(context);
    return 0;
}

bool asyncio_server_is_serving(const asyncio_server_t *server)
{
    return server && server->is_serving;
}

/* A listening socket; NULL: there is none with that index. */
static const asyncio__server_socket_t *find_socket(const asyncio_server_t *server, size_t index)
{
    if (!server || server->is_closed)
        return NULL;
    const asyncio__list_t *at = server->sockets.next;
    for (size_t i = 0; i < index && at != &server->sockets; i++)
        at = at->next;
    return at == &server->sockets ? NULL
                                  : ASYNCIO__CONTAINER(at, const asyncio__server_socket_t, link);
}

uint16_t asyncio_server_port(const asyncio_server_t *server, size_t index)
{
    const asyncio__server_socket_t *found = find_socket(server, index);
    return found ? asyncio__address_port((const struct sockaddr *)&found->own) : 0;
}

asyncio_socket_t *asyncio_server_socket(const asyncio_server_t *server, size_t index)
{
    const asyncio__server_socket_t *found = find_socket(server, index);
    return found ? found->sock : NULL;
}

/* --- closing ------------------------------------------------------------------------------- */

int asyncio_server_close(asyncio_server_t *server)
{
    int rc = check_here(server);
    if (rc < 0 || server->is_closed)
        return rc;
    server->is_closed = true;
    server->is_serving = false;
    server->refs++; /* what was pending may have been the last reference */
    for (asyncio__list_t *at = server->sockets.next; at != &server->sockets; at = at->next) {
        asyncio__server_socket_t *each = ASYNCIO__CONTAINER(at, asyncio__server_socket_t, link);
        asyncio__listener_close(&each->listener);
        asyncio__ignore(asyncio_socket_close(each->sock));
    }
    asyncio__unix_path_remove(&server->path);
    if (server->listen_name)
        asyncio__listen_table_release(server->listen_name,
                                      asyncio__serving_index(server->loop));
    if (server->is_held) {
        server->is_held = false;
        server->refs--;
    }
    asyncio__waiters_wake_all(&server->servers);
    wake_closers(server);
    asyncio_server_unref(server);
    return 0;
}

void asyncio__server_drain_and_close(asyncio_server_t *server)
{
    if (server->is_closed)
        return;
    server->refs++;
    for (asyncio__list_t *at = server->sockets.next; at != &server->sockets; at = at->next)
        if (server->is_serving && !server->is_held)
            asyncio__listener_drain(
                &ASYNCIO__CONTAINER(at, asyncio__server_socket_t, link)->listener);
    asyncio__ignore(asyncio_server_close(server));
    asyncio_server_unref(server);
}

/* Ends the connections of the server in one of three ways. */
static int end_clients(asyncio_server_t *server, void (*end)(asyncio__clients_t *clients))
{
    int rc = check_here(server);
    if (rc < 0 || server->loop->closed)
        return rc;
    server->ends_clients = server->is_closed;
    server->refs++; /* a client may be the last reference */
    end(&server->clients);
    asyncio_server_unref(server);
    return 0;
}

int asyncio_server_close_clients(asyncio_server_t *server)
{
    return end_clients(server, asyncio__clients_close);
}

int asyncio_server_abort_clients(asyncio_server_t *server)
{
    return end_clients(server, asyncio__clients_abort);
}

int asyncio_server_cancel_clients(asyncio_server_t *server)
{
    return end_clients(server, asyncio__clients_cancel);
}

int asyncio_server_wait_closed(asyncio_server_t *server)
{
    int rc = check_inside(server);
    if (rc < 0)
        return rc;
    server->refs++;
    while (rc == 0 && !has_ended(server))
        rc = asyncio__waiters_wait(server->loop, &server->closers, "asyncio_server_wait_closed");
    asyncio_server_unref(server);
    return rc;
}

int asyncio_server_serve_forever(asyncio_server_t *server)
{
    int rc = check_inside(server);
    if (rc == 0 && !asyncio__list_is_empty(&server->servers))
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "another task is in serve_forever() of the server");
    if (rc == 0 && server->loop->serving && server->loop->serving->is_held)
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "in the setup of asyncio_serve(): servers accept "
                                             "once it has returned; asyncio_server_start_serving() "
                                             "does not wait for that");
    if (rc == 0)
        rc = asyncio_server_start_serving(server);
    if (rc < 0)
        return rc;
    server->refs++;
    rc = asyncio__waiters_wait(server->loop, &server->servers, "asyncio_server_serve_forever");
    if (rc == 0) /* it was closed elsewhere */
        rc = asyncio_server_wait_closed(server);
    if (rc < 0) {
        /* As in asyncio a cancel closes the connections too, and waits for them. */
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__ignore(asyncio_server_close(server));
        asyncio__ignore(asyncio_server_close_clients(server));
        asyncio__ignore(asyncio_server_wait_closed(server));
        asyncio__fail_with(rc, error);
    }
    asyncio_server_unref(server);
    return rc;
}

/* --- coroutine objects --------------------------------------------------------------------- */

ASYNCIO__TWIN(CODE, asyncio_server_wait_closed, (asyncio_server_t *, server))
ASYNCIO__TWIN(CODE, asyncio_server_serve_forever, (asyncio_server_t *, server))
