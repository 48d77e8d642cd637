/* SPDX-License-Identifier: MIT */
/* Handle and TimerHandle; see handle.h. */
#include "python/handle.h"

#include <time.h>

#include "base/clock.h"

/* Handles of call_soon_threadsafe() have a class of their own. */
#define HAS_THREAD_SAFE (PY_VERSION_HEX >= 0x030E0000)

/* --- making and freeing -------------------------------------------------------------------- */

/* Takes an object from a free list or allocates one. */
static void *allocate(PyTypeObject *type, asyncio__py_handle_t **free_list, int *free_count)
{
#if ASYNCIO__PY_FREE_LISTS
    asyncio__py_handle_t *handle = *free_list;
    if (handle) {
        *free_list = (asyncio__py_handle_t *)handle->loop;
        (*free_count)--;
        return PyObject_Init((PyObject *)handle, type);
    }
#else
    (void)free_list;
    (void)free_count;
#endif
    return PyObject_GC_New(asyncio__py_timer_handle_t, type);
}

static inline int init(asyncio__py_handle_t *handle, asyncio__py_loop_t *loop, PyObject *callback,
                       PyObject *const *args, Py_ssize_t count, PyObject *context)
{
    handle->loop = (asyncio__py_loop_t *)Py_NewRef((PyObject *)loop);
    handle->callback = Py_NewRef(callback);
    handle->context = context ? Py_NewRef(context) : PyContext_CopyCurrent();
    handle->source_traceback = handle->text = handle->weak_references = NULL;
    handle->count = 0;
    handle->is_cancelled = handle->is_called = handle->is_timer = handle->is_hidden =
        handle->is_posted = false;
    memset(handle->arguments, 0, sizeof(handle->arguments));
    if (!handle->context)
        return -1;
    if (count <= ASYNCIO__PY_INLINE_ARGUMENTS) {
        for (Py_ssize_t i = 0; i < count; i++)
            handle->arguments[i] = Py_NewRef(args[i]);
    } else {
        PyObject *tuple = handle->arguments[0] = PyTuple_New(count);
        if (!tuple)
            return -1;
        for (Py_ssize_t i = 0; i < count; i++)
            PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    handle->count = (int)count;
    return 0;
}

/* In debug mode: remembers where the handle is made. */
static ASYNCIO__COLD int note_source(asyncio__py_handle_t *handle)
{
    PyObject *extract = asyncio__py_helper(handle->loop->state, "extract_stack");
    handle->source_traceback = extract ? PyObject_CallNoArgs(extract) : NULL;
    Py_XDECREF(extract);
    return handle->source_traceback ? 0 : -1;
}

asyncio__py_handle_t *asyncio__py_handle_new(asyncio__py_loop_t *loop, PyObject *callback,
                                             PyObject *const *args, Py_ssize_t count,
                                             PyObject *context)
{
    asyncio__py_state_t *state = loop->state;
    asyncio__py_handle_t *handle =
        allocate(state->handle_type, &state->free_handles, &state->free_handle_count);
    if (!handle)
        return NULL;
    int rc = init(handle, loop, callback, args, count, context);
    if (ASYNCIO__UNLIKELY(rc < 0 || (loop->debug && note_source(handle) < 0))) {
        Py_DECREF(handle);
        return NULL;
    }
    return handle;
}

void asyncio__py_run_timer(asyncio__ready_t *ready)
{
    asyncio__py_timer_handle_t *timer =
        ASYNCIO__CONTAINER(ready, asyncio__py_timer_handle_t, timer.ready);
    asyncio_loop_t *loop = timer->handle.loop->loop;
    asyncio__timer_begin(loop, &timer->timer);
    timer->is_scheduled = false;
    if (!loop->closed)
        asyncio__py_handle_run(&timer->handle);
    Py_DECREF(timer);
}

asyncio__py_timer_handle_t *asyncio__py_timer_handle_new(asyncio__py_loop_t *loop, double when,
                                                         PyObject *callback,
                                                         PyObject *const *args,
                                                         Py_ssize_t count, PyObject *context)
{
    asyncio__py_state_t *state = loop->state;
    asyncio__py_timer_handle_t *timer = allocate(
        state->timer_handle_type, &state->free_timer_handles, &state->free_timer_handle_count);
    if (!timer)
        return NULL;
    int rc = init(&timer->handle, loop, callback, args, count, context);
    timer->handle.is_timer = true;
    timer->when = when;
    timer->is_scheduled = false;
    asyncio__timer_init(&timer->timer, asyncio__py_run_timer);
    if (ASYNCIO__UNLIKELY(rc < 0 || (loop->debug && note_source(&timer->handle) < 0))) {
        Py_DECREF(timer);
        return NULL;
    }
    return timer;
}

void asyncio__py_handle_hide(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__PY_FREE_THREADED || Py_REFCNT(handle->context) != 1)
        return;
    PyObject_GC_UnTrack(handle->context);
    handle->is_hidden = true;
}

