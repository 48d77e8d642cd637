/* SPDX-License-Identifier: MIT */
/* What all channels have in common: references, and how they end; see channel.h. */
#include "transport/channel.h"

void asyncio__channel_init(asyncio__channel_t *channel, const asyncio__channel_class_t *class,
                           asyncio_loop_t *loop)
{
    channel->class = class;
    channel->loop = asyncio__loop_hold(loop);
    channel->linger_ns = ASYNCIO__CHANNEL_LINGER_NS;
    channel->refs = 2; /* the owner's, and that of the open channel to itself */
}

void asyncio__channel_free(asyncio__channel_t *channel)
{
    asyncio_loop_t *loop = channel->loop;
    asyncio__error_drop(channel->error);
    channel->class->free(channel);
    asyncio__loop_drop_object(loop);
}

void asyncio__channel_set_code(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    if (channel->code == 0 && code < 0) {
        channel->code = code;
        channel->error = error;
    } else {
        asyncio__error_drop(error);
    }
}

void asyncio__channel_finish(asyncio__channel_t *channel)
{
    if (channel->is_closed)
        return;
    channel->is_closing = channel->is_closed = true;
    if (channel->owner_class && channel->owner_class->closed)
        channel->owner_class->closed(channel);
    asyncio__channel_unref(channel);
}

int asyncio__channel_fail(const asyncio__channel_t *channel, int code, const char *message)
{
    if (channel->error)
        return asyncio__fail_with(channel->code, asyncio_error_ref(channel->error));
    return asyncio__fail(channel->code < 0 ? channel->code : code, message);
}
