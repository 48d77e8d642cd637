/* SPDX-License-Identifier: MIT */
/*
 * Datagrams, by an endpoint's protocol or by the awaiting calls of a socket.
 *
 * "echo" sends each datagram back to its sender, COUNT of them. "ask" sends the datagrams that are
 * lines of hexadecimal digits in its input, the next one once there is a reply to the last one, and
 * prints the replies in the same way. An address is a port, or with "unix" a path; to get replies
 * there, "ask" binds to the path with ".ask" behind it.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DATAGRAM_MOST 65536

typedef struct node {
    asyncio_datagram_protocol_t protocol;
    asyncio_datagram_transport_t *transport; /* borrowed until connection_lost */
    asyncio_future_t *ended;                 /* finished when connection_lost was called */
    const input_t *input;                    /* what to ask; NULL: this end sends back */
    size_t position;                         /* in the input */
    int remaining;                           /* datagrams to be received */
    int code;                                /* of an error, or 0 */
} node_t;

static unsigned char question[DATAGRAM_MOST];

/* Decodes the next line of the input into `question`; returns its size, or -1 behind the last. */
static ssize_t next_question(node_t *node)
{
    const input_t *input = node->input;
    ssize_t size = 0;
    if (node->position >= input->size)
        return -1;
    for (; input->data[node->position] != '\n'; node->position += 2) {
        char digits[3] = {input->data[node->position], input->data[node->position + 1], '\0'};
        question[size++] = (unsigned char)strtoul(digits, NULL, 16);
    }
    node->position++;
    return size;
}

static void print_reply(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)data)[i]);
    printf("\n");
    fflush(stdout);
}

/* --- by an endpoint ------------------------------------------------------------------------ */

static void ask_next(node_t *node)
{
    ssize_t size = next_question(node);
    if (size >= 0)
        asyncio_datagram_transport_sendto(node->transport, question, (size_t)size, NULL, 0);
}

static void connection_made(asyncio_datagram_protocol_t *protocol,
                            asyncio_datagram_transport_t *transport)
{
    ((node_t *)protocol)->transport = transport;
    if (((node_t *)protocol)->input)
        ask_next((node_t *)protocol);
}

static void datagram_received(asyncio_datagram_protocol_t *protocol, const void *data, size_t size,
                              const struct sockaddr *address, socklen_t address_size)
{
    node_t *node = (node_t *)protocol;
    if (node->input) {
        print_reply(data, size);
        ask_next(node);
    } else {
        asyncio_datagram_transport_sendto(node->transport, data, size, address, address_size);
    }
    if (--node->remaining == 0)
        asyncio_datagram_transport_close(node->transport);
}

static void error_received(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)error;
    node_t *node = (node_t *)protocol;
    node->code = code;
    asyncio_datagram_transport_close(node->transport);
}

static void connection_lost(asyncio_datagram_protocol_t *protocol, int code, asyncio_error_t *error)
{
    (void)error;
    node_t *node = (node_t *)protocol;
    if (node->code == 0)
        node->code = code;
    asyncio_future_set_result(node->ended, NULL);
}

static const asyncio_datagram_protocol_functions_t functions = {
    .size = sizeof(functions),
    .connection_made = connection_made,
    .datagram_received = datagram_received,
    .error_received = error_received,
    .connection_lost = connection_lost,
};

static asyncio_datagram_protocol_t *make_node(void *arg)
{
    return &((node_t *)arg)->protocol;
}

static int by_endpoint(node_t *node, bool is_unix, const char *address)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    char own_path[128];
    asyncio_datagram_endpoint_options_t options = {.size = sizeof(options)};
    snprintf(own_path, sizeof(own_path), "%s.ask", address);
    options.family = is_unix ? AF_UNIX : AF_INET;
    if (node->input) {
        options.remote_host = is_unix ? address : "127.0.0.1";
        options.remote_port = is_unix ? 0 : (uint16_t)atoi(address);
        options.local_host = is_unix ? own_path : NULL;
    } else {
        options.local_host = is_unix ? address : "127.0.0.1";
        options.local_port = is_unix ? 0 : (uint16_t)atoi(address);
    }
    asyncio_datagram_transport_t *transport = NULL;
    char name[128] = "?";
    node->ended = asyncio_loop_create_future(loop);
    int rc = asyncio_loop_create_datagram_endpoint(loop, make_node, node, &options, &transport,
                                                   NULL);
    if (rc >= 0 && !node->input) {
        asyncio_datagram_transport_get_extra_info(transport, "sockname", name, sizeof(name));
        printf("ready %s\n", is_unix ? "0" : strrchr(name, ':') + 1);
        fflush(stdout);
    }
    if (rc >= 0)
        rc = asyncio_await(node->ended, NULL);
    asyncio_datagram_transport_unref(transport);
    asyncio_future_unref(node->ended);
    return rc < 0 ? rc : node->code;
}

