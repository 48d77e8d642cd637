/* SPDX-License-Identifier: MIT */
/* The sending side of a connection; see <asyncio/stream.h> and connection.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "net/connection.h"
#include "task/task.h"
#include "task/twin.h"
#include "task/waiter_list.h"

#define HIGH_WATER_BYTES 65536

asyncio_stream_writer_t *asyncio_stream_writer_ref(asyncio_stream_writer_t *writer)
{
    if (writer) {
        writer->refs++;
        asyncio__connection_of_writer(writer)->refs++;
    }
    return writer;
}

void asyncio_stream_writer_unref(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return;
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    if (asyncio__loop_check_here(connection->loop) < 0)
        return; /* in another thread or a forked child it must be leaked rather than harmed */
    if (--writer->refs == 0 && !connection->loop->closed)
        asyncio__connection_close(connection);
    asyncio__connection_unref(connection);
}

/* May it be written to: 1, 0 if the bytes are to be dropped, or an error. */
static int check_writable(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "no writer was given");
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    int rc = asyncio__loop_check(connection->loop);
    if (rc < 0)
        return rc;
    if (writer->is_eof_wanted)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Cannot call write() after write_eof()");
    return !connection->is_closing;
}

int asyncio_stream_writer_writelines(asyncio_stream_writer_t *writer, const struct iovec *pieces,
                                     size_t count)
{
    int rc = check_writable(writer);
    if (rc >= 0 && count && !pieces)
        rc = asyncio__fail(-EINVAL, "no bytes were given");
    if (rc <= 0)
        return rc;
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len && !pieces[i].iov_base)
            return asyncio__fail(-EINVAL, "no bytes were given");
        size += pieces[i].iov_len;
    }
    asyncio__bytes_t *bytes = connection->is_sending ? &writer->waiting : &writer->sending;
    if (asyncio__bytes_reserve(bytes, size) < 0)
        return asyncio__fail(-ENOMEM, NULL);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len)
            memcpy(bytes->data + bytes->end, pieces[i].iov_base, pieces[i].iov_len);
        bytes->end += pieces[i].iov_len;
    }
    asyncio__connection_flush(connection);
    if (asyncio_stream_writer_get_write_buffer_size(writer) > writer->high_bytes)
        writer->is_paused = true;
    return 0;
}

int asyncio_stream_writer_write(asyncio_stream_writer_t *writer, const void *data, size_t size)
{
    if (!data && size)
        return asyncio__fail(-EINVAL, "no bytes were given");
    struct iovec piece = {(void *)data, size};
    return asyncio_stream_writer_writelines(writer, &piece, 1);
}

/* Is the call inside a coroutine of the writer's loop: the connection, or NULL and *ret_rc. */
static asyncio__connection_t *check_inside(asyncio_stream_writer_t *writer, int *ret_rc)
{
    if (!writer) {
        *ret_rc = asyncio__fail(-EINVAL, "no writer was given");
        return NULL;
    }
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    if (!asyncio__thread.coroutine || asyncio_get_running_loop() != connection->loop) {
        *ret_rc = asyncio__fail(ASYNCIO_ERUNTIME, "not inside a task of the writer's loop");
        return NULL;
    }
    return connection;
}

int asyncio_stream_writer_drain(asyncio_stream_writer_t *writer)
{
    int rc = 0;
    asyncio__connection_t *connection = check_inside(writer, &rc);
    if (!connection)
        return rc;
    if (connection->reader.error < 0)
        return asyncio__fail(connection->reader.error, NULL);
    if (connection->is_closing && (rc = asyncio__give_way()) < 0)
        return rc;
    /* Closed here too: who goes on writing into nothing would else never learn of it. */
    if (connection->is_closed)
        return asyncio__fail(connection->lost < 0 ? connection->lost : -ECONNRESET,
                             "Connection lost");
    connection->refs++;
    while (rc == 0 && writer->is_paused && !connection->is_closed)
        rc = asyncio__waiters_wait(connection->loop, &writer->drainers,
                                   "asyncio_stream_writer_drain");
    if (rc == 0 && connection->lost < 0)
        rc = asyncio__fail(connection->lost, "Connection lost");
    asyncio__connection_unref(connection);
    return rc;
}

static int run_drain(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_stream_writer_drain(*(asyncio_stream_writer_t **)arg);
}

asyncio_coroutine_t *asyncio_stream_writer_drain_coroutine(asyncio_stream_writer_t *writer)
{
    return asyncio__twin(run_drain, &writer, sizeof(writer), NULL, "asyncio_stream_writer_drain");
}

int asyncio_stream_writer_write_eof(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "no writer was given");
    asyncio__connection_t *connection = asyncio__connection_of_writer(writer);
    int rc = asyncio__loop_check(connection->loop);
    if (rc < 0 || connection->is_closing)
        return rc;
    writer->is_eof_wanted = true;
    asyncio__connection_flush(connection);
    return 0;
}

