/* SPDX-License-Identifier: MIT */
/* Servers over loopback, on every engine that has sockets: where they listen, and their options. */
#include "support/server_fixture.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include "transport/bind.h"

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

/* An address that the machine does not have is left out; if it is the only one, the error names
 * it. */
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
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in6 own; /* large enough for both families; the port is at one offset */
        socklen_t size = sizeof(own);
        assert_int_equal(asyncio_socket_getsockname(asyncio_server_socket(server, i),
                                                    (struct sockaddr *)&own, &size),
                         0);
        assert_int_equal(ntohs(own.sin6_port), asyncio_server_port(server, i));
    }
    assert_null(asyncio_server_socket(server, 2));
    assert_null(asyncio_server_socket(NULL, 0));
    peer_t peer = open_to_host("::1", server);
    exchange(peer);
    end(peer);
    stop(server);
    return 0;
}

/* With port 0, if the port is in use in the second family, another port is tried. */
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

/* The error names an address that is in use. */
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

/* Accepted sockets have TCP_NODELAY, and SO_KEEPALIVE if it is wanted. */
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

/* --- a socket of the program --------------------------------------------------------------- */

static asyncio_socket_t *listening_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fd);
    assert_non_null(sock);
    return sock;
}

static int serve_on_socket(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int inherited[2] = {-1, -1};
    asyncio_server_options_t options = {
        .size = sizeof(options), .sock = listening_socket(), .keep_alive = true};
    asyncio_server_t *server = NULL;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, echo, NULL, &options, &server), -EINVAL);
    assert_int_equal(asyncio_start_server(NULL, 1, echo, NULL, &options, &server), -EINVAL);
    asyncio_coroutine_t *object =
        asyncio_start_server_coroutine(NULL, 0, note_options, inherited, &options, &server);
    asyncio_socket_t *sock = options.sock;
    asyncio_socket_unref(sock); /* the object has a reference, and the server after it */
    assert_int_equal(asyncio_await(object, NULL), 0);
    asyncio_socket_ref(sock);
    peer_t peer = open_to(server, 0);
    expect_end(peer);
    end(peer);
    assert_int_equal(inherited[0], 1);
    assert_int_equal(inherited[1], 1);
    asyncio_server_t *second = NULL;
    options.sock = sock; /* it has a server */
    assert_int_equal(asyncio_start_server(NULL, 0, echo, NULL, &options, &second),
                     ASYNCIO_ERUNTIME);
    stop(server);
    assert_int_equal(asyncio_socket_fileno(sock), -1);
    assert_int_equal(asyncio_start_server(NULL, 0, echo, NULL, &options, &second), -EBADF);
    asyncio_socket_unref(sock);
    return 0;
}

/* A server can be given a listening socket (as by systemd), which it closes when it ends. */
static void test_serve_on_socket(void **state)
{
    (void)state;
    run_clean(serve_on_socket, NULL);
}

static int close_under_server(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_options_t options = {.size = sizeof(options), .sock = listening_socket()};
    asyncio_server_t *server = start_with(NULL, echo, NULL, &options);
    turn_often();
    assert_int_equal(asyncio_socket_close(options.sock), 0);
    turn_often();
    asyncio_socket_unref(options.sock);
    stop(server);
    options.sock = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(asyncio_start_server(NULL, 0, echo, NULL, &options, &server), -EINVAL);
    asyncio_socket_unref(options.sock);
    return 0;
}

/* Closing the socket under its server harms nothing; a datagram socket is refused. */
static void test_close_under_server(void **state)
{
    (void)state;
    run_clean(close_under_server, NULL);
}

/* --- what an accept costs ------------------------------------------------------------------ */

static int extra_calls; /* system calls that an accept may make beside accept4() */
static asyncio__syscalls_t real;

static int count_fcntl(int fd, int command, long argument)
{
    extra_calls++;
    return real.fcntl(fd, command, argument);
}

static int count_fstat(int fd, struct stat *ret_stat)
{
    extra_calls++;
    return real.fstat(fd, ret_stat);
}

static int count_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    extra_calls++;
    return real.getsockopt(fd, level, name, value, size);
}

static int count_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    extra_calls++;
    return real.setsockopt(fd, level, name, value, size);
}

