/* SPDX-License-Identifier: MIT */
/* What the fixture for tests of one's own finds that a test has left behind. */
#include "support/story.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>

static int sleep_long(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_sleep(1000);
}

static void leave_task(story_t *told)
{
    told->task = asyncio_create_task(asyncio_coroutine(sleep_long, NULL));
    assert_int_equal(asyncio_task_set_name(told->task, "the forgotten"), 0);
    asyncio_task_unref(told->task);
    told->task = NULL;
}

/* Each task that is pending at the end has a line, with name and source location. */
static void pending_tasks_are_told(void **state)
{
    (void)state;
    story.leave = leave_task;
    assert_int_equal(tell(), -EUCLEAN);
    assert_report_has("pending task: the forgotten (made at ");
    assert_report_has(" sleep_long)");
    assert_lines(1);
}

static void drop_coroutine(story_t *told)
{
    (void)told;
    asyncio_coroutine_unref(asyncio_coroutine(sleep_long, NULL));
}

/* A coroutine object that nobody awaited is reported. */
static void coroutines_never_awaited_are_told(void **state)
{
    (void)state;
    story.leave = drop_coroutine;
    assert_int_equal(tell(), -EUCLEAN);
    assert_report_has("report: coroutine was never awaited (made at ");
    assert_report_has(" sleep_long)");
    assert_lines(1);
}

static void count_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    (void)loop, (void)context;
    ++*(int *)arg;
}

/* So is one that is freed outside the loop; after the test the former handler is in force again. */
static void reports_outside_the_loop_are_told(void **state)
{
    (void)state;
    int reports = 0;
    asyncio_loop_set_exception_handler(NULL, count_report, &reports);
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    drop_coroutine(&story);
    assert_report_has("report: coroutine was never awaited");
    assert_int_equal(asyncio_testing_end(story.testing), -EUCLEAN);
    assert_lines(1);
    assert_int_equal(reports, 0);
    drop_coroutine(&story);
    assert_int_equal(reports, 1);
    asyncio_loop_set_exception_handler(NULL, NULL, NULL);
}

static void drop_failed_task(story_t *told)
{
    (void)told;
    asyncio_task_t *task = asyncio_create_task(asyncio_coroutine(fail_at_once, NULL));
    assert_int_equal(asyncio_sleep(0), 0);
    asyncio_task_unref(task);
}

/* An error that nobody retrieved is reported, with its message. */
static void errors_never_retrieved_are_told(void **state)
{
    (void)state;
    story.leave = drop_failed_task;
    assert_int_equal(tell(), -EUCLEAN);
    assert_report_has("report: Task exception was never retrieved: Task-");
    assert_report_has(": EIO: nobody asks");
    assert_lines(1);
}

static void expect_reports(story_t *told)
{
    drop_coroutine(told);
    drop_failed_task(told);
    assert_lines(2);
    assert_int_equal(asyncio_testing_take_reports(told->testing), 2);
    assert_int_equal(asyncio_testing_take_reports(told->testing), 0);
    assert_lines(0);
}

/* Reports that a test takes are no fault; the handler of the options gets each of them. */
static void a_test_may_take_reports(void **state)
{
    (void)state;
    story.leave = expect_reports;
    story.options.on_report = count_report;
    story.options.report_arg = &story.reports;
    assert_int_equal(tell(), 0);
    assert_int_equal(story.reports, 2);
}

static void leave_error(story_t *told)
{
    told->error = asyncio_error_new(-EIO, NULL, NULL);
    assert_non_null(told->error);
}

/* Leaked memory is reported. */
static void leaked_memory_is_told(void **state)
{
    (void)state;
    story.leave = leave_error;
    assert_int_equal(tell(), -EUCLEAN);
    assert_string_equal(asyncio_testing_report(story.testing),
                        "1 block of memory was not given back\n");
}

/* The error of the latest failing call is no leak. */
static void the_slot_is_no_leak(void **state)
{
    (void)state;
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_raise(-EPIPE, "before %d", 1), -EPIPE);
    assert_int_equal(asyncio_testing_begin(story.testing), 0);
    assert_int_equal(asyncio_raise(-EIO, "inside %d", 1), -EIO);
    assert_int_equal(asyncio_testing_end(story.testing), 0);
}

static void leave_descriptor(story_t *told)
{
    told->fd = eventfd(0, EFD_CLOEXEC);
    assert_true(told->fd >= 0);
}

/* A descriptor that was left open is reported, with its number. */
static void leaked_descriptors_are_told(void **state)
{
    (void)state;
    char wanted[80];
    story.leave = leave_descriptor;
    assert_int_equal(tell(), -EUCLEAN);
    snprintf(wanted, sizeof(wanted), "descriptor %d was left open (", story.fd);
    assert_report_has(wanted);
    assert_lines(1);
}

static void leave_far_descriptor(story_t *told)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    told->fd = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    assert_int_equal(close(fd), 0);
    assert_true(told->fd >= 200);
}

/* A descriptor with a high number is found too, and one that was open before is not reported. */
static void far_descriptors_are_found(void **state)
{
    (void)state;
    story.leave = leave_far_descriptor;
    assert_int_equal(tell(), -EUCLEAN);
    assert_lines(1);
    story.leave = NULL;
    assert_int_equal(tell(), 0);
}

static void leave_all(story_t *told)
{
    leave_task(told);
    drop_coroutine(told);
    leave_error(told);
    leave_descriptor(told);
}

/* Everything that is left behind is reported, except what the options allow. */
static void leftovers_may_be_allowed(void **state)
{
    (void)state;
    story.leave = leave_all;
    assert_int_equal(tell(), -EUCLEAN);
    assert_lines(4);
    assert_int_equal(end_story(NULL), 0);
    begin_story(NULL);
    story.leave = leave_all;
    story.options.allowed = ASYNCIO_TESTING_TASKS | ASYNCIO_TESTING_REPORTS |
                            ASYNCIO_TESTING_MEMORY | ASYNCIO_TESTING_DESCRIPTORS;
    assert_int_equal(tell(), 0);
    assert_string_equal(asyncio_testing_report(story.testing), "");
}

static int work_in_thread(void *arg, void **ret_result)
{
    return asyncio_to_thread(finish, arg, ret_result);
}

/* Memory of the default executor's threads is freed before it is counted. */
static void threads_leave_nothing(void **state)
{
    (void)state;
    story.testing = asyncio_testing_new(NULL);
    assert_int_equal(asyncio_testing_run(story.testing, work_in_thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(pending_tasks_are_told),
        STORY(coroutines_never_awaited_are_told),
        STORY(reports_outside_the_loop_are_told),
        STORY(errors_never_retrieved_are_told),
        STORY(a_test_may_take_reports),
        STORY(leaked_memory_is_told),
        STORY(the_slot_is_no_leak),
        STORY(leaked_descriptors_are_told),
        STORY(far_descriptors_are_found),
        STORY(leftovers_may_be_allowed),
        STORY(threads_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
