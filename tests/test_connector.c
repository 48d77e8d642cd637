/* SPDX-License-Identifier: MIT */
/*
 * Connecting to one of several addresses over loopback: in which order, from where, and what is
 * said when none accepts. The lists are made by hand, as no name has the same addresses everywhere.
 */
#include "support/server_fixture.h"

#include <math.h>
#include <netdb.h>

#include "transport/address.h"
#include "transport/connector.h"

/* An entry of an address list, and the address that it points to. */
typedef struct entry {
    struct addrinfo info;
    struct sockaddr_storage name;
} entry_t;

static void set_entry(entry_t *entry, int family, uint16_t port, entry_t *next)
{
    memset(entry, 0, sizeof(*entry));
    entry->info.ai_family = family;
    entry->info.ai_addr = (struct sockaddr *)&entry->name;
    entry->info.ai_next = next ? &next->info : NULL;
    entry->name.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        struct sockaddr_in *in = (void *)&entry->name;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in->sin_port = htons(port);
        entry->info.ai_addrlen = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (void *)&entry->name;
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons(port);
        entry->info.ai_addrlen = sizeof(*in6);
    }
}

static void on_connector_done(asyncio__connector_t *connector, void *arg)
{
    (void)connector;
    *(bool *)arg = true;
}

/* Runs a connector until it is done; returns its socket or NULL. The caller drops the connector. */
static asyncio_socket_t *connect_with(asyncio__connector_options_t *options,
                                      asyncio__connector_t **ret_connector,
                                      asyncio__socket_names_t *ret_names)
{
    bool is_done = false;
    options->complete = on_connector_done;
    options->arg = &is_done;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio__connector_new(loop, options, ret_connector), 0);
    if (asyncio__connector_start(*ret_connector) == 0)
        while (!is_done)
            assert_int_equal(asyncio_sleep(0), 0);
    return asyncio__connector_take(*ret_connector, ret_names);
}

/* Expects every attempt to fail; returns the code, and the error for the caller to drop. */
static asyncio_error_t *expect_failure(asyncio__connector_options_t *options, bool all_errors,
                                       int code)
{
    asyncio__connector_t *connector;
    asyncio__socket_names_t names;
    assert_null(connect_with(options, &connector, &names));
    assert_int_equal(asyncio__connector_fail(connector, all_errors), code);
    asyncio_error_t *error = asyncio_error_last();
    asyncio__connector_drop(connector);
    return error;
}

static const char *child_message(asyncio_error_t *error, size_t index)
{
    return asyncio_error_message(asyncio_error_child(error, index));
}

/* Returns a port of loopback that refuses connections: bound, without a listener. */
static uint16_t refusing_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* A port whose connections never complete: its backlog is full. */
typedef struct hole {
    int fds[4]; /* the listener, and those that fill it */
    uint16_t port;
} hole_t;

static hole_t open_hole(void)
{
    hole_t hole;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    hole.port = refusing_port(&hole.fds[0]);
    assert_int_equal(listen(hole.fds[0], 0), 0);
    assert_int_equal(getsockname(hole.fds[0], (struct sockaddr *)&address, &size), 0);
    for (size_t i = 1; i < 4; i++) {
        hole.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(hole.fds[i] >= 0);
        connect(hole.fds[i], (struct sockaddr *)&address, size);
    }
    return hole;
}

static void close_hole(hole_t *hole)
{
    for (size_t i = 0; i < 4; i++)
        close(hole->fds[i]);
}

/* --- one after another --------------------------------------------------------------------- */

static int take_the_second(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    entry_t entries[2];
    asyncio_server_t *server = start(echo, NULL); /* on IPv4 alone */
    uint16_t port = asyncio_server_port(server, 0);
    set_entry(&entries[0], AF_INET6, port, &entries[1]);
    set_entry(&entries[1], AF_INET, port, NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info};
    asyncio__connector_t *connector;
    asyncio__socket_names_t names;
    asyncio_socket_t *sock = connect_with(&options, &connector, &names);
    assert_non_null(sock);
    assert_int_equal(names.peer->sa_family, AF_INET);
    assert_int_equal(asyncio__address_port(names.peer), port);
    asyncio__connector_drop(connector);
    asyncio_socket_unref(sock);
    stop(server);
    return 0;
}

