/* SPDX-License-Identifier: MIT */
/*
 * Writing to files. Small writes are collected in the file's buffer, because a write in another
 * thread costs twenty times as much as its copy; what does not fit is written in pieces, by
 * io_uring or by a worker thread.
 */
#include "file/file_write.h"

#include <string.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "file/file_thread.h"
#include "net/operation.h"
#include "task/twin.h"

/* A write, made by a thread. */
typedef struct piece {
    int fd;           /* of the file */
    const void *data; /* what is written */
    size_t size;      /* of data */
    int64_t offset;   /* where; -1: at the descriptor's position, or at the end */
} piece_t;

static int call_write(void *arg)
{
    const piece_t *piece = arg;
    ssize_t count;
    do
        count = piece->offset < 0
                    ? asyncio__sys.write(piece->fd, piece->data, piece->size)
                    : asyncio__sys.pwrite(piece->fd, piece->data, piece->size, piece->offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)count;
}

static piece_t piece_of(const asyncio_file_t *file, const void *data, size_t size, int64_t offset)
{
    size = size < ASYNCIO__FILE_PIECE_BYTES ? size : ASYNCIO__FILE_PIECE_BYTES;
    return (piece_t){file->fd, data, size, file->has_position && !file->appends ? offset : -1};
}

/* Writes a piece of the bytes at an offset: a count above 0, or an error. */
static int write_piece(asyncio_file_t *file, const void *data, size_t size, int64_t offset)
{
    piece_t piece = piece_of(file, data, size, offset);
    asyncio__engine_t *engine = file->loop->engine;
    asyncio__file_t *registered = NULL;
    int rc;
    if (engine->is_async_on_files && file->is_regular &&
        engine->class->open_file(engine, file->fd, ASYNCIO__FILE_REGULAR, &registered) == 0) {
        asyncio__operation_t op = {.kind = ASYNCIO__WRITE,
                                   .file = registered,
                                   .buffer = (void *)piece.data,
                                   .size = piece.size,
                                   .offset = piece.offset};
        rc = asyncio__operation_await(file->loop, &op);
        if (!file->loop->closed) /* else the engine has ended it */
            asyncio__ignore(engine->class->detach_file(engine, registered));
    } else {
        rc = asyncio__file_thread_call(file->loop, call_write, &piece);
    }
    return rc == 0 ? asyncio__fail(-EIO, "nothing could be written") : rc;
}

/* After a write of count bytes: where the next one goes. */
static void advance(asyncio_file_t *file, int count)
{
    file->position += count;
    if (file->appends && file->has_position)
        file->position = asyncio__sys.lseek(file->fd, 0, SEEK_CUR);
}

static void consume(asyncio_file_t *file, int count)
{
    file->bytes.start += (size_t)count;
    file->is_unwritten = asyncio__bytes_count(&file->bytes) > 0;
    asyncio__bytes_trim(&file->bytes);
    advance(file, count);
}

int asyncio__file_write_out(asyncio_file_t *file)
{
    while (file->is_unwritten) {
        const asyncio__bytes_t *bytes = &file->bytes;
        int count = write_piece(file, bytes->data + bytes->start, asyncio__bytes_count(bytes),
                                file->position);
        if (count < 0)
            return count;
        consume(file, count);
    }
    return 0;
}

int asyncio__file_write_out_here(asyncio_file_t *file)
{
    while (file->is_unwritten) {
        const asyncio__bytes_t *bytes = &file->bytes;
        piece_t piece = piece_of(file, bytes->data + bytes->start, asyncio__bytes_count(bytes),
                                 file->position);
        int count = call_write(&piece);
        if (count <= 0)
            return count < 0 ? count : -EIO;
        consume(file, count);
    }
    return 0;
}

/* Puts the bytes into the buffer. */
static int collect(asyncio_file_t *file, const void *data, size_t size)
{
    if (asyncio__bytes_reserve(&file->bytes, size) < 0)
        return asyncio__fail(-ENOMEM, NULL);
    memcpy(file->bytes.data + file->bytes.end, data, size);
    file->bytes.end += size;
    file->is_unwritten = true;
    return 0;
}

/* Writes the bytes behind what is unwritten. */
static int write_bytes(asyncio_file_t *file, const char *data, size_t size)
{
    int rc = file->is_unwritten ? 0 : asyncio__file_settle(file); /* drops what was read ahead */
    if (rc == 0)
        rc = asyncio__file_spend(file->loop);
    if (rc < 0 || size == 0)
        return rc;
    size_t unwritten = asyncio__bytes_count(&file->bytes);
    if (size <= ASYNCIO__FILE_INLINE_BYTES - unwritten)
        return collect(file, data, size);
    rc = asyncio__file_write_out(file);
    if (rc == 0 && size < ASYNCIO__FILE_INLINE_BYTES)
        return collect(file, data, size);
    while (rc >= 0 && size > 0) {
        rc = write_piece(file, data, size, file->position);
        if (rc > 0) {
            advance(file, rc);
            data += rc;
            size -= (size_t)rc;
        }
    }
    return rc < 0 ? rc : 0;
}

ssize_t asyncio_file_write(asyncio_file_t *file, const void *data, size_t size)
{
    if (!data && size)
        return asyncio__fail(-EINVAL, "\"data\" must not be NULL");
    int rc = asyncio__file_begin(file);
    if (rc < 0)
        return rc;
    rc = asyncio__file_check_writable(file);
    if (rc == 0)
        rc = write_bytes(file, data, size);
    asyncio__file_end(file);
    return rc < 0 ? rc : (ssize_t)size;
}

ssize_t asyncio_file_pwrite(asyncio_file_t *file, const void *data, size_t size, int64_t offset)
{
    if ((!data && size) || offset < 0)
        return asyncio__fail(-EINVAL, "\"data\" must not be NULL, and \"offset\" not negative");
    int rc = asyncio__file_begin_at(file);
    if (rc < 0)
        return rc;
    rc = asyncio__file_check_writable(file);
    if (rc == 0 && !file->has_position)
        rc = asyncio__fail(-ESPIPE, "the file has no position");
    size_t written = 0;
    while (rc >= 0 && written < size) {
        rc = write_piece(file, (const char *)data + written, size - written,
                         offset + (int64_t)written);
        if (rc > 0)
            written += (size_t)rc;
    }
    asyncio__file_end_at(file);
    return rc < 0 ? rc : (ssize_t)size;
}

ASYNCIO__TWIN(COUNT, asyncio_file_write, (asyncio_file_t *, file), (const void *, data),
              (size_t, size))
ASYNCIO__TWIN(COUNT, asyncio_file_pwrite, (asyncio_file_t *, file), (const void *, data),
              (size_t, size), (int64_t, offset))
