/* SPDX-License-Identifier: MIT */
/* The kinds of descriptors, and poll bits; see descriptor.h. */
#include "engine/descriptor.h"

#include <sys/stat.h>

#include "base/syscalls.h"

/* Only epoll itself knows which devices it accepts (not /dev/null), so it is asked. */
static int check_device(int fd)
{
    struct epoll_event event = {.events = 0};
    int epoll = asyncio__sys.epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    int rc = asyncio__sys.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    asyncio__sys.close(epoll);
    return rc;
}

int asyncio__descriptor_kind(int fd, asyncio__file_kind_t *ret_kind)
{
    struct stat status;
    if (asyncio__sys.fstat(fd, &status) < 0)
        return -errno;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
        return -EPERM;
    if (S_ISCHR(status.st_mode)) {
        int rc = check_device(fd);
        if (rc < 0)
            return rc;
    }
    *ret_kind = S_ISSOCK(status.st_mode) ? ASYNCIO__FILE_SOCKET : ASYNCIO__FILE_STREAM;
    return 0;
}

unsigned asyncio__watch_events(unsigned polled, unsigned asked)
{
    unsigned events = 0;
    /* As Python's selectors: an error or a hang-up is an event for both directions. */
    if (polled & ~(unsigned)EPOLLOUT)
        events |= ASYNCIO__WATCH_READ;
    if (polled & ~(unsigned)EPOLLIN)
        events |= ASYNCIO__WATCH_WRITE;
    return events & asked;
}

unsigned asyncio__poll_events(unsigned asked)
{
    return (asked & ASYNCIO__WATCH_READ ? EPOLLIN : 0) |
           (asked & ASYNCIO__WATCH_WRITE ? EPOLLOUT : 0);
}
