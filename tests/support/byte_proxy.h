/* SPDX-License-Identifier: MIT */
/*
 * A proxy that passes bytes between clients and a server in both directions, and does what somebody
 * in the network could do, at a byte of the test's choice.
 *
 *     byte_proxy_t proxy = {.target = port_of_the_server};
 *     byte_proxy_start(&proxy);                    in a task
 *     ... clients connect to byte_proxy_port(&proxy) ...
 *     proxy.plan = (byte_plan_t){.deed = BYTE_CUT, .direction = BYTES_OF_SERVER, .at = 37};
 *     ... the next connection is cut behind 37 bytes of the server
 *     byte_proxy_stop(&proxy);
 *
 * A plan holds for the connections that begin from then on. It must not know what the bytes mean.
 */
#ifndef TESTS_BYTE_PROXY_H
#define TESTS_BYTE_PROXY_H

#include <asyncio.h>

enum { BYTES_OF_CLIENT, BYTES_OF_SERVER };

typedef enum byte_deed {
    BYTE_NOTHING,
    BYTE_CUT,    /* both connections end, in order */
    BYTE_RESET,  /* both connections are reset */
    BYTE_END,    /* that direction ends; the other one stays */
    BYTE_INSERT, /* data is put between */
    BYTE_CHANGE, /* the next byte is another one */
    BYTE_HOLD,   /* what follows in that direction is never passed on */
} byte_deed_t;

typedef struct byte_plan {
    byte_deed_t deed;
    int direction;    /* whose bytes are counted */
    size_t at;        /* behind that number of bytes of the direction */
    const void *data; /* to insert */
    size_t size;      /* of data */
    size_t piece;     /* bytes that are passed on at once, in both directions; 0: all */
    double delay;     /* seconds before each piece */
} byte_plan_t;

typedef struct byte_proxy {
    uint16_t target;      /* the port of the server */
    byte_plan_t plan;     /* for new connections */
    size_t passed[2];     /* bytes of the latest connection, by direction */
    byte_plan_t *latest;  /* the plan of that connection, while it is open */
    asyncio_server_t *server;
} byte_proxy_t;

void byte_proxy_start(byte_proxy_t *proxy);
uint16_t byte_proxy_port(const byte_proxy_t *proxy);
void byte_proxy_stop(byte_proxy_t *proxy);

#endif
