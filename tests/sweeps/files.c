/* SPDX-License-Identifier: MIT */
/* Files, paths, and files sent by connections: each call with what it needs failing. */
#include "sweep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char folder[64]; /* of this run */
static char names[4][96];

static const char *name_in(const char *name)
{
    static unsigned next;
    char *text = names[next++ % 4];
    snprintf(text, sizeof(names[0]), "%s/%s", folder, name);
    return text;
}

/* Awaits a coroutine object of a call: what the call returns. */
static int use_object(asyncio_coroutine_t *object)
{
    return is_there(object) ? (int)asyncio_await(object, NULL) : -ENOMEM;
}

/* A code of a call on a path: after a failure a name may be missing, or that of something else. */
#define file(rc) sweep_path((rc), #rc, __LINE__)
static long sweep_path(long rc, const char *call, int line)
{
    return rc == -EEXIST || rc == -ENOTDIR ? rc : sweep_may(rc, -ENOENT, call, line);
}

static void use_reading(asyncio_file_t *file)
{
    char buffer[16];
    const char *data;
    may(asyncio_file_readline(file, &data));
    may(asyncio_file_read(file, buffer, sizeof(buffer)));
    may(asyncio_file_seek(file, 0, SEEK_SET));
    may(asyncio_file_readall(file, &data));
    may(asyncio_file_pread(file, buffer, 4, 2));
    may(use_object(asyncio_file_seek_coroutine(file, 0, SEEK_SET)));
    may(use_object(asyncio_file_readline_coroutine(file, &data)));
    may(use_object(asyncio_file_read_coroutine(file, buffer, sizeof(buffer))));
    may(use_object(asyncio_file_readall_coroutine(file, &data)));
    may(use_object(asyncio_file_pread_coroutine(file, buffer, 4, 2)));
}

static void use_writing(asyncio_file_t *file)
{
    static const char data[100000];
    may(asyncio_file_write(file, "line\nanother\n", 13));
    may(asyncio_file_flush(file));
    may(asyncio_file_pwrite(file, "L", 1, 0));
    may(asyncio_file_truncate(file, 10));
    may(asyncio_file_write(file, data, sizeof(data)));
    may(asyncio_file_fsync(file));
    may(asyncio_file_datasync(file));
    may(use_object(asyncio_file_write_coroutine(file, "x", 1)));
    may(use_object(asyncio_file_pwrite_coroutine(file, "L", 1, 0)));
    may(use_object(asyncio_file_truncate_coroutine(file, 1000)));
    may(use_object(asyncio_file_flush_coroutine(file)));
    may(use_object(asyncio_file_fsync_coroutine(file)));
    may(use_object(asyncio_file_datasync_coroutine(file)));
}

static void use_files(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_file_t *file = NULL;
    const char *path = name_in("file");
    if (may(asyncio_open(path, "w+", &file)) == 0) {
        use_writing(file);
        use_reading(file);
        must(asyncio_file_tell(file) >= 0 && asyncio_file_fileno(file) >= 0);
        asyncio_file_unref(asyncio_file_ref(file));
        may(asyncio_file_close(file));
        asyncio_file_unref(file);
    }
    if (file(use_object(asyncio_open_coroutine(path, "r", &file))) == 0) {
        use_reading(file);
        may(use_object(asyncio_file_close_coroutine(file)));
        asyncio_file_unref(file);
    }
}

static void use_paths(asyncio_loop_t *loop)
{
    (void)loop;
    void *data;
    size_t size;
    struct stat status;
    asyncio_dir_entry_t *entries;
    char first[96], second[96];
    snprintf(first, sizeof(first), "%s/first", folder);
    snprintf(second, sizeof(second), "%s/second", folder);
    file(asyncio_path_write(first, "12345", 5));
    file(use_object(asyncio_path_write_coroutine(first, "12345", 5)));
    if (file(asyncio_path_read(first, &data, &size)) == 0)
        asyncio_free(data);
    if (file(use_object(asyncio_path_read_coroutine(first, &data, &size))) == 0)
        asyncio_free(data);
    file(asyncio_path_stat(first, &status));
    file(use_object(asyncio_path_stat_coroutine(first, &status)));
    file(asyncio_path_rename(first, second));
    file(use_object(asyncio_path_rename_coroutine(second, first)));
    if (may(asyncio_path_scandir(folder, &entries, &size)) == 0)
        asyncio_free(entries);
    if (may(use_object(asyncio_path_scandir_coroutine(folder, &entries, &size))) == 0)
        asyncio_free(entries);
    file(asyncio_path_unlink(first));
    file(use_object(asyncio_path_unlink_coroutine(first)));
    file(asyncio_path_mkdir(second, 0700));
    file(asyncio_path_rmdir(second));
    file(use_object(asyncio_path_mkdir_coroutine(second, 0700)));
    file(use_object(asyncio_path_rmdir_coroutine(second)));
}

/* --- sending ------------------------------------------------------------------------------- */

