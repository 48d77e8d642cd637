/* SPDX-License-Identifier: MIT */
/*
 * Starting a child process; see spawn.h.
 *
 * Between clone() and execve() the child runs on memory that it shares with its parent, of which
 * only the calling thread is suspended. So the code of the child allocates nothing, takes no lock,
 * calls nothing but plain system calls, and writes to nothing but its report. All signals are
 * blocked before the clone; the child resets every handler before it unblocks them, since a
 * handler of the parent would run on shared memory.
 */
#include "spawn/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"

/* What the headers of older systems lack; the kernel is asked, and may refuse. */
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_MARK  4u /* CLOSE_RANGE_CLOEXEC */
#define GET_INFO_REQUEST  _IOWR(0xFF, 11, struct pidfd_info)
#define INFO_HAS_EXIT     (1ull << 3) /* PIDFD_INFO_EXIT */

#define CHILD_STACK_BYTES 16384
#define DEFAULT_PATH      "/bin:/usr/bin" /* where PATH is not set, as Python's os.defpath */
#define SIGNALS           64
#define EXIT_NOT_EXECUTED 127

extern char **environ;

/* What PIDFD_GET_INFO fills in, as far as it is needed here. */
struct pidfd_info {
    uint64_t mask;      /* asked for, and answered */
    uint64_t cgroup_id; /* not used */
    uint32_t ids[11];   /* not used: process, parent and user IDs */
    int32_t exit_code;  /* as wait(2) reports it */
};

/* What the child needs; its parent made it. */
typedef struct plan {
    const asyncio__spawn_t *spawn;  /* the caller's */
    const char *const *environment; /* what the program gets */
    const char **candidates;        /* files to execute, in order, ends with NULL */
    uint64_t signal_mask;           /* of signals that the program begins with blocked */
    int report_fd;                  /* where a forked child writes its report; -1: shared memory */
    struct {
        int stage; /* asyncio__spawn_stage_t */
        int error; /* errno; 0: the program was executed */
    } report;      /* written by the child */
} plan_t;

void asyncio__spawn_init(asyncio__spawn_t *spawn)
{
    *spawn = (asyncio__spawn_t){
        .stdio = {ASYNCIO__SPAWN_INHERIT, ASYNCIO__SPAWN_INHERIT, ASYNCIO__SPAWN_INHERIT},
        .umask = -1,
        .process_group = -1,
        .restore_signals = true,
        .user = -1,
        .group = -1,
    };
}

/* --- in the child -------------------------------------------------------------------------- */

/* The sanitizers' own code must not run in the child: it would change the parent's state. */
#define IN_CHILD static __attribute__((noinline, no_sanitize("address", "thread", "undefined")))

/* Raw calls: libc's wrappers keep caches, hide two signals, or set IDs in every thread. */
IN_CHILD void reset_signals(bool restore_signals)
{
    /* Large enough for the kernel's sigaction of every machine; all zero is SIG_DFL. */
    unsigned long none[16] = {0}, found[16];
    for (int signo = 1; signo <= SIGNALS; signo++) {
        if (syscall(SYS_rt_sigaction, signo, NULL, found, SIGNALS / 8) < 0)
            continue;
        bool is_ignored = found[0] == (unsigned long)SIG_IGN;
        bool is_handled = found[0] != (unsigned long)SIG_DFL && !is_ignored;
        bool is_restored = restore_signals && (signo == SIGPIPE || signo == SIGXFSZ);
        if (is_handled || (is_ignored && (is_restored || signo == SIGCHLD)))
            syscall(SYS_rt_sigaction, signo, none, NULL, SIGNALS / 8);
    }
}

IN_CHILD int set_session(const asyncio__spawn_t *spawn)
{
    if (spawn->start_new_session && syscall(SYS_setsid) < 0)
        return -1;
    if (spawn->process_group >= 0)
        return (int)syscall(SYS_setpgid, 0, spawn->process_group);
    return 0;
}

/* A source below 3 may be overwritten before it is used: it is moved up first. */
IN_CHILD int set_stdio(const asyncio__spawn_t *spawn)
{
    int sources[3];
    for (int i = 0; i < 3; i++) {
        sources[i] = spawn->stdio[i];
        if (sources[i] >= 0 && sources[i] < 3 && sources[i] != i) {
            sources[i] = (int)syscall(SYS_fcntl, sources[i], F_DUPFD_CLOEXEC, 3);
            if (sources[i] < 0)
                return -1;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (sources[i] < 0)
            continue;
        if (sources[i] == i ? syscall(SYS_fcntl, i, F_SETFD, 0) < 0
                            : syscall(SYS_dup3, sources[i], i, 0) < 0)
            return -1;
    }
    return 0;
}

/* Marks every other descriptor to be closed by execve(), which is faster than closing them: the
 * parent need not wait for it. Kernels before 5.11 cannot; there every descriptor of this library
 * is marked from birth, and the program must have marked its own. */
IN_CHILD int pass_descriptors(const asyncio__spawn_t *spawn)
{
    syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_MARK);
    for (size_t i = 0; i < spawn->pass_fd_count; i++)
        if (syscall(SYS_fcntl, spawn->pass_fds[i], F_SETFD, 0) < 0)
            return -1;
    for (size_t i = 0; i < spawn->listen_fd_count; i++)
        if (syscall(SYS_dup3, spawn->listen_fds[i], 3 + (int)i, 0) < 0)
            return -1;
    return 0;
}

