/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine (src/engine/engine.h), driven without a loop: transfers and
 * connections.
 * Each test runs on each engine that ASYNCIO_ENGINE allows.
 */
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "support/engine_fixture.h"

/* ---- Transfers ---- */

/* Bytes that are sent are received, on a socket pair and over TCP; then nothing is in flight. */
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

/* A stream larger than any buffer arrives complete and in order. */
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

/* More operations than any ring has room for all complete. */
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

/* A receive returns 0 at the end of an AF_UNIX stream, by shutdown and by close, whether the end
 * comes before the wait or during it. */
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

/* The last bytes of a peer that hangs up at once are still received. */
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

/* A datagram arrives with the address of its sender, and an empty one is no error. */
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

/* Pipes support the same operations as sockets; a poll reports a broken one. */
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

/* A poll waits for readiness and consumes no data; on a writable socket it completes soon. */
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

/* Of operations that would all succeed at once, some still complete in wait(). */
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

/* A cancelled accept consumes no connection, and connections that nobody accepts leak nothing. */
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

/* Without a free descriptor an accept fails with -EMFILE; once one is free, accepts succeed. */
static void test_accept_without_descriptors(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    struct rlimit old, low;
    if (asyncio__on_valgrind())
        skip(); /* valgrind only pretends to set the limit */
    asyncio__file_t *listener = open_listener(&address);
    int first = connect_plainly(&address), second = connect_plainly(&address);
    wait_once(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 0;
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int refused = run(&job), again = run(&job);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(refused, -EMFILE);
    assert_int_equal(again, -EMFILE);
    for (int i = 0; i < 2; i++) {
        int fd = run(&job);
        assert_true(fd >= 0);
        close(fd);
    }
    close_file(listener);
    close(first);
    close(second);
}

/* A connect to a port without a listener fails, and the socket can be closed. */
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

static int fail_fstat(int fd, struct stat *ret_stat)
{
    (void)fd, (void)ret_stat;
    errno = EIO;
    return -1;
}

static int fail_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    (void)fd, (void)level, (void)name, (void)value, (void)size;
    errno = EIO;
    return -1;
}

/* The engine does not ask the kernel for what the caller of open_file() says about a descriptor. */
static void test_known_sockets(void **state)
{
    NEEDS_ENGINE();
    const asyncio__syscalls_t saved = asyncio__sys;
    int fds[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    asyncio__file_t *file = NULL;
    asyncio__sys.fstat = fail_fstat;
    asyncio__sys.getsockopt = fail_getsockopt;
    int asked = engine->class->open_file(engine, fds[0], ASYNCIO__FILE_ANY, &file);
    int known = engine->class->open_file(engine, fds[0], ASYNCIO__FILE_SOCKET, &file);
    assert_int_equal(write(fds[1], "x", 1), 1);
    int received = known == 0 ? run_transfer(ASYNCIO__RECV, file, &byte, 1) : -EIO;
    asyncio__sys = saved;
    assert_int_equal(asked, -EIO);
    assert_int_equal(known, 0);
    assert_int_equal(received, 1);
    close_file(file);
    close(fds[1]);
}

/* Each accept takes one connection, so that a shared listener keeps the others; a connection that
 * arrives while the file is being closed is the result of the accept that waited. */
static void test_accept_takes_nothing_ahead(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = 12 };
    for (int is_awaited = 0; is_awaited < 2; is_awaited++) {
        struct sockaddr_in address;
        int clients[COUNT], fd, accepted = 0;
        asyncio__file_t *listener = open_listener(&address);
        int shared = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
        for (int i = 0; i < 3; i++) {
            int client = connect_plainly(&address);
            job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
            fd = run(&job);
            assert_true(fd >= 0);
            close(fd);
            close(client);
        }
        job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
        if (is_awaited)
            assert_int_equal(submit(&job), 0);
        wait_once(0);
        for (int i = 0; i < COUNT; i++)
            clients[i] = connect_plainly(&address);
        if (!is_awaited)
            wait_once(0);
        close_file(listener);
        if (is_awaited && (fd = finish(&job, 0)) >= 0) {
            accepted++;
            close(fd);
        }
        while ((fd = accept4(shared, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
            accepted++;
            close(fd);
        }
        assert_int_equal(accepted, COUNT);
        for (int i = 0; i < COUNT; i++)
            close(clients[i]);
        close(shared);
    }
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
        ON_ALL(test_accept),
        ON_ALL(test_accept_cancelled),
        ON_ALL(test_accept_without_descriptors),
        ON_ALL(test_connect_refused),
        ON_ALL(test_known_sockets),
        ON_ALL(test_accept_takes_nothing_ahead),
        ON_ALL(test_port_is_free_after_close),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
