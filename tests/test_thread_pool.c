/* SPDX-License-Identifier: MIT */
/* The thread pool: how many threads there are, what they do, and how they end. */
#include "support/support.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/loop.h"

static int return_argument(void *arg, void **ret_result)
{
    *ret_result = arg;
    return 0;
}

static int count_run(void *arg, void **ret_result)
{
    (void)ret_result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static asyncio_executor_t *new_pool(size_t most)
{
    asyncio_thread_pool_options_t options = {.size = sizeof(options), .max_workers = most};
    asyncio_executor_t *pool = asyncio_thread_pool_executor_new(&options);
    assert_non_null(pool);
    return pool;
}

static void end_pool(asyncio_executor_t *pool)
{
    assert_int_equal(asyncio_thread_pool_executor_shutdown(pool, true, false), 0);
    asyncio_executor_unref(pool);
}

static void assert_message(const char *message)
{
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), message);
    asyncio_error_unref(error);
}

/* --- many jobs ------------------------------------------------------------------------------ */

#define IN_FLIGHT 64

static int run_many(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio_future_t *futures[IN_FLIGHT];
    for (intptr_t i = 0; i < IN_FLIGHT; i++)
        futures[i] = asyncio_loop_run_in_executor(NULL, arg, return_argument,
                                                  ASYNCIO_INT(i));
    for (intptr_t i = 0; i < 50 * IN_FLIGHT; i++) {
        void *value = NULL;
        assert_int_equal(asyncio_await_unref(futures[i % IN_FLIGHT], &value), 0);
        assert_int_equal(asyncio_int(value), i);
        futures[i % IN_FLIGHT] = asyncio_loop_run_in_executor(NULL, arg, return_argument,
                                                              ASYNCIO_INT(i + IN_FLIGHT));
    }
    for (int i = 0; i < IN_FLIGHT; i++)
        assert_int_equal(asyncio_await_unref(futures[i], NULL), 0);
    return 0;
}

/* With many jobs in flight, each returns its own result and none is lost. */
static void many_jobs_in_flight_lose_nothing(void **state)
{
    asyncio_executor_t *pool = new_pool(4);
    assert_int_equal(run(*state, run_many, pool), 0);
    end_pool(pool);
}

static atomic_int jobs_begun;    /* how many jobs of the next test have begun */
static atomic_bool may_continue; /* the first of them */
enum { JOBS_IN_ORDER = 5 };

static int hold_up(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    while (!atomic_load(&may_continue))
        sched_yield();
    return 0;
}

static int begin_as(void *arg, void **ret_result)
{
    *ret_result = ASYNCIO_INT(atomic_fetch_add(&jobs_begun, 1) == asyncio_int(arg));
    return 0;
}

/* Jobs that wait for the only thread start in the order in which they were submitted. */
static void jobs_are_begun_in_order(void **state)
{
    (void)state;
    asyncio_executor_t *pool = new_pool(1);
    asyncio_concurrent_future_t *jobs[JOBS_IN_ORDER], *first;
    atomic_store(&jobs_begun, 0);
    atomic_store(&may_continue, false);
    first = asyncio_executor_submit(pool, hold_up, NULL);
    for (int i = 0; i < JOBS_IN_ORDER; i++)
        jobs[i] = asyncio_executor_submit(pool, begin_as, ASYNCIO_INT(i));
    atomic_store(&may_continue, true);
    for (int i = 0; i < JOBS_IN_ORDER; i++) {
        void *in_order = NULL;
        if (jobs[i] && asyncio_concurrent_future_result(jobs[i], ASYNCIO_FOREVER, &in_order) == 0)
            assert_int_equal(asyncio_int(in_order), 1);
        asyncio_concurrent_future_unref(jobs[i]);
    }
    asyncio_concurrent_future_unref(first);
    assert_int_equal(atomic_load(&jobs_begun), JOBS_IN_ORDER);
    end_pool(pool);
}

/* --- threads ------------------------------------------------------------------------------- */

static atomic_int threads_started; /* as count_thread() has seen */
static atomic_int threads_allowed; /* how many more may be started */

static int count_thread(pthread_t *ret_thread, const pthread_attr_t *attributes,
                        void *(*start)(void *arg), void *arg)
{
    if (atomic_fetch_sub(&threads_allowed, 1) <= 0)
        return EAGAIN;
    threads_started++;
    return pthread_create(ret_thread, attributes, start, arg);
}

static void watch_threads(int allowed)
{
    threads_started = 0;
    threads_allowed = allowed;
    asyncio__sys.pthread_create = count_thread;
}

