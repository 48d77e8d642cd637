/* SPDX-License-Identifier: MIT */
/*
 * What the idiomatic and the tuned echo server on libuv share: listening, accepting, and closing.
 * They differ in how they read and write.
 */
#ifndef BENCH_UV_SERVER_H
#define BENCH_UV_SERVER_H

#include "front.h"

#include <uv.h>

static uv_alloc_cb uv_server_on_allocate;
static uv_read_cb uv_server_on_read;

static void uv_server_free(uv_handle_t *handle)
{
    free(handle);
}

/** Closes a connection unless it is closing already. */
static void uv_server_drop(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, uv_server_free);
}

static void uv_server_on_connection(uv_stream_t *listener, int status)
{
    peer_check(status == 0, "accept");
    uv_tcp_t *tcp = (uv_tcp_t *)malloc(sizeof(*tcp));
    uv_tcp_init(listener->loop, tcp);
    if (uv_accept(listener, (uv_stream_t *)tcp) < 0) {
        uv_server_drop((uv_handle_t *)tcp);
        return;
    }
    uv_tcp_nodelay(tcp, 1);
    uv_read_start((uv_stream_t *)tcp, uv_server_on_allocate, uv_server_on_read);
}

/** Serves a port until a signal ends the process. */
static void uv_server_run(uv_loop_t *loop, uint16_t port, uv_alloc_cb on_allocate,
                          uv_read_cb on_read)
{
    static uv_tcp_t listener;
    struct sockaddr_in address;
    uv_server_on_allocate = on_allocate;
    uv_server_on_read = on_read;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(loop, &listener);
    peer_check(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) == 0, "bind");
    peer_check(uv_listen((uv_stream_t *)&listener, 1024, uv_server_on_connection) == 0, "listen");
    uv_run(loop, UV_RUN_DEFAULT);
}

#endif
