/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the engines share: an engine for each test, operations and their results,
 * sockets to use them on, and the accounts of descriptors and memory before and after.
 */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/uring.h"

/* ---- Helpers of the tests ---- */

typedef int (*open_function_t)(asyncio__engine_t **ret_engine);

static asyncio__engine_t *engine; /* of the current test */
static int fds_before;            /* descriptors open when the test began */
static long blocks_before;        /* blocks of memory allocated then */

/* An operation and its result. */
typedef struct job {
    asyncio__operation_t operation;
    int calls;                 /* number of calls of complete */
    void (*then)(struct job *); /* called by complete, or NULL */
} job_t;

static inline int open_small_uring(asyncio__engine_t **ret_engine)
{
    return asyncio__uring_open_sized(2, 4, ret_engine);
}

static inline int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static inline bool is_wanted(const char *name)
{
    const char *wanted = getenv("ASYNCIO_ENGINE");
    return !wanted || !*wanted || strncmp(wanted, name, strlen(wanted)) == 0;
}

static inline int begin(const char *name, open_function_t open)
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

static inline int begin_epoll(void **state)
{
    (void)state;
    return begin("epoll", asyncio__epoll_open);
}

static inline int begin_uring(void **state)
{
    (void)state;
    return begin("uring", asyncio__uring_open);
}

static inline int begin_small(void **state)
{
    (void)state;
    return begin("uring (small)", open_small_uring);
}

static inline int begin_sim(void **state)
{
    (void)state;
    return begin("sim", asyncio__sim_open);
}

static inline int end(void **state)
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

static inline void complete(asyncio__operation_t *operation)
{
    job_t *job = ASYNCIO__CONTAINER(operation, job_t, operation);
    job->calls++;
    if (job->then)
        job->then(job);
}

static inline int submit(job_t *job)
{
    job->calls = 0;
    job->operation.complete = complete;
    int rc = engine->class->submit(engine, &job->operation);
    assert_in_range(rc, 0, 1);
    return rc;
}

static inline void wait_once(int64_t timeout_ns)
{
    assert_int_equal(engine->class->wait(engine, timeout_ns), 0);
}

/* Waits until the job is over; submitted is the result of submit(), which says whether it is
 * already. */
static inline int finish(job_t *job, int submitted)
{
    for (int i = 0; submitted == 0 && job->calls == 0; i++) {
        assert_in_range(i, 0, 1000);
        wait_once(1000000000);
    }
    assert_int_equal(job->calls, submitted == 0);
    return job->operation.result;
}

static inline int run(job_t *job)
{
    return finish(job, submit(job));
}

static inline job_t transfer(int kind, asyncio__file_t *file, const void *buffer, size_t size)
{
    return (job_t){.operation = {
                       .kind = (uint8_t)kind, .file = file, .buffer = (void *)(uintptr_t)buffer,
                       .size = size}};
}

static inline int run_transfer(int kind, asyncio__file_t *file, const void *buffer, size_t size)
{
    job_t job = transfer(kind, file, buffer, size);
    return run(&job);
}

static inline asyncio__file_t *open_file(int fd)
{
    asyncio__file_t *file;
    assert_true(fd >= 0);
    assert_int_equal(engine->class->open_file(engine, fd, ASYNCIO__FILE_ANY, &file), 0);
    return file;
}

static inline void close_file(asyncio__file_t *file)
{
    engine->class->close_file(engine, file);
}

/* Opens a pair of connected sockets: one a file, the other an ordinary blocking socket. */
static inline asyncio__file_t *open_pair(int *ret_peer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    *ret_peer = fds[1];
    return open_file(fds[0]);
}

static inline int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static inline asyncio__file_t *open_listener(struct sockaddr_in *ret_address)
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

/* Connects an ordinary blocking socket. */
static inline int connect_plainly(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static inline void connect_tcp(asyncio__file_t **ret_client, asyncio__file_t **ret_server)
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

#define ON(name, test, begin) {#test " " name, test, begin, end, NULL}
#define ON_ALL(test)                                                               \
    ON("epoll", test, begin_epoll), ON("uring", test, begin_uring),                 \
        ON("uring with a small ring", test, begin_small)

#endif
