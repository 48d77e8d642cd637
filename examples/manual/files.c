/* SPDX-License-Identifier: MIT */
/* Files without blocking the loop: a settings file that is replaced whole, its lines, and a server
 * that sends it. */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Readers see the former file or the new one, never a half: the name is moved when all is there. */
static int save(const char *text)
{
    int rc = asyncio_path_write("settings.new", text, strlen(text));
    return rc < 0 ? rc : asyncio_path_rename("settings.new", "settings");
}

static int print_lines(void)
{
    asyncio_file_t *file = NULL;
    const char *line = NULL;
    ssize_t size = asyncio_open("settings", "r", &file);
    if (size < 0)
        return (int)size;
    while ((size = asyncio_file_readline(file, &line)) > 0)
        printf("read: %.*s", (int)size, line);
    asyncio_file_unref(file); /* the last reference closes it */
    return (int)size;
}

/* The task of a connection: sends the file, from the kernel's cache straight to the socket. */
static int send_settings(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                         void *arg)
{
    (void)reader, (void)arg;
    asyncio_file_t *file = NULL;
    int rc = asyncio_open("settings", "r", &file);
    if (rc < 0)
        return rc;
    ssize_t sent = asyncio_stream_writer_sendfile(writer, file, /* options= */ NULL);
    asyncio_file_unref(file);
    return sent < 0 ? (int)sent : 0;
}

static int fetch(uint16_t port)
{
    asyncio_stream_reader_t *reader = NULL;
    asyncio_stream_writer_t *writer = NULL;
    int rc = asyncio_open_connection("127.0.0.1", port, NULL, &reader, &writer);
    if (rc < 0)
        return rc;
    const char *data = NULL;
    ssize_t size = asyncio_stream_reader_read_all(reader, &data);
    if (size > 0)
        printf("received %zd bytes\n", size);
    asyncio_stream_reader_unref(reader);
    asyncio_stream_writer_unref(writer);
    return size < 0 ? (int)size : 0;
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_server_t *server = NULL;
    int rc = save("colour=blue\nsize=3\n");
    if (rc == 0)
        rc = print_lines();
    if (rc == 0)
        rc = asyncio_start_server("127.0.0.1", 0, send_settings, NULL, NULL, &server);
    if (rc == 0)
        rc = fetch(asyncio_server_port(server, 0));
    asyncio_server_unref(server);

    asyncio_file_t *file = NULL;
    asyncio_error_t *error = asyncio_error_of(asyncio_open("nowhere/settings", "r", &file));
    printf("the error says: %s\n", asyncio_error_message(error));
    asyncio_error_unref(error);
    return rc < 0 ? rc : asyncio_path_unlink("settings");
}

int main(void)
{
    char folder[] = "/tmp/files.XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 1;
    int rc = asyncio_run(asyncio_coroutine(run, NULL), NULL);
    return rc < 0 || rmdir(folder) < 0;
}
