/* SPDX-License-Identifier: MIT */
/* The receiving side of a channel of TLS; see tls_channel.h. */
#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "tls/tls_channel.h"

/* What one record holds. */
#define RECORD_BYTES ASYNCIO__TLS_RECORD_BYTES

typedef asyncio__tls_channel_t tls_t;

static tls_t *self_of(const asyncio__channel_t *channel)
{
    return asyncio__tls_channel_of(channel);
}

/* What reads return once nothing more can be decrypted. */
static int end_reading(tls_t *self)
{
    if (self->end_code == 0) {
        self->base.is_eof = true;
        return 0;
    }
    asyncio_error_t *error = self->end_error;
    self->end_error = NULL;
    asyncio__tls_fail(self, self->end_code, error);
    return self->base.code;
}

/* --- input --------------------------------------------------------------------------------- */

/* Takes the result of a lower read: 0, or the code of one that failed. */
static int absorb(tls_t *self)
{
    const asyncio__operation_t *operation = &self->lower_read.operation;
    if (operation->result > 0) {
        self->input = self->lent = operation->buffer;
        self->input_bytes = (size_t)operation->result;
    } else if (operation->result == 0) {
        self->is_lower_ended = true;
    }
    return operation->result < 0 ? operation->result : 0;
}

static void on_lower_read(asyncio__channel_read_t *lower_read);

/* Begins a lower read: 0 pending; 1: something was absorbed; or a code. */
int asyncio__tls_begin_lower_read(tls_t *self)
{
    self->lower_read.complete = on_lower_read;
    self->lower_read.form = ASYNCIO__READ_LENT;
    int rc = self->lower->class->read(self->lower, &self->lower_read);
    if (rc == 0) {
        self->is_lower_pending = true;
        self->base.refs++;
        return 0;
    }
    if (rc > 0)
        rc = absorb(self);
    return rc < 0 ? rc : 1;
}

/* Notes what ended decryption, if it has ended. */
static void note_end(tls_t *self, int code, asyncio_error_t *error)
{
    if (code == -EAGAIN && self->is_lower_ended) {
        code = self->suppresses_ragged_eofs ? 0 : ASYNCIO_ESSLEOF;
        error = code < 0 ? asyncio__error_new_ssl(
                               code, "the connection ended without a close_notify of TLS: data may "
                                     "be missing", "UNEXPECTED_EOF_WHILE_READING", 0)
                         : NULL;
    }
    if (code == -EAGAIN || self->has_ended)
        return;
    self->has_ended = true;
    self->end_code = code;
    self->end_error = error;
}

/* Decrypts into a buffer: a count, 0 at the end, -EAGAIN, or the code that has ended the channel.
 * What is behind the bytes, an end or a failure, is returned by the next call. */
static int decrypt(tls_t *self, char *buffer, size_t size)
{
    int count = 0, limit = size < INT_MAX ? (int)size : INT_MAX, n, rc = 0;
    asyncio_error_t *error = NULL;
    if (self->has_ended)
        return end_reading(self);
    asyncio_coroutine_t *former = asyncio__tls_enter();
    self->is_decrypting = true;
    do {
        n = asyncio__openssl.SSL_read(self->ssl, buffer + count, limit - count);
        count += n > 0 ? n : 0;
    } while (n > 0 && count < limit &&
             (self->input_bytes > 0 || asyncio__openssl.SSL_has_pending(self->ssl)));
    self->is_decrypting = false;
    if (n <= 0)
        rc = asyncio__tls_result(self, n, &error);
    asyncio__tls_leave(former);
    if (n <= 0)
        note_end(self, rc, error);
    if (count > 0)
        return count;
    return self->has_ended ? end_reading(self) : -EAGAIN;
}

/* Whether there is something to decrypt: 1, 0 at the end, -EAGAIN, or the code that has ended the
 * channel. */
