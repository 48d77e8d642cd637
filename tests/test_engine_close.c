/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine (src/engine/engine.h), driven without a loop: operations that end by a
 * close, a shutdown or another thread, and epoll sets that others poll.
 * Each test runs on each engine that ASYNCIO_ENGINE allows.
 */
#include "base/syscalls.h"
#include "support/engine_fixture.h"

static asyncio__syscalls_t real; /* the table as it was */

/* ---- Operations that end from elsewhere ---- */

/* A thread that has run the engine and is still alive while the main thread closes it. */
static pthread_barrier_t has_run, may_end;

static void *run_once(void *arg)
{
    (void)arg;
    wait_once(0);
    pthread_barrier_wait(&has_run);
    pthread_barrier_wait(&may_end);
    return NULL;
}

/* An engine that is closed on another thread than the one that ran it releases its sockets, even
 * while that thread is alive. */
static void test_closed_by_other_thread(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte;
    pthread_t thread;
    asyncio__file_t *file = open_pair(&peer);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    pthread_barrier_init(&has_run, NULL, 2);
    pthread_barrier_init(&may_end, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, run_once, NULL), 0);
    pthread_barrier_wait(&has_run);
    engine->class->close(engine);
    engine = NULL;
    assert_int_equal(job.operation.result, -ECANCELED);
    struct pollfd end_of_stream = {.fd = peer, .events = POLLIN};
    int is_closed = poll(&end_of_stream, 1, 20000);
    pthread_barrier_wait(&may_end);
    pthread_join(thread, NULL);
    assert_int_equal(is_closed, 1);
    close(peer);
}

/* After a shutdown of the own side pending sends fail and pending receives end, on every kind of
 * socket. */
static void test_shutdown(void **state)
{
    NEEDS_ENGINE();
    enum { SIZE = 1 << 23 };
    char *out = calloc(1, SIZE), byte;
    for (int i = 0; i < 4; i++) {
        int peer = -1, result;
        asyncio__file_t *file, *other = NULL;
        if (i & 1)
            file = open_pair(&peer);
        else
            connect_tcp(&file, &other);
        job_t receiving = transfer(ASYNCIO__RECV, file, i & 2 ? &byte : NULL, i & 2 ? 1 : 0);
        job_t sending = transfer(ASYNCIO__SEND, file, out, SIZE);
        assert_int_equal(submit(&receiving), 0);
        while (submit(&sending) == 1 && sending.operation.result > 0)
            ;
        wait_once(0);
        while (sending.calls == 1 && sending.operation.result > 0) {
            if (submit(&sending) == 0)
                wait_once(0);
        }
        assert_int_equal(sending.calls, 0);
        assert_int_equal(engine->class->shutdown_file(engine, file, SHUT_WR), 0);
        result = finish(&sending, 0);
        if (result > 0) /* the part that the kernel had accepted */
            result = run(&sending);
        assert_int_equal(result, -EPIPE);
        assert_int_equal(receiving.calls, 0);
        assert_int_equal(engine->class->shutdown_file(engine, file, SHUT_RD), 0);
        assert_int_equal(finish(&receiving, 0), 0);
        close_file(file);
        if (other)
            close_file(other);
        else
            close(peer);
    }
    free(out);
}

/* The result of a send whose file is closed is the number of bytes that the kernel has sent. */
static void test_close_keeps_sent_count(void **state)
{
    NEEDS_ENGINE();
    enum { SIZE = 1 << 23 };
    char *bytes = calloc(1, SIZE);
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address), *file;
    int client = connect_plainly(&address);
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    file = open_file(run(&job));
    long sent = 0, received = 0;
    job = transfer(ASYNCIO__SEND, file, bytes, SIZE);
    int submitted;
    while ((submitted = submit(&job)) == 1 && job.operation.result > 0)
        sent += job.operation.result;
    assert_int_equal(submitted, 0);
    for (int i = 0; i < 3; i++)
        wait_once(0);
    while (job.calls == 1 && job.operation.result > 0) {
        sent += job.operation.result;
        if ((submitted = submit(&job)) == 0)
            wait_once(0);
    }
    close_file(file);
    int result = finish(&job, 0);
    sent += result > 0 ? result : 0;
    if (result < 0)
        assert_int_equal(result, -EBADF);
    for (ssize_t n; (n = read(client, bytes, SIZE)) > 0;)
        received += n;
    assert_int_equal(received, sent);
    close(client);
    close_file(listener);
    free(bytes);
}

