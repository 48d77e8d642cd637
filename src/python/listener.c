/* SPDX-License-Identifier: MIT */
/*
 * Listeners: accept the connections of a listening socket for a server and make their transports.
 *
 * The C listener accepts while the GIL is released. The descriptors wait in a queue until the ready
 * item of the listener makes transports of them.
 *
 * From its start until it is closed and nothing of it is pending any more, a listener holds a
 * reference to itself.
 */
#include "transport/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "python/stream.h"

typedef struct accepted {
    int fd;
    asyncio__py_name_t peer;
} accepted_t;

typedef struct listener {
    PyObject_HEAD
    asyncio__py_loop_t *loop; /* a reference */
    PyObject *factory;        /* makes the protocol of a connection */
    PyObject *ssl;            /* arguments of _accept_ssl(), a tuple; or NULL */
    PyObject *server;         /* or None */
    PyObject *context;        /* of each connection a copy */
    PyObject *sock;           /* the listening socket of Python */
    asyncio__py_member_t member;
    asyncio__listener_t base;
    asyncio__ready_t turn;    /* scheduled while is_scheduled; its slot is reserved */
    accepted_t *queue;        /* of malloc(): filled without the GIL */
    size_t count, room;       /* of queue */
    unsigned holds;           /* what is pending of base */
    int fd;                   /* of sock */
    uint8_t kind;             /* asyncio__file_kind_t */
    bool is_scheduled;
    bool is_closed;
    bool is_active;           /* it holds a reference to itself, and the slot */
} listener_t;

static listener_t *listener_of(asyncio__listener_t *base)
{
    return ASYNCIO__CONTAINER(base, listener_t, base);
}

static void schedule(listener_t *self)
{
    if (self->is_scheduled || self->loop->loop->closed)
        return;
    self->is_scheduled = true;
    asyncio__loop_schedule(self->loop->loop, &self->turn);
}

/* --- called by the C listener, all but on_failed() without the GIL ------------------------- */

static int on_accepted(asyncio__listener_t *base, int fd, const struct sockaddr *peer,
                       socklen_t peer_size)
{
    listener_t *self = listener_of(base);
    if (self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 16;
        accepted_t *queue = realloc(self->queue, room * sizeof(*queue));
        if (!queue) {
            close(fd);
            return -ENOMEM;
        }
        self->queue = queue;
        self->room = room;
    }
    accepted_t *accepted = &self->queue[self->count++];
    accepted->fd = fd;
    asyncio__py_name_set(&accepted->peer, peer, peer_size);
    schedule(self);
    return 0;
}

