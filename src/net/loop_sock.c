/* SPDX-License-Identifier: MIT */
/* The loop's sock_… calls: operations on sockets, awaited. */
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "net/operation.h"
#include "task/twin.h"
#include "transport/socket.h"

/* Whether a task of the loop may wait for the socket: 0, or an error. missing names what must not
 * be NULL. */
static int check_call(asyncio_loop_t *loop, asyncio_socket_t *sock, bool has_arguments,
                      const char *missing)
{
    if (!has_arguments)
        return asyncio__fail(-EINVAL, missing);
    int rc = asyncio__operation_check(loop);
    return rc < 0 ? rc : asyncio__socket_bind_loop(sock, loop);
}

ssize_t asyncio_loop_sock_recv_into(asyncio_loop_t *loop, asyncio_socket_t *sock, void *buffer,
                                    size_t size)
{
    int rc = check_call(loop, sock, buffer || !size, "\"buffer\" must not be NULL");
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
    int rc = check_call(loop, sock, data || !size, "\"data\" must not be NULL");
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
    int rc = check_call(loop, sock, ret_sock && (!ret_address || address_size),
                        "\"ret_sock\" and \"address_size\" must not be NULL");
    if (rc < 0)
        return rc;
    asyncio__operation_t op;
    do { /* a connection that its peer reset before it was accepted is no error of the listener */
        op = (asyncio__operation_t){.kind = ASYNCIO__ACCEPT,
                                    .file = sock->file,
                                    .address = ret_address,
                                    .address_size = ret_address ? *address_size : 0};
        rc = asyncio__operation_await(loop, &op);
    } while (rc == -ECONNABORTED && asyncio__socket_is_open(sock));
    if (rc < 0)
        return rc;
    asyncio_socket_t *accepted = asyncio__socket_new(rc);
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
    int rc = check_call(loop, sock, address != NULL, "\"address\" must not be NULL");
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
    int rc = check_call(loop, sock, (buffer || !size) && (!ret_address || address_size),
                        "\"buffer\" and \"address_size\" must not be NULL");
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
    int rc = check_call(loop, sock, data || !size, "\"data\" must not be NULL");
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

/* --- coroutine objects --------------------------------------------------------------------- */

/* The object keeps a copy of an address: *address is replaced by it. */
static int keep_address(const struct sockaddr **address, socklen_t size)
{
    if (!*address)
        return 0;
    void *copy = asyncio__malloc(size);
    if (copy)
        memcpy(copy, *address, size);
    *address = copy;
    return copy ? 0 : asyncio__fail(-ENOMEM, NULL);
}

static void drop_address(const struct sockaddr *address, socklen_t size)
{
    asyncio__free((void *)address, size ? size : 1);
}

static int keep_connect(void *arguments);
static void drop_connect(void *arguments);
static int keep_sendto(void *arguments);
static void drop_sendto(void *arguments);

ASYNCIO__TWIN(COUNT, asyncio_loop_sock_recv_into, (asyncio_loop_t *, loop),
              (asyncio_socket_t *, sock), (void *, buffer), (size_t, size))
ASYNCIO__TWIN(COUNT, asyncio_loop_sock_recv, (asyncio_loop_t *, loop), (asyncio_socket_t *, sock),
              (void *, buffer), (size_t, size))
ASYNCIO__TWIN(CODE, asyncio_loop_sock_sendall, (asyncio_loop_t *, loop),
              (asyncio_socket_t *, sock), (const void *, data), (size_t, size),
              (size_t *, ret_sent))
ASYNCIO__TWIN(CODE, asyncio_loop_sock_accept, (asyncio_loop_t *, loop), (asyncio_socket_t *, sock),
              (asyncio_socket_t **, ret_sock), (struct sockaddr *, ret_address),
              (socklen_t *, address_size))
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_sock_connect, keep_connect, drop_connect,
                   (asyncio_loop_t *, loop), (asyncio_socket_t *, sock),
                   (const struct sockaddr *, address), (socklen_t, size))
ASYNCIO__TWIN(COUNT, asyncio_loop_sock_recvfrom, (asyncio_loop_t *, loop),
              (asyncio_socket_t *, sock), (void *, buffer), (size_t, size),
              (struct sockaddr *, ret_address), (socklen_t *, address_size))
ASYNCIO__TWIN_KEPT(COUNT, asyncio_loop_sock_sendto, keep_sendto, drop_sendto,
                   (asyncio_loop_t *, loop), (asyncio_socket_t *, sock), (const void *, data),
                   (size_t, size), (const struct sockaddr *, address), (socklen_t, address_size))

static int keep_connect(void *arguments)
{
    struct asyncio_loop_sock_connect_arguments *a = arguments;
    return keep_address(&a->address, a->size);
}

static void drop_connect(void *arguments)
{
    struct asyncio_loop_sock_connect_arguments *a = arguments;
    drop_address(a->address, a->size);
}

static int keep_sendto(void *arguments)
{
    struct asyncio_loop_sock_sendto_arguments *a = arguments;
    return keep_address(&a->address, a->address_size);
}

static void drop_sendto(void *arguments)
{
    struct asyncio_loop_sock_sendto_arguments *a = arguments;
    drop_address(a->address, a->address_size);
}
