/* SPDX-License-Identifier: MIT */
/*
 * The channel of a stream socket: reads and writes become operations of the engine.
 *
 *     OPEN --close()--> FLUSHING --all is sent--> (DISCARDING) --> closed
 *      |                    |                          |
 *      '---- abort(), a failed read or write ----------'---------> closed
 *
 * Writing has two buffers: the engine sends from one, and what is written meanwhile is collected in
 * the other. A pending operation holds a reference to the channel. See channel.h and
 * socket_channel.h.
 */
#include "transport/socket_channel.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/timer.h"

/* Bounds of what close() reads and drops so that the kernel does not reset the connection. */
#define DISCARD_MAX_BYTES 1048576
#define DISCARD_MAX_NS    2000000000
#define DISCARD_AT_ONCE   16384

typedef struct names {
    uint8_t peer_size; /* of the block, first; 0: not known */
    uint8_t own_size;  /* behind it; 0: not known */
    char *block;       /* both names, or NULL */
} names_t;

typedef struct socket_channel {
    asyncio__channel_t base;
    asyncio__file_t *file;         /* a copy of sock->file; NULL once the socket is closed */
    asyncio__channel_read_t *read; /* the pending read, or NULL */
    asyncio__bytes_t sending;      /* the engine reads from it while is_sending */
    asyncio__bytes_t waiting;      /* written meanwhile */
    asyncio__operation_t send;     /* pending while is_sending; in DISCARDING it receives */
    bool is_sending;               /* a reference */
    bool is_corked;                /* writes are only collected */
    bool is_shutdown_wanted;       /* shutdown() was called */
    bool is_shut_down;             /* and is done */
    bool is_discarding;            /* close() drops input until the peer ends, or the bounds */
    size_t discarded_bytes;        /* so far */
    int64_t progress_ns;           /* when the peer took bytes last, while FLUSHING */
    asyncio__timer_t timer;        /* set while FLUSHING or DISCARDING */
    asyncio_socket_t *sock;        /* a reference */
    names_t names;                 /* of both ends */
} socket_channel_t;

static socket_channel_t *self_of(const asyncio__channel_t *channel)
{
    return ASYNCIO__CONTAINER((asyncio__channel_t *)channel, socket_channel_t, base);
}

/* --- the end ------------------------------------------------------------------------------- */

static void finish(socket_channel_t *self)
{
    if (self->base.is_closed)
        return;
    asyncio__bytes_fini(&self->waiting);
    if (!self->is_sending)
        asyncio__bytes_fini(&self->sending);
    asyncio__timer_cancel(self->base.loop, &self->timer);
    /* A pending read or send completes with -EBADF in the next wait(). */
    asyncio__ignore(asyncio_socket_close(self->sock));
    asyncio__channel_finish(&self->base);
}

/* The connection was lost. */
static void lose(socket_channel_t *self, int code)
{
    if (!self->base.is_closed) {
        asyncio__channel_set_code(&self->base, code, NULL);
        finish(self);
    }
}

static void socket_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    if (channel->is_closed) {
        asyncio__error_drop(error);
        return;
    }
    asyncio__channel_set_code(channel, code, error);
    finish(self_of(channel));
}

/* --- reading ------------------------------------------------------------------------------- */

/* Whether a failed receive leaves the connection as it was. */
static bool is_passing(int code)
{
    return code == -ECANCELED || code == -EAGAIN || code == -ENOMEM || code == -ENOBUFS;
}

/* What a receive came to, for the owner: a count, 0 at the end, or a code. */
static int received(socket_channel_t *self, int result)
{
    asyncio__channel_t *channel = &self->base;
    if (ASYNCIO__LIKELY(result > 0) || is_passing(result))
        return result;
    if (channel->is_closed) /* here: the end of the stream; by a failure: that */
        return channel->code;
    if (result == 0) {
        channel->is_eof = true;
        return 0;
    }
    lose(self, result);
    return channel->code;
}

static void on_received(asyncio__operation_t *operation)
{
    asyncio__channel_read_t *read =
        ASYNCIO__CONTAINER(operation, asyncio__channel_read_t, operation);
    socket_channel_t *self = self_of(read->channel);
    asyncio__channel_t *channel = &self->base;
    self->read = NULL;
    if (read->form == ASYNCIO__READ_LATE && operation->result >= 0 && !channel->is_closed)
        operation->result = 0;
    else
        operation->result = received(self, operation->result);
    read->complete(read);
    asyncio__channel_unref(channel);
}

/* What is known without asking the engine: true, and the result. */
static bool is_over(socket_channel_t *self, int *ret_result)
{
    asyncio__channel_t *channel = &self->base;
    if (ASYNCIO__UNLIKELY(!self->file && !channel->is_closed))
        finish(self); /* the program has closed the socket itself */
    if (ASYNCIO__LIKELY(!channel->is_eof && !channel->is_closing))
        return false;
    *ret_result = channel->code;
    return true;
}

