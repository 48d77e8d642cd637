/* SPDX-License-Identifier: MIT */
/*
 * The reference of the echo works: `epoll_echo PORT`, a bare echo server on level-triggered epoll,
 * written without a library. It knows nothing of libasyncio.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, EVENTS = 256 };

/** A connection, and the bytes that could not be sent at once, which most never have. */
typedef struct connection {
    int fd;           /**< its socket */
    char *rest;       /**< bytes to send before more is read, or NULL */
    size_t rest_from; /**< number of them that are sent */
    size_t rest_size; /**< number of all of them */
} connection_t;

static char buffer[BUFFER_BYTES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("bind");
    if (listen(fd, 1024) < 0)
        die("listen");
    return fd;
}

static void watch(int epoll, int operation, connection_t *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, operation, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void drop(connection_t *connection)
{
    close(connection->fd);
    free(connection->rest);
    free(connection);
}

static void accept_all(int epoll, int listener)
{
    int one = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        connection_t *connection = calloc(1, sizeof(*connection));
        if (!connection)
            die("calloc");
        connection->fd = fd;
        watch(epoll, EPOLL_CTL_ADD, connection, EPOLLIN);
    }
}

static void on_readable(int epoll, connection_t *connection)
{
    ssize_t count = recv(connection->fd, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        drop(connection);
        return;
    }
    ssize_t sent = send(connection->fd, buffer, (size_t)count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(connection);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (sent == count)
        return;
    connection->rest_size = (size_t)(count - sent);
    connection->rest_from = 0;
    connection->rest = malloc(connection->rest_size);
    if (!connection->rest)
        die("malloc");
    memcpy(connection->rest, buffer + sent, connection->rest_size);
    watch(epoll, EPOLL_CTL_MOD, connection, EPOLLOUT);
}

static void on_writable(int epoll, connection_t *connection)
{
    ssize_t sent = send(connection->fd, connection->rest + connection->rest_from,
                        connection->rest_size - connection->rest_from, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0) {
        drop(connection);
        return;
    }
    connection->rest_from += (size_t)sent;
    if (connection->rest_from < connection->rest_size)
        return;
    free(connection->rest);
    connection->rest = NULL;
    watch(epoll, EPOLL_CTL_MOD, connection, EPOLLIN);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: epoll_echo PORT\n");
        return 2;
    }
    bench_pin();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    connection_t listener = {.fd = listen_on((uint16_t)atoi(argv[1]))};
    watch(epoll, EPOLL_CTL_ADD, &listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            connection_t *connection = events[i].data.ptr;
            if (connection == &listener)
                accept_all(epoll, listener.fd);
            else if (connection->rest)
                on_writable(epoll, connection);
            else
                on_readable(epoll, connection);
        }
    }
}
