/* SPDX-License-Identifier: MIT */
/*
 * What the tests of <asyncio/testing.h> share: a story is one test that the fixture under test
 * runs, with the trace of its parts and its report. They use only the public header.
 */
#ifndef TESTS_STORY_H
#define TESTS_STORY_H

#include <asyncio.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support/accounts.h"

/* One test that the fixture runs: its trace, and what its parts do. */
typedef struct story {
    asyncio_testing_t *testing;
    asyncio_testing_options_t options;
    char trace[64];
    int setup_code, test_code, teardown_code; /* the codes that these return */
    int reports;                              /* number of calls of on_report */
    asyncio_task_t *task;                     /* references that the story drops */
    asyncio_error_t *error;
    asyncio_context_var_t *var;               /* set by setup, seen by teardown */
    int fd;
    void (*leave)(struct story *story);       /* what the test does */
} story_t;

static story_t story;

static inline void note(char letter)
{
    size_t length = strlen(story.trace);
    assert_true(length + 1 < sizeof(story.trace));
    story.trace[length] = letter;
}

static inline int end_with(char letter, int code)
{
    note(letter);
    int rc = asyncio_sleep(1);
    if (rc < 0)
        return rc;
    return code < 0 ? asyncio_raise(code, "%c went wrong", letter) : 0;
}

static inline int the_body(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    if (story.leave)
        story.leave(&story);
    return end_with('t', story.test_code);
}

/* Runs a test with the story's options; returns its code. */
static inline int tell(void)
{
    story.options.size = sizeof(story.options);
    if (!story.testing)
        story.testing = asyncio_testing_new(&story.options);
    assert_non_null(story.testing);
    return asyncio_testing_run(story.testing, the_body, NULL);
}

static inline int begin_story(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.fd = -1;
    story.var = asyncio_context_var_new("story");
    assert_non_null(story.var);
    story.options.arg = &story;
    return 0;
}

static inline int end_story(void **state)
{
    (void)state;
    asyncio_task_unref(story.task);
    asyncio_error_unref(story.error);
    if (story.fd >= 0)
        close(story.fd);
    asyncio_testing_unref(story.testing);
    asyncio_context_var_unref(story.var);
    asyncio_error_clear();
    return 0;
}

static inline void assert_report_has(const char *text)
{
    if (!strstr(asyncio_testing_report(story.testing), text))
        fail_msg("\"%s\" is not in: %s", text, asyncio_testing_report(story.testing));
}

static inline void assert_lines(size_t count)
{
    size_t lines = 0;
    for (const char *at = asyncio_testing_report(story.testing); (at = strchr(at, '\n')); at++)
        lines++;
    if (lines != count)
        fail_msg("%zu lines: %s", lines, asyncio_testing_report(story.testing));
}

static inline int finish(void *arg, void **ret_result)
{
    return asyncio_return(ret_result, arg, NULL);
}

static inline int fail_at_once(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-EIO, "nobody asks");
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, begin_story, end_story)

#endif
