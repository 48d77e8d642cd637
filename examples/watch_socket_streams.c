/* SPDX-License-Identifier: MIT */
/* An open socket whose data a stream reads. */
#include <asyncio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_abc(void *wsock)
{
    if (send(*(int *)wsock, "abc", 3, 0) != 3)            /* wsock.send('abc'.encode()) */
        perror("send");
}

static int wait_for_data(void *arg, void **ret_result)    /* async def wait_for_data(): */
{
    int fds[2];                                           /*     rsock, wsock = socketpair() */
    (void)arg, (void)ret_result;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    asyncio_socket_t *rsock = asyncio_socket_from_fd(fds[0]);
    asyncio_connection_options_t options = {.size = sizeof(options), .sock = rsock};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    /* reader, writer = await asyncio.open_connection(sock=rsock) */
    int rc = asyncio_open_connection(NULL, 0, &options, &reader, &writer);
    asyncio_loop_call_soon(asyncio_get_running_loop(), send_abc, &fds[1], NULL);
    if (rc == 0) {
        char data[100];
        /* data = await reader.read(100) */
        ssize_t size = asyncio_stream_reader_read(reader, data, sizeof(data));
        if (size > 0)
            printf("Received: %.*s\n", (int)size, data);
        asyncio_stream_writer_close(writer);              /*     writer.close() */
        rc = asyncio_stream_writer_wait_closed(writer);   /*     await writer.wait_closed() */
        asyncio_stream_reader_unref(reader);
        asyncio_stream_writer_unref(writer);
    }
    asyncio_socket_unref(rsock);
    close(fds[1]);                                        /*     wsock.close() */
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(wait_for_data, NULL), NULL) < 0;
}
