/* SPDX-License-Identifier: MIT */
/* The sending side of a channel of TLS; see tls_channel.h. */
#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "tls/tls_channel.h"

/* AES-GCM is safe for 2^24.5 records of a key; OpenSSL 3.0 does not count them. */
#define RECORDS_MAX (1u << 22)

/* What one record holds: OpenSSL cuts what is larger. */
#define RECORD_BYTES ASYNCIO__TLS_RECORD_BYTES

typedef asyncio__tls_channel_t tls_t;

static tls_t *self_of(const asyncio__channel_t *channel)
{
    return asyncio__tls_channel_of(channel);
}

/* --- writing ------------------------------------------------------------------------------- */

size_t asyncio__tls_unsent(const asyncio__channel_t *channel)
{
    const tls_t *self = self_of(channel);
    return self->lower->class->unsent(self->lower) + asyncio__bytes_count(&self->backlog);
}

/* Has OpenSSL change the key where that is due. */
static void count_records(tls_t *self, size_t size)
{
    self->records += (uint32_t)(size / RECORD_BYTES) + 1;
    if (ASYNCIO__LIKELY(self->records < RECORDS_MAX))
        return;
    self->records = 0;
    if (asyncio__openssl.SSL_version(self->ssl) >= ASYNCIO__TLS1_3_VERSION)
        asyncio__openssl.SSL_key_update(self->ssl, ASYNCIO__SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* Encrypts and writes: 0, or the code that has ended the channel. */
int asyncio__tls_encrypt(tls_t *self, const char *data, size_t size)
{
    asyncio_error_t *error = NULL;
    int rc = 0;
    asyncio_coroutine_t *former = asyncio__tls_enter();
    self->is_gathering = size > RECORD_BYTES;
    count_records(self, size);
    while (size > 0 && rc == 0) {
        int n = asyncio__openssl.SSL_write(self->ssl, data, size < INT_MAX ? (int)size : INT_MAX);
        if (n <= 0) {
            rc = asyncio__tls_result(self, n, &error);
            rc = rc < 0 && rc != -EAGAIN ? rc : ASYNCIO_ESSL; /* it never has to wait */
        } else {
            data += n;
            size -= (size_t)n;
        }
    }
    self->is_gathering = false;
    asyncio__tls_leave(former);
    int flushed = asyncio__tls_bio_flush(self);
    if (rc == 0)
        rc = flushed;
    if (rc < 0)
        asyncio__tls_fail(self, rc, error);
    return rc;
}

/* Small pieces share records. */
static int encrypt_pieces(tls_t *self, const struct iovec *pieces, size_t count)
{
    asyncio__bytes_t joined = {0};
    int rc = asyncio__bytes_reserve(&joined, RECORD_BYTES);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *data = pieces[i].iov_base;
        size_t left = pieces[i].iov_len;
        while (left > 0 && rc == 0) {
            size_t room = RECORD_BYTES - joined.end, part = left < room ? left : room;
            memcpy(joined.data + joined.end, data, part);
            joined.end += part;
            data += part;
            left -= part;
            if (joined.end == RECORD_BYTES) {
                rc = asyncio__tls_encrypt(self, joined.data, joined.end);
                joined.end = 0;
            }
        }
    }
    if (rc == 0 && joined.end > 0)
        rc = asyncio__tls_encrypt(self, joined.data, joined.end);
    asyncio__bytes_fini(&joined);
    return rc;
}

static int keep_backlog(tls_t *self, const struct iovec *pieces, size_t count, size_t size)
{
    asyncio__bytes_t *bytes = &self->backlog;
    if (asyncio__bytes_reserve(bytes, size) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len)
            memcpy(bytes->data + bytes->end, pieces[i].iov_base, pieces[i].iov_len);
        bytes->end += pieces[i].iov_len;
    }
    return 0;
}

int asyncio__tls_write(asyncio__channel_t *channel, const struct iovec *pieces, size_t count)
{
    tls_t *self = self_of(channel);
    size_t size = 0;
    if (channel->is_closing)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, pieces[i].iov_len, &size))
            return -ENOMEM;
    if (size == 0)
        return 0;
    if (self->state == ASYNCIO__TLS_HANDSHAKE)
        return keep_backlog(self, pieces, count, size);
    return count == 1 ? asyncio__tls_encrypt(self, pieces[0].iov_base, size)
                      : encrypt_pieces(self, pieces, count);
}
