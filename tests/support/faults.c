/* SPDX-License-Identifier: MIT */
/* Faults on demand; see faults.h. */
#include "faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asyncio.h>

#include "base/syscalls.h"

typedef struct ledger {
    atomic_bool is_armed;           /* calls are counted, and may fail */
    atomic_bool was_met;            /* a call has failed */
    atomic_long count[FAULT_CALLS]; /* calls since it was armed */
} ledger_t;

static ledger_t own_ledger;
static ledger_t *ledger = &own_ledger;
static bool is_held;  /* this is a child of a sweep, which has armed the fault */
static fault_t fault; /* written while nothing is armed */
static asyncio__syscalls_t real;

/* Counts a call; returns the error with which it fails, or 0. A thread that is about to become idle
 * may still read the fault while the next one is armed, which no test depends on. */
static __attribute__((no_sanitize("thread"))) int strikes(enum fault_call call)
{
    if (!ledger->is_armed)
        return 0;
    long n = atomic_fetch_add(&ledger->count[call], 1) + 1;
    if (call != fault.call || fault.at == 0 || n < fault.at || (n > fault.at && !fault.for_good))
        return 0;
    ledger->was_met = true;
    return fault.error;
}

#define X(name, type, failure, parameters, arguments) \
    static type faulty_##name parameters              \
    {                                                 \
        int error = strikes(FAULT_##name);            \
        if (error == 0)                               \
            return real.name arguments;               \
        errno = error;                                \
        return failure;                               \
    }
FAULTS_CALLS(X)
#undef X

/* A write to an eventfd never fails for a reason that matters: one that is full is readable. */
static bool is_eventfd(int fd)
{
    char path[64], target[32] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof(target) - 1) > 0 &&
           strcmp(target, "anon_inode:[eventfd]") == 0;
}

static ssize_t faulty_write_but_rings(int fd, const void *bytes, size_t size)
{
    bool is_spared = fault.call == FAULT_write && fault.error != EINTR && is_eventfd(fd);
    return is_spared ? real.write(fd, bytes, size) : faulty_write(fd, bytes, size);
}

static int faulty_close(int fd)
{
    int rc = real.close(fd), error = strikes(FAULT_close);
    if (error == 0)
        return rc;
    errno = error;
    return -1;
}

static int faulty_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                                 void *(*start)(void *arg), void *arg)
{
    int error = strikes(FAULT_pthread_create);
    return error ? error : real.pthread_create(ret_thread, attributes, start, arg);
}

static void *faulty_realloc(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    return strikes(FAULT_MEMORY) ? NULL : realloc(block, new_size);
}

static void plain_free(void *context, void *block, size_t size)
{
    (void)context, (void)size;
    free(block);
}

bool faults_install(void)
{
    const asyncio_allocator_t allocator = {NULL, faulty_realloc, plain_free};
    static bool is_installed;
    if (is_installed)
        return true;
    if (asyncio_set_allocator(&allocator) < 0)
        return false;
    is_installed = true;
    real = asyncio__sys;
#define X(name, ...) asyncio__sys.name = faulty_##name;
    FAULTS_CALLS(X)
#undef X
    asyncio__sys.write = faulty_write_but_rings;
    asyncio__sys.close = faulty_close;
    asyncio__sys.pthread_create = faulty_pthread_create;
    return true;
}

void faults_arm(const fault_t *ordered)
{
    if (is_held)
        return;
    faults_disarm();
    fault = ordered ? *ordered : (fault_t){.at = 0};
    for (int i = 0; i < FAULT_CALLS; i++)
        ledger->count[i] = 0;
    ledger->was_met = false;
    ledger->is_armed = true;
}

void faults_disarm(void)
{
    if (!is_held)
        ledger->is_armed = false;
}

void faults_hold(const fault_t *ordered)
{
    faults_arm(ordered);
    is_held = true;
}

void faults_let_go(void)
{
    is_held = false;
    faults_disarm();
}

bool faults_met(void)
{
    return !is_held && ledger->was_met;
}

long faults_count(enum fault_call call)
{
    return ledger->count[call];
}

