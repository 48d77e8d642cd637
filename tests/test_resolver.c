/* SPDX-License-Identifier: MIT */
/*
 * Look-ups: which need no thread, how many threads there are for the others, and what becomes of
 * those for which nobody waits any more. getaddrinfo() is this program's own: for names that end in
 * ".invalid" it blocks until a gate is opened.
 */
#include "support/support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "support/contend.h"

#define WORKERS     8                 /* look-ups that may run at once in most of these tests */
#define THREADS_MOST (4 * WORKERS)    /* of them and abandoned ones */
#define MANY        1000

static atomic_bool is_open; /* the gate */
static atomic_int entered;  /* look-ups that came to the gate */
static atomic_int inside;   /* those of them that wait there */

/* Threads poll: conditions of glibc lose a wake-up once in a long while. */
static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){0, 100000}, NULL);
}

static int real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret_addresses)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, ret_addresses);
}

/* Replaces libc's. "open.invalid" is 127.0.0.1 at once; other names wait at the gate, and are not
 * found. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_addresses)
{
    if ((hints && hints->ai_flags & AI_NUMERICHOST) || !strstr(host, ".invalid"))
        return real_getaddrinfo(host, service, hints, ret_addresses);
    if (strcmp(host, "open.invalid") == 0)
        return real_getaddrinfo("127.0.0.1", service, hints, ret_addresses);
    entered++;
    inside++;
    while (!is_open)
        wait_a_moment();
    inside--;
    return EAI_NONAME;
}

static void close_gate(void)
{
    assert_int_equal(asyncio_resolver_set_max_workers(WORKERS), 0);
    is_open = false;
    entered = 0;
}

static void wait_until_inside(int count)
{
    while (inside != count)
        wait_a_moment();
}

/* Opens the gate; returns the number of look-ups that have reached it. */
static int open_gate(void)
{
    int count = entered;
    is_open = true;
    wait_until_inside(0);
    return count;
}

static int look_up(void *arg, void **ret_result)
{
    struct addrinfo *found = NULL;
    (void)ret_result;
    return asyncio_loop_getaddrinfo(arg, "name.invalid", "1", NULL, &found);
}

static asyncio_task_t *tasks[MANY];

static void begin_tasks(int count)
{
    for (int i = 0; i < count; i++) {
        tasks[i] = asyncio_create_task(asyncio_coroutine(look_up, asyncio_get_running_loop()));
        assert_non_null(tasks[i]);
    }
    assert_int_equal(asyncio_sleep(0), 0); /* each has asked now */
}

static int begin_many(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    begin_tasks(MANY);
    wait_until_inside(WORKERS);
    return 0;
}

/* Advances the virtual clock once the last look-up has returned from its thread. */
static int wait_for_threads(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(1);
}

static void cancel(int i)
{
    assert_int_equal(asyncio_task_cancel(tasks[i], NULL), 1);
}

/* --- in the queue -------------------------------------------------------------------------- */

/* A thousand look-ups wait for threads that are blocked. When they are cancelled they end at once,
 * and only those that have begun stay allocated. */
static void cancelled_look_ups_leave_the_queue(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    long blocks = asyncio__live_blocks();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    assert_true(asyncio__live_blocks() > blocks + 3 * MANY);
    for (int i = MANY - 1; i >= 0; i--)
        cancel(i);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(end_of_task(tasks[i]), -ECANCELED);
    /* A look-up takes three blocks; the loop caches some. */
    assert_in_range(asyncio__live_blocks(), 0, blocks + 3 * THREADS_MOST + 20);
    assert_in_range(open_gate(), WORKERS, THREADS_MOST);
    assert_int_equal(run(fixture, wait_for_threads, NULL), 0);
    assert_in_range(entered, WORKERS, THREADS_MOST);
}

/* Look-ups next to cancelled ones keep their order, and end with their result. */
static void others_have_their_turn(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    for (int i = 1; i < MANY; i += 2)
        cancel(i);
    for (int i = 1; i < MANY; i += 2)
        assert_int_equal(end_of_task(tasks[i]), -ECANCELED);
    open_gate();
    for (int i = 0; i < MANY; i += 2)
        assert_int_equal(end_of_task(tasks[i]), ASYNCIO_EGAI);
    assert_int_equal(run(fixture, wait_for_threads, NULL), 0);
    assert_in_range(entered, MANY / 2, MANY / 2 + THREADS_MOST);
}

