/* SPDX-License-Identifier: MIT */
/*
 * The record of a file: a descriptor, a position, and one buffer.
 *
 * The buffer holds either bytes that were read ahead, or bytes that were written and are not yet
 * in the kernel, never both:
 *
 *     read ahead:     position is behind the buffer;   tell() is position - its size
 *     unwritten:      position is before the buffer;   tell() is position + its size
 *
 * Reading and writing name their offset, so that the position is this record's own, and a call that
 * fails or is cancelled leaves it where it was. Devices without a position use offset -1. Calls
 * that use the buffer or the position exclude each other: begin() refuses the second one. pread()
 * and pwrite() may run beside anything but a close.
 *
 * Must not know: transports, sockets.
 */
#ifndef ASYNCIO__FILE_FILE_H
#define ASYNCIO__FILE_FILE_H

#include <asyncio/file.h>

#include "base/bytes.h"
#include "loop/loop.h"

/* The sizes below which calls are tried on the loop's thread, and of the pieces that are read and
 * written at once in other threads. */
#define ASYNCIO__FILE_INLINE_BYTES 65536
#define ASYNCIO__FILE_PIECE_BYTES  262144

struct asyncio_file {
    unsigned refs;          /* references */
    int fd;                 /* the descriptor; -1 once it is closed */
    asyncio_loop_t *loop;   /* held */
    int64_t position;       /* of the kernel's side of the buffer; see above */
    asyncio__bytes_t bytes; /* read ahead, or unwritten */
    size_t lent;            /* of them, returned by the last call: consumed by the next one */
    unsigned at_offset;     /* calls of pread() and pwrite() that run */
    bool is_unwritten;      /* bytes holds what write() was given */
    bool is_busy;           /* a call runs that uses the buffer or the position */
    bool can_read;          /* the mode allows it */
    bool can_write;         /* likewise */
    bool appends;           /* each write goes to the end */
    bool has_position;      /* it can be sought; else offsets are -1 */
    bool is_regular;        /* io_uring may read and write it */
    bool lacks_nowait;      /* it cannot be read without waiting: do not try */
};

/* Begins a call that uses the buffer and the position, inside a coroutine of the file's loop: 0, or
 * an error. The file stays alive until asyncio__file_end(). Consumes what was lent. */
int asyncio__file_begin(asyncio_file_t *file);
void asyncio__file_end(asyncio_file_t *file);

/* The same for a call that uses neither. */
int asyncio__file_begin_at(asyncio_file_t *file);
void asyncio__file_end_at(asyncio_file_t *file);

/* Fails with -EBADF where the mode does not allow reading or writing. */
int asyncio__file_check_readable(const asyncio_file_t *file);
int asyncio__file_check_writable(const asyncio_file_t *file);

/* Where the next byte is read or written. */
static inline int64_t asyncio__file_tell(const asyncio_file_t *file)
{
    int64_t count = (int64_t)asyncio__bytes_count(&file->bytes);
    return file->position + (file->is_unwritten ? count : (int64_t)file->lent - count);
}

/* Reads size bytes at an offset (-1: the device's own position), fewer only at the end of the file:
 * a count, or an error. May suspend. */
ssize_t asyncio__file_read_at(asyncio_file_t *file, void *buffer, size_t size, int64_t offset);

/* Writes what is unwritten: 0 or an error; what was written before it has left the buffer. */
int asyncio__file_write_out(asyncio_file_t *file);

/* Empties the buffer, written or not read, and keeps asyncio__file_tell(): 0 or an error. */
int asyncio__file_settle(asyncio_file_t *file);

/* Before a call on the loop's thread that is expected to take a microsecond: 0, or what was thrown
 * into the task. A task makes 16 of them in a row before others run. */
int asyncio__file_spend(asyncio_loop_t *loop);

#endif
