/* SPDX-License-Identifier: MIT */
/* create_future() and create_task(): stock futures and tasks, and the task factory. */
#include "python/loop.h"

static PyObject *create_future(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    PyObject *args[2] = {NULL, (PyObject *)self};
    return PyObject_Vectorcall(self->state->future_class, args + 1,
                               0 | PY_VECTORCALL_ARGUMENTS_OFFSET, self->state->kwnames_loop);
}

/* Calls asyncio.Task(coro, loop=self, **keywords). */
static PyObject *make_task(asyncio__py_loop_t *self, PyObject *coro, PyObject *kwnames,
                           PyObject *const *values)
{
    Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *args[3] = {NULL, coro, (PyObject *)self};
    if (count == 0)
        return PyObject_Vectorcall(self->state->task_class, args + 1,
                                   1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                   self->state->kwnames_loop);
    enum { MOST = 8 };
    if (count > MOST - 2) {
        PyErr_SetString(PyExc_TypeError, "create_task() got too many keyword arguments");
        return NULL;
    }
    PyObject *all[MOST] = {coro, (PyObject *)self};
    PyObject *names = PyTuple_New(count + 1);
    if (!names)
        return NULL;
    PyTuple_SET_ITEM(names, 0, Py_NewRef(self->state->names.loop));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(names, i + 1, Py_NewRef(PyTuple_GET_ITEM(kwnames, i)));
        all[i + 2] = values[i];
    }
    PyObject *task = PyObject_Vectorcall(self->state->task_class, all, 1, names);
    Py_DECREF(names);
    return task;
}

/* What is rare: a task factory, debug mode, wrong arguments. */
static ASYNCIO__COLD PyObject *make_by_helper(asyncio__py_loop_t *self, PyObject *const *args,
                                              Py_ssize_t count, PyObject *kwnames)
{
    PyObject *helper = asyncio__py_helper(self->state, "create_task");
    PyObject *names = helper ? PyTuple_New(count + 2) : NULL, *result = NULL;
    PyObject *keywords = names ? PyDict_New() : NULL;
    if (keywords) {
        PyTuple_SET_ITEM(names, 0, Py_NewRef((PyObject *)self));
        PyTuple_SET_ITEM(names, 1,
                         Py_NewRef(self->task_factory ? self->task_factory : Py_None));
        for (Py_ssize_t i = 0; i < count; i++)
            PyTuple_SET_ITEM(names, i + 2, Py_NewRef(args[i]));
        int rc = 0;
        for (Py_ssize_t i = 0; kwnames && rc == 0 && i < PyTuple_GET_SIZE(kwnames); i++)
            rc = PyDict_SetItem(keywords, PyTuple_GET_ITEM(kwnames, i), args[count + i]);
        result = rc == 0 ? PyObject_Call(helper, names, keywords) : NULL;
    }
    Py_XDECREF(keywords);
    Py_XDECREF(names);
    Py_XDECREF(helper);
    return result;
}

static PyObject *create_task(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *kwnames)
{
    if (ASYNCIO__UNLIKELY(asyncio__py_check_closed(self) < 0))
        return NULL;
    if (ASYNCIO__UNLIKELY(self->task_factory || self->debug || count != 1))
        return make_by_helper(self, args, count, kwnames);
    return make_task(self, args[0], kwnames, args + count);
}

static PyObject *set_task_factory(asyncio__py_loop_t *self, PyObject *factory)
{
    if (factory != Py_None && !PyCallable_Check(factory)) {
        PyErr_SetString(PyExc_TypeError, "task factory must be a callable or None");
        return NULL;
    }
    Py_XSETREF(self->task_factory, factory == Py_None ? NULL : Py_NewRef(factory));
    Py_RETURN_NONE;
}

static PyObject *get_task_factory(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self->task_factory ? self->task_factory : Py_None);
}

PyMethodDef asyncio__py_task_methods[] = {
    ASYNCIO__PY_METHOD("create_future", create_future, METH_NOARGS,
                       "Create a future attached to the loop."),
    ASYNCIO__PY_METHOD("create_task", create_task, ASYNCIO__PY_VECTOR,
                       "Schedule a coroutine, wrapped in a task."),
    ASYNCIO__PY_METHOD("set_task_factory", set_task_factory, METH_O,
                       "Set what create_task() makes tasks with, or None for the default."),
    ASYNCIO__PY_METHOD("get_task_factory", get_task_factory, METH_NOARGS,
                       "Return the task factory, or None."),
    {0},
};
