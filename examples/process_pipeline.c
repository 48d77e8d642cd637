/* SPDX-License-Identifier: MIT */
/* sort | uniq -c: lines written to the first process are read, counted, from the second. */
#include <asyncio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int start(const char *const *argv, asyncio_process_options_t *options,
                 asyncio_process_t **ret_process)
{
    options->size = sizeof(*options);
    return asyncio_create_subprocess_exec(argv, options, ret_process);
}

/* Starts both: what sort writes is what uniq reads, without passing through this process. */
static int start_both(asyncio_process_t **ret_sort, asyncio_process_t **ret_uniq)
{
    static const char *const sort[] = {"sort", NULL}, *const uniq[] = {"uniq", "-c", NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)                             /* read, write = os.pipe() */
        return -errno;
    asyncio_process_options_t from = {.stdin_kind = ASYNCIO_PROCESS_PIPE,
                                      .stdout_kind = ASYNCIO_PROCESS_FD, .stdout_fd = ends[1]};
    asyncio_process_options_t to = {.stdin_kind = ASYNCIO_PROCESS_FD, .stdin_fd = ends[0],
                                    .stdout_kind = ASYNCIO_PROCESS_PIPE};
    int rc = start(sort, &from, ret_sort);  /* await create_subprocess_exec('sort', stdout=write) */
    if (rc == 0) {
        rc = start(uniq, &to, ret_uniq);    /* await create_subprocess_exec('uniq', '-c', …) */
        if (rc < 0)
            asyncio_process_unref(*ret_sort);
    }
    close(ends[0]);                                             /* os.close(read) */
    close(ends[1]);                                             /* os.close(write) */
    return rc;
}

static int run(void *arg, void **ret_result)                    /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_process_t *sort, *uniq;
    int rc = start_both(&sort, &uniq);
    if (rc < 0)
        return rc;
    asyncio_stream_writer_t *writer = asyncio_process_stdin(sort);
    static const char lines[] = "pear\napple\npear\nplum\napple\npear\n";
    rc = asyncio_stream_writer_write(writer, lines, sizeof(lines) - 1); /* sort.stdin.write(…) */
    asyncio_stream_writer_close(writer);                        /*     sort.stdin.close() */
    const char *line;
    ssize_t size = 0;
    while (rc == 0 &&                                  /*     async for line in uniq.stdout: */
           (size = asyncio_stream_reader_readline(asyncio_process_stdout(uniq), &line)) > 0)
        printf("%.*s", (int)size, line);                        /*         print(line, end='') */
    rc = rc < 0 ? rc : (int)size;
    if (rc == 0)
        rc = asyncio_process_wait(sort, NULL);                  /*     await sort.wait() */
    if (rc == 0)
        rc = asyncio_process_wait(uniq, NULL);                  /*     await uniq.wait() */
    asyncio_process_unref(sort);
    asyncio_process_unref(uniq);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0; /* asyncio.run(main()) */
}
