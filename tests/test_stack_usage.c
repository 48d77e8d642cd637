/* SPDX-License-Identifier: MIT */
/* What programs are told about stacks: sizes, high-water marks, and what a thread's take. */
#include "support/support.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/syscalls.h"

#define KIB 1024

static __attribute__((noinline)) long descend(long kibibytes)
{
    volatile char frame[KIB];
    memset((char *)frame, 1, sizeof(frame));
    /* The frame is used after the call, so that the compiler does not make a loop of the
     * recursion. */
    __asm__ volatile("" : : "r"(frame) : "memory");
    return kibibytes <= 1 ? frame[0] : descend(kibibytes - 1) + frame[0];
}

/* What a task measured of its own stack. */
typedef struct marks {
    long depth;  /* how many KiB it goes down */
    long before; /* its mark at the beginning */
    long after;  /* and when it came back */
    long size;   /* of its stack */
} marks_t;

static int measure(void *arg, void **ret_result)
{
    marks_t *marks = arg;
    (void)ret_result;
    marks->size = asyncio_task_get_stack_size(asyncio_current_task());
    marks->before = asyncio_task_get_stack_high_water(asyncio_current_task());
    if (marks->depth)
        descend(marks->depth);
    int rc = asyncio_sleep(0);
    marks->after = asyncio_task_get_stack_high_water(asyncio_current_task());
    return rc;
}

/* The mark grows with the depth that a task has reached, by whole pages, and stays below the
 * stack's size. */
static void the_mark_is_the_depth(void **state)
{
    marks_t marks = {.depth = 30};
    assert_int_equal(run(*state, measure, &marks), 0);
    assert_true(marks.after >= 30 * KIB);
    assert_true(marks.after <= marks.size);
    assert_true(marks.size > 48 * KIB);
    assert_true(marks.before <= marks.after);
}

/* A stack that is used again keeps its mark; in debug mode each task begins with a fresh one. */
static void in_debug_mode_the_mark_is_the_tasks_own(void **state)
{
    fixture_t *fixture = *state;
    marks_t deep = {.depth = 40}, shallow = {0}, own = {0}, small = {.depth = 4};
    assert_int_equal(run(fixture, measure, &deep), 0);
    assert_int_equal(run(fixture, measure, &shallow), 0);
    assert_true(shallow.before >= 40 * KIB);
    asyncio_loop_set_debug(fixture->loop, true);
    assert_int_equal(run(fixture, measure, &own), 0);
    assert_int_equal(run(fixture, measure, &small), 0);
    assert_true(own.after < 40 * KIB);
    assert_true(small.before < 40 * KIB);
    assert_true(small.after < 40 * KIB);
    assert_true(small.after >= 4 * KIB);
}

static int yield_once(void *arg, void **ret_result)
{
    (void)ret_result;
    descend(*(long *)arg);
    return asyncio_yield(arg, NULL);
}

/* A coroutine object has a mark while it has a stack of its own: from its start to its end. */
static void objects_have_marks(void **state)
{
    (void)state;
    long depth = 20;
    asyncio_coroutine_options_t options = {.size = sizeof(options), .stack_bytes = 128 * KIB};
    asyncio_coroutine_t *object = asyncio_coroutine_full(yield_once, &depth, &options);
    assert_int_equal(asyncio_coroutine_get_stack_size(object), 0);
    assert_int_equal(asyncio_coroutine_get_stack_high_water(object), 0);
    assert_int_equal(asyncio_coroutine_send(object, NULL, NULL), ASYNCIO_YIELDED);
    assert_true(asyncio_coroutine_get_stack_size(object) > 96 * KIB);
    assert_true(asyncio_coroutine_get_stack_high_water(object) >= depth * KIB);
    assert_int_equal(asyncio_coroutine_send(object, NULL, NULL), 0);
    assert_int_equal(asyncio_coroutine_get_stack_high_water(object), 0);
    asyncio_coroutine_unref(object);
}

/* Tasks have no mark before their first step and after their end; other objects are -EINVAL. */
static void without_a_stack_there_is_no_mark(void **state)
{
    fixture_t *fixture = *state;
    asyncio_task_t *task = asyncio_loop_create_task(fixture->loop, asyncio_sleep_coroutine(0));
    assert_int_equal(asyncio_task_get_stack_size(task), 0);
    assert_int_equal(asyncio_task_get_stack_high_water(task), 0);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), 0);
    assert_int_equal(asyncio_task_get_stack_high_water(task), 0);
    asyncio_task_unref(task);
    asyncio_future_t *future = asyncio_loop_create_future(fixture->loop);
    assert_int_equal(asyncio_task_get_stack_high_water(future), -EINVAL);
    assert_int_equal(asyncio_task_get_stack_size(NULL), -EINVAL);
    assert_int_equal(asyncio_coroutine_get_stack_size((void *)future), -EINVAL);
    assert_int_equal(asyncio_coroutine_get_stack_high_water(NULL), -EINVAL);
    asyncio_future_unref(future);
}

static asyncio_stack_statistics_t statistics(void)
{
    asyncio_stack_statistics_t now = {.size = sizeof(now)};
    assert_int_equal(asyncio_get_stack_statistics(&now), 0);
    return now;
}

static int count(void *arg, void **ret_result)
{
    (void)ret_result;
    *(asyncio_stack_statistics_t *)arg = statistics();
    return 0;
}