static int count_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    extra_calls++;
    return real.getsockname(fd, address, size);
}

static int count_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    extra_calls++;
    return real.getpeername(fd, address, size);
}

static void count_extra_calls(void)
{
    real = asyncio__sys;
    asyncio__sys.fcntl = count_fcntl;
    asyncio__sys.fstat = count_fstat;
    asyncio__sys.getsockopt = count_getsockopt;
    asyncio__sys.setsockopt = count_setsockopt;
    asyncio__sys.getsockname = count_getsockname;
    asyncio__sys.getpeername = count_getpeername;
    extra_calls = 0;
}

static int answer_names(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)arg;
    char byte, peer[64], own[64];
    ssize_t size = asyncio_stream_reader_readexactly(reader, &byte, 1, NULL);
    assert_true(asyncio_stream_writer_get_extra_info(writer, "peername", peer, 64) > 0);
    assert_true(asyncio_stream_writer_get_extra_info(writer, "sockname", own, 64) > 0);
    asyncio_stream_writer_write(writer, own, strlen(own));
    return size < 0 ? (int)size : 0;
}

static int accept_cheaply(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int is_any = 0; is_any < 2; is_any++) {
        char text[64] = "", wanted[64];
        asyncio_server_t *server =
            start_with(is_any ? "0.0.0.0" : "127.0.0.1", answer_names, NULL, NULL);
        count_extra_calls();
        int client = connect_plainly(server);
        assert_int_equal(write(client, "x", 1), 1);
        while (recv(client, text, sizeof(text) - 1, MSG_DONTWAIT) < 0)
            assert_int_equal(asyncio_sleep(0), 0);
        asyncio__sys = real;
        snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", asyncio_server_port(server, 0));
        assert_string_equal(text, wanted);
        assert_in_range(extra_calls, 0, 1);
        close(client);
        stop(server);
    }
    return 0;
}

/* An accepted connection costs at most one system call more than accept4(), names included. */
static void test_accept_cheaply(void **state)
{
    (void)state;
    run_clean(accept_cheaply, NULL);
}

/* --- handlers ------------------------------------------------------------------------------ */

static asyncio_task_t *count_and_make(asyncio_loop_t *loop, asyncio_coroutine_t *coroutine,
                                      const asyncio_task_options_t *options, void *arg)
{
    ++*(int *)arg;
    return asyncio_task_new(loop, coroutine, options);
}

static int serve_by_factory(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int made = 0;
    asyncio_server_t *server = start(echo, NULL);
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio_loop_set_task_factory(loop, count_and_make, &made), 0);
    peer_t peer = open_to(server, 0);
    exchange(peer);
    end(peer);
    assert_true(made > 0);
    assert_int_equal(asyncio_loop_set_task_factory(loop, NULL, NULL), 0);
    stop(server);
    return 0;
}

/* The task factory of the loop makes the tasks of handlers, too. */
static void test_serve_by_factory(void **state)
{
    (void)state;
    run_clean(serve_by_factory, NULL);
}

static int close_in_turn_of_accept(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int turns = 0; turns < 4; turns++) {
        asyncio_server_t *server = start(echo, NULL);
        int client = connect_plainly(server);
        for (int i = 0; i < turns; i++)
            assert_int_equal(asyncio_sleep(0), 0);
        asyncio_server_close(server);
        close(client);
        assert_int_equal(asyncio_server_wait_closed(server), 0);
        asyncio_server_unref(server);
    }
    return 0;
}

/* A server that is closed in the turn of an accept, or next to it, ends and leaves nothing. */
static void test_close_in_turn_of_accept(void **state)
{
    (void)state;
    run_clean(close_in_turn_of_accept, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_in_context),
        cmocka_unit_test(test_serve_what_can_be_bound),
        cmocka_unit_test(test_try_another_port),
        cmocka_unit_test(test_repeated_address),
        cmocka_unit_test(test_name_the_address),
        cmocka_unit_test(test_inherit_options),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_serve_on_socket),
        cmocka_unit_test(test_close_under_server),
        cmocka_unit_test(test_accept_cheaply),
        cmocka_unit_test(test_serve_by_factory),
        cmocka_unit_test(test_close_in_turn_of_accept),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
