/* SPDX-License-Identifier: MIT */
/*
 * The receiving side of a connection; see <asyncio/stream.h> and connection.h.
 *
 * Bytes that a call has lent out stay where they are until the next call on the reader.
 */
#include <string.h>

#include "base/memory.h"
#include "net/connection.h"
#include "net/operation.h"
#include "task/task.h"
#include "task/twin.h"

/* How much is asked for when a line or a separator is looked for. */
#define PIECE_BYTES 4096

asyncio_stream_reader_t *asyncio_stream_reader_ref(asyncio_stream_reader_t *reader)
{
    if (reader)
        asyncio__connection_of_reader(reader)->refs++;
    return reader;
}

void asyncio_stream_reader_unref(asyncio_stream_reader_t *reader)
{
    /* In another thread or a forked child it must be leaked rather than harmed. */
    if (reader && asyncio__loop_check_here(asyncio__connection_of_reader(reader)->loop) == 0)
        asyncio__connection_unref(asyncio__connection_of_reader(reader));
}

/* May it be read: 0, or an error. What the last call lent out is gone from here on. */
static int begin(asyncio_stream_reader_t *reader, bool has_arguments)
{
    if (!reader || !has_arguments)
        return asyncio__fail(-EINVAL, "NULL was given");
    int rc = asyncio__operation_check(asyncio__connection_of_reader(reader)->loop);
    if (rc < 0)
        return rc;
    if (reader->is_waiting)
        return asyncio__fail(ASYNCIO_ERUNTIME, "read() called while another coroutine is already "
                                               "waiting for incoming data");
    reader->bytes.start += reader->lent;
    reader->lent = 0;
    reader->partial = 0;
    if (reader->bytes.start == reader->bytes.end)
        reader->bytes.start = reader->bytes.end = 0;
    return 0;
}

static size_t buffered(const asyncio_stream_reader_t *reader)
{
    return asyncio__bytes_count(&reader->bytes);
}

/* Receives at least one byte: how many, 0 at the end, or an error. */
static int receive(asyncio_stream_reader_t *reader, void *buffer, size_t size)
{
    asyncio__connection_t *connection = asyncio__connection_of_reader(reader);
    if (reader->is_eof)
        return 0;
    if (reader->error < 0)
        return asyncio__fail(reader->error, NULL);
    if (!asyncio__socket_is_open(connection->sock)) {
        reader->is_eof = true;
        return 0;
    }
    asyncio__operation_t op = {.kind = ASYNCIO__RECV,
                               .file = connection->sock->file,
                               .buffer = buffer,
                               .size = size < INT32_MAX ? size : INT32_MAX};
    reader->is_waiting = true;
    connection->refs++;
    int rc = asyncio__operation_await(connection->loop, &op);
    reader->is_waiting = false;
    if (rc == -EBADF && connection->is_closing)
        rc = 0; /* closed here: the end of the stream for who still reads */
    if (rc == 0)
        reader->is_eof = true;
    else if (rc < 0 && rc != -ECANCELED && rc != ASYNCIO_EGENERATOREXIT && rc != -ENOMEM)
        reader->error = rc;
    asyncio__connection_unref(connection);
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

/* Gives out the first so many bytes, where they are. */
static ssize_t lend(asyncio_stream_reader_t *reader, size_t count, const char **ret_data)
{
    *ret_data = reader->bytes.data ? reader->bytes.data + reader->bytes.start : "";
    reader->lent = count;
    return (ssize_t)count;
}

ssize_t asyncio_stream_reader_read(asyncio_stream_reader_t *reader, void *buffer, size_t size)
{
    int rc = begin(reader, buffer || !size);
    if (rc < 0 || size == 0)
        return rc;
    if (buffered(reader) > 0)
        return (ssize_t)copy_out(reader, buffer, size);
    return receive(reader, buffer, size);
}

ssize_t asyncio_stream_reader_read_all(asyncio_stream_reader_t *reader, const char **ret_data)
{
    int rc = begin(reader, ret_data != NULL);
    if (rc < 0)
        return rc;
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

ssize_t asyncio_stream_reader_readexactly(asyncio_stream_reader_t *reader, void *buffer,
                                          size_t size, size_t *ret_partial)
{
    int rc = begin(reader, buffer || !size);
    if (rc < 0)
        return rc;
    size_t count = copy_out(reader, buffer, size);
    while (count < size) {
        rc = receive(reader, (char *)buffer + count, size - count);
        if (rc <= 0)
            break;
        count += (size_t)rc;
    }
    if (count < size && rc == -ECANCELED) {
        /* Nothing is lost: what was received waits for the next call. */
        if (asyncio__bytes_reserve(&reader->bytes, count) == 0) {
            memcpy(reader->bytes.data + reader->bytes.end, buffer, count);
            reader->bytes.end += count;
            count = 0;
        }
    }
    reader->partial = count;
    if (ret_partial)
        *ret_partial = count;
    if (rc < 0)
        return rc;
    return count == size ? (ssize_t)size
                         : asyncio__fail(ASYNCIO_EINCOMPLETEREAD, "the stream ended too early");
}

/* Looks for the separator, receiving more while it is not there. Answers the bytes up to and with
 * it; 0 at the end of the stream; ASYNCIO_ELIMITOVERRUN. */
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
                return asyncio__fail(ASYNCIO_ELIMITOVERRUN, "Separator is found, but chunk is "
                                                            "longer than limit");
            if (found)
                return found - data + (ssize_t)size;
            searched = count + 1 - size;
            if (searched > reader->limit_bytes)
                return asyncio__fail(ASYNCIO_ELIMITOVERRUN, "Separator is not found, and chunk "
                                                            "exceed the limit");
        }
        int rc = receive_more(reader, PIECE_BYTES);
        if (rc <= 0)
            return rc;
    }
}