/* --- by a socket --------------------------------------------------------------------------- */

static socklen_t address_of(bool is_unix, const char *text, const char *suffix,
                            struct sockaddr_storage *ret_address)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(text)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    snprintf(path.sun_path, sizeof(path.sun_path), "%s%s", text, suffix);
    socklen_t size = is_unix ? sizeof(path) : sizeof(inet);
    memcpy(ret_address, is_unix ? (void *)&path : (void *)&inet, size);
    return size;
}

static int ask_by_socket(node_t *node, asyncio_socket_t *sock, const struct sockaddr *peer,
                         socklen_t peer_size)
{
    static char reply[DATAGRAM_MOST];
    asyncio_loop_t *loop = asyncio_get_running_loop();
    ssize_t size, rc = 0;
    while (rc >= 0 && node->remaining-- > 0 && (size = next_question(node)) >= 0) {
        rc = asyncio_loop_sock_sendto(loop, sock, question, (size_t)size, peer, peer_size);
        if (rc >= 0)
            rc = asyncio_loop_sock_recvfrom(loop, sock, reply, sizeof(reply), NULL, NULL);
        if (rc >= 0)
            print_reply(reply, (size_t)rc);
    }
    return rc < 0 ? (int)rc : 0;
}

static int echo_by_socket(node_t *node, asyncio_socket_t *sock)
{
    static char data[DATAGRAM_MOST];
    asyncio_loop_t *loop = asyncio_get_running_loop();
    struct sockaddr_storage address;
    ssize_t rc = 0;
    while (rc >= 0 && node->remaining-- > 0) {
        socklen_t address_size = sizeof(address);
        rc = asyncio_loop_sock_recvfrom(loop, sock, data, sizeof(data),
                                        (struct sockaddr *)&address, &address_size);
        if (rc >= 0)
            rc = asyncio_loop_sock_sendto(loop, sock, data, (size_t)rc,
                                          (struct sockaddr *)&address, address_size);
    }
    return rc < 0 ? (int)rc : 0;
}

static int by_socket(node_t *node, bool is_unix, const char *address)
{
    struct sockaddr_storage own, peer;
    socklen_t own_size, peer_size = address_of(is_unix, address, "", &peer);
    asyncio_socket_t *sock = asyncio_socket(is_unix ? AF_UNIX : AF_INET, SOCK_DGRAM, 0);
    if (!sock)
        return asyncio_errno();
    if (node->input)
        own_size = address_of(is_unix, is_unix ? address : "0", ".ask", &own);
    else
        own_size = address_of(is_unix, address, "", &own);
    int rc = asyncio_socket_bind(sock, (struct sockaddr *)&own, own_size);
    if (rc >= 0 && !node->input) {
        own_size = sizeof(own);
        asyncio_socket_getsockname(sock, (struct sockaddr *)&own, &own_size);
        printf("ready %d\n", is_unix ? 0 : ntohs(((struct sockaddr_in *)&own)->sin_port));
        fflush(stdout);
    }
    if (rc >= 0)
        rc = node->input ? ask_by_socket(node, sock, (struct sockaddr *)&peer, peer_size)
                         : echo_by_socket(node, sock);
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    return rc;
}

int datagrams(char **argv, const input_t *input)
{
    bool is_unix = strcmp(argv[2], "unix") == 0;
    node_t node = {.protocol = {&functions}, .remaining = atoi(argv[4])};
    if (strcmp(argv[0], "ask") == 0)
        node.input = input;
    return strcmp(argv[1], "endpoint") == 0 ? by_endpoint(&node, is_unix, argv[3])
                                            : by_socket(&node, is_unix, argv[3]);
}
