/* SPDX-License-Identifier: MIT */
/*
 * Channels: byte streams in both directions, by callbacks and without tasks.
 *
 * A channel stands between those who own a connection (stream readers and writers, protocols,
 * Python transports) and what carries the bytes: a socket, a pipe, or TLS over another channel.
 * All of them implement the one class table below, so that an owner never knows which it has.
 *
 *     asyncio__channel_t *channel;
 *     rc = asyncio__socket_channel_accept(loop, fd, kind, &names, &channel);  see socket_channel.h
 *     channel->owner_class = &my_class;             drained, closed
 *     channel->owner = me;
 *
 *     me->read = (asyncio__channel_read_t){.complete = on_read, .form = ASYNCIO__READ_INTO,
 *                                          .operation = {.buffer = buffer, .size = size}};
 *     rc = channel->class->read(channel, &me->read);
 *     rc == 1: done; operation.result is a count, 0 at the end of the stream, or a code
 *     rc == 0: complete(&me->read) is called once, when operation.result is set
 *     rc <  0: refused; nothing was begun
 *
 *     rc = channel->class->write(channel, pieces, count);    all of it is sent or copied: 0
 *     if (channel->class->unsent(channel) > high_bytes)
 *         channel->wants_drained = true;            drained() is called at low_bytes or below
 *
 *     channel->class->close(channel);               sends what is unsent, then closed() is called
 *     asyncio__channel_unref(channel);
 *
 * ORDER. complete, drained and closed are called from the engine's wait() or from inside any call
 * on the channel, so they may only schedule: set fields, make a ready item or a task ready. They
 * run no user code and do not call the channel. Whoever runs user code has a ready item of its own.
 *
 * LIFE. The owner holds one reference. An open channel holds another one to itself, which it drops
 * after closed(), so that a channel that is still sending outlives an owner that has given up its
 * reference (and has set owner_class to NULL). Before that the owner calls close() or abort(), also
 * when the loop has been closed: then the channel ends at once. closed() is called exactly once.
 */
#ifndef ASYNCIO__TRANSPORT_CHANNEL_H
#define ASYNCIO__TRANSPORT_CHANNEL_H

#include "base/error.h"
#include "loop/loop.h"

typedef struct asyncio__channel asyncio__channel_t;
typedef struct asyncio__channel_read asyncio__channel_read_t;

/* Where a read puts the bytes. */
typedef enum asyncio__read_form {
    ASYNCIO__READ_INTO, /* operation.buffer and size: the owner's; no copy is made */
    ASYNCIO__READ_LENT, /* a buffer of the engine: operation.buffer at completion; see give_back */
    ASYNCIO__READ_LATE, /* nowhere yet: result 0 says that take() has something to take */
} asyncio__read_form_t;

/*
 * One read. It lives in the frame of the reader or in its record, and stays there until it has
 * completed. The engine's operation is in it so that a socket's read needs no other record; of it
 * the owner sets buffer and size and reads result, and other channels may use the rest.
 */
struct asyncio__channel_read {
    asyncio__operation_t operation;
    void (*complete)(asyncio__channel_read_t *read); /* called once, when the read was pending */
    asyncio__channel_t *channel;                     /* whose read it is; read() sets it */
    uint8_t form;                                    /* asyncio__read_form_t */
};

/* What is known of a channel; see info. */
typedef struct asyncio__channel_info {
    const void *data; /* borrowed as long as the channel lives */
    size_t size;      /* in bytes */
} asyncio__channel_info_t;

/* How a file is sent by a channel; as asyncio's constants._SendfileMode. */
typedef enum asyncio__sendfile_mode {
    ASYNCIO__SENDFILE_UNSUPPORTED, /* not at all */
    ASYNCIO__SENDFILE_NATIVE,      /* by sendfile(2) to its "socket", while nothing is unsent */
    ASYNCIO__SENDFILE_FALLBACK,    /* only by reading and writing */
} asyncio__sendfile_mode_t;

