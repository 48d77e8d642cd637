/* SPDX-License-Identifier: MIT */
/* Child processes: each call of them, with what they need of the system failing. */
#include "sweep.h"

#include <signal.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A code of a call on a process: what fails on a pipe ends that pipe; sim has no descriptors; a
 * child that cannot be waited for is killed, and is no longer there for signals. */
#define proc(rc) sweep_process((rc), #rc, __LINE__)
static long sweep_process(long rc, const char *call, int line)
{
    bool is_sim =
        asyncio_loop_get_engine(asyncio_get_running_loop()) == ASYNCIO_ENGINE_SIM;
    if (rc == -EPIPE || rc == -ECONNRESET || rc == -ESRCH)
        return rc;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

static void use_end(asyncio_process_t *process)
{
    int code;
    if (proc(asyncio_process_wait(process, &code)) == 0)
        must(asyncio_process_returncode(process, &code) == 0);
    must(asyncio_process_pid(process) > 0);
    asyncio_process_unref(asyncio_process_ref(process));
    asyncio_process_unref(process);
}

static void use_streams(void)
{
    asyncio_process_t *process = NULL;
    asyncio_process_output_t output;
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdin_kind = ASYNCIO_PROCESS_PIPE,
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE,
                                         .stderr_kind = ASYNCIO_PROCESS_DEVNULL};
    for (int is_object = 0; is_object < 2; is_object++) {
        if (proc(asyncio_create_subprocess_exec(ARGV("cat"), &options, &process)) < 0)
            continue;
        must(asyncio_process_stdin(process) && asyncio_process_stdout(process));
        must(!asyncio_process_stderr(process));
        if (is_object) {
            asyncio_coroutine_t *object =
                asyncio_process_communicate_coroutine(process, "ab", 2, &output);
            if (is_there(object))
                proc(asyncio_await(object, NULL));
        } else {
            proc(asyncio_process_communicate(process, "ab", 2, &output));
        }
        asyncio_process_unref(process); /* kills it, if a failure has kept it alive */
    }
}

static void use_processes(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_process_t *process = NULL;
    use_streams();
    if (proc(asyncio_create_subprocess_shell("exit 3", NULL, &process)) == 0)
        use_end(process);
    if (proc(asyncio_create_subprocess_exec(ARGV("sleep", "0.02"), NULL, &process)) == 0) {
        asyncio_coroutine_t *wait = asyncio_process_wait_coroutine(process, NULL);
        asyncio_task_t *task = is_there(wait) ? asyncio_create_task(wait) : NULL;
        proc(asyncio_process_send_signal(process, SIGCONT));
        proc(asyncio_process_terminate(process));
        proc(asyncio_process_kill(process));
        if (task)
            proc(asyncio_await_unref(task, NULL));
        asyncio_process_unref(process);
    }
}
const scenario_t sweep_processes = {.name = "processes", .use = use_processes,
                                    .in_real_time = true, .has_sockets = true};