/* ---- A set polled by others ---- */

/* A watched descriptor that was closed while a copy of it is open does not keep waking a foreign
 * loop, whether that loop polls or has the engine's descriptor in an epoll set of its own. */
static void ignore_events(asyncio__watch_t *watch, unsigned events)
{
    if (events == ASYNCIO__WATCH_GONE) {
        watch->events = 0;
        engine->class->watch(engine, watch);
    }
}

static void test_poll_fd_with_copy(void **state)
{
    NEEDS_ENGINE();
    int fds[2], foreign = epoll_create1(EPOLL_CLOEXEC);
    struct pollfd poll_fd = {.fd = engine->class->poll_fd(engine), .events = POLLIN};
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(foreign, EPOLL_CTL_ADD, poll_fd.fd, &event), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        asyncio__watch_t watch = {.fd = fds[0], .events = ASYNCIO__WATCH_READ,
                                  .ready = ignore_events};
        assert_int_equal(engine->class->watch(engine, &watch), 0);
        wait_once(0);
        int copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        close(fds[0]);
        watch.events = 0;
        assert_int_equal(engine->class->watch(engine, &watch), 0);
        assert_int_equal(write(fds[1], "x", 1), 1);
        for (int round = 0; round < 10; round++)
            wait_once(0);
        assert_int_equal(poll(&poll_fd, 1, 0), 0);
        assert_int_equal(epoll_wait(foreign, &event, 1, 0), 0);
        close(copy);
        close(fds[1]);
        /* The foreign loop still sees new events. */
        int peer;
        char byte;
        asyncio__file_t *file = open_pair(&peer);
        job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
        assert_int_equal(submit(&job), 0);
        wait_once(0);
        assert_int_equal(poll(&poll_fd, 1, 0), 0);
        assert_int_equal(write(peer, "x", 1), 1);
        assert_int_equal(poll(&poll_fd, 1, 10000), 1);
        assert_int_equal(epoll_wait(foreign, &event, 1, 0), 1);
        assert_int_equal(finish(&job, 0), 1);
        close_file(file);
        close(peer);
    }
    close(foreign);
}

static int no_room_in_set(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_ADD)
        return real.epoll_ctl(epoll, operation, fd, event);
    errno = ENOSPC;
    return -1;
}

/* A descriptor that the kernel has no memory to add to the set is refused and never reported as
 * ready; once there is memory it works. */
static void test_no_room_in_set(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    real = asyncio__sys;
    for (int kind = ASYNCIO__ACCEPT; kind <= ASYNCIO__POLL_IN; kind += 2) {
        job_t job = {.operation = {.kind = (uint8_t)kind, .file = listener}};
        asyncio__sys.epoll_ctl = no_room_in_set;
        assert_int_equal(engine->class->submit(engine, &job.operation), -ENOSPC);
        asyncio__sys = real;
        wait_once(0);
        assert_int_equal(engine->in_flight, 0);
        assert_int_equal(job.calls, 0);
    }
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    assert_int_equal(submit(&job), 0);
    int client = connect_plainly(&address);
    int fd = finish(&job, 0);
    assert_true(fd > 2);
    close(fd);
    close(client);
    close_file(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_closed_by_other_thread),
        ON_ALL(test_shutdown),
        ON_ALL(test_close_keeps_sent_count),
        ON_ALL(test_poll_fd_with_copy),
        ON("epoll", test_no_room_in_set, begin_epoll),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
