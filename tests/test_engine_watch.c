/* SPDX-License-Identifier: MIT */
/*
 * Watches of the engines: level-triggered, and robust when the program closes a watched descriptor
 * while copies of it are open or its number is used again.
 */
#include "support/engine_fixture.h"

#include "base/syscalls.h"

typedef struct seen {
    asyncio__watch_t watch;
    int reads;            /* calls with ASYNCIO__WATCH_READ */
    int writes;           /* calls with ASYNCIO__WATCH_WRITE */
    bool is_gone;         /* it was called because the descriptor was closed */
    struct seen *ends;    /* a watch that the first call ends, or NULL */
} seen_t;

static void see(asyncio__watch_t *watch, unsigned events)
{
    seen_t *seen = ASYNCIO__CONTAINER(watch, seen_t, watch);
    seen->reads += (events & ASYNCIO__WATCH_READ) != 0;
    seen->writes += (events & ASYNCIO__WATCH_WRITE) != 0;
    seen->is_gone = seen->is_gone || events == ASYNCIO__WATCH_GONE;
    if (seen->ends) {
        seen->ends->watch.events = 0;
        assert_int_equal(engine->class->watch(engine, &seen->ends->watch), 0);
        seen->ends->ends = NULL;
        seen->ends = NULL;
    }
}

static void watch(seen_t *seen, int fd, unsigned events)
{
    seen->watch.ready = see;
    seen->watch.fd = fd;
    seen->watch.events = events;
    assert_int_equal(engine->class->watch(engine, &seen->watch), 0);
}