/* After an address that refuses the next one is tried. */
static void test_take_the_second(void **state)
{
    (void)state;
    run_clean(take_the_second, NULL);
}

static int keep_all_errors(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    entry_t entries[2];
    int fd;
    uint16_t port = refusing_port(&fd);
    char first[32], second[32];
    snprintf(first, sizeof(first), "[::1]:%u", port);
    snprintf(second, sizeof(second), "127.0.0.1:%u", port);
    set_entry(&entries[0], AF_INET6, port, &entries[1]);
    set_entry(&entries[1], AF_INET, port, NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info};
    asyncio_error_t *error = expect_failure(&options, /* all_errors= */ true, ASYNCIO_EGROUP);
    assert_int_equal(asyncio_error_child_count(error), 2);
    assert_non_null(strstr(child_message(error, 0), first));
    assert_non_null(strstr(child_message(error, 1), second));
    asyncio_error_unref(error);
    error = expect_failure(&options, /* all_errors= */ false, -ECONNREFUSED);
    assert_non_null(strstr(asyncio_error_message(error), "Multiple exceptions: "));
    assert_non_null(strstr(asyncio_error_message(error), first));
    assert_non_null(strstr(asyncio_error_message(error), second));
    assert_int_equal(asyncio_error_child_count(asyncio_error_cause(error)), 2);
    asyncio_error_unref(error);
    options.addresses = &entries[1].info;
    error = expect_failure(&options, /* all_errors= */ false, -ECONNREFUSED);
    assert_non_null(strstr(asyncio_error_message(error), second));
    assert_null(asyncio_error_cause(error));
    asyncio_error_unref(error);
    close(fd);
    return 0;
}

/* Every attempt's error names its address, and none is lost. */
static void test_keep_all_errors(void **state)
{
    (void)state;
    run_clean(keep_all_errors, NULL);
}

static int order_of_families(size_t interleave, const char *expected)
{
    static const int families[] = {AF_INET6, AF_INET6, AF_INET6, AF_INET, AF_INET};
    enum { COUNT = sizeof(families) / sizeof(families[0]) };
    entry_t entries[COUNT];
    int fd;
    uint16_t port = refusing_port(&fd);
    for (size_t i = COUNT; i-- > 0;)
        set_entry(&entries[i], families[i], port, i + 1 < COUNT ? &entries[i + 1] : NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info,
                                            .interleave = interleave};
    asyncio_error_t *error = expect_failure(&options, /* all_errors= */ true, ASYNCIO_EGROUP);
    char order[COUNT + 1] = "";
    for (size_t i = 0; i < COUNT; i++)
        order[i] = strchr(child_message(error, i), '[') ? '6' : '4';
    assert_string_equal(order, expected);
    asyncio_error_unref(error);
    close(fd);
    return 0;
}

static int interleave_families(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    order_of_families(0, "66644");
    order_of_families(1, "64646");
    order_of_families(2, "66464");
    return 0;
}

/* With interleaving, the families alternate after the first addresses, as in asyncio. */
static void test_interleave_families(void **state)
{
    (void)state;
    run_clean(interleave_families, NULL);
}

/* --- beside each other --------------------------------------------------------------------- */

static int overtake(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    entry_t entries[3];
    hole_t hole = open_hole();
    asyncio_server_t *server = start(echo, NULL);
    set_entry(&entries[0], AF_INET, hole.port, &entries[1]);
    set_entry(&entries[1], AF_INET, asyncio_server_port(server, 0), &entries[2]);
    set_entry(&entries[2], AF_INET, hole.port, NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info, .delay_ns = 1000000};
    asyncio__connector_t *connector;
    asyncio__socket_names_t names;
    asyncio_socket_t *sock = connect_with(&options, &connector, &names);
    assert_non_null(sock);
    assert_int_equal(asyncio__address_port(names.peer), asyncio_server_port(server, 0));
    asyncio__connector_drop(connector);
    asyncio_socket_unref(sock);
    close_hole(&hole);
    stop(server);
    return 0;
}

/* With a delay, the next address is tried while one does not respond, and the slow one is given
 * up. */
static void test_overtake(void **state)
{
    (void)state;
    run_clean(overtake, NULL);
}

