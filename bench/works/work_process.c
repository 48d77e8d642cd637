/* SPDX-License-Identifier: MIT */
/*
 * Starting child processes: how long a start blocks the loop, and beside it posix_spawn() with the
 * same effects (signals at their defaults, no signal blocked, descriptors closed, a pidfd), one of
 * each in turn. In a small process, in one of 1 GiB, and in one with 10,000 open descriptors.
 */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

enum { SMALL_MIB = 8, LARGE_MIB = 1024, DESCRIPTORS = 10000 };

static const char *const arguments[] = {"/bin/true", NULL};

static int spawn_ours(int64_t *ret_ns)
{
    asyncio_process_t *process;
    int64_t begin_ns = bench_now_ns();
    int rc = asyncio_create_subprocess_exec(arguments, /* options= */ NULL, &process);
    *ret_ns += bench_now_ns() - begin_ns;
    if (rc < 0)
        return rc;
    rc = asyncio_process_wait(process, /* ret_code= */ NULL);
    asyncio_process_unref(process);
    return rc;
}

static int spawn_bare(int64_t *ret_ns)
{
    pid_t pid = 0;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int64_t begin_ns = bench_now_ns();
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
    int error = posix_spawn(&pid, arguments[0], &actions, &attributes, (char **)arguments, environ);
    int pidfd = error == 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    *ret_ns += bench_now_ns() - begin_ns;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return -error;
    if (pidfd >= 0)
        close(pidfd);
    return waitpid(pid, NULL, 0) == pid ? 0 : -errno;
}

/** Starts children with that much memory resident in this process. */
static int spawn_with(size_t mebibytes, long count, bench_result_t *result)
{
    size_t bytes = mebibytes << 20;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    /* Small pages: a fork, which would copy their tables, shall show. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += 4096)
        memory[i] = 1;
    int rc = 0;
    for (long i = 0; i < count && rc == 0; i++) {
        rc = spawn_ours(&result->elapsed_ns);
        if (rc == 0)
            rc = spawn_bare(&result->end_ns);
    }
    munmap(memory, bytes);
    return rc;
}

int bench_spawn_process(long count, bench_result_t *result)
{
    return spawn_with(SMALL_MIB, count, result);
}

int bench_spawn_process_large(long count, bench_result_t *result)
{
    return spawn_with(LARGE_MIB, count, result);
}

int bench_spawn_process_fds(long count, bench_result_t *result)
{
    struct rlimit limit;
    int rc = 0, opened = 0, descriptors[DESCRIPTORS];
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS + 100) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    while (opened < DESCRIPTORS && rc == 0) {
        descriptors[opened] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (descriptors[opened] < 0)
            rc = -errno;
        else
            opened++;
    }
    if (rc == 0)
        rc = spawn_with(SMALL_MIB, count, result);
    while (opened > 0)
        close(descriptors[--opened]);
    return rc;
}
