/* SPDX-License-Identifier: MIT */
/*
 * Processes, as tasks see them; see <asyncio/process.h>.
 *
 *     program --ref--> process --ref--> reaper          tells when the child has ended
 *                              --ref--> connections     our ends of its pipes
 */
#include <asyncio/gather.h>
#include <signal.h>

#include "base/memory.h"
#include "net/connection.h"
#include "net/operation.h"
#include "process/process_start.h"
#include "task/twin.h"
#include "task/waiter_list.h"

struct asyncio_process {
    unsigned refs;                     /* references */
    asyncio_loop_t *loop;              /* held */
    asyncio__reaper_t *reaper;         /* a reference */
    asyncio__connection_t *streams[3]; /* of standard input, output and error; or NULL */
    asyncio__list_t waiters;           /* tasks in wait() */
    pid_t pid;                         /* of the child */
    const char *data[3];               /* what communicate() has read, in the readers' buffers */
    size_t sizes[3];                   /* of data */
};

/* --- starting ------------------------------------------------------------------------------ */

static void on_exited(void *arg)
{
    asyncio_process_t *process = arg;
    asyncio__waiters_wake_all(&process->waiters);
}

/* The record of a process without a child; NULL: out of memory. */
static asyncio_process_t *new_process(asyncio_loop_t *loop)
{
    asyncio_process_t *process = asyncio__calloc(sizeof(*process));
    if (!process)
        return NULL;
    process->refs = 1;
    process->reaper = asyncio__reaper_new(loop);
    if (!process->reaper) {
        asyncio__free(process, sizeof(*process));
        return NULL;
    }
    process->loop = asyncio__loop_hold(loop);
    asyncio__list_init(&process->waiters);
    return process;
}

static void close_streams(asyncio__connection_t *connection)
{
    if (!connection)
        return;
    asyncio_stream_reader_unref(&connection->reader);
    asyncio_stream_writer_unref(&connection->writer);
}

static void free_process(asyncio_process_t *process)
{
    for (int i = 0; i < 3; i++)
        close_streams(process->streams[i]);
    process->reaper->exited = NULL;
    asyncio__reaper_unref(process->reaper);
    asyncio__loop_drop_object(process->loop);
    asyncio__free(process, sizeof(*process));
}

/* Makes streams of the channels, which are taken: 0, or an error. */
static int open_streams(asyncio_process_t *process, asyncio__stdio_t *stdio, size_t limit_bytes)
{
    for (int i = 0; i < 3; i++) {
        asyncio__channel_t *channel = stdio->channels[i];
        stdio->channels[i] = NULL;
        if (channel && !(process->streams[i] = asyncio__connection_new(channel, limit_bytes)))
            return asyncio__fail(-ENOMEM, NULL);
    }
    if (process->streams[0])
        process->streams[0]->writer.is_of_pipe = true;
    return 0;
}

static int start(asyncio_loop_t *loop, const char *const *argv,
                 const asyncio_process_options_t *options, asyncio_process_t **ret_process)
{
    asyncio__stdio_t stdio;
    asyncio_process_t *process = new_process(loop);
    if (!process)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = asyncio__stdio_open(&stdio, loop, options);
    if (rc < 0) {
        free_process(process);
        return rc;
    }
    process->reaper->exited = on_exited;
    process->reaper->arg = process;
    rc = open_streams(process, &stdio, options->limit_bytes);
    if (rc == 0)
        rc = asyncio__process_start(argv, options, &stdio, process->reaper, &process->pid);
    asyncio__stdio_close(&stdio);
    if (rc < 0)
        free_process(process);
    else
        *ret_process = process;
    return rc;
}

