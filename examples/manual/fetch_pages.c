/* SPDX-License-Identifier: MIT */
/* Fetches three pages at once, each within a second, from a server in the same program. */
#include <asyncio.h>
#include <stdio.h>
#include <string.h>

/* The server: one page that takes no time, one that takes a little, one that never comes. */
static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    const char *line = NULL;
    ssize_t size = asyncio_stream_reader_readline(reader, &line);
    if (size < 0)
        return (int)size;
    double delay = 0; /* the line is bytes, with no NUL behind them */
    if (memmem(line, (size_t)size, "/slow", 5))
        delay = 0.1;
    else if (memmem(line, (size_t)size, "/hangs", 6))
        delay = 3600;
    int rc = asyncio_sleep(delay);
    static const char page[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";
    return rc < 0 ? rc : asyncio_stream_writer_write(writer, page, sizeof(page) - 1);
}

/* Fetches a page; its result is the size of the page. */
static int fetch(int port, const char *path, void **ret_result)
{
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    int rc = asyncio_open_connection("127.0.0.1", (uint16_t)port, NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    char request[128];
    int size = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
    rc = asyncio_stream_writer_write(writer, request, (size_t)size);
    const char *data = NULL;
    if (rc >= 0)
        rc = (int)asyncio_stream_reader_read_all(reader, &data);
    if (rc >= 0) {
        const char *body = memmem(data, (size_t)rc, "\r\n\r\n", 4);
        *ret_result = ASYNCIO_INT(body ? rc - (body + 4 - data) : 0);
    }
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return rc < 0 ? rc : 0;
}
ASYNCIO_COROUTINE(fetch, (int, port), (const char *, path));

/* Fetches a page within a second and prints what came of it. */
static int report(int port, const char *path, void **ret_result)
{
    (void)ret_result;
    void *size = NULL;
    int rc = asyncio_wait_for(fetch_coroutine(port, path), 1.0, &size);
    if (rc < 0)
        printf("%s: %s\n", path, asyncio_error_name(rc));
    else
        printf("%s: %d bytes\n", path, (int)asyncio_int(size));
    return rc == -ETIMEDOUT ? 0 : rc;
}
ASYNCIO_COROUTINE(report, (int, port), (const char *, path));

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = NULL;
    int rc = asyncio_start_server("127.0.0.1", 0, serve, NULL, NULL, &server);
    if (rc < 0)
        return rc;
    int port = asyncio_server_port(server, 0);
    static const char *const paths[] = {"/fast", "/slow", "/hangs"};
    asyncio_task_group_t group;
    rc = asyncio_task_group_enter(&group);
    for (int i = 0; rc == 0 && i < 3; i++) {
        if (!asyncio_task_group_create_task(&group, report_coroutine(port, paths[i])))
            rc = asyncio_errno();
    }
    rc = asyncio_task_group_exit(&group, rc);
    asyncio_server_cancel_clients(server);
    asyncio_server_unref(server);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
