/* SPDX-License-Identifier: MIT */
/* A chat: every line that a client sends goes to all others. Ctrl-C or SIGTERM ends it. */
#include <asyncio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client: a queue of the lines that it has yet to be sent, and its neighbours in the room. */
typedef struct client {
    asyncio_queue_t *lines;
    struct client *next;
} client_t;

static client_t *room;

/* Puts a copy of a line into the queue of everybody else; a client that is too slow misses it. */
static void tell_others(const client_t *from, const char *line, size_t size)
{
    for (client_t *client = room; client; client = client->next) {
        char *copy = client == from ? NULL : strndup(line, size);
        if (copy && asyncio_queue_put_nowait(client->lines, copy) < 0)
            free(copy);
    }
}

/* The task that sends: takes lines from the queue and writes them, as fast as the client reads. */
static int send_lines(asyncio_queue_t *lines, asyncio_stream_writer_t *writer, void **ret_result)
{
    (void)ret_result;
    for (;;) {
        void *line = NULL;
        int rc = asyncio_queue_get(lines, &line);
        if (rc == 0)
            rc = asyncio_stream_writer_write(writer, line, strlen(line));
        free(line);
        if (rc >= 0)
            rc = asyncio_stream_writer_drain(writer);
        if (rc < 0)
            return rc;
    }
}
ASYNCIO_COROUTINE(send_lines, (asyncio_queue_t *, lines), (asyncio_stream_writer_t *, writer));

/* The task of a connection: reads lines until the client leaves. */
static int chat(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    client_t self = {.lines = asyncio_queue_new(100), .next = room};
    if (!self.lines)
        return asyncio_errno();
    asyncio_task_t *sender = asyncio_create_task(send_lines_coroutine(self.lines, writer));
    room = &self;
    const char *line = NULL;
    ssize_t size = 0;
    while (sender && (size = asyncio_stream_reader_readline(reader, &line)) > 0)
        tell_others(&self, line, (size_t)size);
    client_t **link = &room;
    while (*link != &self)
        link = &(*link)->next;
    *link = self.next;
    asyncio_task_cancel(sender, NULL);
    asyncio_await_unref(sender, NULL);
    asyncio_queue_shutdown(self.lines, /* immediate= */ true, free);
    asyncio_queue_unref(self.lines);
    return size < 0 ? (int)size : 0;
}

static void on_signal(void *server)
{
    asyncio_server_close(server);
    asyncio_server_cancel_clients(server);
}

static int serve(int port, void **ret_result)
{
    (void)ret_result;
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_server("127.0.0.1", (uint16_t)port, chat, NULL, NULL, &server);
    if (rc < 0)
        return rc;
    asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGTERM, on_signal, server);
    printf("chat on port %d\n", asyncio_server_port(server, 0));
    fflush(stdout);
    rc = asyncio_server_wait_closed(server);
    puts("everybody has left");
    asyncio_server_unref(server);
    return rc;
}
ASYNCIO_COROUTINE(serve, (int, port));

int main(int argc, char **argv)
{
    return asyncio_run(serve_coroutine(argc > 1 ? atoi(argv[1]) : 7777), NULL) < 0;
}
