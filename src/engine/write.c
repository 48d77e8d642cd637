/* SPDX-License-Identifier: MIT */
/*
 * Writing without SIGPIPE; see write.h. For write(2) Linux 6.18 has a flag. Else the thread blocks
 * the signal, writes, and takes the signal that this write has raised, if it has raised one: a
 * write raises SIGPIPE for its own thread, so nobody else can take it.
 */
#include "engine/write.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/syscalls.h"

#define RWF_NOSIGNAL_ 0x100 /* the kernel's RWF_NOSIGNAL, which older headers lack */

/* SIGPIPE while it is blocked in this thread. */
typedef struct blocked {
    sigset_t only;    /* SIGPIPE */
    sigset_t former;  /* the mask before */
    bool was_pending; /* it is somebody else's, and stays */
} blocked_t;

/* Blocks the signal: 0, or -1 with errno. */
static int block_signal(blocked_t *blocked)
{
    sigset_t pending;
    sigemptyset(&blocked->only);
    sigaddset(&blocked->only, SIGPIPE);
    if (asyncio__sys.sigpending(&pending) < 0)
        return -1;
    blocked->was_pending = sigismember(&pending, SIGPIPE);
    return asyncio__sys.sigprocmask(SIG_BLOCK, &blocked->only, &blocked->former);
}

/* After a call that returned result: takes the signal that it has raised. errno stays. */
static void unblock_signal(const blocked_t *blocked, ssize_t result)
{
    const struct timespec no_time = {0, 0};
    int error = errno;
    if (result < 0 && error == EPIPE && !blocked->was_pending)
        while (asyncio__sys.sigtimedwait(&blocked->only, NULL, &no_time) < 0 && errno == EINTR)
            ;
    asyncio__sys.sigprocmask(SIG_SETMASK, &blocked->former, NULL);
    errno = error;
}

static ASYNCIO__COLD ssize_t write_with_signal_blocked(int fd, const void *buffer, size_t size)
{
    blocked_t blocked;
    if (block_signal(&blocked) < 0)
        return -1;
    ssize_t written = asyncio__sys.write(fd, buffer, size);
    unblock_signal(&blocked, written);
    return written;
}

ssize_t asyncio__sendfile_without_signal(int socket, int file, off_t *offset, size_t size)
{
    blocked_t blocked;
    if (block_signal(&blocked) < 0)
        return -1;
    ssize_t sent = asyncio__sys.sendfile(socket, file, offset, size);
    unblock_signal(&blocked, sent);
    return sent;
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
