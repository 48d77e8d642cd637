/* SPDX-License-Identifier: MIT */
/* The life of a channel of TLS: the handshake, closing, and what becomes of input then; see
 * tls_channel.h. */
#include "tls/tls_channel.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* What close() reads and drops before it gives up the peer's close_notify. */
#define DROPPED_MAX_BYTES 1048576

/* How long a channel that has failed keeps sending its alert. */
#define ALERT_LINGER_NS ((int64_t)2 * 1000000000)

typedef asyncio__tls_channel_t tls_t;

static tls_t *self_of(const asyncio__channel_t *channel)
{
    return asyncio__tls_channel_of(channel);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Completes the pending read, if there is one. */
void asyncio__tls_complete_read(tls_t *self, int result)
{
    asyncio__channel_read_t *read = self->read;
    if (!read)
        return;
    self->read = NULL;
    self->is_read_cancelled = false;
    read->operation.result = result;
    read->complete(read);
}

/* The lower channel is closed, or left to itself: tells the owner. */
static void finish(tls_t *self)
{
    if (self->base.is_closed)
        return;
    self->state = ASYNCIO__TLS_CLOSED;
    asyncio__timer_cancel(self->base.loop, &self->timer);
    asyncio__bytes_fini(&self->backlog);
    asyncio__tls_complete_read(self, self->base.code);
    asyncio__channel_finish(&self->base);
}

static void on_lower_closed(asyncio__channel_t *lower)
{
    tls_t *self = lower->owner;
    int code = lower->code;
    asyncio_error_t *error = asyncio_error_ref(lower->error);
    lower->owner_class = NULL;
    if (self->state == ASYNCIO__TLS_HANDSHAKE && code == 0) {
        code = -ECONNRESET;
        error = asyncio__error_new_static(
            code, "the peer closed the connection during the TLS handshake", NULL);
    } else if (self->state == ASYNCIO__TLS_SHUTDOWN && (code == -ECONNRESET || code == -EPIPE) &&
               lower->class->unsent(lower) == 0) {
        asyncio__error_drop(error); /* the peer has everything, and did not wait for the end */
        error = NULL;
        code = 0;
    }
    asyncio__channel_set_code(&self->base, code, error);
    finish(self);
}

static void on_lower_drained(asyncio__channel_t *lower)
{
    tls_t *self = lower->owner;
    if (lower->class->unsent(lower) > 0)
        lower->wants_drained = true;
    asyncio__channel_note_sent(&self->base);
}

static const asyncio__channel_owner_class_t lower_owner_class = {.drained = on_lower_drained,
                                                                 .closed = on_lower_closed};

void asyncio__tls_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    tls_t *self = self_of(channel);
    if (channel->is_closed) {
        asyncio__error_drop(error);
        return;
    }
    self->state = ASYNCIO__TLS_CLOSED;
    asyncio__channel_set_code(channel, code, error);
    self->lower->class->abort(self->lower, code, asyncio_error_ref(channel->error));
}

/* A permanent failure: the owner is told at once; the alert that OpenSSL has written is sent by the
 * lower channel, which is left to itself. */
void asyncio__tls_fail(tls_t *self, int code, asyncio_error_t *error)
{
    asyncio__channel_t *lower = self->lower;
    if (self->base.is_closed) {
        asyncio__error_drop(error);
        return;
    }
    asyncio__channel_set_code(&self->base, code, error);
    lower->owner_class = NULL;
    lower->linger_ns = ALERT_LINGER_NS;
    lower->class->close(lower);
    finish(self);
}

/* --- closing ------------------------------------------------------------------------------- */

/* Reads and drops what the peer sends, until its close_notify, its end, or the bound. */
void asyncio__tls_drop_input(tls_t *self)
{
    char dropped[2048];
    bool is_over = self->has_ended;
    while (!is_over && self->state == ASYNCIO__TLS_SHUTDOWN) {
        asyncio_error_t *error = NULL;
        asyncio_coroutine_t *former = asyncio__tls_enter();
        self->is_decrypting = true;
        int n = asyncio__openssl.SSL_read(self->ssl, dropped, sizeof(dropped));
        self->is_decrypting = false;
        int rc = n > 0 ? n : asyncio__tls_result(self, n, &error);
        asyncio__tls_leave(former);
        asyncio__error_drop(error);
        self->dropped_bytes += n > 0 ? (size_t)n : 0;
        is_over = rc > 0 ? self->dropped_bytes > DROPPED_MAX_BYTES
                         : rc != -EAGAIN || self->is_lower_ended;
        if (is_over || rc > 0)
            continue;
        asyncio__tls_bio_settle(self);
        rc = asyncio__tls_begin_lower_read(self);
        if (rc == 0)
            return;
        is_over = rc < 0;
    }
    self->input_bytes = 0;
    asyncio__tls_bio_settle(self);
    if (self->state == ASYNCIO__TLS_SHUTDOWN)
        self->lower->class->close(self->lower);
}

