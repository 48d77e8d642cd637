/* SPDX-License-Identifier: MIT */
/* A pipe whose ends are transports: what one protocol writes another one receives. */
#include <asyncio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

typedef struct reader {                                   /* class Reader(asyncio.Protocol): */
    asyncio_protocol_t protocol;
    asyncio_future_t *on_end;
} reader_t;

static void data_received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    (void)protocol;                                       /*     def data_received(self, data): */
    printf("Received: %.*s\n", (int)size, (const char *)data);
}

static void connection_lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)code, (void)error;                              /*     def connection_lost(self, exc): */
    puts("End of the pipe");
    asyncio_future_set_result(((reader_t *)protocol)->on_end, NULL);
}

static asyncio_protocol_t *get_protocol(void *protocol)
{
    return protocol;
}

/* reader = await loop.connect_read_pipe(…); writer = await loop.connect_write_pipe(…) */
static int connect_ends(asyncio_loop_t *loop, const int *ends, reader_t *reader,
                        asyncio_transport_t **ret_writer)
{
    static const asyncio_protocol_functions_t none = {.size = sizeof(none)};
    static asyncio_protocol_t protocol = {&none};         /* asyncio.BaseProtocol */
    asyncio_socket_t *read_end = asyncio_socket_from_fd(ends[0]);
    asyncio_socket_t *write_end = asyncio_socket_from_fd(ends[1]);
    int rc = asyncio_loop_connect_read_pipe(loop, get_protocol, reader, read_end, NULL);
    if (rc == 0)
        rc = asyncio_loop_connect_write_pipe(loop, get_protocol, &protocol, write_end, ret_writer);
    asyncio_socket_unref(read_end);
    asyncio_socket_unref(write_end);
    return rc;
}

static int run(void *arg, void **ret_result)              /* async def main(): */
{
    static const asyncio_protocol_functions_t functions = {.size = sizeof(functions),
                                                           .data_received = data_received,
                                                           .connection_lost = connection_lost};
    static reader_t reader = {{&functions}, NULL};
    int ends[2];
    (void)arg;
    if (pipe2(ends, O_CLOEXEC) < 0)                       /*     read, write = os.pipe() */
        return -errno;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_transport_t *writer = NULL;
    reader.on_end = asyncio_loop_create_future(loop);
    int rc = connect_ends(loop, ends, &reader, &writer);
    if (rc == 0) {
        asyncio_transport_write(writer, "Hello World!", 12); /*  writer.write(b'Hello World!') */
        asyncio_transport_close(writer);                  /*     writer.close() */
        rc = asyncio_await(reader.on_end, ret_result);    /*     await reader.on_end */
    }
    asyncio_transport_unref(writer);
    asyncio_future_unref(reader.on_end);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