static int socket_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    socket_channel_t *self = self_of(channel);
    asyncio__operation_t *operation = &read->operation;
    if (ASYNCIO__UNLIKELY(self->read != NULL))
        return ASYNCIO_ERUNTIME;
    read->channel = channel;
    if (is_over(self, &operation->result))
        return 1;
    operation->kind = read->form == ASYNCIO__READ_LATE ? ASYNCIO__POLL_IN : ASYNCIO__RECV;
    operation->flags = 0;
    operation->file = self->file;
    operation->complete = on_received;
    if (operation->size > INT32_MAX)
        operation->size = INT32_MAX;
    asyncio__engine_t *engine = channel->loop->engine;
    int rc = engine->class->submit(engine, operation);
    if (rc > 0) {
        if (read->form != ASYNCIO__READ_LATE || operation->result < 0)
            operation->result = received(self, operation->result);
    } else if (rc == 0) {
        self->read = read;
        channel->refs++;
    }
    return rc;
}

static void socket_cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    asyncio__engine_t *engine = channel->loop->engine;
    if (self_of(channel)->read == read)
        engine->class->cancel(engine, &read->operation);
}

static int socket_take(asyncio__channel_t *channel, asyncio__channel_read_t *read, void *buffer,
                       size_t size)
{
    (void)read;
    socket_channel_t *self = self_of(channel);
    int result;
    if (is_over(self, &result))
        return result;
    ssize_t count = asyncio__sys.recv(self->file->fd, buffer, size, MSG_DONTWAIT);
    return received(self, count < 0 ? -errno : (int)count);
}

static void socket_give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    (void)channel, (void)read;
}

/* Looks at the first byte of the input: 1, 0 at the end, or -errno. */
static int peek_at(int fd)
{
    char byte;
    ssize_t count;
    do
        count = asyncio__sys.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)count;
}

static int socket_peek(asyncio__channel_t *channel)
{
    socket_channel_t *self = self_of(channel);
    int result;
    if (is_over(self, &result))
        return result;
    return self->read ? -EAGAIN : received(self, peek_at(self->file->fd));
}

/* --- closing ------------------------------------------------------------------------------- */

static void set_timer(socket_channel_t *self, int64_t when_ns)
{
    /* Without memory for the timer a DISCARDING channel ends now, and a FLUSHING one has no limit:
     * to drop what the peer may still take would be worse. */
    if (asyncio__timer_start(self->base.loop, &self->timer, when_ns) < 0 && self->is_discarding)
        finish(self);
}

static void on_timer(asyncio__ready_t *ready)
{
    socket_channel_t *self =
        ASYNCIO__CONTAINER(ASYNCIO__CONTAINER(ready, asyncio__timer_t, ready), socket_channel_t,
                           timer);
    asyncio_loop_t *loop = self->base.loop;
    asyncio__timer_begin(loop, &self->timer);
    if (loop->closed)
        return; /* the operation that is pending completes, and ends the channel */
    int64_t due_ns = asyncio__moment_after(self->progress_ns, self->base.linger_ns);
    if (self->is_discarding)
        finish(self);
    else if (asyncio__loop_now(loop) < due_ns)
        set_timer(self, due_ns);
    else
        lose(self, -ETIMEDOUT);
}

static void discard(socket_channel_t *self, int count);

static void on_discarded(asyncio__operation_t *operation)
{
    socket_channel_t *self = ASYNCIO__CONTAINER(operation, socket_channel_t, send);
    self->is_sending = false;
    if (self->base.is_closed)
        asyncio__bytes_fini(&self->sending);
    else if (operation->result <= 0 || self->base.loop->closed)
        finish(self);
    else
        discard(self, operation->result);
    asyncio__channel_unref(&self->base);
}

/* After count more bytes were dropped: receives and drops what the peer sends, until the peer ends
 * or the bounds are reached. */
static void discard(socket_channel_t *self, int count)
{
    asyncio__engine_t *engine = self->base.loop->engine;
    int rc = 1;
    while (rc > 0 && count > 0) {
        self->discarded_bytes += (size_t)count;
        if (self->discarded_bytes >= DISCARD_MAX_BYTES)
            break;
        self->send = (asyncio__operation_t){.complete = on_discarded,
                                            .file = self->file,
                                            .kind = ASYNCIO__RECV,
                                            .buffer = self->sending.data,
                                            .size = self->sending.capacity};
        rc = engine->class->submit(engine, &self->send);
        count = rc > 0 ? self->send.result : 0;
    }
    if (rc == 0) {
        self->is_sending = true;
        self->base.refs++;
    } else {
        finish(self);
    }
}