static void tls_cork(asyncio__channel_t *channel, bool is_corked)
{
    tls_t *self = self_of(channel);
    self->lower->class->cork(self->lower, is_corked);
}

static int tls_shutdown(asyncio__channel_t *channel)
{
    (void)channel;
    return -EOPNOTSUPP;
}

static void say_goodbye(tls_t *self)
{
    asyncio_coroutine_t *former = asyncio__tls_enter();
    self->is_gathering = true;
    /* While an update of the key is due, which a program may have asked OpenSSL for, it refuses. */
    if (asyncio__openssl.SSL_shutdown(self->ssl) < 0 &&
        asyncio__openssl.SSL_do_handshake(self->ssl) == 1)
        asyncio__openssl.SSL_shutdown(self->ssl);
    self->is_gathering = false;
    asyncio__tls_leave(former);
    asyncio__ignore(asyncio__tls_bio_flush(self));
}

static void tls_close(asyncio__channel_t *channel)
{
    tls_t *self = self_of(channel);
    asyncio_loop_t *loop = channel->loop;
    if (loop->closed || self->state == ASYNCIO__TLS_HANDSHAKE)
        asyncio__tls_abort(channel, 0, NULL);
    if (channel->is_closing)
        return;
    channel->is_closing = true;
    self->state = ASYNCIO__TLS_SHUTDOWN;
    self->lower->linger_ns = channel->linger_ns;
    channel->refs++; /* the lower channel may be closed by what follows */
    tls_cork(channel, false);
    asyncio__tls_complete_read(self, 0);
    say_goodbye(self);
    int64_t due_ns = asyncio__moment_after(asyncio__loop_now(loop), self->shutdown_timeout_ns);
    if (self->state == ASYNCIO__TLS_SHUTDOWN) {
        if (self->has_ended || self->is_lower_ended ||
            asyncio__timer_start(loop, &self->timer, due_ns) < 0)
            self->lower->class->close(self->lower);
        else if (!self->is_lower_pending)
            asyncio__tls_drop_input(self);
    }
    asyncio__channel_unref(channel);
}

static void on_timer(asyncio__ready_t *ready)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(ready, asyncio__timer_t, ready);
    tls_t *self = ASYNCIO__CONTAINER(timer, tls_t, timer);
    char text[96];
    asyncio__timer_begin(self->base.loop, timer);
    if (self->base.loop->closed) {
        asyncio__tls_abort(&self->base, 0, NULL);
    } else if (self->state == ASYNCIO__TLS_HANDSHAKE) {
        snprintf(text, sizeof(text),
                 "SSL handshake is taking longer than %g seconds: aborting the connection",
                 asyncio__seconds(self->handshake_timeout_ns));
        asyncio__tls_abort(&self->base, -ECONNABORTED,
                           asyncio_error_new(-ECONNABORTED, text, NULL));
    } else if (self->state == ASYNCIO__TLS_SHUTDOWN) {
        asyncio__tls_abort(&self->base, -ETIMEDOUT,
                  asyncio__error_new_static(-ETIMEDOUT, "SSL shutdown timed out", NULL));
    }
}

/* --- the handshake ------------------------------------------------------------------------- */

static void open_channel(tls_t *self)
{
    asyncio__bytes_t backlog = self->backlog;
    self->backlog = (asyncio__bytes_t){0};
    self->state = ASYNCIO__TLS_OPEN;
    asyncio__timer_cancel(self->base.loop, &self->timer);
    if (asyncio__bytes_count(&backlog) > 0)
        asyncio__tls_encrypt(self, backlog.data, backlog.end);
    asyncio__bytes_fini(&backlog);
    if (self->state == ASYNCIO__TLS_OPEN && self->base.owner_class &&
        self->base.owner_class->opened)
        self->base.owner_class->opened(&self->base);
    asyncio__tls_bio_settle(self); /* a read that begins below is lent another buffer */
    asyncio__channel_read_t *read = self->read;
    if (self->state == ASYNCIO__TLS_OPEN && read) {
        self->read = NULL;
        int rc = asyncio__tls_begin_read(self, read);
        self->read = rc != 0 ? read : self->read;
        if (rc != 0)
            asyncio__tls_complete_read(self, rc < 0 ? rc : read->operation.result);
    }
}