/* Has the collector track the context again, before somebody else can have it. */
static inline void reveal(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__LIKELY(!handle->is_hidden))
        return;
    handle->is_hidden = false;
    PyObject_GC_Track(handle->context);
}

static int traverse(asyncio__py_handle_t *handle, visitproc visit, void *arg)
{
#if PY_VERSION_HEX >= 0x03090000
    Py_VISIT(Py_TYPE(handle));
#endif
    Py_VISIT(handle->loop);
    Py_VISIT(handle->callback);
    Py_VISIT(handle->context);
    for (int i = 0; i < ASYNCIO__PY_INLINE_ARGUMENTS; i++)
        Py_VISIT(handle->arguments[i]);
    Py_VISIT(handle->source_traceback);
    return handle->is_hidden ? Py_TYPE(handle->context)->tp_traverse(handle->context, visit, arg)
                             : 0;
}

void asyncio__py_handle_track(asyncio__py_handle_t *handle)
{
    if (!PyObject_GC_IsTracked((PyObject *)handle))
        PyObject_GC_Track(handle);
}

int asyncio__py_visit_handle(asyncio__py_handle_t *handle, visitproc visit, void *arg)
{
    int rc = visit((PyObject *)handle, arg);
    /* The collector does not look into it: the loop, its only owner, does so. */
    if (rc == 0 && Py_REFCNT(handle) == 1 && !PyObject_GC_IsTracked((PyObject *)handle))
        rc = traverse(handle, visit, arg);
    return rc;
}

/* Drops the callback and its arguments. */
static void drop_call(asyncio__py_handle_t *handle)
{
    Py_CLEAR(handle->callback);
    handle->count = 0;
    for (int i = 0; i < ASYNCIO__PY_INLINE_ARGUMENTS; i++)
        Py_CLEAR(handle->arguments[i]);
}

static int clear(asyncio__py_handle_t *handle)
{
    drop_call(handle);
    reveal(handle); /* its destructor expects that */
    Py_CLEAR(handle->context);
    Py_CLEAR(handle->source_traceback);
    Py_CLEAR(handle->text);
    return 0;
}

/* Keeps a freed object for the next call, or frees it. */
static void put_back(asyncio__py_handle_t *handle, asyncio__py_handle_t **free_list,
                     int *free_count)
{
#if ASYNCIO__PY_FREE_LISTS
    if (*free_count < ASYNCIO__PY_FREE_HANDLES) {
        handle->loop = (asyncio__py_loop_t *)*free_list;
        *free_list = handle;
        (*free_count)++;
        return;
    }
#else
    (void)free_list;
    (void)free_count;
#endif
    PyObject_GC_Del(handle);
}

static void dealloc(asyncio__py_handle_t *handle)
{
    PyTypeObject *type = Py_TYPE(handle);
    asyncio__py_loop_t *loop = handle->loop;
    asyncio__py_state_t *state = loop->state;
    PyObject_GC_UnTrack(handle);
    if (ASYNCIO__UNLIKELY(handle->weak_references != NULL))
        PyObject_ClearWeakRefs((PyObject *)handle);
    asyncio__ignore(clear(handle));
    if (handle->is_timer)
        put_back(handle, &state->free_timer_handles, &state->free_timer_handle_count);
    else
        put_back(handle, &state->free_handles, &state->free_handle_count);
    Py_DECREF(loop);
    Py_DECREF(type);
}

static void free_list(asyncio__py_handle_t **list, int *count)
{
    while (*list) {
        asyncio__py_handle_t *handle = *list;
        *list = (asyncio__py_handle_t *)handle->loop;
        PyObject_GC_Del(handle);
    }
    *count = ASYNCIO__PY_FREE_HANDLES; /* none is kept any more */
}

void asyncio__py_free_handles(asyncio__py_state_t *state)
{
    free_list(&state->free_handles, &state->free_handle_count);
    free_list(&state->free_timer_handles, &state->free_timer_handle_count);
}

