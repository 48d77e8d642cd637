/* SPDX-License-Identifier: MIT */
/*
 * Serving files. A path is walked name by name from the root's descriptor, ".." is refused and
 * symbolic links are not followed, so that no path leads out. Files are read by plain read():
 * the kernel has small ones in its cache.
 */
#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Decodes %XX up to the query. Refuses a NUL, which no honest path contains. */
static bool decode(const char *target, char *ret_path)
{
    char *out = ret_path;
    for (const char *in = target; *in != '\0' && *in != '?' && *in != '#'; in++) {
        char c = *in;
        if (c == '%') {
            int high = hex_digit(in[1]);
            int low = high >= 0 ? hex_digit(in[2]) : -1;
            if (low < 0 || high * 16 + low == 0)
                return false;
            c = (char)(high * 16 + low);
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    return ret_path[0] == '/';
}

/* Opens one name below a folder; a FIFO must not hold the loop up, hence O_NONBLOCK. */
static int open_below(int folder, const char *name)
{
    if (strcmp(name, "..") == 0)
        return -EACCES;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Opens the file of a path, or the index.html of a folder. Cuts path into names. */
static int open_path(int root, char *path, struct stat *ret_status)
{
    char *rest = path;
    int fd = open_below(root, ".");
    for (char *name = strtok_r(path, "/", &rest); name != NULL && fd >= 0;
         name = strtok_r(NULL, "/", &rest)) {
        int below = open_below(fd, name);
        close(fd);
        fd = below;
    }
    if (fd >= 0 && fstat(fd, ret_status) == 0 && S_ISDIR(ret_status->st_mode)) {
        int below = open_below(fd, "index.html");
        close(fd);
        fd = below;
    }
    if (fd >= 0 && (fstat(fd, ret_status) < 0 || !S_ISREG(ret_status->st_mode))) {
        close(fd);
        fd = -EACCES;
    }
    return fd;
}

static const char *type_of(const char *target)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        {".html", "text/html"},       {".txt", "text/plain"}, {".css", "text/css"},
        {".js", "text/javascript"},   {".png", "image/png"},  {".jpg", "image/jpeg"},
        {".json", "application/json"}, {".svg", "image/svg+xml"},
    };
    size_t size = strcspn(target, "?#");
    if (size > 0 && target[size - 1] == '/')
        return "text/html";
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t length = strlen(types[i].ending);
        if (size >= length && strncasecmp(target + size - length, types[i].ending, length) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* Sends that number of bytes; fails if the file has shrunk, which closes the connection. */
static int send_file(const response_t *response, int fd, long long bytes)
{
    char piece[16384];
    while (bytes > 0) {
        size_t wanted = bytes < (long long)sizeof(piece) ? (size_t)bytes : sizeof(piece);
        ssize_t size = read(fd, piece, wanted);
        if (size <= 0)
            return size < 0 ? -errno : -EIO;
        int rc = asyncio_stream_writer_write(response->writer, piece, (size_t)size);
        if (rc == 0)
            rc = asyncio_stream_writer_drain(response->writer);
        if (rc < 0)
            return rc;
        bytes -= size;
    }
    return asyncio_stream_writer_drain(response->writer);
}

int files_open(const char *root)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int files_respond(const response_t *response, int root)
{
    char path[REQUEST_TARGET_BYTES];
    if (!decode(response->request->target, path))
        return response_status(response, 400);
    struct stat status;
    int fd = open_path(root, path, &status);
    if (fd == -EMFILE || fd == -ENFILE)
        return response_status(response, 503);
    if (fd < 0)
        return response_status(response, fd == -EACCES || fd == -ELOOP ? 403 : 404);
    int rc = response_begin(response, 200, type_of(response->request->target),
                            (long long)status.st_size, "");
    if (rc == 0 && !response->request->is_head)
        rc = send_file(response, fd, (long long)status.st_size);
    else if (rc == 0)
        rc = asyncio_stream_writer_drain(response->writer);
    close(fd);
    return rc;
}
