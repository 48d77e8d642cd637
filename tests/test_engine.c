/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine (src/engine/engine.h), driven without a loop. Each test runs on each
 * engine that ASYNCIO_ENGINE allows, and compares descriptors and memory before and after.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/uring.h"

/* ---- What the tests are made of ---- */

typedef int (*open_function_t)(asyncio__engine_t **ret_engine);

static asyncio__engine_t *engine; /* of the present test */
static int fds_before;            /* descriptors open when it began */
static long blocks_before;        /* blocks of memory then */

/* An operation and what became of it. */
typedef struct job {
    asyncio__operation_t operation;
    int calls;                 /* of complete */
    void (*then)(struct job *); /* called by complete, or NULL */
} job_t;

static int open_small_uring(asyncio__engine_t **ret_engine)
{
    return asyncio__uring_open_sized(2, 4, ret_engine);
}

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool is_wanted(const char *name)
{
    const char *wanted = getenv("ASYNCIO_ENGINE");
    return !wanted || !*wanted || strncmp(wanted, name, strlen(wanted)) == 0;
}

static int begin(const char *name, open_function_t open)
{
    fds_before = count_fds();
    blocks_before = asyncio__live_blocks();
    engine = NULL;
    if (!is_wanted(name))
        return 0;
    int rc = open(&engine);
    if (rc == -EPERM || rc == -ENOSYS)
        printf("engine %s is not to be had here\n", name);
    return rc == 0 || rc == -EPERM || rc == -ENOSYS ? 0 : -1;
}

static int begin_epoll(void **state)
{
    (void)state;
    return begin("epoll", asyncio__epoll_open);
}

static int begin_uring(void **state)
{
    (void)state;
    return begin("uring", asyncio__uring_open);
}

static int begin_small(void **state)
{
    (void)state;
    return begin("uring (small)", open_small_uring);
}

static int begin_sim(void **state)
{
    (void)state;
    return begin("sim", asyncio__sim_open);
}

static int end(void **state)
{
    (void)state;
    if (engine)
        engine->class->close(engine);
    engine = NULL;
    if (count_fds() != fds_before || asyncio__live_blocks() != blocks_before) {
        printf("descriptors %d -> %d, blocks %ld -> %ld\n", fds_before, count_fds(),
               blocks_before, asyncio__live_blocks());
        return -1;
    }
    return 0;
}

static void complete(asyncio__operation_t *operation)
{
    job_t *job = ASYNCIO__CONTAINER(operation, job_t, operation);
    job->calls++;
    if (job->then)
        job->then(job);
}

static int submit(job_t *job)
{
    job->calls = 0;
    job->operation.complete = complete;
    int rc = engine->class->submit(engine, &job->operation);
    assert_in_range(rc, 0, 1);
    return rc;
}

static void wait_once(int64_t timeout_ns)
{
    assert_int_equal(engine->class->wait(engine, timeout_ns), 0);
}

/* Waits until the job is over; what submit() answered says whether it is already. */
static int finish(job_t *job, int submitted)
{
    for (int i = 0; submitted == 0 && job->calls == 0; i++) {
        assert_in_range(i, 0, 1000);
        wait_once(1000000000);
    }
    assert_int_equal(job->calls, submitted == 0);
    return job->operation.result;
}

static int run(job_t *job)
{
    return finish(job, submit(job));
}

static job_t transfer(int kind, asyncio__file_t *file, const void *buffer, size_t size)
{
    return (job_t){.operation = {
                       .kind = (uint8_t)kind, .file = file, .buffer = (void *)(uintptr_t)buffer,
                       .size = size}};
}

static int run_transfer(int kind, asyncio__file_t *file, const void *buffer, size_t size)
{
    job_t job = transfer(kind, file, buffer, size);
    return run(&job);
}

static asyncio__file_t *open_file(int fd)
{
    asyncio__file_t *file;
    assert_true(fd >= 0);
    assert_int_equal(engine->class->open_file(engine, fd, &file), 0);
    return file;
}

static void close_file(asyncio__file_t *file)
{
    engine->class->close_file(engine, file);
}

