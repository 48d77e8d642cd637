/* SPDX-License-Identifier: MIT */
/* The awaitables that sock_recv() and its like return; see sock.h. */
#include "python/sock.h"

#include <errno.h>

typedef asyncio__py_sock_call_t call_t;

static asyncio__py_network_t *network_of(const call_t *call)
{
    return call->loop->state->network;
}

/* --- holding the socket -------------------------------------------------------------------- */

/* Has close() of the program wait: the socket counts its users in _io_refs. */
static int hold_socket(call_t *call)
{
    asyncio__py_network_t *network = network_of(call);
    int is_socket = PyObject_IsInstance(call->object, network->socket_class);
    if (is_socket <= 0)
        return is_socket;
    PyObject *count = PyObject_GetAttr(call->object, network->names._io_refs);
    PyObject *more = count ? PyLong_FromLong(PyLong_AsLong(count) + 1) : NULL;
    int rc = more ? PyObject_SetAttr(call->object, network->names._io_refs, more) : -1;
    Py_XDECREF(count);
    Py_XDECREF(more);
    call->holds_socket = rc == 0;
    return rc;
}

void asyncio__py_sock_call_release(call_t *call)
{
    if (!call->holds_socket)
        return;
    call->holds_socket = false;
    PyObject *error = asyncio__py_take_error();
    PyObject *result =
        PyObject_CallMethodNoArgs(call->object, network_of(call)->names._decref_socketios);
    if (!result)
        PyErr_WriteUnraisable(call->object);
    Py_XDECREF(result);
    if (error)
        asyncio__py_set_error(error);
}

/* It no longer waits, but its socket must stay open. */
static void leave_list(call_t *call)
{
    if (asyncio__list_is_member(&call->link)) {
        asyncio__list_remove(&call->link);
        asyncio__py_sock_stop_wait(call, asyncio__py_sock_is_output(call));
        Py_DECREF(call);
    }
    Py_CLEAR(call->future);
}

static void end(call_t *call)
{
    call->has_ended = true;
    leave_list(call);
    asyncio__py_sock_call_release(call);
}

/* --- steps --------------------------------------------------------------------------------- */

/* What asyncio checks first. 0, or -1 with an exception. */
static int check_socket(const call_t *call)
{
    asyncio__py_network_t *network = network_of(call);
    if (network->ssl_socket_class &&
        Py_TYPE(call->object) != (PyTypeObject *)network->socket_class) {
        int is_ssl = PyObject_IsInstance(call->object, network->ssl_socket_class);
        if (is_ssl > 0)
            PyErr_SetString(PyExc_TypeError, "Socket cannot be of type SSLSocket");
        if (is_ssl != 0)
            return -1;
    }
    if (!call->loop->debug)
        return 0;
    PyObject *timeout = PyObject_CallMethod(call->object, "gettimeout", NULL);
    int blocks = !timeout ? -1 : timeout == Py_None ? 1 : PyObject_IsTrue(timeout);
    Py_XDECREF(timeout);
    if (blocks > 0)
        PyErr_SetString(PyExc_ValueError, "the socket must be non-blocking");
    return blocks != 0 ? -1 : 0;
}

static int begin(call_t *call)
{
    call->has_begun = true;
    if (check_socket(call) < 0)
        return -1;
    bool is_number = PyLong_Check(call->object);
    call->fd = is_number ? -1 : PyObject_AsFileDescriptor(call->object);
    if (call->fd >= 0)
        return 0;
    bool is_closed = !is_number && PyErr_ExceptionMatches(PyExc_ValueError);
    if (!is_number && !is_closed && !PyErr_ExceptionMatches(PyExc_TypeError))
        return -1; /* MemoryError, or whatever its fileno() raises */
    PyErr_Clear();
    if (is_closed) /* in the words of the system */
        asyncio__py_raise_os_error(-EBADF);
    else
        PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'fileno'",
                     Py_TYPE(call->object)->tp_name);
    return -1;
}

/* Waits: a future for the task, or NULL with an exception. */
static PyObject *begin_wait(call_t *call)
{
    asyncio__py_network_t *network = network_of(call);
    if (asyncio__py_check_closed(call->loop) < 0)
        return NULL;
    call->future =
        PyObject_CallMethodNoArgs((PyObject *)call->loop, network->names.create_future);
    if (!call->future ||
        PyObject_SetAttr(call->future, network->names._asyncio_future_blocking, Py_True) < 0 ||
        (!call->holds_socket && hold_socket(call) < 0) ||
        asyncio__py_sock_wait(call, asyncio__py_sock_is_output(call)) < 0)
        return NULL;
    return Py_NewRef(call->future);
}

