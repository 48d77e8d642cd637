/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine (src/engine/engine.h), driven without a loop: cancelling, closing,
 * watches, waking, and being refused.
 * Each test runs on each engine that ASYNCIO_ENGINE allows.
 */
#include <sys/mman.h>

#include "base/syscalls.h"
#include "support/engine_fixture.h"

/* ---- Cancelling and closing ---- */

/* When a cancel races with data, either wins, and no byte is lost. */
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
        if (submitted == 0 && job.calls == 0) {
            engine->class->cancel(engine, &job.operation);
            engine->class->cancel(engine, &job.operation);
            assert_int_equal(job.calls, 0);
        }
        int result = finish(&job, submitted);
        /* The buffer belongs to the owner again: nobody else may write to it from here on. */
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

/* Closing a file ends its pending operations with -EBADF; they do not touch a new descriptor of the
 * same number. */
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

/* A file that is closed while a copy of its descriptor is open causes no more wake-ups. */
static void test_close_with_copy(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte;
    struct pollfd poll_fd = {.fd = engine->class->poll_fd(engine), .events = POLLIN};
    asyncio__file_t *file = open_pair(&peer);
    int copy = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    close_file(file);
    assert_int_equal(finish(&job, 0), -EBADF);
    assert_int_equal(write(peer, "x", 1), 1);
    for (int i = 0; i < 3; i++)
        wait_once(0);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    assert_int_equal(read(copy, &byte, 1), 1);
    close(copy);
    close(peer);
}

static void send_descriptor(int fd, int sent)
{
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.room = {0}};
    struct iovec piece = {.iov_base = (void *)"x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &sent, sizeof(sent));
    assert_int_equal(sendmsg(fd, &message, 0), 1);
}

/* Descriptors that arrive in a message while the file is being closed are closed too. */
static void test_close_with_message(void **state)
{
    NEEDS_ENGINE();
    wait_once(0);
    int fds = count_fds();
    for (int i = 0; i < 20; i++) {
        int peer;
        char byte, room[CMSG_SPACE(sizeof(int))];
        struct iovec piece = {.iov_base = &byte, .iov_len = 1};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = room,
                                 .msg_controllen = sizeof(room)};
        asyncio__file_t *file = open_pair(&peer);
        job_t job = {
            .operation = {.kind = ASYNCIO__RECVMSG, .file = file, .message = &message}};
        assert_int_equal(submit(&job), 0);
        if (i % 2)
            wait_once(0);
        send_descriptor(peer, peer);
        close_file(file);
        assert_int_equal(finish(&job, 0), -EBADF);
        close(peer);
        assert_int_equal(count_fds(), fds);
    }
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

/* Of two files that become ready in one batch, the callback of the first may close the second. */
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

/* A descriptor can be detached from a file without pending operations, and works as before. */
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

/* Closing an engine completes pending operations and closes the files that are still open. */
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

/* ---- What cannot be polled ---- */

/* Files that are always ready cannot be polled: regular files, directories, /dev/null. */
static void test_not_pollable(void **state)
{
    NEEDS_ENGINE();
    static const char *const paths[] = {"/proc/self/exe", "/", "/dev/null"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        asyncio__file_t *file;
        asyncio__watch_t watch = {.fd = fd, .events = ASYNCIO__WATCH_READ};
        assert_true(fd >= 0);
        assert_int_equal(engine->class->open_file(engine, fd, ASYNCIO__FILE_ANY, &file), -EPERM);
        assert_int_equal(engine->class->watch(engine, &watch), -EPERM);
        close(fd);
        assert_int_equal(engine->class->open_file(engine, fd, ASYNCIO__FILE_ANY, &file), -EBADF);
        assert_int_equal(engine->class->watch(engine, &watch), -EBADF);
    }
    assert_int_equal(engine->in_flight, 0);
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

/* wake() ends the current wait or else the next one, from a thread or a signal handler. */
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

/* poll_fd() becomes readable for wake-ups, data and cancels alike. */
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
        /* The thread usually wakes the engine after the poll has begun. */
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, NULL), 0);
        assert_int_equal(poll(&poll_fd, 1, -1), 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
        wait_once(0);
        wait_once(0);
    }
}

