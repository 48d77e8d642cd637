/* SPDX-License-Identifier: MIT */
/*
 * Reading of a stream's transport; see stream.h.
 *
 * A small message is received into a buffer on the stack, which is in the cache, and copied: that
 * is cheaper than to shrink a large object. A connection that fills the buffer gets objects of its
 * own, of a size that adapts.
 */
#include <errno.h>

#include "python/stream.h"

#define STACK_BYTES 65536  /* of the buffer on the stack; what is not received is not touched */
#define MOST_BYTES  131000 /* of one object: larger ones would be mapped and unmapped each time */
#define TURN_BYTES  262144 /* after so much the other connections get their turn */

typedef asyncio__py_stream_t stream_t;

static void on_readable(asyncio__operation_t *operation)
{
    stream_t *self = ASYNCIO__CONTAINER(operation, stream_t, read);
    asyncio__loop_schedule(self->loop->loop, &self->read_turn);
}

static bool wants_data(const stream_t *self)
{
    if (!self->file || self->lost_count || !self->is_started || self->is_at_end)
        return false;
    if (self->kind == ASYNCIO__PY_WRITE_PIPE)
        return self->is_watching_peer;
    return !self->is_paused && !self->is_closing;
}

void asyncio__py_stream_read(stream_t *self)
{
    if (self->is_reading || !wants_data(self))
        return;
    asyncio__engine_t *engine = self->loop->loop->engine;
    self->read.kind = ASYNCIO__POLL_IN;
    self->read.file = self->file;
    self->read.complete = on_readable;
    int rc = engine->class->submit(engine, &self->read);
    if (rc < 0) {
        asyncio__py_stream_lose(self, asyncio__py_os_error(rc));
        return;
    }
    self->is_reading = true;
    Py_INCREF(self);
    if (rc > 0)
        asyncio__loop_schedule(self->loop->loop, &self->read_turn);
}

/* --- what was received --------------------------------------------------------------------- */

static void on_pipe_end(stream_t *self)
{
    PyObject *result = asyncio__py_stream_call(self, self->network->names.eof_received, NULL);
    if (!result)
        asyncio__py_report_call(self->loop, self->context, self->protocol,
                                self->network->names.eof_received, NULL);
    Py_XDECREF(result);
    asyncio__py_stream_lose(self, NULL);
}

static void on_end(stream_t *self)
{
    self->is_at_end = true;
    if (self->kind == ASYNCIO__PY_READ_PIPE) {
        on_pipe_end(self);
        return;
    }
    PyObject *result = asyncio__py_stream_call(self, self->network->names.eof_received, NULL);
    int keeps_open = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    if (keeps_open < 0)
        asyncio__py_stream_failed(self, "Fatal error: protocol.eof_received() call failed.");
    else if (!keeps_open)
        asyncio__py_stream_close(self);
}

/* Handles what a receive has returned instead of data. */
static void on_nothing(stream_t *self, int received)
{
    if (received == 0) {
        on_end(self);
        return;
    }
    if (received == -EAGAIN || received == -EINTR)
        return;
    PyObject *error = asyncio__py_os_error(received);
    /* EIO: the other end of a terminal was closed. */
    if (error && self->kind == ASYNCIO__PY_READ_PIPE && received != -EIO) {
        asyncio__py_set_error(Py_NewRef(error));
        asyncio__py_report(self->loop, "Fatal read error on pipe transport", "transport",
                           (PyObject *)self, "protocol", self->protocol, NULL);
    }
    asyncio__py_stream_lose(self, error);
}

static int receive(stream_t *self, void *buffer, size_t size)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    return engine->class->receive(engine, self->file, buffer, size);
}

/* Receives into a bytes object. Returns what receive() does; *ret_data is NULL where there is no
 * data, or no memory with an exception set. */
static int receive_bytes(stream_t *self, PyObject **ret_data)
{
    size_t size = self->hint_bytes;
    int received;
    *ret_data = NULL;
    if (size <= STACK_BYTES) {
        char buffer[STACK_BYTES];
        received = receive(self, buffer, sizeof(buffer));
        if (received > 0)
            *ret_data = PyBytes_FromStringAndSize(buffer, received);
    } else {
        PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (!data)
            return -ENOMEM;
        received = receive(self, PyBytes_AS_STRING(data), size);
        if (received <= 0)
            Py_DECREF(data);
        else if ((size_t)received == size || _PyBytes_Resize(&data, received) == 0)
            *ret_data = data;
    }
    if (received > 0 && (size_t)received == size)
        self->hint_bytes = size * 4 < MOST_BYTES ? size * 4 : MOST_BYTES;
    else if (received > 0 && (size_t)received < size / 8)
        self->hint_bytes = STACK_BYTES;
    return received;
}

