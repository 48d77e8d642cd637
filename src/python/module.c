/* SPDX-License-Identifier: MIT */
/* The extension module libasyncio._core: its state, made when it is executed; see state.h. */
#include "python/state.h"

#include "python/handle.h"

static int make_names(asyncio__py_names_t *names)
{
#define X(word)                                                                                    \
    if (!(names->word = PyUnicode_InternFromString(#word)))                                        \
        return -1;
    ASYNCIO__PY_NAMES(X)
#undef X
    return 0;
}

/* Fails: instances are made by other functions. For versions without a flag for this. */
static PyObject *refuse_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", type->tp_name);
}

PyTypeObject *asyncio__py_make_type(PyObject *module, PyType_Spec *spec, PyObject *bases,
                                    bool is_open)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, bases);
    if (type && !is_open && !Py_TPFLAGS_DISALLOW_INSTANTIATION)
        type->tp_new = refuse_new;
    return type;
}

int asyncio__py_add_methods(PyTypeObject *type, PyMethodDef *table)
{
    for (; table->ml_name; table++) {
        PyObject *method = PyDescr_NewMethod(type, table);
        int rc = method ? PyObject_SetAttrString((PyObject *)type, table->ml_name, method) : -1;
        Py_XDECREF(method);
        if (rc < 0)
            return -1;
    }
    return 0;
}

PyObject *asyncio__py_helper(asyncio__py_state_t *state, const char *name)
{
    if (!state->helpers)
        state->helpers = PyImport_ImportModule("libasyncio._helpers");
    return state->helpers ? PyObject_GetAttrString(state->helpers, name) : NULL;
}

static PyObject *import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

static int execute(PyObject *module)
{
    asyncio__py_state_t *state = asyncio__py_state_of_module(module);
    state->module = module;
    if (make_names(&state->names) < 0 ||
        !(state->task_class = import_from("asyncio", "Task")) ||
        !(state->future_class = import_from("asyncio", "Future")) ||
        !(state->kwnames_loop = PyTuple_Pack(1, state->names.loop)) ||
        !(state->kwnames_context = PyTuple_Pack(1, state->names.context)) ||
        !(state->no_arguments = PyTuple_New(0)))
        return -1;
    state->deadlock_error = PyErr_NewExceptionWithDoc(
        "libasyncio.DeadlockError",
        "Nothing is left that could wake a loop on the virtual clock.", PyExc_RuntimeError, NULL);
    if (!state->deadlock_error ||
        PyModule_AddObject(module, "DeadlockError", Py_NewRef(state->deadlock_error)) < 0)
        return -1;
    return asyncio__py_add_handles(module, state) < 0 || asyncio__py_add_loop(module, state) < 0 ||
                   asyncio__py_add_network(module, state) < 0
               ? -1
               : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    asyncio__py_state_t *state = asyncio__py_state_of_module(module);
    Py_VISIT(state->loop_type);
    Py_VISIT(state->handle_type);
    Py_VISIT(state->timer_handle_type);
    Py_VISIT(state->deadlock_error);
    Py_VISIT(state->task_class);
    Py_VISIT(state->future_class);
    Py_VISIT(state->helpers);
    Py_VISIT(state->step_type);
    Py_VISIT(state->wake_type);
    return asyncio__py_visit_network(state, visit, arg);
}

static int clear(PyObject *module)
{
    asyncio__py_state_t *state = asyncio__py_state_of_module(module);
#define X(word) Py_CLEAR(state->names.word);
    ASYNCIO__PY_NAMES(X)
#undef X
    asyncio__py_free_handles(state);
    Py_CLEAR(state->loop_type);
    Py_CLEAR(state->handle_type);
    Py_CLEAR(state->timer_handle_type);
    Py_CLEAR(state->deadlock_error);
    Py_CLEAR(state->task_class);
    Py_CLEAR(state->future_class);
    Py_CLEAR(state->helpers);
    Py_CLEAR(state->kwnames_loop);
    Py_CLEAR(state->kwnames_context);
    Py_CLEAR(state->no_arguments);
    Py_CLEAR(state->step_type);
    Py_CLEAR(state->wake_type);
    asyncio__py_clear_network(state);
    return 0;
}

static void free_module(void *module)
{
    asyncio__ignore(clear(module));
}

/* learn_steps(step, wake): what a stock task passes to call_soon() for its next step, and for its
 * wake-up; libasyncio._probe has them. */
static PyObject *learn_steps(PyObject *module, PyObject *args)
{
    asyncio__py_state_t *state = asyncio__py_state_of_module(module);
    PyObject *step, *wake;
    if (!PyArg_ParseTuple(args, "OO:learn_steps", &step, &wake))
        return NULL;
    if (Py_TYPE(step)->tp_call && !PyType_HasFeature(Py_TYPE(step), Py_TPFLAGS_BASETYPE))
        Py_XSETREF(state->step_type, (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(step)));
    if (PyCFunction_CheckExact(wake) && PyCFunction_GET_FLAGS(wake) == METH_O)
        state->wake = PyCFunction_GET_FUNCTION(wake);
    else if (!PyType_HasFeature(Py_TYPE(wake), Py_TPFLAGS_BASETYPE))
        Py_XSETREF(state->wake_type, (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(wake)));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    ASYNCIO__PY_METHOD("learn_steps", learn_steps, METH_VARARGS, NULL),
    {0},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    /* A free-threaded interpreter switches its GIL on: no test has run without it yet. */
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "libasyncio._core",
    .m_doc = "The event loop of libasyncio for Python.",
    .m_size = sizeof(asyncio__py_state_t),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
