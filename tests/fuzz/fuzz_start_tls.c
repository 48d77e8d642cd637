/* SPDX-License-Identifier: MIT */
/*
 * start_tls over a connection in memory: two sides speak in plain, then each begins with TLS, as
 * streams or as a transport. Any bytes say how much each side sends in plain and how much of it the
 * other one reads before, when they begin, and what somebody in the network does. Whatever that is:
 *
 *   - what is read after start_tls() is what the peer has encrypted, from the first byte on: what
 *     was sent before, or inserted, never becomes data;
 *   - start_tls() fails where plaintext was left;
 *   - without any of that it succeeds, and everything arrives;
 *   - each side ends, with a code of TLS or of a lost connection, and nothing is left behind.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fuzz_ssl.h"
#include "net/connection.h"
#include "net/transport.h"
#include "wire_channel.h"

#define PLAIN_MOST  100
#define SECRET_MOST 60000
#define STEPS_MOST  20000
#define SLEEP_MOST  8 /* seconds: below the limit of a handshake and of a close */

static const size_t chunks[] = {3, 17, 50, 200, 1000, 5000, SIZE_MAX, SIZE_MAX};
static const size_t sizes[] = {0, 1, 7, 300, 5000, 16384, 20000, SECRET_MOST};
static const double delays[] = {0, 0, 0.1, 1};
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

typedef struct world world_t;

typedef struct side {
    asyncio_protocol_t protocol;     /* of a transport */
    world_t *world;
    int index;                       /* 0: the client */
    bool is_transport;               /* else streams */
    size_t plain_sent, plain_read;   /* before start_tls() */
    size_t secret_sent;              /* after it */
    bool looks_like_tls;             /* what the peer leaves of that */
    double delay;                    /* before start_tls() */
    size_t piece;                    /* how much is read at once */

    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    asyncio_transport_t *transport;  /* a reference */
    size_t plain_received;           /* by the transport */
    size_t received;                 /* bytes of the peer's secret */
    bool is_secret;                  /* start_tls() was called */
    bool is_destroyed, is_lost;      /* the protocol */
    asyncio_event_t news;            /* of the transport */
    int code;                        /* of start_tls() */
    bool has_closed;                 /* it closes: the end comes from here */
    bool is_done;                    /* its task has ended */
} side_t;

struct world {
    wire_t wire;
    side_t sides[2];
    bool is_calm; /* nobody meddles */
};

static void fail(const side_t *side, const char *what, long found, long wanted)
{
    fprintf(stderr, "fuzz_start_tls: %s: %s: %ld, not %ld; %zu received\n",
            side->index ? "server" : "client", what, found, wanted, side->received);
    abort();
}

static side_t *peer_of(const side_t *side)
{
    return &side->world->sides[1 - side->index];
}

/* The bytes of plaintext and those of the secret are none in common: 'a' to 'z', and the rest. */
static char letter_of(int index, size_t place)
{
    return (char)(128 + (place * 31 + place / 117 + (size_t)index * 7) % 120);
}

static void check_secret(side_t *side, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != letter_of(1 - side->index, side->received + i))
            fail(side, "a byte that is not the peer's", data[i],
                 letter_of(1 - side->index, side->received + i));
    side->received += size;
}

static bool is_left_over(const side_t *side)
{
    return peer_of(side)->plain_sent > side->plain_read;
}

/* --- a transport's protocol ---------------------------------------------------------------- */

static side_t *side_of(asyncio_protocol_t *protocol)
{
    return ASYNCIO__CONTAINER(protocol, side_t, protocol);
}

static void received(asyncio_protocol_t *protocol, const void *data, size_t size)
{
    side_t *side = side_of(protocol);
    if (side->is_secret)
        check_secret(side, data, size);
    else
        side->plain_received += size;
    asyncio_event_set(&side->news);
}

static void lost(asyncio_protocol_t *protocol, int code, asyncio_error_t *error)
{
    side_t *side = side_of(protocol);
    (void)error;
    if (!fuzz_ssl_is_known(code))
        fail(side, "lost with another code", code, 0);
    side->is_lost = true;
    asyncio_event_set(&side->news);
}

static void destroy(asyncio_protocol_t *protocol)
{
    side_of(protocol)->is_destroyed = true;
}

static const asyncio_protocol_functions_t functions = {.size = sizeof(functions),
                                                       .data_received = received,
                                                       .connection_lost = lost,
                                                       .destroy = destroy};

/* --- a side -------------------------------------------------------------------------------- */

static void check_code(const side_t *side, const char *what, ssize_t rc)
{
    if (rc < 0 && !fuzz_ssl_is_known((int)rc) && rc != ASYNCIO_EINCOMPLETEREAD)
        fail(side, what, rc, 0);
}

