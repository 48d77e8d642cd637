/* SPDX-License-Identifier: MIT */
/* Servers over loopback, on every engine that has sockets: starting, options, how serving ends. */
#include "support/server_fixture.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>

#include "transport/bind.h"

/* --- how serving ends ---------------------------------------------------------------------- */

static int serve(asyncio_server_t *server, void **ret_result)
{
    (void)ret_result;
    return asyncio_server_serve_forever(server);
}
ASYNCIO_COROUTINE(serve, (asyncio_server_t *, server));

static int serve_until_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(echo, NULL);
    asyncio_task_t *task = asyncio_create_task(serve_coroutine(server));
    asyncio_sleep(0);
    assert_int_equal(asyncio_server_serve_forever(server), ASYNCIO_ERUNTIME);
    peer_t peer = open_to(server, 0);
    asyncio_sleep(0.01);
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

/* A cancelled serve_forever closes the server and its connections; a second one is refused. */
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
    asyncio_server_t *server = start(echo, NULL);
    asyncio_task_t *task = asyncio_create_task(serve_coroutine(server));
    peer_t peer = open_to(server, 0);
    exchange(peer);
    assert_int_equal(asyncio_server_close(server), 0);
    turn_often();
    assert_false(asyncio_future_done(task)); /* a connection is open */
    exchange(peer);
    end(peer);
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_server_unref(server);
    return 0;
}

/* Closed elsewhere, serve_forever waits for the connections to end, and is a success. */
static void test_serve_until_closed(void **state)
{
    (void)state;
    run_clean(serve_until_closed, NULL);
}

static int serve_closed_then_cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = start(echo, NULL);
    asyncio_task_t *task = asyncio_create_task(serve_coroutine(server));
    peer_t peer = open_to(server, 0);
    exchange(peer);
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

/* cancel_clients cancels the task of each connection, which can still say good-bye. */
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

/* A server that serves needs no reference of the program; one that does not ends with the last. */
static void test_unref_while_serving(void **state)
{
    (void)state;
    run_clean(unref_while_serving, NULL);
}

/* --- contexts ------------------------------------------------------------------------------ */

static asyncio_context_var_t *variable;

static int tell_context(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                        void *arg)
{
    (void)reader, (void)arg;
    const char *value = asyncio_context_var_get_or(variable, (void *)"?");
    asyncio_context_var_set(variable, (void *)"x"); /* seen by this connection alone */
    return asyncio_stream_writer_write(writer, value, 1);
}

static int serve_in_context(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_context_var_set(variable, (void *)"a");
    asyncio_server_t *server = start(tell_context, NULL);
    asyncio_context_var_set(variable, (void *)"b");
    for (int i = 0; i < 3; i++) {
        char byte = 0;
        peer_t peer = open_to(server, 0);
        assert_int_equal(asyncio_stream_reader_readexactly(peer.reader, &byte, 1, NULL), 1);
        assert_int_equal(byte, 'a');
        end(peer);
    }
    stop(server);
    return 0;
}

/* Every handler runs in a copy of the context in which the server was started. */
static void test_serve_in_context(void **state)
{
    (void)state;
    if (is_engine("sim"))
        skip();
    variable = asyncio_context_var_new("test_server");
    run_clean(serve_in_context, NULL);
    asyncio_context_var_unref(variable);
}

/* --- addresses ----------------------------------------------------------------------------- */

static int binds_to_fail; /* of IPv6 sockets, from now on */
static int bind_error;    /* with that errno */

static int bind_without_v6(int fd, const struct sockaddr *address, socklen_t size)
{
    if (address->sa_family == AF_INET6 && binds_to_fail > 0) {
        binds_to_fail--;
        errno = bind_error;
        return -1;
    }
    return bind(fd, address, size);
}

static int serve_what_can_be_bound(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio__sys.bind = bind_without_v6;
    binds_to_fail = 1;
    bind_error = EADDRNOTAVAIL;
    asyncio_server_t *server = start_with(NULL, echo, NULL, NULL), *none = NULL;
    assert_int_equal(binds_to_fail, 0);
    assert_int_equal(asyncio_server_port(server, 1), 0); /* one socket */
    peer_t peer = open_to(server, 0);
    exchange(peer);
    end(peer);
    stop(server);
    binds_to_fail = 1;
    assert_int_equal(asyncio_start_server("::1", 0, echo, NULL, NULL, &none), -EADDRNOTAVAIL);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), "[::1]:0"));
    asyncio_error_unref(error);
    return 0;
}

/* An address that the machine does not have is left out; alone it is an error that names it. */
static void test_serve_what_can_be_bound(void **state)
{
    (void)state;
    run_clean(serve_what_can_be_bound, NULL);
}

