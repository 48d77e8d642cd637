/* SPDX-License-Identifier: MIT */
/* Starting a child: arguments, options and the words of a failure; see process_start.h. */
#include "process/process_start.h"

#include "loop/check.h"
#include "loop/loop.h"

int asyncio__process_check(const char *const *argv, const asyncio_process_options_t *options)
{
    if (!argv)
        return asyncio__fail(-EINVAL, "\"argv\" must not be NULL");
    if (!argv[0] || !argv[0][0])
        return asyncio__fail(-EINVAL, "\"argv\" must begin with the name of a program");
    if (options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options->pass_fd_count && !options->pass_fds)
        return asyncio__fail(-EINVAL, "\"options->pass_fds\" must be a list of pass_fd_count "
                                      "file descriptors");
    if (options->extra_group_count && !options->extra_groups)
        return asyncio__fail(-EINVAL, "\"options->extra_groups\" must be a list of "
                                      "extra_group_count groups");
    if (options->has_process_group && options->process_group < 0)
        return asyncio__fail(-EINVAL, "\"options->process_group\" must not be negative");
    return 0;
}

int asyncio__process_check_loop(const asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check(loop);
    if (rc == 0 && asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM)
        rc = asyncio__fail(-EOPNOTSUPP, "the engine \"sim\" has no file descriptors");
    return rc;
}

/* Fails with a message that names the step, and the file or folder that it used. */
static int fail_to_start(int code, asyncio__spawn_stage_t stage, const asyncio__spawn_t *spawn)
{
    const char *name = spawn->executable ? spawn->executable : spawn->arguments[0];
    switch (stage) {
    case ASYNCIO__SPAWN_PREPARE:
        return asyncio__fail(code, "no child process can be made");
    case ASYNCIO__SPAWN_SESSION:
        return asyncio__fail(code, "the child's session or process group cannot be set");
    case ASYNCIO__SPAWN_STDIO:
        return asyncio__fail(code, "a file descriptor cannot be passed to the child");
    case ASYNCIO__SPAWN_USER:
        return asyncio__fail(code, "the child's user or groups cannot be set");
    case ASYNCIO__SPAWN_CWD:
        return asyncio_raise_at(code, NULL, "cannot change to the folder \"%s\"", spawn->cwd);
    default:
        return asyncio_raise_at(code, NULL, "cannot execute \"%s\"", name);
    }
}

static void set_spawn(asyncio__spawn_t *spawn, const char *const *argv,
                      const asyncio_process_options_t *options, const asyncio__stdio_t *stdio)
{
    asyncio__spawn_init(spawn);
    spawn->arguments = argv;
    spawn->executable = options->executable;
    spawn->environment = options->env;
    spawn->cwd = options->cwd;
    for (int i = 0; i < 3; i++)
        spawn->stdio[i] = stdio->child_fds[i];
    spawn->pass_fds = options->pass_fds;
    spawn->pass_fd_count = options->pass_fd_count;
    spawn->umask = options->has_umask ? (int)options->umask : -1;
    spawn->start_new_session = options->start_new_session;
    spawn->process_group = options->has_process_group ? options->process_group : -1;
    spawn->restore_signals = !options->keep_signals;
    spawn->user = options->has_user ? (long)options->user : -1;
    spawn->group = options->has_group ? (long)options->group : -1;
    spawn->extra_groups = options->extra_groups;
    spawn->extra_group_count = options->extra_group_count;
}

int asyncio__process_start(const char *const *argv, const asyncio_process_options_t *options,
                           asyncio__stdio_t *stdio, asyncio__reaper_t *reaper, pid_t *ret_pid)
{
    asyncio__spawn_t spawn;
    asyncio__child_t child;
    set_spawn(&spawn, argv, options, stdio);
    int rc = asyncio__spawn(&spawn, &child);
    if (rc < 0)
        return fail_to_start(rc, child.stage, &spawn);
    asyncio__stdio_close_child(stdio);
    rc = asyncio__reaper_start(reaper, &child);
    if (rc < 0)
        return asyncio__fail(rc, "the loop cannot wait for a child process");
    *ret_pid = child.pid;
    return 0;
}