static int look(tls_t *self)
{
    char byte;
    asyncio_error_t *error = NULL;
    int rc = 1;
    if (self->has_ended)
        return end_reading(self);
    asyncio_coroutine_t *former = asyncio__tls_enter();
    self->is_decrypting = true;
    int n = asyncio__openssl.SSL_peek(self->ssl, &byte, 1);
    self->is_decrypting = false;
    if (n <= 0)
        rc = asyncio__tls_result(self, n, &error);
    asyncio__tls_leave(former);
    if (n > 0)
        return 1;
    note_end(self, rc, error);
    return self->has_ended ? end_reading(self) : -EAGAIN;
}

/* --- reading ------------------------------------------------------------------------------- */

/* Decrypts into the buffer that the ciphertext lies in, which OpenSSL has copied by then; without
 * one, into memory of our own. */
static int decrypt_lent(tls_t *self, asyncio__operation_t *operation)
{
    char *buffer = self->lent;
    if (buffer && asyncio__openssl.SSL_has_pending(self->ssl) && asyncio__tls_bio_keep(self) < 0)
        return -ENOMEM;
    if (!buffer && !(buffer = self->plain = asyncio__malloc(RECORD_BYTES)))
        return -ENOMEM;
    self->reuses_lent = self->lent != NULL;
    int n = decrypt(self, buffer, RECORD_BYTES);
    self->reuses_lent = false;
    operation->buffer = n > 0 ? buffer : NULL;
    if (n > 0) {
        operation->size = RECORD_BYTES;
        self->lent = NULL; /* the owner's, until it is given back */
    } else if (self->plain) {
        asyncio__free(self->plain, RECORD_BYTES);
        self->plain = NULL;
    }
    return n;
}

/* Serves a read from what has arrived: its result, or -EAGAIN. */
static int serve(tls_t *self, asyncio__channel_read_t *read)
{
    int n;
    if (read->form == ASYNCIO__READ_LATE)
        n = look(self);
    else if (read->form == ASYNCIO__READ_LENT)
        n = decrypt_lent(self, &read->operation);
    else
        n = decrypt(self, read->operation.buffer, read->operation.size);
    asyncio__tls_bio_settle(self);
    return n > 0 && read->form == ASYNCIO__READ_LATE ? 0 : n;
}

/* Whether something has arrived that was not decrypted. */
static bool has_input(const tls_t *self)
{
    return self->input_bytes > 0 || self->is_lower_ended || self->has_ended ||
           asyncio__openssl.SSL_has_pending(self->ssl);
}

/* Serves a read from what has arrived and what the lower channel has: 1 and its result, 0 pending,
 * or refused with a code. */
int asyncio__tls_begin_read(tls_t *self, asyncio__channel_read_t *read)
{
    int rc = 1;
    if (!has_input(self))
        rc = asyncio__tls_begin_lower_read(self);
    while (rc > 0) {
        int n = serve(self, read);
        if (n != -EAGAIN) {
            read->operation.result = n;
            return 1;
        }
        rc = asyncio__tls_begin_lower_read(self);
    }
    if (rc == 0)
        self->read = read;
    return rc;
}

int asyncio__tls_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    tls_t *self = self_of(channel);
    if (ASYNCIO__UNLIKELY(self->read != NULL))
        return ASYNCIO_ERUNTIME;
    read->channel = channel;
    if (ASYNCIO__LIKELY(self->state == ASYNCIO__TLS_OPEN && !channel->is_eof))
        return asyncio__tls_begin_read(self, read);
    if (self->state == ASYNCIO__TLS_HANDSHAKE) {
        self->read = read;
        return 0;
    }
    read->operation.result = channel->code;
    return 1;
}

void asyncio__tls_cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    tls_t *self = self_of(channel);
    if (self->read != read)
        return;
    self->is_read_cancelled = true;
    if (self->is_lower_pending && self->state == ASYNCIO__TLS_OPEN)
        self->lower->class->cancel_read(self->lower, &self->lower_read);
    else
        asyncio__tls_complete_read(self, -ECANCELED);
}

