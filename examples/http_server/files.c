/* SPDX-License-Identifier: MIT */
/*
 * Serving files: a path is decoded, opened below the root's descriptor, and sent by sendfile.
 *
 * The file is opened with O_PATH first, which needs no right to read, cannot block (a FIFO would
 * wait for its writer), and is enough for its size and time. Only what is sent is opened to be
 * read.
 */
#include "files.h"

#include "conditions.h"
#include "response.h"

#include <asyncio/sendfile.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_FLAGS (O_PATH | O_CLOEXEC)

/* How much of a file is sent within settings->send_timeout. */
#define PIECE_BYTES 262144

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/*
 * Decodes %XX in the path of a target, without its query. Refuses a NUL and a backslash, which no
 * honest path has, and ".." as a name. The path loses its first slashes: it is relative to the
 * root. ret_path has room for REQUEST_TARGET_BYTES + 16.
 */
static bool decode(const char *target, char *ret_path)
{
    char *out = ret_path;
    for (const char *in = target; *in != '\0' && *in != '?'; in++) {
        int c = (unsigned char)*in;
        if (c == '%') {
            int high = hex_digit(in[1]);
            int low = high >= 0 ? hex_digit(in[2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            in += 2;
        }
        if (c == '\0' || c == '\\')
            return false;
        if (c != '/' || out > ret_path)
            *out++ = (char)c;
    }
    *out = '\0';
    for (const char *name = ret_path; name != NULL; name = strchr(name, '/')) {
        name += name[0] == '/';
        if (strncmp(name, "..", 2) == 0 && (name[2] == '/' || name[2] == '\0'))
            return false;
    }
    return true;
}

/* For kernels before 5.6: opens name by name, and follows no symbolic link at all. */
static int open_by_names(int root, const char *path)
{
    int fd = openat(root, ".", PATH_FLAGS);
    while (fd >= 0 && *path != '\0') {
        char name[256];
        size_t size = strcspn(path, "/");
        if (size >= sizeof(name)) {
            close(fd);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, size);
        name[size] = '\0';
        int below = size > 0 ? openat(fd, name, PATH_FLAGS | O_NOFOLLOW) : dup(fd);
        close(fd);
        fd = below;
        path += size + strspn(path + size, "/");
    }
    return fd;
}

/* Opens a path below the root. Symbolic links within the root are followed. */
static int open_below(int root, const char *path)
{
    struct open_how how = {
        .flags = PATH_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path[0] != '\0' ? path : ".", &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_by_names(root, path);
    return fd < 0 ? -errno : fd;
}

static const char *type_of(const char *path)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        {"html", "text/html; charset=utf-8"},  {"htm", "text/html; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},  {"css", "text/css; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"}, {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"}, {"json", "application/json"},
        {"xml", "application/xml"},    {"pdf", "application/pdf"},   {"wasm", "application/wasm"},
        {"zip", "application/zip"},    {"gz", "application/gzip"},   {"svg", "image/svg+xml"},
        {"png", "image/png"},          {"jpg", "image/jpeg"},        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},          {"webp", "image/webp"},       {"avif", "image/avif"},
        {"ico", "image/x-icon"},       {"woff", "font/woff"},        {"woff2", "font/woff2"},
        {"mp3", "audio/mpeg"},         {"ogg", "audio/ogg"},         {"mp4", "video/mp4"},
        {"webm", "video/webm"},
    };
    const char *name = strrchr(path, '/');
    const char *ending = strrchr(name != NULL ? name : path, '.');
    for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasecmp(ending + 1, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* A folder's links are relative to it, so its path must end with a slash. The slashes at the
 * beginning become one: "//host/" would be a redirect to another host. */
static int redirect_to_folder(connection_t *connection)
{
    const char *target = connection->request.target;
    target += strspn(target, "/") - 1;
    int size = (int)strcspn(target, "?");
    char *fields;
    if (asprintf(&fields, "Location: %.*s/%s\r\n", size, target, target + size) < 0)
        return response_status(connection, 503, "");
    int rc = strlen(fields) < 1024 ? response_status(connection, 301, fields)
                                   : response_status(connection, 404, "");
    free(fields);
    return rc;
}

static int respond_to_error(connection_t *connection, int error)
{
    switch (error) {
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN: /* of openat2: the path has changed meanwhile */
        return response_status(connection, 503, "");
    case -EACCES:
    case -EPERM:
    case -EXDEV: /* of openat2: the path leads out of the root */
        return response_status(connection, 403, "");
    case -EIO:
        return response_status(connection, 500, "");
    default:
        return response_status(connection, 404, "");
    }
}

/* Sends a part of a file. One that has become shorter meanwhile cannot be completed. */
static int send_part(connection_t *connection, asyncio_file_t *file, part_t part)
{
    while (part.size > 0) {
        asyncio_sendfile_options_t options = {
            .size = sizeof(options),
            .offset = part.offset,
            .count = part.size < PIECE_BYTES ? part.size : PIECE_BYTES,
        };
        asyncio_timeout_t deadline;
        int rc = asyncio_timeout_enter(&deadline, connection->worker->settings->send_timeout);
        if (rc < 0)
            return rc;
        ssize_t sent = asyncio_stream_writer_sendfile(connection->writer, file, &options);
        rc = asyncio_timeout_exit(&deadline, sent > 0 ? 0 : sent < 0 ? (int)sent : -EIO);
        if (rc < 0) {
            asyncio_stream_writer_abort(connection->writer); /* else it would look complete */
            return rc;
        }
        connection->sent += (uint64_t)sent;
        part.offset += sent;
        part.size -= sent;
    }
    return 0;
}

/* Sends the head, and the file or a part of it. fd is of the file, opened with O_PATH. */
static int send_file(connection_t *connection, int fd, const char *path, const struct stat *status)
{
    validators_t validators = validators_of(status);
    part_t part;
    char fields[256];
    int code = conditions_check(&connection->request, &validators, status->st_size, &part);
    int size = snprintf(fields, sizeof(fields), "ETag: %s\r\nLast-Modified: %s\r\n"
                        "Accept-Ranges: bytes\r\n", validators.etag, validators.modified);
    if (code == 304)
        return response_send(connection, 304, "", "", 0, fields);
    if (code == 416) {
        snprintf(fields, sizeof(fields), "Content-Range: bytes */%jd\r\n",
                 (intmax_t)status->st_size);
        return response_status(connection, 416, fields);
    }
    if (code == 206)
        snprintf(fields + size, sizeof(fields) - (size_t)size,
                 "Content-Range: bytes %" PRId64 "-%" PRId64 "/%jd\r\n", part.offset,
                 part.offset + part.size - 1, (intmax_t)status->st_size);
    asyncio_file_t *file = NULL;
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd); /* opens the same file to be read */
    bool has_body = response_has_body(connection, code) && part.size > 0;
    int rc = has_body ? asyncio_open(name, "rb", &file) : 0;
    if (rc < 0)
        return rc == -ECANCELED ? rc : respond_to_error(connection, rc);
    rc = response_begin(connection, code, type_of(path), part.size, fields);
    if (rc == 0 && has_body)
        rc = send_part(connection, file, part);
    asyncio_file_unref(file);
    return rc;
}

int files_open_root(const char *root)
{
    int fd = open(root, PATH_FLAGS | O_DIRECTORY);
    return fd < 0 ? -errno : fd;
}

int files_respond(connection_t *connection, int root)
{
    char path[REQUEST_TARGET_BYTES + 16];
    if (!decode(connection->request.target, path))
        return response_status(connection, 400, "");
    struct stat status;
    int fd = open_below(root, path);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        size_t size = strlen(path);
        close(fd);
        if (size > 0 && path[size - 1] != '/')
            return redirect_to_folder(connection);
        strcpy(path + size, "index.html");
        fd = open_below(root, path);
    }
    if (fd < 0)
        return respond_to_error(connection, fd);
    int rc = fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)
                 ? response_status(connection, 403, "")
                 : send_file(connection, fd, path, &status);
    close(fd);
    return rc;
}
