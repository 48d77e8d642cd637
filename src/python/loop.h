/* SPDX-License-Identifier: MIT */
/*
 * The loop object of Python, _core.Loop: a record of the extension beside the C loop that it owns.
 *
 * A callback of Python's call_soon() is an item of a ring of its own (items.h), so that a step of a
 * stock task needs no object at all. The C loop's ready queue holds self->batch once for each run
 * of such items that nothing else interrupts: so timers, I/O and Python's callbacks keep their
 * common order.
 *
 *     ready queue of the C loop      timer   batch       transport   batch
 *     ring of items                          a b c                   d e
 *     segments (ends)                             ^                     ^
 *
 * Everything here runs with the GIL, in the loop's thread, except where a comment says otherwise.
 * While the engine waits, the GIL is free: what it calls meanwhile may only schedule.
 */
#ifndef ASYNCIO__PYTHON_LOOP_H
#define ASYNCIO__PYTHON_LOOP_H

#include "python/compat.h"

#include "loop/loop.h"
#include "loop/timer.h"
#include "python/items.h"
#include "python/state.h"

typedef struct asyncio__python_layer asyncio__py_loop_t;

/* loop->python of the C loop. A Python object; programs use a subclass of its type. */
struct asyncio__python_layer {
    PyObject_HEAD
    asyncio_loop_t *loop;       /* the C loop: a reference; NULL if it could not be made */
    asyncio__py_state_t *state; /* of the module */
    asyncio__py_items_t items;  /* callbacks that are ready */
    asyncio__ready_t batch;     /* runs the next segment of items */
    uint32_t in_batch;          /* 1 while a segment runs, which counts in loop->todo; else 0 */
    asyncio__pause_t pause;     /* releases the GIL round waits */
    PyThreadState *saved;       /* of the loop's thread while the GIL is released; else NULL */
    PyObject *raised;           /* an exception that ends the run: KeyboardInterrupt, … */
    PyObject *seen_kwnames;     /* the tuple ("context",) that was passed last */
    PyObject *task_factory;     /* or NULL */
    PyObject *readers;          /* {fd: handle} of add_reader(), or NULL */
    PyObject *writers;          /* {fd: handle} of add_writer(), or NULL */
    struct asyncio__py_net *net;     /* of network.h; NULL until it is needed */
    struct asyncio__py_posts *posts; /* of call_soon_threadsafe(); see posts.c */
    int wake_pipe[2];           /* of signals.c; -1 before it is needed */
    int64_t slow_ns;            /* in debug mode, what takes this long is reported */
    atomic_bool is_waiting;     /* the loop's thread changes its queues without the GIL */
    bool debug;                 /* debug mode */
    bool is_running;            /* inside _run() */
    bool closed;                /* close() was called */
};

/* Tables of methods of the loop, one a file; loop.c adds them to its type. */
extern PyMethodDef asyncio__py_run_methods[];     /* loop_run.c */
extern PyMethodDef asyncio__py_call_methods[];    /* loop_call.c */
extern PyMethodDef asyncio__py_task_methods[];    /* loop_task.c */
extern PyMethodDef asyncio__py_name_methods[];    /* names.c */
extern PyMethodDef asyncio__py_signal_methods[];  /* signals.c */
extern PyMethodDef asyncio__py_watch_methods[];   /* loop_watch.c */
extern PyMethodDef asyncio__py_network_methods[]; /* network.c */
extern PyMethodDef asyncio__py_sock_methods[];    /* sock_call.c */

/*
 * Appends an item to what is ready. Takes the references in the item: also on failure, which is -1
 * with MemoryError. Loop thread.
 */
static inline int asyncio__py_push(asyncio__py_loop_t *self, asyncio__py_item_t item)
{
    asyncio__py_items_t *items = &self->items;
    const asyncio__ring_t *ready = &self->loop->ready;
    uint32_t last = ready->tail - 1;
    if (ASYNCIO__UNLIKELY(items->tail - items->head > items->mask || !items->ring) &&
        asyncio__py_grow_items(self) < 0)
        goto fail;
    /* An entry of the present turn must not get longer. */
    if ((!items->is_open || items->open_position != last ||
         last - ready->head < self->loop->todo - self->in_batch) &&
        asyncio__py_open_segment(self) < 0)
        goto fail;
    items->ring[items->tail++ & items->mask] = item;
    return 0;
fail:
    Py_DECREF(item.subject);
    Py_XDECREF(item.argument);
    Py_XDECREF(item.context);
    return -1;
}

/* Has the GIL released round the waits of the loop; see loop_run.c. */
void asyncio__py_begin_pauses(asyncio__py_loop_t *self);

/* Ends the watch of signals and closes its pipe; see signals.c. */
void asyncio__py_end_wakeups(asyncio__py_loop_t *self);

/* --- checks -------------------------------------------------------------------------------- */

/* Raises RuntimeError('Event loop is closed') and returns -1 if it is. */
int asyncio__py_check_closed(asyncio__py_loop_t *self);

/* The same; and raises RuntimeError if the loop runs in another thread. For calls that change what
 * the loop waits for. */
int asyncio__py_check(asyncio__py_loop_t *self);

/* Whether the loop runs in another thread than this one. */
static inline bool asyncio__py_is_elsewhere(const asyncio__py_loop_t *self)
{
    return asyncio__thread.running_loop != self->loop && self->loop->running;
}

/* Sets the exception for a negative code of the C library, with its message if it has one: OSError
 * for -errno, MemoryError, RuntimeError, DeadlockError. Returns NULL. */
PyObject *asyncio__py_set_code(asyncio__py_state_t *state, int code);

/* --- running callbacks of Python ----------------------------------------------------------- */

/*
 * Calls a callback in a context, for ready items of C (transports, …). Reports an exception to the
 * loop's exception handler with the message; SystemExit and KeyboardInterrupt end the run instead.
 * Returns a new reference, or NULL after an exception, which is no longer set.
 */
PyObject *asyncio__py_call(asyncio__py_loop_t *self, PyObject *context, PyObject *callback,
                           PyObject *const *args, size_t count, const char *message);

/*
 * What is to be done with the exception that is set: SystemExit and KeyboardInterrupt end the run;
 * any other is reported to loop.call_exception_handler({'message': message, 'exception': …,
 * key: value, …}). The pairs of const char * and PyObject * (NULL values are left out) end with a
 * NULL key. No exception is set afterwards.
 */
void asyncio__py_report(asyncio__py_loop_t *self, const char *message, ...);

/* Reports what a handle's callback has raised. Takes the reference to the error. */
void asyncio__py_report_callback(asyncio__py_loop_t *self, PyObject *error,
                                 struct asyncio__py_handle *handle);

/* If the exception that is set is SystemExit or KeyboardInterrupt (or another BaseException that
 * tasks must not swallow), ends the run with it and returns true; no exception is set then. */
bool asyncio__py_raise_from_turn(asyncio__py_loop_t *self);

/* --- scheduling ---------------------------------------------------------------------------- */

/* As loop.call_soon(): a new reference to a handle, or None for what needs none; or NULL. */
PyObject *asyncio__py_call_soon(asyncio__py_loop_t *self, PyObject *callback,
                                PyObject *const *args, Py_ssize_t count, PyObject *context);

/* The C loop of a Python loop that is ours; NULL with a TypeError for another object. */
asyncio__py_loop_t *asyncio__py_loop_of(asyncio__py_state_t *state, PyObject *object);

#endif
