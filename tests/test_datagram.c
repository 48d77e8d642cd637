/* SPDX-License-Identifier: MIT */
/*
 * Datagram endpoints over loopback and Unix sockets: what is received and sent, in which order the
 * functions of a protocol are called, that no error ends an endpoint, and what a full queue does.
 */
#include "support/datagram_fixture.h"

/* --- both ways ----------------------------------------------------------------------------- */

static void echo_back(node_t *node)
{
    assert_int_equal(asyncio_datagram_transport_sendto(node->transport, node->data, node->size,
                                                       (struct sockaddr *)&node->address,
                                                       node->address_size),
                     0);
}

static int echo_datagrams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    char name[64], expected[64];
    open_both(&server, &client);
    server.then = echo_back;
    assert_int_equal(send_to(&client, "Hello", NULL), 0);
    turn_until(&client.received, 1);
    assert_int_equal(client.size, 5);
    assert_memory_equal(client.data, "Hello", 5);
    assert_int_equal(ntohs(((struct sockaddr_in *)&client.address)->sin_port), port_of(&server));
    assert_int_equal(send_to(&client, "again", &server), 0); /* its remote address is allowed */
    turn_until(&client.received, 2);
    assert_int_equal(send_to(&client, "other", &client), -EINVAL);
    assert_int_equal(send_to(&server, "nowhere", NULL), -EINVAL);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", port_of(&server));
    asyncio_datagram_transport_get_extra_info(client.transport, "peername", name, sizeof(name));
    assert_string_equal(name, expected);
    asyncio_datagram_transport_get_extra_info(server.transport, "sockname", name, sizeof(name));
    assert_string_equal(name, expected);
    assert_int_equal(asyncio_datagram_transport_get_extra_info(server.transport, "peername", name,
                                                               sizeof(name)),
                     -ENOTCONN);
    close_node(&client);
    close_node(&server);
    assert_string_equal(client.calls, "MddLD");
    assert_string_equal(server.calls, "MddLD");
    return 0;
}

/* Datagrams go both ways, connected and not, and a connected endpoint sends to its peer only. */
static void test_echo_datagrams(void **state)
{
    (void)state;
    run_clean(echo_datagrams, NULL);
}

static int carry_empty_datagrams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    open_both(&server, &client);
    server.then = echo_back;
    assert_int_equal(send_to(&client, "", NULL), 0);
    turn_until(&client.received, 1);
    assert_int_equal(server.size, 0);
    assert_int_equal(client.size, 0);
    assert_int_equal(asyncio_datagram_transport_sendto(client.transport, NULL, 0, NULL, 0), 0);
    turn_until(&client.received, 2);
    assert_int_equal(send_to(&client, "more", NULL), 0); /* an empty one was no end */
    turn_until(&client.received, 3);
    assert_int_equal(client.size, 4);
    close_node(&client);
    close_node(&server);
    return 0;
}

/* An empty datagram is sent, is received, and is not taken for an end. */
static void test_carry_empty_datagrams(void **state)
{
    (void)state;
    run_clean(carry_empty_datagrams, NULL);
}

static int cut_long_datagrams(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    static char large[65507];
    open_node(&server, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1",
                                                             .max_size = 8});
    open_client(&client, &server);
    server.then = echo_back;
    assert_int_equal(send_to(&client, "12345678", NULL), 0);
    turn_until(&server.received, 1);
    assert_false(server.info.is_truncated);
    assert_int_equal(send_to(&client, "123456789", NULL), 0);
    turn_until(&client.received, 2);
    assert_true(server.info.is_truncated);
    assert_int_equal(server.size, 8);
    server.then = NULL;
    assert_int_equal(
        asyncio_datagram_transport_sendto(client.transport, large, sizeof(large), NULL, 0), 0);
    turn_until(&server.received, 3);
    close_node(&server);
    open_server(&server);
    close_node(&client);
    open_client(&client, &server);
    assert_int_equal(
        asyncio_datagram_transport_sendto(client.transport, large, sizeof(large), NULL, 0), 0);
    turn_until(&server.received, 1);
    assert_int_equal(server.size, sizeof(large)); /* the largest is received whole */
    assert_false(server.info.is_truncated);
    close_node(&client);
    close_node(&server);
    return 0;
}

