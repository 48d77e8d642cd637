/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand: the n-th allocation, or the n-th call of one entry of the table of system
 * calls, fails, once or from then on. All calls are counted meanwhile.
 *
 *     faults_install();                                   before the library's first allocation
 *     faults_arm(&(fault_t){.call = FAULT_MEMORY, .error = ENOMEM, .at = 3});
 *     ...
 *     faults_disarm();
 *     if (!faults_met()) there were fewer than three calls
 *
 * It must not know what is tested. Any thread may make the calls that fail.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* Every entry of the table, in its order: name, type, result when it fails, parameters,
 * arguments. Those that report failure in another way are written out in faults.c. */
#define FAULTS_CALLS(X)                                                                           \
    X(clock_gettime, int, -1, (clockid_t a, struct timespec * b), (a, b))                         \
    X(mmap, void *, MAP_FAILED, (void *a, size_t b, int c, int d, int e, off_t f),                \
      (a, b, c, d, e, f))                                                                         \
    X(munmap, int, -1, (void *a, size_t b), (a, b))                                               \
    X(mprotect, int, -1, (void *a, size_t b, int c), (a, b, c))                                   \
    X(madvise, int, -1, (void *a, size_t b, int c), (a, b, c))                                    \
    X(process_madvise, ssize_t, -1,                                                               \
      (int a, const struct iovec *b, size_t c, int d, unsigned e), (a, b, c, d, e))               \
    X(pidfd_open, int, -1, (pid_t a, unsigned b), (a, b))                                         \
    X(has_shadow_stack, int, -1, (void), ())                                                      \
    X(mincore, int, -1, (void *a, size_t b, unsigned char *c), (a, b, c))                         \
    X(open, int, -1, (const char *a, int b, mode_t c), (a, b, c))                                 \
    X(openat2_cached, int, -1, (const char *a, int b), (a, b))                                    \
    X(epoll_create1, int, -1, (int a), (a))                                                       \
    X(epoll_ctl, int, -1, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))             \
    X(epoll_pwait2, int, -1,                                                                      \
      (int a, struct epoll_event *b, int c, const struct timespec *d), (a, b, c, d))              \
    X(epoll_wait, int, -1, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))            \
    X(eventfd, int, -1, (unsigned a, int b), (a, b))                                              \
    X(io_uring_setup, int, -1, (unsigned a, void *b), (a, b))                                     \
    X(io_uring_enter, int, -1,                                                                    \
      (int a, unsigned b, unsigned c, unsigned d, const void *e, size_t f), (a, b, c, d, e, f))   \
    X(io_uring_register, int, -1, (int a, unsigned b, void *c, unsigned d), (a, b, c, d))         \
    X(poll, int, -1, (struct pollfd * a, nfds_t b, int c), (a, b, c))                             \
    X(read, ssize_t, -1, (int a, void *b, size_t c), (a, b, c))                                   \
    X(write, ssize_t, -1, (int a, const void *b, size_t c), (a, b, c))                            \
    X(pread, ssize_t, -1, (int a, void *b, size_t c, off_t d), (a, b, c, d))                      \
    X(pwrite, ssize_t, -1, (int a, const void *b, size_t c, off_t d), (a, b, c, d))               \
    X(preadv2, ssize_t, -1, (int a, const struct iovec *b, int c, off_t d, int e),                \
      (a, b, c, d, e))                                                                            \
    X(pwritev2, ssize_t, -1, (int a, const struct iovec *b, int c, off_t d, int e),               \
      (a, b, c, d, e))                                                                            \
    X(sendfile, ssize_t, -1, (int a, int b, off_t *c, size_t d), (a, b, c, d))                    \
    X(lseek, off_t, -1, (int a, off_t b, int c), (a, b, c))                                       \
    X(fsync, int, -1, (int a), (a))                                                               \
    X(fdatasync, int, -1, (int a), (a))                                                           \
    X(ftruncate, int, -1, (int a, off_t b), (a, b))                                               \
    X(getdents64, ssize_t, -1, (int a, void *b, size_t c), (a, b, c))                             \
    X(fcntl, int, -1, (int a, int b, long c), (a, b, c))                                          \
    X(fstat, int, -1, (int a, struct stat *b), (a, b))                                            \
    X(stat, int, -1, (const char *a, struct stat *b), (a, b))                                     \
    X(lstat, int, -1, (const char *a, struct stat *b), (a, b))                                    \
    X(fchmod, int, -1, (int a, mode_t b), (a, b))                                                 \
    X(socket, int, -1, (int a, int b, int c), (a, b, c))                                          \
    X(socketpair, int, -1, (int a, int b, int c, int d[2]), (a, b, c, d))                         \
    X(bind, int, -1, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))                   \
    X(listen, int, -1, (int a, int b), (a, b))                                                    \
    X(accept4, int, -1, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))           \
    X(connect, int, -1, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))                \
    X(shutdown, int, -1, (int a, int b), (a, b))                                                  \
    X(getsockopt, int, -1, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e))         \
    X(setsockopt, int, -1, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e))    \
    X(getsockname, int, -1, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))                 \
    X(getpeername, int, -1, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))                 \
    X(recv, ssize_t, -1, (int a, void *b, size_t c, int d), (a, b, c, d))                         \
    X(send, ssize_t, -1, (int a, const void *b, size_t c, int d), (a, b, c, d))                   \
    X(recvmsg, ssize_t, -1, (int a, struct msghdr *b, int c), (a, b, c))                          \
    X(sendmsg, ssize_t, -1, (int a, const struct msghdr *b, int c), (a, b, c))                    \
    X(pipe2, int, -1, (int *a, int b), (a, b))                                                    \
    X(clone, pid_t, -1, (int (*a)(void *), void *b, int c, void *d, int *e), (a, b, c, d, e))     \
    X(fork, pid_t, -1, (void), ())                                                                \
    X(waitid, int, -1, (idtype_t a, id_t b, siginfo_t *c, int d), (a, b, c, d))                   \
    X(pidfd_send_signal, int, -1, (int a, int b), (a, b))                                         \
    X(kill, int, -1, (pid_t a, int b), (a, b))                                                    \
    X(unlink, int, -1, (const char *a), (a))                                                      \
    X(rename, int, -1, (const char *a, const char *b), (a, b))                                    \
    X(mkdir, int, -1, (const char *a, mode_t b), (a, b))                                          \
    X(rmdir, int, -1, (const char *a), (a))                                                       \
    X(sigaltstack, int, -1, (const stack_t *a, stack_t *b), (a, b))                                \
    X(sigpending, int, -1, (sigset_t * a), (a))                                                   \
    X(sigtimedwait, int, -1, (const sigset_t *a, siginfo_t *b, const struct timespec *c),         \
      (a, b, c))                                                                                  \
    X(sigprocmask, int, -1, (int a, const sigset_t *b, sigset_t *c), (a, b, c))                    \
    X(sigaction, int, -1, (int a, const struct sigaction *b, struct sigaction *c), (a, b, c))

