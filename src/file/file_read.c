/* SPDX-License-Identifier: MIT */
/*
 * Reading from files. What the page cache holds is read at once, by preadv2(RWF_NOWAIT) on the
 * loop's thread; the rest by io_uring, or by a worker thread.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "file/file.h"
#include "file/file_thread.h"
#include "net/operation.h"
#include "task/twin.h"

/* How much is read ahead when a line is searched. */
#define AHEAD_BYTES 8192

/* A read, made by a thread. */
typedef struct piece {
    int fd;         /* of the file */
    void *buffer;   /* where the bytes go */
    size_t size;    /* of buffer */
    int64_t offset; /* where they are; -1: at the descriptor's position */
} piece_t;

static int call_read(void *arg)
{
    const piece_t *piece = arg;
    ssize_t count;
    do
        count = piece->offset < 0
                    ? asyncio__sys.read(piece->fd, piece->buffer, piece->size)
                    : asyncio__sys.pread(piece->fd, piece->buffer, piece->size, piece->offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)count;
}

/* Whether a read of that size is tried on the loop's thread. */
static bool can_try_now(const asyncio_file_t *file, size_t size)
{
    return !file->lacks_nowait && size < ASYNCIO__FILE_PIECE_BYTES;
}

/* Reads what can be read without waiting: a count, 0 at the end, or -EAGAIN: nothing can. Any error
 * is left to the read that may wait. */
static int read_now(asyncio_file_t *file, void *buffer, size_t size, int64_t offset)
{
    struct iovec part = {buffer, size};
    if (size > ASYNCIO__FILE_INLINE_BYTES)
        part.iov_len = ASYNCIO__FILE_INLINE_BYTES;
    ssize_t count = asyncio__sys.preadv2(file->fd, &part, 1, offset, RWF_NOWAIT);
    if (count < 0) {
        file->lacks_nowait = errno == EOPNOTSUPP || errno == ENOSYS;
        return -EAGAIN;
    }
    file->loop->engine->inlined++;
    return (int)count;
}

/* Reads at least one byte, if there is one: a count, 0 at the end, or an error. */
static int read_piece(asyncio_file_t *file, void *buffer, size_t size, int64_t offset)
{
    int rc;
    if (can_try_now(file, size)) {
        rc = asyncio__file_spend(file->loop);
        if (rc < 0)
            return rc;
        rc = read_now(file, buffer, size, offset);
        if (rc != -EAGAIN)
            return rc;
    }
    size = size < ASYNCIO__FILE_PIECE_BYTES ? size : ASYNCIO__FILE_PIECE_BYTES;
    piece_t piece = {file->fd, buffer, size, offset};
    asyncio__engine_t *engine = file->loop->engine;
    asyncio__file_t *registered;
    if (!engine->is_async_on_files || !file->is_regular ||
        engine->class->open_file(engine, file->fd, ASYNCIO__FILE_REGULAR, &registered) < 0)
        return asyncio__file_thread_call(file->loop, call_read, &piece);
    asyncio__operation_t op = {.kind = ASYNCIO__READ,
                               .file = registered,
                               .buffer = buffer,
                               .size = size,
                               .offset = offset};
    rc = asyncio__operation_await(file->loop, &op);
    if (!file->loop->closed) /* else the engine has ended it */
        asyncio__ignore(engine->class->detach_file(engine, registered));
    return rc;
}

ssize_t asyncio__file_read_at(asyncio_file_t *file, void *buffer, size_t size, int64_t offset)
{
    size_t count = 0;
    int rc = 1;
    while (count < size && rc > 0) {
        rc = read_piece(file, (char *)buffer + count, size - count,
                        offset < 0 ? -1 : offset + (int64_t)count);
        if (rc > 0)
            count += (size_t)rc;
        if (rc > 0 && offset < 0)
            break; /* a device: what there is */
    }
    return rc < 0 ? rc : (ssize_t)count;
}

/* The offset at which the kernel reads next. */
static int64_t kernel_position(const asyncio_file_t *file)
{
    return file->has_position ? file->position : -1;
}

/* Begins a call that reads at the position: 0, or an error. */
static int begin_reading(asyncio_file_t *file, bool has_arguments, const char *missing)
{
    if (!has_arguments)
        return asyncio__fail(-EINVAL, missing);
    int rc = asyncio__file_begin(file);
    if (rc < 0)
        return rc;
    rc = asyncio__file_check_readable(file);
    if (rc == 0 && file->is_unwritten)
        rc = asyncio__file_write_out(file);
    if (rc < 0)
        asyncio__file_end(file);
    return rc;
}

static ssize_t end(asyncio_file_t *file, ssize_t result)
{
    asyncio__file_end(file);
    return result;
}

static size_t copy_out(asyncio_file_t *file, void *buffer, size_t size)
{
    size_t count = asyncio__bytes_count(&file->bytes);
    count = count < size ? count : size;
    if (count)
        memcpy(buffer, file->bytes.data + file->bytes.start, count);
    return count;
}