/* A datagram that is longer than max_size is cut off and says so; by default none is. */
static void test_cut_long_datagrams(void **state)
{
    (void)state;
    run_clean(cut_long_datagrams, NULL);
}

/* --- fairness ------------------------------------------------------------------------------ */

static int most_in_a_row, in_a_row;

static void count_row(node_t *node)
{
    (void)node;
    if (++in_a_row > most_in_a_row)
        most_in_a_row = in_a_row;
}

static int let_others_run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    enum { COUNT = 200 };
    node_t server, client;
    open_both(&server, &client);
    server.then = count_row;
    in_a_row = most_in_a_row = 0;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(send_to(&client, "x", NULL), 0);
    for (int i = 0; server.received < COUNT && i < 1000000; i++) {
        in_a_row = 0;
        assert_int_equal(asyncio_sleep(0), 0);
    }
    assert_int_equal(server.received, COUNT);
    assert_in_range(most_in_a_row, 16, 64);
    close_node(&client);
    close_node(&server);
    return 0;
}

/* Many datagrams that are there already are delivered in a row, at most 64; then others run. */
static void test_let_others_run(void **state)
{
    (void)state;
    run_clean(let_others_run, NULL);
}

static void close_itself(node_t *node)
{
    if (node->received == 2)
        assert_int_equal(asyncio_datagram_transport_close(node->transport), 0);
}

static int stop_at_close(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    open_both(&server, &client);
    server.then = close_itself;
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_to(&client, "x", NULL), 0);
    turn_often();
    assert_string_equal(server.calls, "MddL");
    assert_true(asyncio_datagram_transport_is_closing(server.transport));
    assert_int_equal(send_to(&server, "late", &client), 0); /* is dropped */
    assert_int_equal(asyncio_datagram_transport_close(server.transport), 0);
    assert_int_equal(asyncio_datagram_transport_abort(server.transport), 0);
    close_node(&server);
    assert_string_equal(server.calls, "MddLD");
    close_node(&client);
    assert_int_equal(client.received, 0);
    return 0;
}

/* A close by datagram_received ends the delivery at once, and connection_lost comes once, later. */
static void test_stop_at_close(void **state)
{
    (void)state;
    run_clean(stop_at_close, NULL);
}

/* --- errors -------------------------------------------------------------------------------- */

static int survive_refusals(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    open_both(&server, &client);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port_of(&server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    close_node(&server);
    assert_int_equal(send_to(&client, "lost", NULL), 0);
    turn_until(&client.errors, 1);
    assert_int_equal(client.last_error, -ECONNREFUSED);
    assert_false(asyncio_datagram_transport_is_closing(client.transport));
    /* Somebody receives there again. */
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char bytes[8];
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send_to(&client, "found", NULL), 0);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
    close(fd);
    close_node(&client);
    assert_string_equal(client.calls, "MeLD");
    return 0;
}

/* A refusal of a datagram is an error of that datagram: the endpoint sends and receives on. */
static void test_survive_refusals(void **state)
{
    (void)state;
    run_clean(survive_refusals, NULL);
}

