/* SPDX-License-Identifier: MIT */
/*
 * The tuned echo server on libuv: one buffer for all reads, since each is answered before the next,
 * and uv_try_write, which sends at once. The bytes that the socket does not accept are copied and
 * written in the usual way, and until then the server does not read from that connection.
 */
#include "front.h"
#include "uv_server.h"

static char shared[65536];

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    buffer->base = shared;
    buffer->len = sizeof(shared);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status)
{
    if (status < 0)
        uv_server_drop((uv_handle_t *)request->handle);
    else
        uv_read_start(request->handle, on_allocate, on_read);
    free(request);
}

static void write_rest(uv_stream_t *stream, const char *bytes, size_t count)
{
    uv_write_t *request = malloc(sizeof(*request) + count);
    peer_check(request != NULL, "malloc");
    memcpy(request + 1, bytes, count);
    uv_buf_t piece = uv_buf_init((char *)(request + 1), (unsigned)count);
    uv_read_stop(stream);
    if (uv_write(request, stream, &piece, 1, on_written) < 0) {
        uv_server_drop((uv_handle_t *)stream);
        free(request);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    if (count < 0) {
        uv_server_drop((uv_handle_t *)stream);
        return;
    }
    if (count == 0)
        return;
    uv_buf_t piece = uv_buf_init(buffer->base, (unsigned)count);
    int sent = uv_try_write(stream, &piece, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        uv_server_drop((uv_handle_t *)stream);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (sent < count)
        write_rest(stream, buffer->base + sent, (size_t)(count - sent));
}

static void server_echo(uint16_t port)
{
    uv_server_run(uv_default_loop(), port, on_allocate, on_read);
}

int main(int argc, char **argv)
{
    static const peer_entry_t entries[] = {{.name = "echo", .server = server_echo}};
    return peer_main(entries, sizeof(entries) / sizeof(entries[0]), argc, argv);
}
