/* SPDX-License-Identifier: MIT */
/*
 * What the tests use of cmocka, for machines that are compiled for and have no cmocka: the same
 * names, the same lines on stdout. Where there is a cmocka it is used; this stands in for it.
 *
 * A check that fails calls _fail(), which a program may put its own before, as with cmocka's.
 */
#ifndef TESTS_SUPPORT_CMOCKA_H
#define TESTS_SUPPORT_CMOCKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h> /* as cmocka.h has it */

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;                /* of the test function */
    CMUnitTestFunction test_func;    /* it */
    CMFixtureFunction setup_func;    /* before it, or NULL: not 0 is a failure */
    CMFixtureFunction teardown_func; /* after it, likewise */
    void *initial_state;             /* what *state begins with */
};

/* Leave the test. */
void _fail(const char *file, int line);
void _skip(const char *file, int line);
void print_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown);

/* The checks: what is wrong is said before they leave. */
void tests_check(bool condition, const char *text, const char *file, int line);
void tests_check_equal(uintmax_t a, uintmax_t b, bool wanted, const char *file, int line);
void tests_check_string(const char *a, const char *b, bool wanted, const char *file, int line);
void tests_check_range(uintmax_t value, uintmax_t low, uintmax_t high, const char *file, int line);

#define tests_check_here(condition, text) tests_check((condition), (text), __FILE__, __LINE__)

#define assert_true(c)     tests_check_here((bool)(c), #c)
#define assert_false(c)    tests_check_here(!(c), "!(" #c ")")
#define assert_non_null(c) tests_check_here((c) != NULL, #c " != NULL")
#define assert_null(c)     tests_check_here((c) == NULL, #c " == NULL")
#define assert_int_equal(a, b) \
    tests_check_equal((uintmax_t)(a), (uintmax_t)(b), true, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) \
    tests_check_equal((uintmax_t)(a), (uintmax_t)(b), false, __FILE__, __LINE__)
#define assert_ptr_equal(a, b)     assert_int_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_ptr_not_equal(a, b) assert_int_not_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_string_equal(a, b)  tests_check_string((a), (b), true, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) tests_check_string((a), (b), false, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) \
    tests_check_here(memcmp((a), (b), (size)) == 0, #a " has the bytes of " #b)
#define assert_in_range(value, low, high) \
    tests_check_range((uintmax_t)(value), (uintmax_t)(low), (uintmax_t)(high), __FILE__, __LINE__)

#define fail() _fail(__FILE__, __LINE__)
#define fail_msg(...) (print_error("ERROR: " __VA_ARGS__), print_error("\n"), fail())
#define skip() _skip(__FILE__, __LINE__)

#define cmocka_unit_test(function) {#function, function, NULL, NULL, NULL}
#define cmocka_unit_test_setup_teardown(function, setup, teardown) \
    {#function, function, setup, teardown, NULL}
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    _cmocka_run_group_tests(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)

#endif
