/* SPDX-License-Identifier: MIT */
/*
 * start_tls: connections that begin in plain and continue with TLS. What was received before never
 * becomes data.
 */
#include <asyncio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/ssl_fixture.h"

/* What a server sends in plain before TLS, and what came of both sides. */
typedef struct story {
    const char *greeting;        /* the server's last line in plain, and more */
    const char *request;         /* the client's line that asks for TLS, and more */
    bool is_quiet;               /* the client does not begin with TLS */
    int client_code, server_code; /* of start_tls */
    asyncio_ssl_context_t *ssl;  /* the server's */
    asyncio_event_t over;        /* the server is done */
} story_t;

static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    story_t *story = arg;
    const char *line;
    assert_true(asyncio_stream_reader_readline(reader, &line) > 0);
    asyncio_stream_writer_write(writer, story->greeting, strlen(story->greeting));
    story->server_code = asyncio_stream_writer_start_tls(writer, story->ssl, NULL);
    asyncio_event_set(&story->over);
    return story->server_code == 0 ? echo_client(reader, writer, NULL) : 0;
}

static int meet(void *arg, void **ret_result)
{
    (void)ret_result;
    story_t *story = arg;
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_ssl_context_t *client = new_client_context();
    const char *line;
    char reply[5];
    story->ssl = new_server_context(NULL);
    asyncio_event_init(&story->over);
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, serve, story, NULL, &server), 0);
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), NULL,
                                             &reader, &writer), 0);
    asyncio_stream_writer_write(writer, story->request, strlen(story->request));
    assert_true(asyncio_stream_reader_readline(reader, &line) > 0);
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = "localhost"};
    if (!story->is_quiet)
        story->client_code = asyncio_stream_writer_start_tls(writer, client, &options);
    if (!story->is_quiet && story->client_code == 0) {
        assert_int_equal(asyncio_stream_writer_write(writer, "hello", 5), 0);
        assert_int_equal(asyncio_stream_reader_readexactly(reader, reply, 5, NULL), 5);
        assert_memory_equal(reply, "hello", 5);
        assert_non_null(asyncio_stream_writer_get_ssl_object(writer));
        assert_int_equal(asyncio_stream_writer_write_eof(writer), -EOPNOTSUPP);
    }
    asyncio_stream_writer_close(writer);
    asyncio_stream_writer_wait_closed(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    assert_int_equal(asyncio_event_wait(&story->over), 0);
    asyncio_server_close(server);
    asyncio_server_wait_closed(server);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(story->ssl);
    asyncio_ssl_context_unref(client);
    return 0;
}

/* Both sides agree in plain, then speak TLS. */
static void test_upgrade(void **state)
{
    (void)state;
    story_t story = {.greeting = "go ahead\n", .request = "STARTTLS\n"};
    run_ssl_with(meet, &story);
    assert_int_equal(story.client_code, 0);
    assert_int_equal(story.server_code, 0);
}

/* A line that an attacker adds behind the server's is no data of TLS: the client refuses. */
static void test_injection_into_client(void **state)
{
    (void)state;
    story_t story = {.greeting = "go ahead\ninjected\n", .request = "STARTTLS\n"};
    run_ssl_with(meet, &story);
    assert_int_equal(story.client_code, ASYNCIO_ESSL);
    assert_true(story.server_code < 0);
}

/* And a command behind the client's is refused by the server, CVE-2021-23214. */
static void test_injection_into_server(void **state)
{
    (void)state;
    story_t story = {.greeting = "go ahead\n", .request = "STARTTLS\ninjected\n",
                     .is_quiet = true};
    run_ssl_with(meet, &story);
    assert_int_equal(story.server_code, ASYNCIO_ESSL);
}

/* --- transports ---------------------------------------------------------------------------- */

typedef struct talker {
    asyncio_protocol_t protocol;
    asyncio_transport_t *transport;
    char received[64];
    size_t count;
    int lost; /* connection_lost: 1, or the code */
    bool echoes;
    asyncio_event_t news;  /* something was received, or it is lost */
} talker_t;

static void made(asyncio_protocol_t *protocol, asyncio_transport_t *transport)
{
    ((talker_t *)protocol)->transport = transport;
}

static void received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    talker_t *talker = (talker_t *)protocol;
    assert_true(talker->count + size < sizeof(talker->received));
    memcpy(talker->received + talker->count, data, size);
    talker->count += size;
    if (talker->echoes)
        asyncio_transport_write(talker->transport, data, size);
    asyncio_event_set(&talker->news);
}

static void lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)error;
    talker_t *talker = (talker_t *)protocol;
    talker->lost = code < 0 ? code : 1;
    asyncio_event_set(&talker->news);
}

static const asyncio_protocol_functions_t functions = {
    .size = sizeof(functions), .connection_made = made, .data_received = received,
    .connection_lost = lost};

static asyncio_protocol_t *get(void *arg)
{
    ((talker_t *)arg)->protocol.functions = &functions;
    return arg;
}

static void await_news(talker_t *talker)
{
    assert_int_equal(asyncio_event_wait(&talker->news), 0);
    asyncio_event_clear(&talker->news);
}

/* The server's half, as a task. */
static int upgrade_server(void *arg, void **ret_result)
{
    (void)ret_result;
    talker_t *talker = arg;
    asyncio_ssl_context_t *ssl = new_server_context(NULL);
    asyncio_transport_t *same = NULL;
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_side = true};
    int rc = asyncio_loop_start_tls(asyncio_get_running_loop(), talker->transport, NULL, ssl,
                                    &options, &same);
    assert_ptr_equal(same, rc == 0 ? talker->transport : NULL);
    asyncio_transport_unref(same);
    asyncio_ssl_context_unref(ssl);
    return rc;
}

static int exchange(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    talker_t server = {.echoes = true};
    talker_t client = {.echoes = false};
    asyncio_event_init(&server.news);
    asyncio_event_init(&client.news);
    asyncio_server_t *listening;
    asyncio_transport_t *transport;
    assert_int_equal(asyncio_loop_create_server(loop, get, &server, "127.0.0.1", 0, NULL,
                                                &listening), 0);
    assert_int_equal(asyncio_loop_create_connection(loop, get, &client, "127.0.0.1",
                                                    asyncio_server_port(listening, 0), NULL,
                                                    &transport), 0);
    asyncio_transport_write(transport, "plain", 5);
    await_news(&client);
    assert_memory_equal(client.received, "plain", 5);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(upgrade_server, &server));
    asyncio_ssl_context_t *ssl = new_client_context();
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = "localhost"};
    assert_int_equal(asyncio_loop_start_tls(loop, transport, NULL, ssl, &options, NULL), 0);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_transport_write(transport, "secret", 6);
    while (client.count < 11)
        await_news(&client);
    assert_memory_equal(client.received, "plainsecret", 11);
    assert_non_null(asyncio_transport_get_ssl_object(transport));
    assert_false(asyncio_transport_can_write_eof(transport));
    asyncio_transport_close(transport);
    while (!client.lost)
        await_news(&client);
    assert_int_equal(client.lost, 1);
    while (!server.lost)
        await_news(&server);
    asyncio_transport_unref(transport);
    asyncio_server_close(listening);
    asyncio_server_wait_closed(listening);
    asyncio_server_unref(listening);
    asyncio_ssl_context_unref(ssl);
    return 0;
}

/* A transport stays, with its protocol, and what it carries is encrypted from then on. */
static void test_transports(void **state)
{
    (void)state;
    run_ssl(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_injection_into_client),
        cmocka_unit_test(test_injection_into_server),
        cmocka_unit_test(test_transports),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
