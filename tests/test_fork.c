/* SPDX-License-Identifier: MIT */
/* Forks: in the child every call on the parent's loop is refused, and the parent is not harmed. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child a failed check becomes an exit code: its line number. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            char text[32]; \
            int length = snprintf(text, sizeof(text), "child: line %d\n", __LINE__); \
            if (write(STDERR_FILENO, text, (size_t)length) < 0) \
                _exit(2); \
            _exit(1); \
        } \
    } while (0)

static void do_nothing(void *arg)
{
    (void)arg;
}

static int return_number(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return 0;
}

static void do_nothing_with(asyncio_future_t *future, void *arg)
{
    (void)future, (void)arg;
}

struct shared {
    asyncio_loop_t *loop;     /* the parent's */
    asyncio_future_t *future; /* of it, pending */
    asyncio_task_t *task;     /* of it, pending */
    asyncio_remote_t *remote; /* of it */
};

/* Calls of the child on the loop of its parent. */
static void try_all(const struct shared *shared)
{
    asyncio_loop_t *loop = shared->loop;
    asyncio_remote_t remote;
    CHECK(asyncio_get_running_loop() == NULL);
    CHECK(!asyncio_loop_is_running(loop));
    CHECK(asyncio_loop_run_forever(loop) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_run_until_complete(loop, asyncio_coroutine(return_number, NULL), NULL) ==
          ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_call_soon(loop, do_nothing, NULL, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_call_later(loop, 1, do_nothing, NULL, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_call_at(loop, 1, do_nothing, NULL, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_call_soon_threadsafe(loop, do_nothing, NULL, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_add_reader(loop, 0, do_nothing, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_remove_reader(loop, 0) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_add_writer(loop, 0, do_nothing, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_remove_writer(loop, 0) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_close(loop) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_remote_init(&remote, loop, do_nothing, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_remote_post(shared->remote) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_remote_post(shared->remote) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_future_set_result(shared->future, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_future_set_exception(shared->future, -EIO) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_future_cancel(shared->future, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_future_add_done_callback(shared->future, do_nothing_with, NULL) ==
          ASYNCIO_ERUNTIME);
    CHECK(asyncio_task_cancel(shared->task, NULL) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_all_tasks(loop, NULL, 0) == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_create_future(loop) == NULL);
    CHECK(asyncio_errno() == ASYNCIO_ERUNTIME);
    CHECK(asyncio_loop_create_task(loop, asyncio_coroutine(return_number, NULL)) == NULL);
    CHECK(asyncio_errno() == ASYNCIO_ERUNTIME);
    CHECK(asyncio_create_task(asyncio_coroutine(return_number, NULL)) == NULL);
    CHECK(asyncio_errno() == ASYNCIO_ERUNTIME);
    asyncio_loop_stop(loop);
}

static int sleep_a_little(void *arg, void **ret_result)
{
    (void)ret_result;
    ++*(int *)arg;
    return asyncio_sleep(0.001);
}

/* Runs a loop of the child's own, beside the parent's. */
static void run_own_loop(void)
{
    int runs = 0;
    CHECK(asyncio_run(asyncio_coroutine(sleep_a_little, &runs), NULL) == 0);
    CHECK(runs == 1);
}

static void wait_for_child(pid_t child)
{
    int status = 0;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void begin(fixture_t *fixture, struct shared *shared, asyncio_remote_t *remote)
{
    shared->loop = fixture->loop;
    shared->remote = remote;
    shared->future = asyncio_loop_create_future(fixture->loop);
    shared->task = asyncio_loop_create_task(fixture->loop, asyncio_sleep_coroutine(1));
    assert_int_equal(asyncio_remote_init(remote, fixture->loop, do_nothing, NULL), 0);
}

static void end(struct shared *shared)
{
    void *value = NULL;
    assert_int_equal(asyncio_future_set_result(shared->future, shared), 0);
    assert_int_equal(asyncio_loop_run_until_complete(shared->loop, shared->future, &value), 0);
    assert_ptr_equal(value, shared);
    assert_int_equal(asyncio_loop_run_until_complete(shared->loop, shared->task, NULL), 0);
    asyncio_remote_fini(shared->remote);
    asyncio_future_unref(shared->future);
    asyncio_task_unref(shared->task);
}

/* In a child that was forked beside the loop every call is refused; the parent continues. */
static void a_child_beside_the_loop_is_refused(void **state)
{
    skip_loop_of_child_on_valgrind();
    asyncio_remote_t remote;
    struct shared shared;
    begin(*state, &shared, &remote);
    assert_int_equal(asyncio_remote_post(&remote), 0);
    pid_t child = fork();
    if (child == 0) {
        try_all(&shared);
        run_own_loop();
        asyncio_loop_unref(shared.loop);
        _exit(0);
    }
    wait_for_child(child);
    end(&shared);
}

static int fork_inside(void *arg, void **ret_result)
{
    (void)ret_result;
    struct shared *shared = arg;
    assert_int_equal(asyncio_sleep(0.5), 0);
    pid_t child = fork();
    if (child == 0) {
        try_all(shared);
        CHECK(asyncio_sleep(0) == ASYNCIO_ERUNTIME);
        CHECK(asyncio_sleep(1) == ASYNCIO_ERUNTIME);
        CHECK(asyncio_await(shared->future, NULL) == ASYNCIO_ERUNTIME);
        CHECK(asyncio_loop_create_future(NULL) == NULL);
        run_own_loop();
        _exit(0);
    }
    wait_for_child(child);
    return asyncio_sleep(0.1);
}

/* The same in a child that was forked inside a task: it can neither wait nor wake a task. */
static void a_child_inside_a_task_is_refused(void **state)
{
    skip_loop_of_child_on_valgrind();
    fixture_t *fixture = *state;
    asyncio_remote_t remote;
    struct shared shared;
    begin(fixture, &shared, &remote);
    assert_int_equal(run(fixture, fork_inside, &shared), 0);
    end(&shared);
}

static int fork_and_return(void *arg, void **ret_result)
{
    (void)ret_result;
    pid_t *child = arg;
    *child = fork();
    return 0;
}

static void must_not_run(void *arg)
{
    pid_t *child = arg;
    if (*child == 0)
        _exit(3);
}

/* A child that returns from its task leaves the loop at once; nothing of the parent runs. */
static void a_child_that_returns_leaves_the_loop(void **state)
{
    fixture_t *fixture = *state;
    pid_t child = -1;
    skip_fork_under_tsan();
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(fork_and_return, &child));
    assert_int_equal(asyncio_loop_call_soon(fixture->loop, must_not_run, &child, NULL), 0);
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 0, must_not_run, &child, NULL), 0);
    int rc = asyncio_loop_run_until_complete(fixture->loop, task, NULL);
    if (child == 0)
        _exit(rc == ASYNCIO_ERUNTIME ? 0 : 4);
    assert_int_equal(rc, 0);
    asyncio_task_unref(task);
    wait_for_child(child);
}

static int fork_in_a_generator(void *arg, void **ret_result)
{
    (void)ret_result;
    *(pid_t *)arg = fork();
    return 0;
}

static int drive_and_wait(void *arg, void **ret_result)
{
    pid_t *child = arg;
    (void)ret_result;
    asyncio_coroutine_t *generator = asyncio_coroutine(fork_in_a_generator, child);
    int rc = asyncio_coroutine_send(generator, NULL, NULL);
    asyncio_coroutine_unref(generator);
    if (*child == 0) {
        CHECK(rc == 0);
        CHECK(asyncio_sleep(0) == ASYNCIO_ERUNTIME);
        _exit(0);
    }
    return rc;
}

/* A coroutine that a task drives by hand forks: back in the task, the child cannot wait. */
static void a_fork_in_a_driven_coroutine_leaves_the_loop(void **state)
{
    fixture_t *fixture = *state;
    pid_t child = -1;
    skip_fork_under_tsan();
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(drive_and_wait, &child));
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    asyncio_task_unref(task);
    wait_for_child(child);
}

static int fork_run_and_return(void *arg, void **ret_result)
{
    pid_t *child = arg;
    (void)ret_result;
    *child = fork();
    if (*child == 0) {
        run_own_loop();
        CHECK(asyncio_sleep(0) == ASYNCIO_ERUNTIME);
    }
    return 0;
}

/* So does a child that has run loops of its own in the task meanwhile. */
static void a_child_that_ran_a_loop_leaves_its_parents(void **state)
{
    fixture_t *fixture = *state;
    pid_t child = -1;
    skip_fork_under_tsan();
    skip_loop_of_child_on_valgrind();
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(fork_run_and_return, &child));
    int rc = asyncio_loop_run_until_complete(fixture->loop, task, NULL);
    if (child == 0)
        _exit(rc == ASYNCIO_ERUNTIME && !asyncio_current_task() ? 0 : 4);
    assert_int_equal(rc, 0);
    asyncio_task_unref(task);
    wait_for_child(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_child_beside_the_loop_is_refused),
        FIXTURE_TEST(a_child_inside_a_task_is_refused),
        FIXTURE_TEST(a_child_that_returns_leaves_the_loop),
        FIXTURE_TEST(a_child_that_ran_a_loop_leaves_its_parents),
        FIXTURE_TEST(a_fork_in_a_driven_coroutine_leaves_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