static void on_failed(asyncio__listener_t *base, int code)
{
    listener_t *self = listener_of(base);
    PyObject *error = asyncio__py_os_error(code);
    PyObject *sock =
        error ? PyObject_CallOneArg(self->loop->state->network->transport_socket, self->sock)
              : NULL;
    if (sock) {
        asyncio__py_set_error(error);
        asyncio__py_report(self->loop, "socket.accept() out of system resource", "socket", sock,
                           NULL);
    } else {
        Py_XDECREF(error);
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(sock);
}

static void hold(asyncio__listener_t *base)
{
    listener_of(base)->holds++;
}

static void drop(asyncio__listener_t *base)
{
    listener_t *self = listener_of(base);
    if (--self->holds == 0 && self->is_closed)
        schedule(self);
}

static const asyncio__listener_class_t listener_class = {
    .accepted = on_accepted, .failed = on_failed, .hold = hold, .drop = drop};

/* --- connections --------------------------------------------------------------------------- */

/* Handles the exception that is set: it is reported in debug mode. */
static void on_failure(listener_t *self, PyObject *protocol)
{
    if (asyncio__py_raise_from_turn(self->loop))
        return;
    if (self->loop->debug)
        asyncio__py_report(self->loop, "Error on transport creation for incoming connection",
                           "protocol", protocol, NULL);
    PyErr_Clear();
}

/* Makes the transport of a connection in a context. */
static void make_plain(listener_t *self, const accepted_t *accepted, PyObject *context)
{
    PyObject *protocol = NULL, *transport = NULL;
    if (PyContext_Enter(context) == 0) {
        protocol = PyObject_CallNoArgs(self->factory);
        asyncio__ignore(PyContext_Exit(context));
    }
    if (protocol) {
        asyncio__py_stream_options_t options = {
            .file_kind = self->kind,
            .protocol = protocol,
            .context = context,
            .server = self->server == Py_None ? NULL : self->server,
            .peer = accepted->peer.size ? &accepted->peer.address.any : NULL,
            .peer_size = accepted->peer.size,
            .is_prepared = true};
        transport = asyncio__py_stream_new(self->loop, ASYNCIO__PY_SOCKET, accepted->fd, &options);
    } else {
        close(accepted->fd);
    }
    if (!transport)
        on_failure(self, protocol);
    Py_XDECREF(transport);
    Py_XDECREF(protocol);
}

/* A connection with TLS is set up by a task of Python's, which takes the descriptor. */
static void make_secure(listener_t *self, const accepted_t *accepted, PyObject *context)
{
    PyObject *fd = PyLong_FromLong(accepted->fd), *result = NULL;
    if (fd && PyContext_Enter(context) == 0) {
        result = PyObject_CallMethodObjArgs((PyObject *)self->loop,
                                            self->loop->state->network->names._accept_ssl, fd,
                                            self->factory, self->server, self->ssl, NULL);
        asyncio__ignore(PyContext_Exit(context));
    }
    if (!result)
        on_failure(self, NULL);
    Py_XDECREF(result);
    Py_XDECREF(fd);
}

static void make_connection(listener_t *self, const accepted_t *accepted)
{
    PyObject *context = self->is_closed ? NULL : PyContext_Copy(self->context);
    if (!context) {
        close(accepted->fd);
        if (!self->is_closed)
            on_failure(self, NULL);
        return;
    }
    if (self->ssl)
        make_secure(self, accepted, context);
    else
        make_plain(self, accepted, context);
    Py_DECREF(context);
}

static void drop_queue(listener_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        close(self->queue[i].fd);
    self->count = 0;
}

/* Ends the reference of the listener to itself once nothing is pending. */
static void end_if_over(listener_t *self)
{
    if (!self->is_active || !self->is_closed || self->holds > 0 || self->is_scheduled)
        return;
    self->is_active = false;
    if (!self->loop->loop->closed)
        asyncio__loop_release(self->loop->loop, 1);
    Py_DECREF(self);
}

static void run_turn(asyncio__ready_t *ready)
{
    listener_t *self = ASYNCIO__CONTAINER(ready, listener_t, turn);
    Py_INCREF(self);
    self->is_scheduled = false;
    /* What is accepted meanwhile goes into another queue. */
    accepted_t *queue = self->queue;
    size_t count = self->count;
    self->queue = NULL;
    self->count = self->room = 0;
    if (self->loop->loop->closed)
        self->is_closed = true;
    for (size_t i = 0; i < count; i++)
        make_connection(self, &queue[i]);
    free(queue);
    end_if_over(self);
    Py_DECREF(self);
}

/* --- beginning and end --------------------------------------------------------------------- */

/* Takes the descriptor away from the socket object. Returns whether it had it. */
static bool detach_socket(listener_t *self)
{
    PyObject *fd = PyObject_CallMethodNoArgs(self->sock, self->loop->state->network->names.detach);
    bool is_ours = fd && PyLong_AsLong(fd) == self->fd;
    if (!fd)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(fd);
    return is_ours;
}

static void close_listener(listener_t *self, bool closes_socket)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    asyncio__file_t *file = self->base.file;
    if (self->is_closed)
        return;
    asyncio__listener_close(&self->base);
    self->is_closed = true;
    self->base.file = NULL;
    asyncio__list_remove(&self->member.link);
    if (engine && self->base.is_accepting)
        engine->class->cancel(engine, &self->base.accept);
    if (engine && closes_socket && detach_socket(self)) {
        /* Connections are to be refused from now on. */
        const int tries = 100;
        for (int i = 0; i < tries && self->base.is_accepting; i++)
            asyncio__py_settle(self->loop->loop);
        engine->class->close_file(engine, file);
    } else if (engine) {
        asyncio__py_release_file(engine, file);
    }
    drop_queue(self);
    end_if_over(self);
}

static void close_with_loop(asyncio__py_member_t *member)
{
    close_listener(ASYNCIO__CONTAINER(member, listener_t, member), /* closes_socket= */ false);
}

