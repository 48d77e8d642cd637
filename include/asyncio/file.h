/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Files: opened, read and written without blocking the loop.
 *
 * @code
 *     asyncio_file_t *file;
 *     const char *line;
 *     ssize_t size = asyncio_open("/etc/hosts", "r", &file);
 *     if (size < 0)
 *         return (int)size;
 *     while ((size = asyncio_file_readline(file, &line)) > 0)
 *         fwrite(line, 1, (size_t)size, stdout);
 *     int rc = asyncio_file_close(file);
 *     asyncio_file_unref(file);
 *     return size < 0 ? (int)size : rc;
 * @endcode
 *
 * asyncio has no files; these have the modes and the meaning of Python's open() in binary mode.
 * What the kernel has in its caches is opened and read at once, on the loop's thread, at most 16
 * times in a row before other tasks run. Everything else is done by io_uring, on its engine, or by
 * four threads that the process has for files. They work on every engine; on a virtual clock the
 * time stands still while a call on a file runs.
 *
 * A file has one position, one buffer and one user at a time: a second task that calls it meanwhile
 * gets ASYNCIO_ERUNTIME, except from asyncio_file_pread() and asyncio_file_pwrite(). Small writes
 * are collected in the buffer, up to 64 KiB, and are in the file after asyncio_file_flush(),
 * asyncio_file_close(), or any other call that needs it.
 *
 * Cancellation: a call that waits for a thread is taken out of the queue. One that the kernel or a
 * thread has begun is waited for, because it uses the caller's buffer; its result is returned, and
 * the cancellation is raised at the next suspension. A call that fails leaves the position where it
 * was, but for a write, which moves it behind what was written.
 *
 * FIFOs, sockets and folders cannot be opened as files: pipes are streams, see <asyncio/stream.h>.
 * Terminals and other devices are read as they are, and fail with -EAGAIN where they have nothing.
 */
#ifndef ASYNCIO_FILE_H
#define ASYNCIO_FILE_H

#include <asyncio/coroutine.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

ASYNCIO_BEGIN_DECLS

/** An open file. */
typedef struct asyncio_file asyncio_file_t;

/**
 * Opens a file.
 *
 * The mode has exactly one of `r` (to read; the file exists), `w` (to write; it is made, or
 * emptied), `a` (to write at its end; it is made, if need be) and `x` (to write; it must not
 * exist). `+` allows both reading and writing. `b` may be there and changes nothing: there are only
 * bytes. The permissions of a new file are 0666 without the umask. The descriptor is closed when
 * another program is executed.
 *
 * @param path      of the file
 * @param mode      as above
 * @param ret_file  where to put the file
 * @return - 0: it is open.
 *   - -ENOENT, -EACCES, -EEXIST, -EISDIR, -EMFILE or any other -errno of open(2); the error's
 *     message has the path. -EISDIR: also for a folder that is to be read.
 *   - -ENXIO: a FIFO without a reader, or a socket.
 *   - -EINVAL: path, mode or ret_file is NULL, mode is none of those, or path is a FIFO.
 *   - -ENOMEM.
 *   - -ECANCELED: the task was cancelled.
 *   - ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: path and mode are *borrowed* during the call; the file is *new*.
 * Context: inside a task.
 * Cancellation: nothing is open.
 * Twin: none; Python's `open`.
 */
ASYNCIO_API int asyncio_open(const char *path, const char *mode, asyncio_file_t **ret_file);

/** Makes the coroutine object of asyncio_open(); path and mode are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_open_coroutine(const char *path, const char *mode,
                                                        asyncio_file_t **ret_file);

/**
 * Reads at the position, which moves behind what was read.
 *
 * @param file    open for reading
 * @param buffer  where to put the bytes
 * @param size    how many to read
 * @return - the number of bytes: size, or fewer at the end of the file, 0 behind it.
 *   - -EIO or any other -errno of read(2).
 *   - -EBADF: the file is closed, or not open for reading.
 *   - -EINVAL: file or buffer is NULL.
 *   - -ENOMEM.
 *   - -EAGAIN: a device has nothing to read.
 *   - -ECANCELED: the task was cancelled; the position has not moved.
 *   - ASYNCIO_ERUNTIME: not inside a task of the file's loop, or another task uses the file.
 *
 * Ownership: buffer is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `io.BufferedReader.read`.
 */
ASYNCIO_API ssize_t asyncio_file_read(asyncio_file_t *file, void *buffer, size_t size);

/** Makes the coroutine object of asyncio_file_read(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_read_coroutine(asyncio_file_t *file, void *buffer,
                                                             size_t size);

/**
 * Reads from the position to the end of the file.
 *
 * @param file      open for reading
 * @param ret_data  where to put the address of the bytes, which a NUL follows
 * @return the number of bytes; a code as asyncio_file_read().
 *
 * Ownership: the bytes are *borrowed* from the file, until the next call on it.
 * Context: inside a task.
 * Cancellation: as asyncio_file_read().
 * Twin: none; Python's `io.RawIOBase.readall`.
 */
