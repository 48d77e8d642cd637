/* SPDX-License-Identifier: MIT */
/* The coroutine objects of the loop's sock_… calls: their arguments, copied. */
#include <asyncio/socket.h>
#include <string.h>

#include "task/twin.h"

/* All that any of the calls takes. */
struct arguments {
    asyncio_loop_t *loop;                 /* the running loop */
    asyncio_socket_t *sock;               /* the socket */
    void *buffer;                         /* to receive into */
    const void *data;                     /* to send */
    size_t size;                          /* of buffer or data */
    size_t *ret_sent;                     /* for sendall */
    asyncio_socket_t **ret_sock;          /* for accept */
    struct sockaddr *ret_address;         /* for accept and recvfrom */
    socklen_t *ret_address_size;          /* of it */
    struct sockaddr_storage address;      /* for connect and sendto: a copy */
    socklen_t address_size;               /* of it; 0: none */
};

static asyncio_coroutine_t *make(asyncio_coroutine_function_t *fn, struct arguments arguments,
                                 const struct sockaddr *address, const char *name)
{
    if (address && arguments.address_size <= sizeof(arguments.address))
        memcpy(&arguments.address, address, arguments.address_size);
    else
        arguments.address_size = 0;
    return asyncio__twin(fn, &arguments, sizeof(arguments), NULL, name);
}

/* A count becomes the result. */
static int finish(ssize_t rc, void **ret_result)
{
    if (rc < 0)
        return (int)rc;
    *ret_result = ASYNCIO_INT(rc);
    return 0;
}

static const struct sockaddr *address_of(const struct arguments *a)
{
    return a->address_size ? (const struct sockaddr *)&a->address : NULL;
}

static int run_recv(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_loop_sock_recv_into(a->loop, a->sock, a->buffer, a->size), ret_result);
}

asyncio_coroutine_t *asyncio_loop_sock_recv_into_coroutine(asyncio_loop_t *loop,
                                                           asyncio_socket_t *sock, void *buffer,
                                                           size_t size)
{
    return make(run_recv,
                (struct arguments){.loop = loop, .sock = sock, .buffer = buffer, .size = size},
                NULL, "asyncio_loop_sock_recv_into");
}

asyncio_coroutine_t *asyncio_loop_sock_recv_coroutine(asyncio_loop_t *loop,
                                                      asyncio_socket_t *sock, void *buffer,
                                                      size_t size)
{
    return asyncio_loop_sock_recv_into_coroutine(loop, sock, buffer, size);
}

static int run_sendall(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_sock_sendall(a->loop, a->sock, a->data, a->size, a->ret_sent);
}

asyncio_coroutine_t *asyncio_loop_sock_sendall_coroutine(asyncio_loop_t *loop,
                                                         asyncio_socket_t *sock, const void *data,
                                                         size_t size, size_t *ret_sent)
{
    return make(run_sendall,
                (struct arguments){.loop = loop, .sock = sock, .data = data, .size = size,
                                   .ret_sent = ret_sent},
                NULL, "asyncio_loop_sock_sendall");
}

static int run_accept(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_sock_accept(a->loop, a->sock, a->ret_sock, a->ret_address,
                                    a->ret_address_size);
}

asyncio_coroutine_t *asyncio_loop_sock_accept_coroutine(asyncio_loop_t *loop,
                                                        asyncio_socket_t *sock,
                                                        asyncio_socket_t **ret_sock,
                                                        struct sockaddr *ret_address,
                                                        socklen_t *address_size)
{
    return make(run_accept,
                (struct arguments){.loop = loop, .sock = sock, .ret_sock = ret_sock,
                                   .ret_address = ret_address, .ret_address_size = address_size},
                NULL, "asyncio_loop_sock_accept");
}

static int run_connect(void *arg, void **ret_result)
{
    (void)ret_result;
    struct arguments *a = arg;
    return asyncio_loop_sock_connect(a->loop, a->sock, address_of(a), a->address_size);
}

asyncio_coroutine_t *asyncio_loop_sock_connect_coroutine(asyncio_loop_t *loop,
                                                         asyncio_socket_t *sock,
                                                         const struct sockaddr *address,
                                                         socklen_t size)
{
    return make(run_connect,
                (struct arguments){.loop = loop, .sock = sock, .address_size = size}, address,
                "asyncio_loop_sock_connect");
}

static int run_recvfrom(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_loop_sock_recvfrom(a->loop, a->sock, a->buffer, a->size,
                                             a->ret_address, a->ret_address_size),
                  ret_result);
}

asyncio_coroutine_t *asyncio_loop_sock_recvfrom_coroutine(asyncio_loop_t *loop,
                                                          asyncio_socket_t *sock, void *buffer,
                                                          size_t size,
                                                          struct sockaddr *ret_address,
                                                          socklen_t *address_size)
{
    return make(run_recvfrom,
                (struct arguments){.loop = loop, .sock = sock, .buffer = buffer, .size = size,
                                   .ret_address = ret_address, .ret_address_size = address_size},
                NULL, "asyncio_loop_sock_recvfrom");
}

static int run_sendto(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_loop_sock_sendto(a->loop, a->sock, a->data, a->size, address_of(a),
                                           a->address_size),
                  ret_result);
}

asyncio_coroutine_t *asyncio_loop_sock_sendto_coroutine(asyncio_loop_t *loop,
                                                        asyncio_socket_t *sock, const void *data,
                                                        size_t size,
                                                        const struct sockaddr *address,
                                                        socklen_t address_size)
{
    return make(run_sendto,
                (struct arguments){.loop = loop, .sock = sock, .data = data, .size = size,
                                   .address_size = address_size},
                address, "asyncio_loop_sock_sendto");
}