/* A pair of connected sockets: one a file, the other plain and blocking. */
static asyncio__file_t *open_pair(int *ret_peer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    *ret_peer = fds[1];
    return open_file(fds[0]);
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static asyncio__file_t *open_listener(struct sockaddr_in *ret_address)
{
    socklen_t size = sizeof(*ret_address);
    int fd = tcp_socket();
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->sin_family = AF_INET;
    ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, size), 0);
    assert_int_equal(listen(fd, 256), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
    return open_file(fd);
}

/* A plain, blocking client. */
static int connect_plainly(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void connect_tcp(asyncio__file_t **ret_client, asyncio__file_t **ret_server)
{
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    *ret_client = open_file(tcp_socket());
    job_t connecting = {.operation = {.kind = ASYNCIO__CONNECT,
                                      .file = *ret_client,
                                      .address = (struct sockaddr *)&address,
                                      .address_size = sizeof(address)}};
    job_t accepting = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    int accepted = submit(&accepting), connected = submit(&connecting);
    assert_int_equal(finish(&connecting, connected), 0);
    int fd = finish(&accepting, accepted);
    assert_true(fd >= 0);
    *ret_server = open_file(fd);
    close_file(listener);
}

#define NEEDS_ENGINE() \
    do {               \
        (void)state;   \
        if (!engine)   \
            skip();    \
    } while (0)

/* ---- Transfers ---- */

/* What is sent is received, on a pair of sockets and over TCP; nothing is in flight after it. */
static void test_echo(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *client, *server;
    char in[64], back[64], out[64] = "a line to be echoed";
    connect_tcp(&client, &server);
    for (int i = 0; i < 200; i++) {
        job_t receiving = transfer(ASYNCIO__RECV, server, in, sizeof(in));
        job_t echoed = transfer(ASYNCIO__RECV, client, back, sizeof(back));
        int received = submit(&receiving), returned = submit(&echoed);
        assert_int_equal(run_transfer(ASYNCIO__SEND, client, out, sizeof(out)), sizeof(out));
        assert_int_equal(finish(&receiving, received), sizeof(in));
        assert_int_equal(run_transfer(ASYNCIO__SEND, server, in, sizeof(in)), sizeof(in));
        assert_int_equal(finish(&echoed, returned), sizeof(back));
        assert_memory_equal(back, out, sizeof(out));
        out[20]++;
    }
    close_file(client);
    assert_int_equal(run_transfer(ASYNCIO__RECV, server, in, sizeof(in)), 0);
    close_file(server);
    assert_int_equal(engine->in_flight, 0);
}

/* Of a stream that is larger than any buffer no byte is lost or turned round. */
static void test_stream(void **state)
{
    NEEDS_ENGINE();
    enum { SIZE = 1 << 21, PART = 10000 };
    asyncio__file_t *client, *server;
    unsigned char *out = malloc(SIZE), part[PART];
    size_t sent = 0, received = 0;
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (unsigned char)(i * 7 + i / 251);
    connect_tcp(&client, &server);
    job_t sending = transfer(ASYNCIO__SEND, client, out, SIZE);
    int submitted = submit(&sending);
    while (received < SIZE) {
        int n = run_transfer(ASYNCIO__RECV, server, part, sizeof(part));
        assert_true(n > 0 && received + (size_t)n <= SIZE);
        assert_memory_equal(part, out + received, (size_t)n);
        received += (size_t)n;
        if (sent < SIZE && (submitted || sending.calls)) {
            assert_true(sending.operation.result > 0);
            sent += (size_t)sending.operation.result;
            sending = transfer(ASYNCIO__SEND, client, out + sent, SIZE - sent);
            submitted = sent < SIZE ? submit(&sending) : 1;
        }
    }
    free(out);
    close_file(client);
    close_file(server);
    wait_once(0);
    assert_int_equal(engine->in_flight, 0);
}

/* Operations of one direction on one file end in the order in which they were submitted. */
static void test_order(void **state)
{
    NEEDS_ENGINE();
    int peer;
    asyncio__file_t *file = open_pair(&peer);
    job_t jobs[20];
    char bytes[20];
    for (int i = 0; i < 20; i++) {
        jobs[i] = transfer(ASYNCIO__RECV, file, &bytes[i], 1);
        assert_int_equal(submit(&jobs[i]), 0);
    }
    wait_once(0);
    engine->class->cancel(engine, &jobs[3].operation);
    engine->class->cancel(engine, &jobs[0].operation);
    assert_int_equal(finish(&jobs[0], 0), -ECANCELED);
    assert_int_equal(finish(&jobs[3], 0), -ECANCELED);
    assert_int_equal(write(peer, "abcdefghijklmnopqr", 18), 18);
    for (int i = 0, next = 'a'; i < 20; i++) {
        if (i == 0 || i == 3)
            continue;
        assert_int_equal(finish(&jobs[i], 0), 1);
        assert_int_equal(bytes[i], next++);
    }
    close_file(file);
    close(peer);
}

/* More operations than any ring has room for are all carried out. */
static void test_many(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = 150 };
    asyncio__file_t *files[COUNT];
    int peers[COUNT];
    job_t jobs[COUNT];
    char bytes[COUNT];
    for (int i = 0; i < COUNT; i++)
        files[i] = open_pair(&peers[i]);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < COUNT; i++) {
            jobs[i] = transfer(ASYNCIO__RECV, files[i], &bytes[i], 1);
            assert_int_equal(submit(&jobs[i]), 0);
        }
        wait_once(0);
        for (int i = 0; i < COUNT; i++) {
            if (i % 3 == 0)
                engine->class->cancel(engine, &jobs[i].operation);
            else
                assert_int_equal(write(peers[i], "x", 1), 1);
        }
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(finish(&jobs[i], 0), i % 3 ? 1 : -ECANCELED);
        assert_int_equal(engine->in_flight, 0);
    }
    for (int i = 0; i < COUNT; i++) {
        jobs[i] = transfer(ASYNCIO__RECV, files[i], &bytes[i], 1);
        assert_int_equal(submit(&jobs[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        close_file(files[i]);
        close(peers[i]);
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(finish(&jobs[i], 0), -EBADF);
}

/* The end of an AF_UNIX stream is seen, by shutdown and by close, before and after the wait. */
static void test_end_of_stream(void **state)
{
    NEEDS_ENGINE();
    for (int i = 0; i < 200; i++) {
        int peer;
        char buffer[8];
        asyncio__file_t *file = open_pair(&peer);
        job_t job = transfer(ASYNCIO__RECV, file, buffer, sizeof(buffer));
        if (i & 4)
            assert_int_equal(write(peer, "tail", 4), 4);
        if (i & 1)
            assert_int_equal(shutdown(peer, SHUT_WR), 0);
        int submitted = submit(&job);
        if (i & 2)
            wait_once(0);
        close(peer);
        if (i & 4) {
            assert_int_equal(finish(&job, submitted), 4);
            submitted = submit(&job);
        }
        assert_int_equal(finish(&job, submitted), 0);
        assert_int_equal(run(&job), 0);
        close_file(file);
    }
}

/* A peer that hangs up after its last bytes does not take them with it. */
static void test_tail_of_tcp(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *client, *server;
    char buffer[100];
    connect_tcp(&client, &server);
    job_t job = transfer(ASYNCIO__RECV, server, buffer, 3);
    int submitted = submit(&job);
    wait_once(0);
    assert_int_equal(run_transfer(ASYNCIO__SEND, client, "abcdefgh", 8), 8);
    close_file(client);
    assert_int_equal(finish(&job, submitted), 3);
    assert_int_equal(run_transfer(ASYNCIO__RECV, server, buffer, 100), 5);
    assert_memory_equal(buffer, "defgh", 5);
    assert_int_equal(run_transfer(ASYNCIO__RECV, server, buffer, 100), 0);
    close_file(server);
}

/* Messages carry addresses, several buffers, and descriptors, which are close-on-exec. */
static void test_messages(void **state)
{
    NEEDS_ENGINE();
    int peer, handed;
    asyncio__file_t *file = open_pair(&peer);
    asyncio__file_t *other = open_file(peer);
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.room = {0}}, came;
    char text[10] = {0};
    struct iovec out[2] = {{.iov_base = (void *)"ab", .iov_len = 2},
                           {.iov_base = (void *)"cde", .iov_len = 3}};
    struct iovec in = {.iov_base = text, .iov_len = sizeof(text)};
    struct msghdr sent = {.msg_iov = out,
                          .msg_iovlen = 2,
                          .msg_control = control.room,
                          .msg_controllen = sizeof(control.room)};
    struct msghdr received = {.msg_iov = &in,
                              .msg_iovlen = 1,
                              .msg_control = came.room,
                              .msg_controllen = sizeof(came.room)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&sent);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &peer, sizeof(peer));

    job_t receiving = {
        .operation = {.kind = ASYNCIO__RECVMSG, .file = other, .message = &received}};
    job_t sending = {.operation = {.kind = ASYNCIO__SENDMSG, .file = file, .message = &sent}};
    int submitted = submit(&receiving);
    assert_int_equal(run(&sending), 5);
    assert_int_equal(finish(&receiving, submitted), 5);
    assert_memory_equal(text, "abcde", 5);
    part = CMSG_FIRSTHDR(&received);
    assert_non_null(part);
    assert_int_equal(part->cmsg_type, SCM_RIGHTS);
    memcpy(&handed, CMSG_DATA(part), sizeof(handed));
    assert_int_equal(fcntl(handed, F_GETFD), FD_CLOEXEC);
    close(handed);
    close_file(file);
    close_file(other);
}

/* A datagram comes with the address of who sent it, and an empty one is no error. */
static void test_datagrams(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address = {.sin_family = AF_INET}, from;
    socklen_t size = sizeof(address);
    char text[10];
    struct iovec in = {.iov_base = text, .iov_len = sizeof(text)};
    struct iovec out = {.iov_base = (void *)"dgram", .iov_len = 5};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    asyncio__file_t *file = open_file(fd);
    for (int i = 0; i < 20; i++) {
        struct msghdr sent = {.msg_name = &address,
                              .msg_namelen = sizeof(address),
                              .msg_iov = &out,
                              .msg_iovlen = i % 2};
        struct msghdr received = {.msg_name = &from,
                                  .msg_namelen = sizeof(from),
                                  .msg_iov = &in,
                                  .msg_iovlen = 1};
        job_t receiving = {
            .operation = {.kind = ASYNCIO__RECVMSG, .file = file, .message = &received}};
        job_t sending = {
            .operation = {.kind = ASYNCIO__SENDMSG, .file = file, .message = &sent}};
        int submitted = submit(&receiving);
        assert_int_equal(run(&sending), i % 2 ? 5 : 0);
        assert_int_equal(finish(&receiving, submitted), i % 2 ? 5 : 0);
        assert_int_equal(received.msg_namelen, sizeof(from));
        assert_int_equal(from.sin_port, address.sin_port);
    }
    close_file(file);
}

/* Pipes take the same operations as sockets; a poll tells of a broken one. */
static void test_pipes(void **state)
{
    NEEDS_ENGINE();
    int fds[2];
    char buffer[8];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    asyncio__file_t *in = open_file(fds[0]), *out = open_file(fds[1]);
    for (int i = 0; i < 40; i++) {
        job_t job = transfer(ASYNCIO__RECV, in, buffer, sizeof(buffer));
        int submitted = submit(&job);
        if (i % 2)
            wait_once(0);
        assert_int_equal(run_transfer(ASYNCIO__SEND, out, "pipe", 4), 4);
        assert_int_equal(finish(&job, submitted), 4);
    }
    job_t polling = {.operation = {.kind = ASYNCIO__POLL_IN, .file = in}};
    int submitted = submit(&polling);
    wait_once(0);
    assert_int_equal(engine->in_flight, 1);
    close_file(out);
    assert_int_equal(finish(&polling, submitted), 0);
    assert_int_equal(run_transfer(ASYNCIO__RECV, in, buffer, sizeof(buffer)), 0);
    close_file(in);
}

/* A poll waits for readiness and takes nothing; a writable socket answers soon. */
static void test_polls(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte;
    asyncio__file_t *file = open_pair(&peer);
    job_t in = {.operation = {.kind = ASYNCIO__POLL_IN, .file = file}};
    job_t out = {.operation = {.kind = ASYNCIO__POLL_OUT, .file = file}};
    for (int i = 0; i < 40; i++) {
        assert_int_equal(submit(&in), 0);
        assert_int_equal(run(&out), 0);
        wait_once(0);
        assert_int_equal(in.calls, 0);
        assert_int_equal(write(peer, "x", 1), 1);
        assert_int_equal(finish(&in, 0), 0);
        assert_int_equal(run(&in), 0);
        assert_int_equal(run_transfer(ASYNCIO__RECV, file, &byte, 1), 1);
    }
    close_file(file);
    close(peer);
}

/* A socket on which every operation succeeds at once still has to go through wait() at times. */
static void test_inline_limit(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *client, *server;
    char buffer[100] = {0}, byte;
    int at_once = 0, longest = 0;
    connect_tcp(&client, &server);
    assert_int_equal(run_transfer(ASYNCIO__SEND, client, buffer, 100), 100);
    for (int i = 0; i < 100; i++) {
        job_t job = transfer(ASYNCIO__RECV, server, &byte, 1);
        int submitted = submit(&job);
        at_once = submitted ? at_once + 1 : 0;
        longest = at_once > longest ? at_once : longest;
        assert_int_equal(finish(&job, submitted), 1);
    }
    assert_in_range(longest, 1, 16);
    close_file(client);
    close_file(server);
}

/* ---- Cancelling and closing ---- */

/* Between a cancel and the data one wins, and no byte is lost either way. */
static void test_cancel_races_data(void **state)
{
    NEEDS_ENGINE();
    int peer, sent = 0, received = 0, cancelled = 0;
    asyncio__file_t *file = open_pair(&peer);
    for (int i = 0; i < 600; i++) {
        char buffer[16];
        memset(buffer, 0, sizeof(buffer));
        job_t job = transfer(ASYNCIO__RECV, file, buffer, sizeof(buffer));
        int submitted = submit(&job);
        if (i % 3 == 1)
            wait_once(0);
        if (i % 2) {
            assert_int_equal(write(peer, "abc", 3), 3);
            sent += 3;
        }
        if (i % 5 == 2)
            engine->class->cancel(engine, &job.operation);
        if (submitted == 0) {
            engine->class->cancel(engine, &job.operation);
            engine->class->cancel(engine, &job.operation);
            assert_int_equal(job.calls, 0);
        }
        int result = finish(&job, submitted);
        /* The buffer is ours again: nobody may write to it from here on. */
        memset(buffer, 'z', sizeof(buffer));
        if (result < 0) {
            assert_int_equal(result, -ECANCELED);
            cancelled++;
        } else {
            received += result;
        }
        assert_int_equal(buffer[0], 'z');
    }
    while (received < sent) {
        char rest[16];
        int n = run_transfer(ASYNCIO__RECV, file, rest, sizeof(rest));
        assert_true(n > 0);
        received += n;
    }
    assert_int_equal(received, sent);
    assert_true(cancelled > 0);
    assert_int_equal(engine->in_flight, 0);
    close_file(file);
    close(peer);
}

/* Closing ends what waits with -EBADF; a new owner of the number has nothing to do with it. */
static void test_close_with_pending(void **state)
{
    NEEDS_ENGINE();
    for (int i = 0; i < 50; i++) {
        int peer, other_peer;
        char lost[8], buffer[8];
        asyncio__file_t *file = open_pair(&peer);
        job_t jobs[3] = {transfer(ASYNCIO__RECV, file, lost, sizeof(lost)),
                         transfer(ASYNCIO__RECV, file, lost, sizeof(lost)),
                         {.operation = {.kind = ASYNCIO__POLL_IN, .file = file}}};
        for (int j = 0; j < 3; j++)
            assert_int_equal(submit(&jobs[j]), 0);
        if (i % 2)
            wait_once(0);
        close_file(file);
        assert_int_equal(jobs[0].calls, 0);
        /* A cancel that comes too late is harmless. */
        engine->class->cancel(engine, &jobs[1].operation);
        asyncio__file_t *other = open_pair(&other_peer);
        assert_int_equal(write(other_peer, "mine", 4), 4);
        for (int j = 0; j < 3; j++)
            assert_int_equal(finish(&jobs[j], 0), -EBADF);
        assert_int_equal(run_transfer(ASYNCIO__RECV, other, buffer, sizeof(buffer)), 4);
        /* The closed side is really closed: its peer sees the end. */
        assert_int_equal(read(peer, buffer, sizeof(buffer)), 0);
        close_file(other);
        close(peer);
        close(other_peer);
    }
    assert_int_equal(engine->in_flight, 0);
}

static job_t *victims[2];          /* two jobs of which the first to end closes the other's file */
static asyncio__file_t *files_of_victims[2]; /* their files */

static void close_the_other(job_t *job)
{
    int other = job == victims[0];
    if (files_of_victims[other])
        close_file(files_of_victims[other]);
    files_of_victims[other] = NULL;
}

/* Of two files that are ready in the same batch the first's callback may close the second. */
static void test_close_inside_batch(void **state)
{
    NEEDS_ENGINE();
    for (int i = 0; i < 20; i++) {
        int peers[2];
        char bytes[2];
        job_t jobs[2];
        for (int j = 0; j < 2; j++) {
            files_of_victims[j] = open_pair(&peers[j]);
            jobs[j] = transfer(ASYNCIO__RECV, files_of_victims[j], &bytes[j], 1);
            jobs[j].then = close_the_other;
            victims[j] = &jobs[j];
            assert_int_equal(submit(&jobs[j]), 0);
        }
        wait_once(0);
        assert_int_equal(write(peers[0], "x", 1), 1);
        assert_int_equal(write(peers[1], "y", 1), 1);
        for (int j = 0; j < 2; j++) {
            int result = finish(&jobs[j], 0);
            assert_true(result == 1 || result == -EBADF);
        }
        for (int j = 0; j < 2; j++) {
            if (files_of_victims[j])
                close_file(files_of_victims[j]);
            close(peers[j]);
        }
    }
    assert_int_equal(engine->in_flight, 0);
}

/* A descriptor may be let go of, but not while operations wait; it works as before then. */
static void test_detach(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte;
    asyncio__file_t *file = open_pair(&peer);
    int fd = file->fd;
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    assert_int_equal(engine->class->detach_file(engine, file), -EBUSY);
    engine->class->cancel(engine, &job.operation);
    assert_int_equal(finish(&job, 0), -ECANCELED);
    assert_int_equal(engine->class->detach_file(engine, file), 0);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    close(peer);
}

/* An engine that ends completes what is pending and closes the files that are still open. */
static void test_close_engine(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    int peer;
    char byte;
    asyncio__file_t *file = open_pair(&peer);
    asyncio__file_t *listener = open_listener(&address);
    job_t jobs[3] = {transfer(ASYNCIO__RECV, file, &byte, 1),
                     transfer(ASYNCIO__RECV, file, &byte, 1),
                     {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit(&jobs[i]), 0);
    wait_once(0);
    engine->class->close(engine);
    engine = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].calls, 1);
        assert_int_equal(jobs[i].operation.result, -ECANCELED);
    }
    close(peer);
}

