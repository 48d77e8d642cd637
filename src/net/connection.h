/* SPDX-License-Identifier: MIT */
/*
 * The record of a connection: a channel with a reader and a writer, the awaiting face of it.
 *
 *     reader  ----.                  the program's references, counted for both together;
 *                  >-- connection    the writer's last one closes the connection
 *     writer  ----'     ^      |
 *                       '------'---> channel --> socket
 *
 * The connection owns the channel, and holds a reference to itself until the channel is closed. The
 * writer's bytes are the channel's; the reader receives when it is asked to, and keeps here what a
 * search for a line or a separator has received beyond it.
 */
#ifndef ASYNCIO__NET_CONNECTION_H
#define ASYNCIO__NET_CONNECTION_H

#include <asyncio/stream.h>

#include "base/bytes.h"
#include "transport/channel.h"
#include "transport/ssl_class.h"

struct asyncio_stream_reader {
    asyncio__bytes_t bytes; /* received and not yet read */
    size_t lent;            /* of them, returned by the last call: consumed by the next one */
    size_t limit_bytes;     /* of a line, and of what a separator is searched in */
    size_t partial;         /* how much the last incomplete read returned */
    bool is_waiting;        /* a task is receiving */
    bool ends_on_overrun;   /* after an overrun nothing is read any more */
    bool is_overrun;        /* and there was one */
};

struct asyncio_stream_writer {
    unsigned refs;            /* the program's; the last one closes the connection */
    size_t high_bytes;        /* with more than that unsent drain() waits */
    bool is_paused;           /* until no more than channel->low_bytes are unsent */
    bool is_eof_wanted;       /* write_eof() was called */
    bool is_of_pipe;          /* drain() fails with -ECONNRESET, whatever ended it; see drain() */
    asyncio__list_t drainers; /* tasks that wait in drain() */
};

typedef struct asyncio__connection asyncio__connection_t;

struct asyncio__connection {
    asyncio_stream_reader_t reader; /* first */
    asyncio_stream_writer_t writer;
    asyncio__channel_t *channel;    /* a reference */
    asyncio_loop_t *loop;           /* held */
    unsigned refs;                  /* all references */
    asyncio__list_t closers;        /* tasks that wait in wait_closed() */
    void (*on_closed)(asyncio__connection_t *connection, void *arg); /* called once, or NULL */
    void *closed_arg;               /* passed to it */
    bool is_accepted;               /* by a server: this side is the server of TLS too */
    bool is_shaking;                /* start_tls() waits among the drainers */
};

static inline asyncio__connection_t *asyncio__connection_of_reader(asyncio_stream_reader_t *reader)
{
    return ASYNCIO__CONTAINER(reader, asyncio__connection_t, reader);
}

static inline asyncio__connection_t *
asyncio__connection_of_writer(const asyncio_stream_writer_t *writer)
{
    return ASYNCIO__CONTAINER((asyncio_stream_writer_t *)writer, asyncio__connection_t, writer);
}

/* A connection over an open channel, with one reference for its reader and one for its writer. The
 * channel is taken; NULL when memory is out, and then it is aborted and dropped. limit_bytes 0: the
 * default. */
asyncio__connection_t *asyncio__connection_new(asyncio__channel_t *channel, size_t limit_bytes);
void asyncio__connection_free(asyncio__connection_t *connection);

static inline void asyncio__connection_unref(asyncio__connection_t *connection)
{
    if (ASYNCIO__UNLIKELY(--connection->refs == 0))
        asyncio__connection_free(connection);
}

/* Puts TLS over the channel, which keeps its owner: 0, or an error with details, and the channel
 * stays. */
int asyncio__connection_wrap(asyncio__connection_t *connection,
                             const asyncio__ssl_options_t *options);

/* How long a close waits for a peer that takes nothing, in seconds; 0: the default. -EINVAL for a
 * negative number or NaN. */
int asyncio__connection_check_linger(double linger);
void asyncio__connection_set_linger(asyncio__connection_t *connection, double linger);

/* Closes it once all is sent, or now. Both are no-ops on a connection that is closed. */
void asyncio__connection_close(asyncio__connection_t *connection);
void asyncio__connection_abort(asyncio__connection_t *connection);

#endif
