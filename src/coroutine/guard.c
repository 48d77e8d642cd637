/* SPDX-License-Identifier: MIT */
/*
 * Installs guards; see coroutine/guard.h. Knows pages, not stacks.
 *
 * What the kernel supports is determined once in a process. Nothing here fails: a canary, the
 * weakest guard, needs no help from the kernel.
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

#define ADVICE_GUARD_INSTALL  102    /* MADV_GUARD_INSTALL */
#define ADVICE_POPULATE_WRITE 23     /* MADV_POPULATE_WRITE */
#define ADVICE_UNDEFINED      0x7a7a /* no kernel defines it */
#define PIDFD_SELF            (-10000) /* PIDFD_SELF_THREAD, since Linux 6.14 */

#if defined(ASYNCIO__ASAN)
#define CHECKS_LEAKS 1
#else
#define CHECKS_LEAKS 0
#endif

/* From this number of ranges on, process_madvise() is cheaper than madvise() for each. */
#define TOGETHER_LEAST 8
/* The kernel accepts this number of ranges in one call. */
#define TOGETHER_MOST  512

/* Whether MADV_GUARD_INSTALL works here. */
enum { SUPPORT_UNKNOWN, SUPPORTED, UNSUPPORTED };

static _Atomic int guard_advice = SUPPORT_UNKNOWN;
static _Atomic size_t mprotected;     /* guards of that kind that exist */
static _Atomic size_t mprotect_limit; /* how many may exist; 0: not determined yet */

size_t asyncio__page_bytes(void)
{
    static _Atomic size_t page_bytes;
    size_t known = atomic_load_explicit(&page_bytes, memory_order_relaxed);
    if (known)
        return known;
    long size = sysconf(_SC_PAGESIZE);
    known = size > 0 ? (size_t)size : 4096;
    atomic_store_explicit(&page_bytes, known, memory_order_relaxed);
    return known;
}

size_t asyncio__guard_bytes(void)
{
    size_t page_bytes = asyncio__page_bytes();
    return (ASYNCIO__GUARD_BYTES + page_bytes - 1) / page_bytes * page_bytes;
}

/* Tries the advice on a range that is to be a guard anyway. */
static bool has_guard_advice(const asyncio__ranges_t *guards)
{
    int known = atomic_load_explicit(&guard_advice, memory_order_relaxed);
    if (known != SUPPORT_UNKNOWN)
        return known == SUPPORTED;
    /* A leak checker reads every page that /proc/self/maps lists as readable, and these guards are
     * listed so. An emulator may return 0 for any advice and ignore it: an advice that is not
     * defined finds that out. */
    if (CHECKS_LEAKS || asyncio__on_valgrind() ||
        asyncio__sys.madvise(guards->first, guards->bytes, ADVICE_UNDEFINED) == 0)
        known = UNSUPPORTED;
    else if (asyncio__sys.madvise(guards->first, guards->bytes, ADVICE_GUARD_INSTALL) == 0)
        known = SUPPORTED;
    else if (errno == EINVAL)
        known = UNSUPPORTED;
    else
        return false; /* out of memory, perhaps: the next call tries again */
    atomic_store_explicit(&guard_advice, known, memory_order_relaxed);
    return known == SUPPORTED;
}

/* Gives the advice for `count` ranges of this process. *fd is PIDFD_SELF at first, and a descriptor
 * of the process from then on where the kernel does not know that. */
static ssize_t advise_self(int *fd, const struct iovec *vector, size_t count, int advice)
{
    ssize_t advised = asyncio__sys.process_madvise(*fd, vector, count, advice, 0);
    if (advised >= 0 || errno != EBADF || *fd != PIDFD_SELF)
        return advised;
    *fd = asyncio__sys.pidfd_open(getpid(), 0);
    return *fd < 0 ? -1 : asyncio__sys.process_madvise(*fd, vector, count, advice, 0);
}