static int thread_result; /* the result of wait() and a transfer on another thread */

static void *run_on_thread(void *argument)
{
    thread_result = run(argument);
    return NULL;
}

/* An engine may be created on one thread and run on another, then on a third if no operation is
 * pending. */
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

/* The engine sim sleeps and wakes, and refuses descriptors. */
static void test_sim(void **state)
{
    NEEDS_ENGINE();
    asyncio__file_t *file;
    asyncio__watch_t watched = {.fd = 0, .events = ASYNCIO__WATCH_READ};
    asyncio__operation_t operation = {.kind = ASYNCIO__RECV};
    assert_int_equal(engine->class->open_file(engine, 0, ASYNCIO__FILE_ANY, &file), -EOPNOTSUPP);
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

/* Where io_uring is forbidden, wholly or in part, opening the engine fails and leaks nothing. */
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

/* ---- Calls that fail ---- */

static asyncio__syscalls_t real; /* the table as it was */
static int calls_left;           /* calls that still succeed */
static int failure;              /* errno of the one after them */

static bool fails(void)
{
    errno = failure;
    return calls_left-- == 0;
}

static int failing_setup(unsigned entries, void *params)
{
    return fails() ? -1 : real.io_uring_setup(entries, params);
}

static int failing_register(int ring, unsigned operation, void *argument, unsigned count)
{
    return fails() ? -1 : real.io_uring_register(ring, operation, argument, count);
}

static void *failing_mmap(void *address, size_t size, int protection, int flags, int fd,
                          off_t offset)
{
    return fails() ? MAP_FAILED : real.mmap(address, size, protection, flags, fd, offset);
}

static int failing_eventfd(unsigned initial, int flags)
{
    return fails() ? -1 : real.eventfd(initial, flags);
}

static int failing_epoll_create1(int flags)
{
    return fails() ? -1 : real.epoll_create1(flags);
}

static int failing_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return fails() ? -1 : real.epoll_ctl(epoll, operation, fd, event);
}

/* Every seventh enter fails, in turn with each error of a kernel that is short of resources. */
static int failing_enter(int ring, unsigned count, unsigned wait, unsigned flags,
                         const void *argument, size_t size)
{
    static const int errors[] = {EBUSY, EAGAIN, ENOMEM, EINTR};
    static unsigned calls;
    if (++calls % 7 == 0) {
        errno = errors[calls / 7 % 4];
        return -1;
    }
    return real.io_uring_enter(ring, count, wait, flags, argument, size);
}

/* An engine that cannot be opened, for whatever reason, leaves neither descriptor nor memory. */
static void test_open_fails(void **state)
{
    static const open_function_t openers[] = {asyncio__epoll_open, asyncio__uring_open,
                                              asyncio__sim_open};
    (void)state;
    int fds = count_fds(), failed = 0;
    long blocks = asyncio__live_blocks();
    real = asyncio__sys;
    asyncio__sys.io_uring_setup = failing_setup;
    asyncio__sys.io_uring_register = failing_register;
    asyncio__sys.mmap = failing_mmap;
    asyncio__sys.eventfd = failing_eventfd;
    asyncio__sys.epoll_create1 = failing_epoll_create1;
    asyncio__sys.epoll_ctl = failing_epoll_ctl;
    for (int i = 0; i < 60; i++) {
        asyncio__engine_t *opened = NULL;
        calls_left = i / 3 % 10;
        failure = i < 30 ? ENOMEM : EPERM;
        int rc = openers[i % 3](&opened);
        failed += rc < 0;
        assert_int_equal(rc == 0, opened != NULL);
        calls_left = -1;
        if (opened)
            opened->class->close(opened);
        assert_int_equal(count_fds(), fds);
        assert_int_equal(asyncio__live_blocks(), blocks);
    }
    asyncio__sys = real;
    assert_true(failed > 0);
}