ssize_t asyncio_stream_reader_readuntil(asyncio_stream_reader_t *reader, const void *separator,
                                        size_t separator_size, const char **ret_data)
{
    ssize_t rc = begin(reader, separator && separator_size && ret_data);
    if (rc < 0)
        return rc;
    rc = find(reader, separator, separator_size);
    if (rc > 0)
        return lend(reader, (size_t)rc, ret_data);
    if (rc < 0)
        return rc;
    reader->partial = buffered(reader);
    lend(reader, reader->partial, ret_data);
    return asyncio__fail(ASYNCIO_EINCOMPLETEREAD, "the stream ended before the separator");
}

/* A line that is too long is dropped: with its newline, if that has come. */
static int drop_line(asyncio_stream_reader_t *reader)
{
    asyncio__bytes_t *bytes = &reader->bytes;
    char *newline = memchr(bytes->data + bytes->start, '\n', buffered(reader));
    bytes->start = newline ? (size_t)(newline - bytes->data) + 1 : bytes->end;
    return asyncio__fail(-EINVAL, "the line is longer than the limit");
}

ssize_t asyncio_stream_reader_readline(asyncio_stream_reader_t *reader, const char **ret_line)
{
    ssize_t rc = begin(reader, ret_line != NULL);
    if (rc < 0)
        return rc;
    rc = find(reader, "\n", 1);
    if (rc == ASYNCIO_ELIMITOVERRUN)
        return drop_line(reader);
    if (rc < 0)
        return rc;
    return lend(reader, rc > 0 ? (size_t)rc : buffered(reader), ret_line);
}

size_t asyncio_stream_reader_partial(const asyncio_stream_reader_t *reader)
{
    return reader ? reader->partial : 0;
}

bool asyncio_stream_reader_at_eof(const asyncio_stream_reader_t *reader)
{
    return reader && reader->is_eof && buffered(reader) == reader->lent;
}

/* --- coroutine objects --------------------------------------------------------------------- */

/* All that any of the calls takes. */
struct arguments {
    asyncio_stream_reader_t *reader; /* the caller's */
    void *buffer;                    /* to read into */
    const void *separator;           /* to look for */
    size_t size;                     /* of either */
    size_t *ret_partial;             /* for readexactly */
    const char **ret_data;           /* for what is lent out */
};

/* A count becomes the result. */
static int finish(ssize_t rc, void **ret_result)
{
    if (rc < 0)
        return (int)rc;
    *ret_result = ASYNCIO_INT(rc);
    return 0;
}

static asyncio_coroutine_t *make(asyncio_coroutine_function_t *fn, struct arguments arguments,
                                 const char *name)
{
    return asyncio__twin(fn, &arguments, sizeof(arguments), NULL, name);
}

static int run_read(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_stream_reader_read(a->reader, a->buffer, a->size), ret_result);
}

asyncio_coroutine_t *asyncio_stream_reader_read_coroutine(asyncio_stream_reader_t *reader,
                                                          void *buffer, size_t size)
{
    return make(run_read,
                (struct arguments){.reader = reader, .buffer = buffer, .size = size},
                "asyncio_stream_reader_read");
}

static int run_read_all(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_stream_reader_read_all(a->reader, a->ret_data), ret_result);
}

asyncio_coroutine_t *asyncio_stream_reader_read_all_coroutine(asyncio_stream_reader_t *reader,
                                                              const char **ret_data)
{
    return make(run_read_all, (struct arguments){.reader = reader, .ret_data = ret_data},
                "asyncio_stream_reader_read_all");
}

static int run_readexactly(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(
        asyncio_stream_reader_readexactly(a->reader, a->buffer, a->size, a->ret_partial),
        ret_result);
}

asyncio_coroutine_t *asyncio_stream_reader_readexactly_coroutine(asyncio_stream_reader_t *reader,
                                                                 void *buffer, size_t size,
                                                                 size_t *ret_partial)
{
    return make(run_readexactly,
                (struct arguments){
                    .reader = reader, .buffer = buffer, .size = size, .ret_partial = ret_partial},
                "asyncio_stream_reader_readexactly");
}

static int run_readline(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(asyncio_stream_reader_readline(a->reader, a->ret_data), ret_result);
}

asyncio_coroutine_t *asyncio_stream_reader_readline_coroutine(asyncio_stream_reader_t *reader,
                                                              const char **ret_line)
{
    return make(run_readline, (struct arguments){.reader = reader, .ret_data = ret_line},
                "asyncio_stream_reader_readline");
}

static int run_readuntil(void *arg, void **ret_result)
{
    struct arguments *a = arg;
    return finish(
        asyncio_stream_reader_readuntil(a->reader, a->separator, a->size, a->ret_data),
        ret_result);
}

asyncio_coroutine_t *asyncio_stream_reader_readuntil_coroutine(asyncio_stream_reader_t *reader,
                                                               const void *separator,
                                                               size_t separator_size,
                                                               const char **ret_data)
{
    return make(run_readuntil,
                (struct arguments){.reader = reader, .separator = separator,
                                   .size = separator_size, .ret_data = ret_data},
                "asyncio_stream_reader_readuntil");
}