typedef struct asyncio__channel_class {
    const char *name; /* "socket", "pipe", "tls" */
    uint8_t sendfile_mode; /* asyncio__sendfile_mode_t */

    /*
     * Begins a read: 1 done at once, 0 pending, or refused with a code. One read at a time: a
     * second one is refused with ASYNCIO_ERUNTIME. At the end of the stream, and after close(),
     * each read returns 0; when the channel was lost, the code of what ended it. A read that
     * fails permanently ends the channel with its code.
     */
    int (*read)(asyncio__channel_t *channel, asyncio__channel_read_t *read);

    /* Asks a pending read to end. It still completes, with -ECANCELED, or with data when that
     * came first: no byte is lost. */
    void (*cancel_read)(asyncio__channel_t *channel, asyncio__channel_read_t *read);

    /* After a late read has completed with 0: takes at most size bytes. Returns a count, 0 at the
     * end of the stream, -EAGAIN if there is nothing after all (read again), or a code. Called
     * from a ready item of the owner, never from complete. */
    int (*take)(asyncio__channel_t *channel, asyncio__channel_read_t *read, void *buffer,
                size_t size);

    /* After a lent read has completed with a count: returns the buffer. What the owner keeps, it
     * has copied. Soon: others wait for buffers. */
    void (*give_back)(asyncio__channel_t *channel, asyncio__channel_read_t *read);

    /* What the next read would find, while none is pending: 1 bytes, 0 the end of the stream,
     * -EAGAIN nothing yet, or the code of what ended the channel. Takes nothing. */
    int (*peek)(asyncio__channel_t *channel);

    /*
     * Writes all pieces, in order: sends what the kernel takes at once and copies the rest, which
     * is sent in the background. 0, or -ENOMEM: then nothing of it was taken. What is written
     * after shutdown(), close() or the end of the channel is dropped.
     */
    int (*write)(asyncio__channel_t *channel, const struct iovec *pieces, size_t count);

    /* For a channel above this one, whose bytes lie in a buffer of its own: sends what the kernel
     * takes of them now, without a copy, and returns how many those are; 0 also where write() is
     * the better call (something is unsent, or a system call would cost more than the copy). NULL:
     * always write(). */
    size_t (*send_now)(asyncio__channel_t *channel, const void *data, size_t size);

    /* Between cork(true) and cork(false) writes are only collected, to be sent together. */
    void (*cork)(asyncio__channel_t *channel, bool is_corked);

    /* Bytes that were written and that the kernel has not taken yet; 0 once it is closed. */
    size_t (*unsent)(const asyncio__channel_t *channel);

    /* Ends the writing direction once all is sent: the peer reads the end of the stream. 0, or
     * -EOPNOTSUPP (TLS). */
    int (*shutdown)(asyncio__channel_t *channel);

    /*
     * Ends the channel in order: what is unsent is sent, then it is closed. A peer that takes
     * nothing for linger_ns ends it with -ETIMEDOUT. Input that nobody has read is not allowed to
     * make the kernel reset the connection, which would drop what the peer has not received yet:
     * writing is shut down, and at most 1 MiB is read and dropped for at most 2 seconds.
     */
    void (*close)(asyncio__channel_t *channel);

    /* Ends the channel now; what is unsent is dropped. The code, 0 or an error, is what ended it;
     * error (NULL, or taken) has the details. */
    void (*abort)(asyncio__channel_t *channel, int code, asyncio_error_t *error);

    /* What is known under that name: "peername" and "sockname" (a struct sockaddr, as it was when
     * the connection was made), "socket" (the asyncio_socket_t itself). 0, or -EINVAL: unknown. */
    int (*info)(asyncio__channel_t *channel, const char *name, asyncio__channel_info_t *ret_info);

    /* Frees the record, after the last reference was dropped. */
    void (*free)(asyncio__channel_t *channel);
} asyncio__channel_class_t;

/* What the owner of a channel hears; each may be NULL. See ORDER above. */
typedef struct asyncio__channel_owner_class {
    /* The handshake of a channel of TLS has succeeded. Called once, from the ready queue; one that
     * fails calls closed() instead. */
    void (*opened)(asyncio__channel_t *channel);
    void (*drained)(asyncio__channel_t *channel); /* wants_drained was set, and is cleared */
    void (*closed)(asyncio__channel_t *channel);  /* code and error say how it ended */
} asyncio__channel_owner_class_t;

/* How the record of every channel begins. Owners read all fields, and write the first group. */
struct asyncio__channel {
    const asyncio__channel_owner_class_t *owner_class; /* NULL: nobody is told */
    void *owner;         /* the owner's own */
    size_t low_bytes;    /* drained() is called when no more than that is unsent */
    int64_t linger_ns;   /* how long close() waits for a peer that takes nothing */
    bool wants_drained;  /* drained() is to be called once */

    bool is_sending_file; /* a file is being sent: owners write nothing, and put no TLS over it */
    bool is_eof;         /* the peer has ended its writing direction, and all was read */
    bool is_closing;     /* close() or abort() was called, or the channel was lost */
    bool is_closed;      /* nothing is left to be done; closed() was or is being called */
    int code;            /* what ended it; 0: an orderly end, or none yet */
    asyncio_error_t *error; /* details of code, or NULL; a reference */
    unsigned refs;       /* references: the owner's, its own, those of pending operations */
    asyncio_loop_t *loop; /* held */
    const asyncio__channel_class_t *class;
};

#define ASYNCIO__CHANNEL_LINGER_NS ((int64_t)30 * 1000000000) /* the default of linger_ns */

/* Sets the common fields of a zeroed record: open, with the owner's reference and its own. */
ASYNCIO__SHARED void asyncio__channel_init(asyncio__channel_t *channel,
                                           const asyncio__channel_class_t *class,
                                           asyncio_loop_t *loop);

ASYNCIO__SHARED void asyncio__channel_free(asyncio__channel_t *channel);

/* Drops a reference; NULL is ignored. */
static inline void asyncio__channel_unref(asyncio__channel_t *channel)
{
    if (channel && ASYNCIO__UNLIKELY(--channel->refs == 0))
        asyncio__channel_free(channel);
}

/* For classes: the channel has ended with this code and error (taken). The first code stays. */
ASYNCIO__SHARED void asyncio__channel_set_code(asyncio__channel_t *channel, int code,
                                               asyncio_error_t *error);

/* For classes: everything is over. Tells the owner, once, and drops the channel's own reference:
 * the record may be freed. */
ASYNCIO__SHARED void asyncio__channel_finish(asyncio__channel_t *channel);

/* For classes: bytes have left; tells the owner if it wants to know and is due to. */
static inline void asyncio__channel_note_sent(asyncio__channel_t *channel)
{
    if (ASYNCIO__UNLIKELY(channel->wants_drained) &&
        channel->class->unsent(channel) <= channel->low_bytes) {
        channel->wants_drained = false;
        if (channel->owner_class && channel->owner_class->drained)
            channel->owner_class->drained(channel);
    }
}

/* For owners: fails with what ended the channel, details and all; code is used if there is none. */
int asyncio__channel_fail(const asyncio__channel_t *channel, int code, const char *message);

#endif