static int name_who_refuses(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t first, second, node;
    char expected[64];
    open_node(&first, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
    open_node(&second, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
    open_node(&node, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1",
                                                           .report_icmp = true});
    struct sockaddr_in to_first = {.sin_family = AF_INET,
                                   .sin_port = htons(port_of(&first)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", port_of(&first));
    close_node(&first);
    assert_int_equal(asyncio_datagram_transport_sendto(node.transport, "x", 1,
                                                       (struct sockaddr *)&to_first,
                                                       sizeof(to_first)),
                     0);
    assert_int_equal(send_to(&node, "y", &second), 0); /* meets the error of the other one */
    turn_until(&second.received, 1);
    turn_until(&node.errors, 1);
    turn_often();
    assert_int_equal(node.errors, 1);
    assert_int_equal(node.last_error, -ECONNREFUSED);
    assert_non_null(strstr(node.error_text, expected));
    close_node(&second);
    close_node(&node);
    return 0;
}

/* With report_icmp an unconnected endpoint learns which address refuses, and a datagram to another
 * address is not lost by that. */
static void test_name_who_refuses(void **state)
{
    (void)state;
    run_clean(name_who_refuses, NULL);
}

static int report_what_is_too_long(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static char huge[70000];
    node_t server, client;
    open_both(&server, &client);
    assert_int_equal(
        asyncio_datagram_transport_sendto(client.transport, huge, sizeof(huge), NULL, 0), 0);
    assert_int_equal(client.last_error, -EMSGSIZE);
    assert_int_equal(send_to(&client, "short", NULL), 0);
    turn_until(&server.received, 1);
    close_node(&client);
    close_node(&server);
    return 0;
}

/* A datagram that is too long for the network is an error, and the next one is sent. */
static void test_report_what_is_too_long(void **state)
{
    (void)state;
    run_clean(report_what_is_too_long, NULL);
}

static int end_with_its_socket(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    node_t server, client;
    open_both(&server, &client);
    assert_int_equal(
        asyncio_socket_close(asyncio_datagram_transport_get_socket(client.transport)), 0);
    turn_often();
    assert_string_equal(client.calls, "ML");
    assert_int_equal(client.lost_code, -EBADF);
    assert_int_equal(send_to(&client, "late", NULL), 0);
    asyncio_datagram_transport_unref(client.transport);
    assert_string_equal(client.calls, "MLD");
    close_node(&server);
    return 0;
}

/* An endpoint whose socket the program closes ends with that. */
static void test_end_with_its_socket(void **state)
{
    (void)state;
    run_clean(end_with_its_socket, NULL);
}

/* --- back-pressure ------------------------------------------------------------------------- */

/* Sends numbered datagrams of 1000 bytes until three are queued; how many were sent. */
static int fill(node_t *node)
{
    char data[1000] = "";
    int count = 0;
    while (asyncio_datagram_transport_get_write_buffer_size(node->transport) < 3 * 1008) {
        memcpy(data, &count, sizeof(count));
        assert_int_equal(
            asyncio_datagram_transport_sendto(node->transport, data, sizeof(data), NULL, 0), 0);
        assert_in_range(++count, 1, 100000);
    }
    assert_int_equal(asyncio_datagram_transport_get_write_buffer_size(node->transport), 3 * 1008);
    return count;
}

/* Reads all of them, in order. */
static void expect_numbers(slow_t *slow, int count)
{
    char data[1000];
    for (int i = 0; i < count; i++) {
        ssize_t size = -1;
        for (int turn = 0; size < 0 && turn < 1000000; turn++) {
            size = recv(slow->fd, data, sizeof(data), 0);
            if (size < 0)
                assert_int_equal(asyncio_sleep(0), 0);
        }
        assert_int_equal(size, sizeof(data));
        assert_memory_equal(data, &i, sizeof(i));
    }
}

static int pause_and_resume(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    slow_t slow;
    node_t node;
    size_t high, low;
    open_slow(&slow);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.family = AF_UNIX,
                                                           .remote_host = slow.name.sun_path});
    asyncio_datagram_transport_get_write_buffer_limits(node.transport, &high, &low);
    assert_int_equal(high, 65536);
    assert_int_equal(low, 16384);
    assert_int_equal(
        asyncio_datagram_transport_set_write_buffer_limits(node.transport, 2016, SIZE_MAX), 0);
    asyncio_datagram_transport_get_write_buffer_limits(node.transport, &high, &low);
    assert_int_equal(low, 504);
    int count = fill(&node);
    assert_string_equal(node.calls, "MP"); /* the third is one too many */
    turn_often();
    assert_string_equal(node.calls, "MP");
    expect_numbers(&slow, count);
    turn_often();
    assert_string_equal(node.calls, "MPR");
    assert_int_equal(asyncio_datagram_transport_get_write_buffer_size(node.transport), 0);
    close_node(&node);
    close_slow(&slow);
    return 0;
}

/* What the kernel has no room for is queued and counted, 8 bytes more each; marks are heard. */
static void test_pause_and_resume(void **state)
{
    (void)state;
    run_clean(pause_and_resume, NULL);
}

static int send_queued_at_close(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    slow_t slow;
    node_t node;
    open_slow(&slow);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.family = AF_UNIX,
                                                           .remote_host = slow.name.sun_path});
    int count = fill(&node);
    assert_int_equal(asyncio_datagram_transport_close(node.transport), 0);
    turn_often();
    assert_string_equal(node.calls, "M");
    expect_numbers(&slow, count);
    close_node(&node);
    assert_string_equal(node.calls, "MLD");
    close_slow(&slow);
    return 0;
}