int asyncio__tls_take(asyncio__channel_t *channel, asyncio__channel_read_t *read, void *buffer,
                    size_t size)
{
    (void)read;
    tls_t *self = self_of(channel);
    if (self->state != ASYNCIO__TLS_OPEN || channel->is_eof)
        return self->state == ASYNCIO__TLS_HANDSHAKE ? -EAGAIN : channel->code;
    if (!has_input(self))
        return -EAGAIN;
    int n = decrypt(self, buffer, size);
    asyncio__tls_bio_settle(self);
    return n;
}

void asyncio__tls_give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    tls_t *self = self_of(channel);
    if (read->operation.buffer && read->operation.buffer == self->plain) {
        asyncio__free(self->plain, RECORD_BYTES);
        self->plain = NULL;
        read->operation.buffer = NULL;
    } else {
        self->lower->class->give_back(self->lower, read);
    }
}

/* Receives what the lower channel has, without waiting: 1, 0 at its end, -EAGAIN. */
static int receive_now(tls_t *self)
{
    int n = self->lower->class->peek(self->lower);
    if (n < 1)
        return n;
    if (asyncio__bytes_reserve(&self->kept, RECORD_BYTES) < 0)
        return -EAGAIN;
    n = self->lower->class->take(self->lower, &self->lower_read, self->kept.data, RECORD_BYTES);
    self->input = self->kept.data;
    self->input_bytes = n > 0 ? (size_t)n : 0;
    return n > 0 ? 1 : n;
}

int asyncio__tls_peek(asyncio__channel_t *channel)
{
    tls_t *self = self_of(channel);
    if (self->state != ASYNCIO__TLS_OPEN || channel->is_eof)
        return self->state == ASYNCIO__TLS_HANDSHAKE ? -EAGAIN : channel->code;
    if (self->is_lower_pending)
        return -EAGAIN;
    int n = has_input(self) ? look(self) : -EAGAIN;
    while (n == -EAGAIN && self->state == ASYNCIO__TLS_OPEN && !self->is_lower_ended) {
        int rc = receive_now(self);
        if (rc < 0)
            break;
        self->is_lower_ended = rc == 0;
        n = look(self);
    }
    asyncio__tls_bio_settle(self);
    return self->state == ASYNCIO__TLS_OPEN ? n : channel->code;
}

/* --- the lower read completes -------------------------------------------------------------- */

/* Something has arrived for the pending read, or its end was asked for. */
static void advance(tls_t *self, int code)
{
    asyncio__channel_read_t *read = self->read;
    if (!read) {
        asyncio__tls_bio_settle(self);
        return;
    }
    self->read = NULL;
    int rc = 1;
    int n = code < 0 ? code : serve(self, read);
    if (n == -EAGAIN && self->is_read_cancelled)
        n = -ECANCELED;
    if (n == -EAGAIN) {
        rc = asyncio__tls_begin_lower_read(self);
        if (rc > 0)
            rc = asyncio__tls_begin_read(self, read);
        n = rc > 0 ? read->operation.result : rc;
    }
    self->read = read;
    if (rc != 0)
        asyncio__tls_complete_read(self, n);
}

static void on_lower_read(asyncio__channel_read_t *lower_read)
{
    tls_t *self = ASYNCIO__CONTAINER(lower_read, tls_t, lower_read);
    self->is_lower_pending = false;
    int code = absorb(self);
    if (self->base.loop->closed || self->state == ASYNCIO__TLS_CLOSED) {
        self->input_bytes = 0;
        asyncio__tls_bio_settle(self);
        if (self->base.loop->closed) {
            asyncio__tls_complete_read(self, -ECANCELED);
            if (self->state != ASYNCIO__TLS_OPEN)
                asyncio__tls_abort(&self->base, 0, NULL);
        }
    } else if (self->state == ASYNCIO__TLS_HANDSHAKE) {
        if (code < 0)
            asyncio__tls_fail_handshake(self, code, NULL);
        else
            asyncio__tls_schedule(self);
    } else if (self->state == ASYNCIO__TLS_OPEN) {
        advance(self, code);
    } else if (code < 0) {
        self->lower->class->close(self->lower);
    } else {
        asyncio__tls_drop_input(self);
    }
    asyncio__channel_unref(&self->base);
}
