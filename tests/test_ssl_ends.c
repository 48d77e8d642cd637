/* SPDX-License-Identifier: MIT */
/*
 * How connections by TLS fail and end: peers that speak something else, cut the connection, say
 * nothing, or ask for too much; cancellations and timeouts. Times are those of the virtual clock.
 */
#include <asyncio.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/ssl_fixture.h"

static void run_virtual(asyncio_coroutine_function_t *fn, void *arg)
{
    skip_without_sockets();
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    asyncio_task_t *task =
        asyncio_loop_create_task(loop, asyncio_coroutine_full(fn, arg, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(loop, task, NULL), 0);
    asyncio_future_unref(task);
    assert_int_equal(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
    asyncio_error_clear();
}

/* Closes the client's side whatever became of it, and the server. */
static void drop_pair(pair_t *pair)
{
    asyncio_stream_writer_abort(pair->writer);
    asyncio_stream_reader_unref(pair->reader);
    asyncio_stream_writer_unref(pair->writer);
    pair->writer = NULL;
    close_pair(pair);
}

/* --- ends without close_notify ------------------------------------------------------------- */

static int say_and_abort(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)reader, (void)arg;
    asyncio_stream_writer_write(writer, "data", 4);
    while (asyncio_stream_writer_get_write_buffer_size(writer) > 0)
        asyncio_sleep(0);
    asyncio_stream_writer_abort(writer);
    return 0;
}

static int be_cut(void *arg, void **ret_result)
{
    (void)ret_result;
    pair_options_t options = {.handler = say_and_abort, .client_ssl = new_client_context()};
    asyncio_ssl_context_set_suppress_ragged_eofs(options.client_ssl, arg != NULL);
    pair_t pair;
    char data[8];
    open_pair(&pair, &options);
    assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, data, 4, NULL), 4);
    ssize_t rc = asyncio_stream_reader_read(pair.reader, data, sizeof(data));
    assert_int_equal(rc, arg ? 0 : ASYNCIO_ESSLEOF);
    if (!arg)
        assert_int_equal(asyncio_stream_writer_drain(pair.writer), ASYNCIO_ESSLEOF);
    drop_pair(&pair);
    return 0;
}

/* An end that TLS does not say is an error, after all that was received; a context may allow it. */
static void test_truncation(void **state)
{
    (void)state;
    run_ssl_with(be_cut, NULL);
    run_ssl_with(be_cut, "suppressed");
}

static int read_to_end(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    char data[64];
    open_pair(&pair, NULL);
    asyncio_stream_writer_write(pair.writer, "last words", 10);
    assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, data, 10, NULL), 10);
    asyncio_server_close_clients(pair.server); /* close_notify, while a task reads */
    assert_int_equal(asyncio_stream_reader_read(pair.reader, data, sizeof(data)), 0);
    assert_true(asyncio_stream_reader_at_eof(pair.reader));
    close_pair(&pair);
    return 0;
}

/* A close_notify is the end of the stream, and both sides close in order. */
static void test_close_notify(void **state)
{
    (void)state;
    run_ssl(read_to_end);
}

static int note_end(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char byte;
    (void)writer;
    *(int *)arg = (int)asyncio_stream_reader_read(reader, &byte, 1);
    return 0;
}

static int update_and_close(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int end = 1;
    pair_options_t options = {.handler = note_end, .arg = &end};
    pair_t pair;
    open_pair(&pair, &options);
    SSL *ssl = asyncio_ssl_object_openssl(asyncio_stream_writer_get_ssl_object(pair.writer));
    assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    close_pair(&pair);
    assert_int_equal(end, 0); /* and not ASYNCIO_ESSLEOF */
    return 0;
}

/* A program that has asked OpenSSL for a new key says its close_notify all the same. */
static void test_close_while_updating(void **state)
{
    (void)state;
    run_ssl(update_and_close);
}

/* --- what is no TLS ------------------------------------------------------------------------ */

static int send_garbage(void *arg, void **ret_result)
{
    (void)ret_result;
    pair_t pair;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    const char *data;
    open_server(&pair, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(pair.server, 0),
                                                 NULL, &reader, &writer), 0);
        asyncio_stream_writer_write(writer, arg, strlen(arg));
        asyncio_stream_reader_read_all(reader, &data); /* perhaps an alert; then the end */
        asyncio_stream_writer_close(writer);
        asyncio_stream_reader_unref(reader);
        asyncio_stream_writer_unref(writer);
    }
    assert_int_equal(connect_pair(&pair, NULL), 0); /* the server still serves */
    close_pair(&pair);
    return 0;
}

