/* SPDX-License-Identifier: MIT */
/*
 * Calls by strangers: by another thread, while the loop runs, and by a forked child. Calls that
 * would change the loop fail with ASYNCIO_ERUNTIME and change nothing: tasks that wait keep
 * waiting, and continue once the loop's own thread makes the call.
 */
#include "support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/contend.h"

/* An object of each kind, with a task that waits for it. */
typedef struct world {
    asyncio_loop_t *loop;
    asyncio_event_t event;             /* not set */
    asyncio_lock_t lock;               /* held */
    asyncio_semaphore_t semaphore;     /* of value 0 */
    asyncio_condition_t condition;     /* its lock is held by nobody */
    asyncio_condition_t claimed;       /* its lock is held, and waited for */
    asyncio_barrier_t barrier;         /* of two parties, one is there */
    asyncio_queue_t *empty;            /* is got from */
    asyncio_queue_t *full;             /* is put into, and joined */
    asyncio_task_group_t group;        /* entered by the task that runs all */
    asyncio_timeout_t timeout;         /* likewise */
    asyncio_task_t *tasks[9];          /* the tasks that wait */
    size_t task_count;                 /* of tasks */
    asyncio_task_t *sleeper;           /* sleeps two seconds */
    asyncio_timer_handle_t *timer;     /* due in a second */
    asyncio_server_t *server;          /* with one client; NULL without sockets */
    asyncio_stream_reader_t *reader;   /* of the client */
    asyncio_stream_writer_t *writer;   /* of the client */
    asyncio_socket_t *sock;            /* the loop's */
    int calls;                         /* of what the timer calls */
} world_t;

static void count_call(void *arg)
{
    ++((world_t *)arg)->calls;
}

static int return_number(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return 0;
}

