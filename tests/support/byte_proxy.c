/* SPDX-License-Identifier: MIT */
/* A proxy that meddles with bytes; see byte_proxy.h. */
#include "byte_proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PIECE_MOST 16384

/* One connection through the proxy. */
typedef struct route {
    byte_proxy_t *proxy;
    byte_plan_t plan;
    asyncio_stream_reader_t *readers[2]; /* from the client, from the server */
    asyncio_stream_writer_t *writers[2]; /* to the client, to the server */
    size_t passed[2];
} route_t;

static void cut(route_t *route, bool is_reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 2; i++) {
        asyncio_socket_t *sock = asyncio_stream_writer_get_socket(route->writers[i]);
        if (is_reset && sock)
            asyncio_socket_setsockopt_bytes(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        asyncio_stream_writer_abort(route->writers[i]);
    }
}

/* Does what is planned there: false, and the direction is over. */
static bool do_deed(route_t *route, int direction)
{
    const byte_plan_t *plan = &route->plan;
    asyncio_stream_writer_t *writer = route->writers[1 - direction];
    switch (plan->deed) {
    case BYTE_CUT:
    case BYTE_RESET:
        cut(route, plan->deed == BYTE_RESET);
        return false;
    case BYTE_END:
        asyncio_stream_writer_write_eof(writer);
        return false;
    case BYTE_INSERT:
        asyncio_stream_writer_write(writer, plan->data, plan->size);
        return true;
    default:
        return true;
    }
}

static void pass(route_t *route, int direction, char *data, size_t size)
{
    const byte_plan_t *plan = &route->plan;
    bool is_there = plan->direction == direction && route->passed[direction] == plan->at;
    if (is_there && plan->deed == BYTE_CHANGE)
        data[0] ^= 0x55;
    route->passed[direction] += size;
    route->proxy->passed[direction] = route->passed[direction];
    if (plan->deed == BYTE_HOLD && plan->direction == direction &&
        route->passed[direction] > plan->at)
        return;
    asyncio_stream_writer_write(route->writers[1 - direction], data, size);
}

/* Passes on what comes from one side until it ends. */
static void run_direction(route_t *route, int direction)
{
    char data[PIECE_MOST];
    const byte_plan_t *plan = &route->plan;
    ssize_t size;
    do {
        size_t *passed = &route->passed[direction], room = sizeof(data);
        if (plan->direction == direction && *passed == plan->at && !do_deed(route, direction))
            return;
        if (plan->direction == direction && *passed < plan->at && plan->at - *passed < room)
            room = plan->at - *passed;
        if (plan->piece && plan->piece < room)
            room = plan->piece;
        size = asyncio_stream_reader_read(route->readers[direction], data, room);
        if (size > 0 && plan->delay > 0)
            asyncio_sleep(plan->delay);
        if (size > 0)
            pass(route, direction, data, (size_t)size);
        if (size > 0)
            asyncio_stream_writer_drain(route->writers[1 - direction]);
    } while (size > 0);
    if (size == 0)
        asyncio_stream_writer_write_eof(route->writers[1 - direction]);
    else
        asyncio_stream_writer_abort(route->writers[1 - direction]);
}

static int run_backwards(void *arg, void **ret_result)
{
    (void)ret_result;
    run_direction(arg, BYTES_OF_SERVER);
    return 0;
}

static int on_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    byte_proxy_t *proxy = arg;
    route_t route = {.proxy = proxy, .plan = proxy->plan};
    route.readers[0] = reader;
    route.writers[0] = writer;
    proxy->passed[0] = proxy->passed[1] = 0;
    proxy->latest = &route.plan;
    if (asyncio_open_connection("127.0.0.1", proxy->target, NULL, &route.readers[1],
                                &route.writers[1]) < 0)
        return 0;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine_full(run_backwards, &route, NULL));
    run_direction(&route, BYTES_OF_CLIENT);
    asyncio_await_unref(task, NULL);
    for (int i = 0; i < 2; i++)
        asyncio_stream_writer_close(route.writers[i]);
    asyncio_stream_writer_wait_closed(route.writers[1]);
    asyncio_stream_reader_unref(route.readers[1]);
    asyncio_stream_writer_unref(route.writers[1]);
    return 0;
}

void byte_proxy_start(byte_proxy_t *proxy)
{
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, on_client, proxy, NULL, &proxy->server),
                     0);
}

uint16_t byte_proxy_port(const byte_proxy_t *proxy)
{
    return asyncio_server_port(proxy->server, 0);
}

void byte_proxy_stop(byte_proxy_t *proxy)
{
    asyncio_server_close(proxy->server);
    asyncio_server_abort_clients(proxy->server);
    assert_int_equal(asyncio_server_wait_closed(proxy->server), 0);
    asyncio_server_unref(proxy->server);
}
