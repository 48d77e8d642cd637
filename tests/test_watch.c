/* SPDX-License-Identifier: MIT */
/* Readers and writers whose descriptor the program closes too early, and whose number lives on. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct watching {
    fixture_t *fixture; /* whose loop */
    int fds[2];         /* a pair of connected sockets; the first is watched */
    int calls;          /* of the callback */
    int stop_at;        /* then the loop is stopped; 0: never */
} watching_t;

static void count(void *arg)
{
    watching_t *watching = arg;
    if (++watching->calls == watching->stop_at)
        asyncio_loop_stop(watching->fixture->loop);
}

static void stop(void *arg)
{
    asyncio_loop_stop(((watching_t *)arg)->fixture->loop);
}

/* Opens a socket pair with input at its first end. */
static void open_input(watching_t *watching, fixture_t *fixture)
{
    *watching = (watching_t){.fixture = fixture};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                watching->fds),
                     0);
    assert_int_equal(write(watching->fds[1], "x", 1), 1);
}

static void close_both(watching_t *watching)
{
    close(watching->fds[0]);
    close(watching->fds[1]);
}

/* Runs turns while only watches can keep the loop awake. */
static void run_turns(fixture_t *fixture, watching_t *watching, int turns)
{
    for (int i = 0; i < turns; i++) {
        assert_int_equal(asyncio_loop_call_soon(fixture->loop, stop, watching, NULL), 0);
        assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    }
}

/* A watch that is removed after the close has ended, even if a copy of the descriptor is open. */
static void a_watch_ended_too_late_has_ended(void **state)
{
    fixture_t *fixture = *state;
    watching_t watching;
    skip_without_descriptors(fixture);
    open_input(&watching, fixture);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.fds[0], count, &watching), 0);
    run_turns(fixture, &watching, 2);
    int copy = dup(watching.fds[0]), calls = watching.calls;
    assert_true(calls > 0);
    close(watching.fds[0]);
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, watching.fds[0]), 1);
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, watching.fds[0]), 0);
    run_turns(fixture, &watching, 5);
    assert_int_equal(watching.calls, calls);
    close(copy);
    close(watching.fds[1]);
}

/* A watch that is never removed works for a bounded time, is reported with its source location, and
 * ends. */
static void a_watch_never_ended_is_reported(void **state)
{
    fixture_t *fixture = *state;
    watching_t watching;
    skip_without_descriptors(fixture);
    open_input(&watching, fixture);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.fds[0], count, &watching), 0);
    int copy = dup(watching.fds[0]);
    close(watching.fds[0]);
    for (int i = 0; fixture->reports == 0; i++) {
        assert_in_range(i, 0, 5000);
        run_turns(fixture, &watching, 1);
    }
    fixture->expected_reports = 1;
    assert_int_equal(fixture->last.code, -EBADF);
    assert_string_equal(fixture->last.message, "a file descriptor was closed while it was watched");
    assert_non_null(strstr(fixture->last.place, "test_watch.c:"));
    int calls = watching.calls;
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, watching.fds[0]), 0);
    run_turns(fixture, &watching, 5);
    assert_int_equal(watching.calls, calls);
    close(copy);
    close(watching.fds[1]);
}

/* A number that is watched again and means another descriptor now reports events of that one
 * only. */
static void a_number_used_again_is_the_new_ones(void **state)
{
    fixture_t *fixture = *state;
    watching_t former, present;
    char byte;
    skip_without_descriptors(fixture);
    open_input(&former, fixture);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, former.fds[0], count, &former), 0);
    run_turns(fixture, &former, 2);
    int copy = dup(former.fds[0]), calls = former.calls;
    close(former.fds[0]);
    open_input(&present, fixture);
    assert_int_equal(present.fds[0], former.fds[0]);
    assert_int_equal(read(present.fds[0], &byte, 1), 1);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, present.fds[0], count, &present), 0);
    run_turns(fixture, &present, 5);
    assert_int_equal(present.calls, 0); /* the other one's input is not its own */
    assert_int_equal(write(present.fds[1], "y", 1), 1);
    present.stop_at = 1;
    assert_int_equal(asyncio_loop_run_forever(fixture->loop), 0);
    assert_int_equal(present.calls, 1);
    assert_int_equal(former.calls, calls);
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, present.fds[0]), 1);
    close(copy);
    close(former.fds[1]);
    close_both(&present);
}