static void watch_no_threads(void)
{
    asyncio__sys.pthread_create = pthread_create;
}

static int run_one_by_one(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 0; i < 50; i++)
        assert_int_equal(
            asyncio_await_unref(asyncio_loop_run_in_executor(NULL, arg, return_argument, NULL),
                                NULL),
            0);
    return 0;
}

/* Threads are started on demand: none at first, at most max_workers. */
static void threads_are_started_as_needed(void **state)
{
    watch_threads(1000);
    asyncio_executor_t *pool = new_pool(3);
    assert_int_equal(threads_started, 0);
    assert_int_equal(run(*state, run_one_by_one, pool), 0);
    /* A job is done a moment before its thread is idle again. */
    assert_in_range(threads_started, 1, 3);
    assert_int_equal(run(*state, run_many, pool), 0);
    assert_in_range(threads_started, 1, 3);
    end_pool(pool);
    watch_no_threads();
}

#define MEETING 4

/* The jobs wait for each other: the last one to arrive lets all of them continue. */
typedef struct meeting {
    atomic_int arrived; /* over all rounds */
    sem_t all_are_there; /* posted once for each of them */
} meeting_t;

static int meet_others(void *arg, void **ret_result)
{
    (void)ret_result;
    meeting_t *meeting = arg;
    if (atomic_fetch_add(&meeting->arrived, 1) % MEETING == MEETING - 1)
        for (int i = 0; i < MEETING; i++)
            sem_post(&meeting->all_are_there);
    sem_wait(&meeting->all_are_there);
    return 0;
}

/* Jobs that wait for each other all run at once, as far as max_workers allows it. */
static void blocked_jobs_do_not_hold_up_others(void **state)
{
    (void)state;
    meeting_t meeting = {.arrived = 0};
    sem_init(&meeting.all_are_there, 0, 0);
    asyncio_executor_t *pool = new_pool(MEETING);
    for (int round = 0; round < 20; round++) {
        asyncio_concurrent_future_t *futures[MEETING];
        for (int i = 0; i < MEETING; i++) {
            futures[i] = asyncio_executor_submit(pool, meet_others, &meeting);
            assert_non_null(futures[i]);
        }
        for (int i = 0; i < MEETING; i++) {
            assert_int_equal(
                asyncio_concurrent_future_result(futures[i], ASYNCIO_FOREVER, NULL), 0);
            asyncio_concurrent_future_unref(futures[i]);
        }
    }
    end_pool(pool);
    sem_destroy(&meeting.all_are_there);
}

/* If no thread can be started a job is refused; a single thread runs all jobs. */
static void a_thread_that_cannot_start_is_an_error(void **state)
{
    fixture_t *fixture = *state;
    atomic_int runs = 0;
    watch_threads(0);
    asyncio_executor_t *pool = new_pool(4);
    assert_null(asyncio_executor_submit(pool, count_run, &runs));
    assert_int_equal(asyncio_errno(), -EAGAIN);
    assert_message("can't start new thread");
    assert_null(asyncio_loop_run_in_executor(fixture->loop, pool, count_run, &runs));
    assert_int_equal(asyncio_errno(), -EAGAIN);
    assert_int_equal(fixture->loop->jobs, 0);
    assert_int_equal(runs, 0);
    threads_allowed = 1;
    assert_int_equal(run(fixture, run_many, pool), 0);
    assert_int_equal(threads_started, 1);
    end_pool(pool);
    watch_no_threads();
}

static int find_signals(void *arg, void **ret_result)
{
    (void)ret_result;
    pthread_sigmask(SIG_SETMASK, NULL, arg);
    return 0;
}

/* Signals are delivered to the program's own threads: a worker blocks them. */
static void workers_block_signals(void **state)
{
    sigset_t set;
    sigemptyset(&set);
    asyncio_executor_t *pool = new_pool(1);
    (void)state;
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, find_signals, &set);
    assert_int_equal(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL), 0);
    asyncio_concurrent_future_unref(future);
    assert_true(sigismember(&set, SIGINT) && sigismember(&set, SIGTERM) &&
                sigismember(&set, SIGCHLD));
    end_pool(pool);
}

/* --- the end -------------------------------------------------------------------------------- */

