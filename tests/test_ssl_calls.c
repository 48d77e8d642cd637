/* SPDX-License-Identifier: MIT */
/*
 * The calls that take a context: each one speaks TLS, and keeps its limits for the handshake and
 * the shutdown. Times are those of the virtual clock.
 */
#include <asyncio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/protocol_fixture.h"
#include "support/ssl_fixture.h"

/* The path of a Unix socket in a folder of the process; to be freed. */
static char *socket_path(void)
{
    char *path = certificate_write("socket", "");
    assert_int_equal(unlink(path), 0);
    return path;
}

/* --- Unix sockets -------------------------------------------------------------------------- */

static int use_unix_streams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char *path = socket_path(), data[5];
    asyncio_server_options_t serving = {.size = sizeof(serving), .ssl = new_server_context(NULL)};
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .ssl = new_client_context(),
                                           .server_hostname = "localhost"};
    asyncio_server_t *server;
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_start_unix_server(path, echo_client, NULL, &serving, &server), 0);
    assert_int_equal(asyncio_open_unix_connection(path, &wanted, &reader, &writer), 0);
    assert_int_equal(asyncio_stream_writer_write(writer, "hello", 5), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(reader, data, 5, NULL), 5);
    assert_memory_equal(data, "hello", 5);
    const asyncio_ssl_object_t *object = asyncio_stream_writer_get_ssl_object(writer);
    assert_string_equal(asyncio_ssl_object_version(object), "TLSv1.3");
    assert_false(asyncio_ssl_object_server_side(object));
    assert_ptr_equal(asyncio_ssl_object_context(object), wanted.ssl);
    assert_int_equal(asyncio_stream_writer_close(writer), 0);
    assert_int_equal(asyncio_stream_writer_wait_closed(writer), 0);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_server_close(server);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(serving.ssl);
    asyncio_ssl_context_unref(wanted.ssl);
    unlink(path);
    free(path);
    return 0;
}

/* Streams over a Unix socket are encrypted as those over TCP are. */
static void test_unix_streams(void **state)
{
    (void)state;
    run_ssl(use_unix_streams);
}

/* --- protocols ----------------------------------------------------------------------------- */

static void echo_data(recorder_t *recorder, const void *data, size_t size)
{
    assert_int_equal(asyncio_transport_write(recorder->transport, data, size), 0);
}

/* A server's recorder that echoes, and a client's of that kind, over a Unix socket. */
static void talk_by_protocols(const asyncio_protocol_functions_t *client_functions,
                              const char *expected)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    char *path = socket_path();
    asyncio_server_options_t serving = {.size = sizeof(serving), .ssl = new_server_context(NULL)};
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .ssl = new_client_context(),
                                           .server_hostname = "localhost"};
    recorder_t echo = recorder_init(&plain_functions), client = recorder_init(client_functions);
    asyncio_server_t *server;
    asyncio_transport_t *transport;
    echo.on_data = echo_data;
    assert_int_equal(
        asyncio_loop_create_unix_server(loop, give, &echo, path, &serving, &server), 0);
    assert_int_equal(asyncio_loop_create_unix_connection(loop, give, &client, path, &wanted,
                                                         &transport), 0);
    assert_int_equal(asyncio_transport_write(transport, "123456", 6), 0);
    WAIT_UNTIL(&client, client.received == 6);
    assert_true(asyncio_ssl_object_server_side(asyncio_transport_get_ssl_object(echo.transport)));
    assert_int_equal(asyncio_transport_close(transport), 0);
    wait_lost(&client);
    wait_lost(&echo);
    assert_string_equal(client.log, expected);
    assert_string_equal(echo.log, "made data(123456) eof lost(0) ");
    asyncio_transport_unref(transport);
    asyncio_server_close(server);
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(serving.ssl);
    asyncio_ssl_context_unref(wanted.ssl);
    unlink(path);
    free(path);
}

static int use_protocols(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    talk_by_protocols(&plain_functions, "made data(123456) lost(0) ");
    talk_by_protocols(&buffered_functions, "made into(1234) into(56) lost(0) ");
    return 0;
}

/* A protocol is given what was decrypted, and a buffered one has it in the buffer that it gives,
 * however small that is. */
static void test_protocols(void **state)
{
    (void)state;
    run_ssl(use_protocols);
}

/* --- files ------------------------------------------------------------------------------- */

