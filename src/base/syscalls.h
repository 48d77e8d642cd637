/* SPDX-License-Identifier: MIT */
/*
 * The system calls of the library as a table, so that a test can make each of them fail. Not in
 * the table are calls whose failure changes nothing (getpid, sched_yield, raise), and those that
 * libc makes by itself: for threads and locks, dlopen of libdw, getaddrinfo, getcontext, stdio.
 *
 *     ssize_t n = asyncio__sys.recv(fd, buffer, size, MSG_DONTWAIT);
 *
 * Each entry has the type of the libc function of that name and returns as it does (-1, errno).
 * The table is written before the first thread of the library runs, and only read after that.
 */
#ifndef ASYNCIO__BASE_SYSCALLS_H
#define ASYNCIO__BASE_SYSCALLS_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

struct stat;

typedef struct asyncio__syscalls {
    int (*clock_gettime)(clockid_t clock, struct timespec *ret_now);
    void *(*mmap)(void *address, size_t size, int protection, int flags, int fd, off_t offset);
    int (*munmap)(void *address, size_t size);
    int (*mprotect)(void *address, size_t size, int protection);
    int (*madvise)(void *address, size_t size, int advice);
    ssize_t (*process_madvise)(int pidfd, const struct iovec *ranges, size_t count, int advice,
                               unsigned flags); /* -1 with ENOSYS where it is missing */
    int (*pidfd_open)(pid_t process, unsigned flags); /* likewise */
    int (*has_shadow_stack)(void); /* 1: this thread has one */
    int (*mincore)(void *address, size_t size, unsigned char *ret_pages);
    int (*open)(const char *path, int flags, mode_t mode);
    int (*openat2_cached)(const char *path, int flags); /* RESOLVE_CACHED: -1 with EAGAIN where the
                                                         * path is not in the caches */
    int (*epoll_create1)(int flags);
    int (*epoll_ctl)(int epoll, int operation, int fd, struct epoll_event *event);
    int (*epoll_pwait2)(int epoll, struct epoll_event *events, int count,
                        const struct timespec *timeout); /* -1 with ENOSYS where it is missing */
    int (*epoll_wait)(int epoll, struct epoll_event *events, int count, int timeout_ms);
    int (*eventfd)(unsigned initial, int flags);
    int (*io_uring_setup)(unsigned entries, void *params);
    int (*io_uring_enter)(int ring, unsigned submit, unsigned wait, unsigned flags,
                          const void *argument, size_t size);
    int (*io_uring_register)(int ring, unsigned operation, void *argument, unsigned count);
    int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
    ssize_t (*read)(int fd, void *buffer, size_t size);
    ssize_t (*write)(int fd, const void *buffer, size_t size);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    ssize_t (*pwrite)(int fd, const void *buffer, size_t size, off_t offset);
    ssize_t (*preadv2)(int fd, const struct iovec *parts, int count, off_t offset, int flags);
    ssize_t (*pwritev2)(int fd, const struct iovec *parts, int count, off_t offset, int flags);
    ssize_t (*sendfile)(int out_fd, int in_fd, off_t *offset, size_t size);
    off_t (*lseek)(int fd, off_t offset, int whence);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    ssize_t (*getdents64)(int fd, void *buffer, size_t size);
    int (*close)(int fd);
    int (*fcntl)(int fd, int command, long argument);
    int (*fstat)(int fd, struct stat *ret_stat);
    int (*stat)(const char *path, struct stat *ret_stat);
    int (*lstat)(const char *path, struct stat *ret_stat);
    int (*fchmod)(int fd, mode_t mode);
    int (*socket)(int family, int type, int protocol);
    int (*socketpair)(int family, int type, int protocol, int ret_fds[2]);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(int fd, int backlog);
    int (*accept4)(int fd, struct sockaddr *ret_address, socklen_t *size, int flags);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
    int (*shutdown)(int fd, int how);
    int (*getsockopt)(int fd, int level, int name, void *ret_value, socklen_t *size);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
    int (*getsockname)(int fd, struct sockaddr *ret_address, socklen_t *size);
    int (*getpeername)(int fd, struct sockaddr *ret_address, socklen_t *size);
    ssize_t (*recv)(int fd, void *buffer, size_t size, int flags);
    ssize_t (*send)(int fd, const void *buffer, size_t size, int flags);
    ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    int (*pipe2)(int ret_fds[2], int flags);
    pid_t (*clone)(int (*run)(void *arg), void *stack_end, int flags, void *arg,
                   int *ret_pidfd); /* ret_pidfd: for CLONE_PIDFD */
    pid_t (*fork)(void);
    int (*waitid)(idtype_t type, id_t id, siginfo_t *ret_info, int options);
    int (*pidfd_send_signal)(int pidfd, int signo); /* -1 with ENOSYS where it is missing */
    int (*kill)(pid_t process, int signo);
    int (*unlink)(const char *path);
    int (*rename)(const char *path, const char *target);
    int (*mkdir)(const char *path, mode_t mode);
    int (*rmdir)(const char *path);
    int (*sigaltstack)(const stack_t *stack, stack_t *ret_former);
    int (*sigaction)(int signo, const struct sigaction *action, struct sigaction *ret_former);
    int (*sigpending)(sigset_t *ret_set);
    int (*sigtimedwait)(const sigset_t *set, siginfo_t *ret_info, const struct timespec *timeout);
    int (*sigprocmask)(int how, const sigset_t *set, sigset_t *ret_former); /* of this thread */
    int (*pthread_create)(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg); /* returns errno, as that does */
} asyncio__syscalls_t;

extern asyncio__syscalls_t asyncio__sys;

/* Rings an eventfd: any thread, signal handlers (errno may change). One that was interrupted rings
 * again, else the wake-up were lost; one that is full rings already. */
static inline void asyncio__eventfd_ring(int fd)
{
    const uint64_t one = 1;
    while (asyncio__sys.write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

#endif