/* The statistics count stacks in use and free ones, and the memory of both. */
static void statistics_count_memory(void **state)
{
    fixture_t *fixture = *state;
    asyncio_stack_statistics_t before = statistics(), inside, after;
    assert_int_equal(run(fixture, count, &inside), 0);
    after = statistics();
    assert_int_equal(inside.in_use, before.in_use + 1);
    assert_int_equal(after.in_use, before.in_use);
    assert_int_equal(inside.in_use + inside.free, after.in_use + after.free);
    assert_true(inside.resident_bytes > 0);
    assert_int_equal(inside.resident_bytes % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(inside.resident_bytes <= inside.mapped_bytes);
    marks_t marks = {.depth = 50};
    assert_int_equal(run(fixture, measure, &marks), 0);
    assert_true(statistics().resident_bytes >= (size_t)marks.after / 4096 * 4096);
}

/* Statistics without their size are refused. */
static void statistics_need_their_size(void **state)
{
    (void)state;
    asyncio_stack_statistics_t none = {0};
    assert_int_equal(asyncio_get_stack_statistics(NULL), -EINVAL);
    assert_int_equal(asyncio_get_stack_statistics(&none), -EINVAL);
}

enum { PEAK = 1000, KEPT = 64 };

/* Runs a thousand tasks at once, each of which touches 30 KiB of its stack. */
static int reach_a_peak(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    static marks_t marks[PEAK];
    asyncio_task_t *tasks[PEAK];
    for (int i = 0; i < PEAK; i++) {
        marks[i] = (marks_t){.depth = 30};
        tasks[i] = asyncio_create_task(asyncio_coroutine(measure, &marks[i]));
        assert_non_null(tasks[i]);
    }
    assert_int_equal(asyncio_sleep(0), 0);
    assert_true(statistics().in_use > PEAK);
    for (int i = 0; i < PEAK; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), 0);
    assert_true(statistics().free >= PEAK);
    return 0;
}

/* asyncio_trim() returns the memory of all free stacks at once, also from inside a task. */
static int trim_after_a_peak(void *arg, void **ret_result)
{
    assert_int_equal(reach_a_peak(arg, ret_result), 0);
    size_t before = statistics().resident_bytes;
    asyncio_trim();
    assert_int_equal(statistics().free, 0);
    assert_true(statistics().in_use >= 1);
    assert_true(statistics().resident_bytes < before / 10);
    return 0;
}

static void trim_returns_free_stacks(void **state)
{
    assert_int_equal(run(*state, trim_after_a_peak, NULL), 0);
    asyncio_trim();
    asyncio_trim(); /* with nothing left it is a no-op */
}

static int (*real_clock)(clockid_t clock, struct timespec *ret_now);
static time_t later_seconds; /* how much later it is than it is */

static int later_clock(clockid_t clock, struct timespec *ret_now)
{
    int rc = real_clock(clock, ret_now);
    ret_now->tv_sec += later_seconds;
    return rc;
}

static int be_idle_after_a_peak(void *arg, void **ret_result)
{
    assert_int_equal(reach_a_peak(arg, ret_result), 0);
    /* The first wait after a second finds that the peak is over, the next ones return its stacks,
     * in slices. */
    for (int i = 0; i < 100 && statistics().free > KEPT; i++) {
        later_seconds += 2;
        assert_int_equal(asyncio_sleep(0.002), 0);
    }
    assert_true(statistics().free <= KEPT);
    return 0;
}

/* A loop on the real clock that waits returns the stacks of a peak. */
static void an_idle_loop_returns_stacks(void **state)
{
    (void)state;
    real_clock = asyncio__sys.clock_gettime;
    asyncio__sys.clock_gettime = later_clock;
    asyncio_loop_t *loop = asyncio_new_event_loop();
    assert_non_null(loop);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(be_idle_after_a_peak, NULL);
    assert_int_equal(asyncio_loop_run_until_complete(loop, coroutine, NULL), 0);
    asyncio_loop_unref(loop);
    asyncio__sys.clock_gettime = real_clock;
    assert_true(statistics().free <= KEPT);
}

/* A loop that closes leaves no more than a few of its stacks. */
static void a_loop_that_closes_returns_stacks(void **state)
{
    (void)state;
    asyncio_loop_options_t options = {.size = sizeof(options), .clock = ASYNCIO_CLOCK_VIRTUAL};
    asyncio_loop_t *loop = asyncio_new_event_loop_full(&options);
    asyncio_coroutine_t *coroutine = asyncio_coroutine(reach_a_peak, NULL);
    assert_int_equal(asyncio_loop_run_until_complete(loop, coroutine, NULL), 0);
    assert_true(statistics().free >= PEAK);
    asyncio_loop_unref(loop);
    assert_true(statistics().free <= KEPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_mark_is_the_depth),
        FIXTURE_TEST(in_debug_mode_the_mark_is_the_tasks_own),
        FIXTURE_TEST(objects_have_marks),
        FIXTURE_TEST(without_a_stack_there_is_no_mark),
        FIXTURE_TEST(statistics_count_memory),
        FIXTURE_TEST(statistics_need_their_size),
        FIXTURE_TEST(trim_returns_free_stacks),
        FIXTURE_TEST(an_idle_loop_returns_stacks),
        FIXTURE_TEST(a_loop_that_closes_returns_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