/* All is sent. To close a socket with unread input resets the connection, and the peer loses what
 * it has not received yet; so such a socket first ends writing, and its input is dropped. */
static void end_flush(socket_channel_t *self)
{
    if (self->base.is_eof || self->read || self->base.loop->closed || !self->file ||
        peek_at(self->file->fd) != 1 ||
        asyncio__bytes_reserve(&self->sending, DISCARD_AT_ONCE) < 0 ||
        asyncio_socket_shutdown(self->sock, SHUT_WR) < 0) {
        finish(self);
        return;
    }
    self->is_discarding = true;
    asyncio__timer_cancel(self->base.loop, &self->timer);
    int64_t now_ns = asyncio__loop_now(self->base.loop);
    set_timer(self, asyncio__moment_after(now_ns, DISCARD_MAX_NS));
    if (!self->base.is_closed)
        discard(self, 1);
}

/* --- writing ------------------------------------------------------------------------------- */

static size_t socket_unsent(const asyncio__channel_t *channel)
{
    const socket_channel_t *self = self_of(channel);
    return self->is_discarding ? 0
                               : asyncio__bytes_count(&self->sending) +
                                     asyncio__bytes_count(&self->waiting);
}

static void on_sent(socket_channel_t *self, int result)
{
    if (self->base.is_closed) {
        asyncio__bytes_fini(&self->sending);
        return;
    }
    if (result < 0) {
        lose(self, result);
        return;
    }
    self->sending.start += (size_t)result;
    if (asyncio__bytes_count(&self->sending) == 0) {
        asyncio__bytes_trim(&self->sending);
        asyncio__bytes_t empty = self->sending;
        self->sending = self->waiting;
        self->waiting = empty;
    }
    if (self->base.is_closing)
        self->progress_ns = asyncio__loop_now(self->base.loop);
    asyncio__channel_note_sent(&self->base);
}

static void flush(socket_channel_t *self);

static void on_send_complete(asyncio__operation_t *operation)
{
    socket_channel_t *self = ASYNCIO__CONTAINER(operation, socket_channel_t, send);
    self->is_sending = false;
    if (self->base.loop->closed)
        finish(self);
    on_sent(self, operation->result);
    flush(self);
    asyncio__channel_unref(&self->base);
}

/* Sends what there is, as far as that goes without waiting, then does what waited for that. */
static void flush(socket_channel_t *self)
{
    asyncio__engine_t *engine = self->base.loop->engine;
    while (!self->is_sending && !self->base.is_closed && !self->is_corked &&
           asyncio__bytes_count(&self->sending) > 0) {
        if (ASYNCIO__UNLIKELY(!self->file)) {
            lose(self, -EBADF);
            return;
        }
        self->send = (asyncio__operation_t){.complete = on_send_complete,
                                            .file = self->file,
                                            .kind = ASYNCIO__SEND,
                                            .buffer = self->sending.data + self->sending.start,
                                            .size = asyncio__bytes_count(&self->sending)};
        int rc = engine->class->submit(engine, &self->send);
        if (rc == 0) {
            self->is_sending = true;
            self->base.refs++;
        } else {
            on_sent(self, rc < 0 ? rc : self->send.result);
        }
    }
    if (self->is_sending || self->base.is_closed || self->is_corked)
        return;
    if (self->base.is_closing) {
        end_flush(self);
    } else if (self->is_shutdown_wanted && !self->is_shut_down) {
        self->is_shut_down = true;
        asyncio__ignore(asyncio_socket_shutdown(self->sock, SHUT_WR));
    }
}