/* Sends a part of a file to an echo server, and writes on. */
static int send_file(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    enum { OFFSET = 1000, COUNT = 300000 };
    asyncio_sendfile_options_t options = {.size = sizeof(options), .offset = OFFSET,
                                          .count = COUNT, .no_fallback = true};
    char *path = certificate_write("file", ""), *data = malloc(COUNT + 2);
    pair_t pair;
    asyncio_file_t *file;
    for (size_t i = 0; i < COUNT; i++)
        data[i] = (char)(i * 7 + i / 251);
    assert_int_equal(asyncio_path_write(path, data, COUNT), 0);
    open_pair(&pair, NULL);
    assert_int_equal(asyncio_open(path, "rb", &file), 0);
    assert_int_equal(asyncio_stream_writer_sendfile(pair.writer, file, &options), ASYNCIO_ERUNTIME);
    options.no_fallback = false;
    assert_int_equal(asyncio_stream_writer_sendfile(pair.writer, file, &options), COUNT - OFFSET);
    assert_int_equal(asyncio_file_tell(file), COUNT);
    assert_int_equal(asyncio_stream_writer_write(pair.writer, "end", 3), 0);
    char *found = malloc(COUNT);
    assert_int_equal(
        asyncio_stream_reader_readexactly(pair.reader, found, COUNT - OFFSET + 3, NULL),
        COUNT - OFFSET + 3);
    assert_memory_equal(found, data + OFFSET, COUNT - OFFSET);
    assert_memory_equal(found + COUNT - OFFSET, "end", 3);
    close_pair(&pair);
    asyncio_file_unref(file);
    asyncio_error_clear();
    unlink(path);
    free(path);
    free(data);
    free(found);
    return 0;
}

/* A file is read and encrypted, since sendfile(2) cannot encrypt; what is written after it comes
 * behind it. */
static void test_sendfile(void **state)
{
    (void)state;
    run_ssl(send_file);
}

/* --- sockets that the program has accepted ------------------------------------------------- */

/* A client by streams over one end of a socket pair. */
typedef struct dialer {
    asyncio_socket_t *sock;
    int code; /* of the connection */
} dialer_t;

static int dial(void *arg, void **ret_result)
{
    (void)ret_result;
    dialer_t *dialer = arg;
    char data[5];
    asyncio_connection_options_t wanted = {.size = sizeof(wanted), .sock = dialer->sock,
                                           .ssl = new_client_context(),
                                           .server_hostname = "localhost"};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    dialer->code = asyncio_open_connection(NULL, 0, &wanted, &reader, &writer);
    asyncio_ssl_context_unref(wanted.ssl);
    if (dialer->code < 0)
        return 0;
    assert_int_equal(asyncio_stream_writer_write(writer, "hello", 5), 0);
    assert_int_equal(asyncio_stream_reader_readexactly(reader, data, 5, NULL), 5);
    assert_int_equal(asyncio_stream_writer_close(writer), 0);
    assert_int_equal(asyncio_stream_writer_wait_closed(writer), 0);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return 0;
}

static int accept_pair(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    dialer_t dialer = {.sock = asyncio_socket_from_fd(fds[0])};
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[1]);
    asyncio_accepted_socket_options_t options = {.size = sizeof(options),
                                                 .ssl = new_server_context(NULL)};
    recorder_t echo = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    echo.on_data = echo_data;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(dial, &dialer));
    asyncio_coroutine_t *accepting = asyncio_loop_connect_accepted_socket_coroutine(
        loop, give, &echo, sock, &options, &transport);
    asyncio_ssl_context_unref(options.ssl); /* the coroutine object has a reference */
    options.ssl = NULL;
    asyncio_socket_unref(sock);
    assert_int_equal(asyncio_await(accepting, NULL), 0);
    wait_lost(&echo);
    assert_string_equal(echo.log, "made data(hello) eof lost(0) ");
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    assert_int_equal(dialer.code, 0);
    asyncio_transport_unref(transport);
    asyncio_socket_unref(dialer.sock);
    return 0;
}

/* With a context the side of the accepted socket is the server. */
static void test_accepted_socket(void **state)
{
    (void)state;
    run_ssl(accept_pair);
}