/* Reads size bytes, first of what was read ahead; if the rest fails that stays there. */
static ssize_t read_bytes(asyncio_file_t *file, char *buffer, size_t size)
{
    size_t ahead = copy_out(file, buffer, size);
    ssize_t count = 0;
    if (ahead < size) {
        count = asyncio__file_read_at(file, buffer + ahead, size - ahead, kernel_position(file));
        if (count < 0)
            return count;
    }
    file->bytes.start += ahead;
    asyncio__bytes_trim(&file->bytes);
    file->position += count;
    return (ssize_t)ahead + count;
}

ssize_t asyncio_file_read(asyncio_file_t *file, void *buffer, size_t size)
{
    int rc = begin_reading(file, buffer || !size, "\"buffer\" must not be NULL");
    return rc < 0 ? rc : end(file, read_bytes(file, buffer, size));
}

ssize_t asyncio_file_pread(asyncio_file_t *file, void *buffer, size_t size, int64_t offset)
{
    if ((!buffer && size) || offset < 0)
        return asyncio__fail(-EINVAL, "\"buffer\" must not be NULL, and \"offset\" not negative");
    int rc = asyncio__file_begin_at(file);
    if (rc < 0)
        return rc;
    rc = asyncio__file_check_readable(file);
    if (rc == 0 && !file->has_position)
        rc = asyncio__fail(-ESPIPE, "the file has no position");
    ssize_t result = rc < 0 ? rc : asyncio__file_read_at(file, buffer, size, offset);
    asyncio__file_end_at(file);
    return result;
}

/* Reads more into the file's own buffer: a count, 0 at the end, or an error. */
static ssize_t read_ahead(asyncio_file_t *file, size_t size)
{
    if (asyncio__bytes_reserve(&file->bytes, size) < 0)
        return asyncio__fail(-ENOMEM, NULL);
    ssize_t count = asyncio__file_read_at(file, file->bytes.data + file->bytes.end, size,
                                          kernel_position(file));
    if (count > 0) {
        file->bytes.end += (size_t)count;
        file->position += count;
    }
    return count;
}

/* Lends the first count bytes of the buffer. */
static ssize_t lend(asyncio_file_t *file, size_t count, const char **ret_data)
{
    *ret_data = file->bytes.data ? file->bytes.data + file->bytes.start : "";
    file->lent = count;
    return (ssize_t)count;
}

/* How much is left of the file, as far as its size tells. */
static size_t left_of(const asyncio_file_t *file)
{
    struct stat status;
    if (!file->is_regular || asyncio__sys.fstat(file->fd, &status) < 0 ||
        status.st_size <= file->position)
        return 0;
    return (size_t)(status.st_size - file->position);
}

/* The size is a hint only: files of /proc have none, others grow or shrink meanwhile. */
static ssize_t read_all(asyncio_file_t *file, const char **ret_data)
{
    size_t size = left_of(file) + 1; /* one more, to see the end */
    ssize_t count;
    do {
        size = size > 1 ? size : AHEAD_BYTES;
        count = read_ahead(file, size);
        if (file->has_position && count >= 0 && (size_t)count < size)
            count = 0; /* that was the end */
        size = asyncio__bytes_count(&file->bytes);
    } while (count > 0);
    if (count == 0 && asyncio__bytes_reserve(&file->bytes, 1) < 0)
        count = asyncio__fail(-ENOMEM, NULL);
    if (count < 0)
        return count;
    file->bytes.data[file->bytes.end] = '\0';
    return lend(file, asyncio__bytes_count(&file->bytes), ret_data);
}

ssize_t asyncio_file_readall(asyncio_file_t *file, const char **ret_data)
{
    int rc = begin_reading(file, ret_data != NULL, "\"ret_data\" must not be NULL");
    return rc < 0 ? rc : end(file, read_all(file, ret_data));
}

static ssize_t read_line(asyncio_file_t *file, const char **ret_line)
{
    size_t searched = 0;
    ssize_t count = 1;
    for (;;) {
        const asyncio__bytes_t *bytes = &file->bytes;
        size_t buffered = asyncio__bytes_count(bytes);
        const char *data = buffered ? bytes->data + bytes->start : NULL;
        const char *found =
            buffered > searched ? memchr(data + searched, '\n', buffered - searched) : NULL;
        if (found)
            return lend(file, (size_t)(found - data) + 1, ret_line);
        if (count == 0)
            return lend(file, buffered, ret_line);
        searched = buffered;
        count = read_ahead(file, AHEAD_BYTES);
        if (count < 0)
            return count;
    }
}

ssize_t asyncio_file_readline(asyncio_file_t *file, const char **ret_line)
{
    int rc = begin_reading(file, ret_line != NULL, "\"ret_line\" must not be NULL");
    return rc < 0 ? rc : end(file, read_line(file, ret_line));
}

/* --- coroutine objects --------------------------------------------------------------------- */

ASYNCIO__TWIN(COUNT, asyncio_file_read, (asyncio_file_t *, file), (void *, buffer), (size_t, size))
ASYNCIO__TWIN(COUNT, asyncio_file_pread, (asyncio_file_t *, file), (void *, buffer),
              (size_t, size), (int64_t, offset))
ASYNCIO__TWIN(COUNT, asyncio_file_readall, (asyncio_file_t *, file), (const char **, ret_data))
ASYNCIO__TWIN(COUNT, asyncio_file_readline, (asyncio_file_t *, file), (const char **, ret_line))
