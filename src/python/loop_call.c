/* SPDX-License-Identifier: MIT */
/* call_soon() and its relatives. */
#include "python/handle.h"
#include "python/posts.h"

#include <math.h>

#include "base/clock.h"

/* --- arguments ----------------------------------------------------------------------------- */

/* Takes context= out of the keywords of a call. Returns 0, or -1 with TypeError. */
static ASYNCIO__COLD int parse_context(asyncio__py_loop_t *self, const char *function,
                                       PyObject *kwnames, PyObject *const *values,
                                       PyObject **ret_context)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_Compare(name, self->state->names.context) != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                         name);
            return -1;
        }
        *ret_context = values[i];
    }
    /* Other threads call call_soon_threadsafe(). */
    bool is_alone = !ASYNCIO__PY_FREE_THREADED || !asyncio__py_is_elsewhere(self);
    if (is_alone && PyTuple_GET_SIZE(kwnames) == 1)
        Py_XSETREF(self->seen_kwnames, Py_NewRef(kwnames));
    return 0;
}

/* The same, quick for the tuple of names that was seen last: stock tasks pass always the same one,
 * whose string is not interned. */
static inline int get_context(asyncio__py_loop_t *self, const char *function, PyObject *kwnames,
                              PyObject *const *values, PyObject **ret_context)
{
    *ret_context = NULL;
    if (!kwnames)
        return 0;
    if (ASYNCIO__LIKELY(kwnames == self->seen_kwnames))
        *ret_context = values[0];
    else if (parse_context(self, function, kwnames, values, ret_context) < 0)
        return -1;
    if (*ret_context == Py_None)
        *ret_context = NULL;
    return 0;
}

static ASYNCIO__COLD PyObject *fail_missing(const char *function, Py_ssize_t given)
{
    if (given == 0)
        return PyErr_Format(PyExc_TypeError,
                            "%s() missing required positional arguments", function);
    return PyErr_Format(PyExc_TypeError,
                        "%s() missing 1 required positional argument: 'callback'", function);
}

