/* SPDX-License-Identifier: MIT */
/*
 * asyncio_serve_reload(): a new process on the same listening sockets.
 *
 *     this process                                   the new one
 *     copies of its sockets, a pipe ---execve()----> 3, 4, … and the pipe's end behind them
 *     waits for a byte, or the end                   asyncio_serve(): takes them, sets up, accepts
 *     a byte: stops  <------------------------------ writes a byte
 *
 * The protocol is that of systemd; see transport/inherited.h.
 */
#include <asyncio/embed.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "run/serve.h"
#include "spawn/spawn.h"
#include "task/twin.h"
#include "transport/inherited.h"
#include "transport/listen_table.h"

#define VARIABLES    4 /* that the new process gets instead of those of this one */
#define NUMBER_BYTES 48 /* of a variable that holds a number */

extern char **environ;

/* What the new process gets. */
typedef struct plan {
    asyncio__fds_t fds;            /* owned; the last one is the pipe's end */
    char *names;                   /* of the sockets: owned */
    char *names_variable;          /* "LISTEN_FDNAMES=…": owned */
    char pid[NUMBER_BYTES];        /* "LISTEN_PID=…", which the child completes */
    char count[NUMBER_BYTES];      /* "LISTEN_FDS=…" */
    char ready[NUMBER_BYTES];      /* "ASYNCIO_READY_FD=…" */
    const char **environment;      /* owned; ends with NULL */
    size_t environment_bytes;      /* of environment */
    int ready_fd;                  /* the end of the pipe that is read here; -1: none */
} plan_t;

static void free_plan(plan_t *plan)
{
    asyncio__fds_close(&plan->fds);
    asyncio__free_string(plan->names);
    asyncio__free_string(plan->names_variable);
    asyncio__free(plan->environment, plan->environment_bytes);
    if (plan->ready_fd >= 0)
        asyncio__sys.close(plan->ready_fd);
}

/* Adds the pipe, and moves every descriptor above the numbers that the child has them under: 0 or
 * -errno. */
static int place_descriptors(plan_t *plan)
{
    int ends[2];
    if (asyncio__sys.pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    plan->ready_fd = ends[0];
    int rc = asyncio__fds_append(&plan->fds, ends[1]);
    if (rc < 0) {
        asyncio__sys.close(ends[1]);
        return rc;
    }
    long lowest = ASYNCIO__INHERITED_FIRST_FD + (long)plan->fds.count;
    for (size_t i = 0; i < plan->fds.count; i++) {
        if (plan->fds.fds[i] >= lowest)
            continue;
        int moved = asyncio__sys.fcntl(plan->fds.fds[i], F_DUPFD_CLOEXEC, lowest);
        if (moved < 0)
            return -errno;
        asyncio__sys.close(plan->fds.fds[i]);
        plan->fds.fds[i] = moved;
    }
    return 0;
}

static bool is_replaced(const char *variable)
{
    static const char *const names[] = {"LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
                                        ASYNCIO__INHERITED_READY "="};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The environment of this process with other variables for the sockets: 0 or -ENOMEM. */
static int make_environment(plan_t *plan)
{
    static const char prefix[] = "LISTEN_FDNAMES=";
    size_t sockets = plan->fds.count - 1, count = 0, used = 0;
    plan->names_variable = asyncio__malloc(sizeof(prefix) + strlen(plan->names));
    if (!plan->names_variable)
        return -ENOMEM;
    strcpy(plan->names_variable, prefix);
    strcat(plan->names_variable, plan->names);
    snprintf(plan->pid, sizeof(plan->pid), "LISTEN_PID=");
    snprintf(plan->count, sizeof(plan->count), "LISTEN_FDS=%zu", sockets);
    snprintf(plan->ready, sizeof(plan->ready), ASYNCIO__INHERITED_READY "=%zu",
             ASYNCIO__INHERITED_FIRST_FD + sockets);
    while (environ[count])
        count++;
    plan->environment_bytes = (count + VARIABLES + 1) * sizeof(char *);
    plan->environment = asyncio__malloc(plan->environment_bytes);
    if (!plan->environment)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!is_replaced(environ[i]))
            plan->environment[used++] = environ[i];
    plan->environment[used++] = plan->pid;
    plan->environment[used++] = plan->count;
    plan->environment[used++] = plan->names_variable;
    plan->environment[used++] = plan->ready;
    plan->environment[used] = NULL;
    return 0;
}

/* Starts the new process: 0, or an error with the slot filled. */
static int start(plan_t *plan, const char *executable, const char *const *arguments,
                 asyncio__child_t *ret_child)
{
    int rc = asyncio__listen_table_copy(&plan->fds, &plan->names);
    if (rc < 0)
        return rc;
    rc = place_descriptors(plan);
    if (rc == 0)
        rc = make_environment(plan);
    if (rc < 0)
        return asyncio__fail(rc, "the listening sockets cannot be passed on");
    asyncio__spawn_t spawn;
    asyncio__spawn_init(&spawn);
    spawn.executable = executable;
    spawn.arguments = arguments;
    spawn.environment = plan->environment;
    spawn.listen_fds = plan->fds.fds;
    spawn.listen_fd_count = plan->fds.count;
    spawn.pid_text = plan->pid + strlen(plan->pid);
    rc = asyncio__spawn(&spawn, ret_child);
    asyncio__fds_close(&plan->fds); /* the end of the child must be the end of the pipe */
    return rc < 0 ? asyncio_raise(rc, "%s cannot be started", executable) : 0;
}

/* Waits until the new process serves: 0 or a code. */
static int wait_until_ready(const plan_t *plan)
{
    int rc = asyncio_loop_wait_fd(plan->ready_fd, ASYNCIO_FD_READ);
    char byte;
    if (rc < 0)
        return rc;
    return asyncio__sys.read(plan->ready_fd, &byte, 1) == 1
               ? 0
               : asyncio__fail(-ECHILD, "the new process ended before it served");
}

static int reload(const char *executable, const char *const *arguments)
{
    plan_t plan = {.ready_fd = -1};
    asyncio__child_t child;
    int rc = start(&plan, executable, arguments, &child);
    if (rc == 0) {
        rc = wait_until_ready(&plan);
        if (rc < 0) {
            asyncio_error_t *error = asyncio__error_take_of(rc);
            asyncio__ignore(asyncio__child_kill(&child, SIGKILL));
            asyncio__child_wait(&child);
            asyncio__fail_with(rc, error);
        }
        if (child.pidfd >= 0)
            asyncio__sys.close(child.pidfd);
    }
    free_plan(&plan);
    return rc;
}

int asyncio_serve_reload(const char *executable, const char *const *arguments)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio__serve_t *serve = loop ? asyncio__serve_of(loop) : NULL;
    if (!executable || !arguments || !arguments[0])
        return asyncio__fail(-EINVAL, "\"executable\" and \"arguments\" must not be NULL or empty");
    if (!serve || !asyncio_current_task())
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "the task must run in a loop of asyncio_serve()");
    if (atomic_exchange(&serve->is_reloading, true))
        return asyncio__fail(ASYNCIO_ERUNTIME, "another task is in asyncio_serve_reload()");
    int rc = reload(executable, arguments);
    atomic_store(&serve->is_reloading, false);
    if (rc < 0)
        return rc;
    asyncio__listen_table_keep_files();
    return asyncio_serve_stop();
}

ASYNCIO__TWIN(CODE, asyncio_serve_reload, (const char *, executable),
              (const char *const *, arguments))
