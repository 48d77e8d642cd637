/* SPDX-License-Identifier: MIT */
/* Calling Python's callbacks for the ready items of C, and what becomes of their exceptions. */
#include "python/handle.h"
#include "python/loop.h"

#include <errno.h>
#include <stdarg.h>

#include <asyncio/error.h>

bool asyncio__py_raise_from_turn(asyncio__py_loop_t *self)
{
    if (!PyErr_ExceptionMatches(PyExc_SystemExit) &&
        !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        return false;
    Py_XSETREF(self->raised, asyncio__py_take_error());
    asyncio__loop_abort_turn(self->loop);
    return true;
}

/* Calls a method of the loop for a report; an exception of the report itself ends the run, if it
 * is of the kind that does, else it is written to stderr. */
static void call_reporter(asyncio__py_loop_t *self, PyObject *name, PyObject *first,
                          PyObject *second)
{
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)self, name, first, second, NULL);
    if (!result && !asyncio__py_raise_from_turn(self))
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(result);
}

void asyncio__py_report_callback(asyncio__py_loop_t *self, PyObject *error,
                                 asyncio__py_handle_t *handle)
{
    call_reporter(self, self->state->names._callback_failed, error,
                  handle ? (PyObject *)handle : Py_None);
    Py_DECREF(error);
}

/* Puts a value, if there is one, under a key. */
static int put(PyObject *dict, const char *key, PyObject *value)
{
    return value ? PyDict_SetItemString(dict, key, value) : 0;
}

void asyncio__py_report(asyncio__py_loop_t *self, const char *message, ...)
{
    if (asyncio__py_raise_from_turn(self))
        return;
    PyObject *error = asyncio__py_take_error();
    PyObject *context = PyDict_New(), *text = PyUnicode_FromString(message);
    int rc = context && text ? put(context, "message", text) : -1;
    if (rc == 0)
        rc = put(context, "exception", error);
    va_list pairs;
    va_start(pairs, message);
    for (const char *key; rc == 0 && (key = va_arg(pairs, const char *));)
        rc = put(context, key, va_arg(pairs, PyObject *));
    va_end(pairs);
    if (rc == 0)
        call_reporter(self, self->state->names.call_exception_handler, context, NULL);
    else
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(text);
    Py_XDECREF(context);
    Py_XDECREF(error);
}

PyObject *asyncio__py_call(asyncio__py_loop_t *self, PyObject *context, PyObject *callback,
                           PyObject *const *args, size_t count, const char *message)
{
    PyObject *result = NULL;
    if (ASYNCIO__LIKELY(PyContext_Enter(context) == 0)) {
        result = PyObject_Vectorcall(callback, args, count, NULL);
        asyncio__ignore(PyContext_Exit(context));
    }
    if (ASYNCIO__UNLIKELY(!result))
        asyncio__py_report(self, message, (const char *)NULL);
    return result;
}

PyObject *asyncio__py_set_code(asyncio__py_state_t *state, int code)
{
    if (code == -ENOMEM)
        return PyErr_NoMemory();
    asyncio_error_t *error = asyncio_error_last();
    const char *message = asyncio_error_message(error);
    if (!*message)
        message = asyncio_strerror(code);
    if (code == ASYNCIO_EDEADLOOP) {
        PyErr_SetString(state->deadlock_error, message);
    } else if (code < -4095) {
        PyErr_SetString(PyExc_RuntimeError, message);
    } else {
        errno = -code;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return NULL;
}

int asyncio__py_check_closed(asyncio__py_loop_t *self)
{
    if (ASYNCIO__LIKELY(!self->closed))
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return -1;
}

int asyncio__py_check(asyncio__py_loop_t *self)
{
    if (asyncio__py_check_closed(self) < 0)
        return -1;
    if (ASYNCIO__LIKELY(!asyncio__py_is_elsewhere(self)))
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Non-thread-safe operation invoked on an event loop other "
                                        "than the current one");
    return -1;
}
