/* SPDX-License-Identifier: MIT */
/* The methods of Python's writing transports; see stream.h. */
#include "python/stream.h"

/* CPython's words in write(). */
#if PY_VERSION_HEX >= 0x030E0000
#define ASYNCIO__PY_BYTES_LIKE "bytes, bytearray, or memoryview object"
#else
#define ASYNCIO__PY_BYTES_LIKE "bytes-like object"
#endif

#define LOST_WRITES 5 /* from this one on a warning is logged for each */

typedef asyncio__py_stream_t stream_t;

/* Makes a piece of an object: bytes, and views of bytes, are kept; the rest is copied, because its
 * owner may change it. */
static int piece_of(PyObject *data, asyncio__py_piece_t *ret_piece)
{
    PyObject *owner = data;
    Py_buffer view = {.obj = NULL};
    if (!PyBytes_Check(data)) {
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
            return -1;
        PyObject *base = PyMemoryView_Check(data) ? PyMemoryView_GET_BASE(data) : NULL;
        owner = base && PyBytes_Check(base) ? base : NULL;
    }
    if (owner)
        Py_INCREF(owner);
    else
        owner = PyBytes_FromStringAndSize(view.buf, view.len);
    if (owner && view.obj && PyMemoryView_Check(data) && owner == PyMemoryView_GET_BASE(data))
        *ret_piece = (asyncio__py_piece_t){owner, view.buf, (size_t)view.len};
    else if (owner)
        *ret_piece = (asyncio__py_piece_t){owner, PyBytes_AS_STRING(owner),
                                           (size_t)PyBytes_GET_SIZE(owner)};
    if (view.obj)
        PyBuffer_Release(&view);
    return owner ? 0 : -1;
}

static void warn_lost(stream_t *self)
{
    const char *text = self->kind == ASYNCIO__PY_SOCKET
                           ? "socket.send() raised exception."
                           : "pipe closed by peer or os.write(pipe, data) raised exception.";
    if (self->lost_count++ < LOST_WRITES)
        return;
    PyObject *result = PyObject_CallMethod(self->network->logger, "warning", "s", text);
    if (!result)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(result);
}

/* 0, or -1 with an exception: the transport cannot be written to. */
static int check_write(const stream_t *self, const char *name)
{
    if (self->is_eof && self->kind == ASYNCIO__PY_SOCKET)
        PyErr_Format(PyExc_RuntimeError, "Cannot call %s() after write_eof()", name);
    else if (self->empty_waiter)
        PyErr_Format(PyExc_RuntimeError, "unable to %s; sendfile is in progress", name);
    else
        return 0;
    return -1;
}

/* Whether what is written is dropped, because the connection is lost. */
static bool is_lost(stream_t *self)
{
    bool is_over = self->lost_count > 0 || !self->file ||
                   (self->is_closing && self->kind == ASYNCIO__PY_WRITE_PIPE);
    if (is_over)
        warn_lost(self);
    return is_over;
}

static PyObject *write_data(PyObject *object, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    stream_t *self = (stream_t *)object;
    PyObject *data = asyncio__py_one_argument(args, count, kwnames, "write", "data");
    if (!data)
        return NULL;
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data))
        return PyErr_Format(PyExc_TypeError,
                            "data argument must be a " ASYNCIO__PY_BYTES_LIKE ", not '%s'",
                            Py_TYPE(data)->tp_name);
    if (check_write(self, "write") < 0)
        return NULL;
    asyncio__py_piece_t piece;
    if (piece_of(data, &piece) < 0)
        return NULL;
    if (piece.size == 0 || is_lost(self)) {
        Py_DECREF(piece.owner);
        Py_RETURN_NONE;
    }
    if (asyncio__py_stream_append(self, piece) < 0)
        return NULL;
    asyncio__py_stream_note_queued(self);
    Py_RETURN_NONE;
}

static PyObject *write_lines(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *kwnames)
{
    stream_t *self = (stream_t *)object;
    PyObject *lines = asyncio__py_one_argument(args, count, kwnames, "writelines", "list_of_data");
    if (!lines)
        return NULL;
    if (check_write(self, "writelines") < 0)
        return NULL;
    PyObject *all = PySequence_List(lines);
    if (!all)
        return NULL;
    size_t before = self->count;
    bool is_over = PyList_GET_SIZE(all) > 0 && is_lost(self);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all) && !is_over; i++) {
        asyncio__py_piece_t piece;
        int rc = piece_of(PyList_GET_ITEM(all, i), &piece);
        if (rc == 0 && piece.size == 0)
            Py_DECREF(piece.owner);
        else if (rc == 0)
            rc = asyncio__py_stream_append(self, piece);
        if (rc < 0) {
            asyncio__py_stream_take_back(self, before);
            Py_DECREF(all);
            return NULL;
        }
    }
    Py_DECREF(all);
    if (self->count > before)
        asyncio__py_stream_note_queued(self);
    Py_RETURN_NONE;
}

