/* SPDX-License-Identifier: MIT */
/* Runs tests where there is no cmocka; see cmocka.h. */
#include "cmocka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PASSED, FAILED, SKIPPED };

static jmp_buf runner; /* where a check that fails goes */

void print_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

void print_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void _fail(const char *file, int line)
{
    print_error("%s:%d: error: Failure!\n", file, line);
    longjmp(runner, FAILED);
}

void _skip(const char *file, int line)
{
    (void)file, (void)line;
    longjmp(runner, SKIPPED);
}

/* --- the checks ---------------------------------------------------------------------------- */

void tests_check(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    print_error("%s\n", text);
    _fail(file, line);
}

void tests_check_equal(uintmax_t a, uintmax_t b, bool wanted, const char *file, int line)
{
    if ((a == b) == wanted)
        return;
    print_error("%#jx %s %#jx\n", a, wanted ? "!=" : "==", b);
    _fail(file, line);
}

void tests_check_string(const char *a, const char *b, bool wanted, const char *file, int line)
{
    if ((strcmp(a, b) == 0) == wanted)
        return;
    print_error("\"%s\" %s \"%s\"\n", a, wanted ? "!=" : "==", b);
    _fail(file, line);
}

void tests_check_range(uintmax_t value, uintmax_t low, uintmax_t high, const char *file, int line)
{
    if (value >= low && value <= high)
        return;
    print_error("%jd is not within %jd and %jd\n", (intmax_t)value, (intmax_t)low, (intmax_t)high);
    _fail(file, line);
}

/* --- the runner ---------------------------------------------------------------------------- */

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
static int run_step(CMFixtureFunction fixture, CMUnitTestFunction test, void **state)
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

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
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