/* Requests in plain and nonsense end their connection, and no other one. */
static void test_garbage(void **state)
{
    (void)state;
    run_ssl_with(send_garbage, "GET / HTTP/1.1\r\n\r\n");
    run_ssl_with(send_garbage, "\x16\x03\x01\xff\xff nonsense that is not a hello");
}

static int speak_plain(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader;
    asyncio_stream_writer_write(writer, arg, strlen(arg));
    return asyncio_stream_writer_drain(writer);
}

static int connect_to_plain(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, speak_plain, arg, NULL, &server), 0);
    asyncio_ssl_context_t *ssl = new_client_context();
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = ssl,
                                            .server_hostname = "localhost"};
    int rc = asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), &options, &reader,
                                     &writer);
    if (*(char *)arg) {
        asyncio_error_t *error = asyncio_error_of(rc);
        assert_int_equal(rc, ASYNCIO_ESSL);
        assert_string_equal(asyncio_error_ssl_reason(error), "WRONG_VERSION_NUMBER");
        asyncio_error_unref(error);
    } else {
        assert_int_equal(rc, -ECONNRESET); /* it closed */
    }
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(ssl);
    return 0;
}

/* A client that meets a server without TLS learns so; one whose server closes, that. */
static void test_plain_server(void **state)
{
    (void)state;
    run_ssl_with(connect_to_plain, "220 mail.example ESMTP ready\r\n");
    run_ssl_with(connect_to_plain, "");
}

/* --- silence ------------------------------------------------------------------------------- */

static int stay_silent(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return asyncio_sleep(1000);
}

static int await_silent_server(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, stay_silent, NULL, NULL, &server), 0);
    asyncio_ssl_context_t *ssl = new_client_context();
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = ssl,
                                            .server_hostname = "localhost",
                                            .ssl_handshake_timeout = 2.5};
    double begin = asyncio_loop_time(asyncio_get_running_loop());
    asyncio_coroutine_t *connecting = asyncio_open_connection_coroutine(
        "127.0.0.1", asyncio_server_port(server, 0), &options, &reader, &writer);
    int rc = arg ? asyncio_wait_for(connecting, 1.0, NULL) : asyncio_await(connecting, NULL);
    double spent = asyncio_loop_time(asyncio_get_running_loop()) - begin;
    assert_int_equal(rc, arg ? -ETIMEDOUT : -ECONNABORTED);
    assert_true(spent > (arg ? 0.9 : 2.4) && spent < (arg ? 1.5 : 3.0));
    if (!arg) {
        asyncio_error_t *error = asyncio_error_of(rc);
        assert_string_equal(asyncio_error_message(error),
                            "SSL handshake is taking longer than 2.5 seconds: aborting the "
                            "connection");
        asyncio_error_unref(error);
    }
    asyncio_server_close(server);
    asyncio_server_cancel_clients(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(ssl);
    return 0;
}

/* A server that says nothing ends the handshake when its time is over. */
static void test_handshake_timeout(void **state)
{
    (void)state;
    run_virtual(await_silent_server, NULL);
}

/* A cancellation in the handshake leaves nothing behind. */
static void test_cancelled_handshake(void **state)
{
    (void)state;
    run_virtual(await_silent_server, "cancelled");
}

static int serve_silent_client(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    char byte;
    asyncio_ssl_context_t *ssl = new_server_context(NULL);
    asyncio_server_options_t options = {.size = sizeof(options), .ssl = ssl,
                                        .ssl_handshake_timeout = 3};
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo_client, NULL, &options, &server),
                     0);
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL,
                                             &reader, &writer), 0);
    assert_int_equal(asyncio_stream_reader_read(reader, &byte, 1), 0); /* it is thrown out */
    double time = asyncio_loop_time(asyncio_get_running_loop());
    assert_true(time > 2.9 && time < 4.0);
    asyncio_stream_writer_close(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_server_close(server);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(ssl);
    return 0;
}

/* A client that connects and says nothing does not hold its place for ever. */
static void test_silent_client(void **state)
{
    (void)state;
    run_virtual(serve_silent_client, NULL);
}

