/* SPDX-License-Identifier: MIT */
/* A connection in memory; see wire_channel.h. */
#include "wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lender.h"

static wire_end_t *end_of(const asyncio__channel_t *channel)
{
    return (wire_end_t *)channel;
}

/* --- bytes under way ----------------------------------------------------------------------- */

static void put(wire_end_t *end, size_t place, const void *data, size_t size)
{
    if (size == 0)
        return;
    end->data = realloc(end->data, end->size + size);
    memmove(end->data + place + size, end->data + place, end->size - place);
    memcpy(end->data + place, data, size);
    end->size += size;
}

static size_t take(wire_end_t *end, void *buffer, size_t size)
{
    size_t count = size < end->ripe ? size : end->ripe;
    memcpy(buffer, end->data, count);
    memmove(end->data, end->data + count, end->size - count);
    end->size -= count;
    end->ripe -= count;
    return count;
}

void wire_insert(wire_end_t *end, const void *data, size_t size, bool is_behind)
{
    put(end, is_behind ? end->size : end->ripe, data, size);
}

void wire_corrupt(wire_end_t *end, size_t place, unsigned char change)
{
    if (end->size > end->ripe)
        end->data[end->ripe + place % (end->size - end->ripe)] ^= (char)(change ? change : 1);
}

void wire_cut(wire_end_t *end, bool is_reset)
{
    end->size = end->ripe;
    end->is_ended = true;
    end->is_reset |= is_reset;
}

void wire_deliver(wire_end_t *end, size_t count)
{
    size_t left = end->size - end->ripe;
    end->ripe += count < left ? count : left;
}

static bool has_end(const wire_end_t *end)
{
    return end->is_ended && end->size == 0;
}

/* --- reading ------------------------------------------------------------------------------- */

/* The result where nothing has arrived: the end, a reset, or -EAGAIN. */
static int result_of_nothing(wire_end_t *end)
{
    asyncio__channel_t *channel = &end->channel;
    if (channel->is_closing)
        return channel->code;
    if (!has_end(end))
        return -EAGAIN;
    if (!end->is_reset) {
        channel->is_eof = true;
        return 0;
    }
    asyncio__channel_set_code(channel, -ECONNRESET, NULL);
    asyncio__channel_finish(channel);
    return channel->code;
}

/* Serves a read: whether that was possible. */
static bool give(wire_end_t *end, asyncio__channel_read_t *read)
{
    asyncio__operation_t *operation = &read->operation;
    if (end->ripe == 0 || end->channel.is_closing) {
        operation->result = result_of_nothing(end);
        return operation->result != -EAGAIN;
    }
    if (read->form == ASYNCIO__READ_LATE) {
        operation->result = 0;
        return true;
    }
    if (read->form == ASYNCIO__READ_LENT) {
        operation->buffer = malloc(ASYNCIO__LENT_BYTES);
        operation->size = ASYNCIO__LENT_BYTES;
        end->lent++;
    }
    operation->result = (int)take(end, operation->buffer, operation->size);
    return true;
}

static int begin_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    wire_end_t *end = end_of(channel);
    if (end->pending)
        return ASYNCIO_ERUNTIME;
    read->channel = channel;
    if (give(end, read))
        return 1;
    end->pending = read;
    channel->refs++;
    return 0;
}

static void cancel_read(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    wire_end_t *end = end_of(channel);
    if (end->pending == read)
        end->is_cancelled = true; /* it completes with the next settle */
}

static int take_late(asyncio__channel_t *channel, asyncio__channel_read_t *read, void *buffer,
                     size_t size)
{
    (void)read;
    wire_end_t *end = end_of(channel);
    if (end->ripe == 0 || channel->is_closing)
        return result_of_nothing(end);
    return (int)take(end, buffer, size);
}

static void give_back(asyncio__channel_t *channel, asyncio__channel_read_t *read)
{
    if (!read->operation.buffer)
        return;
    free(read->operation.buffer);
    read->operation.buffer = NULL;
    end_of(channel)->lent--;
}

static int peek(asyncio__channel_t *channel)
{
    wire_end_t *end = end_of(channel);
    if (channel->is_closing)
        return channel->code;
    if (end->ripe > 0)
        return 1;
    if (!has_end(end))
        return -EAGAIN;
    return end->is_reset ? -ECONNRESET : 0;
}

/* --- writing ------------------------------------------------------------------------------- */