/* A watch is called at every wait while its descriptor is ready, for each watched direction. */
static void test_watch(void **state)
{
    NEEDS_ENGINE();
    int fds[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    seen_t *seen = calloc(1, sizeof(*seen));
    watch(seen, fds[0], ASYNCIO__WATCH_READ);
    wait_once(0);
    assert_int_equal(seen->reads, 0);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    for (int i = 1; i <= 3; i++) {
        wait_once(1000000000);
        assert_int_equal(seen->reads, i);
    }
    watch(seen, fds[0], ASYNCIO__WATCH_READ | ASYNCIO__WATCH_WRITE);
    for (int i = 0; seen->reads < 6 || seen->writes < 3; i++) {
        assert_in_range(i, 0, 20);
        wait_once(1000000000);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    wait_once(0);
    int reads = seen->reads, writes = seen->writes;
    for (int i = 0; i < 3; i++)
        wait_once(1000000000);
    assert_in_range(seen->reads, reads, reads + 1);
    assert_true(seen->writes > writes);
    watch(seen, fds[0], ASYNCIO__WATCH_READ);
    wait_once(0);
    wait_once(0);
    writes = seen->writes;
    wait_once(0);
    assert_int_equal(seen->writes, writes);
    assert_int_equal(engine->in_flight, 1);
    watch(seen, fds[0], 0);
    assert_int_equal(engine->in_flight, 0);
    free(seen);
    assert_int_equal(write(fds[1], "x", 1), 1);
    wait_once(0);
    close(fds[0]);
    /* The socket is really closed: its peer sees the end. */
    assert_int_equal(recv(fds[1], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fds[1]);
}

/* A watch that a callback ends is not called any more, although its event has arrived already. */
static void test_watch_ended_inside_batch(void **state)
{
    NEEDS_ENGINE();
    for (int i = 0; i < 20; i++) {
        int first[2], second[2];
        assert_int_equal(pipe2(first, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(pipe2(second, O_NONBLOCK | O_CLOEXEC), 0);
        seen_t one = {.ends = NULL}, two = {.ends = &one};
        one.ends = &two;
        watch(&one, first[0], ASYNCIO__WATCH_READ);
        watch(&two, second[0], ASYNCIO__WATCH_READ);
        wait_once(0);
        assert_int_equal(write(first[1], "x", 1), 1);
        assert_int_equal(write(second[1], "x", 1), 1);
        wait_once(1000000000);
        wait_once(1000000000);
        assert_true((one.reads == 0) != (two.reads == 0));
        watch(&one, first[0], 0);
        watch(&two, second[0], 0);
        for (int j = 0; j < 2; j++) {
            close(first[j]);
            close(second[j]);
        }
    }
    assert_int_equal(engine->in_flight, 0);
}

/* A watched descriptor that is closed without removing the watch harms neither the engine nor the
 * next descriptor of that number. */
static void test_watch_closed_behind(void **state)
{
    NEEDS_ENGINE();
    int fds[2], peer;
    char byte;
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    seen_t seen = {.ends = NULL};
    watch(&seen, fds[0], ASYNCIO__WATCH_READ);
    wait_once(0);
    close(fds[0]);
    close(fds[1]);
    asyncio__file_t *file = open_pair(&peer);
    assert_int_equal(file->fd, fds[0]);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    watch(&seen, fds[0], 0);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(finish(&job, 0), 1);
    close_file(file);
    close(peer);
}

/* Opens an empty pipe and watches its reading end. */
static void watch_pipe(seen_t *seen, int fds[2])
{
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    *seen = (seen_t){.ends = NULL};
    watch(seen, fds[0], ASYNCIO__WATCH_READ);
}

/* The same with a byte in the pipe. */
static void watch_input(seen_t *seen, int fds[2])
{
    watch_pipe(seen, fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
}

/* --- between two waits --------------------------------------------------------------------- */

/* Ends the watch of a pipe. To do so io_uring reaps completions outside of wait(). */
static void end_pipe(seen_t *seen, int fds[2])
{
    watch(seen, fds[0], 0);
    close(fds[0]);
    close(fds[1]);
}

/* Events that the engine reaps between two waits are delivered by the next wait, each once, and the
 * completions after them are not lost. */
static void test_seen_between_waits(void **state)
{
    NEEDS_ENGINE();
    seen_t seen, other;
    int fds[2], other_fds[2], peer;
    char byte;
    watch_pipe(&other, other_fds);
    watch_input(&seen, fds);
    asyncio__file_t *file = open_pair(&peer);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(write(peer, "y", 1), 1);
    int submitted = submit(&job);
    end_pipe(&other, other_fds);
    for (int i = 1; i <= 3; i++) {
        wait_once(1000000000);
        assert_int_equal(seen.reads, i);
    }
    assert_int_equal(job.calls, submitted == 0);
    assert_int_equal(finish(&job, submitted), 1);
    assert_int_equal(engine->in_flight, 1);
    end_pipe(&seen, fds);
    assert_int_equal(engine->in_flight, 0);
    close_file(file);
    close(peer);
}

/* If the engine finds between two waits that a descriptor was closed, and its number is watched
 * again before the next wait, the new watch is not told of that close. */
static void test_asked_again_between_waits(void **state)
{
    NEEDS_ENGINE();
    seen_t seen, other;
    int fds[2], other_fds[2], next[2];
    watch_input(&seen, fds);
    watch_pipe(&other, other_fds);
    wait_once(1000000000);
    assert_int_equal(seen.reads, 1);
    close(fds[0]);
    watch(&seen, fds[0], ASYNCIO__WATCH_READ);
    end_pipe(&other, other_fds);
    assert_int_equal(pipe2(next, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(next[0], fds[0]);
    watch(&seen, next[0], ASYNCIO__WATCH_READ);
    wait_once(0);
    assert_false(seen.is_gone);
    assert_int_equal(seen.reads, 1);
    assert_int_equal(write(next[1], "x", 1), 1);
    wait_once(1000000000);
    wait_once(1000000000);
    assert_false(seen.is_gone);
    assert_true(seen.reads > 1);
    end_pipe(&seen, next);
    assert_int_equal(engine->in_flight, 0);
    close(fds[1]);
}

/* --- copies of closed descriptors ---------------------------------------------------------- */

/* Whether a foreign loop that polls the engine would find nothing ready. */
static bool is_quiet(void)
{
    struct pollfd poll_fd = {.fd = engine->class->poll_fd(engine), .events = POLLIN};
    wait_once(0);
    return poll(&poll_fd, 1, 0) == 0;
}

/* A copy of a descriptor that was closed, and whose watch then ended, does not keep waking. */
static void test_copy_of_closed(void **state)
{
    NEEDS_ENGINE();
    seen_t seen;
    int fds[2];
    watch_input(&seen, fds);
    wait_once(0);
    wait_once(0);
    assert_true(seen.reads > 0);
    int copy = dup(fds[0]), reads = seen.reads;
    close(fds[0]);
    watch(&seen, fds[0], 0);
    assert_int_equal(engine->in_flight, 0);
    for (int i = 0; i < 4; i++)
        wait_once(0);
    assert_int_equal(seen.reads, reads);
    assert_true(is_quiet());
    close(copy);
    close(fds[1]);
}

/* The same while the number belongs to another descriptor, whose own watch keeps working. */
static void test_copy_of_closed_among_others(void **state)
{
    NEEDS_ENGINE();
    seen_t seen, other;
    int fds[2], other_fds[2], peer;
    char byte;
    watch_input(&seen, fds);
    int copy = dup(fds[0]);
    close(fds[0]);
    watch_input(&other, other_fds);
    assert_int_equal(other_fds[0], fds[0]);
    watch(&seen, fds[0], 0);
    asyncio__file_t *file = open_pair(&peer);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    for (int i = 0; i < 4; i++)
        wait_once(0);
    assert_int_equal(seen.reads, 0);
    assert_true(other.reads > 0);
    assert_int_equal(read(other_fds[0], &byte, 1), 1);
    assert_int_equal(write(peer, "y", 1), 1);
    assert_int_equal(finish(&job, 0), 1);
    assert_int_equal(byte, 'y');
    wait_once(0);
    int reads = other.reads;
    assert_int_equal(write(other_fds[1], "x", 1), 1);
    wait_once(1000000000);
    assert_true(other.reads > reads);
    engine->class->wake(engine);
    wait_once(1000000000);
    watch(&other, other_fds[0], 0);
    close_file(file);
    close(peer);
    close(copy);
    for (int i = 0; i < 2; i++)
        close(other_fds[i]);
    close(fds[1]);
}

/* A descriptor that is closed while it is watched and has a copy is reported once. */
static void test_closed_while_watched(void **state)
{
    NEEDS_ENGINE();
    seen_t seen;
    int fds[2];
    watch_input(&seen, fds);
    wait_once(0);
    int copy = dup(fds[0]);
    close(fds[0]);
    for (int i = 0; !seen.is_gone; i++) {
        assert_in_range(i, 0, 5000);
        wait_once(0);
    }
    int reads = seen.reads;
    watch(&seen, fds[0], 0);
    for (int i = 0; i < 4; i++)
        wait_once(0);
    assert_int_equal(seen.reads, reads);
    assert_int_equal(engine->in_flight, 0);
    assert_true(is_quiet());
    close(copy);
    close(fds[1]);
}

/* Closing first and ending the watch then, many times, leaves no records behind. */
static void test_closed_again_and_again(void **state)
{
    NEEDS_ENGINE();
    seen_t seen;
    int fds[2];
    long blocks = 0;
    for (int i = 0; i < 100; i++) {
        watch_input(&seen, fds);
        close(fds[0]);
        close(fds[1]);
        watch(&seen, fds[0], 0);
        wait_once(0);
        if (i == 20)
            blocks = asyncio__live_blocks();
    }
    assert_in_range(asyncio__live_blocks(), 0, blocks + 10);
}

static int failures_left; /* of epoll_create1() */
static asyncio__syscalls_t real;

static int failing_create(int flags)
{
    if (failures_left-- <= 0)
        return real.epoll_create1(flags);
    errno = EMFILE;
    return -1;
}

static int failing_control(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_ADD || failures_left-- <= 0)
        return real.epoll_ctl(epoll, operation, fd, event);
    errno = ENOSPC;
    return -1;
}

/* Without descriptors or memory for a new epoll set the old one is used until there are some. */
static void test_no_new_set(void **state)
{
    NEEDS_ENGINE();
    seen_t seen, other;
    int fds[2], other_fds[2];
    real = asyncio__sys;
    for (int round = 0; round < 2; round++) {
        watch_input(&other, other_fds);
        watch_input(&seen, fds);
        int copy = dup(fds[0]);
        close(fds[0]);
        watch(&seen, fds[0], 0);
        failures_left = 2;
        if (round == 0)
            asyncio__sys.epoll_create1 = failing_create;
        else
            asyncio__sys.epoll_ctl = failing_control;
        for (int i = 0; i < 8; i++) {
            int reads = other.reads;
            wait_once(1000000000);
            wait_once(1000000000);
            assert_true(other.reads > reads);
        }
        asyncio__sys = real;
        assert_true(failures_left <= 0);
        watch(&other, other_fds[0], 0);
        close(copy);
        close(fds[1]);
        close(other_fds[0]);
        close(other_fds[1]);
    }
    assert_int_equal(engine->in_flight, 0);
}

/* When the program has closed the descriptor of a file, the file's pending operations end once the
 * number is used again. */
static void test_file_closed_behind(void **state)
{
    NEEDS_ENGINE();
    int peer, second_peer;
    char byte, second_byte;
    asyncio__file_t *file = open_pair(&peer);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    int copy = dup(file->fd);
    close(file->fd);
    asyncio__file_t *second = open_pair(&second_peer);
    assert_int_equal(second->fd, file->fd);
    job_t second_job = transfer(ASYNCIO__RECV, second, &second_byte, 1);
    assert_int_equal(submit(&second_job), 0);
    assert_int_equal(finish(&job, 0), -EBADF);
    job.operation.complete = complete;
    assert_int_equal(engine->class->submit(engine, &job.operation), -EBADF);
    job = transfer(ASYNCIO__SEND, file, "x", 1);
    assert_int_equal(engine->class->submit(engine, &job.operation), -EBADF);
    close_file(file);
    assert_int_equal(recv(second_peer, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(write(second_peer, "z", 1), 1);
    assert_int_equal(finish(&second_job, 0), 1);
    assert_int_equal(second_byte, 'z');
    close_file(second);
    close(copy);
    close(peer);
    close(second_peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_watch),
        ON_ALL(test_watch_ended_inside_batch),
        ON_ALL(test_watch_closed_behind),
        ON_ALL(test_seen_between_waits),
        ON("uring", test_asked_again_between_waits, begin_uring),
        ON_ALL(test_copy_of_closed),
        ON_ALL(test_copy_of_closed_among_others),
        ON_ALL(test_closed_while_watched),
        ON_ALL(test_closed_again_and_again),
        ON("epoll", test_no_new_set, begin_epoll),
        ON("epoll", test_file_closed_behind, begin_epoll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
