/* SPDX-License-Identifier: MIT */
/*
 * Transports of datagrams: the endpoint of transport/datagram.h, as Python has it.
 *
 *     transport --owns--> record ==contains==> endpoint --owns--> descriptor
 *               <-borrowed-'
 *
 * From its start until connection_lost() a transport holds a reference to itself. The record is
 * freed without the GIL, perhaps after the transport: so it knows nothing of Python by then.
 */
#include "transport/datagram.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "python/address.h"
#include "python/network.h"

#define HIGH_BYTES     65536  /* asyncio's high-water mark */
#define MOST_BYTES     262144 /* of a datagram that is received */
#define LOST_WRITES    5      /* from this one on a warning is logged for each */
#define TAKES_EMPTY    (PY_VERSION_HEX >= 0x030D0000) /* sendto() sends empty datagrams */

typedef struct datagram datagram_t;

typedef struct record {
    asyncio__datagram_t endpoint;
    datagram_t *transport; /* NULL once that does not listen any more */
} record_t;

struct datagram {
    PyObject_HEAD
    PyObject *extra;           /* asyncio.BaseTransport's slot _extra: a dict */
    asyncio__py_mixed_in_t mixed_in;
    PyObject *weak_references; /* or NULL */
    PyObject *attributes;      /* that programs have set: a dict; or NULL */
    asyncio__py_loop_t *loop;  /* a reference */
    asyncio__py_network_t *network;
    PyObject *protocol;        /* NULL once lost */
    PyObject *context;         /* in which the protocol is called */
    PyObject *waiter;          /* finished when connection_made() has returned; or NULL */
    PyObject *sock;            /* the socket of the program; NULL once closed */
    PyObject *address;         /* the only one that may be sent to; or NULL */
    PyObject *error;           /* for connection_lost(); or NULL */
    record_t *record;          /* NULL once closed */
    asyncio__py_member_t member;
    size_t high_bytes, low_bytes; /* water marks */
    Py_ssize_t lost_count;     /* writes after the end, and 1 for that */
    int fd;                    /* of sock */
    int family;                /* likewise */
    bool has_peer;             /* the socket is connected */
    bool is_connected;         /* connection_lost() is to be called */
    bool is_closing;
    bool is_protocol_paused;   /* pause_writing() was called */
    bool is_entered;           /* the protocol is being called */
};

static datagram_t *transport_of(asyncio__datagram_t *endpoint)
{
    return ASYNCIO__CONTAINER(endpoint, record_t, endpoint)->transport;
}

static PyObject *call(datagram_t *self, PyObject *name, PyObject *first, PyObject *second)
{
    PyObject *args[] = {self->protocol, first, second};
    size_t count = second ? 3 : first ? 2 : 1;
    bool enters = !self->is_entered;
    if (enters && PyContext_Enter(self->context) < 0)
        return NULL;
    self->is_entered = true;
    PyObject *result = PyObject_VectorcallMethod(name, args, count, NULL);
    if (enters) {
        self->is_entered = false;
        asyncio__ignore(PyContext_Exit(self->context));
    }
    return result;
}

/* Calls a method of the protocol, and reports what it raises: with a message, or as a callback. */
static void tell(datagram_t *self, PyObject *name, PyObject *first, PyObject *second,
                 const char *message)
{
    if (!self->protocol)
        return;
    PyObject *result = call(self, name, first, second);
    if (!result && message)
        asyncio__py_report(self->loop, message, "transport", (PyObject *)self, "protocol",
                           self->protocol, NULL);
    else if (!result)
        asyncio__py_report_call(self->loop, self->context, self->protocol, name, first);
    Py_XDECREF(result);
}

/* --- what the endpoint says ---------------------------------------------------------------- */

static void on_started(asyncio__datagram_t *endpoint)
{
    datagram_t *self = transport_of(endpoint);
    PyObject *waiter = self->waiter;
    self->waiter = NULL;
    tell(self, self->network->names.connection_made, (PyObject *)self, NULL, /* message= */ NULL);
    asyncio__py_finish_future(self->loop, waiter, NULL);
    Py_XDECREF(waiter);
}

static void on_received(asyncio__datagram_t *endpoint,
                        const asyncio__datagram_received_t *datagram)
{
    datagram_t *self = transport_of(endpoint);
    PyObject *data = PyBytes_FromStringAndSize(datagram->data, (Py_ssize_t)datagram->size);
    PyObject *address = datagram->address
                            ? asyncio__py_address(datagram->address, datagram->address_size)
                            : Py_NewRef(Py_None);
    if (data && address)
        tell(self, self->network->names.datagram_received, data, address, /* message= */ NULL);
    else
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(data);
    Py_XDECREF(address);
}

