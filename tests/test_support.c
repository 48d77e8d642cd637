/* SPDX-License-Identifier: MIT */
/*
 * The tests' own support: accounts that see each kind of loss, and faults that strike where they
 * are ordered to. What is shown here is that these can fail.
 */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"
#include "base/thread.h"
#include "coroutine/stack.h"
#include "support/faults.h"

/* --- losses, each made in a child ---------------------------------------------------------- */

static void lose_nothing(void **state)
{
    (void)state;
    asyncio__free(asyncio__malloc(10), 10);
    close(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void lose_a_block(void **state)
{
    (void)state;
    assert_non_null(asyncio__malloc(10));
}

static void lose_a_descriptor(void **state)
{
    (void)state;
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void lose_a_stack(void **state)
{
    (void)state;
    assert_non_null(asyncio__stack_acquire(ASYNCIO__STACK_DEFAULT_BYTES));
}

static void *wait_for_ever(void *arg)
{
    poll(NULL, 0, -1);
    return arg;
}

static void lose_a_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
    pthread_detach(thread);
}

static void lose_a_child(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_true(child > 0);
}

static void lose_a_mark(void **state)
{
    (void)state;
    static int task;
    asyncio__thread.task = (asyncio_task_t *)&task;
}

static asyncio_future_t *never;

static int wait_for_never(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_await(never, NULL);
}

static void lose_a_task(void **state)
{
    fixture_t *fixture = *state;
    never = asyncio_loop_create_future(fixture->loop);
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(wait_for_never, NULL));
    asyncio_task_unref(task);
    run_turn_once(fixture);
    asyncio_future_unref(never);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void lose_a_timer(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_loop_call_later(fixture->loop, 5, do_nothing, NULL, NULL), 0);
}

static void lose_a_watch(void **state)
{
    fixture_t *fixture = *state;
    static int ends[2];
    skip_without_descriptors(fixture);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(asyncio_loop_add_reader(fixture->loop, ends[0], do_nothing, NULL), 0);
}

static void *let_it_end(void *arg)
{
    return arg;
}

static void lose_a_thread_slowly(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_it_end, NULL), 0);
    pthread_detach(thread);
}

/* Returns whether cmocka, in a child, accepts a test function. */
static bool is_content(struct CMUnitTest test)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct CMUnitTest tests[] = {test};
        int sink = open("/dev/null", O_WRONLY);
        dup2(sink, STDOUT_FILENO);
        dup2(sink, STDERR_FILENO);
        close(sink);
        unsetenv("ASYNCIO_TEST_SWEEP");
        accounts_patience_rounds = test.test_func == lose_a_thread_slowly ? 2000 : 20;
        _exit(cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 0, 1);
    return WEXITSTATUS(status) == 0;
}

#define PLAIN(function) ((struct CMUnitTest)cmocka_unit_test(function))
#define WITH_LOOP(function) ((struct CMUnitTest)FIXTURE_TEST(function))

/* A test function that releases what it acquired, or whose thread ends soon, passes. */
static void what_is_given_back_passes(void **state)
{
    (void)state;
    assert_true(is_content(PLAIN(lose_nothing)));
    assert_true(is_content(WITH_LOOP(lose_nothing)));
    assert_true(is_content(PLAIN(lose_a_thread_slowly)));
}

/* A test function that leaks a block, a descriptor, a stack, a thread, a child or a mark fails. */
static void each_loss_is_seen(void **state)
{
    (void)state;
    skip_on_valgrind("sees what the child loses too, and ends it in its own way");
    assert_false(is_content(PLAIN(lose_a_block)));
    assert_false(is_content(PLAIN(lose_a_descriptor)));
    assert_false(is_content(PLAIN(lose_a_stack)));
#if !defined(ASYNCIO__TSAN)
    assert_false(is_content(PLAIN(lose_a_thread)));
#else
    (void)lose_a_thread; /* not counted there: the checker has a thread of its own */
#endif
    assert_false(is_content(PLAIN(lose_a_child)));
    assert_false(is_content(PLAIN(lose_a_mark)));
}

