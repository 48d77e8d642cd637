/* SPDX-License-Identifier: MIT */
/*
 * What the tests use of cmocka, for machines that are compiled for and have no cmocka: the same
 * names, the same lines on stdout. Where there is a cmocka it is used; this stands in for it.
 *
 * A check that fails jumps back to the runner, as cmocka's do.
 */
#ifndef TESTS_SUPPORT_CMOCKA_H
#define TESTS_SUPPORT_CMOCKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h> /* as cmocka.h has it */

struct CMUnitTest {
    const char *name;               /* of the test function */
    void (*test_func)(void **state); /* it */
    int (*setup_func)(void **state);    /* before it, or NULL: not 0 is a failure */
    int (*teardown_func)(void **state); /* after it, likewise */
    void *initial_state;            /* what *state begins with */
};

/* Says what failed and where, and leaves the test. */
_Noreturn void tests_fail_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void tests_skip(void);
int tests_run_group(const char *name, const struct CMUnitTest *tests, size_t count,
                    int (*setup)(void **state), int (*teardown)(void **state));

static inline void tests_check_equal(uintmax_t a, uintmax_t b, bool wanted, const char *file,
                                     int line)
{
    if ((a == b) != wanted)
        tests_fail_at(file, line, "%#jx %s %#jx", a, wanted ? "!=" : "==", b);
}

static inline void tests_check_string(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0)
        tests_fail_at(file, line, "\"%s\" != \"%s\"", a, b);
}

static inline void tests_check_range(uintmax_t value, uintmax_t low, uintmax_t high,
                                     const char *file, int line)
{
    if (value < low || value > high)
        tests_fail_at(file, line, "%jd is not within %jd and %jd", (intmax_t)value, (intmax_t)low,
                      (intmax_t)high);
}

#define tests_check(condition, text)                    \
    do {                                                \
        if (!(condition))                               \
            tests_fail_at(__FILE__, __LINE__, "%s", text); \
    } while (0)

#define assert_true(c)      tests_check(c, #c)
#define assert_false(c)     tests_check(!(c), "!(" #c ")")
#define assert_non_null(c)  tests_check((c) != NULL, #c " != NULL")
#define assert_null(c)      tests_check((c) == NULL, #c " == NULL")
#define assert_int_equal(a, b) \
    tests_check_equal((uintmax_t)(a), (uintmax_t)(b), true, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) \
    tests_check_equal((uintmax_t)(a), (uintmax_t)(b), false, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) assert_int_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_ptr_not_equal(a, b) assert_int_not_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_string_equal(a, b) tests_check_string((a), (b), __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) \
    tests_check(memcmp((a), (b), (size)) == 0, #a " has the bytes of " #b)
#define assert_in_range(value, low, high) \
    tests_check_range((uintmax_t)(value), (uintmax_t)(low), (uintmax_t)(high), __FILE__, __LINE__)

#define fail()        tests_fail_at(__FILE__, __LINE__, "failed")
#define fail_msg(...) tests_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define skip()        tests_skip()
#define print_message printf

#define cmocka_unit_test(function) {#function, function, NULL, NULL, NULL}
#define cmocka_unit_test_setup_teardown(function, setup, teardown) \
    {#function, function, setup, teardown, NULL}
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    tests_run_group(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)

#endif
