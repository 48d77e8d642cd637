/* SPDX-License-Identifier: MIT */
/*
 * Two channels of TLS, client and server, over a connection in memory that delivers bytes in
 * fragments. Any bytes are a list of actions: either side writes, reads in each form, cancels,
 * looks, updates its keys, closes or aborts; the connection delivers, loses, cuts, changes or
 * inserts. Whatever happens:
 *
 *   - what is received is what was sent, from the first byte on, in order and unchanged;
 *   - the end of the stream is told only by a peer that has closed, and behind all that it wrote;
 *   - without meddling nothing fails, and everything arrives;
 *   - with it each side ends, with a code of TLS or of a lost connection;
 *   - nothing is left behind.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/lender.h"
#include "fuzz_ssl.h"
#include "tls/tls_channel.h"
#include "transport/ssl_class.h"
#include "wire_channel.h"

#define BUFFER_BYTES  40000
#define SENT_MOST     1000000 /* of a side; below what a close drops */
#define ACTIONS_MOST  200
#define PATIENCE_RUNS 20000 /* steps until everything has ended */

static const size_t sizes[] = {1, 2, 5, 100, 1000, 16384, 16385, BUFFER_BYTES};
static const size_t chunks[] = {3, 17, 50, 200, 1000, 5000, 17408, SIZE_MAX};
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

typedef struct world world_t;

typedef struct side {
    world_t *world;
    asyncio__channel_t *channel;  /* of TLS; a reference */
    int index;                    /* 0: the client */
    bool is_opened, is_over;      /* what the owner was told */
    size_t sent, received;        /* bytes of the streams of this side and of its peer */
    size_t sent_until_close;      /* SIZE_MAX: close() was not called while open */
    bool has_closed, has_aborted; /* what this side has called */
    bool is_reading, is_read_done; /* a read is pending; it has completed */
    bool is_cancelled;            /* and was to be cancelled */
    bool has_ended;               /* a read has returned the end, or an error */
    asyncio__channel_read_t read;
    char *buffer;                 /* of a read into it: of the size that was asked for */
} side_t;

struct world {
    wire_t wire;
    side_t sides[2];
    bool is_calm;        /* nobody meddles, and nobody gives up */
    size_t chunk;        /* bytes that arrive after each action */
    fuzz_bytes_t bytes;  /* the actions */
};

static void fail(const side_t *side, const char *what, long found, long wanted)
{
    fprintf(stderr, "fuzz_tls: %s: %s: %ld, not %ld; %zu sent, %zu received\n",
            side->index ? "server" : "client", what, found, wanted, side->sent, side->received);
    abort();
}

static side_t *peer_of(const side_t *side)
{
    return &side->world->sides[1 - side->index];
}

static char letter(int index, size_t place)
{
    return (char)(place * 31 + place / 251 + (size_t)index * 7);
}

/* --- what a side is told ------------------------------------------------------------------- */

static void on_opened(asyncio__channel_t *channel)
{
    side_t *side = channel->owner;
    if (side->is_opened || side->is_over)
        fail(side, "opened twice, or after the end", 1, 0);
    side->is_opened = true;
}

static void on_closed(asyncio__channel_t *channel)
{
    side_t *side = channel->owner;
    if (side->is_over)
        fail(side, "closed twice", 1, 0);
    side->is_over = true;
    if (!fuzz_ssl_is_known(channel->code))
        fail(side, "an unknown end", channel->code, 0);
    if (side->world->is_calm && channel->code < 0)
        fail(side, "an end with an error, and nobody meddles", channel->code, 0);
}

static const asyncio__channel_owner_class_t owner_class = {.opened = on_opened,
                                                           .closed = on_closed};

static void on_read(asyncio__channel_read_t *read)
{
    side_t *side = ASYNCIO__CONTAINER(read, side_t, read);
    if (!side->is_reading || side->is_read_done)
        fail(side, "a read completed twice", 1, 0);
    side->is_read_done = true;
}

/* --- what a read may return ---------------------------------------------------------------- */

static void check_data(side_t *side, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != letter(1 - side->index, side->received + i))
            fail(side, "another byte", data[i], letter(1 - side->index, side->received + i));
    side->received += size;
    if (side->received > peer_of(side)->sent)
        fail(side, "more than was sent", (long)side->received, (long)peer_of(side)->sent);
    if (!side->is_opened)
        fail(side, "data before the handshake is over", (long)size, 0);
}

static void check_end(side_t *side, int result)
{
    const side_t *peer = peer_of(side);
    if (result == -ECANCELED && side->is_cancelled)
        return;
    side->has_ended = true;
    if (side->has_closed || side->has_aborted)
        return;
    if (result < 0 && side->world->is_calm)
        fail(side, "a read failed, and nobody meddles", result, 0);
    if (!fuzz_ssl_is_known(result))
        fail(side, "a read failed with another code", result, 0);
    if (result == 0 && side->received != peer->sent_until_close)
        fail(side, "the end came too early", (long)side->received, (long)peer->sent_until_close);
}

