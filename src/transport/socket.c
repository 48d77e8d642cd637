/* SPDX-License-Identifier: MIT */
/*
 * Sockets: made, closed and asked, without waiting; see socket.h. The calls of the loop that wait
 * for a socket are above, in net/loop_sock.c.
 */
#include "transport/socket.h"

#include <fcntl.h>
#include <limits.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"

#define BACKLOG_DEFAULT 100

/* --- made and closed ----------------------------------------------------------------------- */

asyncio_socket_t *asyncio__socket_new(int fd)
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
        return asyncio__fail_new(-errno, "the socket cannot be created");
    asyncio_socket_t *sock = asyncio__socket_new(fd);
    if (sock)
        return sock;
    asyncio__sys.close(fd);
    return asyncio__fail_new(-ENOMEM, NULL);
}

asyncio_socket_t *asyncio_socket_from_fd(int fd)
{
    if (fd < 0)
        return asyncio__fail_new(-EINVAL, "\"fd\" must be an open file descriptor");
    int flags = asyncio__sys.fcntl(fd, F_GETFL, 0);
    if (flags < 0 || asyncio__sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return asyncio__fail_new(-errno, "\"fd\" is not an open file descriptor");
    asyncio_socket_t *sock = asyncio__socket_new(fd);
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
        return asyncio__fail(-EINVAL, "\"sock\" must not be NULL");
    int rc = sock->file ? asyncio__loop_check_here(sock->loop) : 0;
    if (rc < 0 || sock->fd < 0)
        return rc;
    if (!sock->file) {
        asyncio__sys.close(sock->fd);
    } else if (!sock->loop->closed) { /* else the engine closed it */
        asyncio__loop_unclaim(sock->loop, sock->fd);
        sock->loop->engine->class->close_file(sock->loop->engine, sock->file);
    }
    if (sock->file_copy)
        *sock->file_copy = NULL;
    sock->file_copy = NULL;
    sock->file = NULL;
    sock->fd = -1;
    return 0;
}

void asyncio_socket_unref(asyncio_socket_t *sock)
{
    if (!sock || (sock->loop && asyncio__loop_check_here(sock->loop) < 0))
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    if (--sock->refs > 0)
        return;
    asyncio__ignore(asyncio_socket_close(sock));
    asyncio__loop_drop_object(sock->loop);
    asyncio__free(sock, sizeof(*sock));
}

int asyncio__socket_bind_loop(asyncio_socket_t *sock, asyncio_loop_t *loop)
{
    return asyncio__socket_bind_loop_as(sock, loop, ASYNCIO__FILE_ANY);
}

int asyncio__socket_bind_loop_as(asyncio_socket_t *sock, asyncio_loop_t *loop,
                                 asyncio__file_kind_t kind)
{
    if (!sock)
        return asyncio__fail(-EINVAL, "\"sock\" must not be NULL");
    if (!asyncio__socket_is_open(sock))
        return asyncio__fail(-EBADF, "the socket is closed");
    if (ASYNCIO__LIKELY(sock->file != NULL))
        return sock->loop == loop
                   ? 0
                   : asyncio__fail(ASYNCIO_ERUNTIME, "the socket belongs to another loop");
    int rc = asyncio__loop_claim(loop, sock->fd);
    if (rc == 0) {
        rc = loop->engine->class->open_file(loop->engine, sock->fd, kind, &sock->file);
        if (rc < 0)
            asyncio__loop_unclaim(loop, sock->fd);
    }
    if (rc < 0)
        return asyncio__fail(rc, NULL);
    sock->loop = asyncio__loop_hold(loop);
    return 0;
}

/* --- questions ----------------------------------------------------------------------------- */

static int check_open(const asyncio_socket_t *sock)
{
    if (!sock)
        return asyncio__fail(-EINVAL, "\"sock\" must not be NULL");
    return asyncio__socket_is_open(sock) ? 0 : asyncio__fail(-EBADF, "the socket is closed");
}

/* Turns the result of a system call into a code. */
static int code_of(int rc)
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
        rc = asyncio__fail(-EINVAL, "\"address\" must not be NULL");
    return rc < 0 ? rc : code_of(asyncio__sys.bind(sock->fd, address, size));
}

int asyncio_socket_listen(asyncio_socket_t *sock, int backlog)
{
    int rc = check_open(sock);
    if (rc < 0)
        return rc;
    return code_of(asyncio__sys.listen(sock->fd, backlog > 0 ? backlog : BACKLOG_DEFAULT));
}

int asyncio_socket_shutdown(asyncio_socket_t *sock, int how)
{
    int rc = check_open(sock);
    if (rc == 0 && sock->file)
        rc = asyncio__loop_check_here(sock->loop);
    if (rc < 0)
        return rc;
    if (!sock->file)
        return code_of(asyncio__sys.shutdown(sock->fd, how));
    asyncio__engine_t *engine = sock->loop->engine;
    rc = engine->class->shutdown_file(engine, sock->file, how);
    return rc < 0 ? asyncio__fail(rc, NULL) : 0;
}

int asyncio_socket_setsockopt(asyncio_socket_t *sock, int level, int name, int value)
{
    int rc = check_open(sock);
    if (rc < 0)
        return rc;
    return code_of(asyncio__sys.setsockopt(sock->fd, level, name, &value, sizeof(value)));
}

int asyncio_socket_setsockopt_bytes(asyncio_socket_t *sock, int level, int name,
                                    const void *value, size_t size)
{
    int rc = check_open(sock);
    if (rc == 0 && ((!value && size) || size > INT_MAX))
        rc = asyncio__fail(-EINVAL, "\"value\" must be \"size\" bytes, fewer than 2 GiB");
    return rc < 0 ? rc
                  : code_of(asyncio__sys.setsockopt(sock->fd, level, name, value,
                                                    (socklen_t)size));
}

int asyncio_socket_getsockopt(const asyncio_socket_t *sock, int level, int name, void *ret_value,
                              size_t *size)
{
    int rc = check_open(sock);
    if (rc == 0 && (!ret_value || !size))
        rc = asyncio__fail(-EINVAL, "\"ret_value\" and \"size\" must not be NULL");
    if (rc < 0)
        return rc;
    socklen_t room = *size < INT_MAX ? (socklen_t)*size : INT_MAX;
    rc = code_of(asyncio__sys.getsockopt(sock->fd, level, name, ret_value, &room));
    if (rc == 0)
        *size = room;
    return rc;
}

int asyncio_socket_getsockname(const asyncio_socket_t *sock, struct sockaddr *ret_address,
                               socklen_t *size)
{
    int rc = check_open(sock);
    if (rc == 0 && (!ret_address || !size))
        rc = asyncio__fail(-EINVAL, "\"ret_address\" and \"size\" must not be NULL");
    return rc < 0 ? rc : code_of(asyncio__sys.getsockname(sock->fd, ret_address, size));
}

int asyncio_socket_getpeername(const asyncio_socket_t *sock, struct sockaddr *ret_address,
                               socklen_t *size)
{
    int rc = check_open(sock);
    if (rc == 0 && (!ret_address || !size))
        rc = asyncio__fail(-EINVAL, "\"ret_address\" and \"size\" must not be NULL");
    return rc < 0 ? rc : code_of(asyncio__sys.getpeername(sock->fd, ret_address, size));
}

