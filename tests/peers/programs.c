/* SPDX-License-Identifier: MIT */
/* A server of HTTP on a Unix socket, for curl; and a shell that runs a command. */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Reads a request: its first line, and the size of its body. 0 at the end of the connection. */
static ssize_t read_head(asyncio_stream_reader_t *reader, char *ret_first, size_t room,
                         size_t *ret_body_size)
{
    const char *line;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    if (size <= 0)
        return size;
    snprintf(ret_first, room, "%.*s", (int)strcspn(line, "\r\n"), line);
    *ret_body_size = 0;
    while ((size = asyncio_stream_reader_readline(reader, &line)) > 2)
        if (size > 15 && strncasecmp(line, "Content-Length:", 15) == 0)
            *ret_body_size = strtoul(line + 15, NULL, 10);
    return size;
}

/* Replies with the first line of the request and its body, until the client ends the connection. */
static int handle_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    char first[256], head[512];
    size_t size;
    ssize_t rc;
    while ((rc = read_head(reader, first, sizeof(first), &size)) > 0) {
        char *body = malloc(size + 1);
        if (!body)
            abort();
        rc = asyncio_stream_reader_readexactly(reader, body, size, NULL);
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n",
                 strlen(first) + 1 + size, first);
        if (rc >= 0)
            rc = asyncio_stream_writer_write(writer, head, strlen(head));
        if (rc >= 0)
            rc = asyncio_stream_writer_write(writer, body, size);
        if (rc >= 0)
            rc = asyncio_stream_writer_drain(writer);
        free(body);
        if (rc < 0)
            break;
    }
    asyncio_future_set_result(arg, NULL);
    return (int)rc;
}

int http(char **argv, const input_t *input)
{
    (void)input;
    asyncio_server_t *server;
    asyncio_future_t *ended = asyncio_loop_create_future(asyncio_get_running_loop());
    int rc = asyncio_start_unix_server(argv[0], handle_client, ended, NULL, &server);
    if (rc >= 0) {
        print_bytes("ready 0\n", 8);
        rc = asyncio_await(ended, NULL);
        asyncio_server_close(server);
        asyncio_server_wait_closed(server);
        asyncio_server_unref(server);
    }
    asyncio_future_unref(ended);
    return rc;
}

/* Prints the return code and the sizes of both outputs in a line, then the outputs. */
int shell(char **argv, const input_t *input)
{
    asyncio_process_options_t options = {
        .size = sizeof(options),
        .executable = argv[0],
        .stdin_kind = ASYNCIO_PROCESS_PIPE,
        .stdout_kind = ASYNCIO_PROCESS_PIPE,
        .stderr_kind = ASYNCIO_PROCESS_PIPE,
    };
    asyncio_process_output_t output;
    asyncio_process_t *process;
    int code = 0;
    int rc = asyncio_create_subprocess_shell(argv[1], &options, &process);
    if (rc < 0)
        return rc;
    rc = asyncio_process_communicate(process, input->data, input->size, &output);
    if (rc >= 0)
        rc = asyncio_process_returncode(process, &code);
    if (rc >= 0) {
        printf("%d %zu %zu\n", code, output.stdout_size, output.stderr_size);
        print_bytes(output.stdout_data, output.stdout_size);
        print_bytes(output.stderr_data, output.stderr_size);
    }
    asyncio_process_unref(process);
    return rc;
}
