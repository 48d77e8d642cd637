/* SPDX-License-Identifier: MIT */
/*
 * Handle and TimerHandle: what call_soon() and call_later() return.
 *
 * Up to three arguments lie in the handle itself, and freed handles are kept for the next call:
 * neither a tuple nor an allocation is needed then.
 *
 * Until it has run, the collector does not track a handle, because the loop owns it: many pending
 * handles cost a collection nothing. The loop visits what such a handle holds. A handle that
 * somebody keeps after its run is tracked from then on.
 */
#ifndef ASYNCIO__PYTHON_HANDLE_H
#define ASYNCIO__PYTHON_HANDLE_H

#include "python/loop.h"

#define ASYNCIO__PY_INLINE_ARGUMENTS 3

typedef struct asyncio__py_handle {
    PyObject_HEAD
    asyncio__py_loop_t *loop; /* a reference; in a free handle: the next free one */
    PyObject *callback;       /* NULL once it was cancelled */
    PyObject *context;        /* in which it runs */
    PyObject *arguments[ASYNCIO__PY_INLINE_ARGUMENTS]; /* if there are more: one tuple */
    PyObject *source_traceback; /* where it was made, in debug mode; or NULL */
    PyObject *text;             /* its repr() before it was cancelled, in debug mode; or NULL */
    PyObject *weak_references;  /* or NULL */
    int count;                  /* arguments */
    bool is_cancelled;
    bool is_called;             /* its callback runs: what it has is dropped later */
    bool is_timer;              /* an asyncio__py_timer_handle_t */
    bool is_posted;             /* call_soon_threadsafe() has made it */
    bool is_hidden;             /* the collector does not track its context */
} asyncio__py_handle_t;

typedef struct asyncio__py_timer_handle {
    asyncio__py_handle_t handle;
    asyncio__timer_t timer; /* while it is set, the timer holds a reference to the handle */
    double when;            /* as call_at() was given it */
    bool is_scheduled;      /* in the heap of timers, or due and not run yet */
} asyncio__py_timer_handle_t;

/* Returns a new handle; context NULL: a copy of the current one. NULL with an exception set. */
asyncio__py_handle_t *asyncio__py_handle_new(asyncio__py_loop_t *loop, PyObject *callback,
                                             PyObject *const *args, Py_ssize_t count,
                                             PyObject *context);

/* Returns a new timer handle that is not set yet. */
asyncio__py_timer_handle_t *asyncio__py_timer_handle_new(asyncio__py_loop_t *loop, double when,
                                                         PyObject *callback,
                                                         PyObject *const *args,
                                                         Py_ssize_t count, PyObject *context);

/* Has the collector track a handle that is kept by other owners than the ready queue. */
void asyncio__py_handle_track(asyncio__py_handle_t *handle);

/* Has the collector leave a context alone that was copied for this handle, until it runs: where
 * many handles are made before the first one runs. */
void asyncio__py_handle_hide(asyncio__py_handle_t *handle);

/* Visits a handle that the loop owns, for the loop's tp_traverse. */
int asyncio__py_visit_handle(asyncio__py_handle_t *handle, visitproc visit, void *arg);

/* Calls its callback, unless it was cancelled, and reports what it raises. */
void asyncio__py_handle_run(asyncio__py_handle_t *handle);

/* What the timer of a timer handle runs: how the loop recognises it. */
/* Starts a timer in the loop's thread. Takes the reference, also on failure, which is -1 with
 * MemoryError. */
int asyncio__py_begin_timer(asyncio__py_loop_t *loop, asyncio__py_timer_handle_t *timer);

void asyncio__py_run_timer(asyncio__ready_t *ready);

/* Frees the handles that are kept; none is kept afterwards. */
void asyncio__py_free_handles(asyncio__py_state_t *state);

/* As Handle.cancel(). */
void asyncio__py_handle_cancel(asyncio__py_handle_t *handle);

#endif
