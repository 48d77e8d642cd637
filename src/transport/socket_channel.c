/* SPDX-License-Identifier: MIT */
/*
 * The channel of a stream socket: its names, and a close that does not reset the connection.
 * Reading and writing are those of file_channel.h.
 *
 *     end_flush --unread input--> DISCARDING --the peer has ended, or the bounds--> closed
 *               --none-----------------------------------------------------------> closed
 */
#include "transport/socket_channel.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "transport/file_channel.h"

/* Bounds of what close() reads and drops. */
#define DISCARD_MAX_BYTES 1048576
#define DISCARD_MAX_NS    2000000000

typedef struct names {
    uint8_t peer_size; /* of the block, first; 0: not known */
    uint8_t own_size;  /* behind it; 0: not known */
    char *block;       /* both names, or NULL */
} names_t;

typedef struct socket_channel {
    asyncio__file_channel_t file;
    size_t discarded_bytes;   /* while DISCARDING, so far */
    asyncio__timer_t discard; /* ends DISCARDING; its receive is file.send, which is free then */
    names_t names;            /* of both ends */
} socket_channel_t;

static socket_channel_t *self_of(asyncio__channel_t *channel)
{
    return ASYNCIO__CONTAINER(asyncio__file_channel_of(channel), socket_channel_t, file);
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
    asyncio__file_channel_t *file = asyncio__file_channel_of(channel);
    int result;
    if (asyncio__file_channel_is_over(file, &result))
        return result;
    return file->read ? -EAGAIN : asyncio__file_channel_received(file, peek_at(file->file->fd));
}

/* --- closing ------------------------------------------------------------------------------- */

static void finish_discarding(socket_channel_t *self)
{
    asyncio__timer_cancel(self->file.base.loop, &self->discard);
    asyncio__file_channel_finish(&self->file);
}

static void on_discard_timer(asyncio__ready_t *ready)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(ready, asyncio__timer_t, ready);
    socket_channel_t *self = ASYNCIO__CONTAINER(timer, socket_channel_t, discard);
    asyncio__timer_begin(self->file.base.loop, timer);
    if (!self->file.base.loop->closed) /* else the pending receive completes, and ends it */
        finish_discarding(self);
}

static void discard(socket_channel_t *self, int count);

static void on_discarded(asyncio__operation_t *operation)
{
    asyncio__file_channel_t *file = ASYNCIO__CONTAINER(operation, asyncio__file_channel_t, send);
    file->is_sending = false;
    if (operation->result > 0)
        file->base.loop->engine->class->return_buffer(file->base.loop->engine, operation->buffer);
    if (operation->result <= 0 || file->base.loop->closed)
        finish_discarding(self_of(&file->base));
    else
        discard(self_of(&file->base), operation->result);
    asyncio__channel_unref(&file->base);
}

/* After count bytes more: receives and drops what the peer sends, until it ends or the bounds are
 * reached. */
static void discard(socket_channel_t *self, int count)
{
    asyncio__file_channel_t *file = &self->file;
    asyncio__engine_t *engine = file->base.loop->engine;
    int rc;
    do {
        self->discarded_bytes += (size_t)count;
        if (self->discarded_bytes >= DISCARD_MAX_BYTES) {
            rc = 1;
            break;
        }
        file->send = (asyncio__operation_t){
            .complete = on_discarded, .file = file->file, .kind = ASYNCIO__RECV};
        rc = engine->class->submit(engine, &file->send);
        count = rc > 0 ? file->send.result : 0;
        if (count > 0)
            engine->class->return_buffer(engine, file->send.buffer);
    } while (count > 0);
    if (rc == 0) {
        file->is_sending = true;
        file->base.refs++;
    } else {
        finish_discarding(self);
    }
}

/* To close a socket with unread input resets the connection, and the peer loses what it has not
 * received yet. Such a socket first ends writing, and its input is dropped. */
static void socket_end_flush(asyncio__file_channel_t *file)
{
    asyncio_loop_t *loop = file->base.loop;
    socket_channel_t *self = self_of(&file->base);
    if (file->base.is_eof || loop->closed || !file->file || peek_at(file->file->fd) != 1) {
        asyncio__file_channel_finish(file);
        return;
    }
    if (file->read) {
        asyncio__file_channel_end_read(file);
        return;
    }
    int64_t due_ns = asyncio__moment_after(asyncio__loop_now(loop), DISCARD_MAX_NS);
    if (asyncio_socket_shutdown(file->sock, SHUT_WR) < 0 ||
        asyncio__timer_start(loop, &self->discard, due_ns) < 0) {
        asyncio__file_channel_finish(file);
        return;
    }
    asyncio__timer_cancel(loop, &file->timer);
    discard(self, /* count= */ 0);
}

