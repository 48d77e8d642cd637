/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a literal address: the plain case of create_connection(), as an awaitable.
 *
 *     made --> CONNECTING --the engine's CONNECT--> STARTING --connection_made()--> ended
 *
 * The transport takes over the file of the engine, so that a connection is registered once, and
 * there is no socket object. Everything else is asyncio's create_connection().
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "python/stream.h"

typedef enum state { MADE, CONNECTING, STARTING, ENDED } state_t;

typedef struct connection {
    PyObject_HEAD
    asyncio__py_loop_t *loop;       /* a reference */
    PyObject *factory;              /* makes the protocol */
    PyObject *protocol, *transport; /* from STARTING on */
    PyObject *future;               /* that the task waits for; or NULL */
    asyncio__file_t *file;          /* until the transport has it; or NULL */
    asyncio__operation_t operation; /* pending, or turn scheduled, while is_pending */
    asyncio__ready_t turn;          /* its slot is reserved while is_pending */
    struct sockaddr_storage address; /* of the peer */
    socklen_t size;                 /* of address */
    int fd;                         /* of file */
    uint8_t state;                  /* state_t */
    bool is_pending;                /* a reference */
} connection_t;

static void on_connected(asyncio__operation_t *operation)
{
    connection_t *self = ASYNCIO__CONTAINER(operation, connection_t, operation);
    asyncio__loop_schedule(self->loop->loop, &self->turn);
}

static void run_turn(asyncio__ready_t *ready)
{
    connection_t *self = ASYNCIO__CONTAINER(ready, connection_t, turn);
    self->is_pending = false;
    if (!self->loop->loop->closed) {
        asyncio__loop_release(self->loop->loop, 1);
        if (self->state == CONNECTING)
            asyncio__py_finish_future(self->loop, self->future, NULL);
    }
    Py_DECREF(self);
}

/* Closes the descriptor; what is pending completes in the next wait(). */
static void close_file(connection_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    if (self->file && engine)
        engine->class->close_file(engine, self->file);
    self->file = NULL;
}

/* A future that the task is to wait for; a borrowed reference, or NULL with an exception. */
static PyObject *make_future(connection_t *self)
{
    asyncio__py_network_t *network = self->loop->state->network;
    PyObject *future =
        PyObject_CallMethodNoArgs((PyObject *)self->loop, network->names.create_future);
    if (future && PyObject_SetAttr(future, network->names._asyncio_future_blocking, Py_True) < 0)
        Py_CLEAR(future);
    Py_XSETREF(self->future, future);
    return future;
}