static void report_error(datagram_t *self, PyObject *error)
{
    if (error)
        tell(self, self->network->names.error_received, error, NULL, /* message= */ NULL);
    else
        PyErr_WriteUnraisable((PyObject *)self);
}

static void on_failed(asyncio__datagram_t *endpoint, int code, const struct sockaddr *address,
                      socklen_t address_size)
{
    PyObject *error = asyncio__py_os_error(code);
    (void)address;
    (void)address_size;
    report_error(transport_of(endpoint), error);
    Py_XDECREF(error);
}

static void on_sent(asyncio__datagram_t *endpoint)
{
    datagram_t *self = transport_of(endpoint);
    if (!self->is_protocol_paused || endpoint->queued_bytes > self->low_bytes)
        return;
    self->is_protocol_paused = false;
    tell(self, self->network->names.resume_writing, NULL, NULL,
         "protocol.resume_writing() failed");
}

/* Takes the descriptor away from the socket object, and drops the record, which closes it. */
static void let_go(datagram_t *self)
{
    record_t *record = self->record;
    PyObject *sock = self->sock;
    self->record = NULL;
    self->sock = NULL;
    asyncio__list_remove(&self->member.link);
    asyncio__py_net_disown(self->loop, self->fd, (PyObject *)self);
    PyObject *fd = PyObject_CallMethodNoArgs(sock, self->network->names.detach);
    if (!fd)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(fd);
    Py_DECREF(sock);
    record->transport = NULL;
    asyncio__datagram_unref(&record->endpoint);
}

static void on_lost(asyncio__datagram_t *endpoint, int code)
{
    datagram_t *self = transport_of(endpoint);
    PyObject *error = self->error ? Py_NewRef(self->error)
                      : code < 0  ? asyncio__py_os_error(code)
                                  : Py_NewRef(Py_None);
    self->is_closing = true;
    self->is_connected = false;
    if (error)
        tell(self, self->network->names.connection_lost, error, NULL, /* message= */ NULL);
    else
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(error);
    let_go(self);
    Py_CLEAR(self->protocol);
    Py_DECREF(self);
}

static void free_record(asyncio__datagram_t *endpoint)
{
    asyncio__free(ASYNCIO__CONTAINER(endpoint, record_t, endpoint), sizeof(record_t));
}

static const asyncio__datagram_class_t endpoint_class = {.started = on_started,
                                                         .received = on_received,
                                                         .failed = on_failed,
                                                         .sent = on_sent,
                                                         .lost = on_lost,
                                                         .free = free_record};

static void close_with_loop(asyncio__py_member_t *member)
{
    datagram_t *self = ASYNCIO__CONTAINER(member, datagram_t, member);
    record_t *record = self->record;
    asyncio__datagram_abort(&record->endpoint, 0);
    let_go(self);
    Py_DECREF(self);
}

/* --- making -------------------------------------------------------------------------------- */

static int open_record(datagram_t *self)
{
    asyncio_loop_t *loop = self->loop->loop;
    record_t *record = asyncio__calloc(sizeof(*record));
    asyncio_socket_t *sock = record ? asyncio__socket_new(self->fd) : NULL;
    if (!sock) {
        asyncio__free(record, sizeof(*record));
        PyErr_NoMemory();
        return -1;
    }
    int rc = asyncio__datagram_init(&record->endpoint, loop, sock, MOST_BYTES, &endpoint_class);
    if (rc < 0) {
        /* The program keeps its descriptor. */
        if (sock->file) {
            asyncio__loop_unclaim(loop, self->fd);
            asyncio__py_release_file(loop->engine, sock->file);
            sock->file = NULL;
        }
        sock->fd = -1;
        asyncio__free(record, sizeof(*record));
        asyncio__ignore(asyncio__py_set_code(self->loop->state, rc) != NULL);
    } else {
        record->transport = self;
        self->record = record;
    }
    asyncio_socket_unref(sock);
    return rc;
}

