/* SPDX-License-Identifier: MIT */
/*
 * How datagram endpoints are made, with which options, and what is left when that fails, is
 * cancelled, or the loop is closed.
 */
#include "support/datagram_fixture.h"

/* --- options ------------------------------------------------------------------------------- */

static int broadcast_when_allowed(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    struct sockaddr_in everyone = {.sin_family = AF_INET, .sin_port = htons(9)};
    node_t node;
    everyone.sin_addr.s_addr = htonl(0x7fffffff); /* of the loopback network */
    open_node(&node, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
    assert_int_equal(asyncio_datagram_transport_sendto(node.transport, "x", 1,
                                                       (struct sockaddr *)&everyone,
                                                       sizeof(everyone)),
                     0);
    assert_int_equal(node.last_error, -EACCES);
    close_node(&node);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1",
                                                           .remote_host = "127.255.255.255",
                                                           .remote_port = 9,
                                                           .allow_broadcast = true});
    assert_int_equal(send_to(&node, "x", NULL), 0);
    assert_int_equal(node.errors, 0);
    /* It is not connected: any address may reply. */
    assert_int_equal(asyncio_datagram_transport_get_extra_info(node.transport, "peername", NULL, 0),
                     -ENOTCONN);
    close_node(&node);
    return 0;
}

/* Sending to a broadcast address needs allow_broadcast. */
static void test_broadcast_when_allowed(void **state)
{
    (void)state;
    run_clean(broadcast_when_allowed, NULL);
}

static int join_groups(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t node;
    struct sockaddr_in group = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0xef010203)}; /* 239.1.2.3 */
    open_node(&node, (asyncio_datagram_endpoint_options_t){.local_host = "0.0.0.0"});
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    int fd = asyncio_socket_fileno(asyncio_datagram_transport_get_socket(node.transport));
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)), 0);
    int rc = asyncio_datagram_transport_join_group(node.transport, (struct sockaddr *)&group,
                                                   sizeof(group), 1);
    assert_int_equal(rc, 0);
    group.sin_port = htons(port_of(&node));
    assert_int_equal(asyncio_datagram_transport_sendto(node.transport, "all", 3,
                                                       (struct sockaddr *)&group, sizeof(group)),
                     0);
    turn_until(&node.received, 1);
    assert_int_equal(asyncio_datagram_transport_leave_group(
                         node.transport, (struct sockaddr *)&group, sizeof(group), 1),
                     0);
    assert_int_equal(asyncio_datagram_transport_leave_group(
                         node.transport, (struct sockaddr *)&group, sizeof(group), 1),
                     -EADDRNOTAVAIL);
    assert_int_equal(asyncio_datagram_transport_join_group(node.transport, NULL, 0, 0), -EINVAL);
    close_node(&node);
    return 0;
}

/* A datagram to a multicast group reaches those who have joined it. */
static void test_join_groups(void **state)
{
    (void)state;
    run_clean(join_groups, NULL);
}

static void reply_from_there(node_t *node)
{
    assert_int_equal(asyncio_datagram_transport_sendto_from(
                         node->transport, "reply", 5, (struct sockaddr *)&node->address,
                         node->address_size, (struct sockaddr *)&node->info.local,
                         node->info.local_size),
                     0);
}

static int reply_from_the_address_asked(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    open_node(&server, (asyncio_datagram_endpoint_options_t){.local_host = "0.0.0.0",
                                                             .pktinfo = true});
    open_node(&client, (asyncio_datagram_endpoint_options_t){.remote_host = "127.0.0.2",
                                                             .remote_port = port_of(&server)});
    server.then = reply_from_there;
    assert_int_equal(send_to(&client, "x", NULL), 0);
    turn_until(&client.received, 1); /* it is connected: no other address gets through */
    const struct sockaddr_in *local = (void *)&server.info.local;
    assert_int_equal(ntohl(local->sin_addr.s_addr), 0x7f000002);
    assert_int_equal(server.info.interface_index, 1);
    assert_int_equal(client.info.local_size, 0);
    close_node(&client);
    close_node(&server);
    return 0;
}

