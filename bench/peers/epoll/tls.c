/* SPDX-License-Identifier: MIT */
/*
 * The bare echo server by TLS: epoll and OpenSSL on the socket, without a library between them.
 *
 *     epoll_tls PORT CERT KEY
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER_BYTES = 16384 };

static int poller;

/* Echoes what there is; false when the connection has ended. Responses fit the socket's buffer. */
static bool echo(SSL *ssl)
{
    static char buffer[BUFFER_BYTES];
    do {
        int count = SSL_read(ssl, buffer, sizeof(buffer));
        if (count <= 0)
            return SSL_get_error(ssl, count) == SSL_ERROR_WANT_READ;
        if (SSL_write(ssl, buffer, count) != count)
            return false;
    } while (SSL_has_pending(ssl));
    return true;
}

static void accept_all(int listener, SSL_CTX *ctx)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        SSL *ssl = SSL_new(ctx);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        SSL_set_fd(ssl, fd);
        SSL_set_accept_state(ssl);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    int on = 1;
    if (argc != 4)
        return 2;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_read_ahead(ctx, 1);
    if (SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1)
        return 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 1024) < 0)
        return 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            SSL *ssl = events[i].data.ptr;
            if (!ssl) {
                accept_all(listener, ctx);
            } else if (!echo(ssl)) {
                close(SSL_get_fd(ssl));
                SSL_free(ssl);
            }
        }
    }
}
