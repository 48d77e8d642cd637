/* SPDX-License-Identifier: MIT */
/* The type of the loop: how a loop is made, closed, freed and asked about itself; see loop.h. */
#include "python/loop.h"

#include <asyncio/stats.h>

#include "python/handle.h"
#include "python/posts.h"

/* --- making -------------------------------------------------------------------------------- */

/* Finds the value of an option among names. Returns its index, or -1 with ValueError. */
static int choose(const char *option, PyObject *value, const char *const *names)
{
    if (!value || value == Py_None)
        return 0;
    const char *text = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
    for (int i = 1; text && names[i]; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "%s must be one of %s, or None, not %R", option, names[0],
                     value);
    return -1;
}

static int parse_options(PyObject *kwargs, asyncio_loop_options_t *options)
{
    static const char *const engines[] = {"'epoll', 'uring', 'sim'", "epoll", "uring", "sim", NULL};
    static const char *const clocks[] = {"'monotonic', 'virtual'", "monotonic", "virtual", NULL};
    int engine = choose("engine", kwargs ? PyDict_GetItemString(kwargs, "engine") : NULL, engines);
    if (engine < 0)
        return -1;
    int clock = choose("clock", kwargs ? PyDict_GetItemString(kwargs, "clock") : NULL, clocks);
    if (clock < 0)
        return -1;
    options->engine = (asyncio_engine_t)engine; /* AUTO is 0; the others are in this order */
    options->clock = clock == 2 ? ASYNCIO_CLOCK_VIRTUAL : ASYNCIO_CLOCK_MONOTONIC;
    return 0;
}

/* What the C loop reports is about descriptors that were closed while they were watched, which
 * asyncio does not report; and it may come while the GIL is free. */
static void ignore_report(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                          void *arg)
{
    (void)loop;
    (void)context;
    (void)arg;
}