void asyncio__tls_fail_handshake(tls_t *self, int code, asyncio_error_t *error)
{
    if (code == 0 || (code == -EAGAIN && self->is_lower_ended)) {
        code = -ECONNRESET;
        error = asyncio__error_new_static(
            code, "the peer closed the connection during the TLS handshake", NULL);
    }
    self->input_bytes = 0;
    asyncio__tls_bio_settle(self);
    asyncio__tls_fail(self, code, error);
}

/* Runs the handshake as far as input allows. */
static void shake_hands(tls_t *self)
{
    while (self->state == ASYNCIO__TLS_HANDSHAKE) {
        asyncio_error_t *error = NULL;
        asyncio_coroutine_t *former = asyncio__tls_enter();
        self->is_gathering = true;
        int n = asyncio__openssl.SSL_do_handshake(self->ssl);
        self->is_gathering = false;
        int rc = n == 1 ? 1 : asyncio__tls_result(self, n, &error);
        asyncio__tls_leave(former);
        int flushed = asyncio__tls_bio_flush(self);
        if (flushed < 0 && (rc == 1 || rc == -EAGAIN))
            rc = flushed;
        if (self->state != ASYNCIO__TLS_HANDSHAKE) { /* the lower channel was lost by the flush */
            asyncio__error_drop(error);
            return;
        }
        if (rc == 1) {
            open_channel(self);
            return;
        }
        if (rc == -EAGAIN && !self->is_lower_ended) {
            asyncio__tls_bio_settle(self);
            rc = asyncio__tls_begin_lower_read(self);
            if (rc >= 0) {
                if (rc == 0)
                    return;
                continue;
            }
        }
        asyncio__tls_fail_handshake(self, rc, error);
    }
}

void asyncio__tls_schedule(tls_t *self)
{
    if (self->is_scheduled)
        return;
    self->is_scheduled = true;
    self->base.refs++;
    asyncio__loop_schedule(self->base.loop, &self->ready);
}

static void run(asyncio__ready_t *ready)
{
    tls_t *self = ASYNCIO__CONTAINER(ready, tls_t, ready);
    self->is_scheduled = false;
    if (self->base.loop->closed)
        asyncio__tls_abort(&self->base, 0, NULL);
    else if (self->state == ASYNCIO__TLS_HANDSHAKE)
        shake_hands(self);
    self->input_bytes = self->state == ASYNCIO__TLS_CLOSED ? 0 : self->input_bytes;
    if (self->state == ASYNCIO__TLS_CLOSED)
        asyncio__tls_bio_settle(self);
    asyncio__channel_unref(&self->base);
}

/* --- what is known of it ------------------------------------------------------------------- */

static int tls_info(asyncio__channel_t *channel, const char *name,
                    asyncio__channel_info_t *ret_info)
{
    tls_t *self = self_of(channel);
    if (strcmp(name, "ssl_object") == 0) {
        *ret_info = (asyncio__channel_info_t){self, sizeof(*self)};
        return 0;
    }
    int rc = self->describe ? self->describe(self, name, ret_info) : -EINVAL;
    if (rc != -EINVAL)
        return rc;
    return self->lower->class->info(self->lower, name, ret_info);
}

/* --- made and freed ------------------------------------------------------------------------ */

static void free_record(tls_t *self)
{
    asyncio__error_drop(self->end_error);
    asyncio__bytes_fini(&self->kept);
    asyncio__bytes_fini(&self->gathered);
    asyncio__bytes_fini(&self->backlog);
    asyncio__free(self->plain, self->plain ? ASYNCIO__TLS_RECORD_BYTES : 0);
    asyncio__free_string(self->server_hostname);
    asyncio__free_string(self->info_text);
    asyncio__ssl_unref(self->context);
    asyncio__free(self, sizeof(*self));
}

static void tls_free(asyncio__channel_t *channel)
{
    tls_t *self = self_of(channel);
    asyncio__loop_release(channel->loop, 1);
    asyncio_coroutine_t *former = asyncio__tls_enter();
    asyncio__openssl.SSL_free(self->ssl);
    asyncio__tls_leave(former);
    asyncio__channel_unref(self->lower);
    free_record(self);
}

static const asyncio__channel_class_t tls_class = {
    .name = "tls",
    .sendfile_mode = ASYNCIO__SENDFILE_FALLBACK,
    .read = asyncio__tls_read,
    .cancel_read = asyncio__tls_cancel_read,
    .take = asyncio__tls_take,
    .give_back = asyncio__tls_give_back,
    .peek = asyncio__tls_peek,
    .write = asyncio__tls_write,
    .cork = tls_cork,
    .unsent = asyncio__tls_unsent,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .abort = asyncio__tls_abort,
    .info = tls_info,
    .free = tls_free,
};

