/* SPDX-License-Identifier: MIT */
/*
 * The state of the extension module: its types, the names that it looks up, and what it has found
 * out about the interpreter's own _asyncio. One for each interpreter; nothing is static.
 *
 * A loop has a pointer to it (self->state). A type finds it by asyncio__py_state_of_type().
 *
 * To add a name, add it to ASYNCIO__PY_NAMES: state->names.foo is then the interned string "foo".
 * To add a type, add a field, make it in a function that module.c calls when the module is
 * executed, and visit it in module.c. To add methods to the loop, define a PyMethodDef table in a
 * file of your own, declare it in loop.h and list it in loop.c (method_tables).
 */
#ifndef ASYNCIO__PYTHON_STATE_H
#define ASYNCIO__PYTHON_STATE_H

#include "python/compat.h"

struct asyncio__py_handle;
struct asyncio__py_network;

/* The names that C code looks up, calls or compares. */
#define ASYNCIO__PY_NAMES(X)                                                                      \
    X(_callback_failed) X(call_exception_handler) X(context) X(loop)

typedef struct asyncio__py_names {
#define X(word) PyObject *word;
    ASYNCIO__PY_NAMES(X)
#undef X
} asyncio__py_names_t;

#define ASYNCIO__PY_FREE_HANDLES 256 /* handles that are kept for the next call */

typedef struct asyncio__py_state {
    asyncio__py_names_t names;
    PyObject *module;                /* libasyncio._core itself: borrowed */
    PyTypeObject *loop_type;         /* _core.Loop */
    PyTypeObject *handle_type;       /* _core.Handle */
    PyTypeObject *timer_handle_type; /* _core.TimerHandle */
    PyObject *deadlock_error;        /* libasyncio.DeadlockError */
    PyObject *task_class;            /* asyncio.Task */
    PyObject *future_class;          /* asyncio.Future */
    PyObject *helpers;               /* the module libasyncio._helpers, once imported; or NULL */
    PyObject *kwnames_loop;          /* ("loop",) */
    PyObject *kwnames_context;       /* ("context",) */
    PyObject *no_arguments;          /* () */

    /* What a stock Task passes to call_soon(): found by libasyncio._probe, NULL if it was not. */
    PyTypeObject *step_type; /* TaskStepMethWrapper: a task's next step */
    PyTypeObject *wake_type; /* TaskWakeupMethWrapper (up to 3.11): a task's wake-up */
    PyCFunction wake;        /* task_wakeup (since 3.12), called with the task and the future */

    /* Objects that were freed, linked by their loop fields; see handle.c. */
    struct asyncio__py_handle *free_handles;
    struct asyncio__py_handle *free_timer_handles;
    int free_handle_count, free_timer_handle_count;

    struct asyncio__py_network *network; /* of the files of transports; NULL at first */
} asyncio__py_state_t;

/* The state of the module that has made the type (not a subclass of it). */
static inline asyncio__py_state_t *asyncio__py_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

static inline asyncio__py_state_t *asyncio__py_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Makes a type of the module, which cannot be called by programs unless is_open. bases may be NULL.
 * Returns NULL with an exception set. */
PyTypeObject *asyncio__py_make_type(PyObject *module, PyType_Spec *spec, PyObject *bases,
                                    bool is_open);

/* Adds the methods of a table, which must stay, to a type. 0 or -1. */
int asyncio__py_add_methods(PyTypeObject *type, PyMethodDef *table);

/* Returns a new reference to a function of libasyncio._helpers: what is rare is written there. */
PyObject *asyncio__py_helper(asyncio__py_state_t *state, const char *name);

/* Called when the module is executed: 0 or -1. Each makes the types of its file. */
int asyncio__py_add_loop(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_handles(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_network(PyObject *module, asyncio__py_state_t *state);

/* Visits and clears what the network's files keep in state->network; see network.c. */
int asyncio__py_visit_network(asyncio__py_state_t *state, visitproc visit, void *arg);
void asyncio__py_clear_network(asyncio__py_state_t *state);

#endif
