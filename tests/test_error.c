/* SPDX-License-Identifier: MIT */
/* Errors: names, details in their slot, causes, and bad input. */
#include "support/support.h"

#include <asyncio/error_group.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Codes are named after Python's exceptions, the system's errors, or as unknown. */
static void codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(asyncio_error_name(-ECANCELED), "CancelledError");
    assert_string_equal(asyncio_error_name(-ETIMEDOUT), "TimeoutError");
    assert_string_equal(asyncio_error_name(ASYNCIO_ERUNTIME), "RuntimeError");
    assert_string_equal(asyncio_error_name(ASYNCIO_EINVALIDSTATE), "InvalidStateError");
    assert_string_equal(asyncio_error_name(-ECONNRESET), "ECONNRESET");
    assert_string_equal(asyncio_error_name(ASYNCIO_EUSER), "Error");
    assert_string_equal(asyncio_error_name(0), "OK");
    assert_string_equal(asyncio_error_name(INT32_MAX), "OK");
    assert_string_equal(asyncio_error_name(INT32_MIN), "Error");
    const int codes[] = {0, 1, -1, -4095, -4096, -5000, ASYNCIO_EUSER, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_true(strlen(asyncio_strerror(codes[i])) > 0);
}

/* A raised error is in the slot, with its source location; the former error becomes its cause. */
static void what_is_raised_is_in_the_slot(void **state)
{
    (void)state;
    assert_null(asyncio_error_last());
    assert_int_equal(asyncio_raise(-EIO, "first %d", 1), -EIO);
    assert_int_equal(asyncio_raise(ASYNCIO_EUSER, "second"), ASYNCIO_EUSER);
    asyncio_error_t *error = asyncio_error_last();
    assert_int_equal(asyncio_error_code(error), ASYNCIO_EUSER);
    assert_string_equal(asyncio_error_message(error), "second");
    assert_non_null(strstr(asyncio_error_place(error), "test_error.c"));
    asyncio_error_t *cause = asyncio_error_cause(error);
    assert_int_equal(asyncio_error_code(cause), -EIO);
    assert_string_equal(asyncio_error_message(cause), "first 1");
    asyncio_error_unref(error);
    asyncio_error_clear();
    assert_null(asyncio_error_last());
    assert_int_equal(asyncio_raise(0, "no code"), -EINVAL);
    assert_int_equal(asyncio_raise(7, "no code"), -EINVAL);
}

/* Details are returned only if they belong to the code, else the code alone. */
static void details_fit_their_code(void **state)
{
    (void)state;
    assert_int_equal(asyncio_raise(-EIO, "it"), -EIO);
    asyncio_error_t *error = asyncio_error_of(-EIO);
    assert_string_equal(asyncio_error_message(error), "it");
    asyncio_error_unref(error);
    error = asyncio_error_of(-EPIPE);
    assert_int_equal(asyncio_error_code(error), -EPIPE);
    assert_string_equal(asyncio_error_message(error), "");
    asyncio_error_unref(error);
}

/* An error object can be raised again; it keeps its message, source location and cause. */
static void an_error_can_be_raised_again(void **state)
{
    (void)state;
    asyncio_error_t *cause = asyncio_error_new(-EIO, "cause", NULL);
    asyncio_error_t *error = asyncio_error_new(-EPROTO, "effect", cause);
    asyncio_error_unref(cause);
    assert_int_equal(asyncio_reraise(error), -EPROTO);
    asyncio_error_t *last = asyncio_error_last();
    assert_ptr_equal(last, error);
    assert_string_equal(asyncio_error_message(asyncio_error_cause(last)), "cause");
    asyncio_error_unref(last);
    asyncio_error_unref(error);
}

static int raise_in_task(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_null(asyncio_error_last());
    assert_int_equal(asyncio_sleep(1), 0);
    assert_int_equal(asyncio_raise(-EIO, "the task's"), -EIO);
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "the task's");
    asyncio_error_unref(error);
    return -EPIPE;
}

static int raise_beside(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_sleep(0.5), 0);
    return asyncio_raise(-EPROTO, "the other's");
}

static int fail_again(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    assert_int_equal(asyncio_raise(-EIO, "handled"), -EIO);
    assert_int_equal(asyncio_sleep(0), 0);
    assert_null(asyncio_error_last());
    return -EIO;
}

/* The details of a handled error are not attached to a later error of the same code. */
static void stale_details_do_not_go_out(void **state)
{
    assert_int_equal(run(*state, fail_again, NULL), -EIO);
    asyncio_error_t *error = asyncio_error_of(-EIO);
    assert_string_equal(asyncio_error_message(error), "");
    asyncio_error_unref(error);
}

/* Each task has its own slot; a task that returns a code without details ends with just that
 * code. */