void faults_share(void)
{
    void *shared = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
    if (shared == MAP_FAILED)
        abort();
    ledger = shared;
}

const char *faults_name(enum fault_call call)
{
    static const char *const names[] = {
#define X(name, ...) #name,
        FAULTS_CALLS(X)
#undef X
        "close", "pthread_create", "allocation",
    };
    return call < FAULT_CALLS ? names[call] : "?";
}

/* From the manual pages of Linux, without the errors that only a mistake of the caller causes
 * (EFAULT); EBADF and EINVAL are listed where the manual lists little else. */
#define ERRORS(name, ...) [FAULT_##name] = (const int[]){__VA_ARGS__, 0}
static const int *const errors[FAULT_CALLS] = {
    /* The clocks that the library reads exist on every Linux. */
    [FAULT_clock_gettime] = (const int[]){0},
    ERRORS(mmap, ENOMEM, EAGAIN, ENFILE, EPERM, EACCES, ENODEV, EOVERFLOW, EINVAL),
    ERRORS(munmap, EINVAL, ENOMEM),
    ERRORS(mprotect, ENOMEM, EACCES, EINVAL),
    ERRORS(madvise, EAGAIN, ENOMEM, EINVAL, EIO, EPERM, EACCES, EBADF),
    ERRORS(process_madvise, ENOSYS, EPERM, EINVAL, EBADF, ESRCH, ENOMEM, EFAULT),
    ERRORS(pidfd_open, ENOSYS, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH, EINVAL),
    ERRORS(has_shadow_stack, EINVAL),
    ERRORS(mincore, EAGAIN, ENOMEM, EINVAL),
    ERRORS(open, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EINTR, ELOOP, EPERM),
    ERRORS(openat2_cached, EAGAIN, ENOSYS, EPERM, EINVAL, EMFILE, ENFILE, EACCES, ENOMEM, EINTR),
    ERRORS(epoll_create1, EMFILE, ENFILE, ENOMEM, EINVAL),
    ERRORS(epoll_ctl, ENOMEM, ENOSPC, EPERM, EEXIST, ENOENT, EBADF, ELOOP, EINVAL),
    ERRORS(epoll_pwait2, EINTR, ENOSYS, EBADF, EINVAL),
    ERRORS(epoll_wait, EINTR, EBADF, EINVAL),
    ERRORS(eventfd, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL),
    ERRORS(io_uring_setup, ENOSYS, EPERM, ENOMEM, EMFILE, ENFILE, EINVAL),
    ERRORS(io_uring_enter, EINTR, EAGAIN, EBUSY, EBADR, ENXIO, EBADFD, EOPNOTSUPP, EINVAL, EBADF),
    ERRORS(io_uring_register, ENOMEM, EBUSY, EINVAL, EBADF, EMFILE, EOPNOTSUPP, EEXIST, ENXIO),
    ERRORS(poll, EINTR, ENOMEM, EINVAL),
    ERRORS(read, EINTR, EAGAIN, EIO, ECONNRESET, EBADF, EINVAL),
    ERRORS(write, EINTR, EPIPE, EIO, ENOSPC, EBADF, EINVAL),
    ERRORS(pread, EINTR, EAGAIN, EIO, EBADF, EINVAL),
    ERRORS(pwrite, EINTR, EIO, ENOSPC, EBADF, EINVAL),
    ERRORS(preadv2, EINTR, EAGAIN, EOPNOTSUPP, ENOSYS, EIO, EBADF, EINVAL),
    ERRORS(pwritev2, EINTR, EAGAIN, EOPNOTSUPP, ENOSYS, EPIPE, EIO, ENOSPC, EBADF, EINVAL),
    ERRORS(sendfile, EINTR, EAGAIN, EINVAL, EIO, ENOMEM, EPIPE, ENOTCONN, EOVERFLOW),
    ERRORS(lseek, EINVAL, ESPIPE, EOVERFLOW),
    ERRORS(fsync, EINTR, EIO, ENOSPC, EDQUOT, EROFS),
    ERRORS(fdatasync, EINTR, EIO, ENOSPC, EDQUOT, EROFS),
    ERRORS(ftruncate, EINTR, EIO, EFBIG, EPERM),
    ERRORS(getdents64, EINVAL, ENOENT, ENOTDIR),
    ERRORS(fcntl, EINTR, EMFILE, EPERM, EBADF, EINVAL),
    ERRORS(fstat, EBADF, ENOMEM, EOVERFLOW),
    ERRORS(stat, EACCES, ELOOP, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW),
    ERRORS(lstat, EACCES, ELOOP, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW),
    ERRORS(fchmod, EIO, EPERM, EROFS, ENOMEM, EBADF),
    ERRORS(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL),
    ERRORS(socketpair, EMFILE, ENFILE, EAFNOSUPPORT, EOPNOTSUPP),
    ERRORS(bind, EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM, ENOENT, EROFS, EINVAL, ENOTSOCK),
    ERRORS(listen, EADDRINUSE, EOPNOTSUPP, ENOTSOCK, EBADF),
    ERRORS(accept4, EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM,
           ENETDOWN, EHOSTUNREACH, EINVAL, EOPNOTSUPP),
    ERRORS(connect, EINTR, EAGAIN, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EADDRINUSE,
           EACCES, EPERM, EALREADY, EISCONN, EPROTOTYPE),
    ERRORS(shutdown, ENOTCONN, ENOTSOCK, EINVAL, EBADF),
    ERRORS(getsockopt, ENOPROTOOPT, ENOTSOCK, EINVAL, EBADF),
    ERRORS(setsockopt, ENOPROTOOPT, ENOTSOCK, EINVAL, EBADF),
    ERRORS(getsockname, ENOBUFS, ENOTSOCK, EINVAL, EBADF),
    ERRORS(getpeername, ENOTCONN, ENOBUFS, ENOTSOCK, EINVAL),
    ERRORS(recv, EINTR, EAGAIN, ECONNRESET, ECONNREFUSED, ENOMEM, ENOTCONN, ETIMEDOUT, EINVAL),
    ERRORS(send, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EMSGSIZE, ENOTCONN,
           EDESTADDRREQ, EACCES, EISCONN, EINVAL),
    ERRORS(recvmsg, EINTR, EAGAIN, ECONNRESET, ECONNREFUSED, ENOMEM, ENOTCONN, EINVAL),
    ERRORS(sendmsg, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EMSGSIZE, ENOTCONN,
           EDESTADDRREQ, EACCES, EINVAL),
    ERRORS(pipe2, EMFILE, ENFILE),
    ERRORS(clone, EAGAIN, ENOMEM, EPERM),
    ERRORS(fork, EAGAIN, ENOMEM),
    ERRORS(waitid, EINTR),
    ERRORS(pidfd_send_signal, ENOSYS, EPERM, ESRCH),
    ERRORS(kill, EPERM, ESRCH),
    ERRORS(unlink, ENOENT, EACCES, EPERM, EBUSY, EROFS, EISDIR),
    ERRORS(rename, EACCES, EBUSY, EDQUOT, ENOSPC, EPERM, EROFS, EXDEV),
    ERRORS(mkdir, EACCES, EDQUOT, EMLINK, ENOSPC, EPERM, EROFS),
    ERRORS(rmdir, EACCES, EBUSY, EPERM, EROFS),
    ERRORS(sigaltstack, ENOMEM, EPERM, EINVAL),
    ERRORS(sigpending, EFAULT),
    ERRORS(sigtimedwait, EAGAIN, EINTR, EINVAL),
    ERRORS(sigprocmask, EINVAL),
    ERRORS(sigaction, EINVAL, EFAULT),
    ERRORS(close, EINTR, EIO, ENOSPC, EDQUOT),
    ERRORS(pthread_create, EAGAIN, EPERM, EINVAL),
    [FAULT_MEMORY] = (const int[]){ENOMEM, 0},
};

const int *faults_errors(enum fault_call call)
{
    return errors[call];
}

bool faults_is_passing(int error)
{
    return error == EINTR || error == EAGAIN || error == EBUSY || error == ECONNABORTED;
}
