/* SPDX-License-Identifier: MIT */
/*
 * The echo servers: one task for each connection, on sockets and on streams. They do not measure
 * time: load.c sends requests to them, and a signal ends the process.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { BUFFER_BYTES = 16384 };

static int serve_socket(asyncio_socket_t *sock, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    char buffer[BUFFER_BYTES];
    ssize_t count;
    while ((count = asyncio_loop_sock_recv(loop, sock, buffer, sizeof(buffer))) > 0) {
        count = asyncio_loop_sock_sendall(loop, sock, buffer, (size_t)count, NULL);
        if (count < 0)
            break;
    }
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    return 0;
}
ASYNCIO_COROUTINE(serve_socket, (asyncio_socket_t *, sock));

int bench_echo(uint16_t port)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    asyncio_socket_t *listener = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    if (!listener)
        return asyncio_errno();
    int rc = asyncio_socket_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0)
        rc = asyncio_socket_bind(listener, (struct sockaddr *)&address, sizeof(address));
    if (rc == 0)
        rc = asyncio_socket_listen(listener, 1024);
    while (rc == 0) {
        asyncio_socket_t *sock;
        rc = asyncio_loop_sock_accept(loop, listener, &sock, NULL, NULL);
        if (rc < 0)
            break;
        asyncio_socket_setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, 1);
        rc = asyncio_task_detach(asyncio_create_task(serve_socket_coroutine(sock)));
    }
    asyncio_socket_unref(listener);
    return rc;
}

static int serve_streams(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)arg;
    char buffer[BUFFER_BYTES];
    ssize_t count;
    while ((count = asyncio_stream_reader_read(reader, buffer, sizeof(buffer))) > 0) {
        asyncio_stream_writer_write(writer, buffer, (size_t)count);
        if (asyncio_stream_writer_drain(writer) < 0)
            break;
    }
    return 0;
}

int bench_echo_streams(uint16_t port)
{
    asyncio_server_options_t options = {.size = sizeof(options), .backlog = 1024};
    asyncio_server_t *server;
    int rc = asyncio_start_server("127.0.0.1", port, serve_streams, NULL, &options, &server);
    if (rc < 0)
        return rc;
    rc = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return rc;
}
