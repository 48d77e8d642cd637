/* SPDX-License-Identifier: MIT */
/* The table of system calls as the library begins: libc's functions, or syscall(2) itself. */
#include "base/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sanitizer.h"

#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup    425
#define __NR_io_uring_enter    426
#define __NR_io_uring_register 427
#endif
#ifndef __NR_pidfd_send_signal
#define __NR_pidfd_send_signal 424
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_process_madvise
#define __NR_process_madvise 440
#endif
#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2 441
#endif

static ssize_t call_process_madvise(int pidfd, const struct iovec *ranges, size_t count, int advice,
                                    unsigned flags)
{
    return (ssize_t)syscall(__NR_process_madvise, pidfd, ranges, count, advice, flags);
}

static int call_pidfd_open(pid_t process, unsigned flags)
{
    return (int)syscall(__NR_pidfd_open, process, flags);
}

/* Whether the processor keeps the return addresses of this thread on a second stack. */
static int call_has_shadow_stack(void)
{
    unsigned long features = 0;
    int saved_errno = errno;
#if defined(__x86_64__)
    const int shstk_status = 0x5005; /* ARCH_SHSTK_STATUS */
    long rc = syscall(SYS_arch_prctl, shstk_status, &features);
#else
    const int get_shadow_stack_status = 74; /* PR_GET_SHADOW_STACK_STATUS: aarch64, riscv */
    long rc = prctl(get_shadow_stack_status, &features, 0, 0, 0);
#endif
    errno = saved_errno; /* most kernels do not know the call */
    return rc == 0 && (features & 1);
}

static int call_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int call_openat2_cached(const char *path, int flags)
{
    const struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = (uint64_t)flags, .resolve = 0x20}; /* RESOLVE_CACHED */
    return (int)syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static int call_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                             const struct timespec *timeout)
{
    return (int)syscall(__NR_epoll_pwait2, epoll, events, count, timeout, NULL, 0);
}

static int call_io_uring_setup(unsigned entries, void *params)
{
    return (int)syscall(__NR_io_uring_setup, entries, params);
}

static int call_io_uring_enter(int ring, unsigned submit, unsigned wait, unsigned flags,
                               const void *argument, size_t size)
{
    return (int)syscall(__NR_io_uring_enter, ring, submit, wait, flags, argument, size);
}

static int call_io_uring_register(int ring, unsigned operation, void *argument, unsigned count)
{
    return (int)syscall(__NR_io_uring_register, ring, operation, argument, count);
}

static ssize_t call_preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return preadv2(fd, parts, count, offset, flags);
}

static ssize_t call_getdents64(int fd, void *buffer, size_t size)
{
    return (ssize_t)syscall(SYS_getdents64, fd, buffer, size);
}

static ssize_t call_pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return pwritev2(fd, parts, count, offset, flags);
}

static int call_eventfd(unsigned initial, int flags)
{
    return eventfd(initial, flags);
}

static int call_fcntl(int fd, int command, long argument)
{
    return fcntl(fd, command, argument);
}

/* Wrapped, because libc declares the address of these as a transparent union. */
static int call_accept4(int fd, struct sockaddr *ret_address, socklen_t *size, int flags)
{
    return accept4(fd, ret_address, size, flags);
}

static int call_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return bind(fd, address, size);
}

static int call_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return connect(fd, address, size);
}

static int call_getsockname(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    return getsockname(fd, ret_address, size);
}

static int call_getpeername(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    return getpeername(fd, ret_address, size);
}

#if defined(ASYNCIO__TSAN) && defined(__GLIBC__)
/* The sanitizer's own clone() takes the child for a forked one and forgets, in the memory that both
 * share, all other threads and fibers of the parent. glibc's other name for it is left alone. */
int __clone(int (*run)(void *arg), void *stack_end, int flags, void *arg, ...);
#define CLONE __clone
#else
#define CLONE clone
#endif

static pid_t call_clone(int (*run)(void *arg), void *stack_end, int flags, void *arg,
                        int *ret_pidfd)
{
    return CLONE(run, stack_end, flags, arg, ret_pidfd);
}

static int call_pidfd_send_signal(int pidfd, int signo)
{
    return (int)syscall(__NR_pidfd_send_signal, pidfd, signo, NULL, 0);
}

asyncio__syscalls_t asyncio__sys = {
    .clock_gettime = clock_gettime,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .process_madvise = call_process_madvise,
    .pidfd_open = call_pidfd_open,
    .has_shadow_stack = call_has_shadow_stack,
    .mincore = mincore,
    .open = call_open,
    .openat2_cached = call_openat2_cached,
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_pwait2 = call_epoll_pwait2,
    .epoll_wait = epoll_wait,
    .eventfd = call_eventfd,
    .io_uring_setup = call_io_uring_setup,
    .io_uring_enter = call_io_uring_enter,
    .io_uring_register = call_io_uring_register,
    .poll = poll,
    .read = read,
    .write = write,
    .pread = pread,
    .pwrite = pwrite,
    .preadv2 = call_preadv2,
    .pwritev2 = call_pwritev2,
    .sendfile = sendfile,
    .lseek = lseek,
    .fsync = fsync,
    .fdatasync = fdatasync,
    .ftruncate = ftruncate,
    .getdents64 = call_getdents64,
    .close = close,
    .fcntl = call_fcntl,
    .fstat = fstat,
    .stat = stat,
    .lstat = lstat,
    .fchmod = fchmod,
    .socket = socket,
    .socketpair = socketpair,
    .bind = call_bind,
    .listen = listen,
    .accept4 = call_accept4,
    .connect = call_connect,
    .shutdown = shutdown,
    .getsockopt = getsockopt,
    .setsockopt = setsockopt,
    .getsockname = call_getsockname,
    .getpeername = call_getpeername,
    .recv = recv,
    .send = send,
    .recvmsg = recvmsg,
    .sendmsg = sendmsg,
    .pipe2 = pipe2,
    .clone = call_clone,
    .fork = fork,
    .waitid = waitid,
    .pidfd_send_signal = call_pidfd_send_signal,
    .kill = kill,
    .unlink = unlink,
    .rename = rename,
    .mkdir = mkdir,
    .rmdir = rmdir,
    .sigaltstack = sigaltstack,
    .sigaction = sigaction,
    .sigpending = sigpending,
    .sigtimedwait = sigtimedwait,
    .sigprocmask = sigprocmask,
    .pthread_create = pthread_create,
};
