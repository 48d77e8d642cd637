/* SPDX-License-Identifier: MIT */
/*
 * The record of a transport: a channel that calls a protocol, the calling face of it.
 *
 *     transport --> protocol        taken; freed with the transport
 *         |  ^
 *         v  | owner
 *       channel --> socket or pipe
 *
 * Everything that happens makes one ready item due, which calls the protocol in the order of
 * asyncio: connection_made, resume_writing, data or its end, connection_lost. Then it begins the
 * next read. So the protocol never runs inside the engine's wait(), nor inside close() or abort().
 *
 *     NEW --connection_made--> OPEN --close(), abort(), lost--> the channel is closed
 *                                       --connection_lost--> OVER
 *
 * A transport for data_received reads in lent form, so that an idle one holds no receive memory.
 * One for get_buffer reads in late form: the buffer is asked for when there is something to
 * receive. What arrives while reading is paused is copied out of the lent buffer, at most one.
 *
 * The protocol is destroyed when the last user has gone: the program's references count, and one
 * that the transport has to itself until it is OVER. The record stays longer: all users together
 * have a reference to it, and so have the ready item while it is scheduled and a pending read. A
 * loop that is closed ends its transports without calling connection_lost.
 */
#ifndef ASYNCIO__NET_TRANSPORT_H
#define ASYNCIO__NET_TRANSPORT_H

#include <asyncio/transport.h>

#include "transport/channel.h"
#include "transport/ssl_class.h"

struct asyncio_transport {
    asyncio__ready_t ready;         /* calls the protocol; its slot is reserved */
    unsigned refs;                  /* references to the record */
    unsigned users;                 /* references of the program, and one until OVER */
    asyncio_loop_t *loop;           /* held */
    asyncio__list_t link;           /* in the list of the loop's transports, until OVER */
    asyncio__channel_t *channel;    /* a reference */
    asyncio_protocol_t *protocol;   /* owned; NULL until the factory has made it */
    asyncio_protocol_factory_t *factory; /* makes it before connection_made, if it is NULL */
    void *factory_arg;              /* passed to it */
    void *context;                  /* the word of the context that all callbacks run in */
    asyncio__channel_read_t read;   /* pending while is_read_pending */
    char *kept;                     /* received while paused, copied; or NULL */
    size_t kept_bytes;              /* of kept */
    size_t high_bytes;              /* with more than that unsent pause_writing is called */
    asyncio__list_t waiters;        /* the task that waits for connection_made */
    void (*on_over)(void *arg);     /* called after connection_lost, or NULL */
    void *over_arg;                 /* passed to it */
    bool can_read;                  /* no pipe that only writes */
    bool can_write;                 /* no pipe that only reads */
    bool is_protocol_fixed;         /* set_protocol() is refused: it belongs to a child process */
    bool is_scheduled;              /* ready is in the queue: a reference */
    bool is_made;                   /* connection_made was called */
    bool is_read_pending;           /* a reference */
    bool has_read;                  /* the read has completed, and is to be handled */
    bool is_reading_paused;         /* by pause_reading() */
    bool is_eof;                    /* the peer has ended; nothing more is read */
    bool is_eof_wanted;             /* write_eof() was called */
    bool is_writing_paused;         /* pause_writing was called, resume_writing not yet */
    bool is_resume_due;             /* the channel has drained */
    bool is_shaking;                /* start_tls() waits among the waiters: nothing is read */
    bool is_closing;                /* close() or abort() was called: data is not delivered */
    bool is_lost;                   /* the channel is closed */
    bool is_over;                   /* connection_lost was called, or never will be */
};

/*
 * A transport over an open channel, which is taken, also on failure. It has one reference for the
 * caller. protocol is taken, but not on failure; NULL: the caller sets factory, which makes it in
 * the ready item. Callbacks run in context, or for NULL in a copy of the current one. Nothing is
 * called before asyncio__transport_start(). NULL: no memory.
 */
asyncio_transport_t *asyncio__transport_new(asyncio__channel_t *channel,
                                            asyncio_protocol_t *protocol,
                                            asyncio_context_t *context);

/* Schedules connection_made. */
void asyncio__transport_start(asyncio_transport_t *transport);

/* For start_tls: what was received and not handled, borrowed; or NULL. */
const void *asyncio__transport_received(const asyncio_transport_t *transport, size_t *ret_size);

/* Puts TLS over the channel, after what was received is dropped: 0, or an error with details, and
 * the channel stays. */
int asyncio__transport_wrap(asyncio_transport_t *transport,
                            const asyncio__ssl_options_t *options);

/* Ends it without calling anything of the program: for one that was not started. */
void asyncio__transport_end(asyncio_transport_t *transport);

#endif