static int fill(datagram_t *self, PyObject *extra)
{
    PyObject *own = asyncio__py_ask_address(getsockname, self->fd);
    PyObject *peer = asyncio__py_ask_address(getpeername, self->fd);
    PyErr_Clear(); /* a socket may have no address, and no peer */
    self->extra = extra == Py_None ? PyDict_New() : PyDict_Copy(extra);
    self->context = self->extra ? PyContext_CopyCurrent() : NULL;
    PyObject *sock = self->context
                         ? PyObject_CallOneArg(self->network->transport_socket, self->sock)
                         : NULL;
    self->has_peer = peer != NULL;
    int rc = -1;
    if (sock)
        rc = PyDict_SetItem(self->extra, self->network->names.socket, sock);
    if (rc == 0)
        rc = PyDict_SetItem(self->extra, self->network->names.sockname, own ? own : Py_None);
    if (rc == 0 && !PyDict_GetItem(self->extra, self->network->names.peername))
        rc = PyDict_SetItem(self->extra, self->network->names.peername, peer ? peer : Py_None);
    Py_XDECREF(own);
    Py_XDECREF(peer);
    Py_XDECREF(sock);
    return rc;
}

/* loop._new_datagram(sock, protocol, address, waiter, extra) */
PyObject *asyncio__py_new_datagram(PyObject *object, PyObject *args)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)object;
    asyncio__py_network_t *network = loop->state->network;
    PyTypeObject *type = network->datagram_transport;
    PyObject *sock, *protocol, *address, *waiter, *extra;
    if (!PyArg_ParseTuple(args, "OOOOO", &sock, &protocol, &address, &waiter, &extra) ||
        asyncio__py_check_closed(loop) < 0)
        return NULL;
    int fd = PyObject_AsFileDescriptor(sock);
    asyncio__py_net_t *net = fd < 0 ? NULL : asyncio__py_net_of(loop);
    datagram_t *self = net ? (datagram_t *)type->tp_alloc(type, 0) : NULL;
    if (!self)
        return NULL;
    socklen_t size = sizeof(self->family);
    asyncio__ignore(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &self->family, &size));
    self->loop = (asyncio__py_loop_t *)Py_NewRef(object);
    self->network = network;
    self->protocol = Py_NewRef(protocol);
    self->sock = Py_NewRef(sock);
    self->address = address == Py_None ? NULL : Py_NewRef(address);
    self->waiter = waiter == Py_None ? NULL : Py_NewRef(waiter);
    self->fd = fd;
    self->high_bytes = HIGH_BYTES;
    self->low_bytes = HIGH_BYTES / 4;
    self->member.close = close_with_loop;
    if (fill(self, extra) < 0 || asyncio__py_net_own(loop, fd, (PyObject *)self) < 0 ||
        open_record(self) < 0) {
        asyncio__py_net_disown(loop, fd, (PyObject *)self);
        Py_DECREF(self);
        return NULL;
    }
    self->is_connected = true;
    asyncio__list_append(&net->members, &self->member.link);
    Py_INCREF(self);
    asyncio__datagram_start(&self->record->endpoint);
    return (PyObject *)self;
}

/* --- sending ------------------------------------------------------------------------------- */

static void abort_with(datagram_t *self, PyObject *error)
{
    if (self->lost_count || !self->record) {
        Py_XDECREF(error);
        return;
    }
    self->is_closing = true;
    self->lost_count++;
    self->error = error;
    asyncio__datagram_abort(&self->record->endpoint, 0);
}

/* Handles the exception that is set after a send: those of the system end nothing. */
static void on_exception(datagram_t *self)
{
    if (asyncio__py_raise_from_turn(self->loop))
        return;
    bool is_system = PyErr_ExceptionMatches(PyExc_OSError);
    PyObject *error = asyncio__py_take_error();
    if (is_system) {
        report_error(self, error);
        Py_XDECREF(error);
        return;
    }
    asyncio__py_set_error(Py_NewRef(error));
    asyncio__py_report(self->loop, "Fatal write error on datagram transport", "transport",
                       (PyObject *)self, "protocol", self->protocol, NULL);
    abort_with(self, error);
}

/* Sends to an address that only Python's socket understands, or refuses; or after close(). */
static void send_by_socket(datagram_t *self, PyObject *data, PyObject *address)
{
    PyObject *result =
        self->has_peer ? PyObject_CallMethod(self->sock, "send", "O", data)
                       : PyObject_CallMethodObjArgs(self->sock, self->network->names.sendto, data,
                                                    address ? address : Py_None, NULL);
    if (!result)
        on_exception(self);
    Py_XDECREF(result);
}

