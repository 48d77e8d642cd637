/* SPDX-License-Identifier: MIT */
/*
 * Transports with protocols: over socket pairs, to servers on the loopback and on a Unix socket,
 * and over pipes. Nobody waits for what a failure may have kept back: what is open at the end is
 * aborted, and every protocol must have been destroyed when the loop is closed.
 */
#include "sweep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A code of a call on a connection; sim has no sockets. */
#define net(rc) sweep_net((rc), #rc, __LINE__)
static long sweep_net(long rc, const char *call, int line)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (rc == -ECONNRESET || rc == -EPIPE || rc == -ENOTCONN || rc == -ECONNREFUSED)
        return rc;
    if (rc == -EBADF && sweep_loop_cannot_wait())
        return rc;
    bool is_sim = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

/* --- a protocol ---------------------------------------------------------------------------- */

typedef struct talker {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport; /* until connection_lost */
    char buffer[8];                 /* of the buffered kind */
} talker_t;

static void made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    ((talker_t *)protocol)->transport = transport;
    net(asyncio_transport_write(transport, "hello", 5));
}

static void received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    struct iovec pieces[2] = {{(void *)data, size}, {"!", 1}};
    asyncio_transport_t *transport = ((talker_t *)protocol)->transport;
    if (size < 16) /* use_transport() may have ended writing */
        may_be(asyncio_transport_writelines(transport, pieces, 2), ASYNCIO_ERUNTIME);
    else
        net(asyncio_transport_write_eof(transport));
}

static size_t get_buffer(asyncio_protocol_t *protocol, size_t size_hint, void **ret_buffer)
{
    (void)size_hint;
    *ret_buffer = ((talker_t *)protocol)->buffer;
    return sizeof(((talker_t *)protocol)->buffer);
}

static void updated(asyncio_protocol_t *protocol, size_t size)
{
    received(protocol, ((talker_t *)protocol)->buffer, size);
}

static void lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;
    ((talker_t *)protocol)->transport = NULL;
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static const asyncio_protocol_functions_t plain = {.size = sizeof(plain),
                                                   .connection_made = made,
                                                   .data_received = received,
                                                   .connection_lost = lost,
                                                   .destroy = destroy};
static const asyncio_protocol_functions_t buffered = {.size = sizeof(buffered),
                                                      .connection_made = made,
                                                      .get_buffer = get_buffer,
                                                      .buffer_updated = updated,
                                                      .connection_lost = lost,
                                                      .destroy = destroy};

static asyncio_protocol_t *make(void *arg)
{
    talker_t *talker = calloc(1, sizeof(*talker));
    talker->protocol.functions = arg;
    return &talker->protocol;
}

static void end_transport(asyncio_transport_t *transport)
{
    if (!transport)
        return;
    may(asyncio_transport_abort(transport));
    must(asyncio_transport_is_closing(transport));
    asyncio_transport_unref(asyncio_transport_ref(transport));
    asyncio_transport_unref(transport);
}

/* Awaits a coroutine object of a call, which has put a transport or a server where it was told. */
static long run_object(asyncio_coroutine_t *object)
{
    return is_there(object) ? net(asyncio_await(object, NULL)) : -ENOMEM;
}

/* Some turns, in which what is there is received. */
static void take_turns(void)
{
    for (int i = 0; i < 6; i++)
        may(asyncio_sleep(0));
}

/* --- servers and connections --------------------------------------------------------------- */

#define PLAIN    ((void *)(uintptr_t)&plain)
#define BUFFERED ((void *)(uintptr_t)&buffered)

static void use_transport(asyncio_transport_t *transport)
{
    char name[64];
    size_t high, low;
    may(asyncio_transport_set_write_buffer_limits(transport, 64, 16));
    must(asyncio_transport_get_write_buffer_limits(transport, &high, &low) == 0 && high == 64);
    net(asyncio_transport_write(transport, "0123456789abcdef", 16));
    asyncio_transport_get_write_buffer_size(transport);
    net(asyncio_transport_get_extra_info(transport, "peername", name, sizeof(name)));
    must(asyncio_transport_get_socket(transport));
    must(!asyncio_transport_get_ssl_object(transport));
    must(asyncio_transport_can_write_eof(transport));
    net(asyncio_transport_pause_reading(transport));
    must(!asyncio_transport_is_reading(transport));
    take_turns();
    net(asyncio_transport_resume_reading(transport));
    asyncio_protocol_t *former = asyncio_transport_get_protocol(transport), *other = make(BUFFERED);
    ((talker_t *)other)->transport = transport;
    if (may(asyncio_transport_set_protocol(transport, other)) == 0)
        destroy(former);
    else
        destroy(other);
    take_turns();
    net(asyncio_transport_write_eof(transport));
    may(asyncio_transport_close(transport));
}

