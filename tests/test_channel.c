/* SPDX-License-Identifier: MIT */
/*
 * The contract of channels, over socket pairs and pipes: reads in three forms, writes, how a
 * channel ends and what its owner hears. On every engine that has sockets.
 */
#include <asyncio.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "transport/pipe_channel.h"
#include "transport/socket_channel.h"

#define MUCH_BYTES 4000000

/* A channel with everything that its owner was told. */
typedef struct end {
    asyncio__channel_t *channel;  /* this end */
    int peer;                     /* the other end, a descriptor */
    asyncio__channel_read_t read; /* of the test */
    int completed;                /* how often it has completed */
    int drained;                  /* how often drained() was called */
    int closed;                   /* and closed() */
    char buffer[64];              /* of the read */
} end_t;

static void on_read(asyncio__channel_read_t *read)
{
    ASYNCIO__CONTAINER(read, end_t, read)->completed++;
}

static void on_drained(asyncio__channel_t *channel)
{
    ((end_t *)channel->owner)->drained++;
}

static void on_closed(asyncio__channel_t *channel)
{
    ((end_t *)channel->owner)->closed++;
}

static const asyncio__channel_owner_class_t owner_class = {.drained = on_drained,
                                                           .closed = on_closed};

typedef int (*make_t)(asyncio_socket_t *sock, asyncio__channel_t **ret_channel);

static int make_socket(asyncio_socket_t *sock, asyncio__channel_t **ret_channel)
{
    return asyncio__socket_channel_new(sock, NULL, ret_channel);
}

static void open_end(end_t *end, int fd, int peer, make_t make)
{
    asyncio_socket_t *sock = asyncio_socket_from_fd(fd);
    *end = (end_t){.peer = peer};
    assert_int_equal(asyncio__socket_bind_loop(sock, asyncio_get_running_loop()), 0);
    assert_int_equal(make(sock, &end->channel), 0);
    assert_int_equal(make(sock, &end->channel), ASYNCIO_ERUNTIME); /* it has one */
    asyncio_socket_unref(sock);
    end->channel->owner_class = &owner_class;
    end->channel->owner = end;
}

static void open_socket(end_t *end)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_end(end, fds[0], fds[1], make_socket);
}

static void open_pipe(end_t *end, bool reads)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    open_end(end, fds[!reads], fds[reads],
             reads ? asyncio__read_pipe_channel_new : asyncio__write_pipe_channel_new);
}

/* Ends the channel, if it is open, and drops everything. */
static void drop_end(end_t *end)
{
    end->channel->class->abort(end->channel, 0, NULL);
    assert_int_equal(end->closed, 1);
    asyncio__channel_unref(end->channel);
    close(end->peer);
}

static int begin_read(end_t *end, asyncio__read_form_t form)
{
    end->completed = 0;
    end->read = (asyncio__channel_read_t){
        .complete = on_read,
        .form = (uint8_t)form,
        .operation = {.buffer = end->buffer, .size = sizeof(end->buffer)}};
    return end->channel->class->read(end->channel, &end->read);
}

static int result_of(end_t *end)
{
    while (!end->completed)
        assert_int_equal(asyncio_sleep(0), 0);
    assert_int_equal(end->completed, 1);
    return end->read.operation.result;
}

static int write_to(end_t *end, const void *data, size_t size)
{
    struct iovec piece = {(void *)data, size};
    return end->channel->class->write(end->channel, &piece, 1);
}

static void write_much(end_t *end)
{
    char *data = calloc(1, MUCH_BYTES);
    assert_int_equal(write_to(end, data, MUCH_BYTES), 0);
    free(data);
}

/* Reads what the peer has received until that number of bytes has arrived, or the end. */
static size_t drain_peer(end_t *end, size_t size)
{
    char *data = malloc(65536);
    size_t received = 0;
    fcntl(end->peer, F_SETFL, O_NONBLOCK);
    while (received < size) {
        ssize_t count = read(end->peer, data, 65536);
        if (count == 0 || (count < 0 && errno != EAGAIN))
            break;
        received += count > 0 ? (size_t)count : 0;
        assert_int_equal(asyncio_sleep(0), 0);
    }
    free(data);
    return received;
}

static void await_closed(end_t *end)
{
    while (!end->closed)
        assert_int_equal(asyncio_sleep(0.001), 0);
}

/* --- reading ------------------------------------------------------------------------------- */

