/* SPDX-License-Identifier: MIT */
/*
 * What the tests of datagram endpoints share: a protocol that notes its calls, endpoints over
 * loopback that are opened and closed, and turns until something was received.
 */
#ifndef TESTS_DATAGRAM_FIXTURE_H
#define TESTS_DATAGRAM_FIXTURE_H

#include <errno.h>
#include <sys/un.h>

#include "support/server_fixture.h"

/* A protocol that notes its calls as letters: M, d, e, P, R, L, D. */
typedef struct node {
    asyncio_datagram_protocol_t protocol;
    asyncio_datagram_transport_t *transport; /* a reference of the test */
    char calls[512];                         /* a letter each; see above */
    size_t call_count;                       /* of calls */
    int received;                            /* datagrams */
    int errors;                              /* calls of error_received */
    int last_error;                          /* its code */
    char error_text[160];                    /* the message of its error */
    int lost_code;                           /* of connection_lost */
    char data[256];                          /* of the latest datagram: its first bytes */
    size_t size;                             /* of the latest datagram */
    struct sockaddr_storage address;         /* of its sender */
    socklen_t address_size;                  /* of address */
    asyncio_datagram_info_t info;            /* of the latest datagram */
    void (*then)(struct node *node); /* called by datagram_received, or NULL */
} node_t;

static inline node_t *node_of(asyncio_datagram_protocol_t *protocol)
{
    return (node_t *)protocol;
}

static inline void note_call(node_t *node, char letter)
{
    if (node->call_count + 1 < sizeof(node->calls))
        node->calls[node->call_count++] = letter;
}

static inline void connection_made(asyncio_datagram_protocol_t *protocol,
                                   asyncio_datagram_transport_t *transport)
{
    node_of(protocol)->transport = asyncio_datagram_transport_ref(transport);
    note_call(node_of(protocol), 'M');
}

static inline void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data,
                                     size_t size, const struct sockaddr *address,
                                     socklen_t address_size)
{
    node_t *node = node_of(protocol);
    note_call(node, 'd');
    node->received++;
    node->size = size;
    memcpy(node->data, data, size < sizeof(node->data) ? size : sizeof(node->data));
    node->address_size = address_size;
    if (address)
        memcpy(&node->address, address, address_size);
    node->info.size = sizeof(node->info);
    assert_int_equal(
        asyncio_datagram_transport_get_datagram_info(node->transport, &node->info), 0);
    if (node->then)
        node->then(node);
}

static inline void error_received(asyncio_datagram_protocol_t *protocol, int code,
                                  asyncio_error_t *error)
{
    node_t *node = node_of(protocol);
    note_call(node, 'e');
    node->errors++;
    node->last_error = code;
    snprintf(node->error_text, sizeof(node->error_text), "%s",
             error ? asyncio_error_message(error) : "");
}

static inline void connection_lost(asyncio_datagram_protocol_t *protocol, int code,
                                   asyncio_error_t *error)
{
    assert_true((code < 0) == (error != NULL));
    node_of(protocol)->lost_code = code;
    note_call(node_of(protocol), 'L');
}

static inline void pause_writing(asyncio_datagram_protocol_t *protocol)
{
    note_call(node_of(protocol), 'P');
}

static inline void resume_writing(asyncio_datagram_protocol_t *protocol)
{
    note_call(node_of(protocol), 'R');
}

static inline void destroy_node(asyncio_datagram_protocol_t *protocol)
{
    note_call(node_of(protocol), 'D');
}

static const asyncio_datagram_protocol_functions_t node_functions = {
    .size = sizeof(node_functions),
    .connection_made = connection_made,
    .datagram_received = datagram_received,
    .error_received = error_received,
    .connection_lost = connection_lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .destroy = destroy_node,
};

static inline asyncio_datagram_protocol_t *make_node(void *arg)
{
    node_t *node = arg;
    memset(node, 0, sizeof(*node));
    node->protocol.functions = &node_functions;
    node->lost_code = 1;
    return &node->protocol;
}

/* --- helpers ------------------------------------------------------------------------------- */

static inline int try_open(node_t *node, asyncio_datagram_endpoint_options_t options)
{
    asyncio_datagram_transport_t *transport = NULL;
    options.size = sizeof(options);
    int rc = asyncio_loop_create_datagram_endpoint(asyncio_get_running_loop(), make_node, node,
                                                   &options, &transport, NULL);
    if (rc == 0) {
        assert_ptr_equal(transport, node->transport);
        asyncio_datagram_transport_unref(transport); /* the protocol has one */
    }
    return rc;
}

static inline void open_node(node_t *node, asyncio_datagram_endpoint_options_t options)
{
    assert_int_equal(try_open(node, options), 0);
    assert_string_equal(node->calls, "M");
}

static inline uint16_t port_of(node_t *node)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(
        asyncio_socket_getsockname(asyncio_datagram_transport_get_socket(node->transport),
                                   (struct sockaddr *)&address, &size),
        0);
    return ntohs(address.sin_port);
}

static inline void open_server(node_t *server)
{
    open_node(server, (asyncio_datagram_endpoint_options_t){.local_host = "127.0.0.1"});
}

/* A client that is connected to a server on loopback. */
static inline void open_client(node_t *client, node_t *server)
{
    open_node(client, (asyncio_datagram_endpoint_options_t){.remote_host = "127.0.0.1",
                                                            .remote_port = port_of(server)});
}

static inline void open_both(node_t *server, node_t *client)
{
    open_server(server);
    open_client(client, server);
}

static inline int send_to(node_t *node, const char *text, node_t *receiver)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (receiver)
        address.sin_port = htons(port_of(receiver));
    return asyncio_datagram_transport_sendto(node->transport, text, strlen(text),
                                             receiver ? (struct sockaddr *)&address : NULL,
                                             sizeof(address));
}

static inline void turn_until(const int *count, int wanted)
{
    for (int i = 0; *count < wanted && i < 1000000; i++)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_true(*count >= wanted);
}

/* Closes an endpoint and drops the reference of the test: connection_lost, then destroy. */
static inline void close_node(node_t *node)
{
    assert_int_equal(asyncio_datagram_transport_close(node->transport), 0);
    for (int i = 0; node->lost_code > 0 && i < 1000000; i++)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(node->lost_code, 0);
    asyncio_datagram_transport_unref(node->transport);
    turn_often(); /* what was pending has completed */
    assert_int_equal(node->calls[node->call_count - 1], 'D');
}

/* A Unix socket that the test reads by hand: its queue is short, so that a sender must wait. */
typedef struct slow {
    int fd;
    struct sockaddr_un name;
} slow_t;

static inline void open_slow(slow_t *slow)
{
    slow->name = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(slow->name.sun_path, sizeof(slow->name.sun_path), "/tmp/test_datagram.%d", getpid());
    unlink(slow->name.sun_path);
    slow->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(slow->fd, (struct sockaddr *)&slow->name, sizeof(slow->name)), 0);
}

static inline void close_slow(slow_t *slow)
{
    close(slow->fd);
    unlink(slow->name.sun_path);
}

#endif