/* As printf() would; the library's or libc's functions must not run here. */
IN_CHILD void write_pid(char *text)
{
    char digits[ASYNCIO__SPAWN_PID_BYTES];
    long pid = syscall(SYS_getpid);
    int count = 0;
    for (; pid > 0 && count < ASYNCIO__SPAWN_PID_BYTES - 1; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        *text++ = digits[--count];
    *text = '\0';
}

IN_CHILD int set_user(const asyncio__spawn_t *spawn)
{
    if (spawn->extra_groups &&
        syscall(SYS_setgroups, spawn->extra_group_count, spawn->extra_groups) < 0)
        return -1;
    if (spawn->group >= 0 && syscall(SYS_setresgid, spawn->group, spawn->group, spawn->group) < 0)
        return -1;
    if (spawn->user >= 0 && syscall(SYS_setresuid, spawn->user, spawn->user, spawn->user) < 0)
        return -1;
    return 0;
}

/* Executes the first candidate that can be. Of several errors the first one counts that says more
 * than that there is no such file, as in Python. */
IN_CHILD void execute(const plan_t *plan)
{
    int telling = 0;
    for (const char **file = plan->candidates; *file; file++) {
        syscall(SYS_execve, *file, plan->spawn->arguments, plan->environment);
        if (errno != ENOENT && errno != ENOTDIR && telling == 0)
            telling = errno;
    }
    if (telling != 0)
        errno = telling;
}

IN_CHILD int run_child(void *arg)
{
    plan_t *plan = arg;
    const asyncio__spawn_t *spawn = plan->spawn;
    int stage = ASYNCIO__SPAWN_SESSION;
    reset_signals(spawn->restore_signals);
    if (set_session(spawn) < 0)
        goto failed;
    stage = ASYNCIO__SPAWN_STDIO;
    if (set_stdio(spawn) < 0 || pass_descriptors(spawn) < 0)
        goto failed;
    if (spawn->umask >= 0)
        syscall(SYS_umask, spawn->umask);
    stage = ASYNCIO__SPAWN_CWD;
    if (spawn->cwd && syscall(SYS_chdir, spawn->cwd) < 0)
        goto failed;
    stage = ASYNCIO__SPAWN_USER;
    if (set_user(spawn) < 0)
        goto failed;
    if (spawn->pid_text)
        write_pid(spawn->pid_text);
    stage = ASYNCIO__SPAWN_EXECUTE;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &plan->signal_mask, NULL,
            sizeof(plan->signal_mask));
    execute(plan);
failed:
    plan->report.error = errno;
    plan->report.stage = stage;
    if (plan->report_fd >= 0)
        syscall(SYS_write, plan->report_fd, &plan->report, sizeof(plan->report));
    syscall(SYS_exit_group, EXIT_NOT_EXECUTED);
    __builtin_unreachable();
}

/* --- in the parent ------------------------------------------------------------------------- */

static const char *path_of(const char *const *environment)
{
    for (; *environment; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    return DEFAULT_PATH;
}

/* The files that a name may mean: itself if it has a slash, else that name in each folder of the
 * PATH that the child gets. One block of memory, of *ret_size bytes; NULL: out of memory. */
static const char **list_candidates(const char *name, const char *path, size_t *ret_size)
{
    size_t count = 1, name_size = strlen(name) + 1;
    bool is_path = strchr(name, '/') != NULL;
    for (const char *c = path; !is_path && *c; c++)
        count += *c == ':';
    /* Each candidate is a folder ("." for an empty one), a slash and the name. */
    *ret_size = (count + 1) * sizeof(char *) + strlen(path) + count * (name_size + 3);
    const char **list = asyncio__malloc(*ret_size);
    if (!list)
        return NULL;
    if (is_path) {
        list[0] = name;
        list[1] = NULL;
        return list;
    }
    char *text = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t size = strcspn(path, ":");
        list[i] = text;
        if (size == 0)
            *text++ = '.';
        memcpy(text, path, size);
        text[size] = '/';
        memcpy(text + size + 1, name, name_size);
        text += size + 1 + name_size;
        path += size + 1;
    }
    list[count] = NULL;
    return list;
}

/* The stack of the child is in this frame: the caller's coroutine has room for it. */
static __attribute__((noinline, no_sanitize("address"))) pid_t clone_child(plan_t *plan,
                                                                           int *ret_pidfd)
{
    char stack[CHILD_STACK_BYTES] __attribute__((aligned(64)));
    int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    pid_t pid = asyncio__sys.clone(run_child, stack + sizeof(stack), flags | CLONE_PIDFD, plan,
                                   ret_pidfd);
    if (pid < 0 && errno == EINVAL) { /* a kernel before 5.2 */
        *ret_pidfd = -1;
        pid = asyncio__sys.clone(run_child, stack + sizeof(stack), flags, plan, NULL);
    }
    return pid;
}