/* A loop that is closed removes its look-ups from the queue; the threads serve other loops. */
static void a_closed_loop_leaves_the_queue(void **state)
{
    fixture_t *fixture = *state;
    close_gate();
    assert_int_equal(run(fixture, begin_many, NULL), 0);
    fixture->leaves_work = true;
    fixture->expected_reports += MANY;
    close_loop(fixture);
    for (int i = 0; i < MANY; i++)
        asyncio_task_unref(tasks[i]);
    asyncio_loop_t *loop = asyncio_new_event_loop();
    asyncio_task_t *task = asyncio_loop_create_task(loop, asyncio_coroutine(look_up, loop));
    assert_in_range(open_gate(), WORKERS, THREADS_MOST);
    assert_int_equal(asyncio_loop_run_until_complete(loop, task, NULL), ASYNCIO_EGAI);
    assert_in_range(entered, WORKERS + 1, THREADS_MOST + 1);
    asyncio_task_unref(task);
    asyncio_loop_unref(loop);
}

/* --- dead look-ups ------------------------------------------------------------------------- */

static int find_open_name(void *arg, void **ret_result)
{
    struct addrinfo *found = NULL;
    (void)arg, (void)ret_result;
    int rc = asyncio_loop_getaddrinfo(asyncio_get_running_loop(), "open.invalid", "1", NULL,
                                      &found);
    if (found)
        freeaddrinfo(found);
    return rc;
}

/* Cancels three times as many blocked look-ups as there are workers; then the number of threads is
 * at its limit, and the fourth set may still run. */
static int abandon_look_ups(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    for (int dead = WORKERS; dead < THREADS_MOST; dead += WORKERS) {
        begin_tasks(WORKERS);
        wait_until_inside(dead);
        for (int i = 0; i < WORKERS; i++)
            cancel(i);
        for (int i = 0; i < WORKERS; i++)
            assert_int_equal(asyncio_await_unref(tasks[i], NULL), -ECANCELED);
        assert_int_equal(find_open_name(NULL, NULL), 0);
    }
    /* As many again: the first of them that is abandoned does not free its thread for others. */
    begin_tasks(WORKERS + 1);
    wait_until_inside(THREADS_MOST);
    cancel(0);
    assert_int_equal(asyncio_await_unref(tasks[0], NULL), -ECANCELED);
    assert_int_equal(entered, THREADS_MOST);
    open_gate();
    for (int i = 1; i < WORKERS + 1; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), ASYNCIO_EGAI);
    return 0;
}

/* Look-ups that are blocked and abandoned do not block others, and the number of threads that they
 * hold is bounded. */
static void dead_look_ups_do_not_block_others(void **state)
{
    fixture_t *fixture = *state;
    fixture->leaves_work = true; /* threads of the abandoned look-ups may not have ended yet */
    close_gate();
    assert_int_equal(run(fixture, abandon_look_ups, NULL), 0);
}

static int look_up_with_more_workers(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    begin_tasks(WORKERS + 1);
    wait_until_inside(WORKERS);
    assert_int_equal(asyncio_resolver_set_max_workers(WORKERS + 1), 0);
    wait_until_inside(WORKERS + 1);
    open_gate();
    for (int i = 0; i < WORKERS + 1; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), ASYNCIO_EGAI);
    return 0;
}

/* The number of look-ups that run at once can be changed while some wait. */
static void the_number_of_workers_is_set(void **state)
{
    close_gate();
    assert_int_equal(run(*state, look_up_with_more_workers, NULL), 0);
    assert_int_equal(asyncio_resolver_set_max_workers(SIZE_MAX), -EINVAL);
    assert_int_equal(asyncio_resolver_set_max_workers(0), 0);
}

/* --- without a thread ---------------------------------------------------------------------- */

static int find_code(const char *host, const char *service, int family, int flags)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = asyncio_loop_getaddrinfo(asyncio_get_running_loop(), host, service, &hints, &found);
    if (found)
        freeaddrinfo(found);
    return rc;
}