/* --- running ------------------------------------------------------------------------------- */

static PyObject *call(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__UNLIKELY(PyContext_Enter(handle->context) < 0))
        return NULL;
    PyObject *result =
        ASYNCIO__LIKELY(handle->count <= ASYNCIO__PY_INLINE_ARGUMENTS)
            ? PyObject_Vectorcall(handle->callback, handle->arguments, (size_t)handle->count, NULL)
            : PyObject_CallObject(handle->callback, handle->arguments[0]);
    asyncio__ignore(PyContext_Exit(handle->context));
    return result;
}

/* Has cancel() leave the arguments alone, of which the callee may have no references of its own.
 * Returns whether the callback is to be called. */
static inline bool begin_call(asyncio__py_handle_t *handle)
{
    bool is_wanted;
    Py_BEGIN_CRITICAL_SECTION(handle);
    is_wanted = !handle->is_cancelled;
    handle->is_called = is_wanted;
    Py_END_CRITICAL_SECTION();
    return is_wanted;
}

/* The call has ended: drops what it held, if it was cancelled meanwhile. The reference of the
 * caller is one; if there are more, the handle may be part of a cycle from now on. */
static inline void end_call(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__UNLIKELY(Py_REFCNT(handle) > 1))
        asyncio__py_handle_track(handle);
    Py_BEGIN_CRITICAL_SECTION(handle);
    handle->is_called = false;
    if (ASYNCIO__UNLIKELY(handle->is_cancelled))
        drop_call(handle);
    Py_END_CRITICAL_SECTION();
}

/* Calls the callback. Returns -1 with an exception that ends the run; others are reported. */
static int run_or_raise(asyncio__py_handle_t *handle)
{
    if (!begin_call(handle))
        return 0;
    reveal(handle);
    PyObject *result = call(handle);
    if (ASYNCIO__LIKELY(result != NULL)) {
        Py_DECREF(result);
    } else if (PyErr_ExceptionMatches(PyExc_SystemExit) ||
               PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        handle->is_called = false;
        return -1;
    } else {
        PyObject *error = asyncio__py_take_error();
        asyncio__py_report_callback(handle->loop, error, handle);
    }
    end_call(handle);
    return 0;
}

static ASYNCIO__COLD void run_observed(asyncio__py_handle_t *handle)
{
    asyncio__py_loop_t *loop = handle->loop;
    int64_t before_ns = asyncio__clock_now();
    if (run_or_raise(handle) < 0) {
        asyncio__ignore(asyncio__py_raise_from_turn(loop));
        return;
    }
    int64_t spent_ns = asyncio__clock_now() - before_ns;
    if (spent_ns < loop->slow_ns || handle->is_cancelled)
        return;
    PyObject *spent = PyFloat_FromDouble(asyncio__seconds(spent_ns));
    PyObject *helper = spent ? asyncio__py_helper(loop->state, "report_slow") : NULL;
    PyObject *result =
        helper ? PyObject_CallFunctionObjArgs(helper, (PyObject *)handle, spent, NULL) : NULL;
    if (!result)
        PyErr_WriteUnraisable((PyObject *)handle);
    Py_XDECREF(result);
    Py_XDECREF(helper);
    Py_XDECREF(spent);
}

void asyncio__py_handle_run(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__UNLIKELY(handle->loop->debug))
        run_observed(handle);
    else if (ASYNCIO__UNLIKELY(run_or_raise(handle) < 0))
        asyncio__ignore(asyncio__py_raise_from_turn(handle->loop));
}

/* --- methods ------------------------------------------------------------------------------- */

static PyObject *represent(asyncio__py_handle_t *handle)
{
    if (handle->text)
        return Py_NewRef(handle->text);
    PyObject *helper = asyncio__py_helper(handle->loop->state, "handle_repr");
    PyObject *text = helper ? PyObject_CallOneArg(helper, (PyObject *)handle) : NULL;
    Py_XDECREF(helper);
    return text;
}

/* Takes the timer out of the heap, if this thread may. Returns whether it was there. In another
 * thread it stays until it is due, and is not called then. */
static bool end_timer(asyncio__py_handle_t *handle)
{
    asyncio__py_loop_t *loop = handle->loop;
    asyncio__py_timer_handle_t *timer = (asyncio__py_timer_handle_t *)handle;
    if (!handle->is_timer || !timer->is_scheduled || loop->loop->closed ||
        asyncio__py_is_elsewhere(loop))
        return false;
    asyncio__timer_cancel(loop->loop, &timer->timer);
    timer->is_scheduled = false;
    return true;
}

