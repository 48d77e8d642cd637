/* SPDX-License-Identifier: MIT */
/*
 * Puts up guards; see coroutine/guard.h. Knows pages, not stacks.
 *
 * What the kernel can do is found out once in a process. Nothing here fails: the worst guard, a
 * page that is only looked at, needs no help from the system.
 */
#include "coroutine/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"

#define ADVICE_GUARD_INSTALL 102    /* MADV_GUARD_INSTALL */
#define ADVICE_NONSENSE      0x7a7a /* no kernel knows it */

#if defined(ASYNCIO__ASAN)
#define CHECKS_LEAKS 1
#else
#define CHECKS_LEAKS 0
#endif

/* Few guards are cheaper one by one than through a descriptor of the own process. */
#define BATCH_LEAST 8
#define BATCH_MOST  512

/* What is known of MADV_GUARD_INSTALL. */
enum { ADVICE_UNKNOWN, ADVICE_WORKS, ADVICE_MISSING };

static _Atomic int advice = ADVICE_UNKNOWN;
static _Atomic size_t mprotected;     /* guards of that kind that stand */
static _Atomic size_t mprotect_limit; /* how many there may be; 0: not asked yet */

size_t asyncio__guard_bytes(void)
{
    static _Atomic size_t page_bytes;
    size_t known = atomic_load_explicit(&page_bytes, memory_order_relaxed);
    if (known)
        return known;
    long answer = sysconf(_SC_PAGESIZE);
    known = answer > 0 ? (size_t)answer : 4096;
    atomic_store_explicit(&page_bytes, known, memory_order_relaxed);
    return known;
}

/* Tries the advice on a page that is to be a guard anyway. */
static bool advice_works(char *page)
{
    int known = atomic_load_explicit(&advice, memory_order_relaxed);
    if (known != ADVICE_UNKNOWN)
        return known == ADVICE_WORKS;
    size_t page_bytes = asyncio__guard_bytes();
    /* A leak checker reads all that /proc/self/maps calls readable, and these guards are that.
     * An emulator may answer 0 to any advice without doing a thing. */
    if (CHECKS_LEAKS || asyncio__on_valgrind() ||
        asyncio__sys.madvise(page, page_bytes, ADVICE_NONSENSE) == 0)
        known = ADVICE_MISSING;
    else if (asyncio__sys.madvise(page, page_bytes, ADVICE_GUARD_INSTALL) == 0)
        known = ADVICE_WORKS;
    else if (errno == EINVAL)
        known = ADVICE_MISSING;
    else
        return false; /* of this moment only: another time it may work */
    atomic_store_explicit(&advice, known, memory_order_relaxed);
    return known == ADVICE_WORKS;
}

/* All guards in few system calls; false when that does not work here. */
static bool advise_together(const asyncio__guards_t *guards)
{
    /* Not in this frame: it may be on a coroutine's stack, which would never be that deep else. */
    size_t bytes = BATCH_MOST * sizeof(struct iovec);
    struct iovec *ranges = asyncio__malloc(bytes);
    int self = ranges ? asyncio__sys.pidfd_open(getpid(), 0) : -1;
    size_t done = 0;
    bool works = ranges && self >= 0;
    while (works && done < guards->count) {
        size_t count = guards->count - done < BATCH_MOST ? guards->count - done : BATCH_MOST;
        for (size_t i = 0; i < count; i++) {
            ranges[i].iov_base = guards->first + (done + i) * guards->stride_bytes;
            ranges[i].iov_len = asyncio__guard_bytes();
        }
        ssize_t advised =
            asyncio__sys.process_madvise(self, ranges, count, ADVICE_GUARD_INSTALL, 0);
        works = advised == (ssize_t)(count * asyncio__guard_bytes());
        done += count;
    }
    if (self >= 0)
        asyncio__ignore(asyncio__sys.close(self));
    asyncio__free(ranges, bytes);
    return works;
}

static size_t advise(const asyncio__guards_t *guards)
{
    /* A batch that was done by half is done again one by one: to guard twice is harmless. */
    if (guards->count >= BATCH_LEAST && advise_together(guards))
        return guards->count;
    size_t done = 0;
    while (done < guards->count &&
           asyncio__sys.madvise(guards->first + done * guards->stride_bytes,
                                asyncio__guard_bytes(), ADVICE_GUARD_INSTALL) == 0)
        done++;
    return done;
}

/* Each such guard splits one mapping into three, so that it costs two: half of all that a process
 * may have is left to the program. */
static size_t most_mprotected(void)
{
    size_t limit = atomic_load_explicit(&mprotect_limit, memory_order_relaxed);
    if (limit)
        return limit;
    char text[32] = "";
    long count = 65530;
    int fd = asyncio__sys.open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0) {
        if (asyncio__sys.read(fd, text, sizeof(text) - 1) > 0 && strtol(text, NULL, 10) > 0)
            count = strtol(text, NULL, 10);
        asyncio__ignore(asyncio__sys.close(fd));
    }
    limit = (size_t)count / 4 + 1;
    atomic_store_explicit(&mprotect_limit, limit, memory_order_relaxed);
    return limit;
}

static size_t protect(const asyncio__guards_t *guards)
{
    size_t done = 0;
    while (done < guards->count) {
        if (atomic_fetch_add_explicit(&mprotected, 1, memory_order_relaxed) >= most_mprotected() ||
            asyncio__sys.mprotect(guards->first + done * guards->stride_bytes,
                                  asyncio__guard_bytes(), PROT_NONE) < 0) {
            atomic_fetch_sub_explicit(&mprotected, 1, memory_order_relaxed);
            break;
        }
        done++;
    }
    return done;
}

size_t asyncio__guard_install(const asyncio__guards_t *guards, asyncio__guard_t *ret_kind)
{
    size_t done = advice_works(guards->first) ? advise(guards) : 0;
    if (done) {
        *ret_kind = ASYNCIO__GUARD_ADVICE;
        return done;
    }
    done = protect(guards);
    *ret_kind = done ? ASYNCIO__GUARD_MPROTECT : ASYNCIO__GUARD_CANARY;
    return done ? done : guards->count;
}

void asyncio__guard_forget(asyncio__guard_t kind, size_t count)
{
    if (kind == ASYNCIO__GUARD_MPROTECT)
        atomic_fetch_sub_explicit(&mprotected, count, memory_order_relaxed);
}

bool asyncio__guard_is_whole(const char *page)
{
    /* Untouched, every such page is the one page of zeroes of the kernel: warm in the cache. */
    uint64_t any = 0;
    for (size_t i = 0; i < asyncio__guard_bytes(); i += sizeof(any)) {
        uint64_t word;
        memcpy(&word, page + i, sizeof(word));
        any |= word;
    }
    return any == 0;
}