static size_t unsent(const asyncio__channel_t *channel)
{
    const wire_end_t *end = end_of(channel), *peer = end->peer;
    return channel->is_closed || peer->size <= end->wire->capacity
               ? 0 : peer->size - end->wire->capacity;
}

static int write_pieces(asyncio__channel_t *channel, const struct iovec *pieces, size_t count)
{
    wire_end_t *peer = end_of(channel)->peer;
    if (channel->is_closing || peer->channel.is_closed || peer->is_ended)
        return 0; /* nobody receives it */
    for (size_t i = 0; i < count; i++)
        put(peer, peer->size, pieces[i].iov_base, pieces[i].iov_len);
    return 0;
}

static size_t send_now(asyncio__channel_t *channel, const void *data, size_t size)
{
    wire_end_t *end = end_of(channel), *peer = end->peer;
    if (!end->wire->has_send_now || channel->is_closing || peer->size >= end->wire->capacity)
        return 0;
    size_t room = end->wire->capacity - peer->size, count = size < room ? size : room;
    write_pieces(channel, &(struct iovec){(void *)(uintptr_t)data, count}, 1);
    return count;
}

static void cork(asyncio__channel_t *channel, bool is_corked)
{
    (void)channel, (void)is_corked;
}

static int end_writing(asyncio__channel_t *channel)
{
    end_of(channel)->peer->is_ended = true;
    return 0;
}

/* --- the end ------------------------------------------------------------------------------- */

static void close_soon(asyncio__channel_t *channel)
{
    channel->is_closing = true; /* it ends with the settle that finds nothing unsent */
}

static void abort_now(asyncio__channel_t *channel, int code, asyncio_error_t *error)
{
    if (channel->is_closed) {
        asyncio__error_drop(error);
        return;
    }
    wire_cut(end_of(channel)->peer, /* is_reset= */ false);
    asyncio__channel_set_code(channel, code, error);
    asyncio__channel_finish(channel);
}

static int info(asyncio__channel_t *channel, const char *name, asyncio__channel_info_t *ret_info)
{
    (void)channel, (void)name, (void)ret_info;
    return -EINVAL;
}

static void free_end(asyncio__channel_t *channel)
{
    wire_end_t *end = end_of(channel);
    if (end->lent || end->pending)
        abort(); /* the owner has kept a buffer, or a read has never completed */
    end->is_freed = true;
}

static const asyncio__channel_class_t wire_class = {
    .name = "wire",
    .read = begin_read,
    .cancel_read = cancel_read,
    .take = take_late,
    .give_back = give_back,
    .peek = peek,
    .write = write_pieces,
    .send_now = send_now,
    .cork = cork,
    .unsent = unsent,
    .shutdown = end_writing,
    .close = close_soon,
    .abort = abort_now,
    .info = info,
    .free = free_end,
};

static void complete(wire_end_t *end)
{
    asyncio__channel_read_t *read = end->pending;
    if (!read || (!give(end, read) && !end->is_cancelled))
        return;
    if (read->operation.result == -EAGAIN)
        read->operation.result = -ECANCELED;
    end->is_cancelled = false;
    end->pending = NULL;
    read->complete(read);
    asyncio__channel_unref(&end->channel);
}

static void settle(wire_end_t *end)
{
    asyncio__channel_t *channel = &end->channel;
    if (end->is_freed)
        return;
    channel->refs++;
    complete(end);
    if (!channel->is_closed)
        asyncio__channel_note_sent(channel);
    if (channel->is_closing && !channel->is_closed && unsent(channel) == 0)
        asyncio__channel_finish(channel);
    if (channel->is_closed) {
        end->peer->is_ended = true;
        end->size = end->ripe = 0; /* nobody receives it */
    }
    asyncio__channel_unref(channel);
}

void wire_settle(wire_t *wire)
{
    settle(&wire->ends[0]);
    settle(&wire->ends[1]);
}

void wire_open(wire_t *wire, asyncio_loop_t *loop)
{
    for (int i = 0; i < 2; i++) {
        wire->ends[i] = (wire_end_t){.wire = wire, .peer = &wire->ends[1 - i]};
        asyncio__channel_init(&wire->ends[i].channel, &wire_class, loop);
    }
}

void wire_drop(wire_t *wire)
{
    for (int i = 0; i < 2; i++)
        if (!wire->ends[i].is_freed)
            abort_now(&wire->ends[i].channel, 0, NULL);
    wire_settle(wire);
    for (int i = 0; i < 2; i++) {
        free(wire->ends[i].data);
        wire->ends[i].data = NULL;
    }
}
