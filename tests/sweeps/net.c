/* SPDX-License-Identifier: MIT */
/*
 * Sockets, streams and names, over socket pairs and the loopback. Whoever reads knows that
 * the other end is closed, or closes it: so nobody waits for what a failure has kept back.
 */
#include "sweep.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Accepts the code of a call on a connection: a failure at one end is a reset or an end at the
 * other; and sim has no sockets. */
#define net(rc) sweep_net((rc), #rc, __LINE__)
static long sweep_net(long rc, const char *call, int line)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (rc == -ECONNRESET || rc == -EPIPE || rc == -ENOTCONN || rc == ASYNCIO_EINCOMPLETEREAD)
        return rc;
    /* A loop that cannot wait is closed, and so are its sockets. */
    if (rc == -EBADF && sweep_loop_cannot_wait())
        return rc;
    bool is_sim = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

static long run_object(asyncio_coroutine_t *object)
{
    return is_there(object) ? net(asyncio_await(object, NULL)) : -ENOMEM;
}

/* --- sockets ------------------------------------------------------------------------------- */

/* Opens a connection; false: it failed. */
static bool open_ends(int type, asyncio_socket_t *ends[2])
{
    int fds[2];
    must(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++) {
        ends[i] = asyncio_socket_from_fd(fds[i]);
        if (!is_there(ends[i]))
            close(fds[i]);
    }
    return ends[0] && ends[1];
}

static void close_ends(asyncio_socket_t *ends[2])
{
    for (int i = 0; i < 2; i++)
        asyncio_socket_unref(ends[i]);
}

static void talk(asyncio_loop_t *loop, asyncio_socket_t *ends[2])
{
    char bytes[8];
    if (net(asyncio_loop_sock_sendall(loop, ends[0], "abcd", 4, NULL)) == 0) {
        net(asyncio_loop_sock_recv(loop, ends[1], bytes, 1));
        net(asyncio_loop_sock_recv_into(loop, ends[1], bytes, 1));
    }
    run_object(asyncio_loop_sock_sendall_coroutine(loop, ends[0], "efgh", 4, NULL));
    /* One side waits before there is data, and ends at the latest with the other side. */
    asyncio_task_t *task = asyncio_create_task(
        asyncio_loop_sock_recv_coroutine(loop, ends[0], bytes, sizeof(bytes)));
    is_there(task);
    may(asyncio_sleep(0));
    net(asyncio_socket_shutdown(ends[0], SHUT_WR));
    run_object(asyncio_loop_sock_recv_into_coroutine(loop, ends[1], bytes, sizeof(bytes)));
    asyncio_socket_unref(asyncio_socket_ref(ends[1]));
    may(asyncio_socket_close(ends[1]));
    if (task)
        net(asyncio_await_unref(task, NULL));
}

static void use_datagrams(asyncio_loop_t *loop)
{
    asyncio_socket_t *sock = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char bytes[8];
    if (!is_there(sock))
        return;
    if (may(asyncio_socket_bind(sock, (struct sockaddr *)&address, size)) == 0 &&
        may(asyncio_socket_getsockname(sock, (struct sockaddr *)&address, &size)) == 0) {
        const struct sockaddr *to = (struct sockaddr *)&address;
        if (net(asyncio_loop_sock_sendto(loop, sock, "x", 1, to, size)) > 0)
            net(asyncio_loop_sock_recvfrom(loop, sock, bytes, sizeof(bytes), NULL, NULL));
        if (run_object(asyncio_loop_sock_sendto_coroutine(loop, sock, "y", 1, to, size)) == 0)
            run_object(asyncio_loop_sock_recvfrom_coroutine(loop, sock, bytes, sizeof(bytes), NULL,
                                                            NULL));
    }
    asyncio_socket_unref(sock);
}

static asyncio_socket_t *listen_on(struct sockaddr_in *address)
{
    socklen_t size = sizeof(*address);
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    asyncio_socket_t *listener = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    if (!is_there(listener))
        return NULL;
    may(asyncio_socket_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1));
    int value = 1;
    size_t value_size = sizeof(value);
    may(asyncio_socket_getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &value, &value_size));
    may(asyncio_socket_setsockopt_bytes(listener, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
    if (may(asyncio_socket_bind(listener, (struct sockaddr *)address, size)) == 0 &&
        may(asyncio_socket_listen(listener, 4)) == 0 &&
        may(asyncio_socket_getsockname(listener, (struct sockaddr *)address, &size)) == 0)
        return listener;
    asyncio_socket_unref(listener);
    return NULL;
}

/* A client connects and is accepted, by calls and by coroutine objects. */
static void use_listener(asyncio_loop_t *loop)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    for (int is_object = 0; is_object < 2; is_object++) {
        asyncio_socket_t *listener = listen_on(&address), *accepted = NULL;
        asyncio_socket_t *client = listener ? asyncio_socket(AF_INET, SOCK_STREAM, 0) : NULL;
        if (client) {
            const struct sockaddr *to = (struct sockaddr *)&address;
            long rc = is_object
                          ? run_object(asyncio_loop_sock_connect_coroutine(loop, client, to, size))
                          : net(asyncio_loop_sock_connect(loop, client, to, size));
            if (rc == 0 && is_object)
                run_object(
                    asyncio_loop_sock_accept_coroutine(loop, listener, &accepted, NULL, NULL));
            else if (rc == 0)
                net(asyncio_loop_sock_accept(loop, listener, &accepted, NULL, NULL));
            if (accepted)
                may(asyncio_socket_getpeername(accepted, (struct sockaddr *)&address, &size));
        }
        asyncio_socket_unref(accepted);
        asyncio_socket_unref(client);
        asyncio_socket_unref(listener);
    }
}

