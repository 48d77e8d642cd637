/* SPDX-License-Identifier: MIT */
/* Servers, connections and pipes with protocols. */
#include "support/protocol_fixture.h"

#include <fcntl.h>
#include <sys/un.h>

static asyncio_loop_t *running(void)
{
    return asyncio_get_running_loop();
}

/* --- a server ------------------------------------------------------------------------------ */

static int made, destroyed;   /* protocols of the server */
static recorder_t *latest;    /* of them; not after its end */

static void echo_data(recorder_t *recorder, const void *data, size_t size)
{
    assert_int_equal(asyncio_transport_write(recorder->transport, data, size), 0);
}

static asyncio_protocol_t *make_echo(void *arg)
{
    recorder_t *recorder = malloc(sizeof(*recorder));
    *recorder = recorder_init(&plain_functions);
    asyncio_event_init(&recorder->changed);
    recorder->on_data = echo_data;
    recorder->is_quiet = true;
    recorder->destroyed = &destroyed;
    assert_null(arg);
    made++;
    latest = recorder;
    return &recorder->protocol;
}

static asyncio_server_t *serve(const asyncio_server_options_t *options)
{
    asyncio_server_t *server = NULL;
    made = destroyed = 0;
    assert_int_equal(asyncio_loop_create_server(running(), make_echo, NULL, "127.0.0.1", 0,
                                                options, &server),
                     0);
    return server;
}

static asyncio_transport_t *connect_to(asyncio_server_t *server, recorder_t *recorder)
{
    asyncio_transport_t *transport = NULL;
    assert_int_equal(asyncio_loop_create_connection(running(), give, recorder, "127.0.0.1",
                                                    asyncio_server_port(server, 0), NULL,
                                                    &transport),
                     0);
    return transport;
}

static int echo_by_protocols(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char block[1 << 20];
    asyncio_server_t *server = serve(NULL);
    recorder_t recorder = recorder_init(&plain_functions);
    char name[64], wanted[64];
    recorder.is_quiet = true;
    asyncio_transport_t *transport = connect_to(server, &recorder);
    snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", asyncio_server_port(server, 0));
    asyncio_transport_get_extra_info(transport, "peername", name, sizeof(name));
    assert_string_equal(name, wanted);
    asyncio_transport_set_write_buffer_limits(transport, SIZE_MAX, SIZE_MAX);
    assert_int_equal(asyncio_transport_write(transport, block, sizeof(block)), 0);
    WAIT_UNTIL(&recorder, recorder.received == sizeof(block));
    assert_int_equal(asyncio_transport_write_eof(transport), 0);
    wait_lost(&recorder); /* the server closes at the end, and so does this side */
    assert_int_equal(recorder.code, 0);
    asyncio_transport_get_extra_info(transport, "peername", name, sizeof(name));
    assert_string_equal(name, wanted);
    asyncio_transport_unref(transport);
    stop(server);
    assert_int_equal(made, 1);
    assert_int_equal(destroyed, 1);
    return 0;
}

static void test_echo_by_protocols(void **state)
{
    (void)state;
    run_clean(echo_by_protocols, NULL);
}

/* wait_closed() waits for connection_lost of the clients, whichever way they are ended. */
static int ended_by_the_server(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int i = 0; i < 2; i++) {
        asyncio_server_t *server = serve(NULL);
        recorder_t recorder = recorder_init(&plain_functions);
        asyncio_transport_t *transport = connect_to(server, &recorder);
        asyncio_transport_write(transport, "x", 1);
        WAIT_UNTIL(&recorder, recorder.received == 1);
        assert_int_equal(asyncio_server_cancel_clients(server), 0); /* no task to cancel */
        assert_int_equal(asyncio_server_close(server), 0);
        assert_int_equal(destroyed, 0);
        assert_int_equal(i ? asyncio_server_abort_clients(server)
                           : asyncio_server_close_clients(server),
                         0);
        assert_false(latest->is_lost);
        assert_int_equal(asyncio_server_wait_closed(server), 0);
        assert_int_equal(destroyed, 1);
        wait_lost(&recorder);
        asyncio_transport_unref(transport);
        asyncio_server_unref(server);
    }
    return 0;
}

static void test_ended_by_the_server(void **state)
{
    (void)state;
    run_clean(ended_by_the_server, NULL);
}

static int one_at_a_time(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_options_t options = {.size = sizeof(options), .max_connections = 1};
    asyncio_server_t *server = serve(&options);
    recorder_t first = recorder_init(&plain_functions), second = first;
    asyncio_transport_t *transports[2] = {connect_to(server, &first), connect_to(server, &second)};
    asyncio_transport_write(transports[1], "y", 1);
    asyncio_transport_write(transports[0], "x", 1);
    WAIT_UNTIL(&first, first.received == 1);
    assert_int_equal(made, 1);
    asyncio_transport_close(transports[0]);
    WAIT_UNTIL(&second, second.received == 1);
    assert_int_equal(made, 2);
    asyncio_transport_abort(transports[1]);
    wait_lost(&second);
    asyncio_transport_unref(transports[0]);
    asyncio_transport_unref(transports[1]);
    stop(server);
    return 0;
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    run_clean(one_at_a_time, NULL);
}

