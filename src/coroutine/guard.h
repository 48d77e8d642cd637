/* SPDX-License-Identifier: MIT */
/*
 * Guards: the pages below stacks that nobody may touch.
 *
 * Three kinds, best first. MADV_GUARD_INSTALL (Linux 6.13) makes a page fault without splitting
 * its mapping. mprotect() splits it, and a process may hold only so many mappings, so it serves
 * the first stacks only. The rest leave the page untouched and look at it when the stack is
 * released: what is not zero there was written by an overflow.
 */
#ifndef ASYNCIO__COROUTINE_GUARD_H
#define ASYNCIO__COROUTINE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

typedef enum asyncio__guard {
    ASYNCIO__GUARD_ADVICE,   /* MADV_GUARD_INSTALL */
    ASYNCIO__GUARD_MPROTECT, /* PROT_NONE */
    ASYNCIO__GUARD_CANARY,   /* zeroes that must stay */
} asyncio__guard_t;

/* Guards of one kind and, stride_bytes apart, how many: of pages that begin at first. */
typedef struct asyncio__guards {
    char *first;         /* the lowest of the pages */
    size_t stride_bytes; /* from one page to the next */
    size_t count;        /* of the pages */
} asyncio__guards_t;

/* The size of a guard: one page of this machine. */
size_t asyncio__guard_bytes(void);

/* Puts up some of the guards, at least one, all of one kind; answers how many. */
size_t asyncio__guard_install(const asyncio__guards_t *guards, asyncio__guard_t *ret_kind);

/* Says that so many guards of a kind have gone with their mapping. */
void asyncio__guard_forget(asyncio__guard_t kind, size_t count);

/* Whether a guard that is only looked at is as it was. */
bool asyncio__guard_is_whole(const char *page);

#endif