static void use_sockets(asyncio_loop_t *loop)
{
    asyncio_socket_t *ends[2];
    if (open_ends(SOCK_STREAM, ends)) {
        must(asyncio_socket_fileno(ends[0]) >= 0);
        talk(loop, ends);
    }
    close_ends(ends);
    use_datagrams(loop);
    use_listener(loop);
}

const scenario_t sweep_sockets = {.name = "sockets", .use = use_sockets, .has_sockets = true};

/* --- streams ------------------------------------------------------------------------------- */

/* Reads in every way; the other end has closed, or is closed now. */
static void read_all_ways(asyncio_stream_reader_t *reader)
{
    const char *data;
    char bytes[4];
    net(asyncio_stream_reader_read(reader, bytes, 1));
    net(asyncio_stream_reader_readexactly(reader, bytes, 2, NULL));
    net(asyncio_stream_reader_readline(reader, &data));
    net(asyncio_stream_reader_readuntil(reader, ";", 1, &data));
    run_object(asyncio_stream_reader_read_coroutine(reader, bytes, 1));
    run_object(asyncio_stream_reader_readexactly_coroutine(reader, bytes, 1, NULL));
    run_object(asyncio_stream_reader_readline_coroutine(reader, &data));
    run_object(asyncio_stream_reader_readuntil_coroutine(reader, ";", 1, &data));
    net(asyncio_stream_reader_read_all(reader, &data));
    run_object(asyncio_stream_reader_read_all_coroutine(reader, &data));
    asyncio_stream_reader_at_eof(reader);
    asyncio_stream_reader_partial(reader);
}

static void write_and_close(asyncio_stream_writer_t *writer)
{
    struct iovec pieces[2] = {{"abc\n", 4}, {"d;e\nf;", 6}};
    char name[64];
    may(asyncio_stream_writer_set_write_buffer_limits(writer, 64, 16));
    net(asyncio_stream_writer_write(writer, "123", 3));
    net(asyncio_stream_writer_writelines(writer, pieces, 2));
    net(asyncio_stream_writer_drain(writer));
    run_object(asyncio_stream_writer_drain_coroutine(writer));
    /* A failed send has closed the socket. */
    if (net(asyncio_stream_writer_drain(writer)) == 0)
        net(asyncio_stream_writer_get_extra_info(writer, "peername", name, sizeof(name)));
    asyncio_stream_writer_get_socket(writer);
    must(!asyncio_stream_writer_get_ssl_object(writer));
    asyncio_stream_writer_get_write_buffer_size(writer);
    net(asyncio_stream_writer_write_eof(writer));
    may(asyncio_stream_writer_close(writer));
    must(asyncio_stream_writer_is_closing(writer));
    net(asyncio_stream_writer_wait_closed(writer));
    run_object(asyncio_stream_writer_wait_closed_coroutine(writer));
}

static void give_up(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    asyncio_stream_reader_unref(asyncio_stream_reader_ref(reader));
    asyncio_stream_writer_unref(asyncio_stream_writer_ref(writer));
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
}

static void use_streams(asyncio_loop_t *loop)
{
    asyncio_socket_t *ends[2];
    asyncio_stream_reader_t *readers[2] = {NULL, NULL};
    asyncio_stream_writer_t *writers[2] = {NULL, NULL};
    (void)loop;
    bool are_there = open_ends(SOCK_STREAM, ends);
    for (int i = 0; i < 2 && are_there; i++)
        are_there =
            net(asyncio_streams_of_socket(ends[i], NULL, &readers[i], &writers[i])) == 0;
    close_ends(ends);
    if (are_there) {
        write_and_close(writers[0]);
        read_all_ways(readers[1]);
        may(asyncio_stream_writer_abort(writers[1]));
    }
    for (int i = 0; i < 2; i++)
        give_up(readers[i], writers[i]);
}

const scenario_t sweep_streams = {.name = "streams", .use = use_streams, .has_sockets = true};

/* --- names --------------------------------------------------------------------------------- */

/* A label has at most 63 bytes: a thread looks this name up, and libc refuses it without asking the
 * network. */
#define IMPOSSIBLE_NAME "a-label-of-more-than-sixty-three-bytes-is-not-a-valid-part-of-any-name"

static void use_addresses(asyncio_loop_t *loop, const char *host)
{
    struct addrinfo *found = NULL;
    if (may_be(asyncio_loop_getaddrinfo(loop, host, NULL, NULL, &found), ASYNCIO_EGAI) == 0)
        freeaddrinfo(found);
    asyncio_coroutine_t *object =
        asyncio_loop_getaddrinfo_coroutine(loop, host, NULL, NULL, &found);
    if (is_there(object) && may_be(asyncio_await(object, NULL), ASYNCIO_EGAI) == 0)
        freeaddrinfo(found);
}

static void use_names(asyncio_loop_t *loop)
{
    asyncio_names_t names;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *plain = (const struct sockaddr *)&address;
    must(asyncio_resolver_set_max_workers(0) == 0);
    use_addresses(loop, "localhost");
    use_addresses(loop, IMPOSSIBLE_NAME);
    may_be(asyncio_loop_getnameinfo(loop, plain, sizeof(address), NI_NUMERICHOST, &names),
           ASYNCIO_EGAI);
    asyncio_coroutine_t *object = asyncio_loop_getnameinfo_coroutine(
        loop, plain, sizeof(address), NI_NUMERICHOST, &names);
    if (is_there(object))
        may_be(asyncio_await(object, NULL), ASYNCIO_EGAI);
}

const scenario_t sweep_names = {.name = "names", .use = use_names, .in_real_time = true};
