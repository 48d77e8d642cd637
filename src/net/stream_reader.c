/* SPDX-License-Identifier: MIT */
/*
 * The receiving side of a connection; see <asyncio/stream.h> and connection.h.
 *
 * read() and readexactly() receive into the caller's buffer. The other calls search, and lend what
 * they have found where it lies in the reader's own buffer, until the next call on the reader.
 */
#include <string.h>

#include "base/memory.h"
#include "net/connection.h"
#include "net/operation.h"
#include "task/budget.h"
#include "task/twin.h"

/* How much is asked for when a line or a separator is searched. */
#define PIECE_BYTES 4096

asyncio_stream_reader_t *asyncio_stream_reader_ref(asyncio_stream_reader_t *reader)
{
    if (reader)
        asyncio__connection_of_reader(reader)->refs++;
    return reader;
}

void asyncio_stream_reader_unref(asyncio_stream_reader_t *reader)
{
    /* Another thread, or a forked child: leaked, because touching it would be worse. */
    if (reader && asyncio__loop_check_here(asyncio__connection_of_reader(reader)->loop) == 0)
        asyncio__connection_unref(asyncio__connection_of_reader(reader));
}

static ASYNCIO__COLD int fail_waiting(void)
{
    return asyncio__fail(ASYNCIO_ERUNTIME, "read() called while another coroutine is already "
                                           "waiting for incoming data");
}

/* Begins a call, which ends with end(): 0, or an error. Consumes what the last call has lent. The
 * reader stays alive until end(), even if the program drops its last reference meanwhile. */
static int begin(asyncio_stream_reader_t *reader, bool has_arguments, const char *missing)
{
    if (!reader)
        return asyncio__fail(-EINVAL, "\"reader\" must not be NULL");
    if (!has_arguments)
        return asyncio__fail(-EINVAL, missing);
    asyncio__connection_t *connection = asyncio__connection_of_reader(reader);
    int rc = asyncio__operation_check(connection->loop);
    if (rc < 0)
        return rc;
    if (reader->is_waiting)
        return fail_waiting();
    reader->bytes.start += reader->lent;
    reader->lent = 0;
    reader->partial = 0;
    if (reader->bytes.start == reader->bytes.end)
        reader->bytes.start = reader->bytes.end = 0;
    /* As in asyncio, the error of a lost connection comes before what is still buffered. */
    if (ASYNCIO__UNLIKELY(connection->channel->code < 0))
        return asyncio__channel_fail(connection->channel, 0, "Connection lost");
    if (ASYNCIO__UNLIKELY(reader->is_overrun))
        return asyncio__fail(ASYNCIO_ELIMITOVERRUN, "reading has ended: a line exceeded the limit");
    connection->refs++;
    rc = asyncio__budget_spend();
    if (ASYNCIO__UNLIKELY(rc == 0 && reader->is_waiting))
        rc = fail_waiting(); /* by a task that ran meanwhile */
    if (ASYNCIO__UNLIKELY(rc < 0))
        asyncio__connection_unref(connection);
    return rc;
}

static ssize_t end(asyncio_stream_reader_t *reader, ssize_t result)
{
    asyncio__connection_unref(asyncio__connection_of_reader(reader));
    return result;
}

static size_t buffered(const asyncio_stream_reader_t *reader)
{
    return asyncio__bytes_count(&reader->bytes);
}

/* Receives at least one byte: returns a count, 0 at the end of the stream, or an error. */
static int receive(asyncio_stream_reader_t *reader, void *buffer, size_t size)
{
    reader->is_waiting = true;
    int rc = asyncio__channel_receive(asyncio__connection_of_reader(reader)->channel, buffer, size);
    reader->is_waiting = false;
    return rc;
}

/* Receives more into the reader's own buffer. */
static int receive_more(asyncio_stream_reader_t *reader, size_t size)
{
    if (asyncio__bytes_reserve(&reader->bytes, size) < 0)
        return asyncio__fail(-ENOMEM, NULL);
    int rc = receive(reader, reader->bytes.data + reader->bytes.end,
                     reader->bytes.capacity - reader->bytes.end);
    if (rc > 0)
        reader->bytes.end += (size_t)rc;
    return rc;
}