static int drop_while_pending(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    entry_t entries[2];
    hole_t hole = open_hole();
    bool is_done = false;
    set_entry(&entries[0], AF_INET, hole.port, &entries[1]);
    set_entry(&entries[1], AF_INET, hole.port, NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info,
                                            .delay_ns = 1000000000000,
                                            .complete = on_connector_done,
                                            .arg = &is_done};
    asyncio__connector_t *connector;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    assert_int_equal(asyncio__connector_new(loop, &options, &connector), 0);
    assert_int_equal(asyncio__connector_start(connector), 0);
    turn_often();
    asyncio__connector_drop(connector);
    turn_often();
    assert_false(is_done);
    close_hole(&hole);
    return 0;
}

/* A connector that is dropped ends its attempts and its timer, and calls no callback. */
static void test_drop_while_pending(void **state)
{
    (void)state;
    run_clean(drop_while_pending, NULL);
}

static int refuse_delays(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    const double bad[] = {-0.25, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        asyncio_connection_options_t options = {.size = sizeof(options),
                                                .happy_eyeballs_delay = bad[i]};
        peer_t peer;
        assert_int_equal(
            asyncio_open_connection("127.0.0.1", 1, &options, &peer.reader, &peer.writer), -EINVAL);
    }
    return 0;
}

/* A delay that is negative or not a number is refused, not taken for none. */
static void test_refuse_delays(void **state)
{
    (void)state;
    run_clean(refuse_delays, NULL);
}

static int leave_pending(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    hole_t hole = open_hole();
    asyncio_connection_options_t options = {.size = sizeof(options), .happy_eyeballs_delay = 1000};
    peer_t peer;
    asyncio_coroutine_t *object = asyncio_open_connection_coroutine(
        "127.0.0.1", hole.port, &options, &peer.reader, &peer.writer);
    asyncio_task_t *task = asyncio_create_task(object);
    turn_often();
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    close_hole(&hole);
    return 0;
}

/* A cancelled open_connection leaves nothing behind. */
static void test_cancel_open(void **state)
{
    (void)state;
    run_clean(leave_pending, NULL);
}

/* --- local addresses ----------------------------------------------------------------------- */

static int other_family(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    entry_t entries[2], local;
    int fd;
    uint16_t port = refusing_port(&fd);
    set_entry(&entries[0], AF_INET, port, &entries[1]);
    set_entry(&entries[1], AF_INET6, port, NULL);
    set_entry(&local, AF_INET, 0, NULL);
    asyncio__connector_options_t options = {.addresses = &entries[0].info, .locals = &local.info};
    asyncio_error_unref(expect_failure(&options, /* all_errors= */ false, -ECONNREFUSED));
    options.addresses = &entries[1].info;
    asyncio_error_unref(expect_failure(&options, /* all_errors= */ false, -EADDRNOTAVAIL));
    close(fd);
    return 0;
}

/* A local address that does not fit one of the peer's addresses does not hide the other errors. */
static void test_local_address_of_another_family(void **state)
{
    (void)state;
    run_clean(other_family, NULL);
}

static int note_peer(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader;
    return asyncio_stream_writer_get_extra_info(writer, "peername", arg, 64) < 0;
}

static int connect_from(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char name[64] = "", own[64] = "";
    asyncio_server_t *server = start(note_peer, name);
    asyncio_connection_options_t options = {.size = sizeof(options), .local_host = "127.0.0.2"};
    peer_t peer;
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(server, 0), &options,
                                             &peer.reader, &peer.writer),
                     0);
    expect_end(peer);
    assert_true(strncmp(name, "127.0.0.2:", 10) == 0);
    assert_true(asyncio_stream_writer_get_extra_info(peer.writer, "sockname", own, 64) > 0);
    assert_string_equal(own, name);
    end(peer);
    stop(server);
    return 0;
}

/* A connection comes from the requested local address. */
static void test_connect_from(void **state)
{
    (void)state;
    run_clean(connect_from, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_the_second),
        cmocka_unit_test(test_keep_all_errors),
        cmocka_unit_test(test_interleave_families),
        cmocka_unit_test(test_overtake),
        cmocka_unit_test(test_drop_while_pending),
        cmocka_unit_test(test_refuse_delays),
        cmocka_unit_test(test_cancel_open),
        cmocka_unit_test(test_local_address_of_another_family),
        cmocka_unit_test(test_connect_from),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("connector", tests, NULL, NULL);
}
