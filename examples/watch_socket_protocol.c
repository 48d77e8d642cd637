/* SPDX-License-Identifier: MIT */
/* An open socket whose data a protocol receives. */
#include <asyncio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct my_protocol {                              /* class MyProtocol(asyncio.Protocol): */
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
    asyncio_future_t *on_con_lost;
} my_protocol_t;

static void connection_made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    ((my_protocol_t *)protocol)->transport = transport;   /*     self.transport = transport */
}

static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    printf("Received: %.*s\n", (int)size, (const char *)data);
    asyncio_transport_close(((my_protocol_t *)protocol)->transport); /* connection_lost() is next */
}

static void connection_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;
    /* self.on_con_lost.set_result(True) */
    asyncio_future_set_result(((my_protocol_t *)protocol)->on_con_lost, NULL);
}

static asyncio_protocol_t *get_protocol(void *protocol)   /* lambda: MyProtocol(on_con_lost) */
{
    return protocol;
}

static void send_abc(void *wsock)
{
    if (send(*(int *)wsock, "abc", 3, 0) != 3)            /* wsock.send('abc'.encode()) */
        perror("send");
}

static int run(void *arg, void **ret_result)              /* async def main(): */
{
    static const asyncio_protocol_functions_t functions = {.size = sizeof(functions),
                                                           .connection_made = connection_made,
                                                           .data_received = data_received,
                                                           .connection_lost = connection_lost};
    static my_protocol_t protocol = {{&functions}, NULL, NULL};
    int fds[2];                                           /*     rsock, wsock = socketpair() */
    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_socket_t *rsock = asyncio_socket_from_fd(fds[0]);
    asyncio_connection_options_t options = {.size = sizeof(options), .sock = rsock};
    asyncio_transport_t *transport = NULL;
    protocol.on_con_lost = asyncio_loop_create_future(loop);
    /* transport, protocol = await loop.create_connection(lambda: …, sock=rsock) */
    int rc = asyncio_loop_create_connection(loop, get_protocol, &protocol, NULL, 0, &options,
                                            &transport);
    asyncio_loop_call_soon(loop, send_abc, &fds[1], NULL); /*     loop.call_soon(…) */
    if (rc == 0)
        rc = asyncio_await(protocol.on_con_lost, ret_result); /* await protocol.on_con_lost */
    asyncio_transport_close(transport);                   /*     transport.close() */
    asyncio_transport_unref(transport);
    asyncio_socket_unref(rsock);
    asyncio_future_unref(protocol.on_con_lost);
    close(fds[1]);                                        /*     wsock.close() */
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