/* With pktinfo a server learns which address was asked, and replies from that. */
static void test_reply_from_the_address_asked(void **state)
{
    (void)state;
    run_clean(reply_from_the_address_asked, NULL);
}

static int send_many(bool gro)
{
    enum { COUNT = 150 };
    node_t server, client;
    static char data[COUNT][100];
    asyncio_datagram_t datagrams[COUNT];
    open_node(&server,
              (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1", .gro = gro});
    open_client(&client, &server);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(data[i], sizeof(data[i]), "%zu", i);
        datagrams[i] = (asyncio_datagram_t){.data = data[i],
                                            .size = i == 20 ? 0 : i == 120 ? 40 : 100};
    }
    assert_int_equal(asyncio_datagram_transport_sendmany(client.transport, datagrams, COUNT), 0);
    turn_until(&server.received, COUNT);
    assert_int_equal(server.size, 100);
    assert_string_equal(server.data, "149");
    assert_int_equal(server.errors + client.errors, 0);
    turn_often();
    assert_int_equal(server.received, COUNT);
    close_node(&client);
    close_node(&server);
    return 0;
}

static int send_many_at_once(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    send_many(false);
    return send_many(true);
}

/* Datagrams that are sent or received together arrive one by one. */
static void test_send_many_at_once(void **state)
{
    (void)state;
    run_clean(send_many_at_once, NULL);
}

/* --- bad input ----------------------------------------------------------------------------- */

static int refuse_bad_calls(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t node;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_datagram_transport_t *transport;
    asyncio_datagram_endpoint_options_t options = {.local_host = "127.0.0.1"};
    assert_int_equal(asyncio_loop_create_datagram_endpoint(loop, make_node, &node, &options,
                                                           &transport, NULL),
                     -EINVAL); /* without its size */
    options.size = sizeof(options);
    assert_int_equal(
        asyncio_loop_create_datagram_endpoint(loop, NULL, &node, &options, &transport, NULL),
        -EINVAL);
    assert_int_equal(
        asyncio_loop_create_datagram_endpoint(NULL, make_node, &node, &options, &transport, NULL),
        -EINVAL);
    assert_int_equal(try_open(&node, (asyncio_datagram_endpoint_options_t){.family = 0}), -EINVAL);
    assert_int_equal(try_open(&node, (asyncio_datagram_endpoint_options_t){.family = AF_INET,
                                                                           .max_size = SIZE_MAX}),
                     -EINVAL);
    asyncio_socket_t *stream = asyncio_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(try_open(&node, (asyncio_datagram_endpoint_options_t){.sock = stream}),
                     -EINVAL);
    asyncio_socket_unref(stream);
    asyncio_socket_t *sock = asyncio_socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(try_open(&node, (asyncio_datagram_endpoint_options_t){.sock = sock,
                                                                           .reuse_port = true}),
                     -EINVAL);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.sock = sock});
    node_t second;
    assert_int_equal(try_open(&second, (asyncio_datagram_endpoint_options_t){.sock = sock}),
                     ASYNCIO_ERUNTIME);
    asyncio_socket_unref(sock);
    asyncio_datagram_info_t info = {.size = sizeof(info)};
    assert_int_equal(asyncio_datagram_transport_get_datagram_info(node.transport, &info),
                     ASYNCIO_ERUNTIME);
    assert_int_equal(asyncio_datagram_transport_sendto(node.transport, NULL, 1, NULL, 0), -EINVAL);
    assert_int_equal(asyncio_datagram_transport_sendmany(node.transport, NULL, 1), -EINVAL);
    struct sockaddr_in address = {.sin_family = AF_INET};
    assert_int_equal(asyncio_datagram_transport_sendto(node.transport, "x", 1,
                                                       (struct sockaddr *)&address, 4),
                     -EINVAL);
    assert_int_equal(
        asyncio_datagram_transport_set_write_buffer_limits(node.transport, 1, 2), -EINVAL);
    close_node(&node);
    return 0;
}

/* Bad arguments are refused, and nothing is left of them. */
static void test_refuse_bad_calls(void **state)
{
    (void)state;
    run_clean(refuse_bad_calls, NULL);
}