/* In debug mode: the checks of asyncio. 0, or -1 with an exception. */
static ASYNCIO__COLD int check_debug(asyncio__py_loop_t *self, PyObject *callback,
                                     const char *function, bool is_any_thread)
{
    if (!is_any_thread && asyncio__py_check(self) < 0)
        return -1;
    PyObject *helper = asyncio__py_helper(self->state, "check_callback");
    PyObject *result = helper ? PyObject_CallFunction(helper, "Os", callback, function) : NULL;
    Py_XDECREF(helper);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* --- call_soon ----------------------------------------------------------------------------- */

/* A step or wake-up of a stock task, which drops the handle: it needs none. Returns whether it is
 * one; then *item is set, but for its references. */
static inline bool is_step(const asyncio__py_state_t *state, PyObject *callback,
                           PyObject *const *args, Py_ssize_t count, asyncio__py_item_t *item)
{
    PyTypeObject *type = Py_TYPE(callback);
    if (count == 0 && type == state->step_type) {
        item->kind = ASYNCIO__PY_STEP;
        item->argument = NULL;
        return true;
    }
    if (count == 1 && ((type == &PyCFunction_Type && state->wake &&
                        PyCFunction_GET_FUNCTION(callback) == state->wake) ||
                       (type == state->wake_type))) {
        item->kind = ASYNCIO__PY_WAKE;
        item->argument = args[0];
        return true;
    }
    return false;
}

PyObject *asyncio__py_call_soon(asyncio__py_loop_t *self, PyObject *callback,
                                PyObject *const *args, Py_ssize_t count, PyObject *context)
{
    asyncio__py_item_t item;
    bool is_elsewhere = ASYNCIO__UNLIKELY(asyncio__py_is_elsewhere(self));
    if (context && is_step(self->state, callback, args, count, &item) &&
        ASYNCIO__LIKELY(!self->debug && !is_elsewhere)) {
        item.subject = Py_NewRef(callback);
        Py_XINCREF(item.argument);
        item.context = Py_NewRef(context);
        if (asyncio__py_push(self, item) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    asyncio__py_handle_t *handle = asyncio__py_handle_new(self, callback, args, count, context);
    if (ASYNCIO__UNLIKELY(!handle))
        return NULL;
    Py_INCREF(handle);
    item = (asyncio__py_item_t){(PyObject *)handle, NULL, NULL, ASYNCIO__PY_HANDLE};
    /* Another thread's call works, as it does in asyncio, and wakes the loop as well. */
    int rc = ASYNCIO__UNLIKELY(is_elsewhere) ? asyncio__py_post(self, handle)
                                             : asyncio__py_push(self, item);
    if (ASYNCIO__UNLIKELY(rc < 0)) {
        Py_DECREF(handle);
        return NULL;
    }
    return (PyObject *)handle;
}

static PyObject *call_soon(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *kwnames)
{
    PyObject *context;
    if (ASYNCIO__UNLIKELY(count < 1))
        return fail_missing("call_soon", 1);
    if (get_context(self, "call_soon", kwnames, args + count, &context) < 0 ||
        asyncio__py_check_closed(self) < 0 ||
        ASYNCIO__UNLIKELY(self->debug && check_debug(self, args[0], "call_soon", false) < 0))
        return NULL;
    return asyncio__py_call_soon(self, args[0], args + 1, count - 1, context);
}

static PyObject *call_soon_threadsafe(asyncio__py_loop_t *self, PyObject *const *args,
                                      Py_ssize_t count, PyObject *kwnames)
{
    const char *name = "call_soon_threadsafe";
    PyObject *context;
    if (ASYNCIO__UNLIKELY(count < 1))
        return fail_missing(name, 1);
    if (get_context(self, name, kwnames, args + count, &context) < 0 ||
        asyncio__py_check_closed(self) < 0 ||
        ASYNCIO__UNLIKELY(self->debug && check_debug(self, args[0], name, true) < 0))
        return NULL;
    if (asyncio__thread.running_loop == self->loop) {
        PyObject *made = asyncio__py_call_soon(self, args[0], args + 1, count - 1, context);
        if (made && made != Py_None)
            ((asyncio__py_handle_t *)made)->is_posted = true;
        return made;
    }
    asyncio__py_handle_t *handle =
        asyncio__py_handle_new(self, args[0], args + 1, count - 1, context);
    if (!handle)
        return NULL;
    handle->is_posted = true;
    if (!context)
        asyncio__py_handle_hide(handle);
    Py_INCREF(handle);
    if (asyncio__py_post(self, handle) < 0) {
        Py_DECREF(handle);
        return NULL;
    }
    return (PyObject *)handle;
}

/* --- call_later, call_at ------------------------------------------------------------------- */

/* Nanoseconds, rounded up: time() must not be less than when as the callback runs. */
static int64_t deadline_of(double when)
{
    int64_t when_ns = asyncio__nanoseconds(when);
    return when_ns < ASYNCIO__NANOSECONDS_FOREVER && asyncio__seconds(when_ns) < when
               ? when_ns + 1
               : when_ns;
}

int asyncio__py_begin_timer(asyncio__py_loop_t *self, asyncio__py_timer_handle_t *timer)
{
    int64_t when_ns = deadline_of(timer->when);
    if (ASYNCIO__UNLIKELY(when_ns == ASYNCIO__NANOSECONDS_FOREVER))
        when_ns--; /* in the heap all the same, which has a reference */
    if (ASYNCIO__UNLIKELY(asyncio__timer_start(self->loop, &timer->timer, when_ns) < 0)) {
        Py_DECREF(timer);
        PyErr_NoMemory();
        return -1;
    }
    timer->is_scheduled = true;
    return 0;
}

static PyObject *start_timer(asyncio__py_loop_t *self, double when, PyObject *const *args,
                             Py_ssize_t count, PyObject *context)
{
    if (ASYNCIO__UNLIKELY(isnan(when))) {
        PyErr_SetString(PyExc_ValueError, "Invalid time NaN (not a number)");
        return NULL;
    }
    asyncio__py_timer_handle_t *timer =
        asyncio__py_timer_handle_new(self, when, args[0], args + 1, count - 1, context);
    if (ASYNCIO__UNLIKELY(!timer))
        return NULL;
    Py_INCREF(timer);
    int rc = ASYNCIO__UNLIKELY(asyncio__py_is_elsewhere(self))
                 ? asyncio__py_post(self, &timer->handle)
                 : asyncio__py_begin_timer(self, timer);
    if (ASYNCIO__UNLIKELY(rc < 0))
        Py_CLEAR(timer);
    return (PyObject *)timer;
}

/* The time that call_later() and call_at() are given. */
static int get_when(asyncio__py_loop_t *self, PyObject *number, bool is_later, double *ret_when)
{
    double now = is_later ? asyncio__seconds(asyncio__loop_now(self->loop)) : 0;
    if (ASYNCIO__LIKELY(PyFloat_CheckExact(number))) {
        *ret_when = now + PyFloat_AS_DOUBLE(number);
        return 0;
    }
    if (number == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        is_later ? "delay must not be None" : "when cannot be None");
        return -1;
    }
    /* The sum raises what asyncio's would for what is no number. */
    PyObject *base = PyFloat_FromDouble(now);
    PyObject *when = base ? PyNumber_Add(base, number) : NULL;
    *ret_when = when ? PyFloat_AsDouble(when) : -1;
    Py_XDECREF(base);
    Py_XDECREF(when);
    return *ret_when == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *call_timer(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames, bool is_later)
{
    const char *name = is_later ? "call_later" : "call_at";
    double when;
    PyObject *context;
    if (ASYNCIO__UNLIKELY(count < 2))
        return fail_missing(name, count);
    if (get_context(self, name, kwnames, args + count, &context) < 0 ||
        get_when(self, args[0], is_later, &when) < 0 || asyncio__py_check_closed(self) < 0 ||
        ASYNCIO__UNLIKELY(self->debug && check_debug(self, args[1], "call_at", false) < 0))
        return NULL;
    return start_timer(self, when, args + 1, count - 1, context);
}

static PyObject *call_later(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    return call_timer(self, args, count, kwnames, /* is_later= */ true);
}

static PyObject *call_at(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames)
{
    return call_timer(self, args, count, kwnames, /* is_later= */ false);
}

static PyObject *get_time(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    return PyFloat_FromDouble(asyncio__seconds(asyncio__loop_now(self->loop)));
}

/* Makes a handle ready that was made before: for signal handlers. Any thread. */
static PyObject *add_ready(asyncio__py_loop_t *self, PyObject *object)
{
    if (Py_TYPE(object) != self->state->handle_type)
        return PyErr_Format(PyExc_TypeError, "a libasyncio.Handle was expected, not %R", object);
    asyncio__py_item_t item = {Py_NewRef(object), NULL, NULL, ASYNCIO__PY_HANDLE};
    int rc = asyncio__thread.running_loop == self->loop
                 ? asyncio__py_push(self, item)
                 : asyncio__py_post(self, (asyncio__py_handle_t *)object);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Makes a handle that is not scheduled: (callback, args). */
static PyObject *make_handle(asyncio__py_loop_t *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1)
        return fail_missing("_make_handle", 1);
    asyncio__py_handle_t *handle =
        asyncio__py_handle_new(self, args[0], args + 1, count - 1, NULL);
    if (handle)
        asyncio__py_handle_track(handle);
    return (PyObject *)handle;
}

/* For code that knows the stock loop: cancel() has removed the timer already. */
static PyObject *timer_handle_cancelled(asyncio__py_loop_t *self, PyObject *handle)
{
    (void)self;
    (void)handle;
    Py_RETURN_NONE;
}

PyMethodDef asyncio__py_call_methods[] = {
    ASYNCIO__PY_METHOD("call_soon", call_soon, ASYNCIO__PY_VECTOR,
                       "Have a callback run in the next turn of the loop."),
    ASYNCIO__PY_METHOD("call_soon_threadsafe", call_soon_threadsafe, ASYNCIO__PY_VECTOR,
                       "Have a callback run in the loop's thread; any thread may call this."),
    ASYNCIO__PY_METHOD("call_later", call_later, ASYNCIO__PY_VECTOR,
                       "Have a callback run after a delay in seconds."),
    ASYNCIO__PY_METHOD("call_at", call_at, ASYNCIO__PY_VECTOR,
                       "Have a callback run at a time on the loop's clock."),
    ASYNCIO__PY_METHOD("time", get_time, METH_NOARGS, "Return the time on the loop's clock."),
    ASYNCIO__PY_METHOD("_add_ready", add_ready, METH_O, NULL),
    ASYNCIO__PY_METHOD("_make_handle", make_handle, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_timer_handle_cancelled", timer_handle_cancelled, METH_O, NULL),
    {0},
};
