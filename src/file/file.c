/* SPDX-License-Identifier: MIT */
/* Files: references, the position, what is unwritten, and the end; see file.h. */
#include "file/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "file/file_thread.h"
#include "file/file_write.h"
#include "net/operation.h"
#include "task/switch.h"
#include "task/twin.h"

/* Calls on the loop's thread that a task makes in a row. */
#define INLINE_CALLS 16

/* --- beginning and ending a call ----------------------------------------------------------- */

static int check_open(const asyncio_file_t *file)
{
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    int rc = asyncio__operation_check(file->loop);
    if (rc < 0)
        return rc;
    if (file->fd < 0)
        return asyncio__fail(-EBADF, "I/O operation on closed file");
    return asyncio__before_suspension(asyncio__thread.coroutine);
}

static int fail_busy(void)
{
    return asyncio__fail(ASYNCIO_ERUNTIME, "another task is using the file");
}

int asyncio__file_begin(asyncio_file_t *file)
{
    int rc = check_open(file);
    if (rc < 0)
        return rc;
    if (file->is_busy)
        return fail_busy();
    file->is_busy = true;
    file->refs++;
    file->bytes.start += file->lent;
    file->lent = 0;
    asyncio__bytes_trim(&file->bytes);
    return 0;
}

void asyncio__file_end(asyncio_file_t *file)
{
    file->is_busy = false;
    asyncio_file_unref(file);
}

int asyncio__file_begin_at(asyncio_file_t *file)
{
    int rc = check_open(file);
    if (rc < 0)
        return rc;
    file->at_offset++;
    file->refs++;
    return 0;
}

void asyncio__file_end_at(asyncio_file_t *file)
{
    file->at_offset--;
    asyncio_file_unref(file);
}

int asyncio__file_check_readable(const asyncio_file_t *file)
{
    return file->can_read ? 0 : asyncio__fail(-EBADF, "the file is not open for reading");
}

int asyncio__file_check_writable(const asyncio_file_t *file)
{
    return file->can_write ? 0 : asyncio__fail(-EBADF, "the file is not open for writing");
}

int asyncio__file_spend(asyncio_loop_t *loop)
{
    /* Each step is a ready item of its own: a new one begins with all of them. */
    uint64_t step = loop->counts.steps + (loop->ready.head - loop->counts.last_head);
    if (step != loop->file_step) {
        loop->file_step = step;
        loop->file_calls = 0;
    }
    if (loop->file_calls++ < INLINE_CALLS)
        return 0;
    loop->file_calls = 0;
    return asyncio__give_way();
}

int asyncio__file_settle(asyncio_file_t *file)
{
    if (file->is_unwritten)
        return asyncio__file_write_out(file);
    file->position -= (int64_t)asyncio__bytes_count(&file->bytes);
    file->bytes.start = file->bytes.end = 0;
    return 0;
}

/* --- the position -------------------------------------------------------------------------- */

int64_t asyncio_file_tell(const asyncio_file_t *file)
{
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    if (file->fd < 0)
        return asyncio__fail(-EBADF, "I/O operation on closed file");
    if (!file->has_position)
        return asyncio__fail(-ESPIPE, "the file has no position");
    return asyncio__file_tell(file);
}

/* Where an offset from that origin is: 0 or more, or a negative code. */
static int64_t find_position(const asyncio_file_t *file, int64_t offset, int whence)
{
    int64_t position = offset;
    if (whence == SEEK_CUR && __builtin_add_overflow(asyncio__file_tell(file), offset, &position))
        return -EOVERFLOW;
    if (whence != SEEK_SET && whence != SEEK_CUR) {
        position = asyncio__sys.lseek(file->fd, offset, whence);
        return position < 0 ? -errno : position;
    }
    return position < 0 ? -EINVAL : position;
}

int64_t asyncio_file_seek(asyncio_file_t *file, int64_t offset, int whence)
{
    int rc = asyncio__file_begin(file);
    if (rc < 0)
        return rc;
    int64_t position = file->has_position ? 0 : -ESPIPE;
    rc = position == 0 ? asyncio__file_settle(file) : 0;
    if (rc == 0) {
        if (position == 0)
            position = find_position(file, offset, whence);
        if (position >= 0)
            file->position = position;
        else
            rc = asyncio__fail((int)position, position == -EINVAL ? "negative seek position or "
                                                                    "invalid whence" : NULL);
    }
    asyncio__file_end(file);
    return rc < 0 ? rc : position;
}

int asyncio_file_fileno(const asyncio_file_t *file)
{
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    return file->fd >= 0 ? file->fd : asyncio__fail(-EBADF, "I/O operation on closed file");
}

/* --- calls that a thread makes ------------------------------------------------------------- */