static int try_another_port(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio__sys.bind = bind_without_v6;
    binds_to_fail = 3;
    bind_error = EADDRINUSE;
    asyncio_server_t *server = start_with(NULL, echo, NULL, NULL);
    assert_int_equal(binds_to_fail, 0);
    assert_int_equal(asyncio_server_port(server, 0), asyncio_server_port(server, 1));
    peer_t peer = open_to_host("::1", server);
    exchange(peer);
    end(peer);
    stop(server);
    return 0;
}

/* With port 0, a port that is taken in the second family is exchanged for another one. */
static void test_try_another_port(void **state)
{
    (void)state;
    run_clean(try_another_port, NULL);
}

/* An address that is listed twice gets one socket. */
static void test_repeated_address(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct addrinfo second = {.ai_family = AF_INET,
                              .ai_addr = (struct sockaddr *)&address,
                              .ai_addrlen = sizeof(address)};
    struct addrinfo first = second;
    first.ai_next = &second;
    asyncio__bind_options_t options = {.reuse_address = true};
    int fds[2];
    size_t count;
    assert_int_equal(asyncio__bind_all(&first, &options, fds, &count), 0);
    assert_int_equal(count, 1);
    close(fds[0]);
}

static int name_the_address(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char wanted[40];
    asyncio_server_t *server = start(echo, NULL), *other = NULL;
    uint16_t port = asyncio_server_port(server, 0);
    snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", port);
    assert_int_equal(asyncio_start_server("127.0.0.1", port, echo, NULL, NULL, &other),
                     -EADDRINUSE);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), wanted));
    asyncio_error_unref(error);
    assert_null(other);
    stop(server);
    return 0;
}

/* An address that is taken is named by the error. */
static void test_name_the_address(void **state)
{
    (void)state;
    run_clean(name_the_address, NULL);
}

/* --- options ------------------------------------------------------------------------------- */

static int option_of(asyncio_stream_writer_t *writer, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    int fd = asyncio_socket_fileno(asyncio_stream_writer_get_socket(writer));
    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static int note_options(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                        void *arg)
{
    (void)reader;
    int *options = arg;
    options[0] = option_of(writer, IPPROTO_TCP, TCP_NODELAY);
    options[1] = option_of(writer, SOL_SOCKET, SO_KEEPALIVE);
    return 0;
}

static int inherit_options(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int keep_alive = 0; keep_alive < 2; keep_alive++) {
        int options[2] = {-1, -1};
        asyncio_server_options_t wanted = {.size = sizeof(wanted), .keep_alive = keep_alive};
        asyncio_server_t *server = start_with("127.0.0.1", note_options, options, &wanted);
        peer_t peer = open_to(server, 0);
        expect_end(peer);
        end(peer);
        stop(server);
        assert_int_equal(options[0], 1);
        assert_int_equal(options[1], keep_alive);
    }
    return 0;
}

/* Accepted sockets have TCP_NODELAY, and SO_KEEPALIVE where it is wanted. */
static void test_inherit_options(void **state)
{
    (void)state;
    run_clean(inherit_options, NULL);
}

static int reuse_addresses; /* calls that set SO_REUSEADDR */
static int reuse_ports;     /* calls that set SO_REUSEPORT */

static int note_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    reuse_addresses += level == SOL_SOCKET && name == SO_REUSEADDR;
    reuse_ports += level == SOL_SOCKET && name == SO_REUSEPORT;
    return setsockopt(fd, level, name, value, size);
}

static int reuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_options_t options = {.size = sizeof(options), .reuse_port = true};
    asyncio__sys.setsockopt = note_setsockopt;
    reuse_addresses = reuse_ports = 0;
    asyncio_server_t *server = start(echo, NULL);
    stop(server);
    assert_int_equal(reuse_addresses, 1);
    assert_int_equal(reuse_ports, 0);
    options.no_reuse_address = true;
    server = start_with("127.0.0.1", echo, NULL, &options);
    asyncio_server_t *second = NULL;
    assert_int_equal(asyncio_start_server("127.0.0.1", asyncio_server_port(server, 0), echo, NULL,
                                          &options, &second), 0);
    assert_int_equal(reuse_addresses, 1);
    assert_int_equal(reuse_ports, 2);
    stop(second);
    stop(server);
    return 0;
}

/* SO_REUSEADDR is set unless refused; with SO_REUSEPORT two servers share a port. */
static void test_reuse(void **state)
{
    (void)state;
    run_clean(reuse, NULL);
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
        cmocka_unit_test(test_serve_in_context),
        cmocka_unit_test(test_serve_what_can_be_bound),
        cmocka_unit_test(test_try_another_port),
        cmocka_unit_test(test_repeated_address),
        cmocka_unit_test(test_name_the_address),
        cmocka_unit_test(test_inherit_options),
        cmocka_unit_test(test_reuse),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