int asyncio_create_subprocess_exec(const char *const *argv,
                                   const asyncio_process_options_t *options,
                                   asyncio_process_t **ret_process)
{
    static const asyncio_process_options_t defaults = {.size = sizeof(defaults)};
    if (!options)
        options = &defaults;
    if (!ret_process)
        return asyncio__fail(-EINVAL, "\"ret_process\" must not be NULL");
    int rc = asyncio__process_check(argv, options);
    if (rc < 0)
        return rc;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (!loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    rc = asyncio__process_check_loop(loop);
    return rc < 0 ? rc : start(loop, argv, options, ret_process);
}

int asyncio_create_subprocess_shell(const char *command, const asyncio_process_options_t *options,
                                    asyncio_process_t **ret_process)
{
    bool has_shell = options && options->size >= sizeof(*options) && options->executable;
    /* Shells behave as their name says: bash named "sh" is another one than bash. */
    const char *const argv[] = {has_shell ? options->executable : "/bin/sh", "-c", command, NULL};
    if (!command)
        return asyncio__fail(-EINVAL, "\"command\" must not be NULL");
    return asyncio_create_subprocess_exec(argv, options, ret_process);
}

/* --- references and what is known ---------------------------------------------------------- */

asyncio_process_t *asyncio_process_ref(asyncio_process_t *process)
{
    if (process)
        process->refs++;
    return process;
}

void asyncio_process_unref(asyncio_process_t *process)
{
    /* Another thread, or a forked child: leaked, because touching it would be worse. */
    if (!process || asyncio__loop_check_here(process->loop) < 0 || --process->refs > 0)
        return;
    if (!process->reaper->has_exited)
        asyncio__ignore(asyncio__reaper_kill(process->reaper, SIGKILL));
    free_process(process);
}

pid_t asyncio_process_pid(const asyncio_process_t *process)
{
    return process ? process->pid : 0;
}

asyncio_stream_writer_t *asyncio_process_stdin(const asyncio_process_t *process)
{
    return process && process->streams[0] ? &process->streams[0]->writer : NULL;
}

asyncio_stream_reader_t *asyncio_process_stdout(const asyncio_process_t *process)
{
    return process && process->streams[1] ? &process->streams[1]->reader : NULL;
}

asyncio_stream_reader_t *asyncio_process_stderr(const asyncio_process_t *process)
{
    return process && process->streams[2] ? &process->streams[2]->reader : NULL;
}

int asyncio_process_returncode(const asyncio_process_t *process, int *ret_code)
{
    if (!process || !ret_code)
        return asyncio__fail(-EINVAL, "\"process\" and \"ret_code\" must not be NULL");
    return asyncio__reaper_return_code(process->reaper, ret_code);
}

/* --- signals ------------------------------------------------------------------------------- */

int asyncio_process_send_signal(asyncio_process_t *process, int signo)
{
    if (!process)
        return asyncio__fail(-EINVAL, "\"process\" must not be NULL");
    int rc = asyncio__loop_check_here(process->loop);
    return rc < 0 ? rc : asyncio__reaper_send_signal(process->reaper, signo);
}

int asyncio_process_terminate(asyncio_process_t *process)
{
    return asyncio_process_send_signal(process, SIGTERM);
}

int asyncio_process_kill(asyncio_process_t *process)
{
    return asyncio_process_send_signal(process, SIGKILL);
}

/* --- waiting ------------------------------------------------------------------------------- */

int asyncio_process_wait(asyncio_process_t *process, int *ret_code)
{
    if (!process)
        return asyncio__fail(-EINVAL, "\"process\" must not be NULL");
    int rc = asyncio__operation_check(process->loop);
    if (rc < 0)
        return rc;
    process->refs++;
    while (rc == 0 && !process->reaper->has_exited)
        rc = asyncio__waiters_wait(process->loop, &process->waiters, "asyncio_process_wait");
    if (rc == 0 && ret_code)
        *ret_code = process->reaper->return_code;
    asyncio_process_unref(process);
    return rc;
}

ASYNCIO__TWIN(CODE, asyncio_process_wait, (asyncio_process_t *, process), (int *, ret_code))

/* The argument of a coroutine object that reads one stream to its end. */
struct stream_read {
    asyncio_process_t *process; /* a reference: the object may outlive a call that failed */
    int stream;                 /* 1 or 2 */
};

static int run_read(void *arg, void **ret_result)
{
    (void)ret_result;
    struct stream_read *read = arg;
    asyncio_process_t *process = read->process;
    ssize_t size = asyncio_stream_reader_read_all(&process->streams[read->stream]->reader,
                                                  &process->data[read->stream]);
    process->sizes[read->stream] = size > 0 ? (size_t)size : 0;
    return size < 0 ? (int)size : 0;
}

static void drop_read(void *arg)
{
    asyncio_process_unref(((struct stream_read *)arg)->process);
}

static asyncio_coroutine_t *read_object(asyncio_process_t *process, int stream)
{
    struct stream_read read = {asyncio_process_ref(process), stream};
    asyncio_coroutine_t *object =
        asyncio__twin(run_read, &read, sizeof(read), drop_read, "asyncio_process_communicate");
    if (!object)
        drop_read(&read);
    return object;
}

/* Reads the streams that are pipes to their ends, both at once. */
static int read_output(asyncio_process_t *process)
{
    asyncio_awaitable_t *reads[2];
    size_t count = 0;
    for (int i = 1; i < 3; i++)
        if (process->streams[i])
            reads[count++] = read_object(process, i);
    return count ? asyncio_gather_await(reads, count, NULL) : 0;
}

int asyncio_process_communicate(asyncio_process_t *process, const void *input, size_t input_size,
                                asyncio_process_output_t *ret_output)
{
    if (!process)
        return asyncio__fail(-EINVAL, "\"process\" must not be NULL");
    if (!input && input_size)
        return asyncio__fail(-EINVAL, "\"input\" must not be NULL where \"input_size\" is not 0");
    int rc = asyncio__operation_check(process->loop);
    if (rc < 0)
        return rc;
    process->refs++;
    if (process->streams[0]) {
        asyncio_stream_writer_t *writer = &process->streams[0]->writer;
        if (input_size)
            rc = asyncio_stream_writer_write(writer, input, input_size);
        if (rc == 0)
            rc = asyncio_stream_writer_close(writer); /* sends what is unsent, then closes */
    }
    if (rc == 0)
        rc = read_output(process);
    if (rc == 0)
        rc = asyncio_process_wait(process, NULL);
    if (rc == 0 && ret_output)
        *ret_output = (asyncio_process_output_t){process->data[1], process->sizes[1],
                                                 process->data[2], process->sizes[2]};
    asyncio_process_unref(process);
    return rc;
}

ASYNCIO__TWIN(CODE, asyncio_process_communicate, (asyncio_process_t *, process),
              (const void *, input), (size_t, input_size),
              (asyncio_process_output_t *, ret_output))
