/* SPDX-License-Identifier: MIT */
/* How servers end, and their connections: closed, cancelled, waited for. */
#include "support/server_fixture.h"

#include <errno.h>

/* --- how serving ends ---------------------------------------------------------------------- */

static int serve(asyncio_server_t *server, void **ret_result)
{
    (void)ret_result;
    return asyncio_server_serve_forever(server);
}
ASYNCIO_COROUTINE(serve, (asyncio_server_t *, server));

/* Starts a server that serves in a task, with one connection. */
static asyncio_task_t *serve_one(asyncio_server_t **ret_server, peer_t *ret_peer)
{
    *ret_server = start(echo, NULL);
    asyncio_task_t *task = asyncio_create_task(serve_coroutine(*ret_server));
    *ret_peer = open_to(*ret_server, 0);
    exchange(*ret_peer);
    return task;
}

static int serve_until_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    peer_t peer;
    asyncio_task_t *task = serve_one(&server, &peer);
    assert_int_equal(asyncio_server_serve_forever(server), ASYNCIO_ERUNTIME);
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    assert_false(asyncio_server_is_serving(server));
    char byte;
    assert_int_equal(asyncio_stream_reader_read(peer.reader, &byte, 1), 0);
    end(peer);
    assert_int_equal(asyncio_server_start_serving(server), ASYNCIO_ERUNTIME);
    asyncio_server_unref(server);
    return 0;
}

/* A cancelled serve_forever() closes the server and its connections; a second call is refused. */
static void test_serve_until_cancelled(void **state)
{
    (void)state;
    run_clean(serve_until_cancelled, NULL);
}

static int failing(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return asyncio_raise(-EPROTO, "this client is not understood");
}

static void count_reports(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop;
    if (strstr(context->message, "client_connected_cb") && context->code == -EPROTO)
        ++*(int *)arg;
}

static int report_client(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int reports = 0;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), count_reports, &reports);
    asyncio_server_t *server = start(failing, NULL);
    peer_t peer = open_to(server, 0);
    char byte;
    assert_int_equal(asyncio_stream_reader_read(peer.reader, &byte, 1), 0);
    assert_int_equal(reports, 1);
    end(peer);
    stop(server);
    return 0;
}

/* An error that a connection's task returns is reported, and its connection is closed. */
static void test_report_client(void **state)
{
    (void)state;
    run_clean(report_client, NULL);
}

static int serve_until_closed(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    peer_t peer;
    asyncio_task_t *task = serve_one(&server, &peer);
    assert_int_equal(asyncio_server_close(server), 0);
    turn_often();
    assert_false(asyncio_future_done(task)); /* a connection is open */
    exchange(peer);
    end(peer);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_server_unref(server);
    return 0;
}

/* If the server is closed elsewhere, serve_forever() waits for the connections to end, and
 * succeeds. */
static void test_serve_until_closed(void **state)
{
    (void)state;
    run_clean(serve_until_closed, NULL);
}

static int serve_closed_then_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    peer_t peer;
    asyncio_task_t *task = serve_one(&server, &peer);
    assert_int_equal(asyncio_server_close(server), 0);
    turn_often();
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    expect_end(peer);
    end(peer);
    asyncio_server_unref(server);
    return 0;
}

/* A cancel that comes while serve_forever waits for the last connections closes them. */
static void test_serve_closed_then_cancelled(void **state)
{
    (void)state;
    run_clean(serve_closed_then_cancelled, NULL);
}

static int wait_until_cancelled(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                                void *arg)
{
    (void)reader;
    int rc = asyncio_sleep(3600);
    *(int *)arg = rc;
    asyncio_stream_writer_write(writer, "bye", 3);
    return rc;
}

static int cancel_clients(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int code = 0;
    char text[4] = "";
    asyncio_server_t *server = start(wait_until_cancelled, &code);
    peer_t peer = open_to(server, 0);
    turn_often();
    assert_int_equal(asyncio_server_cancel_clients(server), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, text, 3, NULL), 3);
    assert_string_equal(text, "bye");
    expect_end(peer);
    assert_int_equal(code, -ECANCELED);
    end(peer);
    stop(server);
    return 0;
}

/* cancel_clients() cancels the task of each connection, which can still send data. */
static void test_cancel_clients(void **state)
{
    (void)state;
    run_clean(cancel_clients, NULL);
}