static int accept_wrongly(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[1]);
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_ssl_context_t *client = new_client_context();
    asyncio_accepted_socket_options_t cases[] = {
        {.size = 1},
        {.size = sizeof(cases[0]), .ssl = client},
        {.size = sizeof(cases[0]), .ssl_handshake_timeout = 1},
        {.size = sizeof(cases[0]), .ssl_shutdown_timeout = 1},
        {.size = sizeof(cases[0]), .ssl = client, .ssl_handshake_timeout = -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(asyncio_loop_connect_accepted_socket(loop, give, &recorder, sock,
                                                              &cases[i], NULL), -EINVAL);
        assert_true(asyncio_socket_fileno(sock) >= 0); /* and the socket stays */
    }
    assert_null(asyncio_loop_connect_accepted_socket_coroutine(loop, give, &recorder, sock,
                                                               &cases[0], NULL));
    asyncio_ssl_context_unref(client);
    asyncio_socket_unref(sock);
    close(fds[0]);
    return 0;
}

/* Options that mean nothing, or a client's context, are refused, and the socket is not touched. */
static void test_accepted_socket_refuses(void **state)
{
    (void)state;
    run_ssl(accept_wrongly);
}

/* --- limits -------------------------------------------------------------------------------- */

static void run_virtual(asyncio_coroutine_function_t *fn, void *arg)
{
    skip_without_sockets();
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    asyncio_task_t *task = asyncio_loop_create_task(loop, asyncio_coroutine_full(fn, arg, NULL));
    assert_int_equal(asyncio_loop_run_until_complete(loop, task, NULL), 0);
    asyncio_future_unref(task);
    assert_int_equal(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
    asyncio_error_clear();
}

#define HANDSHAKE_LIMIT_S 2.5

/* One call to a peer that says nothing. */
typedef struct silence {
    int sock_fd; /* of the call; the other end stays open */
    asyncio_ssl_context_t *client, *server;
} silence_t;

typedef int silent_call_t(silence_t *silence);

/* The options of a connection by TLS over the socket, with a limit for its handshake. */
static asyncio_connection_options_t limited(const silence_t *silence, asyncio_socket_t *sock)
{
    return (asyncio_connection_options_t){.size = sizeof(asyncio_connection_options_t),
                                          .ssl = silence->client, .sock = sock,
                                          .server_hostname = "localhost",
                                          .ssl_handshake_timeout = HANDSHAKE_LIMIT_S};
}

static int open_streams(silence_t *silence)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_connection_options_t options = limited(silence, sock);
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    int rc = asyncio_open_connection(NULL, 0, &options, &reader, &writer);
    asyncio_socket_unref(sock);
    return rc;
}

static int open_unix_streams(silence_t *silence)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_connection_options_t options = limited(silence, sock);
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    int rc = asyncio_open_unix_connection(NULL, &options, &reader, &writer);
    asyncio_socket_unref(sock);
    return rc;
}

static int create_connection(silence_t *silence)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_connection_options_t options = limited(silence, sock);
    recorder_t recorder = recorder_init(&plain_functions);
    int rc = asyncio_loop_create_connection(asyncio_get_running_loop(), give, &recorder, NULL, 0,
                                            &options, NULL);
    assert_string_equal(recorder.log, ""); /* connection_made is for connections that succeed */
    asyncio_socket_unref(sock);
    return rc;
}

static int connect_accepted(silence_t *silence)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_accepted_socket_options_t options = {.size = sizeof(options), .ssl = silence->server,
                                                 .ssl_handshake_timeout = HANDSHAKE_LIMIT_S};
    recorder_t recorder = recorder_init(&plain_functions);
    int rc = asyncio_loop_connect_accepted_socket(asyncio_get_running_loop(), give, &recorder, sock,
                                                  &options, NULL);
    assert_string_equal(recorder.log, "");
    asyncio_socket_unref(sock);
    return rc;
}

static int start_tls_of_streams(silence_t *silence)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = "localhost",
                                           .ssl_handshake_timeout = HANDSHAKE_LIMIT_S};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_streams_of_socket(sock, NULL, &reader, &writer), 0);
    int rc = asyncio_stream_writer_start_tls(writer, silence->client, &options);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_socket_unref(sock);
    return rc;
}

