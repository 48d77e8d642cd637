/* SPDX-License-Identifier: MIT */
/*
 * Opening files. A file whose path lies in the kernel's caches is opened at once, by
 * openat2(RESOLVE_CACHED) on the loop's thread; every other one, and what creates or truncates, by
 * a worker thread. Nothing is opened that could make a read wait for somebody else, for then a
 * worker thread could not be told to stop: FIFOs and sockets are refused, and terminals are read
 * without waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "file/file_thread.h"
#include "net/operation.h"
#include "task/switch.h"
#include "task/twin.h"

/* The permissions of a new file, before the umask. */
#define NEW_FILE_MODE 0666

/* What a thread opens. */
typedef struct opening {
    const char *path; /* the program's */
    int flags;        /* of open(2) */
    int fd;           /* the descriptor, once there is one; else -1 */
} opening_t;

/* The flags of a mode of Python's open(), or -1. */
static int flags_of(const char *mode)
{
    int flags = -1;
    bool updates = false, is_binary = false;
    for (const char *at = mode; *at; at++) {
        bool *seen = *at == '+' ? &updates : *at == 'b' ? &is_binary : NULL;
        if (seen ? *seen : flags >= 0)
            return -1;
        if (seen)
            *seen = true;
        else if (*at == 'r')
            flags = O_RDONLY;
        else if (*at == 'w')
            flags = O_WRONLY | O_CREAT | O_TRUNC;
        else if (*at == 'a')
            flags = O_WRONLY | O_CREAT | O_APPEND;
        else if (*at == 'x')
            flags = O_WRONLY | O_CREAT | O_EXCL;
        else
            return -1;
    }
    return updates && flags >= 0 ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

/* In a worker thread. */
static int call_open(void *arg)
{
    opening_t *opening = arg;
    do
        opening->fd = asyncio__sys.open(opening->path, opening->flags, NEW_FILE_MODE);
    while (opening->fd < 0 && errno == EINTR);
    return opening->fd < 0 ? -errno : opening->fd;
}

/* Opens the path: a descriptor, or a code with the error slot filled. */
static int open_path(asyncio_loop_t *loop, const char *path, int flags)
{
    opening_t opening = {path, flags, -1};
    if (!(flags & O_CREAT)) {
        int rc = asyncio__file_spend(loop);
        if (rc < 0)
            return rc;
        rc = asyncio__sys.openat2_cached(path, flags);
        if (rc >= 0)
            loop->engine->inlined++;
        /* Other errors may be the kernel's refusal of the flag. */
        if (rc >= 0 || errno == ENOENT)
            return rc >= 0 ? rc : asyncio__fail(-ENOENT, NULL);
    }
    int rc = asyncio__file_thread_call(loop, call_open, &opening);
    if (rc < 0 && opening.fd >= 0)
        asyncio__sys.close(opening.fd); /* the coroutine was closed while it waited */
    return rc;
}

/* Learns what the descriptor is: 0 or -errno. */
static int examine(asyncio_file_t *file, int flags)
{
    struct stat status;
    if (asyncio__sys.fstat(file->fd, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
        return -EINVAL;
    file->is_regular = S_ISREG(status.st_mode);
    file->has_position = !S_ISCHR(status.st_mode) ||
                         asyncio__sys.lseek(file->fd, 0, SEEK_CUR) >= 0;
    file->position = file->appends && file->is_regular ? (int64_t)status.st_size : 0;
    file->lacks_nowait = !file->is_regular;
    /* io_uring takes the flag to mean that it must not wait for the disk. */
    if (file->is_regular && asyncio__sys.fcntl(file->fd, F_SETFL, flags & O_APPEND) < 0)
        return -errno;
    return 0;
}

/* Adds the path to the details of an error. */
static int fail_with_path(int code, const char *path)
{
    if (code == -ECANCELED || code <= ASYNCIO_ERUNTIME)
        return code;
    asyncio_error_clear();
    if (code == -EINVAL)
        return asyncio_raise_at(code, NULL, "\"%s\" is a FIFO or a socket: open it as a pipe, "
                                            "see asyncio_socket_from_fd()", path);
    return asyncio_raise_at(code, NULL, "%s: \"%s\"", asyncio_strerror(code), path);
}

/* Makes the record of a descriptor, which is taken: 0 or an error. */
static int make_file(asyncio_loop_t *loop, int fd, const char *path, int flags,
                     asyncio_file_t **ret_file)
{
    asyncio_file_t *file = asyncio__calloc(sizeof(*file));
    int rc = -ENOMEM;
    if (file) {
        int access = flags & O_ACCMODE;
        file->refs = 1;
        file->fd = fd;
        file->can_read = access != O_WRONLY;
        file->can_write = access != O_RDONLY;
        file->appends = flags & O_APPEND;
        rc = examine(file, flags);
    }
    if (rc == 0) {
        file->loop = asyncio__loop_hold(loop);
        *ret_file = file;
        return 0;
    }
    asyncio__free(file, sizeof(*file));
    asyncio__sys.close(fd);
    return fail_with_path(rc, path);
}

int asyncio_open(const char *path, const char *mode, asyncio_file_t **ret_file)
{
    if (!path || !mode || !ret_file)
        return asyncio__fail(-EINVAL, "\"path\", \"mode\" and \"ret_file\" must not be NULL");
    int flags = flags_of(mode);
    if (flags < 0)
        return asyncio_raise_at(-EINVAL, NULL,
                                "invalid mode: \"%s\"; it must have exactly one of \"r\", \"w\", "
                                "\"a\" and \"x\", and may have \"+\" and \"b\"", mode);
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    int rc = loop ? asyncio__before_suspension(asyncio__thread.coroutine)
                  : asyncio__fail(ASYNCIO_ERUNTIME, "no running event loop");
    if (rc < 0)
        return rc;
    /* Without the flag the open of a FIFO would wait for its other end. */
    flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    rc = open_path(loop, path, flags);
    return rc < 0 ? fail_with_path(rc, path) : make_file(loop, rc, path, flags, ret_file);
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_open(void *arguments);
static void drop_open(void *arguments);

ASYNCIO__TWIN_KEPT(CODE, asyncio_open, keep_open, drop_open, (const char *, path),
                   (const char *, mode), (asyncio_file_t **, ret_file))

/* The object keeps copies of both strings; NULL stays for the call to refuse. */
static int keep_open(void *arguments)
{
    struct asyncio_open_arguments *a = arguments;
    const char *path = a->path, *mode = a->mode;
    a->path = path ? asyncio__strdup(path) : NULL;
    a->mode = mode ? asyncio__strdup(mode) : NULL;
    bool is_kept = (!path || a->path) && (!mode || a->mode);
    return is_kept ? 0 : asyncio__fail(-ENOMEM, NULL);
}

static void drop_open(void *arguments)
{
    struct asyncio_open_arguments *a = arguments;
    asyncio__free_string((char *)a->path);
    asyncio__free_string((char *)a->mode);
}
