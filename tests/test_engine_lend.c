/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine (src/engine/engine.h), driven without a loop: receives into lent
 * buffers, receives that choose their buffer late, and reads and writes of files.
 * Each test runs on each engine that ASYNCIO_ENGINE allows.
 */
#include <sys/mman.h>

#include "base/syscalls.h"
#include "support/engine_fixture.h"

static int receive_lent(asyncio__file_t *file, char *ret_text, size_t size)
{
    job_t job = transfer(ASYNCIO__RECV, file, NULL, 0);
    int n = run(&job);
    if (n > 0) {
        assert_non_null(job.operation.buffer);
        assert_int_equal(job.operation.size, ASYNCIO__LENT_BYTES);
        assert_true((size_t)n <= size);
        memcpy(ret_text, job.operation.buffer, (size_t)n);
        engine->class->return_buffer(engine, job.operation.buffer);
    } else {
        assert_null(job.operation.buffer);
    }
    return n;
}

/* A receive without a buffer is lent one that holds the data, whether it had to wait or not. */
static void test_lent(void **state)
{
    NEEDS_ENGINE();
    char text[100];
    asyncio__file_t *client, *server;
    connect_tcp(&client, &server);
    for (int i = 0; i < 200; i++) {
        job_t job = transfer(ASYNCIO__RECV, server, NULL, 0);
        int submitted = i % 2 ? submit(&job) : 0;
        if (i % 4 == 3)
            wait_once(0);
        assert_int_equal(run_transfer(ASYNCIO__SEND, client, &i, sizeof(i)), sizeof(i));
        if (i % 2) {
            assert_int_equal(finish(&job, submitted), sizeof(i));
            assert_memory_equal(job.operation.buffer, &i, sizeof(i));
            engine->class->return_buffer(engine, job.operation.buffer);
        } else {
            assert_int_equal(receive_lent(server, text, sizeof(text)), sizeof(i));
            assert_memory_equal(text, &i, sizeof(i));
        }
    }
    close_file(client);
    assert_int_equal(receive_lent(server, text, sizeof(text)), 0);
    close_file(server);
}

/* Pipes lend buffers too, and a message larger than a buffer arrives in several. */
static void test_lent_stream(void **state)
{
    NEEDS_ENGINE();
    enum { SIZE = 50000 };
    int fds[2], received = 0;
    unsigned char *out = malloc(SIZE), *in = malloc(SIZE);
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    asyncio__file_t *reader = open_file(fds[0]), *writer = open_file(fds[1]);
    for (int i = 0; i < SIZE; i++)
        out[i] = (unsigned char)(i * 13 + i / 256);
    assert_int_equal(run_transfer(ASYNCIO__SEND, writer, out, SIZE), SIZE);
    while (received < SIZE)
        received += receive_lent(reader, (char *)in + received, (size_t)(SIZE - received));
    assert_memory_equal(in, out, SIZE);
    close_file(writer);
    assert_int_equal(receive_lent(reader, (char *)in, SIZE), 0);
    close_file(reader);
    free(out);
    free(in);
}

/* A receive that ends without data keeps no buffer: cancelled, closed, or at the end. */
static void test_lent_cancelled(void **state)
{
    NEEDS_ENGINE();
    for (int i = 0; i < 3 * ASYNCIO__LENDER_BUFFERS; i++) {
        int peer;
        asyncio__file_t *file = open_pair(&peer);
        job_t job = transfer(ASYNCIO__RECV, file, NULL, 0);
        int submitted = submit(&job);
        if (i & 1)
            wait_once(0);
        if (i & 2)
            assert_int_equal(write(peer, "x", 1), 1);
        if (i % 3 == 0)
            close_file(file);
        else if (i % 3 == 1)
            engine->class->cancel(engine, &job.operation);
        else
            close(peer);
        int result = finish(&job, submitted);
        if (result > 0)
            engine->class->return_buffer(engine, job.operation.buffer);
        else
            assert_null(job.operation.buffer);
        assert_true(result == 1 || result == (i % 3 == 0   ? -EBADF
                                              : i % 3 == 1 ? -ECANCELED
                                                           : 0));
        if (i % 3 != 0)
            close_file(file);
        if (i % 3 != 2)
            close(peer);
    }
    assert_int_equal(engine->in_flight, 0);
}