static int start_tls_of_transports(silence_t *silence)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = "localhost",
                                           .ssl_handshake_timeout = HANDSHAKE_LIMIT_S};
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    assert_int_equal(asyncio_loop_connect_accepted_socket(loop, give, &recorder, sock, NULL,
                                                          &transport), 0);
    int rc = asyncio_loop_start_tls(loop, transport, NULL, silence->client, &options, NULL);
    wait_lost(&recorder);
    asyncio_transport_unref(transport);
    asyncio_socket_unref(sock);
    return rc;
}

static int meet_silence(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static silent_call_t *const calls[] = {open_streams,         open_unix_streams,
                                           create_connection,    connect_accepted,
                                           start_tls_of_streams, start_tls_of_transports};
    silence_t silence = {.client = new_client_context(), .server = new_server_context(NULL)};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        silence.sock_fd = fds[0];
        double begin = asyncio_loop_time(asyncio_get_running_loop());
        assert_int_equal(calls[i](&silence), -ECONNABORTED);
        double spent = asyncio_loop_time(asyncio_get_running_loop()) - begin;
        assert_true(spent > HANDSHAKE_LIMIT_S - 0.1 && spent < HANDSHAKE_LIMIT_S + 0.5);
        asyncio_error_clear();
        close(fds[1]);
    }
    asyncio_ssl_context_unref(silence.client);
    asyncio_ssl_context_unref(silence.server);
    return 0;
}

/* Each call that waits for a handshake ends when its time is over. */
static void test_handshake_timeouts(void **state)
{
    (void)state;
    run_virtual(meet_silence, NULL);
}

/* The server's side of a connection that a client leaves without close_notify, unread. */
static int open_plainly(silence_t *silence, asyncio_transport_t **ret_transport,
                        recorder_t *recorder)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(silence->sock_fd);
    asyncio_accepted_socket_options_t options = {.size = sizeof(options), .ssl = silence->server,
                                                 .ssl_shutdown_timeout = 2};
    int rc = asyncio_loop_connect_accepted_socket(asyncio_get_running_loop(), give, recorder, sock,
                                                  &options, ret_transport);
    asyncio_socket_unref(sock);
    return rc;
}

/* A client that shakes hands and then neither reads nor closes, until it is told to end. */
typedef struct sleeper {
    int fd;
    asyncio_event_t over;
} sleeper_t;

static int sleep_connected(void *arg, void **ret_result)
{
    (void)ret_result;
    sleeper_t *sleeper = arg;
    asyncio_socket_t *sock = asyncio_socket_from_fd(sleeper->fd);
    asyncio_connection_options_t options = {.size = sizeof(options), .ssl = new_client_context(),
                                            .sock = sock, .server_hostname = "localhost"};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    assert_int_equal(asyncio_open_connection(NULL, 0, &options, &reader, &writer), 0);
    assert_int_equal(asyncio_event_wait(&sleeper->over), 0);
    asyncio_stream_writer_abort(writer);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    asyncio_socket_unref(sock);
    asyncio_ssl_context_unref(options.ssl);
    return 0;
}

static int close_unheard(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    silence_t silence = {.server = new_server_context(NULL)};
    sleeper_t sleeper;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *transport;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    silence.sock_fd = fds[0];
    sleeper.fd = fds[1];
    asyncio_event_init(&sleeper.over);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(sleep_connected, &sleeper));
    assert_int_equal(open_plainly(&silence, &transport, &recorder), 0);
    double begin = asyncio_loop_time(asyncio_get_running_loop());
    assert_int_equal(asyncio_transport_close(transport), 0);
    wait_lost(&recorder);
    double spent = asyncio_loop_time(asyncio_get_running_loop()) - begin;
    assert_true(spent > 1.9 && spent < 2.5);
    assert_string_equal(recorder.log, "made lost(TimeoutError) ");
    asyncio_event_set(&sleeper.over);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_transport_unref(transport);
    asyncio_ssl_context_unref(silence.server);
    return 0;
}

/* A transport waits for the peer's close_notify no longer than asked. */
static void test_shutdown_timeout(void **state)
{
    (void)state;
    run_virtual(close_unheard, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix_streams),       cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_accepted_socket),    cmocka_unit_test(test_accepted_socket_refuses),
        cmocka_unit_test(test_handshake_timeouts), cmocka_unit_test(test_shutdown_timeout),
        cmocka_unit_test(test_sendfile),
    };
    return cmocka_run_group_tests(tests, ssl_setup, ssl_teardown);
}
