/* SPDX-License-Identifier: MIT */
/* Calls on paths, each made by a worker thread; see <asyncio/path.h>. */
#include <asyncio/path.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "file/file_thread.h"
#include "net/operation.h"
#include "task/switch.h"
#include "task/twin.h"

/* What a thread is asked for. */
typedef struct path_call {
    const char *path;          /* the program's */
    const char *target;        /* of rename() */
    mode_t mode;               /* of mkdir() */
    struct stat *ret_stat;     /* of stat() */
    asyncio__bytes_t entries;  /* of scandir(): what the kernel has returned */
} path_call_t;

/* Has a thread make the call: its result, or a code with the path in the error's message. */
static int make_call(asyncio__file_call_t *call, path_call_t *arguments)
{
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    if (!arguments->path)
        return asyncio__fail(-EINVAL, "\"path\" must not be NULL");
    if (!loop || !asyncio__thread.coroutine)
        return asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    int rc = asyncio__file_thread_call(loop, call, arguments);
    if (rc >= 0 || rc == -ECANCELED || rc <= ASYNCIO_ERUNTIME)
        return rc;
    asyncio_error_clear();
    return asyncio_raise_at(rc, NULL, "%s: \"%s\"", asyncio_strerror(rc), arguments->path);
}

static int call_stat(void *arg)
{
    const path_call_t *call = arg;
    return asyncio__sys.stat(call->path, call->ret_stat) < 0 ? -errno : 0;
}

static int call_unlink(void *arg)
{
    return asyncio__sys.unlink(((path_call_t *)arg)->path) < 0 ? -errno : 0;
}

static int call_rename(void *arg)
{
    const path_call_t *call = arg;
    return asyncio__sys.rename(call->path, call->target) < 0 ? -errno : 0;
}

static int call_mkdir(void *arg)
{
    const path_call_t *call = arg;
    return asyncio__sys.mkdir(call->path, call->mode) < 0 ? -errno : 0;
}

static int call_rmdir(void *arg)
{
    return asyncio__sys.rmdir(((path_call_t *)arg)->path) < 0 ? -errno : 0;
}

int asyncio_path_stat(const char *path, struct stat *ret_stat)
{
    if (!ret_stat)
        return asyncio__fail(-EINVAL, "\"ret_stat\" must not be NULL");
    path_call_t call = {.path = path, .ret_stat = ret_stat};
    return make_call(call_stat, &call);
}

int asyncio_path_unlink(const char *path)
{
    path_call_t call = {.path = path};
    return make_call(call_unlink, &call);
}

int asyncio_path_rename(const char *path, const char *target)
{
    if (!target)
        return asyncio__fail(-EINVAL, "\"target\" must not be NULL");
    path_call_t call = {.path = path, .target = target};
    return make_call(call_rename, &call);
}

int asyncio_path_mkdir(const char *path, mode_t mode)
{
    path_call_t call = {.path = path, .mode = mode};
    return make_call(call_mkdir, &call);
}

int asyncio_path_rmdir(const char *path)
{
    path_call_t call = {.path = path};
    return make_call(call_rmdir, &call);
}

/* --- folders ------------------------------------------------------------------------------- */

/* How much is read of a folder at once. */
#define FOLDER_BYTES 32768