static int unref_while_serving(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(echo, NULL);
    uint16_t port = asyncio_server_port(server, 0);
    asyncio_server_unref(server);
    peer_t peer;
    assert_int_equal(asyncio_open_connection("127.0.0.1", port, NULL, &peer.reader, &peer.writer),
                     0);
    exchange(peer);
    end(peer);
    asyncio_server_options_t paused = {.size = sizeof(paused), .is_paused = true};
    server = start_with("127.0.0.1", echo, NULL, &paused);
    port = asyncio_server_port(server, 0);
    asyncio_server_unref(server);
    assert_int_equal(asyncio_open_connection("127.0.0.1", port, NULL, &peer.reader, &peer.writer),
                     -ECONNREFUSED);
    return 0;
}

/* A server that serves needs no reference of the program; one that does not is freed with the
 * last. */
static void test_unref_while_serving(void **state)
{
    (void)state;
    run_clean(unref_while_serving, NULL);
}

/* --- connections that outlive their handlers ----------------------------------------------- */

#define MUCH_BYTES ((size_t)16 << 20) /* more than the kernel's buffers take */

static int say_much(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader;
    char *data = calloc(1, MUCH_BYTES);
    assert_non_null(data);
    int rc = asyncio_stream_writer_write(writer, data, MUCH_BYTES);
    free(data);
    ++*(int *)arg;
    return rc;
}

/* Starts a server with one connection whose peer does not read and whose handler has returned. */
static asyncio_server_t *start_lingering(const asyncio_server_options_t *options, peer_t *ret_peer)
{
    int handlers = 0;
    asyncio_server_t *server = start_with("127.0.0.1", say_much, &handlers, options);
    *ret_peer = open_to(server, 0);
    while (handlers == 0)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(asyncio_server_close(server), 0);
    return server;
}

static int wait_for_unsent(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    peer_t peer;
    asyncio_server_t *server = start_lingering(NULL, &peer);
    asyncio_task_t *task = asyncio_create_task(asyncio_server_wait_closed_coroutine(server));
    turn_often();
    assert_false(asyncio_future_done(task));
    static char buffer[65536];
    size_t total = 0;
    ssize_t size;
    while ((size = asyncio_stream_reader_read(peer.reader, buffer, sizeof(buffer))) > 0)
        total += (size_t)size;
    assert_int_equal(size, 0);
    assert_int_equal(total, MUCH_BYTES);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    end(peer);
    asyncio_server_unref(server);
    return 0;
}

/* A connection belongs to its server until everything is sent, even after its handler has
 * returned. */
static void test_wait_for_unsent(void **state)
{
    (void)state;
    run_clean(wait_for_unsent, NULL);
}

static int abort_lingering(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    peer_t peer;
    asyncio_server_t *server = start_lingering(NULL, &peer);
    assert_int_equal(asyncio_server_close_clients(server), 0); /* they are closing already */
    assert_int_equal(asyncio_server_cancel_clients(server), 0);
    assert_int_equal(asyncio_server_abort_clients(server), 0);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    end(peer);
    asyncio_server_unref(server);
    return 0;
}

/* abort_clients() also ends connections that only send the remaining bytes. */
static void test_abort_lingering(void **state)
{
    (void)state;
    run_clean(abort_lingering, NULL);
}

static int end_lingering(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    peer_t peer;
    asyncio_server_options_t options = {.size = sizeof(options), .linger = 0.001};
    asyncio_server_t *server = start_lingering(&options, &peer);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    end(peer);
    asyncio_server_unref(server);
    return 0;
}

/* A peer that accepts no data for the linger time is given up. */
static void test_end_lingering(void **state)
{
    (void)state;
    run_clean(end_lingering, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_until_cancelled),
        cmocka_unit_test(test_serve_until_closed),
        cmocka_unit_test(test_serve_closed_then_cancelled),
        cmocka_unit_test(test_report_client),
        cmocka_unit_test(test_cancel_clients),
        cmocka_unit_test(test_unref_while_serving),
        cmocka_unit_test(test_wait_for_unsent),
        cmocka_unit_test(test_abort_lingering),
        cmocka_unit_test(test_end_lingering),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("server_ends", tests, NULL, NULL);
}