typedef struct sync_call {
    int fd;
    int64_t size; /* of truncate() */
} sync_call_t;

static int call_fsync(void *arg)
{
    return asyncio__sys.fsync(((sync_call_t *)arg)->fd) < 0 ? -errno : 0;
}

static int call_datasync(void *arg)
{
    return asyncio__sys.fdatasync(((sync_call_t *)arg)->fd) < 0 ? -errno : 0;
}

static int call_truncate(void *arg)
{
    const sync_call_t *call = arg;
    int rc;
    do
        rc = asyncio__sys.ftruncate(call->fd, call->size) < 0 ? -errno : 0;
    while (rc == -EINTR);
    return rc;
}

/* Empties the buffer, then has a thread make the call. */
static int settle_and_call(asyncio_file_t *file, asyncio__file_call_t *call, int64_t size)
{
    int rc = asyncio__file_begin(file);
    if (rc < 0)
        return rc;
    sync_call_t arguments = {.fd = file->fd, .size = size};
    rc = asyncio__file_settle(file);
    if (rc == 0 && call)
        rc = asyncio__file_thread_call(file->loop, call, &arguments);
    asyncio__file_end(file);
    return rc;
}

int asyncio_file_flush(asyncio_file_t *file)
{
    return settle_and_call(file, NULL, 0);
}

int asyncio_file_fsync(asyncio_file_t *file)
{
    return settle_and_call(file, call_fsync, 0);
}

int asyncio_file_datasync(asyncio_file_t *file)
{
    return settle_and_call(file, call_datasync, 0);
}

int asyncio_file_truncate(asyncio_file_t *file, int64_t size)
{
    if (file && size < 0)
        return asyncio__fail(-EINVAL, "\"size\" must not be negative");
    int rc = file && file->fd >= 0 ? asyncio__file_check_writable(file) : 0;
    return rc < 0 ? rc : settle_and_call(file, call_truncate, size);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Writes what is unwritten and closes the descriptor, in whatever thread. */
static int call_close(void *arg)
{
    asyncio_file_t *file = arg;
    int rc = file->is_unwritten ? asyncio__file_write_out_here(file) : 0;
    if (asyncio__sys.close(file->fd) < 0 && rc == 0 && errno != EINTR)
        rc = -errno;
    file->fd = -1;
    return rc;
}

int asyncio_file_close(asyncio_file_t *file)
{
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    int rc = asyncio__operation_check(file->loop);
    if (rc < 0 || file->fd < 0)
        return rc;
    if (file->is_busy || file->at_offset)
        return fail_busy();
    file->is_busy = true;
    /* A network file system writes when the last descriptor of a file is closed. */
    if (file->can_write)
        rc = asyncio__file_thread_finish(file->loop, call_close, file);
    else if ((rc = call_close(file)) < 0)
        rc = asyncio__fail(rc, NULL);
    asyncio__bytes_fini(&file->bytes);
    file->lent = 0;
    file->is_unwritten = file->is_busy = false;
    return rc;
}

asyncio_file_t *asyncio_file_ref(asyncio_file_t *file)
{
    if (file)
        file->refs++;
    return file;
}

/* The last reference to an open file was dropped: as Python's finalizer, closes it here. */
static ASYNCIO__COLD void close_dropped(asyncio_file_t *file)
{
    int rc = call_close(file);
    if (rc < 0 && !file->loop->closed)
        asyncio__loop_report(file->loop, "a file that was never closed could not be written", rc,
                             NULL, NULL, NULL, NULL);
}

void asyncio_file_unref(asyncio_file_t *file)
{
    if (!file || asyncio__loop_check_here(file->loop) < 0)
        return; /* another thread, or a forked child: leaked, because touching it would be worse */
    if (--file->refs > 0)
        return;
    if (file->fd >= 0)
        close_dropped(file);
    asyncio__bytes_fini(&file->bytes);
    asyncio__loop_drop_object(file->loop);
    asyncio__free(file, sizeof(*file));
}

/* --- coroutine objects --------------------------------------------------------------------- */

ASYNCIO__TWIN(COUNT, asyncio_file_seek, (asyncio_file_t *, file), (int64_t, offset), (int, whence))
ASYNCIO__TWIN(CODE, asyncio_file_flush, (asyncio_file_t *, file))
ASYNCIO__TWIN(CODE, asyncio_file_fsync, (asyncio_file_t *, file))
ASYNCIO__TWIN(CODE, asyncio_file_datasync, (asyncio_file_t *, file))
ASYNCIO__TWIN(CODE, asyncio_file_truncate, (asyncio_file_t *, file), (int64_t, size))
ASYNCIO__TWIN(CODE, asyncio_file_close, (asyncio_file_t *, file))