/* Reads the whole folder, as the kernel writes its entries. */
static int call_scan(void *arg)
{
    path_call_t *call = arg;
    asyncio__bytes_t *bytes = &call->entries;
    int fd = asyncio__sys.open(call->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ssize_t count = 0;
    int rc;
    do {
        rc = asyncio__bytes_reserve(bytes, FOLDER_BYTES);
        if (rc == 0) {
            count = asyncio__sys.getdents64(fd, bytes->data + bytes->end,
                                            bytes->capacity - bytes->end);
            rc = count < 0 ? -errno : 0;
            bytes->end += count > 0 ? (size_t)count : 0;
        }
    } while (rc == 0 && count > 0);
    asyncio__sys.close(fd);
    return rc;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Walks over the entries: counts them, and with room writes each and its name. */
static size_t list_entries(const asyncio__bytes_t *bytes, asyncio_dir_entry_t *entries,
                           char *names, size_t *ret_names_bytes)
{
    size_t count = 0, names_bytes = 0;
    for (size_t at = bytes->start; at < bytes->end;) {
        const struct dirent64 *found = (const void *)(bytes->data + at);
        size_t size = strlen(found->d_name) + 1;
        at += found->d_reclen;
        if (is_dot(found->d_name))
            continue;
        if (entries) {
            memcpy(names + names_bytes, found->d_name, size);
            entries[count] = (asyncio_dir_entry_t){.name = names + names_bytes,
                                                   .type = DTTOIF(found->d_type)};
        }
        names_bytes += size;
        count++;
    }
    *ret_names_bytes = names_bytes;
    return count;
}

int asyncio_path_scandir(const char *path, asyncio_dir_entry_t **ret_entries, size_t *ret_count)
{
    if (!ret_entries || !ret_count)
        return asyncio__fail(-EINVAL, "\"ret_entries\" and \"ret_count\" must not be NULL");
    path_call_t call = {.path = path};
    size_t names_bytes;
    int rc = make_call(call_scan, &call);
    if (rc == 0) {
        size_t count = list_entries(&call.entries, NULL, NULL, &names_bytes);
        size_t table_bytes = count * sizeof(asyncio_dir_entry_t);
        asyncio_dir_entry_t *entries = asyncio__malloc_sized(table_bytes + names_bytes);
        if (entries) {
            list_entries(&call.entries, entries, (char *)entries + table_bytes, &names_bytes);
            *ret_entries = entries;
            *ret_count = count;
        } else {
            rc = asyncio__fail(-ENOMEM, NULL);
        }
    }
    asyncio__bytes_fini(&call.entries);
    return rc;
}

/* --- whole files --------------------------------------------------------------------------- */

/* Copies what is lent into a block of the program's, with a NUL behind it. */
static int hand_over(const char *data, size_t size, void **ret_data, size_t *ret_size)
{
    char *copy = asyncio__malloc_sized(size + 1);
    if (!copy)
        return asyncio__fail(-ENOMEM, NULL);
    memcpy(copy, data, size + 1);
    *ret_data = copy;
    *ret_size = size;
    return 0;
}

int asyncio_path_read(const char *path, void **ret_data, size_t *ret_size)
{
    asyncio_file_t *file;
    const char *data = NULL;
    if (!ret_data || !ret_size)
        return asyncio__fail(-EINVAL, "\"ret_data\" and \"ret_size\" must not be NULL");
    int rc = asyncio_open(path, "rb", &file);
    if (rc < 0)
        return rc;
    ssize_t size = asyncio_file_readall(file, &data);
    rc = size < 0 ? (int)size : hand_over(data, (size_t)size, ret_data, ret_size);
    asyncio_file_unref(file);
    return rc;
}

int asyncio_path_write(const char *path, const void *data, size_t size)
{
    asyncio_file_t *file;
    if (!data && size)
        return asyncio__fail(-EINVAL, "\"data\" must not be NULL");
    int rc = asyncio_open(path, "wb", &file);
    if (rc < 0)
        return rc;
    ssize_t written = asyncio_file_write(file, data, size);
    if (written < 0) {
        asyncio_error_t *error = asyncio_error_of((int)written);
        asyncio__ignore(asyncio_file_close(file));
        rc = asyncio_reraise(error);
        asyncio_error_unref(error);
    } else {
        rc = asyncio_file_close(file);
    }
    asyncio_file_unref(file);
    return rc;
}

/* --- coroutine objects --------------------------------------------------------------------- */

/* The path is the first argument of each call; the object keeps a copy of it. NULL stays for the
 * call to refuse. */
static int keep_path(void *arguments)
{
    const char **path = arguments;
    if (*path && !(*path = asyncio__strdup(*path)))
        return asyncio__fail(-ENOMEM, NULL);
    return 0;
}

static void drop_path(void *arguments)
{
    asyncio__free_string(*(char **)arguments);
}

static int keep_rename(void *arguments);
static void drop_rename(void *arguments);

ASYNCIO__TWIN_KEPT(CODE, asyncio_path_stat, keep_path, drop_path, (const char *, path),
                   (struct stat *, ret_stat))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_unlink, keep_path, drop_path, (const char *, path))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_rename, keep_rename, drop_rename, (const char *, path),
                   (const char *, target))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_mkdir, keep_path, drop_path, (const char *, path),
                   (mode_t, mode))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_rmdir, keep_path, drop_path, (const char *, path))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_scandir, keep_path, drop_path, (const char *, path),
                   (asyncio_dir_entry_t **, ret_entries), (size_t *, ret_count))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_read, keep_path, drop_path, (const char *, path),
                   (void **, ret_data), (size_t *, ret_size))
ASYNCIO__TWIN_KEPT(CODE, asyncio_path_write, keep_path, drop_path, (const char *, path),
                   (const void *, data), (size_t, size))

static int keep_rename(void *arguments)
{
    struct asyncio_path_rename_arguments *a = arguments;
    const char *target = a->target;
    a->target = NULL;
    int rc = keep_path(arguments);
    if (rc == 0 && target && !(a->target = asyncio__strdup(target)))
        rc = asyncio__fail(-ENOMEM, NULL);
    return rc;
}

static void drop_rename(void *arguments)
{
    struct asyncio_path_rename_arguments *a = arguments;
    asyncio__free_string((char *)a->path);
    asyncio__free_string((char *)a->target);
}