static void check_result(side_t *side, int result, const char *data)
{
    if (result > 0)
        check_data(side, data, (size_t)result);
    else if (result != -EAGAIN)
        check_end(side, result);
}

/* A read is done: checks it, takes what is there, and gives the buffer back. */
static void end_read(side_t *side)
{
    asyncio__channel_t *channel = side->channel;
    asyncio__operation_t *operation = &side->read.operation;
    int result = operation->result;
    side->is_reading = side->is_read_done = false;
    if (side->read.form == ASYNCIO__READ_LATE && result == 0) {
        result = channel->class->take(channel, &side->read, side->buffer, operation->size);
        if (result > (long)operation->size)
            fail(side, "more than was asked for", result, (long)operation->size);
    }
    check_result(side, result, side->read.form == ASYNCIO__READ_LENT ? operation->buffer
                                                                     : side->buffer);
    if (side->read.form == ASYNCIO__READ_LENT && result > 0) {
        memset(operation->buffer, 0, (size_t)result); /* it is the owner's until then */
        channel->class->give_back(channel, &side->read);
    }
    free(side->buffer);
    side->buffer = NULL;
    side->is_cancelled = false;
}

static void begin_read(side_t *side, asyncio__read_form_t form, size_t size)
{
    asyncio__channel_t *channel = side->channel;
    if (side->is_reading || side->has_ended)
        return;
    side->buffer = malloc(size);
    side->read = (asyncio__channel_read_t){.complete = on_read, .form = (uint8_t)form,
                                           .operation = {.buffer = side->buffer, .size = size}};
    side->is_reading = true;
    int rc = channel->class->read(channel, &side->read);
    if (rc < 0) /* the connection below was lost just now */
        side->read.operation.result = rc;
    if (rc != 0) {
        if (side->is_read_done)
            fail(side, "a read was done at once, and completed", 1, 0);
        end_read(side);
    }
}

/* --- actions ------------------------------------------------------------------------------- */

static void write_some(side_t *side, size_t size, size_t count)
{
    struct iovec pieces[3];
    asyncio__channel_t *channel = side->channel;
    if (channel->is_closing || side->sent + size > SENT_MOST)
        return;
    char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = letter(side->index, side->sent + i);
    size_t part = size / count;
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct iovec){data + i * part, i + 1 < count ? part : size - i * part};
    side->sent += size;
    int rc = channel->class->write(channel, pieces, count);
    memset(data, 0, size); /* nobody may look at it any more */
    free(data);
    if (rc < 0 && (side->world->is_calm || !fuzz_ssl_is_known(rc)))
        fail(side, "a write failed", rc, 0);
}

static void close_side(side_t *side)
{
    asyncio__channel_t *channel = side->channel;
    if (!side->is_opened && !side->is_over)
        side->world->is_calm = false; /* it aborts */
    if (side->is_opened && !channel->is_closing)
        side->sent_until_close = side->sent;
    side->has_closed = true;
    channel->class->close(channel);
}

static void look(side_t *side)
{
    asyncio__channel_t *channel = side->channel;
    if (side->is_reading)
        return;
    int rc = channel->class->peek(channel);
    if (rc == 0 && !side->has_closed && !side->has_aborted &&
        side->received != peer_of(side)->sent_until_close)
        fail(side, "the end is seen too early", (long)side->received, 0);
    if (rc < 0 && rc != -EAGAIN && !fuzz_ssl_is_known(rc))
        fail(side, "a look failed", rc, 0);
}

static void update_key(side_t *side, uint8_t number)
{
    asyncio__tls_channel_t *tls = asyncio__tls_channel_from(side->channel);
    if (!side->is_opened || side->channel->is_closing ||
        asyncio__openssl.SSL_version(tls->ssl) < ASYNCIO__TLS1_3_VERSION)
        return;
    asyncio_coroutine_t *former = asyncio__tls_enter();
    asyncio__openssl.SSL_key_update(tls->ssl, number & 1);
    asyncio__tls_leave(former);
}

static void act(world_t *world, uint8_t action)
{
    side_t *side = &world->sides[action & 1];
    uint8_t number = fuzz_byte(&world->bytes);
    size_t size = sizes[number % LENGTH(sizes)];
    switch ((action >> 1) % 16) {
    case 0:
    case 1:
    case 2:
        write_some(side, size, (number >> 3) % 3 + 1u);
        break;
    case 3:
    case 4:
        begin_read(side, ASYNCIO__READ_INTO, size);
        break;
    case 5:
        begin_read(side, ASYNCIO__READ_LENT, size);
        break;
    case 6:
        begin_read(side, ASYNCIO__READ_LATE, size);
        break;
    case 7:
        side->is_cancelled = side->is_reading;
        side->channel->class->cancel_read(side->channel, &side->read);
        break;
    case 8:
        look(side);
        break;
    case 9:
        side->channel->class->cork(side->channel, number & 1);
        break;
    case 10:
        update_key(side, number);
        break;
    case 11:
        close_side(side);
        break;
    case 12:
        if (number % 4 == 0) {
            world->is_calm = false;
            side->has_aborted = true;
            side->channel->class->abort(side->channel, 0, NULL);
        }
        break;
    case 13:
        wire_deliver(&world->wire.ends[side->index], chunks[number % LENGTH(chunks)]);
        break;
    case 14:
        asyncio_sleep(number % 8 == 0 ? 0.1 : 0);
        break;
    default:
        world->is_calm = false;
        fuzz_ssl_meddle(&world->wire, number, &world->bytes);
    }
}