asyncio__tls_channel_t *asyncio__tls_channel_from(const asyncio__channel_t *channel)
{
    return channel->class == &tls_class ? self_of(channel) : NULL;
}

static bool is_address(const char *host)
{
    char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* The name without the dot at its end that stands for the root. */
static char *copy_name(const char *name)
{
    char *copy = asyncio__strdup(name);
    size_t size = strlen(name);
    if (!copy || size < 2 || name[size - 1] != '.')
        return copy;
    asyncio__free(copy, size + 1);
    copy = asyncio__malloc(size);
    if (!copy)
        return NULL;
    memcpy(copy, name, size - 1);
    copy[size - 1] = '\0';
    return copy;
}

/* Tells OpenSSL which name to send and to verify: 0 or -ENOMEM. */
static int set_name(tls_t *self, const asyncio__tls_options_t *options)
{
    const char *name = options->common->server_hostname;
    if (self->is_server || !name || !*name)
        return 0;
    self->server_hostname = copy_name(name);
    if (!self->server_hostname)
        return -ENOMEM;
    if (options->checks_hostname &&
        asyncio__openssl.SSL_set1_host(options->ssl, self->server_hostname) != 1)
        return -ENOMEM;
    return is_address(self->server_hostname) ||
                   asyncio__openssl.SSL_ctrl(options->ssl, ASYNCIO__SSL_CTRL_SET_TLSEXT_HOSTNAME, 0,
                                             self->server_hostname) == 1
               ? 0
               : -ENOMEM;
}

static int prepare(tls_t *self, const asyncio__tls_options_t *options)
{
    const asyncio__ssl_options_t *common = options->common;
    asyncio__ssl_t *ssl = options->ssl;
    if (set_name(self, options) < 0)
        return -ENOMEM;
    if (common->received_bytes > 0) {
        if (asyncio__bytes_reserve(&self->kept, common->received_bytes) < 0)
            return -ENOMEM;
        memcpy(self->kept.data, common->received, common->received_bytes);
        self->input = self->kept.data;
        self->input_bytes = common->received_bytes;
    }
    self->ssl = ssl;
    if (asyncio__tls_bio_attach(self) < 0)
        return -ENOMEM;
    asyncio__openssl.SSL_ctrl(ssl, ASYNCIO__SSL_CTRL_CLEAR_MODE, ASYNCIO__SSL_MODE_ASYNC, NULL);
    asyncio__openssl.SSL_ctrl(ssl, ASYNCIO__SSL_CTRL_MODE,
                              ASYNCIO__SSL_MODE_RELEASE_BUFFERS |
                                  ASYNCIO__SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                              NULL);
    asyncio__openssl.SSL_set_read_ahead(ssl, 1);
    if (self->is_server)
        asyncio__openssl.SSL_set_accept_state(ssl);
    else
        asyncio__openssl.SSL_set_connect_state(ssl);
    return 0;
}

int asyncio__tls_channel_new(asyncio__channel_t *lower, const asyncio__tls_options_t *options,
                             asyncio__channel_t **ret_channel)
{
    const asyncio__ssl_options_t *common = options->common;
    asyncio_loop_t *loop = lower->loop;
    tls_t *self = asyncio__calloc(sizeof(*self));
    if (!self)
        return asyncio__fail(-ENOMEM, NULL);
    self->is_server = common->is_server;
    self->port = common->port;
    self->describe = options->describe;
    self->suppresses_ragged_eofs = options->suppresses_ragged_eofs;
    self->handshake_timeout_ns = common->handshake_timeout_ns;
    self->shutdown_timeout_ns = common->shutdown_timeout_ns;
    self->verify_depth = -1;
    self->ready.run = run;
    asyncio__timer_init(&self->timer, on_timer);
    int64_t due_ns = asyncio__moment_after(asyncio__loop_now(loop), common->handshake_timeout_ns);
    int rc = prepare(self, options);
    if (rc == 0)
        rc = asyncio__loop_reserve(loop, 1);
    if (rc == 0 && (rc = asyncio__timer_start(loop, &self->timer, due_ns)) < 0)
        asyncio__loop_release(loop, 1);
    if (rc < 0) {
        free_record(self);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__channel_init(&self->base, &tls_class, loop);
    self->base.linger_ns = lower->linger_ns;
    self->context = asyncio__ssl_ref(common->context);
    self->lower = lower;
    lower->owner_class = &lower_owner_class;
    lower->owner = self;
    lower->low_bytes = SIZE_MAX;
    asyncio__tls_schedule(self);
    *ret_channel = &self->base;
    return 0;
}
