/* SPDX-License-Identifier: MIT */
/*
 * Accounts of memory and descriptors; see accounts.h.
 *
 * Open descriptors are found by testing each number in turn, until a long row of numbers is not
 * open: the kernel always assigns the lowest free number.
 */
#include "testing/accounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/syscalls.h"

#define LONG_WAY 512       /* numbers in a row that are not open: the search ends */
#define YIELDS   100       /* times that it yields to other threads before it sleeps */
#define MOMENTS  1000

static bool is_open(int fd)
{
    return asyncio__sys.fcntl(fd, F_GETFD, 0) >= 0;
}

static bool was_open(const asyncio__accounts_t *accounts, int fd)
{
    size_t at = (size_t)fd / 8;
    return at < accounts->open_bytes && accounts->open[at] >> fd % 8 & 1;
}

static int mark(asyncio__accounts_t *accounts, int fd)
{
    size_t at = (size_t)fd / 8, old = accounts->open_bytes, wanted = old ? old : 16;
    while (wanted <= at)
        wanted *= 2;
    if (wanted > old) {
        uint8_t *grown = asyncio__realloc(accounts->open, old, wanted);
        if (!grown)
            return -ENOMEM;
        memset(grown + old, 0, wanted - old);
        accounts->open = grown;
        accounts->open_bytes = wanted;
    }
    accounts->open[at] |= (uint8_t)(1U << fd % 8);
    return 0;
}

int asyncio__accounts_open(asyncio__accounts_t *accounts)
{
    *accounts = (asyncio__accounts_t){.blocks = 0};
    int rc = 0;
    for (int fd = 0, end = LONG_WAY; fd < end && rc == 0; fd++)
        if (is_open(fd)) {
            rc = mark(accounts, fd);
            end = fd + LONG_WAY;
        }
    if (rc < 0)
        asyncio__accounts_close(accounts);
    accounts->blocks = asyncio__live_blocks();
    return rc;
}

void asyncio__accounts_close(asyncio__accounts_t *accounts)
{
    asyncio__free(accounts->open, accounts->open_bytes);
    *accounts = (asyncio__accounts_t){.blocks = 0};
}

/* Whether the process has one thread: /proc/self/task has two links, and one for each thread. */
static bool is_alone(void)
{
    struct stat folder;
    return asyncio__sys.stat("/proc/self/task", &folder) == 0 && folder.st_nlink == 3;
}

long asyncio__accounts_blocks(const asyncio__accounts_t *accounts)
{
    long more = asyncio__live_blocks() - accounts->blocks;
    for (int round = 0; more > 0 && round < YIELDS + MOMENTS && !is_alone(); round++) {
        if (round < YIELDS)
            sched_yield();
        else
            asyncio__ignore(asyncio__sys.poll(NULL, 0, 1));
        more = asyncio__live_blocks() - accounts->blocks;
    }
    return more;
}

static const char *kind_of(int fd)
{
    struct stat is;
    if (asyncio__sys.fstat(fd, &is) < 0)
        return "unknown";
    switch (is.st_mode & S_IFMT) {
    case S_IFSOCK:
        return "a socket";
    case S_IFIFO:
        return "a pipe";
    case S_IFREG:
        return "a file";
    case S_IFDIR:
        return "a folder";
    case S_IFCHR:
        return "a device";
    default:
        return "no file";
    }
}

void asyncio__accounts_descriptors(const asyncio__accounts_t *accounts, asyncio__text_t *text)
{
    int end = (int)accounts->open_bytes * 8 + LONG_WAY;
    for (int fd = 0; fd < end; fd++) {
        if (!is_open(fd))
            continue;
        if (fd + LONG_WAY > end)
            end = fd + LONG_WAY;
        if (!was_open(accounts, fd))
            asyncio__text_add(text, "descriptor %d was left open (%s)", fd, kind_of(fd));
    }
}
