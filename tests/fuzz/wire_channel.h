/* SPDX-License-Identifier: MIT */
/*
 * Two channels that are the ends of one connection in memory, on any engine. What one end writes is
 * delivered to the other when the program says so, in pieces of its choice; between them it may cut
 * the connection, or change and insert bytes as somebody in the network could.
 *
 *     wire_t wire = {.capacity = 4096};
 *     wire_open(&wire, loop);
 *     ... wire.ends[0].channel, wire.ends[1].channel: see transport/channel.h
 *     wire_deliver(&wire.ends[1], 100);    at most 100 bytes more have arrived at that end
 *     wire_settle(&wire);                  completes reads and closes that are due
 *
 * It follows the contract of a socket's channel: lent buffers are blocks of their own, so that a
 * checker notices what is used after it was given back.
 */
#ifndef TESTS_FUZZ_WIRE_CHANNEL_H
#define TESTS_FUZZ_WIRE_CHANNEL_H

#include <asyncio.h>

#include "transport/channel.h"

typedef struct wire wire_t;

typedef struct wire_end {
    asyncio__channel_t channel;       /* first */
    wire_t *wire;                     /* that it is an end of */
    struct wire_end *peer;            /* the other end */
    char *data;                       /* that the peer has written, and nobody has received */
    size_t size;                      /* of data */
    size_t ripe;                      /* bytes of data that have arrived */
    size_t lent;                      /* buffers that the owner of this end has not given back */
    bool is_ended;                    /* behind data is the end of the stream */
    bool is_reset;                    /* instead of it is -ECONNRESET */
    bool is_freed;                    /* the last reference was dropped */
    bool is_cancelled;                /* pending is to end */
    asyncio__channel_read_t *pending; /* a reference; or NULL */
} wire_end_t;

struct wire {
    wire_end_t ends[2];
    size_t capacity;  /* bytes that an end has sent while they have not arrived; more is unsent */
    bool has_send_now; /* the channels offer it */
};

/* Opens both channels; each has the reference of an owner. */
void wire_open(wire_t *wire, asyncio_loop_t *loop);

/* At most count bytes more arrive at an end. */
void wire_deliver(wire_end_t *end, size_t count);

/* Completes the reads that are due, and finishes the closes that have nothing left to send. */
void wire_settle(wire_t *wire);

/* Somebody in the network: puts bytes in front of what arrives next (or behind all that is under
 * way), changes a byte that has not arrived yet, ends the connection in the direction of an end, in
 * order or by a reset. */
void wire_insert(wire_end_t *end, const void *data, size_t size, bool is_behind);
void wire_corrupt(wire_end_t *end, size_t place, unsigned char change);
void wire_cut(wire_end_t *end, bool is_reset);

/* Aborts the ends that are open, and frees what the wire holds. */
void wire_drop(wire_t *wire);

#endif