/* Makes the socket: 0 or a code. */
static int open_socket(connection_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    int on = 1;
    int fd = socket(self->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    asyncio__ignore(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    int rc = engine->class->open_file(engine, fd, ASYNCIO__FILE_TCP, &self->file);
    if (rc < 0)
        close(fd);
    self->fd = fd;
    return rc;
}

/* 0 pending, 1 over with operation.result, or a code. */
static int begin(connection_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    int rc = open_socket(self);
    if (rc == 0)
        rc = asyncio__loop_reserve(self->loop->loop, 1);
    if (rc < 0)
        return rc;
    self->operation = (asyncio__operation_t){.complete = on_connected,
                                             .file = self->file,
                                             .kind = ASYNCIO__CONNECT,
                                             .address = (struct sockaddr *)&self->address,
                                             .address_size = self->size};
    rc = engine->class->submit(engine, &self->operation);
    if (rc != 0) {
        asyncio__loop_release(self->loop->loop, 1);
        return rc;
    }
    self->is_pending = true;
    Py_INCREF(self);
    return 0;
}

/* Raises what asyncio does. */
static void fail(connection_t *self, int code)
{
    PyObject *address = asyncio__py_address((struct sockaddr *)&self->address, self->size);
    PyObject *text = address ? PyUnicode_FromFormat("Connect call failed %R", address) : NULL;
    PyObject *error = text ? PyObject_CallFunction(PyExc_OSError, "iO", -code, text) : NULL;
    Py_XDECREF(address);
    Py_XDECREF(text);
    if (error)
        asyncio__py_set_error(error);
}

/* The socket is connected: makes the protocol and the transport. */
static PyObject *start(connection_t *self)
{
    self->protocol = PyObject_CallNoArgs(self->factory);
    if (!self->protocol || !make_future(self))
        return NULL;
    asyncio__py_stream_options_t options = {.file = self->file,
                                            .protocol = self->protocol,
                                            .waiter = self->future,
                                            .peer = (struct sockaddr *)&self->address,
                                            .peer_size = self->size,
                                            .is_prepared = true};
    self->file = NULL;
    self->transport =
        asyncio__py_stream_new(self->loop, ASYNCIO__PY_SOCKET, self->fd, &options);
    self->state = STARTING;
    return self->transport ? Py_NewRef(self->future) : NULL;
}

/* Returns what the task waits for, or NULL: it has failed with an exception. */
static PyObject *advance(connection_t *self)
{
    int code = 0;
    if (self->state == MADE) {
        if (asyncio__py_check_closed(self->loop) < 0)
            return NULL;
        int rc = begin(self);
        if (rc == 0) {
            self->state = CONNECTING;
            return Py_XNewRef(make_future(self));
        }
        code = rc < 0 ? rc : self->operation.result;
    } else if (self->is_pending) {
        PyErr_SetString(PyExc_RuntimeError, "the connection is awaited already");
        return NULL;
    } else {
        code = self->operation.result;
    }
    if (code == 0)
        return start(self);
    fail(self, code);
    return NULL;
}

static PyObject *step(connection_t *self, bool *ret_done)
{
    PyObject *value;
    *ret_done = self->state == STARTING;
    if (self->state == ENDED) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    if (*ret_done) {
        self->state = ENDED;
        return PyTuple_Pack(2, self->transport, self->protocol);
    }
    value = advance(self);
    if (!value) {
        self->state = ENDED;
        close_file(self);
    }
    return value;
}

static PyObject *iternext(PyObject *object)
{
    bool is_done;
    PyObject *value = step((connection_t *)object, &is_done);
    if (!is_done || !value)
        return value;
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value); /* a tuple is one value */
    if (stop)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    Py_DECREF(value);
    return NULL;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult send_value(PyObject *object, PyObject *unused, PyObject **ret_value)
{
    bool is_done;
    (void)unused;
    *ret_value = step((connection_t *)object, &is_done);
    return !*ret_value ? PYGEN_ERROR : is_done ? PYGEN_RETURN : PYGEN_NEXT;
}
#endif

/* Ends it: the task was cancelled. */
static void end(connection_t *self)
{
    PyObject *error = asyncio__py_take_error();
    if (self->state == STARTING && self->transport)
        asyncio__py_stream_close((asyncio__py_stream_t *)self->transport);
    self->state = ENDED;
    close_file(self);
    if (error)
        asyncio__py_set_error(error);
}

static PyObject *send_method(PyObject *object, PyObject *unused)
{
    (void)unused;
    return iternext(object);
}

static PyObject *throw_method(PyObject *object, PyObject *args)
{
    end((connection_t *)object);
    return asyncio__py_throw(args);
}

static PyObject *close_method(PyObject *object, PyObject *unused)
{
    (void)unused;
    end((connection_t *)object);
    Py_RETURN_NONE;
}

static PyObject *return_self(PyObject *self)
{
    return Py_NewRef(self);
}

/* loop._connect(protocol_factory, host, port): None where host is no literal address. */
PyObject *asyncio__py_connect(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)object;
    PyTypeObject *type = loop->state->network->connection;
    struct sockaddr_storage address;
    socklen_t size;
    if (count != 3)
        return PyErr_Format(PyExc_TypeError, "_connect() takes 3 arguments");
    PyObject *name = PyTuple_Pack(2, args[1], args[2]);
    if (!name)
        return NULL;
    int is_literal = asyncio__py_parse_address(AF_INET, name, &address, &size) ||
                     asyncio__py_parse_address(AF_INET6, name, &address, &size);
    Py_DECREF(name);
    if (!is_literal)
        Py_RETURN_NONE;
    connection_t *self = (connection_t *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->loop = (asyncio__py_loop_t *)Py_NewRef(object);
    self->factory = Py_NewRef(args[0]);
    self->turn.run = run_turn;
    self->address = address;
    self->size = size;
    return (PyObject *)self;
}

/* --- the type ------------------------------------------------------------------------------ */

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    connection_t *self = (connection_t *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->factory);
    Py_VISIT(self->protocol);
    Py_VISIT(self->transport);
    Py_VISIT(self->future);
    return 0;
}

static int clear(PyObject *object)
{
    connection_t *self = (connection_t *)object;
    Py_CLEAR(self->factory);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->transport);
    Py_CLEAR(self->future);
    return 0;
}

static void deallocate(PyObject *object)
{
    connection_t *self = (connection_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    close_file(self);
    asyncio__ignore(clear(object));
    Py_CLEAR(self->loop);
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

static PyType_Spec spec = {.name = "libasyncio._core.Connection",
                           .basicsize = sizeof(connection_t),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .slots = slots};

int asyncio__py_add_connections(PyObject *module, asyncio__py_state_t *state)
{
    state->network->connection =
        asyncio__py_make_type(module, &spec, /* bases= */ NULL, /* is_open= */ false);
    return state->network->connection ? 0 : -1;
}