/* Reads once. Returns how many bytes, or 0 at an end or a failure. ret_full: there may be more. */
static size_t read_data(stream_t *self, bool *ret_full)
{
    PyObject *data, *result = NULL;
    size_t asked = self->hint_bytes;
    int received = receive_bytes(self, &data);
    if (received <= 0 && !PyErr_Occurred()) {
        on_nothing(self, received);
        return 0;
    }
    if (data)
        result = asyncio__py_stream_call(self, self->network->names.data_received, data);
    Py_XDECREF(data);
    if (!result) {
        asyncio__py_stream_failed(self, "Fatal error: protocol.data_received() call failed.");
        return 0;
    }
    Py_DECREF(result);
    *ret_full = (size_t)received >= asked;
    return (size_t)received;
}

/* protocol.get_buffer(-1), which must not be empty; NULL with an exception. */
static PyObject *get_buffer(stream_t *self)
{
    PyObject *hint = PyLong_FromLong(-1);
    PyObject *buffer =
        hint ? asyncio__py_stream_call(self, self->network->names.get_buffer, hint) : NULL;
    Py_XDECREF(hint);
    Py_ssize_t size = buffer ? PyObject_Size(buffer) : -1;
    if (size == 0)
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    if (size <= 0)
        Py_CLEAR(buffer);
    return buffer;
}

static size_t read_buffered(stream_t *self, bool *ret_full)
{
    Py_buffer view;
    PyObject *buffer = get_buffer(self);
    if (!buffer) {
        asyncio__py_stream_failed(self, "Fatal error: protocol.get_buffer() call failed.");
        return 0;
    }
    int rc = PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE);
    if (rc < 0)
        PyErr_Format(PyExc_TypeError,
                     "recv_into() argument 1 must be read-write bytes-like object, not %s",
                     Py_TYPE(buffer)->tp_name);
    Py_DECREF(buffer);
    if (rc < 0) {
        asyncio__py_stream_failed(self, "Fatal read error on socket transport");
        return 0;
    }
    size_t asked = (size_t)view.len;
    int received = self->file ? receive(self, view.buf, asked) : -EAGAIN;
    PyBuffer_Release(&view);
    if (received <= 0) {
        on_nothing(self, received);
        return 0;
    }
    PyObject *count = PyLong_FromLong(received);
    PyObject *result =
        count ? asyncio__py_stream_call(self, self->network->names.buffer_updated, count) : NULL;
    Py_XDECREF(count);
    if (!result) {
        asyncio__py_stream_failed(self, "Fatal error: protocol.buffer_updated() call failed.");
        return 0;
    }
    Py_DECREF(result);
    *ret_full = (size_t)received >= asked;
    return (size_t)received;
}

/* The reader of a pipe that is written to has gone, or, on a socket, has sent something. */
static void on_peer_gone(stream_t *self)
{
    PyObject *error = NULL;
    self->is_at_end = true;
    if (self->count > 0 && !(error = PyObject_CallNoArgs(PyExc_BrokenPipeError)))
        PyErr_WriteUnraisable((PyObject *)self);
    asyncio__py_stream_lose(self, error);
}

/* Reads until there is nothing more, or it is the turn of others: true. */
static bool read_all(stream_t *self)
{
    size_t total = 0;
    while (wants_data(self)) {
        bool is_full = false;
        size_t got = self->is_buffered ? read_buffered(self, &is_full) : read_data(self, &is_full);
        total += got;
        if (!is_full)
            return false;
        if (total >= TURN_BYTES)
            return wants_data(self);
    }
    return false;
}

void asyncio__py_stream_read_turn(asyncio__ready_t *ready)
{
    stream_t *self = ASYNCIO__CONTAINER(ready, stream_t, read_turn);
    asyncio_loop_t *loop = self->loop->loop;
    if (!loop->closed && self->kind == ASYNCIO__PY_WRITE_PIPE) {
        if (wants_data(self))
            on_peer_gone(self);
    } else if (!loop->closed) {
        if (read_all(self)) {
            asyncio__loop_schedule(loop, &self->read_turn);
            return;
        }
        self->is_reading = false;
        asyncio__py_stream_read(self);
        Py_DECREF(self);
        return;
    }
    self->is_reading = false;
    Py_DECREF(self);
}