/* One step. Returns what is yielded or, with *ret_done, the value; or NULL with an exception. */
static PyObject *step(call_t *call, bool *ret_done)
{
    PyObject *value = NULL;
    *ret_done = false;
    if (call->has_ended) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    leave_list(call);
    int rc = !call->has_begun && begin(call) < 0 ? -1 : asyncio__py_sock_try(call, &value);
    if (rc == 0 && (value = begin_wait(call)) != NULL)
        return value;
    end(call);
    *ret_done = rc > 0;
    return value;
}

static PyObject *finish(PyObject *value)
{
    if (value != Py_None) {
        /* A tuple would be taken as several arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop)
            PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
    }
    Py_DECREF(value);
    return NULL;
}

static PyObject *iternext(PyObject *object)
{
    bool is_done;
    PyObject *value = step((call_t *)object, &is_done);
    return is_done ? finish(value) : value;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult send_value(PyObject *object, PyObject *unused, PyObject **ret_value)
{
    bool is_done;
    (void)unused;
    *ret_value = step((call_t *)object, &is_done);
    return is_done ? PYGEN_RETURN : *ret_value ? PYGEN_NEXT : PYGEN_ERROR;
}
#endif

static PyObject *send_method(PyObject *object, PyObject *unused)
{
    (void)unused;
    PyObject *value = iternext(object);
    if (!value && !PyErr_Occurred())
        PyErr_SetNone(PyExc_StopIteration);
    return value;
}

static PyObject *throw_method(PyObject *object, PyObject *args)
{
    end((call_t *)object);
    return asyncio__py_throw(args);
}

PyObject *asyncio__py_throw(PyObject *args)
{
    PyObject *type, *value = NULL, *traceback = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &traceback))
        return NULL;
    if (PyExceptionInstance_Check(type))
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    else if (value && PyExceptionInstance_Check(value))
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    else
        PyErr_SetObject(type, value == Py_None ? NULL : value);
    return NULL;
}

static PyObject *close_method(PyObject *object, PyObject *unused)
{
    call_t *call = (call_t *)object;
    (void)unused;
    end(call);
    Py_RETURN_NONE;
}

static PyObject *return_self(PyObject *self)
{
    return Py_NewRef(self);
}

/* --- making -------------------------------------------------------------------------------- */

typedef struct signature {
    const char *name;
    asyncio__py_sock_kind_t kind;
    Py_ssize_t least, most; /* arguments */
    const char *arguments[3];
} signature_t;

/* Puts the arguments given by position and by name in order: 0, or -1 with an exception. */
static int read_arguments(const signature_t *signature, PyObject *const *args, Py_ssize_t count,
                          PyObject *kwnames, PyObject **ret_values)
{
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (count > signature->most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given",
                     signature->name, signature->most + 1, count + 1);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        ret_values[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t at = 0;
        while (at < signature->most &&
               PyUnicode_CompareWithASCIIString(key, signature->arguments[at]) != 0)
            at++;
        if (at == signature->most || ret_values[at]) {
            PyErr_Format(PyExc_TypeError,
                         at == signature->most ? "%s() got an unexpected keyword argument '%U'"
                                               : "%s() got multiple values for argument '%U'",
                         signature->name, key);
            return -1;
        }
        ret_values[at] = args[count + i];
    }
    for (Py_ssize_t i = 0; i < signature->least; i++)
        if (!ret_values[i]) {
            PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'",
                         signature->name, signature->arguments[i]);
            return -1;
        }
    return 0;
}

static PyObject *make(PyObject *self, const signature_t *signature, PyObject *const *args,
                      Py_ssize_t count, PyObject *kwnames)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)self;
    PyTypeObject *type = loop->state->network->sock_call;
    PyObject *values[4] = {NULL};
    if (read_arguments(signature, args, count, kwnames, values) < 0)
        return NULL;
    call_t *call = (call_t *)type->tp_alloc(type, 0);
    if (!call)
        return NULL;
    call->loop = (asyncio__py_loop_t *)Py_NewRef(self);
    call->object = Py_NewRef(values[0]);
    call->first = Py_XNewRef(values[1]);
    call->second = Py_XNewRef(values[2]);
    call->fd = -1;
    call->kind = (uint8_t)signature->kind;
    return (PyObject *)call;
}

