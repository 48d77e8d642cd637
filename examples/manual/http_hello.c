/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server that stays well under load: it limits its connections, how long a client may take,
 * and how much of a request it reads. SIGTERM lets the requests in progress end.
 */
#include <asyncio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the head of a request. Returns 1; 0: the client has left; a negative code. */
static int read_request(asyncio_stream_reader_t *reader, bool *ret_keep)
{
    const char *head = NULL;
    ssize_t size = asyncio_stream_reader_readuntil(reader, "\r\n\r\n", 4, &head);
    if (size == ASYNCIO_EINCOMPLETEREAD)
        return 0;
    if (size < 0)
        return (int)size;
    *ret_keep = !memmem(head, (size_t)size, "Connection: close", 17);
    return 1;
}

/* The task of a connection: one request after another, each within five seconds. */
static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
    bool keep = true;
    int rc = 1;
    while (rc > 0 && keep) {
        asyncio_timeout_t scope;
        rc = asyncio_timeout_enter(&scope, 5.0);
        if (rc == 0)
            rc = asyncio_timeout_exit(&scope, read_request(reader, &keep));
        if (rc > 0) {
            rc = asyncio_stream_writer_write(writer, reply, sizeof(reply) - 1);
            if (rc >= 0)
                rc = asyncio_stream_writer_drain(writer);
            rc = rc < 0 ? rc : 1;
        }
    }
    if (rc == -ETIMEDOUT)
        asyncio_stream_writer_write(writer, late, sizeof(late) - 1);
    return 0;
}

static void on_signal(void *stop)
{
    asyncio_event_set(stop);
}

static int run(int port, void **ret_result)
{
    (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_server_options_t options = {
        .size = sizeof(options), .max_connections = 1000, .limit_bytes = 16 * 1024, .backlog = 512};
    asyncio_server_t *server = NULL;
    asyncio_event_t stop;
    int rc = asyncio_start_server("127.0.0.1", (uint16_t)port, serve, NULL, &options, &server);
    if (rc < 0)
        return rc;
    asyncio_event_init(&stop);
    asyncio_loop_add_signal_handler(loop, SIGTERM, on_signal, &stop);
    printf("serving on port %d\n", asyncio_server_port(server, 0));
    fflush(stdout);
    rc = asyncio_event_wait(&stop);
    asyncio_server_close(server);                 /* no new connections */
    asyncio_server_cancel_clients(server);        /* idle connections end at their next wait */
    if (rc == 0)
        rc = asyncio_server_wait_closed(server);
    asyncio_loop_remove_signal_handler(loop, SIGTERM);
    asyncio_event_fini(&stop);
    asyncio_server_unref(server);
    puts("stopped");
    return rc;
}
ASYNCIO_COROUTINE(run, (int, port));

int main(int argc, char **argv)
{
    return asyncio_run(run_coroutine(argc > 1 ? atoi(argv[1]) : 8080), NULL) < 0;
}
