/* SPDX-License-Identifier: MIT */
/*
 * The access log: two buffers, one of which fills while a thread writes the other.
 */
#include "log.h"

#include "connection.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_BYTES      262144
#define LINE_BYTES     1024 /* the longest line; a longer target is cut off */
#define WRITE_INTERVAL 1.0  /* seconds */

int log_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return fd < 0 ? -errno : fd;
}

/* Runs in a thread, or at the end in the loop: writes the buffer that nobody fills. */
static int write_lines(void *arg, void **ret_result)
{
    (void)ret_result;
    access_log_t *log = arg;
    for (size_t written = 0; written < log->writing_size;) {
        ssize_t size = write(log->fd, log->writing + written, log->writing_size - written);
        if (size < 0 && errno != EINTR) {
            fprintf(stderr, "http_server: cannot write the access log: %s\n", strerror(errno));
            break; /* these lines are lost; the server continues */
        }
        written += size > 0 ? (size_t)size : 0;
    }
    return 0;
}

static void swap_buffers(access_log_t *log)
{
    char *empty = log->writing;
    log->writing = log->lines;
    log->writing_size = log->size;
    log->lines = empty;
    log->size = 0;
    if (log->dropped > 0)
        log->size = (size_t)snprintf(log->lines, LINE_BYTES, "# %zu requests are not logged\n",
                                     log->dropped);
    log->dropped = 0;
}

/* Begins to write, if the thread is done with what there was before. */
static void on_timer(void *arg)
{
    access_log_t *log = arg;
    if (log->written != NULL && asyncio_future_done(log->written)) {
        asyncio_future_unref(log->written);
        log->written = NULL;
    }
    if (log->written == NULL && log->size > 0) {
        swap_buffers(log);
        log->written = asyncio_loop_run_in_executor(NULL, NULL, write_lines, log);
        if (log->written == NULL)
            fprintf(stderr, "http_server: a part of the access log is lost: %s\n",
                    asyncio_strerror(asyncio_errno()));
    }
    asyncio_handle_unref(log->timer);
    log->timer = NULL;
    if (asyncio_loop_call_later(asyncio_get_running_loop(), WRITE_INTERVAL, on_timer, log,
                                &log->timer) < 0)
        fprintf(stderr, "http_server: the access log ends: out of memory\n");
}

int log_init(access_log_t *log, int fd)
{
    *log = (access_log_t){.fd = fd};
    if (fd < 0)
        return 0;
    log->lines = malloc(LOG_BYTES);
    log->writing = malloc(LOG_BYTES);
    if (log->lines == NULL || log->writing == NULL)
        return -ENOMEM;
    return asyncio_loop_call_later(asyncio_get_running_loop(), WRITE_INTERVAL, on_timer, log,
                                   &log->timer);
}

void log_fini(access_log_t *log)
{
    asyncio_handle_cancel(log->timer);
    asyncio_handle_unref(log->timer);
    if (log->written != NULL) {
        asyncio_await(log->written, NULL);
        asyncio_future_unref(log->written);
    }
    if (log->size > 0) {
        swap_buffers(log);
        write_lines(log, NULL);
    }
    free(log->lines);
    free(log->writing);
}

/* Copies what a client sent. Quotes and backslashes are escaped, and so would be control
 * characters, so that no client can make a line of its own. */
static size_t add_quoted(char *line, size_t size, size_t room, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && size + 4 < room; c++)
        if (*c < ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
            size += (size_t)sprintf(line + size, "\\x%02x", *c);
        else
            line[size++] = (char)*c;
    return size;
}

void log_request(access_log_t *log, const connection_t *connection, double seconds)
{
    if (log->fd < 0)
        return;
    if (log->lines == NULL || log->size + LINE_BYTES > LOG_BYTES) {
        log->dropped++;
        return;
    }
    const request_t *request = &connection->request;
    char *line = log->lines + log->size;
    char peer[64] = "-", date[40];
    asyncio_stream_writer_get_extra_info(connection->writer, "peername", peer, sizeof(peer));
    char *port = strrchr(peer, ':');
    if (port != NULL)
        *port = '\0';
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S %z", localtime_r(&now, &tm));
    size_t size = (size_t)sprintf(line, "%s - - [%s] \"", peer, date);
    if (request->method_name != NULL && request->target != NULL) {
        size = add_quoted(line, size, 64 + 128, request->method_name);
        line[size++] = ' ';
        size = add_quoted(line, size, LINE_BYTES - 128, request->target);
        size += (size_t)sprintf(line + size, " HTTP/1.%d", request->minor_version);
    } else {
        line[size++] = '-';
    }
    size += (size_t)sprintf(line + size, "\" %d %" PRIu64 " %.6f\n", connection->status,
                            connection->sent, seconds);
    log->size += size;
}