#define METHOD(word, kind, least, most, ...)                                                       \
    static PyObject *word(PyObject *self, PyObject *const *args, Py_ssize_t count,                 \
                          PyObject *kwnames)                                                       \
    {                                                                                              \
        static const signature_t signature = {#word, kind, least, most, {__VA_ARGS__}};            \
        return make(self, &signature, args, count, kwnames);                                       \
    }

METHOD(sock_recv, ASYNCIO__PY_SOCK_RECV, 2, 2, "sock", "n")
METHOD(sock_recv_into, ASYNCIO__PY_SOCK_RECV_INTO, 2, 2, "sock", "buf")
METHOD(sock_recvfrom, ASYNCIO__PY_SOCK_RECVFROM, 2, 2, "sock", "bufsize")
METHOD(sock_recvfrom_into, ASYNCIO__PY_SOCK_RECVFROM_INTO, 2, 3, "sock", "buf", "nbytes")
METHOD(sock_sendall, ASYNCIO__PY_SOCK_SENDALL, 2, 2, "sock", "data")
METHOD(sock_sendto, ASYNCIO__PY_SOCK_SENDTO, 3, 3, "sock", "data", "address")
METHOD(sock_connect, ASYNCIO__PY_SOCK_CONNECT, 2, 2, "sock", "address")
METHOD(sock_accept, ASYNCIO__PY_SOCK_ACCEPT, 1, 1, "sock")
METHOD(sock_writable, ASYNCIO__PY_SOCK_WRITABLE, 1, 1, "sock")

PyMethodDef asyncio__py_sock_methods[] = {
    ASYNCIO__PY_METHOD("sock_recv", sock_recv, ASYNCIO__PY_VECTOR, "Receive up to n bytes."),
    ASYNCIO__PY_METHOD("sock_recv_into", sock_recv_into, ASYNCIO__PY_VECTOR,
                       "Receive into a buffer; return how many bytes."),
    ASYNCIO__PY_METHOD("sock_recvfrom", sock_recvfrom, ASYNCIO__PY_VECTOR,
                       "Receive a datagram; return it and its sender's address."),
    ASYNCIO__PY_METHOD("sock_recvfrom_into", sock_recvfrom_into, ASYNCIO__PY_VECTOR,
                       "Receive a datagram into a buffer; return its size and sender's address."),
    ASYNCIO__PY_METHOD("sock_sendall", sock_sendall, ASYNCIO__PY_VECTOR, "Send all of the data."),
    ASYNCIO__PY_METHOD("sock_sendto", sock_sendto, ASYNCIO__PY_VECTOR,
                       "Send a datagram to an address."),
    ASYNCIO__PY_METHOD("_sock_connect", sock_connect, ASYNCIO__PY_VECTOR, NULL),
    ASYNCIO__PY_METHOD("sock_accept", sock_accept, ASYNCIO__PY_VECTOR,
                       "Accept a connection; return its socket and the peer's address."),
    ASYNCIO__PY_METHOD("_sock_writable", sock_writable, ASYNCIO__PY_VECTOR, NULL),
    {0},
};

/* --- the type ------------------------------------------------------------------------------ */

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    call_t *call = (call_t *)object;
    Py_VISIT(Py_TYPE(call));
    Py_VISIT(call->loop);
    Py_VISIT(call->object);
    Py_VISIT(call->first);
    Py_VISIT(call->second);
    Py_VISIT(call->future);
    return 0;
}

/* The socket stays: it is needed to drop the hold of it. */
static int clear(PyObject *object)
{
    call_t *call = (call_t *)object;
    Py_CLEAR(call->first);
    Py_CLEAR(call->second);
    Py_CLEAR(call->future);
    return 0;
}

static void deallocate(PyObject *object)
{
    call_t *call = (call_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    asyncio__py_sock_call_release(call);
    asyncio__ignore(clear(object));
    Py_CLEAR(call->object);
    Py_CLEAR(call->loop);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    ASYNCIO__PY_METHOD("send", send_method, METH_O, NULL),
    ASYNCIO__PY_METHOD("throw", throw_method, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("close", close_method, METH_NOARGS, NULL),
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_traverse, (void *)traverse},
    {Py_tp_clear, (void *)clear},
    {Py_tp_dealloc, (void *)deallocate},
    {Py_tp_methods, methods},
    {Py_tp_iter, (void *)return_self},
    {Py_tp_iternext, (void *)iternext},
    {Py_am_await, (void *)return_self},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, (void *)send_value},
#endif
    {0, NULL},
};

static PyType_Spec spec = {.name = "libasyncio._core.SocketCall",
                           .basicsize = sizeof(call_t),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .slots = slots};

int asyncio__py_add_socks(PyObject *module, asyncio__py_state_t *state)
{
    state->network->sock_call =
        asyncio__py_make_type(module, &spec, /* bases= */ NULL, /* is_open= */ false);
    return state->network->sock_call ? 0 : -1;
}
