/* SPDX-License-Identifier: MIT */
/* The life of a stream's transport, from connection_made() to connection_lost(); see stream.h. */
#include "python/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define HIGH_BYTES 65536 /* asyncio's high-water mark */
#define HINT_BYTES 65536 /* of the buffer in stream_read.c */

typedef asyncio__py_stream_t stream_t;

static void run_turn(asyncio__ready_t *ready);
static void close_with_loop(asyncio__py_member_t *member);

/* --- the beginning ------------------------------------------------------------------------- */

static void schedule(stream_t *self)
{
    if (self->is_scheduled)
        return;
    self->is_scheduled = true;
    Py_INCREF(self);
    asyncio__loop_schedule(self->loop->loop, &self->turn);
}

/* Small messages leave at once. */
static void set_no_delay(int fd)
{
    int family = 0, on = 1;
    socklen_t size = sizeof(family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
        (family == AF_INET || family == AF_INET6))
        asyncio__ignore(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

/* Opens the engine's file. For a pipe of the program it is a duplicate, which the engine closes as
 * soon as the kernel lets go of it, while the program's own is closed at once. */
static int open_file(stream_t *self, const asyncio__py_stream_options_t *options)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    int fd = self->fd;
    if (options->file) {
        self->file = options->file;
        return 0;
    }
    if (self->kind != ASYNCIO__PY_SOCKET && options->pipe) {
        fd = fcntl(self->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
    }
    int rc = engine->class->open_file(engine, fd, options->file_kind, &self->file);
    if (rc < 0 && fd != self->fd)
        close(fd);
    return rc;
}

static stream_t *allocate(asyncio__py_loop_t *loop, asyncio__py_stream_kind_t kind)
{
    asyncio__py_network_t *network = loop->state->network;
    PyTypeObject *type = kind == ASYNCIO__PY_SOCKET      ? network->socket_transport
                         : kind == ASYNCIO__PY_READ_PIPE ? network->read_pipe_transport
                                                         : network->write_pipe_transport;
    stream_t *self = (stream_t *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->network = network;
    self->loop = (asyncio__py_loop_t *)Py_NewRef((PyObject *)loop);
    self->kind = (uint8_t)kind;
    self->fd = -1;
    self->high_bytes = HIGH_BYTES;
    self->low_bytes = HIGH_BYTES / 4;
    self->hint_bytes = HINT_BYTES;
    self->turn.run = run_turn;
    self->read_turn.run = asyncio__py_stream_read_turn;
    self->send_turn.run = asyncio__py_stream_send_turn;
    self->flush.run = asyncio__py_stream_flush;
    self->member.close = close_with_loop;
    return self;
}

/* Tells the server that it has one connection more or less. 0, or -1 with an exception. */
static int tell_server(stream_t *self, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *result = PyObject_CallMethodOneArg(self->server, name, (PyObject *)self);
#else
    PyObject *result = PyObject_CallMethodNoArgs(self->server, name);
#endif
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int fill(stream_t *self, const asyncio__py_stream_options_t *options)
{
    asyncio__py_net_t *net = asyncio__py_net_of(self->loop);
    self->waiter = Py_XNewRef(options->waiter);
    self->extra = Py_XNewRef(options->extra);
    self->is_watching_peer = options->is_watching_peer;
    asyncio__py_name_set(&self->peer, options->peer, options->peer_size);
    self->context = options->context ? Py_NewRef(options->context) : PyContext_CopyCurrent();
    if (!net || !self->context || asyncio__py_stream_set_protocol(self, options->protocol) < 0 ||
        asyncio__py_net_own(self->loop, self->fd, (PyObject *)self) < 0)
        return -1;
    if (asyncio__loop_reserve(self->loop->loop, 3) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    self->has_slots = true;
    if (options->server) {
        self->server = Py_NewRef(options->server);
        if (tell_server(self, self->network->names._attach) < 0) {
            Py_CLEAR(self->server);
            return -1;
        }
    }
    asyncio__list_append(&net->members, &self->member.link);
    return 0;
}

/* The program keeps the descriptor that it has brought. */
static void give_back(stream_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    if (self->kind == ASYNCIO__PY_SOCKET)
        asyncio__py_release_file(engine, self->file);
    else
        engine->class->close_file(engine, self->file);
    self->file = NULL;
}

PyObject *asyncio__py_stream_new(asyncio__py_loop_t *loop, asyncio__py_stream_kind_t kind, int fd,
                                 const asyncio__py_stream_options_t *options)
{
    stream_t *self = allocate(loop, kind);
    if (!self) {
        if (options->file)
            loop->loop->engine->class->close_file(loop->loop->engine, options->file);
        else if (!options->pipe)
            close(fd);
        return NULL;
    }
    self->fd = fd;
    int rc = open_file(self, options);
    if (rc < 0) {
        asyncio__py_raise_os_error(rc);
        if (!options->pipe)
            close(fd);
    } else if (fill(self, options) == 0) {
        self->is_connected = true;
        self->pipe = Py_XNewRef(options->pipe);
        if (kind == ASYNCIO__PY_SOCKET && !options->is_prepared)
            set_no_delay(fd);
        schedule(self);
        return (PyObject *)self;
    } else if (options->pipe) {
        asyncio__py_net_disown(loop, fd, (PyObject *)self);
        give_back(self);
    }
    Py_DECREF(self);
    return NULL;
}

/* Whether it wants its data in a buffer of its own: 1, 0, or -1 with an exception. A protocol that
 * only looks like a BufferedProtocol is one too. */
static int is_buffered(const stream_t *self, PyObject *protocol)
{
    int rc = PyObject_IsInstance(protocol, self->network->buffered_protocol);
    if (rc != 0 || PyObject_HasAttr(protocol, self->network->names.data_received))
        return rc;
    return PyObject_HasAttr(protocol, self->network->names.get_buffer);
}

int asyncio__py_stream_set_protocol(stream_t *self, PyObject *protocol)
{
    int rc = is_buffered(self, protocol);
    if (rc < 0)
        return -1;
    self->is_buffered = rc;
    Py_XSETREF(self->protocol, Py_NewRef(protocol));
    return 0;
}

PyObject *asyncio__py_stream_call(stream_t *self, PyObject *name, PyObject *arg)
{
    PyObject *args[] = {self->protocol, arg};
    if (self->is_entered) /* pause_writing() inside of data_received() */
        return PyObject_VectorcallMethod(name, args, arg ? 2 : 1, NULL);
    self->is_entered = true;
    PyObject *result = asyncio__py_call_in(self->context, self->protocol, name, arg);
    self->is_entered = false;
    return result;
}

static void start(stream_t *self)
{
    self->is_started = true;
    PyObject *result =
        asyncio__py_stream_call(self, self->network->names.connection_made, (PyObject *)self);
    if (!result)
        asyncio__py_report_call(self->loop, self->context, self->protocol,
                                self->network->names.connection_made, (PyObject *)self);
    Py_XDECREF(result);
    asyncio__py_stream_read(self);
    PyObject *waiter = self->waiter;
    self->waiter = NULL;
    asyncio__py_finish_future(self->loop, waiter, NULL);
    Py_XDECREF(waiter);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Closes the object of the program. Returns whether the descriptor is still to be closed. */
static bool close_pipe(stream_t *self, PyObject *pipe)
{
    bool is_socket = self->kind == ASYNCIO__PY_SOCKET;
    PyObject *result = PyObject_CallMethodNoArgs(pipe, is_socket ? self->network->names.detach
                                                                 : self->network->names.close);
    bool is_ours = !is_socket || (result && PyLong_AsLong(result) == self->fd);
    if (!result || PyErr_Occurred())
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(result);
    return is_ours;
}

/* Closes the descriptor. What is pending completes in a later wait(). */
static void close_descriptor(stream_t *self)
{
    asyncio__engine_t *engine = self->loop->loop->engine;
    asyncio__file_t *file = self->file;
    PyObject *pipe = self->pipe;
    if (self->kind == ASYNCIO__PY_SOCKET && file)
        asyncio__py_name_ask(&self->own, getsockname, self->fd);
    self->file = NULL;
    self->pipe = NULL;
    asyncio__list_remove(&self->member.link);
    asyncio__loop_flush_cancel(&self->flush);
    asyncio__py_net_disown(self->loop, self->fd, (PyObject *)self);
    bool is_ours = !pipe || close_pipe(self, pipe);
    Py_XDECREF(pipe);
    /* A program that has closed the socket itself may have given the number to another one. */
    if (file && engine && (is_ours || engine->class->detach_file(engine, file) < 0))
        engine->class->close_file(engine, file);
}

static void leave_server(stream_t *self)
{
    if (self->server && tell_server(self, self->network->names._detach) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_CLEAR(self->server);
}

/* sendfile() waits for all to be sent: that does not happen any more. */
static void fail_empty_waiter(stream_t *self)
{
    if (!self->empty_waiter)
        return;
    PyObject *error =
        PyObject_CallFunction(PyExc_ConnectionError, "s", "Connection is closed by peer");
    if (error)
        asyncio__py_finish_future(self->loop, self->empty_waiter, error);
    else
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(error);
}

void asyncio__py_stream_end(stream_t *self)
{
    PyObject *error = self->error ? self->error : Py_NewRef(Py_None);
    self->error = NULL;
    if (self->is_connected) {
        self->is_connected = false;
        PyObject *result =
            asyncio__py_stream_call(self, self->network->names.connection_lost, error);
        if (!result)
            asyncio__py_report_call(self->loop, self->context, self->protocol,
                                    self->network->names.connection_lost, error);
        Py_XDECREF(result);
    }
    Py_DECREF(error);
    close_descriptor(self);
    Py_CLEAR(self->protocol);
    leave_server(self);
    fail_empty_waiter(self);
}

void asyncio__py_stream_lose(stream_t *self, PyObject *error)
{
    if (self->lost_count || !self->file) {
        Py_XDECREF(error);
        return;
    }
    self->is_closing = true;
    self->lost_count++;
    self->error = error;
    asyncio__py_stream_drop_queue(self);
    schedule(self);
}

void asyncio__py_stream_fatal(stream_t *self, PyObject *error, const char *message)
{
    if (!PyErr_GivenExceptionMatches(error, PyExc_OSError)) {
        asyncio__py_set_error(Py_NewRef(error));
        asyncio__py_report(self->loop, message, "transport", (PyObject *)self, "protocol",
                           self->protocol, NULL);
    }
    asyncio__py_stream_lose(self, error);
}

void asyncio__py_stream_failed(stream_t *self, const char *message)
{
    if (!asyncio__py_raise_from_turn(self->loop))
        asyncio__py_stream_fatal(self, asyncio__py_take_error(), message);
}

void asyncio__py_stream_close(stream_t *self)
{
    if (self->is_closing)
        return;
    asyncio__py_stream_send(self);
    if (self->is_closing)
        return;
    self->is_closing = true;
    if (self->count == 0 && !self->is_sending)
        asyncio__py_stream_lose(self, NULL);
}

static void run_turn(asyncio__ready_t *ready)
{
    stream_t *self = ASYNCIO__CONTAINER(ready, stream_t, turn);
    self->is_scheduled = false;
    if (!self->loop->loop->closed) {
        if (!self->is_started) {
            bool was_lost = self->lost_count > 0;
            start(self);
            if (was_lost)
                schedule(self);
        } else if (self->file) {
            asyncio__py_stream_end(self);
        }
    }
    Py_DECREF(self);
}

/* The descriptor of a program stays open until the transport is freed. */
static void close_with_loop(asyncio__py_member_t *member)
{
    stream_t *self = ASYNCIO__CONTAINER(member, stream_t, member);
    asyncio__engine_t *engine = self->loop->loop->engine;
    asyncio__file_t *file = self->file;
    self->file = NULL;
    self->has_slots = false;
    self->is_let_go = true;
    asyncio__loop_flush_cancel(&self->flush);
    asyncio__py_net_disown(self->loop, self->fd, (PyObject *)self);
    if (self->kind != ASYNCIO__PY_SOCKET) {
        engine->class->close_file(engine, file); /* a duplicate, or the transport's own */
        return;
    }
    if (self->is_reading)
        engine->class->cancel(engine, &self->read);
    if (self->is_sending)
        engine->class->cancel(engine, &self->send);
    asyncio__py_release_file(engine, file);
}

/* Closes the descriptor after the loop was closed. */
static void close_late(stream_t *self)
{
    PyObject *pipe = self->pipe;
    self->pipe = NULL;
    if (pipe && close_pipe(self, pipe) && self->kind == ASYNCIO__PY_SOCKET)
        close(self->fd);
    else if (!pipe && self->kind == ASYNCIO__PY_SOCKET)
        close(self->fd);
    Py_XDECREF(pipe);
    self->is_let_go = false;
}

/* --- the record ---------------------------------------------------------------------------- */

int asyncio__py_stream_traverse(PyObject *object, visitproc visit, void *arg)
{
    stream_t *self = (stream_t *)object;
#if PY_VERSION_HEX >= 0x03090000
    Py_VISIT(Py_TYPE(self));
#endif
    Py_VISIT(self->extra);
    Py_VISIT(self->attributes);
    Py_VISIT(self->loop);
    Py_VISIT(self->protocol);
    Py_VISIT(self->context);
    Py_VISIT(self->waiter);
    Py_VISIT(self->server);
    Py_VISIT(self->pipe);
    Py_VISIT(self->error);
    Py_VISIT(self->empty_waiter);
    return 0;
}

/* The loop and the socket stay: they are needed to close an open transport. */
int asyncio__py_stream_clear(PyObject *object)
{
    stream_t *self = (stream_t *)object;
    Py_CLEAR(self->extra);
    Py_CLEAR(self->attributes);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->context);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->server);
    Py_CLEAR(self->error);
    Py_CLEAR(self->empty_waiter);
    return 0;
}

void asyncio__py_stream_finalize(PyObject *object)
{
    stream_t *self = (stream_t *)object;
    PyObject *error = asyncio__py_take_error();
    /* If the loop was closed first, the descriptor is closed, but nobody was told of the end. */
    if (self->is_connected) {
        if (PyErr_ResourceWarning(object, 1, "unclosed transport %R", object) < 0)
            PyErr_WriteUnraisable(object);
        self->is_connected = false;
        if (self->is_let_go)
            close_late(self);
        else if (self->file)
            close_descriptor(self);
        leave_server(self);
    }
    if (error)
        asyncio__py_set_error(error);
}

void asyncio__py_stream_dealloc(PyObject *object)
{
    stream_t *self = (stream_t *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object) < 0)
        return;
    PyObject_GC_UnTrack(object);
    if (self->weak_references)
        PyObject_ClearWeakRefs(object);
    if (self->file)
        close_descriptor(self);
    if (self->has_slots && !self->loop->loop->closed)
        asyncio__loop_release(self->loop->loop, 3);
    asyncio__py_stream_drop_queue(self);
    asyncio__ignore(asyncio__py_stream_clear(object));
    Py_CLEAR(self->pipe);
    Py_CLEAR(self->loop);
    type->tp_free(object);
    Py_DECREF(type);
}