static void send_data(datagram_t *self, PyObject *data, const Py_buffer *view, PyObject *address)
{
    struct sockaddr_storage name;
    struct iovec piece = {view->buf, (size_t)view->len};
    asyncio__datagram_packet_t packet = {.pieces = &piece, .count = 1};
    if (!self->has_peer) {
        if (!asyncio__py_parse_address(self->family, address ? address : Py_None, &name,
                                       &packet.address_size)) {
            send_by_socket(self, data, address);
            return;
        }
        packet.address = (struct sockaddr *)&name;
    }
    if (asyncio__datagram_send(&self->record->endpoint, &packet) < 0) {
        PyErr_NoMemory();
        on_exception(self);
    } else if (self->record && self->record->endpoint.queued_bytes > self->high_bytes &&
               !self->is_protocol_paused) {
        self->is_protocol_paused = true;
        tell(self, self->network->names.pause_writing, NULL, NULL,
             "protocol.pause_writing() failed");
    }
}

/* The address that is sent to, borrowed, or NULL for the connected one: 0, or -1. */
static int choose_address(const datagram_t *self, PyObject *given, PyObject **ret_address)
{
    *ret_address = given == Py_None ? NULL : given;
    if (!self->address)
        return 0;
    int is_same = *ret_address ? PyObject_RichCompareBool(given, self->address, Py_EQ) : 1;
    if (is_same == 0)
        PyErr_Format(PyExc_ValueError, "Invalid address: must be None or %S", self->address);
    *ret_address = self->address;
    return is_same > 0 ? 0 : -1;
}

static int warn_lost(datagram_t *self)
{
    if (self->lost_count++ < LOST_WRITES)
        return 0;
    PyObject *result = PyObject_CallMethod(self->network->logger, "warning", "s",
                                           "socket.send() raised exception.");
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *send_to(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"data", "addr", NULL};
    datagram_t *self = (datagram_t *)object;
    PyObject *data, *given = Py_None, *address;
    Py_buffer view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:sendto", keywords, &data, &given))
        return NULL;
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data))
        return PyErr_Format(PyExc_TypeError,
                            "data argument must be a bytes-like object, not '%s'",
                            Py_TYPE(data)->tp_name);
    if (choose_address(self, given, &address) < 0 ||
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    int rc = 0;
    if (self->lost_count && self->address)
        rc = warn_lost(self);
    else if (self->record && (view.len > 0 || TAKES_EMPTY) && self->is_closing)
        send_by_socket(self, data, address);
    else if (self->record && (view.len > 0 || TAKES_EMPTY))
        send_data(self, data, &view, address);
    PyBuffer_Release(&view);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* --- methods ------------------------------------------------------------------------------- */

static PyObject *close_transport(PyObject *object, PyObject *unused)
{
    datagram_t *self = (datagram_t *)object;
    (void)unused;
    if (!self->is_closing && self->record) {
        self->is_closing = true;
        self->lost_count += asyncio__list_is_empty(&self->record->endpoint.queue);
        asyncio__datagram_close(&self->record->endpoint);
    }
    Py_RETURN_NONE;
}

static PyObject *abort_transport(PyObject *object, PyObject *unused)
{
    (void)unused;
    abort_with((datagram_t *)object, NULL);
    Py_RETURN_NONE;
}

static PyObject *is_closing(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((datagram_t *)object)->is_closing);
}

static PyObject *set_protocol(PyObject *object, PyObject *const *args, Py_ssize_t count,
                              PyObject *kwnames)
{
    PyObject *protocol =
        asyncio__py_one_argument(args, count, kwnames, "set_protocol", "protocol");
    if (!protocol)
        return NULL;
    Py_XSETREF(((datagram_t *)object)->protocol, Py_NewRef(protocol));
    Py_RETURN_NONE;
}

static PyObject *get_protocol(PyObject *object, PyObject *unused)
{
    const datagram_t *self = (const datagram_t *)object;
    (void)unused;
    return Py_NewRef(self->protocol ? self->protocol : Py_None);
}

static PyObject *get_write_buffer_size(PyObject *object, PyObject *unused)
{
    const datagram_t *self = (const datagram_t *)object;
    (void)unused;
    return PyLong_FromSize_t(self->record ? self->record->endpoint.queued_bytes : 0);
}

static PyObject *get_write_buffer_limits(PyObject *object, PyObject *unused)
{
    const datagram_t *self = (const datagram_t *)object;
    (void)unused;
    return Py_BuildValue("(nn)", (Py_ssize_t)self->low_bytes, (Py_ssize_t)self->high_bytes);
}

