/* SPDX-License-Identifier: MIT */
/* add_reader(), add_writer() and their ends: watches of the C loop that run handles. */
#include "python/handle.h"
#include "python/network.h"

#include <asyncio/error.h>
#include <errno.h>

/* The C loop calls this with the handle of a watch that is ready. */
static void run_watch(void *arg)
{
    asyncio__py_handle_t *handle = arg;
    Py_INCREF(handle); /* the callback may end the watch */
    asyncio__py_handle_run(handle);
    Py_DECREF(handle);
}

/* The descriptor of a number or of an object with fileno(); -1 with an exception. */
static int descriptor_of(asyncio__py_loop_t *self, PyObject *file)
{
    PyObject *number = NULL;
    if (PyLong_CheckExact(file)) {
        number = Py_NewRef(file);
    } else {
        PyObject *helper = asyncio__py_helper(self->state, "fd_of");
        number = helper ? PyObject_CallOneArg(helper, file) : NULL;
        Py_XDECREF(helper);
    }
    if (!number)
        return -1;
    int overflow;
    long fd = PyLong_AsLongAndOverflow(number, &overflow);
    if (overflow || fd < 0 || fd > INT32_MAX) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %S", number);
        fd = -1;
    }
    Py_DECREF(number);
    return (int)fd;
}

/* The watch was refused with a code. */
static void fail_watch(asyncio__py_loop_t *self, PyObject *key, int code)
{
    if (code == ASYNCIO_ERUNTIME) {
        /* Raises with the transport that uses the descriptor. */
        PyObject *result =
            PyObject_CallMethod((PyObject *)self, "_ensure_fd_no_transport", "O", key);
        if (!result)
            return;
        Py_DECREF(result);
    }
    asyncio__ignore(asyncio__py_set_code(self->state, code) != NULL);
}

/* Puts a handle into a table, which is made if need be. The handle that was there is cancelled. */
static int put_handle(PyObject **table, PyObject *key, asyncio__py_handle_t *handle)
{
    if (!*table && !(*table = PyDict_New()))
        return -1;
    PyObject *former = Py_XNewRef(PyDict_GetItemWithError(*table, key));
    int rc = PyErr_Occurred() ? -1 : PyDict_SetItem(*table, key, (PyObject *)handle);
    if (former)
        asyncio__py_handle_cancel((asyncio__py_handle_t *)former);
    Py_XDECREF(former);
    return rc;
}

static PyObject *add(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                     asyncio__watch_kind_t kind)
{
    bool is_reader = kind == ASYNCIO__WATCH_INPUT;
    if (count < 2)
        return PyErr_Format(PyExc_TypeError,
                            "%s() missing required positional arguments: 'fd' and 'callback'",
                            is_reader ? "add_reader" : "add_writer");
    if (asyncio__py_check(self) < 0)
        return NULL;
    int fd = descriptor_of(self, args[0]);
    if (fd >= 0 && asyncio__py_net_before_watch(self, fd) < 0)
        return NULL;
    PyObject *key = fd >= 0 ? PyLong_FromLong(fd) : NULL;
    asyncio__py_handle_t *handle =
        key ? asyncio__py_handle_new(self, args[1], args + 2, count - 2, NULL) : NULL;
    if (!handle) {
        Py_XDECREF(key);
        return NULL;
    }
    asyncio__py_handle_track(handle);
    asyncio__watch_call_t call = {
        .fn = run_watch,
        .arg = handle,
        .events = is_reader ? ASYNCIO__WATCH_READ : ASYNCIO__WATCH_WRITE,
    };
    int rc = asyncio__watch_add(self->loop, fd, kind, &call);
    if (rc < 0)
        fail_watch(self, key, rc);
    else if ((rc = put_handle(is_reader ? &self->readers : &self->writers, key, handle)) < 0)
        asyncio__ignore(asyncio__watch_remove(self->loop, fd, kind));
    Py_DECREF(key);
    if (rc < 0) {
        Py_DECREF(handle);
        return NULL;
    }
    return (PyObject *)handle;
}

static PyObject *end(asyncio__py_loop_t *self, PyObject *file, asyncio__watch_kind_t kind)
{
    if (self->closed)
        Py_RETURN_FALSE;
    if (asyncio__py_check(self) < 0)
        return NULL;
    int fd = descriptor_of(self, file);
    if (fd >= 0 && asyncio__py_net_check_fd(self, fd) < 0)
        return NULL;
    PyObject *key = fd >= 0 ? PyLong_FromLong(fd) : NULL;
    if (!key)
        return NULL;
    PyObject *table = kind == ASYNCIO__WATCH_INPUT ? self->readers : self->writers;
    PyObject *handle = table ? Py_XNewRef(PyDict_GetItemWithError(table, key)) : NULL;
    int rc = handle ? PyDict_DelItem(table, key) : PyErr_Occurred() ? -1 : 0;
    Py_DECREF(key);
    if (handle) {
        asyncio__ignore(asyncio__watch_remove(self->loop, fd, kind));
        asyncio__py_handle_cancel((asyncio__py_handle_t *)handle);
    }
    Py_XDECREF(handle);
    return rc < 0 ? NULL : PyBool_FromLong(handle != NULL);
}

static PyObject *add_reader(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *handle = add(self, args, count, ASYNCIO__WATCH_INPUT);
    if (!handle)
        return NULL;
    Py_DECREF(handle);
    Py_RETURN_NONE;
}

static PyObject *add_writer(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *handle = add(self, args, count, ASYNCIO__WATCH_OUTPUT);
    if (!handle)
        return NULL;
    Py_DECREF(handle);
    Py_RETURN_NONE;
}

/* The same with the handle as result, as private code of asyncio's expects it. */
static PyObject *add_reader_handle(asyncio__py_loop_t *self, PyObject *const *args,
                                   Py_ssize_t count)
{
    return add(self, args, count, ASYNCIO__WATCH_INPUT);
}

static PyObject *add_writer_handle(asyncio__py_loop_t *self, PyObject *const *args,
                                   Py_ssize_t count)
{
    return add(self, args, count, ASYNCIO__WATCH_OUTPUT);
}

static PyObject *remove_reader(asyncio__py_loop_t *self, PyObject *file)
{
    return end(self, file, ASYNCIO__WATCH_INPUT);
}

static PyObject *remove_writer(asyncio__py_loop_t *self, PyObject *file)
{
    return end(self, file, ASYNCIO__WATCH_OUTPUT);
}

PyMethodDef asyncio__py_watch_methods[] = {
    ASYNCIO__PY_METHOD("add_reader", add_reader, METH_FASTCALL,
                       "Call a callback while a descriptor can be read."),
    ASYNCIO__PY_METHOD("add_writer", add_writer, METH_FASTCALL,
                       "Call a callback while a descriptor can be written."),
    ASYNCIO__PY_METHOD("remove_reader", remove_reader, METH_O,
                       "End what add_reader() began; return whether there was something."),
    ASYNCIO__PY_METHOD("remove_writer", remove_writer, METH_O,
                       "End what add_writer() began; return whether there was something."),
    ASYNCIO__PY_METHOD("_add_reader", add_reader_handle, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_add_writer", add_writer_handle, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_remove_reader", remove_reader, METH_O, NULL),
    ASYNCIO__PY_METHOD("_remove_writer", remove_writer, METH_O, NULL),
    {0},
};