enum fault_call {
#define X(name, ...) FAULT_##name,
    FAULTS_CALLS(X)
#undef X
    FAULT_close,          /* closes the descriptor, then fails */
    FAULT_pthread_create, /* returns the error */
    FAULT_MEMORY,         /* an allocation; the error is ENOMEM */
    FAULT_CALLS,          /* their number */
};

typedef struct fault {
    enum fault_call call; /* the call that fails */
    int error;            /* the errno with which it fails */
    long at;              /* the n-th call after faults_arm() fails; 0: none */
    bool for_good;        /* and every later one */
} fault_t;

/* Installs the allocator and the table permanently; to be called before anything is allocated.
 * Returns false if it is too late, or the program has an allocator of its own. */
bool faults_install(void);

/* Starts counting, with a fault or with none (NULL); faults_disarm() stops it. */
void faults_arm(const fault_t *fault);
void faults_disarm(void);

/* The same for a sweep: ignores the faults that the test itself arms meanwhile. */
void faults_hold(const fault_t *fault);
void faults_let_go(void);

/* Since the latest faults_arm(): whether the fault was met, and the number of calls. */
bool faults_met(void);
long faults_count(enum fault_call call);

/* Shares what the two above return with children that are forked from now on. */
void faults_share(void);

const char *faults_name(enum fault_call call);

/* Returns the errors that the manual of a call lists, ended by 0; none for the clock. */
const int *faults_errors(enum fault_call call);

/* Whether an error is temporary, so that the caller tries again: it cannot be permanent. */
bool faults_is_passing(int error);

#endif