/* ---- Connections ---- */

/* Every connection is accepted once, with its peer's address, non-blocking, close-on-exec. */
static void test_accept(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = 100 };
    struct sockaddr_in address;
    int clients[COUNT];
    asyncio__file_t *listener = open_listener(&address);
    for (int i = 0; i < COUNT; i++)
        clients[i] = connect_plainly(&address);
    for (int i = 0; i < COUNT; i++) {
        struct sockaddr_in peer, own;
        socklen_t size = sizeof(own);
        job_t job = {.operation = {.kind = ASYNCIO__ACCEPT,
                                   .file = listener,
                                   .address = (struct sockaddr *)&peer,
                                   .address_size = sizeof(peer)}};
        int fd = run(&job);
        assert_true(fd >= 0);
        assert_int_equal(job.operation.address_size, sizeof(peer));
        assert_int_equal(getsockname(clients[i], (struct sockaddr *)&own, &size), 0);
        assert_int_equal(peer.sin_port, own.sin_port);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        close(fd);
        close(clients[i]);
    }
    close_file(listener);
}

/* A cancelled accept takes no connection with it, and connections nobody accepted leak nothing. */
static void test_accept_cancelled(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    int clients[40], accepted = 0;
    for (int i = 0; i < 40; i++) {
        job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
        int submitted = submit(&job);
        if (i % 3 == 0)
            wait_once(0);
        clients[i] = connect_plainly(&address);
        if (i % 2 && submitted == 0)
            engine->class->cancel(engine, &job.operation);
        int fd = finish(&job, submitted);
        if (fd >= 0) {
            accepted++;
            close(fd);
        } else {
            assert_int_equal(fd, -ECANCELED);
        }
    }
    for (; accepted < 35; accepted++) {
        job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
        int fd = run(&job);
        assert_true(fd >= 0);
        close(fd);
    }
    close_file(listener);
    for (int i = 0; i < 40; i++)
        close(clients[i]);
    assert_int_equal(engine->in_flight, 0);
}