/* A child with memory of its own, which reports through a pipe that execve() closes. */
static pid_t fork_child(plan_t *plan, int *ret_pidfd)
{
    int ends[2];
    if (asyncio__sys.pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    /* The child's own descriptor must not be one that stdio replaces. */
    int report_fd = (int)asyncio__sys.fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    asyncio__sys.close(ends[1]);
    pid_t pid = -1;
    if (report_fd >= 0) {
        plan->report_fd = report_fd;
        pid = asyncio__sys.fork();
        if (pid == 0)
            run_child(plan);
        int error = errno;
        asyncio__sys.close(report_fd);
        errno = error;
    }
    int error = errno;
    if (pid > 0) {
        ssize_t size;
        do
            size = asyncio__sys.read(ends[0], &plan->report, sizeof(plan->report));
        while (size < 0 && errno == EINTR);
        if (size != (ssize_t)sizeof(plan->report))
            plan->report.error = 0;
        *ret_pidfd = asyncio__sys.pidfd_open(pid, 0);
    }
    asyncio__sys.close(ends[0]);
    errno = error;
    return pid;
}

int asyncio__spawn(const asyncio__spawn_t *spawn, asyncio__child_t *ret_child)
{
    *ret_child = (asyncio__child_t){.pidfd = -1, .stage = ASYNCIO__SPAWN_PREPARE};
    const char *name = spawn->executable      ? spawn->executable
                       : spawn->arguments     ? spawn->arguments[0]
                                              : NULL;
    if (!spawn->arguments || !spawn->arguments[0] || !name || !*name)
        return -EINVAL;
    plan_t plan = {.spawn = spawn, .report_fd = -1};
    plan.environment =
        spawn->environment ? spawn->environment : (const char *const *)(void *)environ;
    size_t size;
    plan.candidates = list_candidates(name, path_of(plan.environment), &size);
    if (!plan.candidates)
        return -ENOMEM;
    /* valgrind makes a fork of every clone, so that shared memory would not bring the report. */
    bool forks = spawn->user >= 0 || spawn->group >= 0 || spawn->extra_groups ||
                 asyncio__on_valgrind();
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    if (spawn->keep_signal_mask)
        memcpy(&plan.signal_mask, &former, sizeof(plan.signal_mask));
    ret_child->pid = forks ? fork_child(&plan, &ret_child->pidfd)
                           : clone_child(&plan, &ret_child->pidfd);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    asyncio__free(plan.candidates, size);
    if (ret_child->pid < 0) {
        ret_child->pidfd = -1;
        return -error;
    }
    if (plan.report.error != 0) {
        ret_child->stage = (asyncio__spawn_stage_t)plan.report.stage;
        asyncio__child_wait(ret_child);
        if (ret_child->pidfd >= 0)
            asyncio__sys.close(ret_child->pidfd);
        ret_child->pidfd = -1;
        return -plan.report.error;
    }
    return 0;
}

/* --- the child's end ----------------------------------------------------------------------- */

/* Returns the return code, as asyncio has it, for a status of wait(2). */
static int return_code(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Somebody else has reaped it: newer kernels still tell how it ended. */
static int code_of_reaped(const asyncio__child_t *child)
{
    struct pidfd_info info = {.mask = INFO_HAS_EXIT};
    if (child->pidfd >= 0 && ioctl(child->pidfd, GET_INFO_REQUEST, &info) == 0 &&
        (info.mask & INFO_HAS_EXIT))
        return return_code(info.exit_code);
    return 255;
}

int asyncio__child_reap(const asyncio__child_t *child, int *ret_code)
{
    siginfo_t info = {0};
    idtype_t type = child->pidfd >= 0 ? (idtype_t)P_PIDFD : P_PID;
    id_t id = (id_t)(child->pidfd >= 0 ? child->pidfd : child->pid);
    int rc;
    do
        rc = asyncio__sys.waitid(type, id, &info, WEXITED | WNOHANG);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno != ECHILD)
        return -errno;
    if (rc == 0 && info.si_pid == 0)
        return 0;
    if (rc < 0)
        *ret_code = code_of_reaped(child);
    else
        *ret_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return 1;
}

void asyncio__child_wait(const asyncio__child_t *child)
{
    siginfo_t info;
    while (asyncio__sys.waitid(P_PID, (id_t)child->pid, &info, WEXITED) < 0 && errno == EINTR)
        continue;
}

int asyncio__child_kill(const asyncio__child_t *child, int signo)
{
    int rc = -1;
    errno = ENOSYS;
    if (child->pidfd >= 0)
        rc = asyncio__sys.pidfd_send_signal(child->pidfd, signo);
    if (rc < 0 && errno == ENOSYS)
        rc = asyncio__sys.kill(child->pid, signo); /* not reaped, so its ID is its own */
    return rc < 0 ? -errno : 0;
}
