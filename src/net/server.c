/* SPDX-License-Identifier: MIT */
/*
 * Servers: accepting, pausing when descriptors run out, closing; see server.h.
 */
#include "net/server.h"

#include <assert.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/operation.h"
#include "task/task.h"
#include "task/twin.h"
#include "task/waiter_list.h"

#define PAUSE_NS 1000000000
/* Connections accepted in a row without a turn of the loop. */
#define ACCEPTS_IN_A_ROW 64

asyncio_server_t *asyncio__server_new(asyncio_loop_t *loop,
                                      asyncio_client_connected_t *client_connected, void *arg,
                                      const asyncio_server_options_t *options)
{
    asyncio_server_t *server = asyncio__calloc(sizeof(*server));
    if (!server)
        return NULL;
    server->refs = 1;
    server->loop = asyncio__loop_hold(loop);
    server->client_connected = client_connected;
    server->arg = arg;
    if (options)
        server->options = *options;
    asyncio__list_init(&server->clients);
    asyncio__list_init(&server->closers);
    asyncio__list_init(&server->servers);
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
        return; /* in another thread or a forked child it must be leaked rather than harmed */
    if (--server->refs > 0)
        return;
    if (!server->is_closed) {
        server->refs = 1; /* for the close */
        asyncio__ignore(asyncio_server_close(server));
        if (--server->refs > 0)
            return; /* an accept under way ends first */
    }
    for (size_t i = 0; i < server->listener_count; i++)
        asyncio_socket_unref(server->listeners[i].sock);
    asyncio__free(server->listeners, server->listener_count * sizeof(*server->listeners));
    asyncio__free_string(server->path);
    asyncio__loop_drop_object(server->loop);
    asyncio__free(server, sizeof(*server));
}

/* --- accepting ----------------------------------------------------------------------------- */

static void begin_accept(asyncio__listener_t *listener);

static void on_pause_over(asyncio__ready_t *self)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(self, asyncio__timer_t, ready);
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(timer, asyncio__listener_t, pause);
    asyncio__timer_begin(listener->server->loop, timer);
    listener->is_paused = false;
    if (!listener->server->loop->closed)
        begin_accept(listener);
    asyncio_server_unref(listener->server);
}

static void start_pause(asyncio__listener_t *listener);

static void on_turn_over(asyncio__ready_t *self)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(self, asyncio__timer_t, ready);
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(timer, asyncio__listener_t, pause);
    asyncio_server_t *server = listener->server;
    asyncio__timer_begin(server->loop, timer);
    if (server->loop->closed) {
        listener->is_paused = false;
        asyncio_server_unref(server);
        return;
    }
    /* The place that was just given back: there is one. */
    listener->has_slot = asyncio__loop_reserve(server->loop, 1) == 0;
    start_pause(listener);
}

/* Sets the timer. While there is no memory for it, that is tried each turn, as a timer that is
 * due at once: else the listener would be silent for good. */
static void start_pause(asyncio__listener_t *listener)
{
    asyncio_loop_t *loop = listener->server->loop;
    asyncio__timer_t *timer = &listener->pause;
    int64_t when_ns = asyncio__moment_after(asyncio__loop_now(loop), PAUSE_NS);
    asyncio__timer_init(timer, on_pause_over);
    if (asyncio__timer_start(loop, timer, when_ns) == 0)
        return;
    assert(listener->has_slot);
    listener->has_slot = false; /* it is the timer's now */
    timer->ready.run = on_turn_over;
    timer->is_due = true;
    timer->position = asyncio__loop_schedule(loop, &timer->ready);
}

static void drop_slot(asyncio__listener_t *listener)
{
    if (listener->has_slot && !listener->server->loop->closed)
        asyncio__loop_release(listener->server->loop, 1);
    listener->has_slot = false;
}

