/* SPDX-License-Identifier: MIT */
/*
 * What an address is called: the function, the file and the line, read from the program or library
 * that it lies in. Its own table of symbols tells static functions too; the loader only knows what
 * is exported, and is asked where a file was stripped.
 *
 *     asyncio__symbols_t symbols = {0};
 *     asyncio__symbol_t symbol;
 *     asyncio__symbols_find(&symbols, address, &symbol);    as often as needed
 *     asyncio__symbols_fini(&symbols);
 *
 * The files are mapped meanwhile; nothing is allocated and nothing fails: what is not known is "".
 */
#ifndef ASYNCIO__BASE_SYMBOL_H
#define ASYNCIO__BASE_SYMBOL_H

#include <stdint.h>

#include "base/line_table.h"

#define ASYNCIO__SYMBOL_FILES 4 /* mapped at once */

/* A mapped program or library. */
typedef struct asyncio__symbol_file {
    uintptr_t bias;                 /* what the loader has added to its addresses */
    const void *name;               /* by which the loader knows it; NULL: the slot is free */
    asyncio__section_t whole;       /* the mapping; data is NULL if there is none */
    asyncio__section_t table;       /* of symbols */
    asyncio__section_t strings;     /* their names */
    asyncio__line_sections_t lines; /* its line tables */
} asyncio__symbol_file_t;

typedef struct asyncio__symbols {
    asyncio__symbol_file_t files[ASYNCIO__SYMBOL_FILES]; /* mapped */
    unsigned next;                                       /* which gives way */
} asyncio__symbols_t;

typedef struct asyncio__symbol {
    char function[96];  /* its name, or "" */
    char file[160];     /* of the source; where that is not known, of the program or library */
    int line;           /* of that; 0: not known */
    uintptr_t offset;   /* from where the function begins */
} asyncio__symbol_t;

/* What an address is in, the one before it counting: it is where a call returns to. */
void asyncio__symbols_find(asyncio__symbols_t *symbols, const void *address,
                           asyncio__symbol_t *ret_symbol);

void asyncio__symbols_fini(asyncio__symbols_t *symbols);

#endif