static int read_in_each_form(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        end_t end;
        char room[8];
        if (is_pipe)
            open_pipe(&end, /* reads= */ true);
        else
            open_socket(&end);
        const asyncio__channel_class_t *class = end.channel->class;

        assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), 0);
        asyncio__channel_read_t second = {.complete = on_read};
        assert_int_equal(class->read(end.channel, &second), ASYNCIO_ERUNTIME);
        assert_int_equal(class->peek(end.channel), -EAGAIN);
        assert_int_equal(write(end.peer, "into", 4), 4);
        assert_int_equal(result_of(&end), 4);
        assert_memory_equal(end.buffer, "into", 4);

        int rc = begin_read(&end, ASYNCIO__READ_LATE);
        assert_int_equal(rc, 0);
        assert_int_equal(write(end.peer, "later", 5), 5);
        assert_int_equal(result_of(&end), 0);
        assert_int_equal(class->take(end.channel, &end.read, room, 3), 3);
        assert_int_equal(class->take(end.channel, &end.read, room + 3, 5), 2);
        assert_memory_equal(room, "later", 5);
        assert_int_equal(class->take(end.channel, &end.read, room, 8), -EAGAIN);

        assert_int_equal(begin_read(&end, ASYNCIO__READ_LENT), 0);
        assert_int_equal(write(end.peer, "lent", 4), 4);
        assert_int_equal(result_of(&end), 4);
        assert_memory_equal(end.read.operation.buffer, "lent", 4);
        class->give_back(end.channel, &end.read);
        drop_end(&end);
    }
    return 0;
}

static int end_while_reading(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    end_t end;
    open_socket(&end);
    const asyncio__channel_class_t *class = end.channel->class;
    assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), 0);
    class->cancel_read(end.channel, &end.read);
    assert_int_equal(end.completed, 0); /* never from inside the call */
    assert_int_equal(result_of(&end), -ECANCELED);
    assert_false(end.channel->is_closing);
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_int_equal(class->peek(end.channel), 1);
    if (begin_read(&end, ASYNCIO__READ_INTO) == 1)
        end.completed = 1;
    assert_int_equal(result_of(&end), 1);

    shutdown(end.peer, SHUT_WR);
    assert_int_equal(class->peek(end.channel), 0);
    assert_int_equal(begin_read(&end, ASYNCIO__READ_LATE), 1);
    assert_int_equal(end.read.operation.result, 0);
    drop_end(&end);

    open_socket(&end);
    assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), 0);
    end.channel->class->abort(end.channel, -ETIME, NULL);
    assert_int_equal(result_of(&end), -ETIME);
    assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), 1);
    assert_int_equal(end.read.operation.result, -ETIME);
    drop_end(&end);
    return 0;
}

/* --- writing ------------------------------------------------------------------------------- */

static int write_in_order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    end_t end;
    char received[16] = "";
    open_socket(&end);
    const asyncio__channel_class_t *class = end.channel->class;
    struct iovec pieces[] = {{(void *)"ab", 2}, {NULL, 0}, {(void *)"cd", 2}};
    class->cork(end.channel, true);
    assert_int_equal(class->write(end.channel, pieces, 3), 0);
    assert_int_equal(write_to(&end, "ef", 2), 0);
    assert_int_equal(class->unsent(end.channel), 6);
    assert_int_equal(recv(end.peer, received, sizeof(received), MSG_DONTWAIT), -1);
    class->cork(end.channel, false);
    while (class->unsent(end.channel) > 0)
        asyncio_sleep(0);
    assert_int_equal(recv(end.peer, received, sizeof(received), MSG_DONTWAIT), 6);
    assert_string_equal(received, "abcdef");

    end.channel->low_bytes = 1000;
    end.channel->wants_drained = true;
    write_much(&end);
    assert_int_equal(end.drained, 0);
    assert_true(class->unsent(end.channel) > 1000);
    assert_int_equal(class->shutdown(end.channel), 0);
    assert_int_equal(write_to(&end, "dropped", 7), 0);
    assert_int_equal(drain_peer(&end, SIZE_MAX), MUCH_BYTES);
    assert_int_equal(end.drained, 1);
    assert_false(end.channel->wants_drained);
    assert_int_equal(end.closed, 0); /* the other direction is open */
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_int_equal(class->peek(end.channel), 1);
    drop_end(&end);
    return 0;
}

/* --- ends ---------------------------------------------------------------------------------- */

static int close_in_order(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    end_t end;
    open_socket(&end);
    const asyncio__channel_class_t *class = end.channel->class;
    write_much(&end);
    class->close(end.channel);
    class->close(end.channel);
    assert_true(end.channel->is_closing);
    assert_false(end.channel->is_closed);
    assert_int_equal(drain_peer(&end, SIZE_MAX), MUCH_BYTES);
    await_closed(&end);
    assert_int_equal(end.channel->code, 0);
    assert_int_equal(write_to(&end, "dropped", 7), 0);
    assert_int_equal(class->peek(end.channel), 0);
    drop_end(&end);

    /* The owner is freed before the channel ends. */
    open_socket(&end);
    write_much(&end);
    class->close(end.channel);
    end.channel->owner_class = NULL;
    asyncio__channel_unref(end.channel);
    assert_int_equal(drain_peer(&end, SIZE_MAX), MUCH_BYTES);
    assert_int_equal(end.closed, 0);
    close(end.peer);
    return 0;
}

