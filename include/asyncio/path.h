/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Paths: whole files, folders, and what there is to do with a name.
 *
 * @code
 *     void *data;
 *     size_t size;
 *     int rc = asyncio_path_read("settings.json", &data, &size);
 *     if (rc == 0) {
 *         rc = asyncio_path_write("settings.new", data, size);
 *         if (rc == 0)
 *             rc = asyncio_path_rename("settings.new", "settings.json");
 *         asyncio_free(data);
 *     }
 * @endcode
 *
 * Each call is one of the system, made by one of the threads that the process has for files, except
 * where <asyncio/file.h> says that a file is opened or read at once. The message of an error has
 * the path. A cancellation takes a call that has not begun out of the queue; one that has begun is
 * waited for, and its result stands.
 */
#ifndef ASYNCIO_PATH_H
#define ASYNCIO_PATH_H

#include <asyncio/coroutine.h>
#include <asyncio/memory.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

ASYNCIO_BEGIN_DECLS

/** An entry of a folder. */
typedef struct asyncio_dir_entry {
    const char *name; /**< without the folder's path */
    mode_t type;      /**< for S_ISREG(), S_ISDIR(), S_ISLNK(), …; 0: ask asyncio_path_stat() */
} asyncio_dir_entry_t;

/**
 * Reads a whole file.
 *
 * @param path      of the file
 * @param ret_data  where to put the address of the bytes, which a NUL follows
 * @param ret_size  where to put their number, without the NUL
 * @return 0; any code of asyncio_open() and asyncio_file_readall().
 *
 * Ownership: the bytes are *new*: asyncio_free() frees them.
 * Context: inside a task.
 * Cancellation: nothing is returned.
 * Twin: none; Python's `pathlib.Path.read_bytes`.
 */
ASYNCIO_API int asyncio_path_read(const char *path, void **ret_data, size_t *ret_size);

/** Makes the coroutine object of asyncio_path_read(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_read_coroutine(const char *path, void **ret_data,
                                                             size_t *ret_size);

/**
 * Writes a whole file, which is made or replaced in place.
 *
 * @param path  of the file
 * @param data  what to write
 * @param size  of data, in bytes
 * @return 0; any code of asyncio_open(), asyncio_file_write() and asyncio_file_close(): the file
 *   then holds a part.
 *
 * Ownership: data is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: the file may hold a part.
 * Twin: none; Python's `pathlib.Path.write_bytes`.
 */
ASYNCIO_API int asyncio_path_write(const char *path, const void *data, size_t size);

/** Makes the coroutine object of asyncio_path_write(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_write_coroutine(const char *path, const void *data,
                                                              size_t size);

/**
 * Says what a path is; a symbolic link is followed.
 *
 * @param path      of anything
 * @param ret_stat  where to put it
 * @return 0; -ENOENT or any other -errno of stat(2); -EINVAL: path or ret_stat is
 *   NULL; -ECANCELED; ASYNCIO_ERUNTIME: not inside a task.
 *
 * Ownership: ret_stat is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.stat`.
 */
ASYNCIO_API int asyncio_path_stat(const char *path, struct stat *ret_stat);

/** Makes the coroutine object of asyncio_path_stat(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_stat_coroutine(const char *path,
                                                             struct stat *ret_stat);

/**
 * Removes a file.
 *
 * @param path  of the file
 * @return 0; -ENOENT or any other -errno of unlink(2); else as asyncio_path_stat().
 *
 * Ownership: path is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.unlink`.
 */
ASYNCIO_API int asyncio_path_unlink(const char *path);

/** Makes the coroutine object of asyncio_path_unlink(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_unlink_coroutine(const char *path);

/**
 * Renames a file or a folder; a file of that name is replaced.
 *
 * @param path    the name that it has
 * @param target  the name that it gets, on the same file system
 * @return 0; -ENOENT, -EXDEV or any other -errno of rename(2); else as asyncio_path_stat().
 *
 * Ownership: both are *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.rename`.
 */
ASYNCIO_API int asyncio_path_rename(const char *path, const char *target);

/** Makes the coroutine object of asyncio_path_rename(); both are copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_rename_coroutine(const char *path,
                                                               const char *target);

/**
 * Makes a folder.
 *
 * @param path  of the folder
 * @param mode  its permissions, of which the umask is taken away
 * @return 0; -EEXIST or any other -errno of mkdir(2); else as asyncio_path_stat().
 *
 * Ownership: path is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.mkdir`.
 */
ASYNCIO_API int asyncio_path_mkdir(const char *path, mode_t mode);

/** Makes the coroutine object of asyncio_path_mkdir(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_mkdir_coroutine(const char *path, mode_t mode);

/**
 * Removes an empty folder.
 *
 * @param path  of the folder
 * @return 0; -ENOTEMPTY or any other -errno of rmdir(2); else as asyncio_path_stat().
 *
 * Ownership: path is *borrowed* during the call.
 * Context: inside a task.
 * Cancellation: see above.
 * Twin: none; Python's `os.rmdir`.
 */
ASYNCIO_API int asyncio_path_rmdir(const char *path);

/** Makes the coroutine object of asyncio_path_rmdir(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *asyncio_path_rmdir_coroutine(const char *path);

/**
 * Lists a folder, in the order of the file system, without `.` and `..`.
 *
 * @param path         of the folder
 * @param ret_entries  where to put the address of the entries
 * @param ret_count    where to put their number
 * @return 0; -ENOENT, -ENOTDIR or any other -errno of open(2) and getdents(2); -ENOMEM; else as
 *   asyncio_path_stat().
 *
 * Ownership: the entries are *new*: one asyncio_free() frees them with their names.
 * Context: inside a task.
 * Cancellation: nothing is returned.
 * Twin: none; Python's `os.scandir`.
 */
ASYNCIO_API int asyncio_path_scandir(const char *path, asyncio_dir_entry_t **ret_entries,
                                     size_t *ret_count);

/** Makes the coroutine object of asyncio_path_scandir(); path is copied. */
ASYNCIO_API asyncio_coroutine_t *
asyncio_path_scandir_coroutine(const char *path, asyncio_dir_entry_t **ret_entries,
                               size_t *ret_count);

ASYNCIO_END_DECLS

#endif