/* When every buffer is lent, receives wait until one is returned; none is lost, and none spins. */
static void test_lent_all_out(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = ASYNCIO__LENDER_BUFFERS + 40 };
    asyncio__file_t *files[COUNT];
    int peers[COUNT], done = 0;
    job_t jobs[COUNT];
    bool is_done[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        files[i] = open_pair(&peers[i]);
        jobs[i] = transfer(ASYNCIO__RECV, files[i], NULL, 0);
        assert_int_equal(submit(&jobs[i]), 0);
    }
    wait_once(0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(write(peers[i], &i, sizeof(i)), sizeof(i));
    for (int round = 0; round < 200; round++)
        wait_once(0);
    for (int i = 0; i < COUNT; i++)
        done += jobs[i].calls;
    assert_int_equal(done, ASYNCIO__LENDER_BUFFERS);
    /* Nothing completes until a buffer is returned, and the engine does not spin meanwhile. */
    uint64_t enters = engine->enters;
    wait_once(2000000);
    assert_in_range(engine->enters - enters, 1, 2);
    for (int left = COUNT; left > 0;) {
        for (int i = 0; i < COUNT; i++) {
            if (jobs[i].calls == 0 || is_done[i])
                continue;
            assert_int_equal(jobs[i].operation.result, sizeof(i));
            assert_memory_equal(jobs[i].operation.buffer, &i, sizeof(i));
            engine->class->return_buffer(engine, jobs[i].operation.buffer);
            is_done[i] = true;
            left--;
            break;
        }
        wait_once(0);
    }
    for (int i = 0; i < COUNT; i++) {
        close_file(files[i]);
        close(peers[i]);
    }
}

static void *mmap_fails(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

/* Without memory for buffers a receive fails, and a later one succeeds. */
static void test_lent_without_memory(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char text[10];
    asyncio__file_t *file = open_pair(&peer);
    asyncio__syscalls_t real = asyncio__sys;
    assert_int_equal(write(peer, "abc", 3), 3);
    asyncio__sys.mmap = mmap_fails;
    assert_int_equal(receive_lent(file, text, sizeof(text)), -ENOMEM);
    asyncio__sys.mmap = real.mmap;
    assert_int_equal(receive_lent(file, text, sizeof(text)), 3);
    close_file(file);
    close(peer);
}

static int register_fails(int ring, unsigned operation, void *argument, unsigned count)
{
    (void)ring, (void)operation, (void)argument, (void)count;
    errno = EINVAL;
    return -1;
}

/* Lending works on a kernel without rings of buffers. */
static void test_lent_without_ring(void **state)
{
    NEEDS_ENGINE();
    int peer;
    asyncio__file_t *file = open_pair(&peer);
    asyncio__syscalls_t real = asyncio__sys;
    wait_once(0);
    asyncio__sys.io_uring_register = register_fails;
    for (int i = 0; i < 100; i++) {
        job_t job = transfer(ASYNCIO__RECV, file, NULL, 0);
        assert_int_equal(submit(&job), 0);
        wait_once(0);
        assert_int_equal(job.calls, 0);
        assert_int_equal(write(peer, "abc", 3), 3);
        assert_int_equal(finish(&job, 0), 3);
        assert_memory_equal(job.operation.buffer, "abc", 3);
        engine->class->return_buffer(engine, job.operation.buffer);
    }
    asyncio__sys.io_uring_register = real.io_uring_register;
    close_file(file);
    close(peer);
}

static int polls; /* calls of poll(2) */
static int (*real_poll)(struct pollfd *fds, nfds_t count, int timeout_ms);

static int counted_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    polls++;
    return real_poll(fds, count, timeout_ms);
}

/* An owner that calls recv() itself once POLL_IN has completed gets every byte, and in steady
 * traffic the engine makes no calls of poll(2). */
static void test_late(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *client, *server;
    char text[100];
    connect_tcp(&client, &server);
    real_poll = asyncio__sys.poll;
    asyncio__sys.poll = counted_poll;
    for (int i = 0; i < 200; i++) {
        job_t job = {.operation = {.kind = ASYNCIO__POLL_IN, .file = server}};
        if (i == 1)
            polls = 0;
        int submitted = submit(&job);
        if (i % 2)
            wait_once(0);
        assert_int_equal(submitted + job.calls, 0);
        assert_int_equal(engine->class->receive(engine, server, text, sizeof(text)), -EBUSY);
        assert_int_equal(run_transfer(ASYNCIO__SEND, client, &i, sizeof(i)), sizeof(i));
        assert_int_equal(finish(&job, submitted), 0);
        assert_int_equal(engine->class->receive(engine, server, text, sizeof(text)), sizeof(i));
        assert_memory_equal(text, &i, sizeof(i));
        assert_int_equal(engine->class->receive(engine, server, text, sizeof(text)), -EAGAIN);
    }
    asyncio__sys.poll = real_poll;
    assert_int_equal(polls, 0);
    close_file(client);
    job_t job = {.operation = {.kind = ASYNCIO__POLL_IN, .file = server}};
    assert_int_equal(run(&job), 0);
    assert_int_equal(engine->class->receive(engine, server, text, sizeof(text)), 0);
    close_file(server);
}