/* A kernel that is temporarily short of memory delays operations; none is lost. */
static void test_enter_fails(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = 20 };
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    real = asyncio__sys;
    asyncio__sys.io_uring_enter = failing_enter;
    for (int round = 0; round < 20; round++) {
        asyncio__file_t *files[COUNT];
        int peers[COUNT], submitted[COUNT];
        job_t jobs[COUNT];
        char bytes[COUNT];
        for (int i = 0; i < COUNT; i++) {
            files[i] = open_pair(&peers[i]);
            jobs[i] = transfer(ASYNCIO__RECV, files[i], &bytes[i], 1);
            /* An operation that is refused counts as completed. */
            jobs[i].operation.complete = complete;
            submitted[i] = engine->class->submit(engine, &jobs[i].operation);
        }
        for (int i = 0; i < COUNT; i++) {
            if (i % 3 == 0 && submitted[i] == 0)
                engine->class->cancel(engine, &jobs[i].operation);
            else
                assert_int_equal(write(peers[i], "x", 1), 1);
        }
        for (int i = 0; i < COUNT; i++) {
            int wanted = i % 3 ? 1 : i % 2 ? -EBADF : -ECANCELED;
            if (i % 2 && i % 3 == 0)
                close_file(files[i]);
            if (submitted[i] == 0 && wanted == -EBADF)
                assert_true(finish(&jobs[i], 0) < 0);
            else if (submitted[i] == 0)
                assert_int_equal(finish(&jobs[i], 0), wanted);
            if (i % 2 == 0 || i % 3)
                close_file(files[i]);
            close(peers[i]);
        }
        int client = connect_plainly(&address);
        job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
        int fd = run(&job);
        assert_true(fd >= 0);
        close(fd);
        close(client);
    }
    close_file(listener);
    asyncio__sys = real;
    for (int i = 0; i < 3; i++)
        wait_once(0);
    assert_int_equal(engine->in_flight, 0);
}

static int broken_enter(int fd, unsigned submissions, unsigned wanted, unsigned flags,
                        const void *argument, size_t size)
{
    (void)fd, (void)submissions, (void)wanted, (void)flags, (void)argument, (void)size;
    errno = EBADF;
    return -1;
}

/* An engine that has given up its ring refuses operations, even if the kernel would work again:
 * otherwise they would never complete. */
static void test_abandoned(void **state)
{
    NEEDS_ENGINE();
    int peer;
    char byte;
    asyncio__file_t *file = open_pair(&peer);
    job_t job = transfer(ASYNCIO__RECV, file, &byte, 1);
    assert_int_equal(submit(&job), 0);
    wait_once(0);
    real = asyncio__sys;
    asyncio__sys.io_uring_enter = broken_enter;
    assert_int_equal(engine->class->wait(engine, -1), -EBADF);
    assert_int_equal(job.calls, 0);
    engine->class->abandon(engine);
    asyncio__sys = real;
    assert_int_equal(job.calls, 1);
    assert_int_equal(job.operation.result, -ECANCELED);
    /* The buffer belongs to the owner again: the kernel does not write to it. */
    byte = '?';
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(poll(NULL, 0, 1), 0);
    assert_int_equal(byte, '?');
    assert_int_equal(engine->class->submit(engine, &job.operation), -EIO);
    assert_int_equal(engine->class->wait(engine, -1), -EIO);
    assert_int_equal(engine->in_flight, 0);
    close_file(file);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_cancel_races_data),
        ON_ALL(test_close_with_pending),
        ON_ALL(test_close_with_copy),
        ON_ALL(test_close_with_message),
        ON_ALL(test_close_inside_batch),
        ON_ALL(test_detach),
        ON_ALL(test_close_engine),
        ON_ALL(test_not_pollable),
        ON_ALL(test_wake),
        ON_ALL(test_poll_fd),
        ON_ALL(test_other_thread),
        ON("sim", test_wake, begin_sim),
        ON("sim", test_poll_fd, begin_sim),
        ON("sim", test_sim, begin_sim),
        ON_ALL(test_enter_fails),
        ON("uring", test_abandoned, begin_uring),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_open_fails),
    };
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