/* A peer that would never read the end is worse than a connection that is lost. -ENOTCONN: the
 * connection was reset, and what was received before can still be read. */
static void socket_end_writing(asyncio__file_channel_t *file)
{
    int rc = asyncio_socket_shutdown(file->sock, SHUT_WR);
    if (rc < 0 && rc != -ENOTCONN)
        asyncio__file_channel_lose(file, rc);
}

static const asyncio__file_channel_hooks_t hooks = {.end_flush = socket_end_flush,
                                                    .end_writing = socket_end_writing};

/* abort() may come while DISCARDING. */
static void socket_abort(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    asyncio__timer_cancel(channel->loop, &self_of(channel)->discard);
    asyncio__file_channel_abort(channel, code, error);
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

static int keep_names(names_t *names, int fd, const asyncio__socket_names_t *given)
{
    struct sockaddr_storage peer_room, own_room;
    socklen_t peer_size, own_size;
    const void *peer = find_name(given->peer, given->peer_size, asyncio__sys.getpeername, fd,
                                 &peer_room, &peer_size);
    const void *own = find_name(given->own, given->own_size, asyncio__sys.getsockname, fd,
                                &own_room, &own_size);
    assert(peer_size <= sizeof(peer_room) && own_size <= sizeof(own_room));
    names->block = asyncio__malloc(peer_size + own_size);
    if (!names->block)
        return -ENOMEM;
    memcpy(names->block, peer, peer_size);
    memcpy(names->block + peer_size, own, own_size);
    names->peer_size = (uint8_t)peer_size;
    names->own_size = (uint8_t)own_size;
    return 0;
}

static void drop_names(names_t *names)
{
    size_t size = (size_t)names->peer_size + names->own_size;
    asyncio__free(names->block, size ? size : 1);
}

static int socket_info(asyncio__channel_t *channel, const char *name,
                       asyncio__channel_info_t *ret_info)
{
    const names_t *names = &self_of(channel)->names;
    if (strcmp(name, "peername") == 0)
        *ret_info = (asyncio__channel_info_t){names->block, names->peer_size};
    else if (strcmp(name, "sockname") == 0)
        *ret_info =
            (asyncio__channel_info_t){names->block + names->peer_size, names->own_size};
    else if (strcmp(name, "socket") == 0)
        *ret_info = (asyncio__channel_info_t){self_of(channel)->file.sock, sizeof(void *)};
    else
        return -EINVAL;
    return 0;
}

/* --- made and freed ------------------------------------------------------------------------ */

static void socket_free(asyncio__channel_t *channel)
{
    socket_channel_t *self = self_of(channel);
    drop_names(&self->names);
    asyncio__file_channel_fini(&self->file);
    asyncio__free(self, sizeof(*self));
}

static const asyncio__channel_class_t socket_class = {
    .name = "socket",
    .sendfile_mode = ASYNCIO__SENDFILE_NATIVE,
    .read = asyncio__file_channel_read,
    .cancel_read = asyncio__file_channel_cancel_read,
    .take = asyncio__file_channel_take,
    .give_back = asyncio__file_channel_give_back,
    .peek = socket_peek,
    .write = asyncio__file_channel_write,
    .send_now = asyncio__file_channel_send_now,
    .cork = asyncio__file_channel_cork,
    .unsent = asyncio__file_channel_unsent,
    .shutdown = asyncio__file_channel_shutdown,
    .close = asyncio__file_channel_close,
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
    if (!self || keep_names(&self->names, sock->fd, names ? names : &none) < 0) {
        asyncio__free(self, sizeof(*self));
        return asyncio__fail(-ENOMEM, NULL);
    }
    asyncio__file_channel_init(&self->file, &socket_class, &hooks, sock);
    asyncio__timer_init(&self->discard, on_discard_timer);
    if (!names)
        set_no_delay(sock);
    *ret_channel = &self->file.base;
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