/* A regular file can be written and read at an offset, and at its current position. */
static void test_regular_file(void **state)
{
    NEEDS_ENGINE();
    char path[] = "/tmp/asyncio-test-XXXXXX", text[10] = {0};
    asyncio__file_t *file;
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(engine->class->open_file(engine, fd, ASYNCIO__FILE_REGULAR, &file), 0);
    for (int i = 0; i < 40; i++) {
        job_t job = transfer(ASYNCIO__WRITE, file, "0123456789", 10);
        job.operation.offset = 10 * i;
        assert_int_equal(run(&job), 10);
        job = transfer(ASYNCIO__READ, file, text, 4);
        job.operation.offset = 10 * i + 3;
        assert_int_equal(run(&job), 4);
        assert_memory_equal(text, "3456", 4);
    }
    for (int i = 0; i < 40; i++) {
        job_t job = transfer(ASYNCIO__READ, file, text, 10);
        job.operation.offset = -1;
        assert_int_equal(run(&job), 10);
        assert_memory_equal(text, "0123456789", 10);
    }
    job_t job = transfer(ASYNCIO__READ, file, text, 10);
    job.operation.offset = -1;
    assert_int_equal(run(&job), 0);
    close_file(file);
}

/* READ and WRITE of a pipe wait, as RECV and SEND do. */
static void test_read_waits(void **state)
{
    NEEDS_ENGINE();
    int fds[2];
    char text[10];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    asyncio__file_t *reader = open_file(fds[0]), *writer = open_file(fds[1]);
    for (int i = 0; i < 40; i++) {
        job_t reading = transfer(ASYNCIO__READ, reader, text, sizeof(text));
        job_t writing = transfer(ASYNCIO__WRITE, writer, "abc", 3);
        reading.operation.offset = writing.operation.offset = -1;
        assert_int_equal(submit(&reading), 0);
        wait_once(0);
        assert_int_equal(run(&writing), 3);
        assert_int_equal(finish(&reading, 0), 3);
    }
    close_file(reader);
    close_file(writer);
}

static ssize_t lacks_flag(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    (void)fd, (void)parts, (void)count, (void)offset, (void)flags;
    errno = EOPNOTSUPP;
    return -1;
}

/* A write to a pipe whose reading end is closed fails with -EPIPE and raises no signal, with and
 * without kernel support for that; a SIGPIPE that was pending before stays pending. */
static void test_broken_pipe(void **state)
{
    NEEDS_ENGINE();
    asyncio__syscalls_t real = asyncio__sys;
    struct sigaction former, plain = {.sa_handler = SIG_DFL};
    sigset_t only, pending, mask;
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    assert_int_equal(sigaction(SIGPIPE, &plain, &former), 0);
    for (int i = 0; i < 4; i++) {
        int fds[2];
        assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        asyncio__file_t *writer = open_file(fds[1]);
        close(fds[0]);
        if (i & 1)
            asyncio__sys.pwritev2 = lacks_flag;
        if (i & 2) {
            pthread_sigmask(SIG_BLOCK, &only, &mask);
            raise(SIGPIPE);
        }
        assert_int_equal(run_transfer(ASYNCIO__SEND, writer, "abc", 3), -EPIPE);
        job_t job = transfer(ASYNCIO__WRITE, writer, "abc", 3);
        job.operation.offset = -1;
        assert_int_equal(run(&job), -EPIPE);
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), (i & 2) != 0);
        if (i & 2) {
            int signo;
            sigwait(&only, &signo);
            pthread_sigmask(SIG_SETMASK, &mask, NULL);
        }
        asyncio__sys = real;
        close_file(writer);
    }
    sigaction(SIGPIPE, &former, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_lent),
        ON_ALL(test_lent_stream),
        ON_ALL(test_lent_cancelled),
        ON_ALL(test_lent_all_out),
        ON_ALL(test_lent_without_memory),
        ON_ALL(test_lent_without_ring),
        ON_ALL(test_late),
        ON_ALL(test_regular_file),
        ON_ALL(test_read_waits),
        ON_ALL(test_broken_pipe),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