/* Bytes arrive, what is due completes, and the loop makes a turn. */
static void step(world_t *world, size_t chunk)
{
    for (int i = 0; i < 2; i++)
        wire_deliver(&world->wire.ends[i], chunk);
    wire_settle(&world->wire);
    asyncio_sleep(0);
    for (int i = 0; i < 2; i++)
        if (world->sides[i].is_read_done)
            end_read(&world->sides[i]);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Both sides read to the end, one closes after the other; then time passes. */
static void finish(world_t *world)
{
    for (int i = 0; i < PATIENCE_RUNS; i++) {
        bool is_over = true;
        for (int k = 0; k < 2; k++) {
            side_t *side = &world->sides[k], *peer = peer_of(side);
            is_over &= side->is_over;
            begin_read(side, ASYNCIO__READ_INTO, 5000);
            if (!side->has_closed && side->is_opened && (side->has_ended || (k == 0 && i > 5)) &&
                (peer->is_opened || peer->is_over))
                close_side(side);
        }
        if (is_over)
            break;
        step(world, i < 6000 && world->chunk ? world->chunk : SIZE_MAX);
        if (i > 8000)
            asyncio_sleep(0.1);
    }
    for (int k = 0; k < 2; k++) {
        const side_t *side = &world->sides[k];
        if (!side->is_over)
            fail(side, "it never ends", side->channel->code, 0);
        if (side->is_reading)
            step(world, SIZE_MAX);
        if (side->is_reading)
            fail(side, "a read never ends", 1, 0);
        if (world->is_calm && !side->is_opened)
            fail(side, "the handshake has not succeeded", 0, 1);
        /* The client closes first, and drops what comes then. */
        if (world->is_calm && !side->has_ended)
            fail(side, "the end was not read", 0, 1);
    }
}

static void open_side(world_t *world, int index, uint8_t flags)
{
    side_t *side = &world->sides[index];
    bool is_mutual = flags & 2;
    asyncio__ssl_options_t options = {
        .context = index ? fuzz_ssl_server(flags & 1, is_mutual) : fuzz_ssl_client(is_mutual),
        .server_hostname = index ? NULL : "localhost",
        .is_server = index == 1,
        .handshake_timeout_ns = asyncio__nanoseconds(60),
        .shutdown_timeout_ns = asyncio__nanoseconds(30)};
    side->world = world;
    side->index = index;
    side->sent_until_close = SIZE_MAX;
    if (asyncio__ssl_wrap(&world->wire.ends[index].channel, &options, &side->channel) < 0)
        abort();
    side->channel->owner = side;
    side->channel->owner_class = &owner_class;
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    world_t *world = arg;
    uint8_t flags = fuzz_byte(&world->bytes), speed = fuzz_byte(&world->bytes);
    world->wire.capacity = flags & 4 ? 2000 : 200000;
    world->wire.has_send_now = flags & 8;
    world->chunk = speed % 16 < LENGTH(chunks) ? chunks[speed % 16] : 0;
    wire_open(&world->wire, asyncio_get_running_loop());
    open_side(world, 0, flags);
    open_side(world, 1, flags);
    if (flags & 16) /* the handshake goes well */
        for (int i = 0; i < 12; i++)
            step(world, SIZE_MAX);
    for (int i = 0; i < ACTIONS_MOST && world->bytes.at < world->bytes.end; i++) {
        act(world, fuzz_byte(&world->bytes));
        step(world, world->chunk);
    }
    finish(world);
    step(world, SIZE_MAX);
    for (int i = 0; i < 2; i++)
        asyncio__channel_unref(world->sides[i].channel);
    wire_drop(&world->wire);
    for (int i = 0; i < 2; i++)
        if (!world->wire.ends[i].is_freed)
            fail(&world->sides[i], "the channel below was not freed", 0, 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static world_t world;
    static long blocks = -1;
    memset(&world, 0, sizeof(world));
    world.is_calm = true;
    world.bytes = (fuzz_bytes_t){data, data + size};
    fuzz_ssl_restart();
    asyncio_loop_options_t loop_options = {.size = sizeof(loop_options),
                                           .engine = ASYNCIO_ENGINE_SIM,
                                           .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_runner_options_t options = {.size = sizeof(options), .loop_options = &loop_options};
    if (asyncio_run_full(asyncio_coroutine(run, &world), &options, NULL) != 0)
        fail(&world.sides[0], "the run failed", 1, 0);
    asyncio_error_clear();
    if (blocks >= 0 && asyncio__live_blocks() != blocks)
        fail(&world.sides[0], "blocks are left behind", asyncio__live_blocks(), blocks);
    blocks = asyncio__live_blocks();
    return 0;
}
