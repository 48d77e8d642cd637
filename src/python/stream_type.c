/* SPDX-License-Identifier: MIT */
/* The types of the transports of byte streams, as Python sees them; see stream.h. */
#include "python/stream.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef asyncio__py_stream_t stream_t;

/* --- what is known of a transport ---------------------------------------------------------- */

/* Makes the socket object, which has the descriptor from then on: 0, or -1 with an exception. */
static int make_socket(stream_t *self)
{
    if (self->pipe)
        return 0;
    PyObject *arguments = PyTuple_New(0), *named = Py_BuildValue("{s:i}", "fileno", self->fd);
    if (arguments && named)
        self->pipe = PyObject_Call(self->network->socket_class, arguments, named);
    Py_XDECREF(arguments);
    Py_XDECREF(named);
    if (!self->pipe)
        return -1;
    /* The descriptor is non-blocking, and the object should know. */
    PyObject *result = PyObject_CallMethod(self->pipe, "setblocking", "O", Py_False);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Makes the file object of a child's pipe: of a duplicate, which close() closes as well. 0, or -1
 * with an exception. */
static int make_pipe(stream_t *self)
{
    if (self->pipe || !self->file)
        return 0;
    int fd = fcntl(self->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    PyObject *io = PyImport_ImportModule("io");
    if (io)
        self->pipe = PyObject_CallMethod(io, "FileIO", "is", fd,
                                         self->kind == ASYNCIO__PY_READ_PIPE ? "rb" : "wb");
    Py_XDECREF(io);
    if (!self->pipe)
        close(fd);
    return self->pipe ? 0 : -1;
}

static PyObject *find_name(stream_t *self, const asyncio__py_name_t *kept, asyncio__py_ask_t ask)
{
    if (kept->size > 0)
        return asyncio__py_address(&kept->address.any, kept->size);
    PyObject *found = self->file ? asyncio__py_ask_address(ask, self->fd) : NULL;
    if (!found && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found;
}

/* What is only found out when somebody asks. Returns a new reference; NULL, without an exception:
 * nothing is known under that name. */
static PyObject *find_info(stream_t *self, PyObject *name)
{
    if (self->kind != ASYNCIO__PY_SOCKET) {
        bool is_known = PyUnicode_Compare(name, self->network->names.pipe) == 0;
        return is_known && make_pipe(self) == 0 ? Py_XNewRef(self->pipe) : NULL;
    }
    if (PyUnicode_Compare(name, self->network->names.peername) == 0)
        return find_name(self, &self->peer, getpeername);
    if (PyUnicode_Compare(name, self->network->names.sockname) == 0)
        return find_name(self, &self->own, getsockname);
    if (PyUnicode_Compare(name, self->network->names.socket) != 0 || !self->file ||
        make_socket(self) < 0)
        return NULL;
    return PyObject_CallOneArg(self->network->transport_socket, self->pipe);
}

static PyObject *get_extra_info(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "default", NULL};
    stream_t *self = (stream_t *)object;
    PyObject *name, *otherwise = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_extra_info", keywords, &name,
                                     &otherwise))
        return NULL;
    if (!self->extra && !(self->extra = PyDict_New()))
        return NULL;
    PyObject *found = PyDict_GetItemWithError(self->extra, name);
    if (found)
        return Py_NewRef(found);
    if (PyErr_Occurred())
        return NULL;
    found = PyUnicode_Check(name) ? find_info(self, name) : NULL;
    if (!found)
        return PyErr_Occurred() ? NULL : Py_NewRef(otherwise);
    if (PyDict_SetItem(self->extra, name, found) < 0)
        Py_CLEAR(found);
    return found;
}

static PyObject *represent(PyObject *object)
{
    const stream_t *self = (const stream_t *)object;
    const char *name = strrchr(Py_TYPE(object)->tp_name, '.');
    name = name ? name + 1 : Py_TYPE(object)->tp_name;
    if (!self->file)
        return PyUnicode_FromFormat("<%s %s fd=%d>", name, self->is_let_go ? "open" : "closed",
                                    self->fd);
    const char *state = self->is_closing ? " closing" : "";
    const char *reading =
        self->is_reading && !self->is_paused && !self->is_closing ? "polling" : "idle";
    const char *sending = self->count > 0 ? "polling" : "idle";
    if (self->kind == ASYNCIO__PY_SOCKET)
        return PyUnicode_FromFormat("<%s%s fd=%d read=%s write=<%s, bufsize=%zu>>", name, state,
                                    self->fd, reading, sending, self->queued_bytes);
    if (self->kind == ASYNCIO__PY_READ_PIPE)
        return PyUnicode_FromFormat("<%s%s fd=%d %s>", name, state, self->fd, reading);
    return PyUnicode_FromFormat("<%s%s fd=%d %s bufsize=%zu>", name, state, self->fd, sending,
                                self->queued_bytes);
}