void asyncio__py_handle_cancel(asyncio__py_handle_t *handle)
{
    if (ASYNCIO__UNLIKELY(handle->loop->debug) && !handle->is_cancelled && !handle->text &&
        !(handle->text = represent(handle)))
        PyErr_Clear();
    bool is_ended = false;
    Py_BEGIN_CRITICAL_SECTION(handle);
    if (!handle->is_cancelled) {
        handle->is_cancelled = true;
        is_ended = end_timer(handle);
        if (!handle->is_called)
            drop_call(handle);
    }
    Py_END_CRITICAL_SECTION();
    if (is_ended)
        Py_DECREF(handle); /* the timer's */
}

/* Since 3.14 cancel() and cancelled() of a handle of call_soon_threadsafe() return in another
 * thread only when its callback does not run. That is rare: nothing is spent for it in the call. */
static void wait_for_call(const asyncio__py_handle_t *handle)
{
    const struct timespec pause = {.tv_nsec = 50000};
    while (HAS_THREAD_SAFE && handle->is_posted && handle->is_called &&
           asyncio__py_is_elsewhere(handle->loop)) {
        Py_BEGIN_ALLOW_THREADS;
        nanosleep(&pause, NULL);
        Py_END_ALLOW_THREADS;
    }
}

static PyObject *method_cancel(asyncio__py_handle_t *handle, PyObject *unused)
{
    (void)unused;
    wait_for_call(handle);
    asyncio__py_handle_cancel(handle);
    Py_RETURN_NONE;
}

static PyObject *method_cancelled(asyncio__py_handle_t *handle, PyObject *unused)
{
    (void)unused;
    wait_for_call(handle);
    return PyBool_FromLong(handle->is_cancelled);
}

static PyObject *method_get_context(asyncio__py_handle_t *handle, PyObject *unused)
{
    (void)unused;
    reveal(handle);
    return Py_NewRef(handle->context);
}

