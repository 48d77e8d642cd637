/* SPDX-License-Identifier: MIT */
/*
 * What the channels of sockets and pipes share: reads and writes become operations of the engine on
 * one file.
 *
 *     OPEN --close()--> FLUSHING --all is sent--> end_flush() --> closed
 *      |                    |                          |
 *      '---- abort(), a failed read or write ----------'--------> closed
 *
 * Writing has two buffers: the engine sends from one, and what is written meanwhile is collected in
 * the other. A pending operation holds a reference to the channel. Of the class table the functions
 * below are used as they are; the rest is in socket_channel.c and pipe_channel.c.
 */
#ifndef ASYNCIO__TRANSPORT_FILE_CHANNEL_H
#define ASYNCIO__TRANSPORT_FILE_CHANNEL_H

#include "base/bytes.h"
#include "loop/timer.h"
#include "transport/channel.h"
#include "transport/socket.h"

typedef struct asyncio__file_channel asyncio__file_channel_t;

/* What differs; called when all that was written is sent. */
typedef struct asyncio__file_channel_hooks {
    /* After close(): finishes the channel, now or later; called again by end_read(). */
    void (*end_flush)(asyncio__file_channel_t *self);
    /* After shutdown(); called once. */
    void (*end_writing)(asyncio__file_channel_t *self);
} asyncio__file_channel_hooks_t;

struct asyncio__file_channel {
    asyncio__channel_t base;
    const asyncio__file_channel_hooks_t *hooks;
    asyncio__file_t *file;         /* a copy of sock->file; NULL once the socket is closed */
    asyncio__channel_read_t *read; /* the pending read, or NULL */
    asyncio__bytes_t sending;      /* the engine reads from it while is_sending */
    asyncio__bytes_t waiting;      /* written meanwhile */
    asyncio__operation_t send;     /* pending while is_sending */
    bool is_sending;               /* a reference */
    bool is_cut;                   /* the last send has sent less than it was given */
    bool is_ending_read;           /* the read was cancelled: end_flush is called after it */
    bool is_corked;                /* writes are only collected */
    bool is_stopping;              /* the send was cancelled, to see whether it makes progress */
    bool is_shutdown_wanted;       /* shutdown() was called */
    bool is_shut_down;             /* and has been carried out */
    int64_t progress_ns;           /* when the peer took bytes last, while FLUSHING */
    asyncio__timer_t timer;        /* set while FLUSHING */
    asyncio_socket_t *sock;        /* a reference */
};

static inline asyncio__file_channel_t *asyncio__file_channel_of(const asyncio__channel_t *channel)
{
    return ASYNCIO__CONTAINER((asyncio__channel_t *)channel, asyncio__file_channel_t, base);
}

/* Sets the fields of a zeroed record, which takes a reference to the socket: bound to a loop, and
 * without another channel. */
void asyncio__file_channel_init(asyncio__file_channel_t *self,
                                const asyncio__channel_class_t *class,
                                const asyncio__file_channel_hooks_t *hooks, asyncio_socket_t *sock);
void asyncio__file_channel_fini(asyncio__file_channel_t *self);

/* Closes the descriptor and tells the owner; a no-op when that is done. The other one says why. */
void asyncio__file_channel_finish(asyncio__file_channel_t *self);
void asyncio__file_channel_lose(asyncio__file_channel_t *self, int code);

/* What the next read returns without asking the engine: true, and the result. */
bool asyncio__file_channel_is_over(asyncio__file_channel_t *self, int *ret_result);

/* Turns the result of a receive into that of a read. A permanent failure ends the channel. */
int asyncio__file_channel_received(asyncio__file_channel_t *self, int result);

/* For end_flush while a read is pending: cancels it, and calls end_flush again once it has
 * completed. */
void asyncio__file_channel_end_read(asyncio__file_channel_t *self);

/* Functions of the class table. */
int asyncio__file_channel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read);
void asyncio__file_channel_cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read);
int asyncio__file_channel_take(asyncio__channel_t *channel, asyncio__channel_read_t *read,
                               void *buffer, size_t size);
void asyncio__file_channel_give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read);
int asyncio__file_channel_write(asyncio__channel_t *channel, const struct iovec *pieces,
                                size_t count);
size_t asyncio__file_channel_send_now(asyncio__channel_t *channel, const void *data, size_t size);
void asyncio__file_channel_cork(asyncio__channel_t *channel, bool is_corked);
size_t asyncio__file_channel_unsent(const asyncio__channel_t *channel);
int asyncio__file_channel_shutdown(asyncio__channel_t *channel);
void asyncio__file_channel_close(asyncio__channel_t *channel);
void asyncio__file_channel_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error);

#endif