/* Out of descriptors or memory: one report, and one try a second later. */
static void pause_listener(asyncio__listener_t *listener, int code)
{
    asyncio_loop_t *loop = listener->server->loop;
    if (listener->is_paused)
        return;
    asyncio__loop_report(loop, "socket.accept() out of system resource", code, NULL, NULL, NULL,
                         NULL);
    if (listener->server->is_closed)
        return; /* by the handler of that report */
    listener->is_paused = true;
    asyncio_server_ref(listener->server);
    start_pause(listener);
}

/* What an accept came to: whether to go on accepting at once. */
static bool on_accepted(asyncio__listener_t *listener, int result)
{
    asyncio_server_t *server = listener->server;
    if (result >= 0) {
        if (server->is_closed || server->loop->closed)
            asyncio__sys.close(result);
        else
            asyncio__server_connect(server, result);
        return true;
    }
    switch (result) {
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        if (!server->is_closed)
            pause_listener(listener, result);
        return false;
    case -EBADF:
    case -ECANCELED:
    case -EINVAL:
        return false; /* it was closed */
    default:
        return true; /* the connection went away before it was accepted */
    }
}

static void on_complete(asyncio__operation_t *operation)
{
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(operation, asyncio__listener_t, accept);
    asyncio_server_t *server = listener->server;
    listener->is_accepting = false;
    if (on_accepted(listener, operation->result) && !server->loop->closed)
        begin_accept(listener);
    asyncio_server_unref(server);
}

static void begin_accept(asyncio__listener_t *listener)
{
    asyncio_server_t *server = listener->server;
    for (int i = 0; !server->is_closed && server->is_serving && !listener->is_accepting &&
                    !listener->is_paused;
         i++) {
        asyncio__engine_t *engine = server->loop->engine;
        listener->accept = (asyncio__operation_t){
            .kind = i < ACCEPTS_IN_A_ROW ? ASYNCIO__ACCEPT : ASYNCIO__POLL_IN,
            .file = listener->sock->file,
            .complete = on_complete};
        int rc = engine->class->submit(engine, &listener->accept);
        if (rc == 0) {
            listener->is_accepting = true;
            asyncio_server_ref(server);
        } else if (!on_accepted(listener, rc < 0 ? rc : listener->accept.result)) {
            return;
        }
    }
}

int asyncio__server_add(asyncio_server_t *server, asyncio_socket_t *sock)
{
    int rc = asyncio__socket_bind_loop(sock, server->loop);
    if (rc < 0)
        return rc;
    if (asyncio__loop_reserve(server->loop, 1) < 0)
        return asyncio__fail(-ENOMEM, NULL);
    size_t size = server->listener_count * sizeof(*server->listeners);
    asyncio__listener_t *listeners =
        asyncio__realloc(server->listeners, size, size + sizeof(*listeners));
    if (!listeners) {
        asyncio__loop_release(server->loop, 1);
        return asyncio__fail(-ENOMEM, NULL);
    }
    server->listeners = listeners;
    listeners[server->listener_count++] = (asyncio__listener_t){
        .sock = asyncio_socket_ref(sock), .server = server, .has_slot = true};
    return 0;
}

int asyncio_server_start_serving(asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "no server was given");
    int rc = asyncio__loop_check(server->loop);
    if (rc < 0)
        return rc;
    if (server->is_closed)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the server is closed");
    if (server->is_serving)
        return 0;
    server->is_serving = true;
    for (size_t i = 0; i < server->listener_count; i++)
        begin_accept(&server->listeners[i]);
    return 0;
}

/* --- closing ------------------------------------------------------------------------------- */

void asyncio__server_wake_closers(asyncio_server_t *server)
{
    if (server->is_closed && server->active == 0)
        asyncio__waiters_wake_all(&server->closers);
}

