/* SPDX-License-Identifier: MIT */
/*
 * Sockets: made, asked, closed, and the loop's sock_… calls.
 *
 * The engine knows a socket by its file, made at the first use on a loop. Closing goes through
 * the engine, so that the number is not used again while an operation could mean the old one.
 */
#include "net/socket.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "net/operation.h"
#include "task/twin.h"

#define BACKLOG_DEFAULT 100

/* --- made and closed ----------------------------------------------------------------------- */

static asyncio_socket_t *make(int fd)
{
    asyncio_socket_t *sock = asyncio__calloc(sizeof(*sock));
    if (!sock)
        return NULL;
    sock->refs = 1;
    sock->fd = fd;
    return sock;
}

asyncio_socket_t *asyncio_socket(int family, int type, int protocol)
{
    int fd = asyncio__sys.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return asyncio__fail_new(-errno, "no socket could be made");
    asyncio_socket_t *sock = make(fd);
    if (sock)
        return sock;
    asyncio__sys.close(fd);
    return asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_socket_t *asyncio_socket_from_fd(int fd)
{
    if (fd < 0)
        return asyncio__fail_new(-EINVAL, "no descriptor was given");
    int flags = asyncio__sys.fcntl(fd, F_GETFL, 0);
    if (flags < 0 || asyncio__sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return asyncio__fail_new(-errno, "the descriptor is not open");
    asyncio_socket_t *sock = make(fd);
    return sock ? sock : asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_socket_t *asyncio_socket_ref(asyncio_socket_t *sock)
{
    if (sock)
        sock->refs++;
    return sock;
}

int asyncio_socket_close(asyncio_socket_t *sock)
{
    if (!sock)
        return asyncio__fail(-EINVAL, "no socket was given");
    int rc = sock->file ? asyncio__loop_check_here(sock->loop) : 0;
    if (rc < 0 || sock->fd < 0)
        return rc;
    if (!sock->file) {
        asyncio__sys.close(sock->fd);
    } else if (!sock->loop->closed) { /* else the engine closed it */
        asyncio__loop_unclaim(sock->loop, sock->fd);
        sock->loop->engine->class->close_file(sock->loop->engine, sock->file);
    }
    sock->file = NULL;
    sock->fd = -1;
    return 0;
}

void asyncio_socket_unref(asyncio_socket_t *sock)
{
    if (!sock || (sock->loop && asyncio__loop_check_here(sock->loop) < 0))
        return; /* in another thread or a forked child it must be leaked rather than harmed */
    if (--sock->refs > 0)
        return;
    asyncio__ignore(asyncio_socket_close(sock));
    asyncio__loop_drop_object(sock->loop);
    asyncio__free(sock, sizeof(*sock));
}

int asyncio__socket_bind_loop(asyncio_socket_t *sock, asyncio_loop_t *loop)
{
    if (!sock)
        return asyncio__fail(-EINVAL, "no socket was given");
    if (!asyncio__socket_is_open(sock))
        return asyncio__fail(-EBADF, "the socket is closed");
    if (ASYNCIO__LIKELY(sock->file != NULL))
        return sock->loop == loop
                   ? 0
                   : asyncio__fail(ASYNCIO_ERUNTIME, "the socket belongs to another loop");
    int rc = asyncio__loop_claim(loop, sock->fd);
    if (rc == 0) {
        rc = loop->engine->class->open_file(loop->engine, sock->fd, ASYNCIO__FILE_ANY,
                                            &sock->file);
        if (rc < 0)
            asyncio__loop_unclaim(loop, sock->fd);
    }
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    sock->loop = asyncio__loop_hold(loop);
    return 0;
}

/* --- asked --------------------------------------------------------------------------------- */

static int check_open(const asyncio_socket_t *sock)
{
    if (!sock)
        return asyncio__fail(-EINVAL, "no socket was given");
    return asyncio__socket_is_open(sock) ? 0 : asyncio__fail(-EBADF, "the socket is closed");
}

/* The answer of a system call. */
static int answer(int rc)
{
    return rc < 0 ? asyncio__fail(-errno, NULL) : 0;
}

int asyncio_socket_fileno(const asyncio_socket_t *sock)
{
    return sock && asyncio__socket_is_open(sock) ? sock->fd : -1;
}

int asyncio_socket_bind(asyncio_socket_t *sock, const struct sockaddr *address, socklen_t size)
{
    int rc = check_open(sock);
    if (rc == 0 && !address)
        rc = asyncio__fail(-EINVAL, "no address was given");
    return rc < 0 ? rc : answer(asyncio__sys.bind(sock->fd, address, size));
}

int asyncio_socket_listen(asyncio_socket_t *sock, int backlog)
{
    int rc = check_open(sock);
    if (rc < 0)
        return rc;
    return answer(asyncio__sys.listen(sock->fd, backlog > 0 ? backlog : BACKLOG_DEFAULT));
}

int asyncio_socket_shutdown(asyncio_socket_t *sock, int how)
{
    int rc = check_open(sock);
    return rc < 0 ? rc : answer(asyncio__sys.shutdown(sock->fd, how));
}

int asyncio_socket_setsockopt(asyncio_socket_t *sock, int level, int name, int value)
{
    int rc = check_open(sock);
    if (rc < 0)
        return rc;
    return answer(asyncio__sys.setsockopt(sock->fd, level, name, &value, sizeof(value)));
}

int asyncio_socket_getsockname(const asyncio_socket_t *sock, struct sockaddr *ret_address,
                               socklen_t *size)
{
    int rc = check_open(sock);
    if (rc == 0 && (!ret_address || !size))
        rc = asyncio__fail(-EINVAL, "no room for the address was given");
    return rc < 0 ? rc : answer(asyncio__sys.getsockname(sock->fd, ret_address, size));
}

int asyncio_socket_getpeername(const asyncio_socket_t *sock, struct sockaddr *ret_address,
                               socklen_t *size)
{
    int rc = check_open(sock);
    if (rc == 0 && (!ret_address || !size))
        rc = asyncio__fail(-EINVAL, "no room for the address was given");
    return rc < 0 ? rc : answer(asyncio__sys.getpeername(sock->fd, ret_address, size));
}

/* --- the loop's calls ---------------------------------------------------------------------- */

static int check(asyncio_loop_t *loop, asyncio_socket_t *sock, bool has_arguments)
{
    if (!has_arguments)
        return asyncio__fail(-EINVAL, "NULL was given");
    int rc = asyncio__operation_check(loop);
    return rc < 0 ? rc : asyncio__socket_bind_loop(sock, loop);
}

ssize_t asyncio_loop_sock_recv_into(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                                    size_t size)
{
    int rc = check(loop, sock, buffer || !size);
    if (rc < 0 || size == 0)
        return rc;
    asyncio__operation_t op = {
        .kind = ASYNCIO__RECV, .file = sock->file, .buffer = buffer, .size = size};
    return asyncio__operation_await(loop, &op);
}

ssize_t asyncio_loop_sock_recv(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                               size_t size)
{
    return asyncio_loop_sock_recv_into(loop, sock, buffer, size);
}

int asyncio_loop_sock_sendall(asyncio_loop_t *loop, asyncio_socket_t *sock, const void *data,
                              size_t size, size_t *ret_sent)
{
    size_t sent = 0;
    int rc = check(loop, sock, data || !size);
    while (rc >= 0 && sent < size) {
        if (!asyncio__socket_is_open(sock)) {
            rc = asyncio__fail(-EBADF, "the socket was closed");
            break;
        }
        asyncio__operation_t op = {.kind = ASYNCIO__SEND,
                                   .file = sock->file,
                                   .buffer = (char *)data + sent,
                                   .size = size - sent};
        rc = asyncio__operation_await(loop, &op);
        if (rc > 0)
            sent += (size_t)rc;
    }
    if (ret_sent)
        *ret_sent = sent;
    return rc < 0 ? rc : 0;
}

int asyncio_loop_sock_accept(asyncio_loop_t *loop, asyncio_socket_t *sock,
                             asyncio_socket_t **ret_sock, struct sockaddr *ret_address,
                             socklen_t *address_size)
{
    int rc = check(loop, sock, ret_sock && (!ret_address || address_size));
    if (rc < 0)
        return rc;
    asyncio__operation_t op;
    do { /* a connection that went away again before it was accepted is no error of ours */
        op = (asyncio__operation_t){.kind = ASYNCIO__ACCEPT,
                                    .file = sock->file,
                                    .address = ret_address,
                                    .address_size = ret_address ? *address_size : 0};
        rc = asyncio__operation_await(loop, &op);
    } while (rc == -ECONNABORTED && asyncio__socket_is_open(sock));
    if (rc < 0)
        return rc;
    asyncio_socket_t *accepted = make(rc);
    if (!accepted) {
        asyncio__sys.close(rc);
        return asyncio__fail(-ENOMEM, NULL);
    }
    if (ret_address)
        *address_size = op.address_size;
    *ret_sock = accepted;
    return 0;
}

int asyncio_loop_sock_connect(asyncio_loop_t *loop, asyncio_socket_t *sock,
                              const struct sockaddr *address, socklen_t size)
{
    int rc = check(loop, sock, address != NULL);
    if (rc < 0)
        return rc;
    asyncio__operation_t op = {.kind = ASYNCIO__CONNECT,
                               .file = sock->file,
                               .address = (struct sockaddr *)address,
                               .address_size = size};
    return asyncio__operation_await(loop, &op);
}

ssize_t asyncio_loop_sock_recvfrom(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                                   size_t size, struct sockaddr *ret_address,
                                   socklen_t *address_size)
{
    int rc = check(loop, sock, (buffer || !size) && (!ret_address || address_size));
    if (rc < 0)
        return rc;
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_name = ret_address,
                             .msg_namelen = ret_address ? *address_size : 0,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    asyncio__operation_t op = {
        .kind = ASYNCIO__RECVMSG, .file = sock->file, .message = &message};
    rc = asyncio__operation_await(loop, &op);
    if (rc >= 0 && ret_address)
        *address_size = message.msg_namelen;
    return rc;
}

ssize_t asyncio_loop_sock_sendto(asyncio_loop_t *loop, asyncio_socket_t *sock, const void *data,
                                 size_t size, const struct sockaddr *address,
                                 socklen_t address_size)
{
    int rc = check(loop, sock, data || !size);
    if (rc < 0)
        return rc;
    struct iovec part = {(void *)data, size};
    struct msghdr message = {.msg_name = (void *)address,
                             .msg_namelen = address ? address_size : 0,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    asyncio__operation_t op = {
        .kind = ASYNCIO__SENDMSG, .file = sock->file, .message = &message};
    return asyncio__operation_await(loop, &op);
}