static void write_bytes(side_t *side, size_t size, bool is_secret)
{
    char *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = is_secret ? letter_of(side->index, i) : (char)('a' + i % 26);
    size_t read = peer_of(side)->plain_read, left = size - read;
    if (!is_secret && read > 0)
        data[read - 1] = '\n';
    if (!is_secret && side->looks_like_tls) /* what will be left over */
        memcpy(data + read, "\x16\x03\x01", left < 3 ? left : 3);
    int rc = side->is_transport ? asyncio_transport_write(side->transport, data, size)
                                : asyncio_stream_writer_write(side->writer, data, size);
    free(data);
    check_code(side, "write", rc);
}

static int start_tls(side_t *side)
{
    bool is_mutual = (side->world->sides[0].piece & 1) != 0;
    bool is_old = (side->world->wire.capacity & 1) != 0;
    asyncio_ssl_context_t *ssl =
        side->index ? fuzz_ssl_server(is_old, is_mutual) : fuzz_ssl_client(is_mutual);
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_side = side->index,
                                           .server_hostname = side->index ? NULL : "localhost"};
    side->is_secret = true;
    return side->is_transport
               ? asyncio_loop_start_tls(asyncio_get_running_loop(), side->transport, NULL, ssl,
                                        &options, NULL)
               : asyncio_stream_writer_start_tls(side->writer, ssl, &options);
}

/* Reads in plain what is to be read before: false, the connection has ended. */
static bool read_plain(side_t *side)
{
    char data[PLAIN_MOST];
    if (!side->is_transport) {
        const char *line;
        bool searches = side->plain_read > 0 && side->piece % 2 == 0;
        ssize_t rc = searches ? asyncio_stream_reader_readline(side->reader, &line)
                              : asyncio_stream_reader_readexactly(side->reader, data,
                                                                  side->plain_read, NULL);
        check_code(side, "a read in plain", rc);
        return rc >= 0; /* a search has perhaps received more, a read has not */
    }
    while (side->plain_received < side->plain_read && !side->is_lost) {
        asyncio_event_clear(&side->news);
        asyncio_event_wait(&side->news);
    }
    return !side->is_lost;
}

static void read_secret(side_t *side)
{
    char *data = malloc(side->piece);
    ssize_t rc = 1;
    while (rc > 0 && !side->is_transport) {
        rc = asyncio_stream_reader_read(side->reader, data, side->piece);
        if (rc > 0)
            check_secret(side, data, (size_t)rc);
    }
    free(data);
    check_code(side, "read", rc);
    if (rc == 0 && (!peer_of(side)->has_closed || side->received != peer_of(side)->secret_sent))
        fail(side, "the end came too early", (long)side->received,
             (long)peer_of(side)->secret_sent);
    while (side->is_transport && !side->is_lost &&
           (side->index == 0 || side->received < peer_of(side)->secret_sent)) {
        asyncio_event_clear(&side->news);
        asyncio_event_wait(&side->news);
    }
}

static void end_side(side_t *side)
{
    side->has_closed = true;
    if (side->is_transport) {
        check_code(side, "close", asyncio_transport_close(side->transport));
        while (!side->is_lost) {
            asyncio_event_clear(&side->news);
            asyncio_event_wait(&side->news);
        }
        return;
    }
    check_code(side, "close", asyncio_stream_writer_close(side->writer));
    check_code(side, "wait_closed", asyncio_stream_writer_wait_closed(side->writer));
}

static int run_side(void *arg, void **ret_result)
{
    (void)ret_result;
    side_t *side = arg;
    write_bytes(side, side->plain_sent, false);
    if (read_plain(side)) {
        asyncio_sleep(side->delay);
        side->code = start_tls(side);
        check_code(side, "start_tls", side->code);
        if (side->code == 0 && is_left_over(side) && !side->is_transport)
            fail(side, "start_tls succeeds after plaintext was left", 0, ASYNCIO_ESSL);
        if (side->code == 0) {
            write_bytes(side, side->secret_sent, true);
            /* The server closes behind what it has said and read. */
            if (side->index == 0 || side->is_transport)
                read_secret(side);
        }
    } else {
        side->code = -ECONNRESET;
    }
    end_side(side);
    side->is_done = true;
    return 0;
}

/* --- both ---------------------------------------------------------------------------------- */

static void read_header(side_t *side, fuzz_bytes_t *bytes)
{
    uint8_t kind = fuzz_byte(bytes), more = fuzz_byte(bytes);
    side->is_transport = kind & 1;
    side->looks_like_tls = kind & 2;
    side->delay = delays[(kind >> 2) % LENGTH(delays)];
    side->secret_sent = sizes[(kind >> 4) % LENGTH(sizes)];
    side->piece = (kind & 128 ? 4096u : 13u) + (more & 1);
    side->plain_sent = fuzz_byte(bytes) % PLAIN_MOST;
    side->plain_read = (more >> 1) % PLAIN_MOST;
    if (more & 128) /* usually all of it */
        side->plain_read = PLAIN_MOST;
}

