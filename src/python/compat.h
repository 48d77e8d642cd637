/* SPDX-License-Identifier: MIT */
/*
 * <Python.h>, and what CPython 3.9 to 3.12 lack of it. Every file of this folder includes this
 * header first.
 */
#ifndef ASYNCIO__PYTHON_COMPAT_H
#define ASYNCIO__PYTHON_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

#include "base/compiler.h"

#if PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

static inline PyObject *Py_XNewRef(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}

#define Py_TPFLAGS_DISALLOW_INSTANTIATION 0UL /* such types get a tp_new that fails: see state.h */
#endif

#ifndef Py_TPFLAGS_IMMUTABLETYPE
#define Py_TPFLAGS_IMMUTABLETYPE 0UL
#endif

#ifndef Py_T_OBJECT_EX
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY   READONLY
#endif

/* Takes the exception that is set as one object with its traceback; NULL if none is set. */
static inline PyObject *asyncio__py_take_error(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!type)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback && value)
        PyException_SetTraceback(value, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Sets an exception that asyncio__py_take_error() returned. Takes the reference. */
static inline void asyncio__py_set_error(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

/* Locks an object in a free-threaded build; the GIL does it elsewhere. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION()         }
#endif

/* Whether the free lists of this extension are used: the collector of a free-threaded build walks
 * the heaps and would find the objects in them. */
#ifdef Py_GIL_DISABLED
#define ASYNCIO__PY_FREE_LISTS    0
#define ASYNCIO__PY_FREE_THREADED 1
#else
#define ASYNCIO__PY_FREE_LISTS    1
#define ASYNCIO__PY_FREE_THREADED 0
#endif

/* A method of a table: its function may have any of the signatures of CPython's. */
#define ASYNCIO__PY_METHOD(name, function, flags, text) \
    {name, (PyCFunction)(void (*)(void))(function), (flags), (text)}
#define ASYNCIO__PY_VECTOR (METH_FASTCALL | METH_KEYWORDS)

#endif
