/* SPDX-License-Identifier: MIT */
/*
 * Guards: the region of memory below each stack that a program must not touch.
 *
 * A guard is 256 KiB large, so that a function whose frame does not fit in the rest of the stack
 * faults, instead of stepping over the guard into the stack below. A frame larger than the rest of
 * the stack and the guard together can still do that, unless it is compiled with
 * -fstack-clash-protection; docs/stacks.md says more.
 *
 * There are three kinds of guards. MADV_GUARD_INSTALL (Linux 6.13) makes a range of pages fault
 * without splitting its mapping: 15 ns a page. mprotect() splits the mapping, and the kernel limits
 * the mappings of a process, so only the first stacks get such a guard. All other stacks have a
 * canary: the page below the stack is left untouched and is inspected when a coroutine ends on the
 * stack. A byte of it that is not zero was written by an overflow.
 */
#ifndef ASYNCIO__COROUTINE_GUARD_H
#define ASYNCIO__COROUTINE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#define ASYNCIO__GUARD_BYTES ((size_t)256 * 1024)

typedef enum asyncio__guard {
    ASYNCIO__GUARD_ADVICE,   /* MADV_GUARD_INSTALL: faults */
    ASYNCIO__GUARD_MPROTECT, /* PROT_NONE: faults */
    ASYNCIO__GUARD_CANARY,   /* one page of zeroes: inspected */
} asyncio__guard_t;

/* Ranges of memory of equal size at equal distances: the guards, or the first pages, of
 * neighbouring stacks. */
typedef struct asyncio__ranges {
    char *first;         /* the lowest address of the lowest range */
    size_t bytes;        /* size of each range */
    size_t stride_bytes; /* from one range to the next */
    size_t count;        /* number of ranges */
} asyncio__ranges_t;

/* Size of a page of this machine. */
size_t asyncio__page_bytes(void);

/* Size of a guard: ASYNCIO__GUARD_BYTES, rounded up to whole pages. */
size_t asyncio__guard_bytes(void);

/* Installs guards in the first ranges, at least in one, all of one kind. Returns how many. */
size_t asyncio__guard_install(const asyncio__ranges_t *guards, asyncio__guard_t *ret_kind);

/* Called when guards of this kind were unmapped. */
void asyncio__guard_forget(asyncio__guard_t kind, size_t count);

/* Whether the canary below a stack is intact. bottom: the lowest usable byte of the stack. */
bool asyncio__canary_is_intact(const char *bottom);

/* Gives memory to ranges that are about to be written: one system call instead of a page fault for
 * each. Does nothing where the kernel cannot. */
void asyncio__pages_populate(const asyncio__ranges_t *pages);

#endif
