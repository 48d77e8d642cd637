/* SPDX-License-Identifier: MIT */
/* The BIO through which OpenSSL sees the lower channel; see tls_channel.h. */
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "tls/tls_channel.h"

/* Gathered output is sent when it has become this large. */
#define GATHERED_MAX_BYTES 65536

/* Replies that OpenSSL makes to key updates of the peer, while that reads none of them. */
#define REPLIES_MAX_BYTES 65536

static asyncio__bio_method_t *method; /* never freed: a BIO may outlive every loop */
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

/* --- input --------------------------------------------------------------------------------- */

/* Input lies either in the lent buffer or in kept, never in both. */
static bool is_input_lent(const asyncio__tls_channel_t *self)
{
    return self->lent && self->input_bytes > 0 &&
           (uintptr_t)self->input - (uintptr_t)self->lent <= ASYNCIO__LENT_BYTES;
}

int asyncio__tls_bio_keep(asyncio__tls_channel_t *self)
{
    if (!is_input_lent(self))
        return 0;
    if (asyncio__bytes_reserve(&self->kept, self->input_bytes) < 0)
        return -ENOMEM;
    memcpy(self->kept.data, self->input, self->input_bytes);
    self->input = self->kept.data;
    return 0;
}

void asyncio__tls_bio_settle(asyncio__tls_channel_t *self)
{
    if (self->input_bytes == 0) {
        asyncio__bytes_fini(&self->kept);
    } else if (asyncio__tls_bio_keep(self) < 0) {
        return; /* without memory for a copy the buffer is kept instead */
    }
    if (self->lent) {
        self->lower_read.operation.buffer = self->lent;
        self->lower->class->give_back(self->lower, &self->lower_read);
        self->lent = NULL;
    }
}

static int bio_read(asyncio__bio_t *bio, char *data, int size)
{
    asyncio__tls_channel_t *self = asyncio__openssl.BIO_get_data(bio);
    asyncio__openssl.BIO_clear_flags(bio, ASYNCIO__BIO_FLAGS_RWS | ASYNCIO__BIO_FLAGS_SHOULD_RETRY);
    if (self->input_bytes == 0) {
        asyncio__openssl.BIO_set_flags(bio,
                                       ASYNCIO__BIO_FLAGS_READ | ASYNCIO__BIO_FLAGS_SHOULD_RETRY);
        return -1;
    }
    size_t count = (size_t)size < self->input_bytes ? (size_t)size : self->input_bytes;
    memcpy(data, self->input, count);
    self->input += count;
    self->input_bytes -= count;
    if (self->reuses_lent && asyncio__tls_bio_keep(self) < 0) {
        self->is_out_of_memory = true;
        return -1;
    }
    return (int)count;
}

/* --- output -------------------------------------------------------------------------------- */

static int put(asyncio__tls_channel_t *self, const char *data, size_t size)
{
    asyncio__channel_t *lower = self->lower;
    size_t sent = lower->class->send_now ? lower->class->send_now(lower, data, size) : 0;
    if (sent == size)
        return 0;
    struct iovec piece = {(void *)(data + sent), size - sent};
    int rc = lower->class->write(lower, &piece, 1);
    if (lower->class->unsent(lower) > 0)
        lower->wants_drained = true;
    return rc;
}

int asyncio__tls_bio_flush(asyncio__tls_channel_t *self)
{
    asyncio__bytes_t *bytes = &self->gathered;
    size_t count = asyncio__bytes_count(bytes);
    int rc = count > 0 ? put(self, bytes->data + bytes->start, count) : 0;
    asyncio__bytes_fini(bytes);
    return rc;
}

static int gather(asyncio__tls_channel_t *self, const char *data, size_t size)
{
    asyncio__bytes_t *bytes = &self->gathered;
    if (asyncio__bytes_reserve(bytes, size) < 0)
        return -ENOMEM;
    memcpy(bytes->data + bytes->end, data, size);
    bytes->end += size;
    if (asyncio__bytes_count(bytes) < GATHERED_MAX_BYTES)
        return 0;
    int rc = put(self, bytes->data, bytes->end);
    bytes->start = bytes->end = 0;
    return rc;
}

/* Whether OpenSSL may write that by itself: a peer that asks for key updates and does not read the
 * replies would make them pile up. */
static bool may_reply(asyncio__tls_channel_t *self, size_t size)
{
    if (self->lower->class->unsent(self->lower) == 0)
        self->reply_bytes = 0;
    self->reply_bytes += size;
    return self->reply_bytes <= REPLIES_MAX_BYTES;
}

static int bio_write(asyncio__bio_t *bio, const char *data, int size)
{
    asyncio__tls_channel_t *self = asyncio__openssl.BIO_get_data(bio);
    asyncio__openssl.BIO_clear_flags(bio, ASYNCIO__BIO_FLAGS_RWS | ASYNCIO__BIO_FLAGS_SHOULD_RETRY);
    if (self->is_decrypting && !may_reply(self, (size_t)size)) {
        self->is_flooded = true;
        return -1;
    }
    int rc = self->is_gathering ? gather(self, data, (size_t)size) : put(self, data, (size_t)size);
    if (rc < 0) {
        self->is_out_of_memory = true;
        return -1;
    }
    return size;
}

/* --- the rest ------------------------------------------------------------------------------ */

static long bio_control(asyncio__bio_t *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == ASYNCIO__BIO_CTRL_FLUSH;
}

static int bio_create(asyncio__bio_t *bio)
{
    asyncio__openssl.BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    asyncio__openssl_t *o = &asyncio__openssl;
    asyncio__bio_method_t *made =
        o->BIO_meth_new(o->BIO_get_new_index() | ASYNCIO__BIO_TYPE_SOURCE_SINK, "asyncio channel");
    if (made && o->BIO_meth_set_create(made, bio_create) &&
        o->BIO_meth_set_ctrl(made, bio_control) && o->BIO_meth_set_read(made, bio_read) &&
        o->BIO_meth_set_write(made, bio_write))
        method = made;
}

int asyncio__tls_bio_attach(asyncio__tls_channel_t *self)
{
    pthread_once(&method_once, make_method);
    asyncio__bio_t *bio = method ? asyncio__openssl.BIO_new(method) : NULL;
    if (!bio)
        return -ENOMEM;
    asyncio__openssl.BIO_set_data(bio, self);
    asyncio__openssl.SSL_set_bio(self->ssl, bio, bio);
    return 0;
}

/* To empty a queue costs five times as much as to look at it. */
static void clear_errors(void)
{
    if (ASYNCIO__UNLIKELY(asyncio__openssl.ERR_peek_error() != 0))
        asyncio__openssl.ERR_clear_error();
}

asyncio_coroutine_t *asyncio__tls_enter(void)
{
    asyncio_coroutine_t *former = asyncio__thread.coroutine;
    asyncio__thread.coroutine = NULL;
    clear_errors();
    return former;
}

void asyncio__tls_leave(asyncio_coroutine_t *former)
{
    clear_errors();
    asyncio__thread.coroutine = former;
}