/* Opens the file and fills base: 0 or a code. */
static int open_listener(listener_t *self)
{
    asyncio_loop_t *loop = self->loop->loop;
    asyncio__file_t *file;
    int family = 0, on = 1;
    socklen_t size = sizeof(family);
    if (getsockopt(self->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
        (family == AF_INET || family == AF_INET6)) {
        /* Accepted sockets inherit it. */
        asyncio__ignore(setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
        self->kind = ASYNCIO__FILE_TCP;
    }
    int rc = loop->engine->class->open_file(loop->engine, self->fd, self->kind, &file);
    if (rc < 0)
        return rc;
    rc = asyncio__listener_init(&self->base, loop, file, &listener_class);
    if (rc < 0)
        asyncio__py_release_file(loop->engine, file);
    return rc;
}

static int begin(listener_t *self)
{
    asyncio_loop_t *loop = self->loop->loop;
    asyncio__py_net_t *net = asyncio__py_net_of(self->loop);
    if (!net || asyncio__py_net_before_watch(self->loop, self->fd) < 0)
        return -1;
    int rc = asyncio__loop_reserve(loop, 1);
    if (rc == 0) {
        rc = open_listener(self);
        if (rc < 0)
            asyncio__loop_release(loop, 1);
    }
    if (rc == 0) {
        self->is_active = true;
        Py_INCREF(self);
        asyncio__list_append(&net->members, &self->member.link);
        rc = asyncio__listener_start(&self->base);
        if (rc < 0)
            close_listener(self, /* closes_socket= */ false);
    }
    if (rc < 0)
        asyncio__ignore(asyncio__py_set_code(self->loop->state, rc) != NULL);
    return rc;
}

/* ssl is None or a tuple for _accept_ssl(). Returns a listener, which has stop(). */
PyObject *asyncio__py_listen(PyObject *object, PyObject *args)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)object;
    PyTypeObject *type = loop->state->network->listener;
    PyObject *sock, *factory, *server, *ssl;
    if (!PyArg_ParseTuple(args, "OOOO", &sock, &factory, &server, &ssl) ||
        asyncio__py_check_closed(loop) < 0)
        return NULL;
    int fd = PyObject_AsFileDescriptor(sock);
    if (fd < 0)
        return NULL;
    listener_t *self = (listener_t *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->loop = (asyncio__py_loop_t *)Py_NewRef((PyObject *)loop);
    self->factory = Py_NewRef(factory);
    self->server = Py_NewRef(server);
    self->ssl = ssl == Py_None ? NULL : Py_NewRef(ssl);
    self->sock = Py_NewRef(sock);
    self->fd = fd;
    self->kind = ASYNCIO__FILE_SOCKET;
    self->turn.run = run_turn;
    self->member.close = close_with_loop;
    self->context = PyContext_CopyCurrent();
    if (!self->context || begin(self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *stop(PyObject *object, PyObject *unused)
{
    (void)unused;
    close_listener((listener_t *)object, /* closes_socket= */ true);
    Py_RETURN_NONE;
}

/* --- the type ------------------------------------------------------------------------------ */

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    listener_t *self = (listener_t *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->factory);
    Py_VISIT(self->ssl);
    Py_VISIT(self->server);
    Py_VISIT(self->context);
    Py_VISIT(self->sock);
    return 0;
}

static int clear(PyObject *object)
{
    listener_t *self = (listener_t *)object;
    Py_CLEAR(self->factory);
    Py_CLEAR(self->ssl);
    Py_CLEAR(self->server);
    Py_CLEAR(self->context);
    Py_CLEAR(self->sock);
    return 0;
}

static void deallocate(PyObject *object)
{
    listener_t *self = (listener_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    asyncio__ignore(clear(object));
    Py_CLEAR(self->loop);
    drop_queue(self);
    free(self->queue);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    ASYNCIO__PY_METHOD("stop", stop, METH_NOARGS, NULL),
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_traverse, (void *)traverse},
    {Py_tp_clear, (void *)clear},
    {Py_tp_dealloc, (void *)deallocate},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {.name = "libasyncio._core.Listener",
                           .basicsize = sizeof(listener_t),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .slots = slots};

int asyncio__py_add_listeners(PyObject *module, asyncio__py_state_t *state)
{
    state->network->listener =
        asyncio__py_make_type(module, &spec, /* bases= */ NULL, /* is_open= */ false);
    return state->network->listener ? 0 : -1;
}