static int close_without_reply(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.handler = stay_silent};
    pair_t pair;
    open_server(&pair, &options);
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .ssl = pair.client_ssl,
                                           .server_hostname = "localhost",
                                           .ssl_shutdown_timeout = 2};
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(pair.server, 0),
                                             &wanted, &pair.reader, &pair.writer), 0);
    asyncio_stream_writer_close(pair.writer);
    assert_int_equal(asyncio_stream_writer_wait_closed(pair.writer), -ETIMEDOUT);
    asyncio_stream_reader_unref(pair.reader);
    asyncio_stream_writer_unref(pair.writer);
    pair.writer = NULL;
    asyncio_server_cancel_clients(pair.server);
    close_pair(&pair);
    return 0;
}

/* A peer that never says its own close_notify is waited for no longer than asked. */
static void test_shutdown_timeout(void **state)
{
    (void)state;
    run_virtual(close_without_reply, NULL);
}

/* --- too much ------------------------------------------------------------------------------ */

/* A client by OpenSSL alone, which asks for key updates and reads none of the replies. */
static int flood(void *arg, void **ret_result)
{
    (void)ret_result;
    int fd = (int)(intptr_t)arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    int rc = SSL_connect(ssl);
    for (int i = 0; rc == 1 && i < 2000000; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        rc = SSL_do_handshake(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return 0;
}

/* The kernel takes few replies, so that they pile up soon. */
static int echo_through_little(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                               void *arg)
{
    asyncio_socket_setsockopt(asyncio_stream_writer_get_socket(writer), SOL_SOCKET, SO_SNDBUF,
                              4096);
    return echo_client(reader, writer, arg);
}

static int be_flooded(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.handler = echo_through_little};
    pair_t pair;
    open_server(&pair, &options);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(asyncio_server_port(pair.server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    /* In another thread, since it blocks; it ends when the server closes the connection. */
    assert_int_equal(asyncio_to_thread(flood, (void *)(intptr_t)fd, NULL), 0);
    close(fd);
    close_pair(&pair);
    return 0;
}

/* A peer that asks for key updates without end, and reads nothing, is thrown out. */
static void test_key_update_flood(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    run_ssl(be_flooded);
}

#define FAILURES 10000

static int fail_often(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_options_t options = {.client_ssl =
        asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH)};
    pair_t pair;
    long blocks = 0;
    assert_int_equal(asyncio_ssl_context_load_verify_pem(options.client_ssl, test_server.cert,
                                                         strlen(test_server.cert)), 0);
    open_server(&pair, &options);
    options.server_hostname = "other.example";
    for (int i = 0; i < FAILURES / (arg ? 1 : 50); i++) {
        assert_int_equal(connect_pair(&pair, &options), ASYNCIO_ESSLCERTVERIFICATION);
        asyncio_error_clear();
        if (i == 100)
            blocks = asyncio__live_blocks();
    }
    asyncio_sleep(0.01);
    if (blocks)
        assert_true(asyncio__live_blocks() < blocks + 64);
    close_pair(&pair);
    return 0;
}

/* Handshakes that fail leave nothing behind, however many they are: ASYNCIO_TEST_LONG=1 for ten
 * thousand of them. */
static void test_many_failures(void **state)
{
    (void)state;
    run_ssl_with(fail_often, getenv("ASYNCIO_TEST_LONG"));
}

/* --- cancelled reads ----------------------------------------------------------------------- */

static int read_and_cancel(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    pair_t pair;
    char data[8];
    open_pair(&pair, NULL);
    for (int i = 0; i < 20; i++) {
        asyncio_coroutine_t *reading =
            asyncio_stream_reader_readexactly_coroutine(pair.reader, data, 8, NULL);
        assert_int_equal(asyncio_wait_for(reading, 0.001, NULL), -ETIMEDOUT);
        assert_int_equal(asyncio_stream_writer_write(pair.writer, "12345678", 8), 0);
        assert_int_equal(asyncio_stream_reader_readexactly(pair.reader, data, 8, NULL), 8);
        assert_memory_equal(data, "12345678", 8);
    }
    close_pair(&pair);
    return 0;
}

/* A read that is cancelled loses no byte, and the next one gets them. */
static void test_cancelled_read(void **state)
{
    (void)state;
    run_ssl(read_and_cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation),       cmocka_unit_test(test_close_notify),
        cmocka_unit_test(test_close_while_updating),
        cmocka_unit_test(test_garbage),          cmocka_unit_test(test_plain_server),
        cmocka_unit_test(test_handshake_timeout), cmocka_unit_test(test_cancelled_handshake),
        cmocka_unit_test(test_silent_client),    cmocka_unit_test(test_shutdown_timeout),
        cmocka_unit_test(test_key_update_flood), cmocka_unit_test(test_many_failures),
        cmocka_unit_test(test_cancelled_read),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