static int name_the_address_in_use(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t first, second;
    char expected[64];
    open_node(&first, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", port_of(&first));
    assert_int_equal(
        try_open(&second, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1",
                                                                .local_port = port_of(&first)}),
        -EADDRINUSE);
    asyncio_error_t *error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), expected));
    asyncio_error_unref(error);
    close_node(&first);
    return 0;
}

/* The error of a bind names the address. */
static void test_name_the_address_in_use(void **state)
{
    (void)state;
    run_clean(name_the_address_in_use, NULL);
}

static int replace_a_stale_path(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    slow_t slow;
    node_t node;
    open_slow(&slow);
    asyncio_datagram_endpoint_options_t options = {.family = AF_UNIX,
                                                   .local_host = slow.name.sun_path};
    assert_int_equal(try_open(&node, options), -EADDRINUSE); /* somebody receives there */
    close(slow.fd);
    open_node(&node, options);
    close_node(&node);
    unlink(slow.name.sun_path);
    return 0;
}

/* The file of a Unix socket is replaced only if nobody receives there any more. */
static void test_replace_a_stale_path(void **state)
{
    (void)state;
    run_clean(replace_a_stale_path, NULL);
}

/* --- the loop ------------------------------------------------------------------------------ */

static node_t left_open;

static int leave_open(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    open_node(&left_open, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
    asyncio_datagram_transport_unref(left_open.transport);
    return 0;
}

/* An endpoint that is open when its loop is closed is freed, without connection_lost. */
static void test_leave_open(void **state)
{
    (void)state;
    run_clean(leave_open, NULL);
    if (!is_engine("sim"))
        assert_string_equal(left_open.calls, "MD");
}

static int cancel_the_creation(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t node;
    asyncio_datagram_transport_t *transport = NULL;
    asyncio_datagram_endpoint_options_t options = {.size = sizeof(options),
                                                   .local_host = "127.0.0.1"};
    asyncio_task_t *task = asyncio_create_task(asyncio_loop_create_datagram_endpoint_coroutine(
        asyncio_get_running_loop(), make_node, &node, &options, &transport, NULL));
    assert_int_equal(asyncio_sleep(0), 0);
    asyncio_task_cancel(task, NULL);
    assert_int_equal(asyncio_await_unref(task, NULL), -ECANCELED);
    assert_null(transport);
    turn_often();
    assert_string_equal(node.calls, "ML"); /* the protocol holds a reference */
    asyncio_datagram_transport_unref(node.transport);
    assert_string_equal(node.calls, "MLD");
    return 0;
}

/* A task that is cancelled while it makes an endpoint leaves none open. */
static void test_cancel_the_creation(void **state)
{
    (void)state;
    run_clean(cancel_the_creation, NULL);
}

static asyncio_context_var_t *variable;
static long seen;

static void look_at_variable(node_t *node)
{
    void *value = NULL;
    (void)node;
    assert_int_equal(asyncio_context_var_get(variable, &value), 0);
    seen = (long)(intptr_t)value;
}

static int keep_the_context(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    variable = asyncio_context_var_new("variable");
    assert_int_equal(asyncio_context_var_set(variable, (void *)7), 0);
    open_both(&server, &client);
    assert_int_equal(asyncio_context_var_set(variable, (void *)8), 0);
    server.then = look_at_variable;
    assert_int_equal(send_to(&client, "x", NULL), 0);
    turn_until(&server.received, 1);
    assert_int_equal(seen, 7);
    close_node(&client);
    close_node(&server);
    asyncio_context_var_unref(variable);
    return 0;
}

/* The functions of a protocol run in a copy of the context in which the endpoint was made. */
static void test_keep_the_context(void **state)
{
    (void)state;
    run_clean(keep_the_context, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast_when_allowed),
        cmocka_unit_test(test_join_groups),
        cmocka_unit_test(test_reply_from_the_address_asked),
        cmocka_unit_test(test_send_many_at_once),
        cmocka_unit_test(test_refuse_bad_calls),
        cmocka_unit_test(test_name_the_address_in_use),
        cmocka_unit_test(test_replace_a_stale_path),
        cmocka_unit_test(test_leave_open),
        cmocka_unit_test(test_cancel_the_creation),
        cmocka_unit_test(test_keep_the_context),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
