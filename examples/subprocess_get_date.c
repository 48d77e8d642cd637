/* SPDX-License-Identifier: MIT */
/* What a child process writes, read from a stream: the date of second 0 of Unix time. */
#include <asyncio.h>
#include <stdio.h>

static int get_date(void *arg, void **ret_result)           /* async def get_date(): */
{
    static const char *const argv[] = {"date", "-u", "-d", "@0", "+%F %T", NULL};
    (void)arg, (void)ret_result;
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE};
    asyncio_process_t *process;
    /* proc = await asyncio.create_subprocess_exec('date', …, stdout=asyncio.subprocess.PIPE) */
    int rc = asyncio_create_subprocess_exec(argv, &options, &process);
    if (rc < 0)
        return rc;
    const char *line;
    /* data = await proc.stdout.readline() */
    ssize_t size = asyncio_stream_reader_readline(asyncio_process_stdout(process), &line);
    if (size > 0)
        printf("Current date: %.*s", (int)size, line);
    rc = asyncio_process_wait(process, NULL);               /*     await proc.wait() */
    asyncio_process_unref(process);
    return size < 0 ? (int)size : rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(get_date, NULL), NULL) < 0; /* asyncio.run(get_date()) */
}