/* Who connects to nobody is told so, and the socket can be closed. */
static void test_connect_refused(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    close_file(listener);
    wait_once(0);
    asyncio__file_t *file = open_file(tcp_socket());
    job_t job = {.operation = {.kind = ASYNCIO__CONNECT,
                               .file = file,
                               .address = (struct sockaddr *)&address,
                               .address_size = sizeof(address)}};
    assert_int_equal(run(&job), -ECONNREFUSED);
    close_file(file);
}

/* A listener's port is free again as soon as close_file() returns, accepting or not. */
static void test_port_is_free_after_close(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    close_file(listener);
    int fd = tcp_socket();
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
    assert_int_equal(finish(&job, 0), -EBADF);
}

/* ---- Watches ---- */

typedef struct seen {
    asyncio__watch_t watch;
    int reads;            /* calls that told of input */
    int writes;           /* calls that told of room */
    struct seen *ends;    /* a watch that is ended by the first call, or NULL */
} seen_t;

static void see(asyncio__watch_t *watch, unsigned events)
{
    seen_t *seen = ASYNCIO__CONTAINER(watch, seen_t, watch);
    seen->reads += (events & ASYNCIO__WATCH_READ) != 0;
    seen->writes += (events & ASYNCIO__WATCH_WRITE) != 0;
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

/* A watch calls at every wait while the descriptor is ready, for each direction that is asked. */
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
    /* Nothing holds it any more: its peer sees the end. */
    assert_int_equal(recv(fds[1], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fds[1]);
}

/* A watch that a callback ends is not called any more, though its event is there already. */
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

/* What is always ready cannot be waited for: regular files, directories, /dev/null. */
static void test_not_pollable(void **state)
{
    NEEDS_ENGINE();
    static const char *const paths[] = {"/proc/self/exe", "/", "/dev/null"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        asyncio__file_t *file;
        seen_t seen = {.watch = {.ready = see, .fd = fd, .events = ASYNCIO__WATCH_READ}};
        assert_true(fd >= 0);
        assert_int_equal(engine->class->open_file(engine, fd, &file), -EPERM);
        assert_int_equal(engine->class->watch(engine, &seen.watch), -EPERM);
        close(fd);
        assert_int_equal(engine->class->open_file(engine, fd, &file), -EBADF);
        assert_int_equal(engine->class->watch(engine, &seen.watch), -EBADF);
    }
    assert_int_equal(engine->in_flight, 0);
}

/* A watched descriptor that is closed without a word harms neither the engine nor the number's
 * next owner. */
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

/* ---- Waking ---- */

static void *wake_from_thread(void *argument)
{
    (void)argument;
    engine->class->wake(engine);
    return NULL;
}

static void wake_from_handler(int number)
{
    (void)number;
    engine->class->wake(engine);
}

/* wake() ends the wait that is going on or the next one, from a thread or a signal handler. */
static void test_wake(void **state)
{
    NEEDS_ENGINE();
    struct sigaction action = {.sa_handler = wake_from_handler}, old;
    pthread_t thread;
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
    for (int i = 0; i < 50; i++) {
        if (i % 2) {
            assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, NULL), 0);
            wait_once(-1);
            assert_int_equal(pthread_join(thread, NULL), 0);
        } else {
            assert_int_equal(raise(SIGUSR1), 0);
            wait_once(-1);
        }
    }
    engine->class->wake(engine);
    engine->class->wake(engine);
    wait_once(-1);
    wait_once(1000);
    wait_once(0);
    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