/* A code of a call on a connection; sim has no sockets. */
#define net(rc) sweep_net((rc), #rc, __LINE__)
static long sweep_net(long rc, const char *call, int line)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    if (rc == -ECONNRESET || rc == -EPIPE || rc == -ENOTCONN || rc == ASYNCIO_ERUNTIME)
        return rc;
    if (rc == -EBADF && sweep_loop_cannot_wait())
        return rc;
    bool is_sim = asyncio_loop_get_engine(loop) == ASYNCIO_ENGINE_SIM;
    return sweep_may(rc, is_sim ? -EOPNOTSUPP : 0, call, line);
}

/* A socket whose other end, a descriptor, takes all that is sent here; NULL: there is none. */
static asyncio_socket_t *new_pair(int *ret_fd)
{
    int fds[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    asyncio_socket_t *sock = asyncio_socket_from_fd(fds[0]);
    *ret_fd = fds[1];
    if (is_there(sock))
        return sock;
    close(fds[0]);
    close(fds[1]);
    return NULL;
}

static void send_by_socket(asyncio_loop_t *loop, asyncio_file_t *file)
{
    const asyncio_sendfile_options_t options = {.size = sizeof(options), .offset = 1};
    int fd;
    asyncio_socket_t *sock = new_pair(&fd);
    if (!sock)
        return;
    net(asyncio_loop_sock_sendfile(loop, sock, file, NULL));
    net(use_object(asyncio_loop_sock_sendfile_coroutine(loop, sock, file, &options)));
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    close(fd);
}

static void send_by_stream(asyncio_file_t *file)
{
    const asyncio_sendfile_options_t all = {.size = sizeof(all), .offset = 1};
    asyncio_connection_options_t options = {.size = sizeof(options)};
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    int fd;
    options.sock = new_pair(&fd);
    if (!options.sock)
        return;
    if (net(asyncio_open_connection(NULL, 0, &options, &reader, &writer)) == 0) {
        net(asyncio_stream_writer_sendfile(writer, file, NULL));
        net(use_object(asyncio_stream_writer_sendfile_coroutine(writer, file, &all)));
        asyncio_stream_writer_abort(writer);
        asyncio_stream_reader_unref(reader);
        asyncio_stream_writer_unref(writer);
    }
    asyncio_socket_close(options.sock);
    asyncio_socket_unref(options.sock);
    close(fd);
}

static void destroy(asyncio_protocol_t *protocol)
{
    free(protocol);
}

static asyncio_protocol_t *make_silent(void *arg)
{
    static const asyncio_protocol_functions_t silent = {.size = sizeof(silent),
                                                        .destroy = destroy};
    asyncio_protocol_t *protocol = calloc(1, sizeof(*protocol));
    (void)arg;
    must(protocol);
    protocol->functions = &silent;
    return protocol;
}

static void send_by_transport(asyncio_loop_t *loop, asyncio_file_t *file)
{
    const asyncio_sendfile_options_t all = {.size = sizeof(all), .offset = 1};
    asyncio_transport_t *transport;
    int fd;
    asyncio_socket_t *sock = new_pair(&fd);
    if (!sock)
        return;
    if (net(asyncio_loop_connect_accepted_socket(loop, make_silent, NULL, sock, NULL,
                                                 &transport)) == 0) {
        net(asyncio_loop_sendfile(loop, transport, file, NULL));
        net(use_object(asyncio_loop_sendfile_coroutine(loop, transport, file, &all)));
        asyncio_transport_abort(transport);
        asyncio_transport_unref(transport);
    }
    asyncio_socket_close(sock);
    asyncio_socket_unref(sock);
    close(fd);
}

static void use_sending(asyncio_loop_t *loop)
{
    asyncio_file_t *file;
    const char *path = name_in("file");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, "0123456789", 10) == 10);
    close(fd);
    if (may(asyncio_open(path, "r", &file)) < 0)
        return;
    send_by_socket(loop, file);
    send_by_stream(file);
    send_by_transport(loop, file);
    asyncio_file_unref(file);
}

/* --- a folder for each run ----------------------------------------------------------------- */

static void in_folder(asyncio_loop_t *loop, void (*use)(asyncio_loop_t *loop))
{
    static const char *const left[] = {"file", "first"};
    strcpy(folder, "/tmp/asyncio-sweep-XXXXXX");
    must(mkdtemp(folder));
    use(loop);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        unlink(name_in(left[i]));
    unlink(name_in("second"));
    rmdir(name_in("second"));
    must(rmdir(folder) == 0);
}

static void use_files_in_folder(asyncio_loop_t *loop)
{
    in_folder(loop, use_files);
}

static void use_paths_in_folder(asyncio_loop_t *loop)
{
    in_folder(loop, use_paths);
}

static void use_sending_in_folder(asyncio_loop_t *loop)
{
    in_folder(loop, use_sending);
}

const scenario_t sweep_files = {
    .name = "files", .use = use_files_in_folder, .in_real_time = true};
const scenario_t sweep_paths = {
    .name = "paths", .use = use_paths_in_folder, .in_real_time = true};
const scenario_t sweep_sending = {
    .name = "sending", .use = use_sending_in_folder, .in_real_time = true, .has_sockets = true};