static PyObject *set_write_buffer_limits(PyObject *object, PyObject *args, PyObject *kwargs)
{
    datagram_t *self = (datagram_t *)object;
    if (asyncio__py_read_limits(args, kwargs, &self->high_bytes, &self->low_bytes) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *represent(PyObject *object)
{
    const datagram_t *self = (const datagram_t *)object;
    if (!self->record)
        return PyUnicode_FromFormat("<DatagramTransport closed fd=%d>", self->fd);
    size_t queued = self->record->endpoint.queued_bytes;
    return PyUnicode_FromFormat("<DatagramTransport%s fd=%d read=%s write=<%s, bufsize=%zu>>",
                                self->is_closing ? " closing" : "", self->fd,
                                self->is_closing ? "idle" : "polling",
                                queued > 0 ? "polling" : "idle", queued);
}

static PyMethodDef methods[] = {
    ASYNCIO__PY_METHOD("sendto", send_to, METH_VARARGS | METH_KEYWORDS, NULL),
    ASYNCIO__PY_METHOD("close", close_transport, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("abort", abort_transport, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("is_closing", is_closing, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("set_protocol", set_protocol, ASYNCIO__PY_VECTOR, NULL),
    ASYNCIO__PY_METHOD("get_protocol", get_protocol, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_write_buffer_size", get_write_buffer_size, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("set_write_buffer_limits", set_write_buffer_limits,
                       METH_VARARGS | METH_KEYWORDS, NULL),
    {0},
};

/* --- the type ------------------------------------------------------------------------------ */

static PyObject *get_loop(PyObject *object, void *unused)
{
    const datagram_t *self = (const datagram_t *)object;
    (void)unused;
    return Py_NewRef(self->record ? (PyObject *)self->loop : Py_None);
}

static PyObject *get_sock(PyObject *object, void *unused)
{
    const datagram_t *self = (const datagram_t *)object;
    (void)unused;
    return Py_NewRef(self->sock ? self->sock : Py_None);
}

static PyGetSetDef attributes[] = {
    {"_loop", get_loop, NULL, NULL, NULL},
    {"_sock", get_sock, NULL, NULL, NULL},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(datagram_t, weak_references), Py_READONLY,
     NULL},
    {"_address", T_OBJECT, offsetof(datagram_t, address), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(datagram_t, attributes), Py_READONLY, NULL},
    {"_conn_lost", Py_T_PYSSIZET, offsetof(datagram_t, lost_count), Py_READONLY, NULL},
    {0},
};

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    datagram_t *self = (datagram_t *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->extra);
    Py_VISIT(self->attributes);
    Py_VISIT(self->loop);
    Py_VISIT(self->protocol);
    Py_VISIT(self->context);
    Py_VISIT(self->waiter);
    Py_VISIT(self->sock);
    Py_VISIT(self->address);
    Py_VISIT(self->error);
    return 0;
}

static int clear(PyObject *object)
{
    datagram_t *self = (datagram_t *)object;
    Py_CLEAR(self->extra);
    Py_CLEAR(self->attributes);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->context);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->address);
    Py_CLEAR(self->error);
    return 0;
}

static void finalize(PyObject *object)
{
    datagram_t *self = (datagram_t *)object;
    PyObject *error = asyncio__py_take_error();
    /* Only a loop that was closed first lets go of an open transport. */
    if (self->is_connected) {
        self->is_connected = false;
        if (PyErr_ResourceWarning(object, 1, "unclosed transport %R", object) < 0)
            PyErr_WriteUnraisable(object);
    }
    if (error)
        asyncio__py_set_error(error);
}

static void deallocate(PyObject *object)
{
    datagram_t *self = (datagram_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object) < 0)
        return;
    PyObject_GC_UnTrack(object);
    if (self->weak_references)
        PyObject_ClearWeakRefs(object);
    asyncio__ignore(clear(object));
    Py_CLEAR(self->sock);
    Py_CLEAR(self->loop);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_traverse, (void *)traverse},
    {Py_tp_clear, (void *)clear},
    {Py_tp_finalize, (void *)finalize},
    {Py_tp_dealloc, (void *)deallocate},
    {Py_tp_repr, (void *)represent},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {.name = "libasyncio._core.DatagramTransport",
                           .basicsize = sizeof(datagram_t),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .slots = slots};

int asyncio__py_add_datagrams(PyObject *module, asyncio__py_state_t *state)
{
    static const char *const bases[2] = {"_FlowControlMixin", "DatagramTransport"};
    PyTypeObject *type = asyncio__py_make_transport_type(module, &spec, bases,
                                                         offsetof(datagram_t, weak_references));
    state->network->datagram_transport = type;
    return type ? 0 : -1;
}