/* Someone who polls poll_fd() learns of wakes, data and cancels alike. */
static void test_poll_fd(void **state)
{
    NEEDS_ENGINE();
    int peer = -1;
    char byte;
    struct pollfd poll_fd = {.fd = engine->class->poll_fd(engine), .events = POLLIN};
    for (int i = 0; i < 5; i++)
        wait_once(0);
    if (strcmp(engine->class->name, "sim") != 0) {
        asyncio__file_t *file = open_pair(&peer);
        job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
        assert_int_equal(submit(&job), 0);
        wait_once(0);
        assert_int_equal(poll(&poll_fd, 1, 0), 0);
        assert_int_equal(write(peer, "x", 1), 1);
        assert_int_equal(poll(&poll_fd, 1, 10000), 1);
        for (int i = 0; i < 3 && !job.calls; i++)
            wait_once(0);
        assert_int_equal(job.calls, 1);
        for (int i = 0; i < 3; i++)
            wait_once(0);
        close_file(file);
        close(peer);
    }
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    for (int i = 0; i < 3; i++) {
        /* As a rule the thread wakes us when the poll has begun. */
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, NULL), 0);
        assert_int_equal(poll(&poll_fd, 1, -1), 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
        wait_once(0);
        wait_once(0);
    }
}

static int thread_result; /* what wait() and a transfer answered on another thread */