static PyObject *new_loop(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    asyncio_loop_options_t options = {.size = sizeof(options)};
    if (parse_options(kwargs, &options) < 0)
        return NULL;
    asyncio__py_loop_t *self = (asyncio__py_loop_t *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    PyTypeObject *base = type;
    while (base->tp_new == new_loop && base->tp_base && base->tp_base->tp_new == new_loop)
        base = base->tp_base;
    self->state = asyncio__py_state_of_type(base);
    if (!self->state) {
        Py_DECREF(self);
        return NULL;
    }
    self->loop = asyncio_new_event_loop_full(&options);
    if (!self->loop) {
        asyncio__ignore(asyncio__py_set_code(self->state, asyncio_errno()) != NULL);
        Py_DECREF(self);
        return NULL;
    }
    self->loop->python = self;
    self->loop->may_move = true;
    asyncio__ignore(asyncio__loop_rest(self->loop)); /* the first run may be elsewhere too */
    self->wake_pipe[0] = self->wake_pipe[1] = -1;
    self->slow_ns = 100000000;
    self->batch.run = asyncio__py_run_batch;
    asyncio_loop_set_exception_handler(self->loop, ignore_report, NULL);
    asyncio__py_begin_pauses(self);
    if (asyncio__py_posts_new(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* --- closing and freeing ------------------------------------------------------------------- */

static PyObject *close_loop(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    if (self->is_running && asyncio_loop_is_running(self->loop)) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot close a running event loop");
        return NULL;
    }
    if (self->closed)
        Py_RETURN_NONE;
    self->closed = true;
    asyncio__py_end_wakeups(self);
    /* Refused in a forked child: what the parent uses is not touched. */
    asyncio__ignore(asyncio_loop_close(self->loop));
    asyncio__py_posts_drop(self);
    asyncio__py_free_items(self);
    Py_CLEAR(self->readers);
    Py_CLEAR(self->writers);
    Py_RETURN_NONE;
}

static int traverse(asyncio__py_loop_t *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->raised);
    Py_VISIT(self->task_factory);
    Py_VISIT(self->readers);
    Py_VISIT(self->writers);
    /* While the loop runs, its thread keeps it alive, and may change these without the GIL. */
    if (self->is_running || !self->loop)
        return 0;
    int rc = asyncio__py_visit_items(self, visit, arg);
    if (rc == 0)
        rc = asyncio__py_visit_posts(self, visit, arg);
    const asyncio__heap_t *timers = &self->loop->timers;
    for (uint32_t i = 0; rc == 0 && i < timers->count; i++) {
        asyncio__heap_node_t *node = timers->entries[i].node;
        asyncio__timer_t *timer = node ? ASYNCIO__CONTAINER(node, asyncio__timer_t, node) : NULL;
        if (timer && timer->ready.run == asyncio__py_run_timer)
            rc = asyncio__py_visit_handle(
                &ASYNCIO__CONTAINER(timer, asyncio__py_timer_handle_t, timer)->handle, visit, arg);
    }
    return rc;
}

static int clear(asyncio__py_loop_t *self)
{
    Py_CLEAR(self->raised);
    Py_CLEAR(self->task_factory);
    Py_CLEAR(self->readers);
    Py_CLEAR(self->writers);
    return 0;
}

static void dealloc(asyncio__py_loop_t *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->loop) {
        self->closed = true;
        asyncio__py_end_wakeups(self);
        if (!self->loop->closed)
            asyncio__ignore(asyncio_loop_close(self->loop));
        self->loop->python = NULL;
        if (self->loop->closed)
            asyncio_loop_unref(self->loop); /* else a forked child: leaked */
    }
    asyncio__py_posts_free(self);
    asyncio__py_free_items(self);
    asyncio__ignore(clear(self));
    Py_CLEAR(self->seen_kwnames);
    type->tp_free(self);
    Py_DECREF(type);
}

asyncio__py_loop_t *asyncio__py_loop_of(asyncio__py_state_t *state, PyObject *object)
{
    if (PyObject_TypeCheck(object, state->loop_type))
        return (asyncio__py_loop_t *)object;
    PyErr_Format(PyExc_TypeError, "a libasyncio.Loop was expected, not %R", object);
    return NULL;
}

/* --- what it tells about itself ------------------------------------------------------------ */

static PyObject *is_closed(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(self->closed);
}

static PyObject *is_running(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(self->is_running && asyncio_loop_is_running(self->loop));
}

static PyObject *get_debug(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(self->debug);
}

static PyObject *set_debug_flag(asyncio__py_loop_t *self, PyObject *value)
{
    int debug = PyObject_IsTrue(value);
    if (debug < 0)
        return NULL;
    self->debug = debug;
    Py_RETURN_NONE;
}

static PyObject *check_closed(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    if (asyncio__py_check_closed(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *stats(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    asyncio_loop_stats_t stats = {.size = sizeof(stats)};
    int rc = asyncio_loop_get_stats(self->loop, &stats);
    if (rc < 0)
        return asyncio__py_set_code(self->state, rc);
    unsigned long long steps = stats.steps + self->items.count;
    return Py_BuildValue("{sKsKsKsKsdsdsdsdss}", "polls", (unsigned long long)stats.polls, "waits",
                         (unsigned long long)stats.waits, "turns",
                         (unsigned long long)stats.turns, "steps", steps, "poll_time",
                         stats.poll_time,
                         "run_time", stats.run_time, "longest_turn", stats.longest_turn,
                         "longest_lag", stats.longest_lag, "longest_turn_names",
                         stats.longest_turn_names);
}

static PyObject *get_engine(asyncio__py_loop_t *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(asyncio_engine_name(asyncio_loop_get_engine(self->loop)));
}

static PyObject *get_engine_reason(asyncio__py_loop_t *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(asyncio_loop_get_engine_reason(self->loop));
}

static PyObject *get_clock(asyncio__py_loop_t *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(self->loop->is_virtual ? "virtual" : "monotonic");
}

static PyObject *get_slow(asyncio__py_loop_t *self, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(asyncio__seconds(self->slow_ns));
}

static int set_slow(asyncio__py_loop_t *self, PyObject *value, void *unused)
{
    (void)unused;
    double seconds = value ? PyFloat_AsDouble(value) : 0.1;
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    self->slow_ns = asyncio__nanoseconds(seconds);
    return 0;
}

static PyMethodDef methods[] = {
    ASYNCIO__PY_METHOD("close", close_loop, METH_NOARGS, "Close the loop."),
    ASYNCIO__PY_METHOD("is_closed", is_closed, METH_NOARGS, "Whether the loop was closed."),
    ASYNCIO__PY_METHOD("is_running", is_running, METH_NOARGS, "Whether the loop runs."),
    ASYNCIO__PY_METHOD("get_debug", get_debug, METH_NOARGS, "Whether debug mode is on."),
    ASYNCIO__PY_METHOD("_set_debug", set_debug_flag, METH_O, NULL),
    ASYNCIO__PY_METHOD("_check_closed", check_closed, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("stats", stats, METH_NOARGS,
                       "Return what the loop has done: polls, waits, turns, steps, times."),
    {0},
};

static PyGetSetDef attributes[] = {
    {"engine", (getter)get_engine, NULL, "How the loop waits: epoll, uring or sim.", NULL},
    {"engine_reason", (getter)get_engine_reason, NULL, "Why it waits in this way.", NULL},
    {"clock", (getter)get_clock, NULL, "Its clock: monotonic or virtual.", NULL},
    {"slow_callback_duration", (getter)get_slow, (setter)set_slow,
     "In debug mode, callbacks that take this many seconds are reported.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new_loop},         {Py_tp_dealloc, dealloc}, {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},          {Py_tp_methods, methods}, {Py_tp_getset, attributes},
    {Py_tp_doc, "The part of a loop that is written in C."}, {0, NULL},
};

static PyType_Spec spec = {
    "libasyncio._core.Loop", sizeof(asyncio__py_loop_t), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

int asyncio__py_add_loop(PyObject *module, asyncio__py_state_t *state)
{
    PyMethodDef *const method_tables[] = {
        asyncio__py_run_methods,  asyncio__py_call_methods,   asyncio__py_task_methods,
        asyncio__py_name_methods, asyncio__py_signal_methods, asyncio__py_watch_methods,
        asyncio__py_network_methods, asyncio__py_sock_methods,
    };
    state->loop_type = asyncio__py_make_type(module, &spec, NULL, /* is_open= */ true);
    if (!state->loop_type)
        return -1;
    for (size_t i = 0; i < sizeof(method_tables) / sizeof(*method_tables); i++)
        if (asyncio__py_add_methods(state->loop_type, method_tables[i]) < 0)
            return -1;
    return PyModule_AddObject(module, "Loop", Py_NewRef((PyObject *)state->loop_type));
}
