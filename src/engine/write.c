/* SPDX-License-Identifier: MIT */
/*
 * Writing without SIGPIPE; see write.h. Linux 6.18 has a flag for it. Elsewhere the thread blocks
 * the signal, writes, and takes the signal that this write has raised, if it has raised one: a
 * write raises SIGPIPE for its own thread, so nobody else can take it.
 */
#include "engine/write.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/syscalls.h"

#define RWF_NOSIGNAL_ 0x100 /* the kernel's RWF_NOSIGNAL, which older headers lack */

static ASYNCIO__COLD ssize_t write_with_signal_blocked(int fd, const void *buffer, size_t size)
{
    const struct timespec no_time = {0, 0};
    sigset_t only, former, pending;
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    /* A SIGPIPE that is pending already is somebody else's, and stays. */
    if (asyncio__sys.sigpending(&pending) < 0)
        return -1;
    bool was_pending = sigismember(&pending, SIGPIPE);
    if (asyncio__sys.sigprocmask(SIG_BLOCK, &only, &former) < 0)
        return -1;
    ssize_t written = asyncio__sys.write(fd, buffer, size);
    int error = errno;
    if (written < 0 && error == EPIPE && !was_pending)
        while (asyncio__sys.sigtimedwait(&only, NULL, &no_time) < 0 && errno == EINTR)
            ;
    asyncio__sys.sigprocmask(SIG_SETMASK, &former, NULL);
    errno = error;
    return written;
}

ssize_t asyncio__write_without_signal(int fd, const void *buffer, size_t size)
{
    static atomic_bool lacks_flag; /* this kernel does not know it for any file */
    if (!atomic_load_explicit(&lacks_flag, memory_order_relaxed)) {
        struct iovec part = {.iov_base = (void *)buffer, .iov_len = size};
        ssize_t written = asyncio__sys.pwritev2(fd, &part, 1, -1, RWF_NOSIGNAL_);
        if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
            return written;
        if (errno == ENOSYS)
            atomic_store_explicit(&lacks_flag, true, memory_order_relaxed);
    }
    return write_with_signal_blocked(fd, buffer, size);
}