static void open_side(world_t *world, int index)
{
    side_t *side = &world->sides[index];
    asyncio__channel_t *channel = &world->wire.ends[index].channel;
    side->world = world;
    side->index = index;
    side->protocol.functions = &functions;
    asyncio_event_init(&side->news);
    if (side->plain_read > peer_of(side)->plain_sent)
        side->plain_read = peer_of(side)->plain_sent;
    if (side->is_transport) {
        side->transport = asyncio__transport_new(channel, &side->protocol, NULL);
        side->transport->can_read = side->transport->can_write = true;
        asyncio__transport_start(side->transport);
        return;
    }
    asyncio__connection_t *connection = asyncio__connection_new(channel, 0);
    side->reader = &connection->reader;
    side->writer = &connection->writer;
}

static void drop_side(side_t *side)
{
    if (side->is_transport) {
        asyncio_transport_unref(side->transport);
    } else {
        asyncio_stream_reader_unref(side->reader);
        asyncio_stream_writer_unref(side->writer);
    }
}

static void check_world(const world_t *world)
{
    for (int i = 0; i < 2; i++) {
        const side_t *side = &world->sides[i], *peer = peer_of(side);
        bool is_plain_way = !side->is_transport && !peer->is_transport && world->is_calm &&
                            !is_left_over(side) && !is_left_over(peer);
        if (!side->is_done)
            fail(side, "it never ends", 0, 1);
        if (is_plain_way && side->code < 0)
            fail(side, "start_tls failed, and nobody meddles", side->code, 0);
        if (is_plain_way && side->index == 0 && side->received != peer->secret_sent)
            fail(side, "not all has arrived", (long)side->received, (long)peer->secret_sent);
        if (side->is_transport && !side->is_destroyed)
            fail(side, "the protocol was not destroyed", 0, 1);
        if (!world->wire.ends[i].is_freed)
            fail(side, "the channel was not freed", 0, 1);
    }
}

static void step(world_t *world, size_t chunk)
{
    wire_deliver(&world->wire.ends[0], chunk);
    wire_deliver(&world->wire.ends[1], chunk);
    wire_settle(&world->wire);
    asyncio_sleep(0);
}

static void run_wire(world_t *world, fuzz_bytes_t *bytes)
{
    double slept = 0;
    size_t chunk = chunks[fuzz_byte(bytes) % LENGTH(chunks)];
    for (int i = 0; i < STEPS_MOST && !(world->sides[0].is_done && world->sides[1].is_done); i++) {
        uint8_t action = fuzz_byte(bytes);
        if (action >= 224) {
            world->is_calm = false;
            fuzz_ssl_meddle(&world->wire, action, bytes);
        } else if (action >= 200 && slept < SLEEP_MOST) {
            slept += delays[action % LENGTH(delays)];
            asyncio_sleep(delays[action % LENGTH(delays)]);
        } else if (action >= 150) {
            wire_deliver(&world->wire.ends[action & 1], chunks[(action >> 1) % LENGTH(chunks)]);
        }
        step(world, i < 5000 ? chunk : SIZE_MAX);
        if (i > 100 && i % (i > 6000 ? 1 : 50) == 0)
            asyncio_sleep(0.05);
    }
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    world_t *world = ((void **)arg)[0];
    fuzz_bytes_t *bytes = ((void **)arg)[1];
    uint8_t flags = fuzz_byte(bytes);
    asyncio_task_t *tasks[2];
    world->wire.capacity = (flags & 1 ? 2001u : 200001u) - (flags >> 1 & 1);
    world->wire.has_send_now = flags & 4;
    read_header(&world->sides[0], bytes);
    read_header(&world->sides[1], bytes);
    wire_open(&world->wire, asyncio_get_running_loop());
    for (int i = 0; i < 2; i++)
        world->sides[i].world = world, world->sides[i].index = i;
    for (int i = 0; i < 2; i++) {
        open_side(world, i);
        tasks[i] = asyncio_create_task(asyncio_coroutine_full(run_side, &world->sides[i], NULL));
    }
    run_wire(world, bytes);
    for (int i = 0; i < 2; i++) {
        if (!world->sides[i].is_done)
            fail(&world->sides[i], "it never ends", 0, 1);
        asyncio_await_unref(tasks[i], NULL);
        drop_side(&world->sides[i]);
    }
    wire_drop(&world->wire);
    step(world, SIZE_MAX);
    check_world(world);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static world_t world;
    static long blocks = -1;
    memset(&world, 0, sizeof(world));
    world.is_calm = true;
    fuzz_bytes_t bytes = {data, data + size};
    void *arguments[2] = {&world, &bytes};
    fuzz_ssl_restart();
    asyncio_loop_options_t loop_options = {.size = sizeof(loop_options),
                                           .engine = ASYNCIO_ENGINE_SIM,
                                           .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_runner_options_t options = {.size = sizeof(options), .loop_options = &loop_options};
    if (asyncio_run_full(asyncio_coroutine_full(run, arguments, NULL), &options, NULL) != 0)
        fail(&world.sides[0], "the run failed", 1, 0);
    asyncio_error_clear();
    if (blocks >= 0 && asyncio__live_blocks() != blocks)
        fail(&world.sides[0], "blocks are left behind", asyncio__live_blocks(), blocks);
    blocks = asyncio__live_blocks();
    return 0;
}
