/* SPDX-License-Identifier: MIT */
/*
 * A channel of TLS over another channel. See transport/channel.h for the contract.
 *
 *     HANDSHAKE --done, opened()--> OPEN --close()--> SHUTDOWN --close_notify, an end,
 *         |                          |                   |       1 MiB dropped--> CLOSED
 *         '-- abort(), a failure, the timeout, the lower channel is closed -------> CLOSED
 *
 * OpenSSL sees the lower channel through one BIO of ours. It reads from the ciphertext that the
 * latest receive below has lent, so that an idle connection holds no receive memory, and it writes
 * into the lower channel, which takes everything: OpenSSL never waits for writing. The end of the
 * lower channel is not told to OpenSSL, which would refuse to write from then on.
 *
 *     lower --lent read--> input --bio_read--> SSL_read --> the owner's buffer
 *     lower <--send_now, write-- (gathered) <--bio_write-- SSL_write <-- write()
 *
 * The handshake runs in a ready item of the channel, because it calls functions of the program.
 * What is received later is decrypted where the lower read completes, straight into the buffer of
 * the pending read: there is one turn of the loop between data and reader, as on a plain socket.
 * A lower read is pending only while one of this channel is, and in a handshake or shutdown; so
 * a reader that stops leaves the bytes to the kernel. While OpenSSL runs, no coroutine is current:
 * a callback of the program that tries to wait is refused.
 */
#ifndef ASYNCIO__TLS_TLS_CHANNEL_H
#define ASYNCIO__TLS_TLS_CHANNEL_H

#include "base/bytes.h"
#include "loop/timer.h"
#include "tls/openssl.h"
#include "transport/channel.h"
#include "transport/ssl_class.h"

typedef enum asyncio__tls_state {
    ASYNCIO__TLS_HANDSHAKE,
    ASYNCIO__TLS_OPEN,
    ASYNCIO__TLS_SHUTDOWN, /* our close_notify is sent; what the peer still sends is dropped */
    ASYNCIO__TLS_CLOSED,   /* the lower channel is closed, or left to itself */
} asyncio__tls_state_t;

typedef struct asyncio__tls_channel asyncio__tls_channel_t;

/* Facts of OpenSSL for info(), as text that lives as long as the channel: 0; -EINVAL for a name
 * that it does not know; -ENOMEM. */
typedef int asyncio__tls_describe_t(asyncio__tls_channel_t *self, const char *name,
                                    asyncio__channel_info_t *ret_info);

struct asyncio__tls_channel {
    asyncio__channel_t base;
    asyncio__channel_t *lower;          /* a reference */
    asyncio__ssl_t *ssl;                /* owned; its BIO points here */
    asyncio_ssl_context_t *context;     /* a reference, or NULL */
    char *server_hostname;              /* of a client; or NULL */
    uint16_t port;                      /* of the server, for a client; 0: not known */
    uint8_t state;                      /* asyncio__tls_state_t */
    bool is_server;                     /* this side is the server */
    bool suppresses_ragged_eofs;        /* an end without close_notify is an ordinary one */
    bool is_scheduled;                  /* ready is in the queue: a reference */
    bool is_lower_pending;              /* lower_read is: a reference */
    bool is_lower_ended;                /* the lower channel has no more input */
    bool is_read_cancelled;             /* read is to end */
    bool is_gathering;                  /* output is collected in gathered */
    bool is_decrypting;                 /* inside SSL_read: output is OpenSSL's own */
    bool reuses_lent;                   /* SSL_read writes into the buffer that input lies in */
    bool is_out_of_memory;              /* a function of the BIO has failed */
    bool is_flooded;                    /* it refused to queue more replies */
    bool has_ended;                     /* nothing more can be decrypted; end_code says why */
    int end_code;                       /* 0: close_notify, or an end that counts as one */
    asyncio_error_t *end_error;         /* details of end_code: a reference, or NULL */
    asyncio__channel_read_t *read;      /* the owner's pending read, or NULL */
    asyncio__channel_read_t lower_read; /* pending while is_lower_pending */
    const char *input;                  /* ciphertext that OpenSSL has not read yet */
    size_t input_bytes;                 /* of input */
    char *lent;                         /* the lower's buffer that input lies in, or NULL */
    asyncio__bytes_t kept;              /* else input lies in here */
    char *plain;                        /* what a lent read was given: allocated; or NULL */
    asyncio__bytes_t gathered;          /* ciphertext of one call */
    asyncio__bytes_t backlog;           /* written during the handshake: not encrypted yet */
    size_t reply_bytes;                 /* that OpenSSL wrote by itself since all was sent */
    size_t dropped_bytes;               /* while SHUTDOWN: what was read and dropped */
    uint32_t records;                   /* sent since the last key update, about */
    int verify_depth;                   /* of the certificate that was refused; -1: not known */
    int64_t shutdown_timeout_ns;        /* how long SHUTDOWN may take */
    asyncio__timer_t timer;             /* set in HANDSHAKE and SHUTDOWN */
    int64_t handshake_timeout_ns;       /* for its message */
    asyncio__ready_t ready;             /* runs the handshake; its slot is reserved */
    asyncio__tls_describe_t *describe;  /* see above; or NULL */
    char *info_text;                    /* the text that describe() made last; or NULL */
};

