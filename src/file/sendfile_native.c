/* SPDX-License-Identifier: MIT */
/* Sending a file: its beginning and end, the loop of sendfile(2), and reads; see sendfile.h. */
#include <errno.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "engine/write.h"
#include "file/sendfile.h"
#include "net/operation.h"
#include "task/task.h"
#include "transport/socket.h"

/* What one call of sendfile(2) sends at most, and what is sent before other tasks run. */
#define STEP_BYTES 1048576

/* How much is read at once where the file should have ended. */
#define BEHIND_BYTES 4096

/* --- beginning and end --------------------------------------------------------------------- */

static int check_options(const asyncio_sendfile_options_t *options)
{
    if (options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options->offset < 0)
        return asyncio__fail(-EINVAL, "\"offset\" must not be negative");
    if (options->count < 0)
        return asyncio__fail(-EINVAL, "\"count\" must be positive, or 0: to the end");
    return 0;
}

int asyncio__sendfile_begin(asyncio__sendfile_t *sendfile, asyncio_file_t *file,
                            const asyncio_sendfile_options_t *options)
{
    static const asyncio_sendfile_options_t defaults = {.size = sizeof(defaults)};
    struct stat status;
    options = options ? options : &defaults;
    int rc = check_options(options);
    if (rc == 0)
        rc = asyncio__file_begin(file);
    if (rc < 0)
        return rc;
    *sendfile = (asyncio__sendfile_t){.file = file,
                                      .offset = options->offset,
                                      .left = options->count ? options->count : INT64_MAX,
                                      .no_fallback = options->no_fallback};
    rc = asyncio__file_check_readable(file);
    if (rc == 0)
        rc = asyncio__file_settle(file);
    if (rc == 0 && asyncio__sys.fstat(file->fd, &status) < 0)
        rc = asyncio__fail(-errno, NULL);
    if (rc < 0)
        asyncio__file_end(file);
    else
        sendfile->size_hint = (int64_t)status.st_size;
    return rc;
}

ssize_t asyncio__sendfile_finish(asyncio__sendfile_t *sendfile, int rc)
{
    asyncio_file_t *file = sendfile->file;
    if (sendfile->sent > 0 && file->has_position)
        file->position = sendfile->offset;
    asyncio__free(sendfile->buffer, sendfile->buffer_bytes);
    asyncio__file_end(file);
    return rc < 0 ? rc : (ssize_t)sendfile->sent;
}

void asyncio__sendfile_sent(asyncio__sendfile_t *sendfile, int64_t count)
{
    sendfile->offset += count;
    sendfile->sent += count;
    if (sendfile->left != INT64_MAX)
        sendfile->left -= count;
}

/* --- by sendfile(2) ------------------------------------------------------------------------ */

/* Whether the socket takes bytes: 0, or an error. */
static int check_ends(const asyncio_socket_t *sock, const asyncio__channel_t *channel)
{
    if (channel && channel->is_closing)
        return asyncio__channel_fail(channel, -ECONNRESET, "Connection closed by peer");
    return asyncio__socket_is_open(sock) ? 0 : asyncio__fail(-EBADF, "the socket was closed");
}

/* Sends one step: a count, 0 at the end of the file, or -errno. */
static ssize_t send_step(const asyncio__sendfile_t *sendfile, const asyncio_socket_t *sock)
{
    off_t offset = (off_t)sendfile->offset;
    size_t size = sendfile->left < STEP_BYTES ? (size_t)sendfile->left : STEP_BYTES;
    ssize_t count;
    do
        count = asyncio__sendfile_without_signal(sock->fd, sendfile->file->fd, &offset, size);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

/* As asyncio, which does not look at the error: the file may be none that can be mapped. */
static int fail_unavailable(int code)
{
    asyncio_error_t *cause = asyncio_error_new(code, NULL, NULL);
    asyncio__fail_with(ASYNCIO_ESENDFILENOTAVAILABLE,
                       asyncio__error_new_static(ASYNCIO_ESENDFILENOTAVAILABLE,
                                                 "os.sendfile call failed", cause));
    asyncio_error_unref(cause);
    return ASYNCIO_ESENDFILENOTAVAILABLE;
}

int asyncio__sendfile_native(asyncio__sendfile_t *sendfile, asyncio_socket_t *sock,
                             const asyncio__channel_t *channel)
{
    int64_t until = STEP_BYTES; /* sent bytes at which other tasks run */
    while (sendfile->left > 0) {
        int rc = check_ends(sock, channel);
        if (rc < 0)
            return rc;
        ssize_t count = send_step(sendfile, sock);
        if (count == 0)
            break;
        if (count > 0) {
            asyncio__sendfile_sent(sendfile, count);
            if (sendfile->sent < until)
                continue;
            until = sendfile->sent + STEP_BYTES;
            rc = sendfile->left > 0 ? asyncio__give_way() : 0;
        } else if (count == -EAGAIN) {
            asyncio__operation_t op = {.kind = ASYNCIO__POLL_OUT, .file = sock->file};
            rc = asyncio__operation_await(sendfile->file->loop, &op);
            if (rc == -EBADF)
                continue; /* closed meanwhile: check_ends() knows more */
        } else {
            rc = sendfile->sent == 0 ? fail_unavailable((int)count)
                                     : asyncio__fail((int)count, NULL);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- by reading ---------------------------------------------------------------------------- */

/* How much to read next: as much as the file should have, then a little to see the end. */
static size_t next_size(const asyncio__sendfile_t *sendfile)
{
    int64_t size = sendfile->file->is_regular ? sendfile->size_hint - sendfile->offset
                                              : ASYNCIO__FILE_PIECE_BYTES;
    size = size > 0 ? size : BEHIND_BYTES;
    size = size < ASYNCIO__FILE_PIECE_BYTES ? size : ASYNCIO__FILE_PIECE_BYTES;
    return (size_t)(size < sendfile->left ? size : sendfile->left);
}

int asyncio__sendfile_read(asyncio__sendfile_t *sendfile)
{
    asyncio_file_t *file = sendfile->file;
    size_t size = next_size(sendfile);
    if (!sendfile->buffer) {
        sendfile->buffer_bytes = size > BEHIND_BYTES ? size : BEHIND_BYTES;
        sendfile->buffer = asyncio__malloc(sendfile->buffer_bytes);
        if (!sendfile->buffer)
            return asyncio__fail(-ENOMEM, NULL);
    }
    size = size < sendfile->buffer_bytes ? size : sendfile->buffer_bytes;
    return (int)asyncio__file_read_at(file, sendfile->buffer, size,
                                      file->has_position ? sendfile->offset : -1);
}
