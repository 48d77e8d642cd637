/* SPDX-License-Identifier: MIT */
/*
 * Accepting without memory or descriptors: no connection that the kernel handed over is lost, and a
 * server continues when there are some again.
 */
#include "support/engine_fixture.h"

#include <asyncio.h>
#include <stdatomic.h>
#include <time.h>

#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "support/faults.h"

static const fault_t no_memory = {.call = FAULT_MEMORY, .error = ENOMEM, .at = 1, .for_good = true};

static int accept_one(asyncio__file_t *listener)
{
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    return run(&job);
}

/* Connections that arrive while only one accept waits are kept for later accepts, even without
 * memory. */
static void connections_are_kept(void **state)
{
    NEEDS_ENGINE();
    enum { COUNT = 80 };
    struct sockaddr_in address;
    int clients[COUNT], accepted[COUNT];
    asyncio__file_t *listener = open_listener(&address);
    clients[0] = connect_plainly(&address);
    accepted[0] = accept_one(listener);
    job_t second = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener}};
    int submitted = submit(&second);
    wait_once(0);
    for (int i = 1; i < COUNT; i++)
        clients[i] = connect_plainly(&address);
    faults_arm(&no_memory);
    accepted[1] = finish(&second, submitted);
    for (int i = 0; i < 3; i++)
        wait_once(0);
    faults_disarm();
    for (int i = 2; i < COUNT; i++)
        accepted[i] = accept_one(listener);
    for (int i = 0; i < COUNT; i++) {
        char byte;
        assert_true(accepted[i] >= 0);
        assert_int_equal(recv(clients[i], &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN); /* nobody has closed it */
        close(accepted[i]);
        close(clients[i]);
    }
    close_file(listener);
}

/* Without memory an accept is refused at once, and no connection is lost later. */
static void an_accept_without_memory_is_refused(void **state)
{
    NEEDS_ENGINE();
    struct sockaddr_in address;
    asyncio__file_t *listener = open_listener(&address);
    job_t job = {.operation = {.kind = ASYNCIO__ACCEPT, .file = listener, .complete = complete}};
    faults_arm(&no_memory);
    int rc = engine->class->submit(engine, &job.operation);
    faults_disarm();
    if (rc == 0) { /* this engine needs none */
        engine->class->cancel(engine, &job.operation);
        rc = finish(&job, 0) == -ECANCELED ? -ENOMEM : 1;
    }
    assert_int_equal(rc, -ENOMEM);
    int client = connect_plainly(&address), fd = accept_one(listener);
    assert_true(fd >= 0);
    close(fd);
    close(client);
    close_file(listener);
}

/* --- servers ------------------------------------------------------------------------------- */

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static time_t shift_seconds;

/* The clock stands still, or a busy machine would find time for a second attempt. */
static int shifted_clock_gettime(clockid_t clock, struct timespec *now)
{
    static struct timespec begun;
    if (begun.tv_sec == 0 && real_clock_gettime(clock, &begun) < 0)
        return -1;
    *now = begun;
    now->tv_sec += shift_seconds;
    return 0;
}

struct story {
    bool ends_starved;      /* the server is closed while nothing is there */
    int reports;            /* of the server */
    int connections;        /* that were served */
    asyncio_event_t served; /* one was */
};

static void on_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop;
    struct story *story = arg;
    assert_string_equal(context->message, "socket.accept() out of system resource");
    story->reports++;
}

static int serve(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    (void)reader, (void)writer;
    struct story *story = arg;
    story->connections++;
    asyncio_event_set(&story->served);
    return 0;
}

/* Runs turns until the loop reports, and some more. */
static void let_it_come_round(const struct story *story)
{
    while (story->reports == 0)
        assert_int_equal(asyncio_sleep(0), 0);
    for (int turn = 0; turn < 400; turn++)
        assert_int_equal(asyncio_sleep(0), 0);
}

static int tell(void *arg, void **ret_result)
{
    (void)ret_result;
    struct story *story = arg;
    struct rlimit old, low;
    asyncio_server_t *server = NULL;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_report, story);
    assert_int_equal(asyncio_event_init(&story->served), 0);
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, serve, story, NULL, &server), 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(asyncio_server_port(server, 0))};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 0;
    int client = connect_plainly(&address);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    faults_arm(&no_memory);
    let_it_come_round(story);
    bool was_met = faults_met();
    if (story->ends_starved)
        assert_int_equal(asyncio_server_close(server), 0);
    faults_disarm();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(was_met);
    assert_int_equal(story->reports, 1);
    if (!story->ends_starved) {
        assert_int_equal(asyncio_sleep(0), 0);
        shift_seconds += 2;
        assert_int_equal(asyncio_event_wait(&story->served), 0);
        assert_int_equal(asyncio_server_close(server), 0);
    }
    assert_int_equal(asyncio_server_wait_closed(server), 0);
    asyncio_server_unref(server);
    asyncio_event_fini(&story->served);
    close(client);
    return 0;
}

static int run_story(bool ends_starved)
{
    const char *name = getenv("ASYNCIO_ENGINE");
    struct story story = {.ends_starved = ends_starved};
    if ((name && strcmp(name, "sim") == 0) || asyncio__on_valgrind())
        skip(); /* no sockets; a limit that is only pretended */
    real_clock_gettime = asyncio__sys.clock_gettime;
    asyncio__sys.clock_gettime = shifted_clock_gettime;
    int rc = asyncio_run(asyncio_coroutine(tell, &story), NULL);
    asyncio__sys.clock_gettime = real_clock_gettime;
    assert_int_equal(rc, 0);
    return story.connections;
}

/* A listener that had neither a descriptor nor memory for its pause serves again afterwards. */
static void a_starved_listener_comes_back(void **state)
{
    (void)state;
    assert_int_equal(run_story(/* ends_starved= */ false), 1);
}

/* A server that is closed in that state releases everything. */
static void a_starved_server_can_be_closed(void **state)
{
    (void)state;
    assert_int_equal(run_story(/* ends_starved= */ true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_are_kept, begin_epoll, end),
        cmocka_unit_test_setup_teardown(connections_are_kept, begin_uring, end),
        cmocka_unit_test_setup_teardown(an_accept_without_memory_is_refused, begin_epoll, end),
        cmocka_unit_test_setup_teardown(an_accept_without_memory_is_refused, begin_uring, end),
        cmocka_unit_test(a_starved_listener_comes_back),
        cmocka_unit_test(a_starved_server_can_be_closed),
    };
    if (!faults_install())
        return 1;
    sweep_may_wait = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
