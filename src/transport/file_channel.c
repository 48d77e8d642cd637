/* SPDX-License-Identifier: MIT */
/* Channels over a file of the engine; see file_channel.h. */
#include "transport/file_channel.h"

#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"

/* From this size on a system call of its own costs less than a copy, also where the calls of a
 * turn are made together: 0.06 of the time of an echo of 16 KiB through TLS. */
#define SEND_NOW_BYTES 8192

static void on_timer(asyncio__ready_t *ready);

void asyncio__file_channel_init(asyncio__file_channel_t *self,
                                const asyncio__channel_class_t *class,
                                const asyncio__file_channel_hooks_t *hooks, asyncio_socket_t *sock)
{
    asyncio__channel_init(&self->base, class, sock->loop);
    asyncio__timer_init(&self->timer, on_timer);
    self->hooks = hooks;
    self->sock = asyncio_socket_ref(sock);
    self->file = sock->file;
    sock->file_copy = &self->file;
}

void asyncio__file_channel_fini(asyncio__file_channel_t *self)
{
    asyncio__bytes_fini(&self->sending);
    asyncio__bytes_fini(&self->waiting);
    asyncio_socket_unref(self->sock);
}

/* --- the end ------------------------------------------------------------------------------- */

void asyncio__file_channel_finish(asyncio__file_channel_t *self)
{
    if (self->base.is_closed)
        return;
    asyncio__bytes_fini(&self->waiting);
    if (!self->is_sending)
        asyncio__bytes_fini(&self->sending);
    asyncio__timer_cancel(self->base.loop, &self->timer);
    /* A pending read or send completes in the next wait(). */
    asyncio__ignore(asyncio_socket_close(self->sock));
    asyncio__channel_finish(&self->base);
}

void asyncio__file_channel_lose(asyncio__file_channel_t *self, int code)
{
    if (!self->base.is_closed) {
        asyncio__channel_set_code(&self->base, code, NULL);
        asyncio__file_channel_finish(self);
    }
}

void asyncio__file_channel_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    if (channel->is_closed) {
        asyncio__error_drop(error);
        return;
    }
    asyncio__channel_set_code(channel, code, error);
    asyncio__file_channel_finish(asyncio__file_channel_of(channel));
}

/* --- reading ------------------------------------------------------------------------------- */

/* Whether a failed receive leaves the connection as it was. */
static bool is_passing(int code)
{
    return code == -ECANCELED || code == -EAGAIN || code == -ENOMEM || code == -ENOBUFS;
}

int asyncio__file_channel_received(asyncio__file_channel_t *self, int result)
{
    asyncio__channel_t *channel = &self->base;
    if (ASYNCIO__LIKELY(result > 0))
        return result;
    if (is_passing(result)) /* a read that close() has cancelled finds the end of the stream */
        return result == -ECANCELED && self->is_ending_read ? channel->code : result;
    if (!self->file) /* the program has closed the socket itself */
        asyncio__file_channel_finish(self);
    if (channel->is_closed) /* by this side: the end of the stream; by a failure: that */
        return channel->code;
    if (result == 0) {
        channel->is_eof = true;
        return 0;
    }
    asyncio__file_channel_lose(self, result);
    return channel->code;
}

/* The engine's operation is done: sets the result of the read. */
static void settle(asyncio__file_channel_t *self, asyncio__channel_read_t *read)
{
    asyncio__operation_t *operation = &read->operation;
    if (ASYNCIO__LIKELY(operation->result > 0))
        return;
    /* A late read only waits: what there is, take() finds out. */
    if (read->form != ASYNCIO__READ_LATE || operation->result < 0 || self->base.is_closed)
        operation->result = asyncio__file_channel_received(self, operation->result);
}

static void on_received(asyncio__operation_t *operation)
{
    asyncio__channel_read_t *read =
        ASYNCIO__CONTAINER(operation, asyncio__channel_read_t, operation);
    asyncio__file_channel_t *self = asyncio__file_channel_of(read->channel);
    self->read = NULL;
    settle(self, read);
    read->complete(read);
    if (ASYNCIO__UNLIKELY(self->is_ending_read)) {
        self->is_ending_read = false;
        if (!self->base.is_closed)
            self->hooks->end_flush(self);
    }
    asyncio__channel_unref(&self->base);
}

bool asyncio__file_channel_is_over(asyncio__file_channel_t *self, int *ret_result)
{
    asyncio__channel_t *channel = &self->base;
    if (ASYNCIO__UNLIKELY(!self->file))
        asyncio__file_channel_finish(self); /* the program has closed the socket itself */
    if (ASYNCIO__LIKELY(!channel->is_eof && !channel->is_closing))
        return false;
    *ret_result = channel->code;
    return true;
}