static size_t copy_out(asyncio_stream_reader_t *reader, void *buffer, size_t size)
{
    size_t count = buffered(reader) < size ? buffered(reader) : size;
    if (count)
        memcpy(buffer, reader->bytes.data + reader->bytes.start, count);
    reader->bytes.start += count;
    return count;
}

/* Lends the first count bytes of the buffer. */
static ssize_t lend(asyncio_stream_reader_t *reader, size_t count, const char **ret_data)
{
    *ret_data = reader->bytes.data ? reader->bytes.data + reader->bytes.start : "";
    reader->lent = count;
    return (ssize_t)count;
}

ssize_t asyncio_stream_reader_read(asyncio_stream_reader_t *reader, void *buffer, size_t size)
{
    int rc = begin(reader, buffer || !size, "\"buffer\" must not be NULL");
    if (rc < 0)
        return rc;
    if (size == 0 || buffered(reader) > 0)
        return end(reader, (ssize_t)copy_out(reader, buffer, size));
    return end(reader, receive(reader, buffer, size));
}

static ssize_t read_all(asyncio_stream_reader_t *reader, const char **ret_data)
{
    int rc;
    do
        rc = receive_more(reader, buffered(reader) < PIECE_BYTES ? PIECE_BYTES : buffered(reader));
    while (rc > 0);
    if (rc == 0 && asyncio__bytes_reserve(&reader->bytes, 1) < 0)
        rc = asyncio__fail(-ENOMEM, NULL);
    if (rc < 0)
        return rc;
    reader->bytes.data[reader->bytes.end] = '\0';
    return lend(reader, buffered(reader), ret_data);
}

ssize_t asyncio_stream_reader_read_all(asyncio_stream_reader_t *reader, const char **ret_data)
{
    int rc = begin(reader, ret_data != NULL, "\"ret_data\" must not be NULL");
    return rc < 0 ? rc : end(reader, read_all(reader, ret_data));
}

/* Puts back what a cancelled call has received, for the next one: how many bytes could not be. */
static size_t put_back(asyncio_stream_reader_t *reader, const void *data, size_t count)
{
    if (count == 0 || asyncio__bytes_reserve(&reader->bytes, count) < 0)
        return count;
    memcpy(reader->bytes.data + reader->bytes.end, data, count);
    reader->bytes.end += count;
    return 0;
}

static ssize_t read_exactly(asyncio_stream_reader_t *reader, char *buffer, size_t size)
{
    int rc = 0;
    size_t count = copy_out(reader, buffer, size);
    while (count < size && (rc = receive(reader, buffer + count, size - count)) > 0)
        count += (size_t)rc;
    if (count < size && rc == -ECANCELED)
        count = put_back(reader, buffer, count);
    reader->partial = count;
    if (rc < 0)
        return rc;
    return count == size ? (ssize_t)size
                         : asyncio__fail(ASYNCIO_EINCOMPLETEREAD, "the stream ended too early");
}

ssize_t asyncio_stream_reader_readexactly(asyncio_stream_reader_t *reader, void *buffer,
                                          size_t size, size_t *ret_partial)
{
    int rc = begin(reader, buffer || !size, "\"buffer\" must not be NULL");
    if (rc < 0)
        return rc;
    ssize_t result = read_exactly(reader, buffer, size);
    if (ret_partial)
        *ret_partial = reader->partial;
    return end(reader, result);
}

static int overrun(asyncio_stream_reader_t *reader, const char *message)
{
    reader->is_overrun = reader->ends_on_overrun;
    return asyncio__fail(ASYNCIO_ELIMITOVERRUN, message);
}

/* Searches the separator, and receives more while it is not there. Returns the number of bytes up
 * to its end; 0 at the end of the stream; ASYNCIO_ELIMITOVERRUN or another error. */