static void *run_on_thread(void *argument)
{
    thread_result = run(argument);
    return NULL;
}

/* An engine may be made on one thread and run on another, then on a third when nothing waits. */
static void test_other_thread(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte = 0;
    asyncio__file_t *file = open_pair(&peer);
    assert_int_equal(write(peer, "xyz", 3), 3);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
        thread_result = -1;
        if (i < 2) {
            assert_int_equal(pthread_create(&thread, NULL, run_on_thread, &job), 0);
            assert_int_equal(pthread_join(thread, NULL), 0);
        } else {
            run_on_thread(&job);
        }
        assert_int_equal(thread_result, 1);
        assert_int_equal(byte, "xyz"[i]);
    }
    close_file(file);
    close(peer);
}

/* The engine without a kernel sleeps and wakes, and refuses descriptors. */
static void test_sim(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *file;
    asyncio__watch_t watched = {.fd = 0, .events = ASYNCIO__WATCH_READ};
    asyncio__operation_t operation = {.kind = ASYNCIO__RECV};
    assert_int_equal(engine->class->open_file(engine, 0, &file), -EOPNOTSUPP);
    assert_int_equal(engine->class->submit(engine, &operation), -EOPNOTSUPP);
    assert_int_equal(engine->class->watch(engine, &watched), -EOPNOTSUPP);
    wait_once(0);
    wait_once(1000);
}