static int find_without_thread(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    begin_tasks(WORKERS);
    wait_until_inside(WORKERS);
    assert_int_equal(find_code("127.0.0.1", "80", AF_UNSPEC, 0), 0);
    assert_int_equal(find_code("::1", "http", AF_UNSPEC, 0), 0);
    assert_int_equal(find_code(NULL, "http", AF_INET, AI_PASSIVE), 0);
    assert_int_equal(find_code("localhost", "80", AF_UNSPEC, 0), 0);
    assert_int_equal(find_code("LocalHost", "http", AF_UNSPEC, AI_ADDRCONFIG), 0);
    assert_int_equal(find_code("127.0.0.1", "80", AF_INET6, 0), ASYNCIO_EGAI);
    assert_int_equal(find_code("127.0.0.1", "no-such-service", AF_UNSPEC, 0), ASYNCIO_EGAI);
    assert_int_equal(find_code("localhost", "80", AF_UNSPEC, AI_NUMERICHOST), ASYNCIO_EGAI);
    assert_int_equal(find_code("name.invalid", "80", AF_UNSPEC, AI_NUMERICHOST), ASYNCIO_EGAI);
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    asyncio_names_t names;
    assert_int_equal(asyncio_loop_getnameinfo(asyncio_get_running_loop(),
                                              (const struct sockaddr *)&address, sizeof(address),
                                              NI_NUMERICHOST | NI_NUMERICSERV, &names),
                     0);
    assert_string_equal(names.host, "127.0.0.1");
    assert_string_equal(names.service, "80");
    open_gate();
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), ASYNCIO_EGAI);
    return 0;
}

/* Literals, localhost and numeric names are found while every thread for look-ups is blocked. */
static void some_look_ups_need_no_thread(void **state)
{
    close_gate();
    assert_int_equal(run(*state, find_without_thread, NULL), 0);
}

/* --- localhost ----------------------------------------------------------------------------- */

static const char *hosts_text; /* what /etc/hosts holds; NULL: the real file */
static int hosts_fd = -1;      /* of it, while it is read */

static int open_hosts(const char *path, int flags, mode_t mode)
{
    int fd = open(hosts_text && strcmp(path, "/etc/hosts") == 0 ? "/dev/null" : path, flags, mode);
    if (hosts_text)
        hosts_fd = fd;
    return fd;
}

static ssize_t read_hosts(int fd, void *buffer, size_t size)
{
    if (fd != hosts_fd || !hosts_text)
        return read(fd, buffer, size);
    size_t length = strlen(hosts_text);
    length = length < size ? length : size;
    memcpy(buffer, hosts_text, length);
    hosts_text += length;
    return (ssize_t)length;
}

/* Returns the addresses of localhost with that hosts file, as text. */
static void find_localhost(const char *text, int family, char *ret_found, size_t size)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
    struct addrinfo *found = NULL;
    hosts_text = text;
    int rc = asyncio_loop_getaddrinfo(asyncio_get_running_loop(), "localhost", "80", &hints,
                                      &found);
    hosts_text = NULL;
    hosts_fd = -1;
    size_t length = rc < 0 ? (size_t)snprintf(ret_found, size, "%d", rc)
                           : (size_t)snprintf(ret_found, size, "%s", found->ai_canonname);
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        assert_int_equal(getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), port,
                                     sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV),
                         0);
        assert_string_equal(port, "80");
        length += (size_t)snprintf(ret_found + length, size - length, " %s", host);
    }
    if (found)
        freeaddrinfo(found);
}