int asyncio__file_channel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    asyncio__operation_t *operation = &read->operation;
    if (ASYNCIO__UNLIKELY(self->read != NULL))
        return ASYNCIO_ERUNTIME;
    read->channel = channel;
    if (asyncio__file_channel_is_over(self, &operation->result))
        return 1;
    operation->kind = read->form == ASYNCIO__READ_LATE ? ASYNCIO__POLL_IN : ASYNCIO__RECV;
    operation->flags = 0;
    operation->file = self->file;
    operation->complete = on_received;
    if (read->form != ASYNCIO__READ_INTO)
        operation->buffer = NULL;
    asyncio__engine_t *engine = channel->loop->engine;
    int rc = engine->class->submit(engine, operation);
    if (rc > 0) {
        settle(self, read);
    } else if (rc == 0) {
        self->read = read;
        channel->refs++;
    }
    return rc;
}

void asyncio__file_channel_end_read(asyncio__file_channel_t *self)
{
    asyncio__engine_t *engine = self->base.loop->engine;
    self->is_ending_read = true;
    engine->class->cancel(engine, &self->read->operation);
}

void asyncio__file_channel_cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    asyncio__engine_t *engine = channel->loop->engine;
    if (asyncio__file_channel_of(channel)->read == read)
        engine->class->cancel(engine, &read->operation);
}

int asyncio__file_channel_take(asyncio__channel_t *channel, asyncio__channel_read_t *read,
                               void *buffer, size_t size)
{
    (void)read;
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    asyncio__engine_t *engine = channel->loop->engine;
    int result;
    if (asyncio__file_channel_is_over(self, &result))
        return result;
    result = engine->class->receive(engine, self->file, buffer, size);
    return asyncio__file_channel_received(self, result);
}

void asyncio__file_channel_give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    asyncio__engine_t *engine = channel->loop->engine;
    if (engine && read->operation.buffer)
        engine->class->return_buffer(engine, read->operation.buffer);
    read->operation.buffer = NULL;
}

/* --- writing ------------------------------------------------------------------------------- */

size_t asyncio__file_channel_unsent(const asyncio__channel_t *channel)
{
    const asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    if (ASYNCIO__UNLIKELY(channel->is_closed))
        return 0; /* what a pending send still holds is dropped */
    return asyncio__bytes_count(&self->sending) + asyncio__bytes_count(&self->waiting);
}

static void on_sent(asyncio__file_channel_t *self, int result)
{
    if (self->base.is_closed) {
        asyncio__bytes_fini(&self->sending);
        return;
    }
    if (result < 0 && !self->file) {
        asyncio__file_channel_finish(self); /* the program has closed the socket itself */
        return;
    }
    if (result < 0) {
        bool was_reset = result == -EPIPE && self->is_cut && !self->is_shut_down && self->file &&
                         self->file->kind == ASYNCIO__FILE_TCP;
        asyncio__file_channel_lose(self, was_reset ? -ECONNRESET : result);
        return;
    }
    self->sending.start += (size_t)result;
    if (asyncio__bytes_count(&self->sending) == 0) {
        asyncio__bytes_trim(&self->sending);
        if (asyncio__bytes_count(&self->waiting) > 0) {
            asyncio__bytes_t empty = self->sending;
            self->sending = self->waiting;
            self->waiting = empty;
        }
    }
    if (self->base.is_closing)
        self->progress_ns = asyncio__loop_now(self->base.loop);
    asyncio__channel_note_sent(&self->base);
}

static void flush(asyncio__file_channel_t *self);
static void set_timer(asyncio__file_channel_t *self);

static void on_send_complete(asyncio__operation_t *operation)
{
    asyncio__file_channel_t *self = ASYNCIO__CONTAINER(operation, asyncio__file_channel_t, send);
    int result = operation->result;
    bool was_stopped = self->is_stopping;
    self->is_sending = self->is_stopping = false;
    if (self->base.loop->closed)
        asyncio__file_channel_finish(self);
    /* io_uring sends all of it, unless an error cuts that short: the kernel has told of the reset
     * then, and says no more than EPIPE the next time. */
    self->is_cut = result >= 0 && (size_t)result < operation->size;
    on_sent(self, was_stopped && result == -ECANCELED ? -ETIMEDOUT : result);
    flush(self);
    if (was_stopped && self->is_sending)
        set_timer(self);
    asyncio__channel_unref(&self->base);
}

