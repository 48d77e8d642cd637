/* SPDX-License-Identifier: MIT */
/* What addresses are called, and that nothing which stands in a file can do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* An address has the name of its function, static or not, and the line of the call before it. */
static void addresses_have_names_and_lines(void **state)
{
    (void)state;
    asyncio__symbols_t symbols = {0};
    asyncio__symbol_t symbol;
    asyncio__symbols_find(&symbols, an_address(), &symbol);
    assert_string_equal(symbol.function, "an_address");
    assert_non_null(strstr(symbol.file, "tests/test_symbol.c"));
    assert_int_equal(symbol.line, line_of_call);
    assert_in_range(symbol.offset, 1, 200);
    /* Of a library, which has no debug information, the loader knows what is exported. */
    asyncio__symbols_find(&symbols, (const char *)(uintptr_t)qsort + 1, &symbol);
    assert_non_null(strstr(symbol.function, "sort"));
    asyncio__symbols_fini(&symbols);
}

/* What is no code has no name. */
static void what_is_no_code_has_no_name(void **state)
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

/* --- what is broken ------------------------------------------------------------------------- */

/* A section of this program, in a block of exactly its size. */
static asyncio__section_t copy_of(const char *wanted)
{
    asyncio__section_t section = {NULL, 0};
    FILE *file = fopen("/proc/self/exe", "rb");
    assert_non_null(file);
    ElfW(Ehdr) elf;
    assert_int_equal(fread(&elf, sizeof(elf), 1, file), 1);
    ElfW(Shdr) names, header;
    char name[32];
    fseek(file, (long)(elf.e_shoff + elf.e_shstrndx * sizeof(names)), SEEK_SET);
    assert_int_equal(fread(&names, sizeof(names), 1, file), 1);
    for (size_t i = 0; i < elf.e_shnum && !section.data; i++) {
        fseek(file, (long)(elf.e_shoff + i * sizeof(header)), SEEK_SET);
        assert_int_equal(fread(&header, sizeof(header), 1, file), 1);
        fseek(file, (long)(names.sh_offset + header.sh_name), SEEK_SET);
        if (!fgets(name, sizeof(name), file) || strcmp(name, wanted) != 0)
            continue;
        unsigned char *data = malloc(header.sh_size);
        assert_non_null(data);
        fseek(file, (long)header.sh_offset, SEEK_SET);
        assert_int_equal(fread(data, 1, header.sh_size, file), header.sh_size);
        section = (asyncio__section_t){data, header.sh_size};
    }
    fclose(file);
    return section;
}

/* Looks a range of addresses up; whatever is found ends where it must. */
static size_t look_up(const asyncio__line_sections_t *sections, uint64_t from)
{
    size_t found = 0;
    for (uint64_t address = from; address < from + 0x200; address += 0x40) {
        char file[24];
        int line;
        memset(file, 'x', sizeof(file));
        if (!asyncio__line_find(sections, address, file, sizeof(file), &line))
            continue;
        found++;
        assert_non_null(memchr(file, 0, sizeof(file)));
    }
    return found;
}

/* Line tables with any byte changed, or cut off anywhere, are read without harm. */
static void broken_line_tables_do_no_harm(void **state)
{
    (void)state;
    asyncio__line_sections_t sections = {
        copy_of(".debug_line"), copy_of(".debug_line_str"), copy_of(".debug_str")};
    if (!sections.line.data)
        skip(); /* built without debug information */
    struct link_map *map = NULL;
    Dl_info info;
    const void *here = an_address();
    assert_true(dladdr1(here, &info, (void **)&map, RTLD_DL_LINKMAP));
    uint64_t from = (uintptr_t)here - map->l_addr;
    assert_true(look_up(&sections, from) > 0);
    /* The first unit, whose header is hit often, and then the rest. */
    size_t whole = sections.line.size;
    uint32_t random = 7;
    for (size_t i = 0; i < 600; i++) {
        random = random * 1664525u + 1013904223u;
        size_t at = random % (i < 400 && whole > 400 ? 400 : whole);
        unsigned char *byte = (unsigned char *)(uintptr_t)&sections.line.data[at];
        unsigned char before = *byte;
        *byte = (unsigned char)(random >> 16);
        look_up(&sections, from);
        look_up(&sections, 0);
        *byte = before;
    }
    for (size_t cut = 1; cut < 200 && cut < whole; cut += 7) {
        sections.line.size = cut;
        look_up(&sections, from);
    }
    free((void *)(uintptr_t)sections.line.data);
    free((void *)(uintptr_t)sections.line_str.data);
    free((void *)(uintptr_t)sections.str.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_names_and_lines),
        cmocka_unit_test(what_is_no_code_has_no_name),
        cmocka_unit_test(broken_line_tables_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