/* --- factories that refuse ----------------------------------------------------------------- */

static asyncio_protocol_t *make_none(void *arg)
{
    (void)arg;
    return NULL;
}

static asyncio_protocol_t *make_wrong(void *arg)
{
    static asyncio_protocol_t wrong;
    (void)arg;
    return &wrong;
}

static int refuse_connections(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = NULL;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *none = NULL;
    assert_int_equal(
        asyncio_loop_create_server(running(), make_none, NULL, "127.0.0.1", 0, NULL, &server), 0);
    uint16_t port = asyncio_server_port(server, 0);
    asyncio_transport_t *transport = connect_to(server, &recorder);
    wait_lost(&recorder);
    asyncio_transport_unref(transport);
    assert_int_equal(asyncio_loop_create_connection(running(), make_none, NULL, "127.0.0.1", port,
                                                    NULL, &none),
                     -ENOMEM);
    assert_int_equal(asyncio_loop_create_connection(running(), make_wrong, NULL, "127.0.0.1", port,
                                                    NULL, &none),
                     -EINVAL);
    assert_null(none);
    stop(server);
    return 0;
}

static void test_refuse_connections(void **state)
{
    (void)state;
    run_clean(refuse_connections, NULL);
}

static int misuse(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_connection_options_t options = {.size = 1};
    asyncio_server_options_t server_options = {.size = 1};
    asyncio_server_t *server = NULL;
    asyncio_loop_t *loop = running();
    asyncio_socket_t *datagrams = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(asyncio_loop_create_connection(loop, NULL, NULL, "::1", 1, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_connection(loop, give, NULL, NULL, 0, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_connection(loop, give, NULL, "::1", 1, &options, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_connection(NULL, give, NULL, "::1", 1, NULL, NULL),
                     -EINVAL);
    options = (asyncio_connection_options_t){.size = sizeof(options), .sock = datagrams};
    assert_int_equal(asyncio_loop_create_connection(loop, give, NULL, "::1", 1, &options, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_connection(loop, give, NULL, NULL, 0, &options, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_unix_connection(loop, give, NULL, NULL, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_server(loop, NULL, NULL, NULL, 0, NULL, &server),
                     -EINVAL);
    assert_int_equal(asyncio_loop_create_server(loop, give, NULL, NULL, 0, NULL, NULL), -EINVAL);
    assert_int_equal(
        asyncio_loop_create_server(loop, give, NULL, NULL, 0, &server_options, &server), -EINVAL);
    assert_int_equal(asyncio_loop_create_unix_server(loop, give, NULL, NULL, NULL, &server),
                     -EINVAL);
    assert_int_equal(asyncio_loop_connect_read_pipe(loop, give, NULL, NULL, NULL), -EINVAL);
    asyncio_socket_close(datagrams);
    assert_int_equal(asyncio_loop_connect_read_pipe(loop, give, NULL, datagrams, NULL), -EBADF);
    asyncio_socket_unref(datagrams);
    asyncio_socket_t *file = asyncio_socket_from_fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    assert_int_equal(asyncio_loop_connect_read_pipe(loop, give, NULL, file, NULL), -EINVAL);
    assert_int_equal(asyncio_loop_connect_write_pipe(loop, give, NULL, file, NULL), -EINVAL);
    asyncio_socket_unref(file);
    return 0;
}

static void test_misuse(void **state)
{
    (void)state;
    run_clean(misuse, NULL);
}

/* --- Unix sockets, sockets of the program, objects ------------------------------------------- */

static int by_path(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char path[64];
    asyncio_server_t *server = NULL;
    asyncio_transport_t *transport = NULL;
    recorder_t recorder = recorder_init(&buffered_functions);
    made = destroyed = 0;
    snprintf(path, sizeof(path), "/tmp/asyncio-protocol-%d", (int)getpid());
    assert_int_equal(
        asyncio_await(asyncio_loop_create_unix_server_coroutine(running(), make_echo, NULL, path,
                                                                NULL, &server),
                      NULL),
        0);
    assert_int_equal(
        asyncio_await(asyncio_loop_create_unix_connection_coroutine(running(), give, &recorder,
                                                                    path, NULL, &transport),
                      NULL),
        0);
    asyncio_transport_write(transport, "abcdef", 6);
    WAIT_UNTIL(&recorder, recorder.received == 6);
    asyncio_transport_close(transport);
    wait_lost(&recorder);
    asyncio_transport_unref(transport);
    stop(server);
    assert_int_equal(access(path, F_OK), -1);
    return 0;
}

static void test_by_path(void **state)
{
    (void)state;
    run_clean(by_path, NULL);
}

/* A socket of the program becomes a transport, or streams. */
static int own_socket(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = serve(NULL);
    for (int i = 0; i < 2; i++) {
        asyncio_connection_options_t options = {.size = sizeof(options)};
        options.sock = asyncio_socket_from_fd(connect_plainly(server));
        if (i == 0) {
            recorder_t recorder = recorder_init(&plain_functions);
            asyncio_transport_t *transport = NULL;
            asyncio_coroutine_t *object = asyncio_loop_create_connection_coroutine(
                running(), give, &recorder, NULL, 0, &options, &transport);
            assert_int_equal(asyncio_await(object, NULL), 0);
            assert_ptr_equal(asyncio_transport_get_socket(transport), options.sock);
            asyncio_transport_write(transport, "x", 1);
            WAIT_UNTIL(&recorder, recorder.received == 1);
            asyncio_transport_close(transport);
            wait_lost(&recorder);
            asyncio_transport_unref(transport);
        } else {
            peer_t peer;
            assert_int_equal(
                asyncio_open_connection(NULL, 0, &options, &peer.reader, &peer.writer), 0);
            exchange(peer);
            end(peer);
        }
        asyncio_socket_unref(options.sock);
    }
    stop(server);
    return 0;
}

static void test_own_socket(void **state)
{
    (void)state;
    run_clean(own_socket, NULL);
}

/* A task that is cancelled while connection_made is due: the connection is closed. */
static int cancelled(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t recorder = recorder_init(&plain_functions);
    asyncio_transport_t *none = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[0]);
    asyncio_task_t *task = asyncio_create_task(asyncio_loop_connect_accepted_socket_coroutine(
        running(), give, &recorder, sock, NULL, &none));
    while (!recorder.transport) {
        assert_int_equal(asyncio_sleep(0), 0);
        asyncio_task_cancel(task, NULL);
    }
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    wait_lost(&recorder);
    assert_null(none);
    asyncio_socket_unref(sock);
    close(fds[1]);
    return 0;
}

static void test_cancelled(void **state)
{
    (void)state;
    run_clean(cancelled, NULL);
}

/* --- pipes --------------------------------------------------------------------------------- */

static int through_a_pipe(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    recorder_t in = recorder_init(&plain_functions), out = in;
    asyncio_transport_t *reading, *writing;
    int fds[2];
    in.keeps_open = true; /* which means nothing here */
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    asyncio_socket_t *ends[2] = {asyncio_socket_from_fd(fds[0]), asyncio_socket_from_fd(fds[1])};
    assert_int_equal(asyncio_loop_connect_read_pipe(running(), give, &in, ends[0], &reading), 0);
    assert_int_equal(asyncio_loop_connect_write_pipe(running(), give, &out, ends[1], &writing), 0);
    assert_ptr_equal(asyncio_transport_get_socket(reading), ends[0]);
    assert_int_equal(asyncio_transport_write(reading, "x", 1), -EBADF);
    assert_int_equal(asyncio_transport_write_eof(reading), -EBADF);
    assert_false(asyncio_transport_can_write_eof(reading));
    assert_false(asyncio_transport_is_reading(writing));
    assert_int_equal(asyncio_transport_write(writing, "through", 7), 0);
    WAIT_UNTIL(&in, in.received == 7);
    assert_int_equal(asyncio_transport_write_eof(writing), 0);
    wait_lost(&out);
    wait_lost(&in);
    assert_string_equal(in.log, "made data(through) eof lost(0) ");
    assert_string_equal(out.log, "made lost(0) ");
    for (int i = 0; i < 2; i++)
        asyncio_socket_unref(ends[i]);
    asyncio_transport_unref(reading);
    asyncio_transport_unref(writing);
    return 0;
}

static void test_through_a_pipe(void **state)
{
    (void)state;
    run_clean(through_a_pipe, NULL);
}

/* The reader of a pipe has closed: the writer's protocol is told, with an error if bytes are
 * unsent. */
static int pipe_without_reader(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char block[1 << 20];
    for (int i = 0; i < 2; i++) {
        recorder_t out = recorder_init(&plain_functions);
        asyncio_transport_t *writing;
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        asyncio_socket_t *pipe = asyncio_socket_from_fd(fds[1]);
        assert_int_equal(asyncio_loop_connect_write_pipe(running(), give, &out, pipe, &writing),
                         0);
        if (i == 1)
            assert_int_equal(asyncio_transport_write(writing, block, sizeof(block)), 0);
        close(fds[0]);
        wait_lost(&out);
        assert_int_equal(out.code, i == 1 ? -EPIPE : 0);
        asyncio_socket_unref(pipe);
        asyncio_transport_unref(writing);
    }
    return 0;
}

static void test_pipe_without_reader(void **state)
{
    (void)state;
    run_clean(pipe_without_reader, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_by_protocols),
        cmocka_unit_test(test_ended_by_the_server),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_refuse_connections),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_by_path),
        cmocka_unit_test(test_own_socket),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_through_a_pipe),
        cmocka_unit_test(test_pipe_without_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