/* A close sends what is queued first. */
static void test_send_queued_at_close(void **state)
{
    (void)state;
    run_clean(send_queued_at_close, NULL);
}

static int drop_queued_at_abort(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    slow_t slow;
    node_t node;
    open_slow(&slow);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.family = AF_UNIX,
                                                           .remote_host = slow.name.sun_path});
    fill(&node);
    assert_int_equal(asyncio_datagram_transport_close(node.transport), 0);
    assert_int_equal(asyncio_datagram_transport_abort(node.transport), 0);
    assert_int_equal(asyncio_datagram_transport_get_write_buffer_size(node.transport), 0);
    assert_string_equal(node.calls, "M"); /* never inside the call */
    close_node(&node);
    assert_string_equal(node.calls, "MLD");
    close_slow(&slow);
    return 0;
}

/* An abort drops what is queued, also after a close. */
static void test_drop_queued_at_abort(void **state)
{
    (void)state;
    run_clean(drop_queued_at_abort, NULL);
}

static int clean_the_queue_of_errors(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    slow_t slow;
    node_t node;
    open_slow(&slow);
    open_node(&node, (asyncio_datagram_endpoint_options_t){.family = AF_UNIX,
                                                           .remote_host = slow.name.sun_path});
    fill(&node);
    close_slow(&slow);
    turn_until(&node.errors, 3);
    assert_int_equal(asyncio_datagram_transport_get_write_buffer_size(node.transport), 0);
    close_node(&node);
    assert_string_equal(node.calls, "MeeeLD");
    return 0;
}

/* Queued datagrams that cannot be sent any more are errors, and leave the queue. */
static void test_clean_the_queue_of_errors(void **state)
{
    (void)state;
    run_clean(clean_the_queue_of_errors, NULL);
}

static int send_numbers(void *arg, void **ret_result)
{
    (void)ret_result;
    char data[1000] = "";
    for (int i = 0; i < 2000; i++) {
        memcpy(data, &i, sizeof(i));
        assert_int_equal(asyncio_loop_sock_sendto(asyncio_get_running_loop(), arg, data,
                                                  sizeof(data), NULL, 0),
                         sizeof(data));
    }
    return 0;
}

static int send_to_a_full_peer(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char data[1000];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);
    asyncio_socket_t *a = asyncio_socket(AF_UNIX, SOCK_DGRAM, 0);
    asyncio_socket_t *b = asyncio_socket(AF_UNIX, SOCK_DGRAM, 0);
    /* The kernel chooses a name; the queue is short, as the peer is not connected back. */
    assert_int_equal(
        asyncio_socket_bind(b, (struct sockaddr *)&address, sizeof(address.sun_family)), 0);
    assert_int_equal(asyncio_socket_getsockname(b, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(
        asyncio_loop_sock_connect(asyncio_get_running_loop(), a, (struct sockaddr *)&address, size),
        0);
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine_full(send_numbers, a, NULL));
    for (int i = 0; i < 20; i++)
        assert_int_equal(asyncio_sleep(0), 0); /* it waits for room by now */
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(asyncio_loop_sock_recvfrom(asyncio_get_running_loop(), b, data,
                                                    sizeof(data), NULL, NULL),
                         sizeof(data));
        assert_memory_equal(data, &i, sizeof(i));
    }
    assert_int_equal(asyncio_await_unref(task, NULL), 0);
    asyncio_socket_unref(a);
    asyncio_socket_unref(b);
    return 0;
}

/* Datagrams that wait for room in the peer's queue arrive whole and in order. */
static void test_send_to_a_full_peer(void **state)
{
    (void)state;
    run_clean(send_to_a_full_peer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_datagrams),
        cmocka_unit_test(test_carry_empty_datagrams),
        cmocka_unit_test(test_cut_long_datagrams),
        cmocka_unit_test(test_let_others_run),
        cmocka_unit_test(test_stop_at_close),
        cmocka_unit_test(test_survive_refusals),
        cmocka_unit_test(test_name_who_refuses),
        cmocka_unit_test(test_report_what_is_too_long),
        cmocka_unit_test(test_end_with_its_socket),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_send_queued_at_close),
        cmocka_unit_test(test_drop_queued_at_abort),
        cmocka_unit_test(test_clean_the_queue_of_errors),
        cmocka_unit_test(test_send_to_a_full_peer),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
