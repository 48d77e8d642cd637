/* SPDX-License-Identifier: MIT */
/*
 * The record of a connection: a socket with a reader and a writer.
 *
 *     reader  ----.                  the program's references, counted for both together;
 *                  >-- connection    the last one of the writer closes it
 *     writer  ----'        |
 *                          '-- an operation that sends, while bytes are on their way
 *
 * What is written goes into a buffer, which a background operation sends; what is written
 * meanwhile waits in a second one. What is read is received when it is asked for.
 */
#ifndef ASYNCIO__NET_CONNECTION_H
#define ASYNCIO__NET_CONNECTION_H

#include <asyncio/stream.h>

#include "net/socket.h"

/* Bytes [start, end) of a block of capacity bytes. */
typedef struct asyncio__bytes {
    char *data;      /* the block, or NULL */
    size_t start;    /* the first byte that counts */
    size_t end;      /* behind the last */
    size_t capacity; /* of the block */
} asyncio__bytes_t;

/* Room for so many bytes behind the end: 0 or -ENOMEM. */
int asyncio__bytes_reserve(asyncio__bytes_t *bytes, size_t size);
void asyncio__bytes_fini(asyncio__bytes_t *bytes);

static inline size_t asyncio__bytes_count(const asyncio__bytes_t *bytes)
{
    return bytes->end - bytes->start;
}

struct asyncio_stream_reader {
    asyncio__bytes_t bytes; /* received and not yet read */
    size_t lent;            /* of them, given out by the last call: gone at the next */
    size_t limit_bytes;     /* of a line, and of what is searched */
    size_t partial;         /* what the last incomplete read came with */
    int error;              /* the connection failed with that code; 0 */
    bool is_eof;            /* the peer has ended */
    bool is_waiting;        /* a task is receiving */
};

struct asyncio_stream_writer {
    unsigned refs;            /* the program's; the last one closes */
    asyncio__bytes_t sending; /* the engine's while in flight */
    asyncio__bytes_t waiting; /* to be sent after it */
    size_t high_bytes;        /* more than that unsent: drain() waits */
    size_t low_bytes;         /* down to that */
    bool is_paused;           /* between them */
    bool is_eof_wanted;       /* write_eof() was called */
    bool is_eof_sent;         /* and done */
    asyncio__list_t drainers; /* who waits in drain() */
};

typedef struct asyncio__connection {
    asyncio_stream_reader_t reader; /* first */
    asyncio_stream_writer_t writer;
    asyncio__operation_t send;      /* in flight while is_sending */
    asyncio_socket_t *sock;         /* a reference */
    asyncio_loop_t *loop;           /* held */
    unsigned refs;                  /* all references */
    int lost;                       /* why the connection was lost; 0 */
    bool is_sending;                /* the send is in flight: a reference */
    bool is_closing;                /* close() was called, or it was lost */
    bool is_closed;                 /* the socket is closed */
    asyncio__list_t closers;        /* who waits in wait_closed() */
} asyncio__connection_t;

static inline asyncio__connection_t *asyncio__connection_of_reader(asyncio_stream_reader_t *reader)
{
    return ASYNCIO__CONTAINER(reader, asyncio__connection_t, reader);
}

static inline asyncio__connection_t *asyncio__connection_of_writer(asyncio_stream_writer_t *writer)
{
    return ASYNCIO__CONTAINER(writer, asyncio__connection_t, writer);
}

/* A connection over a connected socket, with one reference for its reader and one for its writer;
 * NULL when memory is out. The socket is borrowed. */
asyncio__connection_t *asyncio__connection_new(asyncio_loop_t *loop, asyncio_socket_t *sock,
                                               size_t limit_bytes);
void asyncio__connection_unref(asyncio__connection_t *connection);

/* Closes it once all is sent, or now. */
void asyncio__connection_close(asyncio__connection_t *connection);
void asyncio__connection_abort(asyncio__connection_t *connection, int code);

/* Sends what there is, as far as that goes without waiting. */
void asyncio__connection_flush(asyncio__connection_t *connection);

#endif