static void handle(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

/* --- what a stranger tries ----------------------------------------------------------------- */

static int refused;    /* calls that were */
static int first_line; /* of what was not; 0 */

static void expect(bool is_right, int line)
{
    refused += is_right;
    if (!is_right && !first_line)
        first_line = line;
}

#define REFUSED(call) expect((call) == ASYNCIO_ERUNTIME, __LINE__)

static void try_loop(world_t *world)
{
    asyncio_exception_handler_t *former = asyncio_loop_get_exception_handler(world->loop, NULL);
    bool debug = asyncio_loop_get_debug(world->loop);
    REFUSED(asyncio_loop_set_slow_callback_duration(world->loop, 1));
    asyncio_loop_set_exception_handler(world->loop, handle, NULL);
    expect(asyncio_loop_get_exception_handler(world->loop, NULL) == former, __LINE__);
    asyncio_loop_set_debug(world->loop, !debug);
    expect(asyncio_loop_get_debug(world->loop) == debug, __LINE__);
    asyncio_handle_cancel(world->timer);
    expect(asyncio_handle_cancelled(world->timer), __LINE__);
}

static void try_tasks(world_t *world)
{
    REFUSED(asyncio_task_uncancel(world->sleeper));
    REFUSED(asyncio_task_set_name(world->sleeper, "of a stranger"));
    REFUSED(asyncio_task_detach(world->sleeper));
    REFUSED(asyncio_task_cancel(world->sleeper, NULL));
    REFUSED(asyncio_task_group_cancel(&world->group));
    asyncio_task_t *task =
        asyncio_task_group_create_task(&world->group, asyncio_coroutine(return_number, NULL));
    expect(!task && asyncio_errno() == ASYNCIO_ERUNTIME, __LINE__);
    REFUSED(asyncio_task_group_exit(&world->group, 0));
    REFUSED(asyncio_timeout_reschedule(&world->timeout, 1000));
    REFUSED(asyncio_timeout_exit(&world->timeout, 0));
}

static void try_primitives(world_t *world)
{
    void *item = NULL;
    REFUSED(asyncio_event_set(&world->event));
    expect(!asyncio_event_is_set(&world->event), __LINE__);
    REFUSED(asyncio_lock_release(&world->lock));
    expect(asyncio_lock_locked(&world->lock), __LINE__);
    REFUSED(asyncio_semaphore_release(&world->semaphore));
    REFUSED(asyncio_semaphore_acquire(&world->semaphore));
    REFUSED(asyncio_condition_release(&world->claimed));
    REFUSED(asyncio_condition_wait(&world->claimed));
    expect(asyncio_condition_locked(&world->claimed), __LINE__);
    /* Nobody waits for this lock, so that taking and releasing it does not touch the loop. */
    expect(asyncio_condition_acquire(&world->condition) == 0, __LINE__);
    REFUSED(asyncio_condition_notify(&world->condition, 1));
    REFUSED(asyncio_condition_notify_all(&world->condition));
    expect(asyncio_condition_release(&world->condition) == 0, __LINE__);
    REFUSED(asyncio_barrier_wait(&world->barrier));
    REFUSED(asyncio_barrier_abort(&world->barrier));
    REFUSED(asyncio_barrier_reset(&world->barrier));
    expect(!asyncio_barrier_broken(&world->barrier), __LINE__);
    REFUSED(asyncio_queue_put_nowait(world->empty, world));
    REFUSED(asyncio_queue_shutdown(world->empty, true, NULL));
    expect(asyncio_queue_empty(world->empty), __LINE__);
    REFUSED(asyncio_queue_get_nowait(world->full, &item));
    expect(!item && asyncio_queue_full(world->full), __LINE__);
    REFUSED(asyncio_queue_task_done(world->full));
    REFUSED(asyncio_queue_shutdown(world->full, true, NULL));
}

static void try_net(world_t *world)
{
    if (!world->server)
        return;
    REFUSED(asyncio_server_close(world->server));
    REFUSED(asyncio_server_close_clients(world->server));
    REFUSED(asyncio_server_abort_clients(world->server));
    REFUSED(asyncio_server_start_serving(world->server));
    REFUSED(asyncio_stream_writer_write(world->writer, "x", 1));
    REFUSED(asyncio_stream_writer_write_eof(world->writer));
    REFUSED(asyncio_stream_writer_set_write_buffer_limits(world->writer, 1, 0));
    REFUSED(asyncio_stream_writer_close(world->writer));
    REFUSED(asyncio_stream_writer_abort(world->writer));
    REFUSED(asyncio_socket_close(world->sock));
    /* A reference that is dropped here is leaked, and so is its object. */
    asyncio_server_unref(world->server);
    asyncio_stream_reader_unref(world->reader);
    asyncio_stream_writer_unref(world->writer);
    asyncio_socket_unref(world->sock);
    expect(asyncio_server_is_serving(world->server), __LINE__);
    expect(!asyncio_stream_writer_is_closing(world->writer), __LINE__);
    expect(asyncio_socket_fileno(world->sock) >= 0, __LINE__);
}

static void *be_a_stranger(void *arg)
{
    world_t *world = arg;
    refused = first_line = 0;
    try_loop(world);
    try_tasks(world);
    try_primitives(world);
    try_net(world);
    asyncio_error_clear();
    return NULL;
}

/* --- the world ----------------------------------------------------------------------------- */

static int wait_with_lock(void *arg, void **ret_result)
{
    asyncio_condition_t *condition = arg;
    (void)ret_result;
    int rc = asyncio_condition_acquire(condition);
    if (rc < 0)
        return rc;
    rc = asyncio_condition_wait(condition);
    int released = asyncio_condition_release(condition);
    return rc < 0 ? rc : released;
}

static void start(world_t *world, asyncio_coroutine_t *coroutine)
{
    world->tasks[world->task_count++] = asyncio_create_task(coroutine);
    assert_non_null(world->tasks[world->task_count - 1]);
}

static int keep(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    char byte;
    (void)writer, (void)arg;
    return (int)asyncio_stream_reader_read(reader, &byte, 1);
}

static void begin_net(world_t *world)
{
    int fds[2];
    if (asyncio_loop_get_engine(world->loop) == ASYNCIO_ENGINE_SIM)
        return;
    assert_int_equal(asyncio_start_server("127.0.0.1", 0, keep, NULL, NULL, &world->server), 0);
    assert_int_equal(asyncio_open_connection("127.0.0.1", asyncio_server_port(world->server, 0),
                                             NULL, &world->reader, &world->writer),
                     0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    world->sock = asyncio_socket_from_fd(fds[0]);
    assert_non_null(world->sock);
    assert_int_equal(write(fds[1], "x", 1), 1);
    close(fds[1]);
    char byte;
    assert_int_equal(asyncio_loop_sock_recv(world->loop, world->sock, &byte, 1), 1);
}

static void begin(world_t *world)
{
    *world = (world_t){.loop = asyncio_get_running_loop()};
    asyncio_event_init(&world->event);
    asyncio_lock_init(&world->lock);
    asyncio_semaphore_init(&world->semaphore, 0);
    asyncio_condition_init(&world->condition);
    asyncio_condition_init(&world->claimed);
    asyncio_barrier_init(&world->barrier, 2);
    world->empty = asyncio_queue_new(0);
    world->full = asyncio_queue_new(1);
    assert_int_equal(asyncio_lock_acquire(&world->lock), 0);
    assert_int_equal(asyncio_condition_acquire(&world->claimed), 0);
    assert_int_equal(asyncio_queue_put_nowait(world->full, world), 0);
    start(world, asyncio_event_wait_coroutine(&world->event));
    start(world, asyncio_lock_acquire_coroutine(&world->lock));
    start(world, asyncio_semaphore_acquire_coroutine(&world->semaphore));
    start(world, asyncio_coroutine(wait_with_lock, &world->condition));
    start(world, asyncio_condition_acquire_coroutine(&world->claimed));
    start(world, asyncio_barrier_wait_coroutine(&world->barrier));
    start(world, asyncio_queue_get_coroutine(world->empty));
    start(world, asyncio_queue_put_coroutine(world->full, world));
    start(world, asyncio_queue_join_coroutine(world->full));
    world->sleeper = asyncio_create_task(asyncio_sleep_coroutine(2));
    assert_int_equal(asyncio_loop_call_later(world->loop, 1, count_call, world, &world->timer), 0);
    assert_int_equal(asyncio_timeout_enter(&world->timeout, 1000), 0);
    assert_int_equal(asyncio_task_group_enter(&world->group), 0);
    assert_int_equal(asyncio_sleep(0), 0);
    begin_net(world);
}

static void end_net(world_t *world)
{
    if (!world->server)
        return;
    asyncio_stream_reader_unref(world->reader);
    asyncio_stream_writer_unref(world->writer);
    asyncio_socket_unref(world->sock);
    assert_int_equal(asyncio_server_close(world->server), 0);
    assert_int_equal(asyncio_server_wait_closed(world->server), 0);
    asyncio_server_unref(world->server);
}

/* The owner may do everything, and finds the objects unchanged. */
static void end(world_t *world)
{
    void *item = NULL;
    end_net(world); /* first: while operations are in flight the virtual clock stands */
    assert_int_equal(asyncio_event_set(&world->event), 0);
    assert_int_equal(asyncio_lock_release(&world->lock), 0);
    assert_int_equal(asyncio_semaphore_release(&world->semaphore), 0);
    assert_int_equal(asyncio_condition_acquire(&world->condition), 0);
    assert_int_equal(asyncio_condition_notify_all(&world->condition), 0);
    assert_int_equal(asyncio_condition_release(&world->condition), 0);
    assert_int_equal(asyncio_condition_release(&world->claimed), 0);
    assert_int_equal(asyncio_barrier_wait(&world->barrier), 1);
    assert_int_equal(asyncio_queue_put_nowait(world->empty, world), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asyncio_queue_get(world->full, &item), 0);
        assert_ptr_equal(item, world);
        assert_int_equal(asyncio_queue_task_done(world->full), 0);
    }
    for (size_t i = 0; i < world->task_count; i++)
        assert_int_equal(asyncio_await_unref(world->tasks[i], NULL), 0);
    assert_string_not_equal(asyncio_task_get_name(world->sleeper), "of a stranger");
    assert_int_equal(asyncio_task_group_exit(&world->group, 0), 0);
    assert_int_equal(asyncio_timeout_exit(&world->timeout, 0), 0);
    assert_int_equal(asyncio_await_unref(world->sleeper, NULL), 0);
    asyncio_handle_unref(world->timer);
    asyncio_queue_unref(world->empty);
    asyncio_queue_unref(world->full);
}

/* --- strangers ----------------------------------------------------------------------------- */

static int meet_a_thread(void *arg, void **ret_result)
{
    world_t world;
    pthread_t thread;
    (void)arg, (void)ret_result;
    begin(&world);
    assert_int_equal(pthread_create(&thread, NULL, be_a_stranger, &world), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(first_line, 0);
    end(&world);
    assert_int_equal(world.calls, 0); /* the timer was called off, though it stayed in the heap */
    return 0;
}

/* Another thread cannot change a running loop, and its calls fail, in debug mode and without. */
static void another_thread_is_refused(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(run(fixture, meet_a_thread, NULL), 0);
    if (asyncio_loop_get_debug(fixture->loop)) {
        assert_true(fixture->reports > 0);
        assert_int_equal(fixture->last.code, ASYNCIO_ERUNTIME);
        fixture->expected_reports = fixture->reports;
    }
}

static void meet_a_child(world_t *world)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        be_a_stranger(world);
        asyncio_timeout_t timeout;
        asyncio_task_group_t group;
        REFUSED(asyncio_timeout_enter(&timeout, 1));
        REFUSED(asyncio_task_group_enter(&group));
        if (first_line)
            fprintf(stderr, "child: line %d\n", first_line);
        _exit(first_line || !refused ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int fork_in_a_task(void *arg, void **ret_result)
{
    world_t world;
    (void)arg, (void)ret_result;
    begin(&world);
    meet_a_child(&world);
    end(&world);
    assert_int_equal(world.calls, 1);
    return 0;
}

/* A child that is forked inside a task cannot change the loop, not even its own copy. */
static void a_child_inside_is_refused(void **state)
{
    skip_fork_under_tsan();
    assert_int_equal(run(*state, fork_in_a_task, NULL), 0);
}

static int begin_world(void *arg, void **ret_result)
{
    (void)ret_result;
    begin(arg);
    /* Scopes need a task that continues: this one does not. */
    assert_int_equal(asyncio_task_group_exit(&((world_t *)arg)->group, 0), 0);
    assert_int_equal(asyncio_timeout_exit(&((world_t *)arg)->timeout, 0), 0);
    return 0;
}

static int end_world(void *arg, void **ret_result)
{
    world_t *world = arg;
    (void)ret_result;
    assert_int_equal(asyncio_timeout_enter(&world->timeout, 1000), 0);
    assert_int_equal(asyncio_task_group_enter(&world->group), 0);
    end(world);
    return 0;
}

/* A child that is forked between two runs of the loop is refused too. */
static void a_child_beside_is_refused(void **state)
{
    world_t world;
    int status = 0;
    assert_int_equal(run(*state, begin_world, &world), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        refused = first_line = 0;
        try_loop(&world);
        try_primitives(&world);
        try_net(&world);
        if (first_line)
            fprintf(stderr, "child: line %d\n", first_line);
        _exit(first_line ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(run(*state, end_world, &world), 0);
}

static int hold_a_waiter(void *arg, void **ret_result)
{
    world_t *world = arg;
    (void)ret_result;
    asyncio_event_init(&world->event);
    start(world, asyncio_event_wait_coroutine(&world->event));
    return asyncio_sleep(0);
}

static void *set_event(void *arg)
{
    world_t *world = arg;
    first_line = asyncio_event_set(&world->event);
    return NULL;
}

/* While a loop does not run, any one thread at a time may use it. */
static void a_loop_that_stands_is_anybodys(void **state)
{
    fixture_t *fixture = *state;
    world_t world = {.loop = fixture->loop};
    pthread_t thread;
    assert_int_equal(run(fixture, hold_a_waiter, &world), 0);
    assert_int_equal(pthread_create(&thread, NULL, set_event, &world), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(first_line, 0);
    assert_int_equal(end_of_task(world.tasks[0]), 0);
}

/* Whether the last error names that argument, in quotation marks. */
static bool names(const char *argument)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\" must ", argument);
    asyncio_error_t *error = asyncio_error_last();
    const char *message = error ? asyncio_error_message(error) : "";
    bool is_named = message && strstr(message, quoted) != NULL;
    if (!is_named)
        print_error("%s: %s\n", argument, message ? message : "no message");
    asyncio_error_unref(error);
    asyncio_error_clear();
    return is_named;
}

#define ASSERT_NAMES(call, argument) \
    do { \
        assert_int_equal(call, -EINVAL); \
        assert_true(names(argument)); \
    } while (0)

static int call_with_bad_arguments(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    char zeros[256] = {0};
    void *other = zeros; /* not awaitable */
    asyncio_awaitable_t *none[] = {NULL};
    asyncio_timeout_t scope;
    ASSERT_NAMES(asyncio_await(NULL, NULL), "awaitable");
    ASSERT_NAMES(asyncio_await(other, NULL), "awaitable");
    ASSERT_NAMES(asyncio_await_unref(other, NULL), "future");
    ASSERT_NAMES(asyncio_future_result(NULL, NULL), "future");
    ASSERT_NAMES(asyncio_future_add_done_callback(asyncio_current_task(), NULL, NULL), "fn");
    ASSERT_NAMES(asyncio_task_set_name(asyncio_current_task(), NULL), "name");
    ASSERT_NAMES(asyncio_task_set_name(NULL, "name"), "task");
    ASSERT_NAMES(asyncio_task_detach(other), "task");
    ASSERT_NAMES(asyncio_gather_result(asyncio_current_task(), 0, NULL), "gathering");
    ASSERT_NAMES(asyncio_gather_await(NULL, 1, NULL), "awaitables");
    ASSERT_NAMES(asyncio_gather_await(none, SIZE_MAX, NULL), "count");
    ASSERT_NAMES(asyncio_wait(none, 1, NAN, ASYNCIO_ALL_COMPLETED, NULL), "timeout");
    ASSERT_NAMES(asyncio_wait_for(asyncio_current_task(), NAN, NULL), "timeout");
    ASSERT_NAMES(asyncio_timeout_enter(NULL, 1), "scope");
    ASSERT_NAMES(asyncio_timeout_exit(NULL, 0), "scope");
    ASSERT_NAMES(asyncio_timeout_reschedule(NULL, 1), "scope");
    assert_int_equal(asyncio_timeout_enter(&scope, 1), 0);
    ASSERT_NAMES(asyncio_timeout_reschedule(&scope, NAN), "when");
    assert_int_equal(asyncio_timeout_exit(&scope, 0), 0);
    ASSERT_NAMES(asyncio_task_group_enter(NULL), "group");
    ASSERT_NAMES(asyncio_as_completed_next(NULL, NULL), "iteration");
    return 0;
}

/* -EINVAL comes with a message that says which argument was bad. */
static void bad_arguments_are_named(void **state)
{
    assert_int_equal(run(*state, call_with_bad_arguments, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(another_thread_is_refused),
        FIXTURE_TEST(a_child_inside_is_refused),
        FIXTURE_TEST(a_child_beside_is_refused),
        FIXTURE_TEST(a_loop_that_stands_is_anybodys),
        FIXTURE_TEST(bad_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