static PyObject *method_run(asyncio__py_handle_t *handle, PyObject *unused)
{
    (void)unused;
    if (run_or_raise(handle) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_when(asyncio__py_timer_handle_t *timer, PyObject *unused)
{
    (void)unused;
    return PyFloat_FromDouble(timer->when);
}

static PyObject *get_callback(asyncio__py_handle_t *handle, void *unused)
{
    (void)unused;
    return Py_NewRef(handle->callback ? handle->callback : Py_None);
}

static PyObject *get_args(asyncio__py_handle_t *handle, void *unused)
{
    (void)unused;
    if (!handle->callback)
        Py_RETURN_NONE;
    if (handle->count > ASYNCIO__PY_INLINE_ARGUMENTS)
        return Py_NewRef(handle->arguments[0]);
    PyObject *args = PyTuple_New(handle->count);
    for (int i = 0; args && i < handle->count; i++)
        PyTuple_SET_ITEM(args, i, Py_NewRef(handle->arguments[i]));
    return args;
}

static PyObject *get_loop(asyncio__py_handle_t *handle, void *unused)
{
    (void)unused;
    return Py_NewRef((PyObject *)handle->loop);
}

static PyObject *get_cancelled(asyncio__py_handle_t *handle, void *unused)
{
    (void)unused;
    return PyBool_FromLong(handle->is_cancelled);
}

static PyObject *get_source_traceback(asyncio__py_handle_t *handle, void *unused)
{
    (void)unused;
    return Py_NewRef(handle->source_traceback ? handle->source_traceback : Py_None);
}

static int set_source_traceback(asyncio__py_handle_t *handle, PyObject *value, void *unused)
{
    (void)unused;
    Py_XSETREF(handle->source_traceback, value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static PyObject *get_scheduled(asyncio__py_timer_handle_t *timer, void *unused)
{
    (void)unused;
    return PyBool_FromLong(timer->is_scheduled);
}

static PyObject *get_when(asyncio__py_timer_handle_t *timer, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(timer->when);
}

static PyObject *compare_timers(asyncio__py_timer_handle_t *timer, PyObject *other, int op)
{
    if (Py_TYPE(other) != Py_TYPE(timer))
        Py_RETURN_NOTIMPLEMENTED;
    double a = timer->when, b = ((asyncio__py_timer_handle_t *)other)->when;
    bool is_same = (PyObject *)timer == other;
    switch (op) {
    case Py_LT: return PyBool_FromLong(a < b);
    case Py_LE: return PyBool_FromLong(a <= b);
    case Py_GT: return PyBool_FromLong(a > b);
    case Py_GE: return PyBool_FromLong(a >= b);
    case Py_EQ: return PyBool_FromLong(is_same);
    default: return PyBool_FromLong(!is_same);
    }
}

static Py_hash_t hash_timer(asyncio__py_timer_handle_t *timer)
{
    PyObject *when = PyFloat_FromDouble(timer->when);
    Py_hash_t hash = when ? PyObject_Hash(when) : -1;
    Py_XDECREF(when);
    return hash;
}

/* Says asyncio's own class, whose name is the argument, so that isinstance() finds it. */
static PyObject *get_class(asyncio__py_handle_t *handle, void *name)
{
    bool is_posted = HAS_THREAD_SAFE && handle->is_posted && !handle->is_timer;
    PyObject *module = PyImport_ImportModule("asyncio.events");
    if (is_posted)
        name = "_ThreadSafeHandle";
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

static PyMethodDef methods[] = {
    ASYNCIO__PY_METHOD("cancel", method_cancel, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("cancelled", method_cancelled, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_context", method_get_context, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("_run", method_run, METH_NOARGS, NULL),
    {0},
};

static PyMethodDef timer_methods[] = {
    ASYNCIO__PY_METHOD("when", method_when, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("cancel", method_cancel, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("cancelled", method_cancelled, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_context", method_get_context, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("_run", method_run, METH_NOARGS, NULL),
    {0},
};

#define COMMON_ATTRIBUTES                                                                          \
    {"_callback", (getter)get_callback, NULL, NULL, NULL},                                         \
        {"_args", (getter)get_args, NULL, NULL, NULL},                                             \
        {"_loop", (getter)get_loop, NULL, NULL, NULL},                                             \
        {"_context", (getter)method_get_context, NULL, NULL, NULL},                                \
        {"_cancelled", (getter)get_cancelled, NULL, NULL, NULL},                                   \
    {                                                                                              \
        "_source_traceback", (getter)get_source_traceback, (setter)set_source_traceback, NULL,     \
            NULL                                                                                   \
    }

static PyGetSetDef attributes[] = {
    COMMON_ATTRIBUTES,
    {"__class__", (getter)get_class, NULL, NULL, "Handle"},
    {0},
};

static PyGetSetDef timer_attributes[] = {
    COMMON_ATTRIBUTES,
    {"_scheduled", (getter)get_scheduled, NULL, NULL, NULL},
    {"_when", (getter)get_when, NULL, NULL, NULL},
    {"__class__", (getter)get_class, NULL, NULL, "TimerHandle"},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(asyncio__py_handle_t, weak_references),
     Py_READONLY, NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},     {Py_tp_traverse, traverse}, {Py_tp_clear, clear},
    {Py_tp_repr, represent},      {Py_tp_methods, methods},   {Py_tp_getset, attributes},
    {Py_tp_members, members},     {0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_dealloc, dealloc},           {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},               {Py_tp_repr, represent},
    {Py_tp_methods, timer_methods},     {Py_tp_getset, timer_attributes},
    {Py_tp_members, members},           {Py_tp_richcompare, compare_timers},
    {Py_tp_hash, hash_timer},           {0, NULL},
};

#define FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec spec = {"libasyncio.Handle", sizeof(asyncio__py_handle_t), 0, FLAGS, slots};
static PyType_Spec timer_spec = {"libasyncio.TimerHandle", sizeof(asyncio__py_timer_handle_t), 0,
                                 FLAGS, timer_slots};

int asyncio__py_add_handles(PyObject *module, asyncio__py_state_t *state)
{
    state->handle_type = asyncio__py_make_type(module, &spec, NULL, /* is_open= */ false);
    state->timer_handle_type =
        state->handle_type ? asyncio__py_make_type(module, &timer_spec, NULL, false) : NULL;
    if (!state->timer_handle_type)
        return -1;
    if (PyModule_AddObject(module, "Handle", Py_NewRef((PyObject *)state->handle_type)) < 0)
        return -1;
    return PyModule_AddObject(module, "TimerHandle",
                              Py_NewRef((PyObject *)state->timer_handle_type));
}