static int socket_write(asyncio__channel_t *channel, const struct iovec *pieces, size_t count)
{
    socket_channel_t *self = self_of(channel);
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

static void socket_cork(asyncio__channel_t *channel, bool is_corked)
{
    self_of(channel)->is_corked = is_corked;
    if (!is_corked)
        flush(self_of(channel));
}

static int socket_shutdown(asyncio__channel_t *channel)
{
    if (channel->is_closing)
        return 0;
    self_of(channel)->is_shutdown_wanted = true;
    flush(self_of(channel));
    return 0;
}

static void socket_close(asyncio__channel_t *channel)
{
    socket_channel_t *self = self_of(channel);
    if (channel->loop->closed)
        finish(self);
    if (channel->is_closing)
        return;
    channel->is_closing = true;
    self->is_corked = false;
    self->progress_ns = asyncio__loop_now(channel->loop);
    flush(self);
    if (!channel->is_closed && !self->is_discarding)
        set_timer(self, asyncio__moment_after(self->progress_ns, channel->linger_ns));
}

/* --- names --------------------------------------------------------------------------------- */

typedef int (*ask_t)(int fd, struct sockaddr *ret_address, socklen_t *size);

/* The name as given, or as the kernel has it; a size of 0 where it has none. */
static const void *find_name(const struct sockaddr *given, socklen_t given_size, ask_t ask, int fd,
                             struct sockaddr_storage *room, socklen_t *ret_size)
{
    *ret_size = given_size;
    if (given)
        return given;
    *ret_size = sizeof(*room);
    if (ask(fd, (struct sockaddr *)room, ret_size) < 0)
        *ret_size = 0;
    return room;
}

static int keep_names(socket_channel_t *self, const asyncio__socket_names_t *given)
{
    struct sockaddr_storage peer_room, own_room;
    socklen_t peer_size, own_size;
    const void *peer = find_name(given->peer, given->peer_size, asyncio__sys.getpeername,
                                 self->sock->fd, &peer_room, &peer_size);
    const void *own = find_name(given->own, given->own_size, asyncio__sys.getsockname,
                                self->sock->fd, &own_room, &own_size);
    assert(peer_size <= sizeof(peer_room) && own_size <= sizeof(own_room));
    self->names.block = asyncio__malloc(peer_size + own_size);
    if (!self->names.block)
        return -ENOMEM;
    memcpy(self->names.block, peer, peer_size);
    memcpy(self->names.block + peer_size, own, own_size);
    self->names.peer_size = (uint8_t)peer_size;
    self->names.own_size = (uint8_t)own_size;
    return 0;
}

static int socket_info(asyncio__channel_t *channel, const char *name,
                       asyncio__channel_info_t *ret_info)
{
    socket_channel_t *self = self_of(channel);
    names_t *names = &self->names;
    if (strcmp(name, "peername") == 0)
        *ret_info = (asyncio__channel_info_t){names->block, names->peer_size};
    else if (strcmp(name, "sockname") == 0)
        *ret_info =
            (asyncio__channel_info_t){names->block + names->peer_size, names->own_size};
    else if (strcmp(name, "socket") == 0)
        *ret_info = (asyncio__channel_info_t){self->sock, sizeof(void *)};
    else
        return -EINVAL;
    return 0;
}

/* --- made and freed ------------------------------------------------------------------------ */

static void socket_free(asyncio__channel_t *channel)
{
    socket_channel_t *self = self_of(channel);
    asyncio__bytes_fini(&self->sending);
    asyncio__bytes_fini(&self->waiting);
    asyncio__free(self->names.block, (size_t)self->names.peer_size + self->names.own_size);
    asyncio_socket_unref(self->sock);
    asyncio__free(self, sizeof(*self));
}

static const asyncio__channel_class_t socket_class = {
    .name = "socket",
    .read = socket_read,
    .cancel_read = socket_cancel_read,
    .take = socket_take,
    .give_back = socket_give_back,
    .peek = socket_peek,
    .write = socket_write,
    .cork = socket_cork,
    .unsent = socket_unsent,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .abort = socket_abort,
    .info = socket_info,
    .free = socket_free,
};

/* Small messages leave at once. */
static void set_no_delay(const asyncio_socket_t *sock)
{
    int family = 0, on = 1;
    socklen_t size = sizeof(family);
    if (asyncio__sys.getsockopt(sock->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
        (family == AF_INET || family == AF_INET6))
        asyncio__ignore(
            asyncio__sys.setsockopt(sock->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

int asyncio__socket_channel_new(asyncio_socket_t *sock, const asyncio__socket_names_t *names,
                                asyncio__channel_t **ret_channel)
{
    static const asyncio__socket_names_t none;
    assert(sock->file);
    if (sock->file_copy)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the socket already belongs to streams");
    socket_channel_t *self = asyncio__calloc(sizeof(*self));
    if (!self)
        return asyncio__fail(-ENOMEM, NULL);
    self->sock = asyncio_socket_ref(sock);
    if (keep_names(self, names ? names : &none) < 0) {
        socket_free(&self->base);
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__channel_init(&self->base, &socket_class, sock->loop);
    asyncio__timer_init(&self->timer, on_timer);
    self->file = sock->file;
    sock->file_copy = &self->file;
    if (!names)
        set_no_delay(sock);
    *ret_channel = &self->base;
    return 0;
}

int asyncio__socket_channel_accept(asyncio_loop_t *loop, int fd, asyncio__file_kind_t kind,
                                   const asyncio__socket_names_t *names,
                                   asyncio__channel_t **ret_channel)
{
    asyncio_socket_t *sock = asyncio__socket_new(fd);
    if (!sock) {
        asyncio__sys.close(fd);
        return asyncio__fail(-ENOMEM, NULL);
    }
    int rc = asyncio__socket_bind_loop_as(sock, loop, kind);
    if (rc == 0)
        rc = asyncio__socket_channel_new(sock, names, ret_channel);
    asyncio_socket_unref(sock);
    return rc;
}