/* A pool that was shut down refuses jobs; shutting it down again is a no-op. */
static void a_pool_is_shut_down_for_good(void **state)
{
    fixture_t *fixture = *state;
    atomic_int runs = 0;
    asyncio_executor_t *pool = new_pool(2);
    for (int i = 0; i < 10; i++)
        asyncio_concurrent_future_unref(asyncio_executor_submit(pool, count_run, &runs));
    assert_int_equal(asyncio_executor_shutdown(pool, false, false), 0);
    assert_int_equal(asyncio_executor_shutdown(pool, true, false), 0);
    assert_int_equal(runs, 10);
    assert_int_equal(asyncio_executor_shutdown(pool, true, true), 0);
    assert_null(asyncio_executor_submit(pool, count_run, &runs));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    assert_message("cannot schedule new futures after shutdown");
    assert_null(asyncio_loop_run_in_executor(fixture->loop, pool, count_run, &runs));
    assert_int_equal(asyncio_errno(), ASYNCIO_ERUNTIME);
    asyncio_executor_unref(pool);
    assert_int_equal(runs, 10);
}

static int wait_at_gate(void *arg, void **ret_result)
{
    (void)ret_result;
    sem_wait(arg);
    return 0;
}

/* A job may hold the last reference to its executor, and so free it in the executor's own
 * thread. */
static void a_pool_may_end_in_its_own_thread(void **state)
{
    fixture_t *fixture = *state;
    sem_t gate;
    sem_init(&gate, 0, 0);
    asyncio_executor_t *pool = new_pool(2);
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, wait_at_gate, &gate);
    asyncio_executor_unref(pool);
    sem_post(&gate);
    assert_int_equal(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL), 0);
    asyncio_concurrent_future_unref(future);
    close_loop(fixture);
    await_blocks(fixture->blocks);
    sem_destroy(&gate);
}

static int shut_own_pool_down(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_executor_shutdown(arg, true, false);
}

/* A job that shuts its own pool down does not wait for itself. */
static void a_job_may_shut_its_pool_down(void **state)
{
    (void)state;
    asyncio_executor_t *pool = new_pool(2);
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, shut_own_pool_down, pool);
    assert_int_equal(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL), 0);
    asyncio_concurrent_future_unref(future);
    end_pool(pool);
}

/* A forked child does not have the threads: the pool refuses jobs there, and shutdowns return. */
static void a_forked_child_has_no_pool(void **state)
{
    (void)state;
    skip_on_valgrind("takes what the parent's threads hold for lost in the child");
    asyncio_executor_t *pool = new_pool(2);
    atomic_int runs = 0;
    asyncio_concurrent_future_t *future = asyncio_executor_submit(pool, count_run, &runs);
    assert_int_equal(asyncio_concurrent_future_result(future, ASYNCIO_FOREVER, NULL), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool is_refused = !asyncio_executor_submit(pool, count_run, &runs) &&
                          asyncio_errno() == ASYNCIO_ERUNTIME;
        asyncio_executor_shutdown(pool, true, true);
        asyncio_executor_unref(pool);
        _exit(is_refused ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    asyncio_concurrent_future_unref(future);
    end_pool(pool);
    assert_int_equal(runs, 1);
}

/* Bad options, and executors that are not thread pools, are refused. */
static void bad_arguments_are_refused(void **state)
{
    (void)state;
    asyncio_executor_t other = {NULL, 1};
    assert_int_equal(asyncio_thread_pool_executor_shutdown(&other, true, true), -EINVAL);
    assert_int_equal(asyncio_thread_pool_executor_shutdown(NULL, true, true), -EINVAL);
    asyncio_thread_pool_options_t options = {.size = 1};
    assert_null(asyncio_thread_pool_executor_new(&options));
    assert_int_equal(asyncio_errno(), -EINVAL);
    options = (asyncio_thread_pool_options_t){.size = sizeof(options), .max_workers = SIZE_MAX};
    assert_null(asyncio_thread_pool_executor_new(&options));
    assert_int_equal(asyncio_errno(), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(many_jobs_in_flight_lose_nothing),
        FIXTURE_TEST(jobs_are_begun_in_order),
        FIXTURE_TEST(threads_are_started_as_needed),
        FIXTURE_TEST(blocked_jobs_do_not_hold_up_others),
        FIXTURE_TEST(a_thread_that_cannot_start_is_an_error),
        FIXTURE_TEST(workers_block_signals),
        FIXTURE_TEST(a_pool_is_shut_down_for_good),
        FIXTURE_TEST(a_pool_may_end_in_its_own_thread),
        FIXTURE_TEST(a_job_may_shut_its_pool_down),
        FIXTURE_TEST(a_forked_child_has_no_pool),
        FIXTURE_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
