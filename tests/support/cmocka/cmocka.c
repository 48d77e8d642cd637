/* SPDX-License-Identifier: MIT */
/* Runs tests where there is no cmocka; see cmocka.h. */
#include "cmocka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PASSED, FAILED, SKIPPED };

static jmp_buf runner; /* where a check that fails goes */

void tests_fail_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n%s:%d: error: Failure!\n", file, line);
    va_end(arguments);
    longjmp(runner, FAILED);
}

void tests_skip(void)
{
    longjmp(runner, SKIPPED);
}

/* Whether TESTS_LEFT_OUT has that name among those that it lists, apart by commas. */
static bool is_left_out(const char *name)
{
    const char *at = getenv("TESTS_LEFT_OUT");
    size_t length = strlen(name);
    while (at && *at) {
        size_t size = strcspn(at, ",");
        if (size == length && memcmp(at, name, size) == 0)
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

/* Runs one function that a check may leave: PASSED, FAILED or SKIPPED. */
static int run_step(int (*fixture)(void **state), void (*test)(void **state), void **state)
{
    int outcome = setjmp(runner);
    if (outcome != 0)
        return outcome;
    if (test)
        test(state);
    if (fixture && fixture(state) != 0)
        return FAILED;
    return PASSED;
}

static int run_test(const struct CMUnitTest *test, void *group_state)
{
    void *state = test->initial_state ? test->initial_state : group_state;
    int outcome = run_step(test->setup_func, NULL, &state);
    if (outcome == PASSED)
        outcome = run_step(NULL, test->test_func, &state);
    if (run_step(test->teardown_func, NULL, &state) != PASSED && outcome == PASSED)
        outcome = FAILED;
    return outcome;
}

int tests_run_group(const char *name, const struct CMUnitTest *tests, size_t count,
                    int (*setup)(void **state), int (*teardown)(void **state))
{
    static const char *const labels[] = {"      OK ", "  FAILED ", " SKIPPED "};
    void *state = NULL;
    size_t failed = 0;
    printf("[==========] %s: Running %zu test(s).\n", name, count);
    if (run_step(setup, NULL, &state) != PASSED)
        return 1;
    for (size_t i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        int outcome = is_left_out(tests[i].name) ? SKIPPED : run_test(&tests[i], state);
        printf("[ %s] %s\n", labels[outcome], tests[i].name);
        fflush(stdout);
        failed += outcome == FAILED;
    }
    failed += run_step(teardown, NULL, &state) != PASSED;
    printf("[==========] %zu test(s) run, %zu failed.\n", count, failed);
    return failed > 255 ? 255 : (int)failed;
}