static void stop_server(asyncio_server_t *server)
{
    if (!server)
        return;
    take_turns();
    may(asyncio_server_close(server));
    may(asyncio_server_abort_clients(server));
    net(asyncio_server_wait_closed(server));
    asyncio_server_unref(server);
}

static void use_tcp(asyncio_loop_t *loop)
{
    asyncio_server_t *servers[2] = {NULL, NULL};
    asyncio_transport_t *transports[2] = {NULL, NULL};
    net(asyncio_loop_create_server(loop, make, BUFFERED, "127.0.0.1", 0, NULL, &servers[0]));
    run_object(
        asyncio_loop_create_server_coroutine(loop, make, PLAIN, "127.0.0.1", 0, NULL, &servers[1]));
    for (int i = 0; i < 2; i++) {
        if (!servers[i])
            continue;
        uint16_t port = asyncio_server_port(servers[i], 0);
        if (i == 0)
            net(asyncio_loop_create_connection(loop, make, PLAIN, "127.0.0.1", port, NULL,
                                               &transports[i]));
        else
            run_object(asyncio_loop_create_connection_coroutine(
                loop, make, BUFFERED, "127.0.0.1", port, NULL, &transports[i]));
        if (transports[i])
            use_transport(transports[i]);
    }
    for (int i = 0; i < 2; i++) {
        end_transport(transports[i]);
        stop_server(servers[i]);
    }
}

static void use_unix(asyncio_loop_t *loop, bool as_object)
{
    char path[64];
    asyncio_server_t *server = NULL;
    asyncio_transport_t *transport = NULL;
    snprintf(path, sizeof(path), "/tmp/asyncio-sweep-%d", (int)getpid());
    if (as_object)
        run_object(
            asyncio_loop_create_unix_server_coroutine(loop, make, PLAIN, path, NULL, &server));
    else
        net(asyncio_loop_create_unix_server(loop, make, PLAIN, path, NULL, &server));
    if (server && as_object)
        run_object(asyncio_loop_create_unix_connection_coroutine(loop, make, PLAIN, path, NULL,
                                                                 &transport));
    else if (server)
        net(asyncio_loop_create_unix_connection(loop, make, PLAIN, path, NULL, &transport));
    end_transport(transport);
    stop_server(server);
    unlink(path);
}

static void use_accepted(asyncio_loop_t *loop)
{
    int fds[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++) {
        asyncio_transport_t *transport = NULL;
        asyncio_socket_t *sock = asyncio_socket_from_fd(fds[i]);
        if (!is_there(sock)) {
            close(fds[i]);
            continue;
        }
        if (i == 0)
            net(asyncio_loop_connect_accepted_socket(loop, make, PLAIN, sock, NULL,
                                                     &transport));
        else
            run_object(asyncio_loop_connect_accepted_socket_coroutine(loop, make, BUFFERED, sock,
                                                                      NULL, &transport));
        asyncio_socket_unref(sock);
        take_turns();
        end_transport(transport);
    }
}

static void use_protocols(asyncio_loop_t *loop)
{
    sweep_ignore_reports(loop);
    use_accepted(loop);
    use_tcp(loop);
    use_unix(loop, false);
    use_unix(loop, true);
}

const scenario_t sweep_protocols = {
    .name = "protocols", .use = use_protocols, .has_sockets = true};

/* --- pipes --------------------------------------------------------------------------------- */

static void use_pipe(asyncio_loop_t *loop, bool as_object)
{
    int fds[2];
    asyncio_transport_t *transports[2] = {NULL, NULL};
    must(pipe2(fds, O_CLOEXEC) == 0);
    for (int i = 0; i < 2; i++) {
        asyncio_socket_t *end = asyncio_socket_from_fd(fds[i]);
        if (!is_there(end)) {
            close(fds[i]);
            continue;
        }
        static const asyncio_protocol_functions_t quiet = {.size = sizeof(quiet),
                                                           .destroy = destroy};
        void *arg = (void *)(uintptr_t)&quiet;
        if (i == 0 && as_object)
            run_object(asyncio_loop_connect_read_pipe_coroutine(loop, make, arg, end,
                                                                &transports[i]));
        else if (i == 0)
            net(asyncio_loop_connect_read_pipe(loop, make, arg, end, &transports[i]));
        else if (as_object)
            run_object(asyncio_loop_connect_write_pipe_coroutine(loop, make, arg, end,
                                                                 &transports[i]));
        else
            net(asyncio_loop_connect_write_pipe(loop, make, arg, end, &transports[i]));
        asyncio_socket_unref(end);
    }
    if (transports[1])
        net(asyncio_transport_write(transports[1], "through", 7));
    take_turns();
    end_transport(transports[0]);
    end_transport(transports[1]);
}

static void use_pipes(asyncio_loop_t *loop)
{
    sweep_ignore_reports(loop);
    use_pipe(loop, false);
    use_pipe(loop, true);
}

const scenario_t sweep_pipes = {.name = "pipes", .use = use_pipes, .has_sockets = true};
