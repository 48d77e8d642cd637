/* SPDX-License-Identifier: MIT */
/*
 * A server with a loop on each CPU. SIGTERM ends it, SIGHUP puts a new process in its place, and
 * systemd may pass it the listening socket. No connection is lost in between.
 */
#include <asyncio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The task of a connection, in the loop that accepted it: replies to each line. */
static int reply(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    const char *line = NULL;
    ssize_t size;
    int rc = 0;
    while (rc == 0 && (size = asyncio_stream_reader_readline(reader, &line)) > 0) {
        rc = asyncio_stream_writer_write(writer, "pong\n", 5);
        if (rc == 0)
            rc = asyncio_stream_writer_drain(writer);
    }
    return 0; /* a client that leaves early is no error of the server */
}

/* Starts this program again: it may be a newer one, or read a newer configuration. */
static int reload(void *arguments, void **ret_result)
{
    (void)ret_result;
    const char *const *argv = arguments;
    int rc = asyncio_serve_reload(argv[0], argv);
    if (rc < 0)
        fprintf(stderr, "serving as before: %s\n", asyncio_strerror(rc));
    return 0;
}

static void on_hangup(void *arguments)
{
    asyncio_task_detach(asyncio_create_task(asyncio_coroutine(reload, arguments)));
}

/* Runs in each loop; what it starts runs until the stop. */
static int setup(void *arguments, size_t index)
{
    char **argv = arguments;
    asyncio_server_options_t options = {.size = sizeof(options), .listen_name = "ping"};
    asyncio_server_t *server = NULL;
    int port = argv[1] ? atoi(argv[1]) : 7777;
    int rc = asyncio_start_server("127.0.0.1", (uint16_t)port, reply, NULL, &options, &server);
    if (rc < 0)
        return rc;
    if (index == 0) {
        rc = asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGHUP, on_hangup, argv);
        printf("process %d serves on port %d\n", (int)getpid(), asyncio_server_port(server, 0));
        fflush(stdout);
    }
    asyncio_server_unref(server);
    return rc;
}

int main(int argc, char **argv)
{
    (void)argc;
    asyncio_serve_options_t options = {.size = sizeof(options), .drain_timeout = 10.0};
    int rc = asyncio_serve(setup, argv, &options);
    if (rc < 0)
        fprintf(stderr, "%s\n", asyncio_strerror(rc));
    return rc < 0;
}