/* --- methods ------------------------------------------------------------------------------- */

static PyObject *is_closing(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((stream_t *)object)->is_closing);
}

static PyObject *close_transport(PyObject *object, PyObject *unused)
{
    (void)unused;
    asyncio__py_stream_close((stream_t *)object);
    Py_RETURN_NONE;
}

static PyObject *abort_transport(PyObject *object, PyObject *unused)
{
    (void)unused;
    asyncio__py_stream_lose((stream_t *)object, NULL);
    Py_RETURN_NONE;
}

static PyObject *force_close(PyObject *object, PyObject *error)
{
    asyncio__py_stream_lose((stream_t *)object, error == Py_None ? NULL : Py_NewRef(error));
    Py_RETURN_NONE;
}

static PyObject *fatal_error(PyObject *object, PyObject *args)
{
    PyObject *error;
    const char *message = "Fatal error on transport";
    if (!PyArg_ParseTuple(args, "O|s:_fatal_error", &error, &message))
        return NULL;
    asyncio__py_stream_fatal((stream_t *)object, Py_NewRef(error), message);
    Py_RETURN_NONE;
}

static PyObject *pause_reading(PyObject *object, PyObject *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (!self->is_closing)
        self->is_paused = true;
    Py_RETURN_NONE;
}

static PyObject *resume_reading(PyObject *object, PyObject *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (!self->is_closing && self->is_paused) {
        self->is_paused = false;
        asyncio__py_stream_read(self);
    }
    Py_RETURN_NONE;
}

static PyObject *is_reading(PyObject *object, PyObject *unused)
{
    const stream_t *self = (const stream_t *)object;
    (void)unused;
    return PyBool_FromLong(!self->is_closing && !self->is_paused);
}

