/* SPDX-License-Identifier: MIT */
/*
 * Older kernels than this one: with ASYNCIO_TEST_KERNEL in the environment, system calls fail as
 * on a kernel of that version, from before the first test on:
 *
 *     6.12    no MADV_GUARD_INSTALL: guards are separate mappings
 *     6.0     and no IORING_SETUP_DEFER_TASKRUN
 *     5.17    and no IORING_SETUP_COOP_TASKRUN, no registered rings
 *     full    as 6.12, and no mappings are left for guards: stacks are checked instead
 */
#include "kernels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/syscalls.h"

#define ADVICE_GUARD_INSTALL 102

/* Flags of io_uring_setup() that came after 6.0, and after 5.17. */
#define SETUP_SINCE_6_1  (1u << 13 | 1u << 14 | 1u << 15 | 1u << 16)
#define SETUP_SINCE_5_18 (SETUP_SINCE_6_1 | 1u << 7 | 1u << 8 | 1u << 9 | 7u << 10)
#define REGISTER_SINCE_5_18 20

static asyncio__syscalls_t real;     /* the table as it was */
static unsigned refused_setup;       /* flags of io_uring_setup() that it refuses */
static unsigned refused_register;    /* operations from this one on are refused; 0: none */

static int madvise_without_guards(void *address, size_t size, int advice)
{
    if (advice != ADVICE_GUARD_INSTALL)
        return real.madvise(address, size, advice);
    errno = EINVAL;
    return -1;
}

static ssize_t process_madvise_without_guards(int pidfd, const struct iovec *ranges, size_t count,
                                              int advice, unsigned flags)
{
    if (advice != ADVICE_GUARD_INSTALL)
        return real.process_madvise(pidfd, ranges, count, advice, flags);
    errno = EINVAL;
    return -1;
}

static int mprotect_without_room(void *address, size_t size, int protection)
{
    if (protection != PROT_NONE)
        return real.mprotect(address, size, protection);
    errno = ENOMEM;
    return -1;
}

static int setup_of_old(unsigned entries, void *params)
{
    unsigned flags;
    memcpy(&flags, (char *)params + 2 * sizeof(flags), sizeof(flags)); /* its third field */
    if (!(flags & refused_setup))
        return real.io_uring_setup(entries, params);
    errno = EINVAL;
    return -1;
}

static int register_of_old(int ring, unsigned operation, void *argument, unsigned count)
{
    if (operation < refused_register)
        return real.io_uring_register(ring, operation, argument, count);
    errno = EINVAL;
    return -1;
}

void kernels_pretend(void)
{
    const char *kernel = getenv("ASYNCIO_TEST_KERNEL");
    if (!kernel || !*kernel || real.madvise)
        return; /* not wanted, or installed already: groups of tests may run inside tests */
    real = asyncio__sys;
    asyncio__sys.madvise = madvise_without_guards;
    asyncio__sys.process_madvise = process_madvise_without_guards;
    if (strcmp(kernel, "full") == 0) {
        asyncio__sys.mprotect = mprotect_without_room;
    } else if (strcmp(kernel, "6.0") == 0) {
        refused_setup = SETUP_SINCE_6_1;
        asyncio__sys.io_uring_setup = setup_of_old;
    } else if (strcmp(kernel, "5.17") == 0) {
        refused_setup = SETUP_SINCE_5_18;
        refused_register = REGISTER_SINCE_5_18;
        asyncio__sys.io_uring_setup = setup_of_old;
        asyncio__sys.io_uring_register = register_of_old;
    } else if (strcmp(kernel, "6.12") != 0) {
        abort(); /* an unknown name */
    }
}