static PyObject *write_eof(PyObject *object, PyObject *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (self->kind == ASYNCIO__PY_WRITE_PIPE) {
        asyncio__py_stream_close(self);
        Py_RETURN_NONE;
    }
    if (self->is_closing || self->is_eof)
        Py_RETURN_NONE;
    asyncio__py_stream_send(self);
    self->is_eof = true;
    if (self->count > 0 || self->is_sending || !self->file)
        Py_RETURN_NONE;
    asyncio__engine_t *engine = self->loop->loop->engine;
    int rc = engine->class->shutdown_file(engine, self->file, SHUT_WR);
    if (rc < 0) {
        asyncio__py_raise_os_error(rc);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *can_write_eof(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

/* --- flow control -------------------------------------------------------------------------- */

static PyObject *get_write_buffer_size(PyObject *object, PyObject *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (asyncio__list_is_member(&self->flush.link))
        asyncio__py_stream_send(self);
    return PyLong_FromSize_t(self->queued_bytes);
}

static PyObject *get_write_buffer_limits(PyObject *object, PyObject *unused)
{
    const stream_t *self = (const stream_t *)object;
    (void)unused;
    return Py_BuildValue("(nn)", (Py_ssize_t)self->low_bytes, (Py_ssize_t)self->high_bytes);
}

/* A number of bytes, or otherwise for None. -1 with an exception, perhaps. */
static Py_ssize_t limit_of(PyObject *value, Py_ssize_t otherwise)
{
    return value == Py_None ? otherwise : PyNumber_AsSsize_t(value, NULL);
}

int asyncio__py_read_limits(PyObject *args, PyObject *kwargs, size_t *ret_high_bytes,
                            size_t *ret_low_bytes)
{
    static char *keywords[] = {"high", "low", NULL};
    PyObject *high_object = Py_None, *low_object = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", keywords, &high_object, &low_object))
        return -1;
    Py_ssize_t low = limit_of(low_object, 16384);
    if (low == -1 && PyErr_Occurred())
        return -1;
    Py_ssize_t high = limit_of(high_object, low > PY_SSIZE_T_MAX / 4 ? PY_SSIZE_T_MAX : 4 * low);
    if (high == -1 && PyErr_Occurred())
        return -1;
    if (low_object == Py_None)
        low = high >= 0 ? high / 4 : -1;
    if (!(high >= low && low >= 0)) {
        PyErr_Format(PyExc_ValueError, "high (%zd) must be >= low (%zd) must be >= 0", high, low);
        return -1;
    }
    *ret_high_bytes = (size_t)high;
    *ret_low_bytes = (size_t)low;
    return 0;
}

static PyObject *set_write_buffer_limits(PyObject *object, PyObject *args, PyObject *kwargs)
{
    stream_t *self = (stream_t *)object;
    if (asyncio__py_read_limits(args, kwargs, &self->high_bytes, &self->low_bytes) < 0)
        return NULL;
    if (self->queued_bytes > self->high_bytes && self->file) {
        asyncio__py_stream_send(self);
        asyncio__py_stream_pause_if_full(self);
    }
    Py_RETURN_NONE;
}

/* --- for sendfile() ------------------------------------------------------------------------ */

static PyObject *make_empty_waiter(PyObject *object, PyObject *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (self->empty_waiter) {
        PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
        return NULL;
    }
    asyncio__py_stream_send(self);
    PyObject *waiter =
        PyObject_CallMethodNoArgs((PyObject *)self->loop, self->network->names.create_future);
    if (!waiter)
        return NULL;
    self->empty_waiter = Py_NewRef(waiter);
    if (self->count == 0 && !self->is_sending)
        asyncio__py_finish_future(self->loop, waiter, NULL);
    return waiter;
}

static PyObject *reset_empty_waiter(PyObject *object, PyObject *unused)
{
    (void)unused;
    Py_CLEAR(((stream_t *)object)->empty_waiter);
    Py_RETURN_NONE;
}

PyMethodDef asyncio__py_stream_write_methods[] = {
    ASYNCIO__PY_METHOD("write", write_data, ASYNCIO__PY_VECTOR, NULL),
    ASYNCIO__PY_METHOD("writelines", write_lines, ASYNCIO__PY_VECTOR, NULL),
    ASYNCIO__PY_METHOD("write_eof", write_eof, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("can_write_eof", can_write_eof, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_write_buffer_size", get_write_buffer_size, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("set_write_buffer_limits", set_write_buffer_limits,
                       METH_VARARGS | METH_KEYWORDS, NULL),
    ASYNCIO__PY_METHOD("_make_empty_waiter", make_empty_waiter, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("_reset_empty_waiter", reset_empty_waiter, METH_NOARGS, NULL),
    {0},
};
