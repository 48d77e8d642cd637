/* SPDX-License-Identifier: MIT */
/*
 * Symbols: the function, file and line that an address belongs to, for stack listings.
 *
 *     asyncio__symbols_t symbols = {0};
 *     asyncio__symbol_t symbol;
 *     asyncio__symbols_find(&symbols, address, &symbol);    as often as needed
 *     asyncio__symbols_fini(&symbols);
 *
 * dladdr() finds the program or library, but only knows functions that are exported. call_graph.h
 * promises static ones too, so the symbol table of the file is read as well. Lines come from libdw,
 * if its header was found when the library was built and it can be loaded at run time. Nothing here
 * fails: what is not known stays "" or 0.
 */
#ifndef ASYNCIO__BASE_SYMBOL_H
#define ASYNCIO__BASE_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

/* What is kept between look-ups: the file that was read last, and libdw's session. */
typedef struct asyncio__symbols {
    const void *map;                    /* the loader's record of the file; NULL: none was read */
    uintptr_t bias;                     /* what the loader added to the file's addresses */
    const unsigned char *data;          /* the mapped file, or NULL */
    size_t size;                        /* of data */
    const unsigned char *table, *names; /* symbols and their names, in data; NULL: none */
    size_t table_size, names_size;      /* in bytes */
    struct Dwfl *dwfl;                  /* libdw's session, or NULL */
} asyncio__symbols_t;

typedef struct asyncio__symbol {
    char function[96];  /* its name, or "" */
    char file[160];     /* of the source; without a line, of the program or library */
    int line;           /* in the source; 0: not known */
    uintptr_t offset;   /* from the beginning of the function */
} asyncio__symbol_t;

/* Looks up the byte before the address, because the address of a frame is where a call returns to,
 * which may lie behind the end of the function. */
void asyncio__symbols_find(asyncio__symbols_t *symbols, const void *address,
                           asyncio__symbol_t *ret_symbol);

void asyncio__symbols_fini(asyncio__symbols_t *symbols);

#endif