static int no_ipv6_socket(int family, int type, int protocol)
{
    if (family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return socket(family, type, protocol);
}

#define BOTH "# comment localhost\n127.0.0.1\tlocalhost\n::1 ip6-localhost LOCALHOST # too\n"

static int find_in_hosts(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const struct {
        const char *text, *found;
        int family;
    } cases[] = {
        {BOTH, "localhost 127.0.0.1 ::1", AF_UNSPEC}, /* without IPv6 */
        {BOTH, "localhost 127.0.0.1", AF_INET},
        {BOTH, "localhost ::1", AF_INET6},
        {"127.0.0.1 box localhost\n127.0.0.1 localhost\n", "box 127.0.0.1", AF_UNSPEC},
        {"127.0.0.1 localhost\n127.0.0.2 localhost", "localhost 127.0.0.1 127.0.0.2", AF_UNSPEC},
        {"127.0.0.1 box\n", "localhost 127.0.0.1 ::1", AF_UNSPEC},
        {"", "localhost ::1", AF_INET6},
    };
    char found[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        find_localhost(cases[i].text, cases[i].family, found, sizeof(found));
        assert_string_equal(found, cases[i].found);
    }
    find_localhost("127.0.0.1 localhost\n", AF_INET6, found, sizeof(found));
    assert_int_equal(atoi(found), ASYNCIO_EGAI);
    return 0;
}

/* localhost has the addresses of /etc/hosts, reachable ones first, or else the loopback
 * addresses. */
static void localhost_is_what_the_hosts_file_says(void **state)
{
    asyncio__sys.open = open_hosts;
    asyncio__sys.read = read_hosts;
    asyncio__sys.socket = no_ipv6_socket;
    assert_int_equal(run(*state, find_in_hosts, NULL), 0);
    asyncio__sys.socket = socket;
}

static int compare_localhost(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static const int types[] = {0, SOCK_STREAM};
    for (size_t i = 0; i < 2; i++) {
        const struct addrinfo hints = {.ai_socktype = types[i], .ai_family = AF_INET};
        struct addrinfo *found = NULL, *expected = NULL;
        assert_int_equal(asyncio_loop_getaddrinfo(asyncio_get_running_loop(), "localhost", "80",
                                                  &hints, &found),
                         0);
        assert_int_equal(real_getaddrinfo("localhost", "80", &hints, &expected), 0);
        struct addrinfo *a = found, *b = expected;
        for (; a && b; a = a->ai_next, b = b->ai_next) {
            assert_int_equal(a->ai_socktype, b->ai_socktype);
            assert_int_equal(a->ai_protocol, b->ai_protocol);
            assert_int_equal(a->ai_addrlen, b->ai_addrlen);
            assert_memory_equal(a->ai_addr, b->ai_addr, b->ai_addrlen);
        }
        assert_true(!a && !b);
        freeaddrinfo(found);
        freeaddrinfo(expected);
    }
    return 0;
}

/* The addresses of localhost are those that libc finds. */
static void localhost_is_what_libc_finds(void **state)
{
    assert_int_equal(run(*state, compare_localhost, NULL), 0);
}

/* --- threads that cannot start ------------------------------------------------------------- */

static int thread_error; /* of every start of a thread */

static int fail_to_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*start)(void *arg), void *arg)
{
    (void)ret_thread, (void)attributes, (void)start, (void)arg;
    return thread_error;
}

static int look_up_without_threads(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    thread_error = EAGAIN;
    assert_int_equal(look_up(loop, NULL), -EAGAIN);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "can't start new thread");
    asyncio_error_unref(error);
    thread_error = EINVAL;
    assert_int_equal(look_up(loop, NULL), -EINVAL);
    error = asyncio_error_last();
    assert_non_null(strstr(asyncio_error_message(error), "ulimit -s"));
    asyncio_error_unref(error);
    return 0;
}

/* Where no thread can be started a look-up fails with the reason. First in this program, because an
 * idle thread needs no start. */
static void a_look_up_without_a_thread_fails(void **state)
{
    asyncio__sys.pthread_create = fail_to_create;
    assert_int_equal(run(*state, look_up_without_threads, NULL), 0);
    asyncio__sys.pthread_create = pthread_create;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_look_up_without_a_thread_fails),
        FIXTURE_TEST(some_look_ups_need_no_thread),
        FIXTURE_TEST(localhost_is_what_the_hosts_file_says),
        FIXTURE_TEST(localhost_is_what_libc_finds),
        FIXTURE_TEST(cancelled_look_ups_leave_the_queue),
        FIXTURE_TEST(others_have_their_turn),
        FIXTURE_TEST(a_closed_loop_leaves_the_queue),
        FIXTURE_TEST(dead_look_ups_do_not_block_others),
        FIXTURE_TEST(the_number_of_workers_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
