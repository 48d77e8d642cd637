/* SPDX-License-Identifier: MIT */
/* Symbols: the names and lines of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/symbol.h"
#include "support/support.h"

__attribute__((noinline)) static const void *where_it_returns(void)
{
    return __builtin_return_address(0);
}

/* The address of a line of the function below. */
static volatile int line_of_call;

__attribute__((noinline)) static const void *an_address(void)
{
    line_of_call = __LINE__ + 1;
    const void *address = where_it_returns();
    line_of_call += 0;
    return address;
}

/* An address has the name of its function, static or not, and the line of the call before it if the
 * build found libdw. */
static void addresses_have_names_and_lines(void **state)
{
    (void)state;
    asyncio__symbols_t symbols = {0};
    asyncio__symbol_t symbol;
    asyncio__symbols_find(&symbols, an_address(), &symbol);
    assert_string_equal(symbol.function, "an_address");
#if defined(ASYNCIO__LIBDW)
    assert_non_null(strstr(symbol.file, "tests/test_symbol.c"));
    assert_int_equal(symbol.line, line_of_call);
#else
    assert_non_null(strstr(symbol.file, "test_symbol"));
    assert_int_equal(symbol.line, 0);
#endif
    assert_in_range(symbol.offset, 1, 200);
    /* In a library without a symbol table only exported functions are found, by the loader. */
    asyncio__symbols_find(&symbols, (const char *)(uintptr_t)qsort + 1, &symbol);
    assert_non_null(strstr(symbol.function, "sort"));
    asyncio__symbols_fini(&symbols);
}

/* An address outside of code has no name. */
static void an_address_outside_of_code_has_no_name(void **state)
{
    (void)state;
    asyncio__symbols_t symbols = {0};
    asyncio__symbol_t symbol;
    char here;
    const void *addresses[] = {NULL, (const void *)1, &here, (const void *)UINTPTR_MAX};
    for (size_t i = 0; i < 4; i++) {
        asyncio__symbols_find(&symbols, addresses[i], &symbol);
        assert_string_equal(symbol.function, "");
        assert_int_equal(symbol.line, 0);
    }
    asyncio__symbols_fini(&symbols);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_names_and_lines),
        cmocka_unit_test(an_address_outside_of_code_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