ASYNCIO_API ssize_t asyncio_file_readall(asyncio_file_t *file, const char **ret_data);

/** Makes the coroutine object of asyncio_file_readall(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_readall_coroutine(asyncio_file_t *file,
                                                                const char **ret_data);

/**
 * Reads a line, of any length, with its newline, which the last line of a file may lack.
 *
 * @param file      open for reading
 * @param ret_line  where to put the address of the bytes, which no NUL follows
 * @return the number of bytes, 0 at the end of the file; a code as asyncio_file_read().
 *
 * Ownership: the bytes are *borrowed* from the file, until the next call on it.
 * Context: inside a task.
 * Cancellation: as asyncio_file_read().
 * Twin: none; Python's `io.BufferedReader.readline`.
 */
ASYNCIO_API ssize_t asyncio_file_readline(asyncio_file_t *file, const char **ret_line);

/** Makes the coroutine object of asyncio_file_readline(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_readline_coroutine(asyncio_file_t *file,
                                                                 const char **ret_line);

/**
 * Reads at an offset. The position and the buffer are left alone: what asyncio_file_write() has
 * collected is not seen. Several tasks may do that at the same time.
 *
 * @param file    open for reading
 * @param buffer  where to put the bytes
 * @param size    how many to read
 * @param offset  from the beginning of the file, in bytes
 * @return as asyncio_file_read(); -EINVAL: also, offset is negative; -ESPIPE: a device without a
 *   position.
 *
 * Ownership: buffer is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: as asyncio_file_read().
 * Twin: none; Python's `os.pread`.
 */
ASYNCIO_API ssize_t asyncio_file_pread(asyncio_file_t *file, void *buffer, size_t size,
                                       int64_t offset);

/** Makes the coroutine object of asyncio_file_pread(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_pread_coroutine(asyncio_file_t *file, void *buffer,
                                                              size_t size, int64_t offset);

/**
 * Writes at the position, or at the end in mode `a`; the position moves behind it.
 *
 * Fewer than 64 KiB are collected, and an error of the disk may be reported by a later call.
 *
 * @param file  open for writing
 * @param data  what to write
 * @param size  of data, in bytes
 * @return - size: all is written or collected.
 *   - -ENOSPC, -EDQUOT, -EFBIG, -EIO or any other -errno of write(2); asyncio_file_tell() says how
 *     far it came. What is collected stays, and the next call tries again.
 *   - -EBADF: the file is closed, or not open for writing.
 *   - -EINVAL: file or data is NULL.
 *   - -ENOMEM.
 *   - -ECANCELED: the task was cancelled; asyncio_file_tell() says how far it came.
 *   - ASYNCIO_ERUNTIME: not inside a task of the file's loop, or another task uses the file.
 *
 * Ownership: data is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `io.BufferedWriter.write`.
 */
ASYNCIO_API ssize_t asyncio_file_write(asyncio_file_t *file, const void *data, size_t size);

/** Makes the coroutine object of asyncio_file_write(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_write_coroutine(asyncio_file_t *file,
                                                              const void *data, size_t size);

/**
 * Writes at an offset. The position and the buffer are left alone. In mode `a` Linux writes at the
 * end all the same.
 *
 * @param file    open for writing
 * @param data    what to write
 * @param size    of data, in bytes
 * @param offset  from the beginning of the file, in bytes
 * @return as asyncio_file_write(); on failure a part may have been written; -EINVAL: also, offset
 *   is negative; -ESPIPE: a device without a position.
 *
 * Ownership: data is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: as asyncio_file_write().
 * Twin: none; Python's `os.pwrite`.
 */
ASYNCIO_API ssize_t asyncio_file_pwrite(asyncio_file_t *file, const void *data, size_t size,
                                        int64_t offset);

/** Makes the coroutine object of asyncio_file_pwrite(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_pwrite_coroutine(asyncio_file_t *file,
                                                               const void *data, size_t size,
                                                               int64_t offset);

/**
 * Moves the position; what was collected is written before.
 *
 * @param file    open
 * @param offset  in bytes; may be negative but for SEEK_SET
 * @param whence  SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA or SEEK_HOLE
 * @return - the new position, which may be behind the end of the file.
 *   - -EINVAL: file is NULL, whence is none of these, or the position would be negative.
 *   - -EOVERFLOW, -ENXIO: as lseek(2).
 *   - -ESPIPE: a device without a position.
 *   - any code of asyncio_file_flush().
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: the position has not moved.
 * Twin: none; Python's `io.IOBase.seek`.
 */
