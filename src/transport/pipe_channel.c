/* SPDX-License-Identifier: MIT */
/* Channels over pipes; see pipe_channel.h and file_channel.h. */
#include "transport/pipe_channel.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "transport/file_channel.h"

typedef struct pipe_channel {
    asyncio__file_channel_t file;
    asyncio__operation_t watch; /* of a write pipe: completes when its reader has closed */
} pipe_channel_t;

static int pipe_peek(asyncio__channel_t *channel)
{
    asyncio__file_channel_t *self = asyncio__file_channel_of(channel);
    int result;
    if (asyncio__file_channel_is_over(self, &result))
        return result;
    if (self->read)
        return -EAGAIN;
    struct pollfd poll = {.fd = self->file->fd, .events = POLLIN};
    if (asyncio__sys.poll(&poll, 1, 0) <= 0)
        return -EAGAIN;
    if (poll.revents & POLLIN)
        return 1;
    return asyncio__file_channel_received(self, 0);
}

static int pipe_info(asyncio__channel_t *channel, const char *name,
                     asyncio__channel_info_t *ret_info)
{
    if (strcmp(name, "pipe") != 0)
        return -EINVAL;
    *ret_info =
        (asyncio__channel_info_t){asyncio__file_channel_of(channel)->sock, sizeof(void *)};
    return 0;
}

static int refuse_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    (void)channel, (void)read;
    return -EBADF;
}

static int refuse_peek(asyncio__channel_t *channel)
{
    (void)channel;
    return -EBADF;
}

static int refuse_write(asyncio__channel_t *channel, const struct iovec *pieces, size_t count)
{
    (void)channel, (void)pieces, (void)count;
    return -EBADF;
}

static void pipe_free(asyncio__channel_t *channel)
{
    asyncio__file_channel_fini(asyncio__file_channel_of(channel));
    asyncio__free(ASYNCIO__CONTAINER(asyncio__file_channel_of(channel), pipe_channel_t, file),
                  sizeof(pipe_channel_t));
}

/* After shutdown(): what a pipe has to say is said, and the peer is to read the end. */
static void close_after_shutdown(asyncio__file_channel_t *self)
{
    self->base.is_closing = true;
    asyncio__file_channel_finish(self);
}

static const asyncio__file_channel_hooks_t hooks = {.end_flush = asyncio__file_channel_finish,
                                                    .end_writing = close_after_shutdown};

static const asyncio__channel_class_t read_pipe_class = {
    .name = "pipe",
    .read = asyncio__file_channel_read,
    .cancel_read = asyncio__file_channel_cancel_read,
    .take = asyncio__file_channel_take,
    .give_back = asyncio__file_channel_give_back,
    .peek = pipe_peek,
    .write = refuse_write,
    .cork = asyncio__file_channel_cork,
    .unsent = asyncio__file_channel_unsent,
    .shutdown = asyncio__file_channel_shutdown,
    .close = asyncio__file_channel_close,
    .abort = asyncio__file_channel_abort,
    .info = pipe_info,
    .free = pipe_free,
};

static const asyncio__channel_class_t write_pipe_class = {
    .name = "pipe",
    .read = refuse_read,
    .cancel_read = asyncio__file_channel_cancel_read,
    .take = asyncio__file_channel_take,
    .give_back = asyncio__file_channel_give_back,
    .peek = refuse_peek,
    .write = asyncio__file_channel_write,
    .cork = asyncio__file_channel_cork,
    .unsent = asyncio__file_channel_unsent,
    .shutdown = asyncio__file_channel_shutdown,
    .close = asyncio__file_channel_close,
    .abort = asyncio__file_channel_abort,
    .info = pipe_info,
    .free = pipe_free,
};

static int make_channel(asyncio_socket_t *sock, const asyncio__channel_class_t *class,
                        pipe_channel_t **ret_self)
{
    assert(sock->file);
    if (sock->file_copy)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the pipe already belongs to a channel");
    pipe_channel_t *self = asyncio__calloc(sizeof(*self));
    if (!self)
        return asyncio__fail(-ENOMEM, NULL);
    asyncio__file_channel_init(&self->file, class, &hooks, sock);
    *ret_self = self;
    return 0;
}

int asyncio__read_pipe_channel_new(asyncio_socket_t *sock, asyncio__channel_t **ret_channel)
{
    pipe_channel_t *self;
    int rc = make_channel(sock, &read_pipe_class, &self);
    if (rc == 0)
        *ret_channel = &self->file.base;
    return rc;
}

/* Nothing can be read from the write end of a pipe: it is ready when the reader has closed. */
static void on_reader_closed(asyncio__operation_t *operation)
{
    pipe_channel_t *self = ASYNCIO__CONTAINER(operation, pipe_channel_t, watch);
    asyncio__channel_t *channel = &self->file.base;
    bool has_unsent = asyncio__file_channel_unsent(channel) > 0;
    if (!channel->loop->closed)
        asyncio__file_channel_lose(&self->file, has_unsent ? -EPIPE : 0);
    asyncio__channel_unref(channel);
}

int asyncio__write_pipe_channel_new(asyncio_socket_t *sock, asyncio__channel_t **ret_channel)
{
    pipe_channel_t *self;
    int rc = make_channel(sock, &write_pipe_class, &self);
    if (rc < 0)
        return rc;
    asyncio__engine_t *engine = sock->loop->engine;
    self->watch = (asyncio__operation_t){
        .kind = ASYNCIO__POLL_IN, .file = sock->file, .complete = on_reader_closed};
    rc = engine->class->submit(engine, &self->watch);
    if (rc == 0) {
        self->file.base.refs++;
    } else if (rc < 0) {
        asyncio__file_channel_abort(&self->file.base, rc, NULL);
        asyncio__channel_unref(&self->file.base);
        return asyncio__fail(rc, NULL);
    } /* else the reader has closed already, and the first write fails with -EPIPE */
    *ret_channel = &self->file.base;
    return 0;
}
