/* SPDX-License-Identifier: MIT */
/*
 * A channel whose bytes come from a script: in fragments, each at once or after a delay of the
 * loop's clock, and then the end of the stream or the loss of the connection. What is written to it
 * is dropped. It follows the contract of transport/channel.h, on any engine.
 */
#ifndef TESTS_FUZZ_SCRIPT_CHANNEL_H
#define TESTS_FUZZ_SCRIPT_CHANNEL_H

#include <asyncio.h>

#include "transport/channel.h"

#define FRAGMENTS_MOST 32

/* How a pending read ends that is cancelled. */
typedef enum script_cancel {
    CANCEL_AT_ONCE, /* inside the call */
    CANCEL_SOON,    /* in the next turn, unless a fragment comes first */
    CANCEL_NEVER,   /* the next fragment comes at once, and wins */
    CANCEL_KINDS,
} script_cancel_t;

typedef struct script {
    asyncio__channel_t channel;        /* first */
    char *data;                        /* all bytes of the stream */
    size_t size;                       /* of data */
    size_t ends[FRAGMENTS_MOST];       /* where each fragment ends in data */
    double delays[FRAGMENTS_MOST + 1]; /* before each fragment, and before the end; 0: none */
    size_t count;                      /* of fragments; none is empty */
    bool is_lost;                      /* it ends with -ECONNRESET */
    script_cancel_t cancel;            /* how a pending read is cancelled */

    size_t next;                       /* the fragment that comes next */
    size_t given;                      /* bytes that were received */
    bool is_ripe;                      /* the delay of the next fragment is over */
    bool has_timer;                    /* it has begun */
    bool is_freed;                     /* the last reference was dropped */
    asyncio__channel_read_t *pending;  /* or NULL */
} script_t;

/* Opens the channel; data, ends, delays, count, is_lost and cancel are set, all else is zero. */
void script_open(script_t *script, asyncio_loop_t *loop);

#endif