/* Sends what there is, as far as that goes without waiting, then does what waited for that. */
static void flush(asyncio__file_channel_t *self)
{
    asyncio__engine_t *engine = self->base.loop->engine;
    if (self->is_sending || self->is_corked || self->base.is_closed)
        return;
    while (asyncio__bytes_count(&self->sending) > 0) {
        if (ASYNCIO__UNLIKELY(!self->file)) {
            asyncio__file_channel_finish(self); /* the program has closed the socket itself */
            return;
        }
        asyncio__operation_t *send = &self->send; /* zeroed with the record */
        send->complete = on_send_complete;
        send->file = self->file;
        send->kind = ASYNCIO__SEND;
        send->buffer = self->sending.data + self->sending.start;
        send->size = asyncio__bytes_count(&self->sending);
        int rc = engine->class->submit(engine, send);
        if (rc == 0) {
            self->is_sending = true;
            self->base.refs++;
            return;
        }
        on_sent(self, rc < 0 ? rc : send->result);
        if (self->base.is_closed)
            return;
    }
    if (self->base.is_closing) {
        self->hooks->end_flush(self);
    } else if (self->is_shutdown_wanted && !self->is_shut_down) {
        self->is_shut_down = true;
        self->hooks->end_writing(self);
    }
}

int asyncio__file_channel_write(asyncio__channel_t *channel, const struct iovec *pieces,
                                size_t count)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    size_t size = 0;
    if (channel->is_closing || self->is_shutdown_wanted)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, pieces[i].iov_len, &size))
            return -ENOMEM;
    asyncio__bytes_t *bytes = self->is_sending ? &self->waiting : &self->sending;
    if (asyncio__bytes_reserve(bytes, size) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len)
            memcpy(bytes->data + bytes->end, pieces[i].iov_base, pieces[i].iov_len);
        bytes->end += pieces[i].iov_len;
    }
    flush(self);
    return 0;
}

size_t asyncio__file_channel_send_now(asyncio__channel_t *channel, const void *data, size_t size)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    bool is_cheap = size >= SEND_NOW_BYTES || !channel->loop->engine->is_batching;
    if (!is_cheap || channel->is_closing || self->is_shutdown_wanted || self->is_corked ||
        !self->file || asyncio__file_channel_unsent(channel) > 0)
        return 0;
    ssize_t sent;
    do
        sent = asyncio__sys.send(self->file->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
        asyncio__file_channel_lose(self, -errno);
    return sent < 0 ? 0 : (size_t)sent;
}

void asyncio__file_channel_cork(asyncio__channel_t *channel, bool is_corked)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    self->is_corked = is_corked && !channel->is_closing;
    if (!is_corked)
        flush(self);
}

int asyncio__file_channel_shutdown(asyncio__channel_t *channel)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    if (channel->is_closing)
        return 0;
    self->is_shutdown_wanted = true;
    flush(self);
    return 0;
}

/* --- closing ------------------------------------------------------------------------------- */

static void set_timer(asyncio__file_channel_t *self)
{
    int64_t due_ns = asyncio__moment_after(self->progress_ns, self->base.linger_ns);
    /* Without memory for the timer there is no limit: to drop what the peer may still take would
     * be worse. */
    asyncio__ignore(asyncio__timer_start(self->base.loop, &self->timer, due_ns));
}

static void on_timer(asyncio__ready_t *ready)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(ready, asyncio__timer_t, ready);
    asyncio__file_channel_t *self = ASYNCIO__CONTAINER(timer, asyncio__file_channel_t, timer);
    asyncio_loop_t *loop = self->base.loop;
    asyncio__timer_begin(loop, timer);
    if (loop->closed)
        return; /* the send that is pending completes, and ends the channel */
    if (asyncio__loop_now(loop) - self->progress_ns < self->base.linger_ns) {
        set_timer(self);
    } else if (self->is_sending) {
        /* io_uring tells of no progress before all is sent: the result says whether there was. */
        self->is_stopping = true;
        loop->engine->class->cancel(loop->engine, &self->send);
    }
}

void asyncio__file_channel_close(asyncio__channel_t *channel)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    if (channel->loop->closed)
        asyncio__file_channel_finish(self);
    if (channel->is_closing)
        return;
    channel->is_closing = true;
    self->is_corked = false;
    self->progress_ns = asyncio__loop_now(channel->loop);
    flush(self);
    if (asyncio__file_channel_unsent(channel) > 0)
        set_timer(self);
}
