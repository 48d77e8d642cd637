/* SPDX-License-Identifier: MIT */
/* A channel whose bytes come from a script; see script_channel.h. */
#include "script_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_ripe(const script_t *script)
{
    return script->is_ripe || script->delays[script->next] == 0;
}

/* Ends a read with the next fragment, the end or the loss. */
static void give(script_t *script, asyncio__channel_read_t *read)
{
    asyncio__operation_t *operation = &read->operation;
    if (script->next < script->count) {
        size_t size = script->ends[script->next] - script->given;
        if (size > operation->size)
            size = operation->size;
        memcpy(operation->buffer, script->data + script->given, size);
        operation->result = (int)size;
        script->given += size;
        if (script->given == script->ends[script->next]) {
            script->next++;
            script->is_ripe = false;
        }
    } else if (script->is_lost) {
        operation->result = -ECONNRESET;
        asyncio__channel_set_code(&script->channel, -ECONNRESET, NULL);
        asyncio__channel_finish(&script->channel);
    } else {
        operation->result = 0;
        script->channel.is_eof = true;
    }
}

static void complete(script_t *script)
{
    asyncio__channel_read_t *read = script->pending;
    script->pending = NULL;
    read->complete(read);
}

static void on_delay_over(void *arg)
{
    script_t *script = arg;
    script->has_timer = false;
    script->is_ripe = true;
    if (script->pending) {
        give(script, script->pending);
        complete(script);
    }
}

static int begin_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    script_t *script = (script_t *)channel;
    read->channel = channel;
    if (script->pending || read->operation.size == 0)
        abort();
    if (channel->code < 0 || channel->is_closing) {
        read->operation.result = channel->code;
        return 1;
    }
    if (is_ripe(script)) {
        give(script, read);
        return 1;
    }
    script->pending = read;
    if (!script->has_timer) {
        script->has_timer = true;
        if (asyncio_loop_call_later(channel->loop, script->delays[script->next], on_delay_over,
                                    script, NULL) < 0)
            abort();
    }
    return 0;
}

static void on_cancelled(void *arg)
{
    script_t *script = arg;
    if (!script->pending)
        return;
    script->pending->operation.result = -ECANCELED;
    complete(script);
}

static void cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    script_t *script = (script_t *)channel;
    if (script->pending != read)
        return; /* it has completed, and its task has not run yet */
    switch (script->cancel) {
    case CANCEL_AT_ONCE:
        on_cancelled(script);
        break;
    case CANCEL_SOON:
        if (asyncio_loop_call_soon(channel->loop, on_cancelled, script, NULL) < 0)
            abort();
        break;
    default:
        give(script, read);
        complete(script);
    }
}

static int peek(asyncio__channel_t *channel)
{
    script_t *script = (script_t *)channel;
    if (channel->code < 0)
        return channel->code;
    if (!is_ripe(script))
        return -EAGAIN;
    if (script->next < script->count)
        return 1;
    return script->is_lost ? -ECONNRESET : 0;
}

static int drop_written(asyncio__channel_t *channel, const struct iovec *pieces, size_t count)
{
    (void)channel, (void)pieces, (void)count;
    return 0;
}

static size_t none_unsent(const asyncio__channel_t *channel)
{
    (void)channel;
    return 0;
}

static void close_now(asyncio__channel_t *channel)
{
    if (!channel->is_closed)
        asyncio__channel_finish(channel);
}

static void abort_now(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    asyncio__channel_set_code(channel, code, error);
    close_now(channel);
}

static void free_script(asyncio__channel_t *channel)
{
    ((script_t *)channel)->is_freed = true;
}

static const asyncio__channel_class_t script_class = {
    .name = "script",
    .read = begin_read,
    .cancel_read = cancel_read,
    .peek = peek,
    .write = drop_written,
    .unsent = none_unsent,
    .close = close_now,
    .abort = abort_now,
    .free = free_script,
};

void script_open(script_t *script, asyncio_loop_t *loop)
{
    asyncio__channel_init(&script->channel, &script_class, loop);
}
