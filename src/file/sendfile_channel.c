/* SPDX-License-Identifier: MIT */
/* Sending a file by a channel, as its owner for that time; see sendfile.h. */
#include "file/sendfile.h"
#include "net/channel_info.h"
#include "net/operation.h"
#include "task/waiter_list.h"

/* In the frame of the call; the channel's owner until restore(). */
typedef struct sender {
    asyncio__channel_t *channel;                       /* a reference */
    const asyncio__channel_owner_class_t *owner_class; /* the owner before, and after */
    void *owner;                                       /* likewise */
    size_t low_bytes;                                  /* likewise */
    bool wants_drained;                                /* likewise */
    asyncio__list_t waiters;                           /* the task that sends, while it waits */
} sender_t;

static void on_drained(asyncio__channel_t *channel)
{
    sender_t *sender = channel->owner;
    asyncio__waiters_wake_all(&sender->waiters);
}

static void on_closed(asyncio__channel_t *channel)
{
    sender_t *sender = channel->owner;
    channel->owner_class = sender->owner_class;
    channel->owner = sender->owner;
    asyncio__waiters_wake_all(&sender->waiters);
    if (channel->owner_class && channel->owner_class->closed)
        channel->owner_class->closed(channel);
}

static const asyncio__channel_owner_class_t sender_class = {.drained = on_drained,
                                                            .closed = on_closed};

static void become_owner(sender_t *sender, asyncio__channel_t *channel)
{
    *sender = (sender_t){.channel = channel,
                         .owner_class = channel->owner_class,
                         .owner = channel->owner,
                         .low_bytes = channel->low_bytes,
                         .wants_drained = channel->wants_drained};
    asyncio__list_init(&sender->waiters);
    channel->refs++;
    channel->owner_class = &sender_class;
    channel->owner = sender;
    channel->wants_drained = false;
    channel->is_sending_file = true;
}

/* Makes the former owner the owner again, unless the channel was closed, which has done that, or
 * its owner has left it. */
static void restore_owner(sender_t *sender)
{
    asyncio__channel_t *channel = sender->channel;
    channel->is_sending_file = false;
    channel->low_bytes = sender->low_bytes;
    if (channel->owner_class == &sender_class) {
        channel->owner_class = sender->owner_class;
        channel->owner = sender->owner;
        channel->wants_drained = sender->wants_drained;
        asyncio__channel_note_sent(channel);
    }
    asyncio__channel_unref(channel);
}

/* Waits until no more than most bytes are unsent: 0, or an error. */
static int wait_unsent(sender_t *sender, size_t most)
{
    asyncio__channel_t *channel = sender->channel;
    int rc = 0;
    while (rc == 0 && !channel->is_closing && channel->class->unsent(channel) > most) {
        channel->low_bytes = most;
        channel->wants_drained = true;
        rc = asyncio__waiters_wait(channel->loop, &sender->waiters, "asyncio_loop_sendfile");
    }
    if (rc == 0 && channel->is_closing)
        rc = asyncio__channel_fail(channel, -ECONNRESET, "Connection closed by peer");
    return rc;
}

/* Reads and writes, with one piece being sent while the next one is read. */
static int send_by_reading(sender_t *sender, asyncio__sendfile_t *sendfile)
{
    asyncio__channel_t *channel = sender->channel;
    int count = 1, rc = 0;
    while (rc == 0 && sendfile->left > 0 && count > 0) {
        count = asyncio__sendfile_read(sendfile);
        if (count < 0)
            return count;
        rc = wait_unsent(sender, sender->low_bytes);
        if (rc == 0 && count > 0) {
            const struct iovec piece = {sendfile->buffer, (size_t)count};
            rc = channel->class->write(channel, &piece, 1);
            if (rc == 0)
                asyncio__sendfile_sent(sendfile, count);
            else
                asyncio__fail(rc, NULL);
        }
    }
    return rc == 0 ? wait_unsent(sender, sender->low_bytes) : rc;
}

static int send_by(sender_t *sender, asyncio__sendfile_t *sendfile)
{
    asyncio__channel_t *channel = sender->channel;
    if (channel->class->sendfile_mode == ASYNCIO__SENDFILE_NATIVE) {
        int rc = wait_unsent(sender, 0);
        if (rc == 0)
            rc = asyncio__sendfile_native(sendfile, asyncio__channel_socket(channel), channel);
        if (rc != ASYNCIO_ESENDFILENOTAVAILABLE || sendfile->no_fallback)
            return rc;
    } else if (sendfile->no_fallback) {
        return asyncio__fail(ASYNCIO_ERUNTIME, "fallback is disabled and native sendfile is not "
                                               "supported for transport");
    }
    return send_by_reading(sender, sendfile);
}

int asyncio__sendfile_by_channel(asyncio__sendfile_t *sendfile, asyncio__channel_t *channel)
{
    sender_t sender;
    become_owner(&sender, channel);
    int rc = send_by(&sender, sendfile);
    restore_owner(&sender);
    return rc;
}
