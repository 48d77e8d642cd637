/* SPDX-License-Identifier: MIT */
/*
 * Which line of which file an address belongs to, as a program's own debug information says: its
 * line tables (DWARF 2 to 5). They are read from the beginning each time: for people, not for
 * programs that are in a hurry. What is broken or unknown in them is passed over.
 */
#ifndef ASYNCIO__BASE_LINE_TABLE_H
#define ASYNCIO__BASE_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a mapped file. */
typedef struct asyncio__section {
    const unsigned char *data; /* NULL: there is none */
    size_t size;               /* of data */
} asyncio__section_t;

typedef struct asyncio__line_sections {
    asyncio__section_t line;     /* .debug_line */
    asyncio__section_t line_str; /* .debug_line_str */
    asyncio__section_t str;      /* .debug_str */
} asyncio__line_sections_t;

/* Looks an address of the file up; writes "directory/name", cut short if need be, and the line. */
bool asyncio__line_find(const asyncio__line_sections_t *sections, uint64_t address, char *ret_file,
                        size_t file_size, int *ret_line);

#endif
