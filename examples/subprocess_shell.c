/* SPDX-License-Identifier: MIT */
/* Two commands of the shell at once: how each ended, and what it wrote. */
#include <asyncio.h>
#include <stdio.h>

static int run_command(const char *command, void **ret_result)  /* async def run(cmd): */
{
    (void)ret_result;
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE,
                                         .stderr_kind = ASYNCIO_PROCESS_PIPE};
    asyncio_process_output_t output;
    asyncio_process_t *process;
    /* proc = await asyncio.create_subprocess_shell(cmd, stdout=PIPE, stderr=PIPE) */
    int rc = asyncio_create_subprocess_shell(command, &options, &process);
    if (rc < 0)
        return rc;
    /* stdout, stderr = await proc.communicate() */
    rc = asyncio_process_communicate(process, /* input= */ NULL, 0, &output);
    int code = 0;
    if (rc == 0)
        rc = asyncio_process_returncode(process, &code);
    if (rc == 0) {
        printf("[%s exited with %d]\n", command, code);         /*     print(f'[{cmd!r} …]') */
        if (output.stdout_size)
            printf("[stdout]\n%s", output.stdout_data);         /*     if stdout: print(…) */
        if (output.stderr_size)
            printf("[stderr]\n%s", output.stderr_data);         /*     if stderr: print(…) */
    }
    asyncio_process_unref(process);
    return rc;
}
ASYNCIO_COROUTINE(run_command, (const char *, command));

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *both[] = {                             /*     await asyncio.gather( */
        run_command_coroutine("sleep 0.2; echo 'last'"),        /*         run('sleep 0.2; …'), */
        run_command_coroutine("echo 'first' >&2; exit 3"),      /*         run("echo 'first' …")) */
    };
    return asyncio_gather_await(both, 2, NULL);
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