ASYNCIO_API int64_t asyncio_file_seek(asyncio_file_t *file, int64_t offset, int whence);

/** Makes the coroutine object of asyncio_file_seek(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_seek_coroutine(asyncio_file_t *file, int64_t offset,
                                                             int whence);

/**
 * Returns the position. It is the file's own: that of its descriptor may be another.
 *
 * @param file  open
 * @return the position in bytes; -EINVAL: file is NULL; -EBADF: the file is closed; -ESPIPE: a
 *   device without a position.
 *
 * Ownership: nothing.
 * Context: the loop's thread.
 * Twin: none; Python's `io.IOBase.tell`.
 */
ASYNCIO_API int64_t asyncio_file_tell(const asyncio_file_t *file);

/**
 * Sets the size of the file: cuts it, or fills it up with zeroes. The position does not move.
 *
 * @param file  open for writing
 * @param size  in bytes
 * @return - 0, or -EFBIG, -EPERM or any other -errno of ftruncate(2).
 *   - -EINVAL: file is NULL, or size is negative.
 *   - any code of asyncio_file_flush().
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `io.IOBase.truncate`.
 */
ASYNCIO_API int asyncio_file_truncate(asyncio_file_t *file, int64_t size);

/** Makes the coroutine object of asyncio_file_truncate(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_truncate_coroutine(asyncio_file_t *file,
                                                                 int64_t size);

/**
 * Hands what was collected to the kernel. A program that crashes after that loses nothing; a
 * machine that does may: see asyncio_file_fsync().
 *
 * @param file  open
 * @return 0, or a code as asyncio_file_write(): what could not be written stays collected.
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `io.BufferedWriter.flush`.
 */
ASYNCIO_API int asyncio_file_flush(asyncio_file_t *file);

/** Makes the coroutine object of asyncio_file_flush(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_flush_coroutine(asyncio_file_t *file);

/**
 * Hands what was collected to the kernel, and waits until the disk has the file.
 *
 * @param file  open
 * @return 0; -EIO, -ENOSPC or any other -errno of fsync(2); any code of asyncio_file_flush().
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.fsync`.
 */
ASYNCIO_API int asyncio_file_fsync(asyncio_file_t *file);

/** Makes the coroutine object of asyncio_file_fsync(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_fsync_coroutine(asyncio_file_t *file);

/**
 * As asyncio_file_fsync(), without what is not needed to read the data again, such as times.
 *
 * @param file  open
 * @return as asyncio_file_fsync().
 *
 * Ownership: nothing.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.fdatasync`.
 */
ASYNCIO_API int asyncio_file_datasync(asyncio_file_t *file);

/** Makes the coroutine object of asyncio_file_datasync(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_datasync_coroutine(asyncio_file_t *file);

/**
 * Returns the descriptor, for calls that the library does not have, such as fstat(2).
 *
 * @param file  open
 * @return the descriptor; -EINVAL: file is NULL; -EBADF: the file is closed.
 *
 * Ownership: the descriptor is *borrowed* as long as the file is open.
 * Context: the loop's thread.
 * Twin: none; Python's `io.IOBase.fileno`.
 */
ASYNCIO_API int asyncio_file_fileno(const asyncio_file_t *file);

/**
 * Writes what was collected, and closes the file. It is closed then, whatever is returned: an error
 * says that what was collected may not be in the file. The second time it is a no-op.
 *
 * @param file  open or closed
 * @return - 0, or a code as asyncio_file_write().
 *   - ASYNCIO_ERUNTIME: not inside a task of the file's loop, or another task uses the file, which
 *     stays open.
 *
 * Ownership: the reference stays the caller's.
 * Context: inside a task.
 * Cancellation: the file is closed all the same; the cancellation is raised at the next suspension.
 * Twin: none; Python's `io.IOBase.close`.
 */
ASYNCIO_API int asyncio_file_close(asyncio_file_t *file);

/** Makes the coroutine object of asyncio_file_close(). */
ASYNCIO_API asyncio_coroutine_t *asyncio_file_close_coroutine(asyncio_file_t *file);

/**
 * Takes another reference.
 *
 * @param file  NULL is allowed
 * @return file.
 *
 * Ownership: the reference is *new*.
 * Context: the loop's thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_file_t *asyncio_file_ref(asyncio_file_t *file);

/**
 * Gives a reference up. The last one of an open file closes it, and blocks the loop while it writes
 * what was collected; an error of that is reported to the loop's exception handler.
 *
 * @param file  NULL is allowed
 *
 * Ownership: file is *taken*.
 * Context: the loop's thread; the loop may be closed.
 * Twin: none; Python's `io.IOBase.__del__`.
 */
ASYNCIO_API void asyncio_file_unref(asyncio_file_t *file);

ASYNCIO_END_DECLS

#endif