/* So does one that leaves a task, a timer or an operation to its loop without saying so. */
static void work_left_to_a_loop_is_seen(void **state)
{
    const fixture_t *fixture = *state;
    bool has_descriptors = asyncio_loop_get_engine(fixture->loop) != ASYNCIO_ENGINE_SIM;
    skip_on_valgrind("sees what the child loses too, and ends it in its own way");
    assert_false(is_content(WITH_LOOP(lose_a_task)));
    assert_false(is_content(WITH_LOOP(lose_a_timer)));
    if (has_descriptors)
        assert_false(is_content(WITH_LOOP(lose_a_watch)));
}

/* --- faults -------------------------------------------------------------------------------- */

/* Runs this program again as a child, since faults are installed permanently, before anything
 * else. */
static void in_child(const char *checks)
{
    char path[4096] = ""; /* not /proc/self/exe: under valgrind exec() finds valgrind there */
    assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(path, "test_support", checks, NULL);
        _exit(9);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define EXPECT(condition) \
    do {                  \
        if (!(condition)) \
            _exit(2);     \
    } while (0)

static bool can_allocate(void)
{
    void *block = asyncio__malloc(16);
    asyncio__free(block, 16);
    return block != NULL;
}

static void check_faults(void)
{
    struct timespec now;
    EXPECT(faults_install());
    EXPECT(can_allocate());
    faults_arm(&(fault_t){.call = FAULT_MEMORY, .error = ENOMEM, .at = 2});
    EXPECT(can_allocate() && !faults_met() && !can_allocate() && faults_met());
    EXPECT(can_allocate() && faults_count(FAULT_MEMORY) == 3);
    faults_arm(&(fault_t){.call = FAULT_MEMORY, .error = ENOMEM, .at = 2, .for_good = true});
    EXPECT(can_allocate() && !can_allocate() && !can_allocate());
    faults_disarm();
    EXPECT(can_allocate() && faults_count(FAULT_MEMORY) == 3);
    faults_arm(&(fault_t){.call = FAULT_clock_gettime, .error = EPERM, .at = 1});
    errno = 0;
    EXPECT(asyncio__sys.clock_gettime(CLOCK_MONOTONIC, &now) == -1 && errno == EPERM);
    EXPECT(asyncio__sys.clock_gettime(CLOCK_MONOTONIC, &now) == 0 && faults_met());
    faults_arm(&(fault_t){.call = FAULT_close, .error = EIO, .at = 1});
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT(asyncio__sys.close(fd) == -1 && errno == EIO && fcntl(fd, F_GETFD) == -1);
    faults_disarm();
}

/* The n-th call fails, once or from then on, with the requested error; a close that fails has
 * closed the descriptor. */
static void faults_strike_where_ordered(void **state)
{
    (void)state;
    in_child("faults");
}

/* Each entry of the table has a name, and errors to fail with, except the clock. */
static void every_call_has_errors(void **state)
{
    (void)state;
    for (int call = 0; call < FAULT_CALLS; call++) {
        assert_string_not_equal(faults_name((enum fault_call)call), "?");
        assert_non_null(faults_errors((enum fault_call)call));
        assert_int_equal(faults_errors((enum fault_call)call)[0] == 0,
                         call == FAULT_clock_gettime);
    }
    assert_int_equal(FAULT_MEMORY * sizeof(void (*)(void)), sizeof(asyncio__sys));
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_back_passes),
        cmocka_unit_test(each_loss_is_seen),
        FIXTURE_TEST(work_left_to_a_loop_is_seen),
        cmocka_unit_test(faults_strike_where_ordered),
        cmocka_unit_test(every_call_has_errors),
    };
    if (count > 1 && strcmp(arguments[1], "faults") == 0) {
        check_faults();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