static PyObject *set_protocol(PyObject *object, PyObject *const *args, Py_ssize_t count,
                              PyObject *kwnames)
{
    PyObject *protocol =
        asyncio__py_one_argument(args, count, kwnames, "set_protocol", "protocol");
    if (!protocol || asyncio__py_stream_set_protocol((stream_t *)object, protocol) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_protocol(PyObject *object, PyObject *unused)
{
    const stream_t *self = (const stream_t *)object;
    (void)unused;
    return Py_NewRef(self->protocol ? self->protocol : Py_None);
}

static PyMethodDef common_methods[] = {
    ASYNCIO__PY_METHOD("get_extra_info", get_extra_info, METH_VARARGS | METH_KEYWORDS, NULL),
    ASYNCIO__PY_METHOD("is_closing", is_closing, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("close", close_transport, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("set_protocol", set_protocol, ASYNCIO__PY_VECTOR, NULL),
    ASYNCIO__PY_METHOD("get_protocol", get_protocol, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("_fatal_error", fatal_error, METH_VARARGS, NULL),
    {0},
};

static PyMethodDef reading_methods[] = {
    ASYNCIO__PY_METHOD("pause_reading", pause_reading, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("resume_reading", resume_reading, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("is_reading", is_reading, METH_NOARGS, NULL),
    {0},
};

static PyMethodDef abort_methods[] = {
    ASYNCIO__PY_METHOD("abort", abort_transport, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("_force_close", force_close, METH_O, NULL),
    {0},
};

static PyObject *get_loop(PyObject *object, void *unused)
{
    const stream_t *self = (const stream_t *)object;
    (void)unused;
    return Py_NewRef(self->file ? (PyObject *)self->loop : Py_None);
}

static PyObject *get_sock(PyObject *object, void *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (!self->file)
        Py_RETURN_NONE;
    return make_socket(self) < 0 ? NULL : Py_NewRef(self->pipe);
}

static PyObject *get_pipe(PyObject *object, void *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (self->kind != ASYNCIO__PY_SOCKET && make_pipe(self) < 0)
        return NULL;
    return Py_NewRef(self->pipe ? self->pipe : Py_None);
}

/* None: the program closes it. */
static int set_pipe(PyObject *object, PyObject *pipe, void *unused)
{
    stream_t *self = (stream_t *)object;
    (void)unused;
    if (pipe != Py_None || self->file) {
        PyErr_SetString(PyExc_AttributeError, "_pipe of an open transport cannot be set");
        return -1;
    }
    Py_CLEAR(self->pipe);
    self->is_let_go = self->is_connected = false;
    return 0;
}

static PyGetSetDef attributes[] = {
    {"_loop", get_loop, NULL, NULL, NULL},
    {"_sock", get_sock, NULL, NULL, NULL},
    {"_pipe", get_pipe, set_pipe, NULL, NULL},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(stream_t, weak_references), Py_READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(stream_t, fd), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(stream_t, attributes), Py_READONLY, NULL},
    {"_conn_lost", Py_T_PYSSIZET, offsetof(stream_t, lost_count), Py_READONLY, NULL},
    {"_paused", T_BOOL, offsetof(stream_t, is_paused), Py_READONLY, NULL},
    {"_closing", T_BOOL, offsetof(stream_t, is_closing), Py_READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(stream_t, is_protocol_paused), Py_READONLY, NULL},
    {"_high_water", Py_T_PYSSIZET, offsetof(stream_t, high_bytes), Py_READONLY, NULL},
    {"_low_water", Py_T_PYSSIZET, offsetof(stream_t, low_bytes), Py_READONLY, NULL},
    {0},
};

/* --- types --------------------------------------------------------------------------------- */

static PyType_Slot type_slots[] = {
    {Py_tp_traverse, (void *)asyncio__py_stream_traverse},
    {Py_tp_clear, (void *)asyncio__py_stream_clear},
    {Py_tp_finalize, (void *)asyncio__py_stream_finalize},
    {Py_tp_dealloc, (void *)asyncio__py_stream_dealloc},
    {Py_tp_repr, (void *)represent},
    {Py_tp_methods, common_methods},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {0, NULL},
};

/* Finds bases in asyncio.transports: a tuple, or NULL with an exception. */
static PyObject *find_bases(const char *const names[2])
{
    PyObject *transports = PyImport_ImportModule("asyncio.transports");
    PyObject *first = transports ? PyObject_GetAttrString(transports, names[0]) : NULL;
    PyObject *second = first && names[1] ? PyObject_GetAttrString(transports, names[1]) : NULL;
    PyObject *bases = NULL;
    if (first && !names[1])
        bases = PyTuple_Pack(1, first);
    else if (second)
        bases = PyTuple_Pack(2, first, second);
    Py_XDECREF(transports);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return bases;
}

PyTypeObject *asyncio__py_make_transport_type(PyObject *module, PyType_Spec *spec,
                                              const char *const base_names[2], size_t own_offset)
{
    PyObject *bases = find_bases(base_names);
    PyTypeObject *type = NULL;
    if (bases && (size_t)((PyTypeObject *)PyTuple_GET_ITEM(bases, 0))->tp_basicsize > own_offset)
        PyErr_Format(PyExc_ImportError, "instances of asyncio.%s have an unknown layout",
                     base_names[0]);
    else if (bases)
        type = asyncio__py_make_type(module, spec, bases, /* is_open= */ false);
    Py_XDECREF(bases);
    if (type && PyModule_AddObject(module, strrchr(spec->name, '.') + 1,
                                   Py_NewRef((PyObject *)type)) < 0)
        Py_CLEAR(type);
    return type;
}

static PyTypeObject *make_type(PyObject *module, const char *name, const char *const bases[2],
                               PyMethodDef *const *tables)
{
    PyType_Spec spec = {.name = name,
                        .basicsize = sizeof(stream_t),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = type_slots};
    PyTypeObject *type = asyncio__py_make_transport_type(module, &spec, bases,
                                                         offsetof(stream_t, weak_references));
    for (; type && *tables; tables++)
        if (asyncio__py_add_methods(type, *tables) < 0)
            Py_CLEAR(type);
    return type;
}

int asyncio__py_add_streams(PyObject *module, asyncio__py_state_t *state)
{
    static PyMethodDef *const socket_tables[] = {reading_methods, abort_methods,
                                                 asyncio__py_stream_write_methods, NULL};
    static PyMethodDef *const read_tables[] = {reading_methods, NULL};
    static PyMethodDef *const write_tables[] = {abort_methods, asyncio__py_stream_write_methods,
                                                NULL};
    /* A subclass of Transport, which asyncio's sendfile() asks for. */
    static const char *const both[2] = {"_FlowControlMixin", NULL};
    static const char *const reading[2] = {"ReadTransport", NULL};
    asyncio__py_network_t *network = state->network;
    network->socket_transport =
        make_type(module, "libasyncio._core.SocketTransport", both, socket_tables);
    if (!network->socket_transport)
        return -1;
    network->read_pipe_transport =
        make_type(module, "libasyncio._core.ReadPipeTransport", reading, read_tables);
    if (!network->read_pipe_transport)
        return -1;
    network->write_pipe_transport =
        make_type(module, "libasyncio._core.WritePipeTransport", both, write_tables);
    return network->write_pipe_transport ? 0 : -1;
}