/* Gives the advice for all ranges in few system calls. Returns false if that does not work. */
static bool advise_together(const asyncio__ranges_t *ranges, int advice)
{
    /* Allocated, because the caller may run on a coroutine's stack, which would get memory for the
     * array that it never needs again. */
    size_t bytes = TOGETHER_MOST * sizeof(struct iovec);
    struct iovec *vector = asyncio__malloc(bytes);
    int fd = PIDFD_SELF;
    size_t done = 0;
    bool works = vector != NULL;
    while (works && done < ranges->count) {
        size_t left = ranges->count - done, count = left < TOGETHER_MOST ? left : TOGETHER_MOST;
        for (size_t i = 0; i < count; i++) {
            vector[i].iov_base = ranges->first + (done + i) * ranges->stride_bytes;
            vector[i].iov_len = ranges->bytes;
        }
        works = advise_self(&fd, vector, count, advice) == (ssize_t)(count * ranges->bytes);
        done += count;
    }
    if (fd >= 0)
        asyncio__ignore(asyncio__sys.close(fd));
    asyncio__free(vector, bytes);
    return works;
}

static size_t install_by_advice(const asyncio__ranges_t *guards)
{
    /* A batch that was interrupted is repeated one by one: installing a guard twice is harmless. */
    if (guards->count >= TOGETHER_LEAST && advise_together(guards, ADVICE_GUARD_INSTALL))
        return guards->count;
    size_t done = 0;
    while (done < guards->count &&
           asyncio__sys.madvise(guards->first + done * guards->stride_bytes, guards->bytes,
                                ADVICE_GUARD_INSTALL) == 0)
        done++;
    return done;
}

/* Each such guard splits one mapping into three and so costs two. Half of the mappings that a
 * process may have are left to the program. */
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

static size_t install_by_mprotect(const asyncio__ranges_t *guards)
{
    size_t done = 0;
    while (done < guards->count) {
        if (atomic_fetch_add_explicit(&mprotected, 1, memory_order_relaxed) >= most_mprotected() ||
            asyncio__sys.mprotect(guards->first + done * guards->stride_bytes, guards->bytes,
                                  PROT_NONE) < 0) {
            atomic_fetch_sub_explicit(&mprotected, 1, memory_order_relaxed);
            break;
        }
        done++;
    }
    return done;
}

size_t asyncio__guard_install(const asyncio__ranges_t *guards, asyncio__guard_t *ret_kind)
{
    size_t done = has_guard_advice(guards) ? install_by_advice(guards) : 0;
    if (done) {
        *ret_kind = ASYNCIO__GUARD_ADVICE;
        return done;
    }
    done = install_by_mprotect(guards);
    *ret_kind = done ? ASYNCIO__GUARD_MPROTECT : ASYNCIO__GUARD_CANARY;
    return done ? done : guards->count;
}

void asyncio__guard_forget(asyncio__guard_t kind, size_t count)
{
    if (kind == ASYNCIO__GUARD_MPROTECT)
        atomic_fetch_sub_explicit(&mprotected, count, memory_order_relaxed);
}

bool asyncio__canary_is_intact(const char *bottom)
{
    /* Untouched, each such page is the kernel's one page of zeroes, which is warm in the cache. */
    size_t page_bytes = asyncio__page_bytes();
    const char *page = bottom - page_bytes;
    uint64_t any = 0;
    for (size_t i = 0; i < page_bytes; i += sizeof(any)) {
        uint64_t word;
        memcpy(&word, page + i, sizeof(word));
        any |= word;
    }
    return any == 0;
}

void asyncio__pages_populate(const asyncio__ranges_t *pages)
{
    /* Kernels that have the advice for guards allow a process any advice for itself. */
    if (atomic_load_explicit(&guard_advice, memory_order_relaxed) == SUPPORTED)
        asyncio__ignore(advise_together(pages, ADVICE_POPULATE_WRITE));
}