static ssize_t find(asyncio_stream_reader_t *reader, const char *separator, size_t size)
{
    size_t searched = 0;
    for (;;) {
        size_t count = buffered(reader);
        const char *data = count ? reader->bytes.data + reader->bytes.start : NULL;
        if (count >= size && count > searched) {
            const char *found = size == 1
                                    ? memchr(data + searched, *separator, count - searched)
                                    : memmem(data + searched, count - searched, separator, size);
            if (found && (size_t)(found - data) > reader->limit_bytes)
                return overrun(reader, "Separator is found, but chunk is longer than limit");
            if (found)
                return found - data + (ssize_t)size;
            searched = count + 1 - size;
            if (searched > reader->limit_bytes)
                return overrun(reader, "Separator is not found, and chunk exceed the limit");
        }
        int rc = receive_more(reader, PIECE_BYTES);
        if (rc <= 0)
            return rc;
    }
}

static ssize_t read_until(asyncio_stream_reader_t *reader, const void *separator,
                          size_t separator_size, const char **ret_data)
{
    ssize_t rc = find(reader, separator, separator_size);
    if (rc > 0)
        return lend(reader, (size_t)rc, ret_data);
    if (rc < 0)
        return rc;
    reader->partial = buffered(reader);
    lend(reader, reader->partial, ret_data);
    return asyncio__fail(ASYNCIO_EINCOMPLETEREAD, "the stream ended before the separator");
}

ssize_t asyncio_stream_reader_readuntil(asyncio_stream_reader_t *reader, const void *separator,
                                        size_t separator_size, const char **ret_data)
{
    int rc = begin(reader, separator && separator_size && ret_data,
                   "\"separator\" and \"ret_data\" must not be NULL, and \"separator_size\" not 0");
    return rc < 0 ? rc : end(reader, read_until(reader, separator, separator_size, ret_data));
}

/* Drops what is buffered of a line that is too long: up to its newline, if that has been received.
 * The rest of the line, which has not, will be read as a line of its own, as in asyncio. */
static int drop_line(asyncio_stream_reader_t *reader)
{
    asyncio__bytes_t *bytes = &reader->bytes;
    char *newline = memchr(bytes->data + bytes->start, '\n', buffered(reader));
    bytes->start = newline ? (size_t)(newline - bytes->data) + 1 : bytes->end;
    return asyncio__fail(-EINVAL, "the line is longer than the limit");
}

ssize_t asyncio_stream_reader_readline(asyncio_stream_reader_t *reader, const char **ret_line)
{
    ssize_t rc = begin(reader, ret_line != NULL, "\"ret_line\" must not be NULL");
    if (rc < 0)
        return rc;
    rc = find(reader, "\n", 1);
    if (rc == ASYNCIO_ELIMITOVERRUN)
        return end(reader, drop_line(reader));
    if (rc < 0)
        return end(reader, rc);
    return end(reader, lend(reader, rc > 0 ? (size_t)rc : buffered(reader), ret_line));
}

size_t asyncio_stream_reader_partial(const asyncio_stream_reader_t *reader)
{
    return reader ? reader->partial : 0;
}

bool asyncio_stream_reader_at_eof(const asyncio_stream_reader_t *reader)
{
    if (!reader || buffered(reader) > reader->lent)
        return false;
    asyncio__channel_t *channel =
        asyncio__connection_of_reader((asyncio_stream_reader_t *)reader)->channel;
    if (asyncio__loop_check_here(channel->loop) == 0 && !channel->loop->closed)
        return channel->class->peek(channel) == 0;
    return channel->is_eof && channel->code == 0;
}

/* --- coroutine objects --------------------------------------------------------------------- */

ASYNCIO__TWIN(COUNT, asyncio_stream_reader_read, (asyncio_stream_reader_t *, reader),
              (void *, buffer), (size_t, size))
ASYNCIO__TWIN(COUNT, asyncio_stream_reader_read_all, (asyncio_stream_reader_t *, reader),
              (const char **, ret_data))
ASYNCIO__TWIN(COUNT, asyncio_stream_reader_readexactly, (asyncio_stream_reader_t *, reader),
              (void *, buffer), (size_t, size), (size_t *, ret_partial))
ASYNCIO__TWIN(COUNT, asyncio_stream_reader_readline, (asyncio_stream_reader_t *, reader),
              (const char **, ret_line))
ASYNCIO__TWIN(COUNT, asyncio_stream_reader_readuntil, (asyncio_stream_reader_t *, reader),
              (const void *, separator), (size_t, separator_size), (const char **, ret_data))
