/* SPDX-License-Identifier: MIT */
/* A callback that the loop calls when a socket can be read. */
#include <asyncio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int rsock, wsock;

static void reader(void *loop)                            /* def reader(): */
{
    char data[100];
    ssize_t size = recv(rsock, data, sizeof(data), 0);    /*     data = rsock.recv(100) */
    printf("Received: %.*s\n", size > 0 ? (int)size : 0, data);
    asyncio_loop_remove_reader(loop, rsock);              /*     loop.remove_reader(rsock) */
    asyncio_loop_stop(loop);                              /*     loop.stop() */
}

static void send_abc(void *arg)
{
    (void)arg;
    if (send(wsock, "abc", 3, 0) != 3)                    /* wsock.send('abc'.encode()) */
        perror("send");
}

int main(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return 1;
    rsock = fds[0];                                       /* rsock, wsock = socketpair() */
    wsock = fds[1];
    asyncio_loop_t *loop = asyncio_new_event_loop();
    int rc = asyncio_loop_add_reader(loop, rsock, reader, loop); /* loop.add_reader(rsock, …) */
    asyncio_loop_call_soon(loop, send_abc, NULL, NULL);   /* loop.call_soon(wsock.send, …) */
    if (rc >= 0)
        rc = asyncio_loop_run_forever(loop);              /* loop.run_forever() */
    close(rsock);                                         /* rsock.close() */
    close(wsock);                                         /* wsock.close() */
    asyncio_loop_unref(loop);                             /* loop.close() */
    return rc < 0;
}