/* May it be closed, or given limits: the loop may be closed. */
static int check_thread(asyncio_stream_writer_t *writer)
{
    if (!writer)
        return asyncio__fail(-EINVAL, "no writer was given");
    return asyncio__loop_check_here(asyncio__connection_of_writer(writer)->loop);
}

int asyncio_stream_writer_close(asyncio_stream_writer_t *writer)
{
    int rc = check_thread(writer);
    if (rc == 0 && !asyncio__connection_of_writer(writer)->loop->closed)
        asyncio__connection_close(asyncio__connection_of_writer(writer));
    return rc;
}

int asyncio_stream_writer_abort(asyncio_stream_writer_t *writer)
{
    int rc = check_thread(writer);
    if (rc == 0 && !asyncio__connection_of_writer(writer)->loop->closed)
        asyncio__connection_abort(asyncio__connection_of_writer(writer), 0);
    return rc;
}

bool asyncio_stream_writer_is_closing(const asyncio_stream_writer_t *writer)
{
    return !writer ||
           asyncio__connection_of_writer((asyncio_stream_writer_t *)writer)->is_closing;
}

int asyncio_stream_writer_wait_closed(asyncio_stream_writer_t *writer)
{
    int rc = 0;
    asyncio__connection_t *connection = check_inside(writer, &rc);
    if (!connection)
        return rc;
    connection->refs++;
    while (rc == 0 && !connection->is_closed)
        rc = asyncio__waiters_wait(connection->loop, &connection->closers,
                                   "asyncio_stream_writer_wait_closed");
    if (rc == 0 && connection->lost < 0)
        rc = asyncio__fail(connection->lost, "Connection lost");
    asyncio__connection_unref(connection);
    return rc;
}

static int run_wait_closed(void *arg, void **ret_result)
{
    (void)ret_result;
    return asyncio_stream_writer_wait_closed(*(asyncio_stream_writer_t **)arg);
}

asyncio_coroutine_t *asyncio_stream_writer_wait_closed_coroutine(asyncio_stream_writer_t *writer)
{
    return asyncio__twin(run_wait_closed, &writer, sizeof(writer), NULL,
                         "asyncio_stream_writer_wait_closed");
}

int asyncio_stream_writer_set_write_buffer_limits(asyncio_stream_writer_t *writer,
                                                  size_t high_bytes, size_t low_bytes)
{
    int rc = check_thread(writer);
    if (rc < 0)
        return rc;
    if (high_bytes == SIZE_MAX)
        high_bytes = low_bytes == SIZE_MAX ? HIGH_WATER_BYTES : 4 * low_bytes;
    if (low_bytes == SIZE_MAX)
        low_bytes = high_bytes / 4;
    if (low_bytes > high_bytes)
        return asyncio__fail(-EINVAL, "the low mark is above the high one");
    writer->high_bytes = high_bytes;
    writer->low_bytes = low_bytes;
    size_t unsent = asyncio_stream_writer_get_write_buffer_size(writer);
    if (unsent > high_bytes) {
        writer->is_paused = true;
    } else if (unsent <= low_bytes && writer->is_paused) {
        writer->is_paused = false;
        asyncio__waiters_wake_all(&writer->drainers);
    }
    return 0;
}

size_t asyncio_stream_writer_get_write_buffer_size(const asyncio_stream_writer_t *writer)
{
    if (!writer)
        return 0;
    return asyncio__bytes_count(&writer->sending) + asyncio__bytes_count(&writer->waiting);
}

/* --- what is known of the connection ------------------------------------------------------- */

static int describe_address(const struct sockaddr_storage *address, socklen_t address_size,
                            char *ret_text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        return snprintf(ret_text, size, "%s:%u", host, ntohs(in->sin_port));
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        return snprintf(ret_text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
    const struct sockaddr_un *un = (const void *)address;
    int length = (int)address_size - (int)offsetof(struct sockaddr_un, sun_path);
    if (address->ss_family != AF_UNIX || length < 0)
        length = 0;
    return snprintf(ret_text, size, "%.*s", length, un->sun_path);
}

int asyncio_stream_writer_get_extra_info(const asyncio_stream_writer_t *writer, const char *name,
                                         char *ret_text, size_t size)
{
    if (!writer || !name || (!ret_text && size))
        return asyncio__fail(-EINVAL, "NULL was given");
    asyncio_socket_t *sock = asyncio_stream_writer_get_socket(writer);
    struct sockaddr_storage address = {0};
    socklen_t address_size = sizeof(address);
    int rc;
    if (strcmp(name, "peername") == 0)
        rc = asyncio_socket_getpeername(sock, (struct sockaddr *)&address, &address_size);
    else if (strcmp(name, "sockname") == 0)
        rc = asyncio_socket_getsockname(sock, (struct sockaddr *)&address, &address_size);
    else
        return asyncio__fail(-EINVAL, "nothing of that name is known");
    return rc < 0 ? rc : describe_address(&address, address_size, ret_text, size);
}

asyncio_socket_t *asyncio_stream_writer_get_socket(const asyncio_stream_writer_t *writer)
{
    return writer ? asyncio__connection_of_writer((asyncio_stream_writer_t *)writer)->sock : NULL;
}
