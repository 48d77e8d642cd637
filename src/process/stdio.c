/* SPDX-License-Identifier: MIT */
/* The standard streams of a child; see stdio.h. */
#include "process/stdio.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/syscalls.h"
#include "spawn/spawn.h"
#include "transport/pipe_channel.h"

void asyncio__stdio_close_child(asyncio__stdio_t *stdio)
{
    for (int i = 0; i < 3; i++) {
        if (stdio->is_ours[i])
            asyncio__sys.close(stdio->child_fds[i]);
        stdio->is_ours[i] = false;
    }
}

void asyncio__stdio_close(asyncio__stdio_t *stdio)
{
    asyncio__stdio_close_child(stdio);
    for (int i = 0; i < 3; i++) {
        asyncio__channel_t *channel = stdio->channels[i];
        if (channel)
            channel->class->abort(channel, 0, NULL);
        asyncio__channel_unref(channel);
        stdio->channels[i] = NULL;
    }
}

/* A process that was started with 0, 1 or 2 closed gets those numbers from pipe2(); in the child
 * they would be overwritten. Takes fd, also on failure. */
static int move_up(int fd)
{
    if (fd > 2)
        return fd;
    int moved = asyncio__sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    asyncio__sys.close(fd);
    return moved < 0 ? -error : moved;
}

/* The channel of our end of a pipe, which is taken: 0, or an error. */
static int open_channel(asyncio_loop_t *loop, int fd, bool writes,
                        asyncio__channel_t **ret_channel)
{
    asyncio_socket_t *sock = asyncio__socket_new(fd);
    if (!sock) {
        asyncio__sys.close(fd);
        return asyncio__fail(-ENOMEM, NULL);
    }
    int rc = asyncio__socket_bind_loop_as(sock, loop, ASYNCIO__FILE_STREAM);
    if (rc == 0)
        rc = writes ? asyncio__write_pipe_channel_new(sock, ret_channel)
                    : asyncio__read_pipe_channel_new(sock, ret_channel);
    if (rc == 0)
        /* A child may leave its input unread for any time. */
        (*ret_channel)->linger_ns = ASYNCIO__NANOSECONDS_FOREVER;
    asyncio_socket_unref(sock);
    return rc;
}

static int open_pipe(asyncio__stdio_t *stdio, int stream, asyncio_loop_t *loop)
{
    int ends[2];
    if (asyncio__sys.pipe2(ends, O_CLOEXEC) < 0)
        return asyncio__fail(-errno, "no pipe can be made for the child process");
    int theirs = move_up(ends[stream == 0 ? 0 : 1]);
    int ours = move_up(ends[stream == 0 ? 1 : 0]);
    if (theirs >= 0) {
        stdio->child_fds[stream] = theirs;
        stdio->is_ours[stream] = true;
    }
    if (theirs < 0 || ours < 0) {
        if (ours >= 0)
            asyncio__sys.close(ours);
        return asyncio__fail(theirs < 0 ? theirs : ours, NULL);
    }
    if (asyncio__sys.fcntl(ours, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        asyncio__sys.close(ours);
        return asyncio__fail(-error, NULL);
    }
    return open_channel(loop, ours, stream == 0, &stdio->channels[stream]);
}

static int open_null(asyncio__stdio_t *stdio, int stream)
{
    int fd = asyncio__sys.open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return asyncio__fail(-errno, "/dev/null cannot be opened");
    fd = move_up(fd);
    if (fd < 0)
        return asyncio__fail(fd, NULL);
    stdio->child_fds[stream] = fd;
    stdio->is_ours[stream] = true;
    return 0;
}

static int open_stream(asyncio__stdio_t *stdio, int stream, asyncio_process_stream_t kind, int fd,
                       asyncio_loop_t *loop)
{
    switch (kind) {
    case ASYNCIO_PROCESS_INHERIT:
        return 0;
    case ASYNCIO_PROCESS_PIPE:
        return open_pipe(stdio, stream, loop);
    case ASYNCIO_PROCESS_DEVNULL:
        return open_null(stdio, stream);
    case ASYNCIO_PROCESS_STDOUT:
        if (stream != 2)
            break;
        stdio->child_fds[2] = stdio->child_fds[1] == ASYNCIO__SPAWN_INHERIT ? STDOUT_FILENO
                                                                            : stdio->child_fds[1];
        return 0;
    case ASYNCIO_PROCESS_FD:
        if (fd < 0)
            return asyncio__fail(-EINVAL, "the file descriptor of a stream must not be negative");
        stdio->child_fds[stream] = fd;
        return 0;
    }
    return asyncio__fail(-EINVAL, "a stream's kind must be one of asyncio_process_stream_t, and "
                                  "ASYNCIO_PROCESS_STDOUT is for standard error only");
}

int asyncio__stdio_open(asyncio__stdio_t *stdio, asyncio_loop_t *loop,
                        const asyncio_process_options_t *options)
{
    *stdio = (asyncio__stdio_t){
        .child_fds = {ASYNCIO__SPAWN_INHERIT, ASYNCIO__SPAWN_INHERIT, ASYNCIO__SPAWN_INHERIT}};
    const asyncio_process_stream_t kinds[] = {options->stdin_kind, options->stdout_kind,
                                              options->stderr_kind};
    const int fds[] = {options->stdin_fd, options->stdout_fd, options->stderr_fd};
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = open_stream(stdio, i, kinds[i], fds[i], loop);
    if (rc < 0)
        asyncio__stdio_close(stdio);
    return rc;
}