static void each_task_has_its_slot(void **state)
{
    fixture_t *fixture = *state;
    assert_int_equal(asyncio_raise(-EBUSY, "the thread's"), -EBUSY);
    asyncio_task_t *other =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(raise_beside, NULL));
    asyncio_task_t *task =
        asyncio_loop_create_task(fixture->loop, asyncio_coroutine(raise_in_task, NULL));
    asyncio_error_t *error = asyncio_error_last();
    assert_string_equal(asyncio_error_message(error), "the thread's");
    asyncio_error_unref(error);
    assert_int_equal(asyncio_loop_run_until_complete(fixture->loop, task, NULL), -EPIPE);
    assert_null(asyncio_error_last());
    assert_int_equal(asyncio_future_result(other, NULL), -EPROTO);
    asyncio_task_unref(task);
    asyncio_task_unref(other);
}

/* The code of a failed constructor is returned once. */
static void the_constructors_code_is_read_once(void **state)
{
    (void)state;
    assert_null(asyncio_error_new(0, "no code", NULL));
    assert_int_equal(asyncio_errno(), -EINVAL);
    assert_int_equal(asyncio_errno(), 0);
}

/* Every call accepts NULL without harm. */
static void null_is_harmless(void **state)
{
    (void)state;
    assert_int_equal(asyncio_reraise(NULL), -EINVAL);
    assert_null(asyncio_error_ref(NULL));
    asyncio_error_unref(NULL);
    assert_int_equal(asyncio_error_code(NULL), 0);
    assert_string_equal(asyncio_error_message(NULL), "");
    assert_string_equal(asyncio_error_place(NULL), "");
    assert_null(asyncio_error_cause(NULL));
    assert_int_equal(asyncio_error_child_count(NULL), 0);
    assert_null(asyncio_error_child(NULL, 0));
    asyncio_error_t *error = asyncio_error_new(-EIO, NULL, NULL);
    assert_string_equal(asyncio_error_message(error), "");
    assert_null(asyncio_error_child(error, 0));
    asyncio_error_unref(error);
}

/* Prints an error to a string that the caller frees. */
static char *printed(const asyncio_error_t *error)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(asyncio_error_print(error, file), 0);
    fclose(file);
    return text;
}

/* An error is printed with its causes, and a group with its errors, one on each line. */
static void an_error_is_printed_with_its_causes(void **state)
{
    (void)state;
    asyncio_error_t *cause = asyncio_error_new(-ENOENT, NULL, NULL);
    asyncio_error_t *children[] = {
        asyncio_error_new(ASYNCIO_ERUNTIME, "no configuration", cause),
        asyncio_error_new(-ECONNRESET, "10.0.0.1:80", NULL)};
    asyncio_error_t *group = asyncio_error_group_new("two errors", children, 2);
    char *text = printed(group);
    assert_string_equal(text, "ExceptionGroup: two errors\n"
                              "  RuntimeError: no configuration\n"
                              "  caused by ENOENT: No such file or directory\n"
                              "  ECONNRESET: 10.0.0.1:80\n");
    free(text);
    asyncio_error_unref(group);
    asyncio_error_unref(children[0]);
    asyncio_error_unref(children[1]);
    asyncio_error_unref(cause);
    assert_int_equal(asyncio_raise(-EIO, "first"), -EIO);
    assert_int_equal(asyncio_raise(-EPIPE, "second"), -EPIPE);
    asyncio_error_t *error = asyncio_error_last();
    text = printed(error);
    assert_ptr_equal(strstr(text, "EPIPE: second ("), text);
    assert_non_null(strstr(text, "test_error.c:"));
    assert_non_null(strstr(text, "caused by EIO: first ("));
    free(text);
    asyncio_error_clear();
    /* A group that is too deep to print on the stack ends with "...". */
    for (int i = 0; i < 100000; i++) {
        asyncio_error_t *outer = asyncio_error_group_new("", &error, 1);
        asyncio_error_unref(error);
        error = outer;
    }
    text = printed(error);
    assert_non_null(strstr(text, "...\n"));
    free(text);
    assert_int_equal(asyncio_error_print(NULL, stderr), -EINVAL);
    assert_int_equal(asyncio_error_print(error, NULL), -EINVAL);
    asyncio_error_unref(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(codes_have_names),
        FIXTURE_TEST(what_is_raised_is_in_the_slot),
        FIXTURE_TEST(details_fit_their_code),
        FIXTURE_TEST(an_error_can_be_raised_again),
        FIXTURE_TEST(each_task_has_its_slot),
        FIXTURE_TEST(stale_details_do_not_go_out),
        FIXTURE_TEST(the_constructors_code_is_read_once),
        FIXTURE_TEST(an_error_is_printed_with_its_causes),
        FIXTURE_TEST(null_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