/* ---- Refusal ---- */

static int deny_uring(int system_call)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)system_call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Where io_uring is forbidden, wholly or in part, the answer is an error and nothing is left. */
static void test_refused(void **state)
{
    (void)state;
    for (int number = 425; number <= 427; number++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            asyncio__engine_t *refused = NULL;
            int before = count_fds();
            int rc = deny_uring(number) < 0 ? -EPERM : asyncio__uring_open(&refused);
            bool is_quiet = (rc == -EPERM || rc == -ENOSYS) && !refused;
            _exit(is_quiet && count_fds() == before ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

#define ON(name, test, begin) {#test " " name, test, begin, end, NULL}
#define ON_ALL(test)                                                               \
    ON("epoll", test, begin_epoll), ON("uring", test, begin_uring),                 \
        ON("uring with a small ring", test, begin_small)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_echo),
        ON_ALL(test_stream),
        ON_ALL(test_order),
        ON_ALL(test_many),
        ON_ALL(test_end_of_stream),
        ON_ALL(test_tail_of_tcp),
        ON_ALL(test_messages),
        ON_ALL(test_datagrams),
        ON_ALL(test_pipes),
        ON_ALL(test_polls),
        ON_ALL(test_inline_limit),
        ON_ALL(test_cancel_races_data),
        ON_ALL(test_close_with_pending),
        ON_ALL(test_close_inside_batch),
        ON_ALL(test_detach),
        ON_ALL(test_close_engine),
        ON_ALL(test_accept),
        ON_ALL(test_accept_cancelled),
        ON_ALL(test_connect_refused),
        ON_ALL(test_port_is_free_after_close),
        ON_ALL(test_watch),
        ON_ALL(test_watch_ended_inside_batch),
        ON_ALL(test_watch_closed_behind),
        ON_ALL(test_not_pollable),
        ON_ALL(test_wake),
        ON_ALL(test_poll_fd),
        ON_ALL(test_other_thread),
        ON("sim", test_wake, begin_sim),
        ON("sim", test_poll_fd, begin_sim),
        ON("sim", test_sim, begin_sim),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