static int lose_with_details(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    end_t end;
    open_socket(&end);
    asyncio_error_t *error = asyncio_error_new(-EPROTO, "the peer speaks nonsense", NULL);
    end.channel->class->abort(end.channel, -EPROTO, error);
    assert_int_equal(end.closed, 1);
    assert_int_equal(asyncio__channel_fail(end.channel, -EIO, NULL), -EPROTO);
    asyncio_error_t *last = asyncio_error_last();
    assert_string_equal(asyncio_error_message(last), "the peer speaks nonsense");
    asyncio_error_unref(last);
    drop_end(&end);

    open_socket(&end);
    close(end.peer);
    assert_int_equal(write_to(&end, "x", 1), 0);
    await_closed(&end);
    assert_int_equal(end.channel->code, -EPIPE);
    end.peer = -1;
    drop_end(&end);
    return 0;
}

/* --- pipes --------------------------------------------------------------------------------- */

static int use_pipes(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    end_t end;
    asyncio__channel_info_t info;
    open_pipe(&end, /* reads= */ true);
    assert_int_equal(write_to(&end, "x", 1), -EBADF);
    assert_int_equal(end.channel->class->info(end.channel, "pipe", &info), 0);
    assert_int_equal(end.channel->class->info(end.channel, "peername", &info), -EINVAL);
    assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), 0);
    close(end.peer);
    assert_int_equal(result_of(&end), 0);
    assert_true(end.channel->is_eof);
    end.peer = -1;
    drop_end(&end);

    open_pipe(&end, /* reads= */ false);
    assert_int_equal(begin_read(&end, ASYNCIO__READ_INTO), -EBADF);
    write_much(&end);
    assert_int_equal(end.channel->class->shutdown(end.channel), 0);
    assert_int_equal(drain_peer(&end, SIZE_MAX), MUCH_BYTES);
    await_closed(&end);
    assert_int_equal(end.channel->code, 0);
    drop_end(&end);

    /* The reader closes while bytes are unsent: the channel ends with -EPIPE, and no signal. */
    open_pipe(&end, /* reads= */ false);
    write_much(&end);
    close(end.peer);
    await_closed(&end);
    assert_int_equal(end.channel->code, -EPIPE);
    end.peer = -1;
    drop_end(&end);

    /* The reader closes while nothing is unsent: an orderly end, of which the owner is told at
     * once. */
    open_pipe(&end, /* reads= */ false);
    close(end.peer);
    await_closed(&end);
    assert_int_equal(end.channel->code, 0);
    end.peer = -1;
    drop_end(&end);
    return 0;
}

static void run_clean(asyncio_coroutine_function_t *fn)
{
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine(fn, NULL), NULL), 0);
    asyncio_error_clear();
    await_blocks(blocks);
}

/* A read puts the bytes into the owner's buffer, a lent one, or late into one of its choice. */
static void a_read_has_three_forms(void **state)
{
    (void)state;
    run_clean(read_in_each_form);
}

/* A pending read completes once, whatever ends it, and a cancelled read loses no byte. */
static void a_read_completes_once(void **state)
{
    (void)state;
    run_clean(end_while_reading);
}

/* Writes are sent in order and joined by a cork; the owner is told once that they are sent. */
static void writes_keep_their_order(void **state)
{
    (void)state;
    run_clean(write_in_order);
}

/* A close sends the unsent bytes, with or without the owner, and tells the owner once. */
static void a_close_is_told_once(void **state)
{
    (void)state;
    run_clean(close_in_order);
}

/* The error that ended a channel is kept with its details. */
static void a_loss_keeps_its_details(void **state)
{
    (void)state;
    run_clean(lose_with_details);
}

/* Pipes are channels of one direction; a write to a pipe without a reader is -EPIPE, never a
 * signal. */
static void pipes_are_channels(void **state)
{
    (void)state;
    run_clean(use_pipes);
}

static int leave_open(void *arg, void **ret_result)
{
    (void)ret_result;
    end_t *ends = arg;
    open_socket(&ends[0]);
    begin_read(&ends[0], ASYNCIO__READ_INTO);
    open_socket(&ends[1]);
    write_much(&ends[1]);
    ends[1].channel->class->close(ends[1].channel);
    open_pipe(&ends[2], /* reads= */ false);
    return 0;
}

/* A channel that is open when its loop is closed ends then, and tells its owner. */
static void a_channel_outlives_its_loop(void **state)
{
    (void)state;
    const char *engine = getenv("ASYNCIO_ENGINE");
    if (engine && strcmp(engine, "sim") == 0)
        skip();
    end_t ends[3];
    long blocks = asyncio__live_blocks();
    assert_int_equal(asyncio_run(asyncio_coroutine(leave_open, ends), NULL), 0);
    assert_int_equal(ends[0].completed, 1);
    assert_int_equal(ends[1].closed, 1); /* it was closing */
    for (int i = 0; i < 3; i++) {
        ends[i].channel->class->close(ends[i].channel);
        assert_int_equal(ends[i].closed, 1);
        asyncio__channel_unref(ends[i].channel);
        close(ends[i].peer);
    }
    asyncio_error_clear();
    await_blocks(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_has_three_forms),
        cmocka_unit_test(a_read_completes_once),
        cmocka_unit_test(writes_keep_their_order),
        cmocka_unit_test(a_close_is_told_once),
        cmocka_unit_test(a_loss_keeps_its_details),
        cmocka_unit_test(pipes_are_channels),
        cmocka_unit_test(a_channel_outlives_its_loop),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