/* The path goes, if it is still the socket that was bound there. */
static void remove_path(asyncio_server_t *server)
{
    struct stat found;
    if (!server->path)
        return;
    if (asyncio__sys.stat(server->path, &found) == 0 &&
        (uint64_t)found.st_dev == server->path_device &&
        (uint64_t)found.st_ino == server->path_inode)
        asyncio__ignore(asyncio__sys.unlink(server->path));
}

int asyncio_server_close(asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "no server was given");
    int rc = asyncio__loop_check_here(server->loop);
    if (rc < 0)
        return rc;
    if (server->is_closed)
        return 0;
    server->is_closed = true;
    server->is_serving = false;
    server->refs++; /* the last accept may be the last reference */
    for (size_t i = 0; i < server->listener_count; i++) {
        asyncio__listener_t *listener = &server->listeners[i];
        if (listener->is_paused && !server->loop->closed) {
            asyncio__timer_cancel(server->loop, &listener->pause);
            listener->is_paused = false;
            server->refs--;
        }
        drop_slot(listener);
        asyncio__ignore(asyncio_socket_close(listener->sock));
    }
    remove_path(server);
    asyncio__waiters_wake_all(&server->servers);
    asyncio__server_wake_closers(server);
    asyncio_server_unref(server);
    return 0;
}

/* Is the call inside a coroutine of the server's loop: 0, or an error. */
static int check_inside(asyncio_server_t *server)
{
    if (!server)
        return asyncio__fail(-EINVAL, "no server was given");
    return asyncio__operation_check(server->loop);
}

int asyncio_server_wait_closed(asyncio_server_t *server)
{
    int rc = check_inside(server);
    if (rc < 0)
        return rc;
    server->refs++;
    while (rc == 0 && !(server->is_closed && server->active == 0))
        rc = asyncio__waiters_wait(server->loop, &server->closers, "asyncio_server_wait_closed");
    asyncio_server_unref(server);
    return rc;
}

int asyncio_server_serve_forever(asyncio_server_t *server)
{
    int rc = check_inside(server);
    if (rc == 0 && !asyncio__list_is_empty(&server->servers))
        rc = asyncio__fail(ASYNCIO_ERUNTIME, "the server is already served by another task");
    if (rc == 0)
        rc = asyncio_server_start_serving(server);
    if (rc < 0)
        return rc;
    server->refs++;
    rc = asyncio__waiters_wait(server->loop, &server->servers, "asyncio_server_serve_forever");
    asyncio_error_t *error = rc < 0 ? asyncio__error_take_of(rc) : NULL;
    asyncio__ignore(asyncio_server_close(server));
    if (rc == -ECANCELED) {
        /* As in asyncio the connections are closed too, and waited for. */
        asyncio__ignore(asyncio_server_close_clients(server));
        asyncio__ignore(asyncio_server_wait_closed(server));
    }
    asyncio_server_unref(server);
    return asyncio__fail_with(rc < 0 ? rc : -ECANCELED, error);
}

bool asyncio_server_is_serving(const asyncio_server_t *server)
{
    return server && server->is_serving;
}

uint16_t asyncio_server_port(const asyncio_server_t *server, size_t index)
{
    if (!server || server->is_closed || index >= server->listener_count)
        return 0;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (asyncio_socket_getsockname(server->listeners[index].sock, (struct sockaddr *)&address,
                                   &size) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
    return 0;
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int run_wait_closed(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_server_wait_closed(*(asyncio_server_t **)arg);
}

asyncio_coroutine_t *asyncio_server_wait_closed_coroutine(asyncio_server_t *server)
{
    return asyncio__twin(run_wait_closed, &server, sizeof(server), NULL,
                         "asyncio_server_wait_closed");
}

static int run_serve_forever(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_server_serve_forever(*(asyncio_server_t **)arg);
}

asyncio_coroutine_t *asyncio_server_serve_forever_coroutine(asyncio_server_t *server)
{
    return asyncio__twin(run_serve_forever, &server, sizeof(server), NULL,
                         "asyncio_server_serve_forever");
}