/* If the other direction watched the former descriptor, that is reported, and the watch ends. */
static void the_other_direction_is_not_handed_on(void **state)
{
    fixture_t *fixture = *state;
    watching_t former, present;
    skip_without_descriptors(fixture);
    if (asyncio_loop_get_engine(fixture->loop) == ASYNCIO_ENGINE_URING)
        skip(); /* polls by the number each time, and cannot tell */
    for (int is_removal = 0; is_removal < 2; is_removal++) {
        open_input(&former, fixture);
        assert_int_equal(asyncio_loop_add_reader(fixture->loop, former.fds[0], count, &former), 0);
        if (is_removal)
            assert_int_equal(asyncio_loop_add_writer(fixture->loop, former.fds[0], count, &former),
                             0);
        int copy = dup(former.fds[0]);
        close(former.fds[0]);
        open_input(&present, fixture);
        assert_int_equal(present.fds[0], former.fds[0]);
        fixture->expected_reports++;
        if (is_removal)
            assert_int_equal(asyncio_loop_remove_writer(fixture->loop, former.fds[0]), 1);
        else
            assert_int_equal(
                asyncio_loop_add_writer(fixture->loop, present.fds[0], count, &present), 0);
        assert_int_equal(fixture->reports, is_removal + 1);
        assert_int_equal(fixture->last.code, -EBADF);
        assert_int_equal(asyncio_loop_remove_reader(fixture->loop, present.fds[0]), 0);
        run_turns(fixture, &present, 5);
        assert_int_equal(former.calls, 0);
        assert_int_equal(present.calls > 0, !is_removal);
        assert_int_equal(asyncio_loop_remove_writer(fixture->loop, present.fds[0]), !is_removal);
        close(copy);
        close(former.fds[1]);
        close_both(&present);
    }
}

/* Replacing a callback fails if the descriptor is closed, and the watch ends. */
static void a_closed_number_is_refused(void **state)
{
    fixture_t *fixture = *state;
    watching_t watching;
    skip_without_descriptors(fixture);
    if (asyncio_loop_get_engine(fixture->loop) == ASYNCIO_ENGINE_URING)
        skip(); /* its poll keeps the descriptor open until it fires */
    open_input(&watching, fixture);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.fds[0], count, &watching), 0);
    close_both(&watching);
    fixture->expected_reports = 1;
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, watching.fds[0], count, &watching),
                     -EBADF);
    assert_int_equal(fixture->reports, 1);
    assert_int_equal(asyncio_loop_remove_reader(fixture->loop, watching.fds[0]), 0);
}

typedef struct told {
    watching_t watching; /* the pair */
    unsigned events;     /* what the callback was told last */
    int calls;           /* how often it was called */
} told_t;

static void on_events(int fd, unsigned events, void *arg)
{
    told_t *told = arg;
    assert_int_equal(fd, told->watching.fds[0]);
    told->events = events;
    told->calls++;
}

/* A watch of both directions has one callback, called once a turn with the ready directions; it
 * works beside a reader of the same descriptor, and each is removed separately. */
static void a_watch_tells_what_is_ready(void **state)
{
    fixture_t *fixture = *state;
    asyncio_loop_t *loop = fixture->loop;
    told_t told = {0};
    skip_without_descriptors(fixture);
    open_input(&told.watching, fixture);
    int fd = told.watching.fds[0];
    assert_int_equal(asyncio_loop_watch_fd(loop, fd, 4, on_events, &told), -EINVAL);
    assert_int_equal(asyncio_loop_watch_fd(loop, fd, 0, on_events, &told), -EINVAL);
    assert_int_equal(asyncio_loop_watch_fd(loop, fd, ASYNCIO_FD_READ, NULL, &told), -EINVAL);
    assert_int_equal(
        asyncio_loop_watch_fd(loop, fd, ASYNCIO_FD_READ | ASYNCIO_FD_WRITE, on_events, &told), 0);
    run_turns(fixture, &told.watching, 2);
    assert_int_equal(told.events, ASYNCIO_FD_READ | ASYNCIO_FD_WRITE);
    assert_in_range(told.calls, 1, 2);
    assert_int_equal(asyncio_loop_watch_fd(loop, fd, ASYNCIO_FD_WRITE, on_events, &told), 0);
    assert_int_equal(asyncio_loop_add_reader(loop, fd, count, &told.watching), 0);
    run_turns(fixture, &told.watching, 2);
    assert_int_equal(told.events, ASYNCIO_FD_WRITE);
    assert_in_range(told.watching.calls, 1, 2);
    int calls = told.calls;
    assert_int_equal(asyncio_loop_unwatch_fd(loop, fd), 1);
    assert_int_equal(asyncio_loop_unwatch_fd(loop, fd), 0);
    run_turns(fixture, &told.watching, 2);
    assert_int_equal(told.calls, calls);
    assert_true(told.watching.calls > 2);
    assert_int_equal(asyncio_loop_remove_reader(loop, fd), 1);
    close_both(&told.watching);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_watch_ended_too_late_has_ended),
        FIXTURE_TEST(a_watch_never_ended_is_reported),
        FIXTURE_TEST(a_number_used_again_is_the_new_ones),
        FIXTURE_TEST(the_other_direction_is_not_handed_on),
        FIXTURE_TEST(a_closed_number_is_refused),
        FIXTURE_TEST(a_watch_tells_what_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