/* What a channel is made with. */
typedef struct asyncio__tls_options {
    asyncio__ssl_t *ssl;            /* made, without BIO and state; taken, but not on failure */
    bool checks_hostname;           /* a client verifies server_hostname */
    bool suppresses_ragged_eofs;    /* see above */
    asyncio__tls_describe_t *describe; /* or NULL */
    const asyncio__ssl_options_t *common; /* names, timeouts; context may be NULL */
} asyncio__tls_options_t;

static inline asyncio__tls_channel_t *asyncio__tls_channel_of(const asyncio__channel_t *channel)
{
    return ASYNCIO__CONTAINER((asyncio__channel_t *)channel, asyncio__tls_channel_t, base);
}

/* Makes the channel and schedules its handshake. lower is taken, but not on failure: 0, or an
 * error with details. */
int asyncio__tls_channel_new(asyncio__channel_t *lower, const asyncio__tls_options_t *options,
                             asyncio__channel_t **ret_channel);

/* Of a channel of this class the record, else NULL. */
asyncio__tls_channel_t *asyncio__tls_channel_from(const asyncio__channel_t *channel);

/* What one record holds. */
#define ASYNCIO__TLS_RECORD_BYTES 16384

/* --- tls_channel.c ------------------------------------------------------------------------- */

/* The end of the class table's abort. */
void asyncio__tls_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error);

/* A permanent failure, with its code and error (taken): the owner is told at once. The alert that
 * OpenSSL has written is sent by the lower channel, which is left to itself. */
void asyncio__tls_fail(asyncio__tls_channel_t *self, int code, asyncio_error_t *error);

/* The same in a handshake, where an end of the lower channel (0) is a reset. */
void asyncio__tls_fail_handshake(asyncio__tls_channel_t *self, int code, asyncio_error_t *error);

/* Completes the pending read, if there is one. */
void asyncio__tls_complete_read(asyncio__tls_channel_t *self, int result);

/* Has the handshake continue from the ready queue. */
void asyncio__tls_schedule(asyncio__tls_channel_t *self);

/* In SHUTDOWN: reads and drops what the peer sends, until its close_notify, its end, or the
 * bound; then closes the lower channel. */
void asyncio__tls_drop_input(asyncio__tls_channel_t *self);

/* --- tls_read.c ---------------------------------------------------------------------------- */

/* Begins a lower read: 0 pending; 1: input has arrived, or its end; or a code. */
int asyncio__tls_begin_lower_read(asyncio__tls_channel_t *self);

/* Serves a read of an OPEN channel from what has arrived and what the lower channel has: 1 and its
 * result, 0 pending, or refused with a code. */
int asyncio__tls_begin_read(asyncio__tls_channel_t *self, asyncio__channel_read_t *read);

/* Functions of the class table. */
int asyncio__tls_read(asyncio__channel_t *channel, asyncio__channel_read_t *read);
void asyncio__tls_cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read);
int asyncio__tls_take(asyncio__channel_t *channel, asyncio__channel_read_t *read, void *buffer,
                      size_t size);
void asyncio__tls_give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read);
int asyncio__tls_peek(asyncio__channel_t *channel);

/* --- tls_write.c --------------------------------------------------------------------------- */

/* Encrypts and writes: 0, or the code that has ended the channel. */
int asyncio__tls_encrypt(asyncio__tls_channel_t *self, const char *data, size_t size);

/* Functions of the class table. */
int asyncio__tls_write(asyncio__channel_t *channel, const struct iovec *pieces, size_t count);
size_t asyncio__tls_unsent(const asyncio__channel_t *channel);

/* --- tls_bio.c ----------------------------------------------------------------------------- */

/* Gives ssl a BIO for this channel: 0 or -ENOMEM. */
int asyncio__tls_bio_attach(asyncio__tls_channel_t *self);

/* Sends what was gathered: 0 or -ENOMEM. */
int asyncio__tls_bio_flush(asyncio__tls_channel_t *self);

/* Copies input into kept, if it lies in a lent buffer: 0 or -ENOMEM. */
int asyncio__tls_bio_keep(asyncio__tls_channel_t *self);

/* After a call of OpenSSL: returns the lent buffer; what OpenSSL left in it is kept. */
void asyncio__tls_bio_settle(asyncio__tls_channel_t *self);

/* Around calls of OpenSSL: its error queue is empty before and behind them, and no coroutine is
 * current. */
asyncio_coroutine_t *asyncio__tls_enter(void);
void asyncio__tls_leave(asyncio_coroutine_t *former);

/* --- tls_error.c --------------------------------------------------------------------------- */

/* What a call of OpenSSL means that returned 0 or less, before leave(): -EAGAIN where it wants more
 * input, 0 at close_notify, or a code and its details. */
int asyncio__tls_result(asyncio__tls_channel_t *self, int returned, asyncio_error_t **ret_error);

#endif
