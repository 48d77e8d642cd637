/* SPDX-License-Identifier: MIT */
/* The network's part of the extension: its state, its methods of the loop; see network.h. */
#include "python/network.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "python/handle.h"
#include "python/sock.h"
#include "python/stream.h"

/* --- the record of a loop ------------------------------------------------------------------ */

static void close_with_loop(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    asyncio__py_net_t *net = ASYNCIO__CONTAINER(hook, asyncio__py_net_t, hook);
    asyncio__list_t *link;
    (void)loop;
    while ((link = asyncio__list_pop(&net->members)) != NULL) {
        asyncio__py_member_t *member = ASYNCIO__CONTAINER(link, asyncio__py_member_t, link);
        member->close(member);
    }
    asyncio__py_sock_close_all(net);
    net->loop->net = NULL;
    PyMem_Free(net->owners);
    PyMem_Free(net->socks);
    PyMem_Free(net);
}

asyncio__py_net_t *asyncio__py_net_of(asyncio__py_loop_t *loop)
{
    if (ASYNCIO__LIKELY(loop->net != NULL))
        return loop->net;
    asyncio__py_net_t *net = PyMem_Calloc(1, sizeof(*net));
    if (!net) {
        PyErr_NoMemory();
        return NULL;
    }
    net->loop = loop;
    asyncio__list_init(&net->members);
    net->hook.close = close_with_loop;
    asyncio__loop_add_hook(loop->loop, &net->hook);
    loop->net = net;
    return net;
}

static int make_room(asyncio__py_net_t *net, int fd)
{
    size_t count = net->owner_count ? net->owner_count : 64;
    if ((size_t)fd < net->owner_count)
        return 0;
    while (count <= (size_t)fd)
        count *= 2;
    PyObject **owners = PyMem_Realloc(net->owners, count * sizeof(*owners));
    if (!owners) {
        PyErr_NoMemory();
        return -1;
    }
    memset(owners + net->owner_count, 0, (count - net->owner_count) * sizeof(*owners));
    net->owners = owners;
    net->owner_count = count;
    return 0;
}

int asyncio__py_net_own(asyncio__py_loop_t *loop, int fd, PyObject *transport)
{
    asyncio__py_net_t *net = asyncio__py_net_of(loop);
    if (!net || make_room(net, fd) < 0 || asyncio__py_sock_yield(loop, fd) < 0)
        return -1;
    net->owners[fd] = transport;
    return 0;
}

void asyncio__py_net_disown(asyncio__py_loop_t *loop, int fd, const PyObject *transport)
{
    asyncio__py_net_t *net = loop->net;
    if (net && fd >= 0 && (size_t)fd < net->owner_count && net->owners[fd] == transport)
        net->owners[fd] = NULL;
}

int asyncio__py_net_check_fd(asyncio__py_loop_t *loop, int fd)
{
    const asyncio__py_net_t *net = loop->net;
    if (!net || fd < 0 || (size_t)fd >= net->owner_count || !net->owners[fd])
        return 0;
    PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", fd,
                 net->owners[fd]);
    return -1;
}

int asyncio__py_net_before_watch(asyncio__py_loop_t *loop, int fd)
{
    return asyncio__py_net_check_fd(loop, fd) < 0 ? -1 : asyncio__py_sock_yield(loop, fd);
}

void asyncio__py_release_file(asyncio__engine_t *engine, asyncio__file_t *file)
{
    const int64_t wait_ns = 1000000;
    const int tries = 100; /* io_uring may need a moment to let go */
    for (int i = 0; i < tries && engine->class->detach_file(engine, file) == -EBUSY; i++)
        asyncio__ignore(engine->class->wait(engine, wait_ns));
}

void asyncio__py_settle(asyncio_loop_t *loop)
{
    const int64_t wait_ns = 100000;
    if (loop->engine_kind == ASYNCIO_ENGINE_URING && loop->engine)
        asyncio__ignore(loop->engine->class->wait(loop->engine, wait_ns));
}

/* --- helpers ------------------------------------------------------------------------------- */

PyObject *asyncio__py_os_error(int code)
{
    return PyObject_CallFunction(PyExc_OSError, "is", -code, strerror(-code));
}

void asyncio__py_raise_os_error(int code)
{
    PyObject *error = asyncio__py_os_error(code);
    if (error)
        asyncio__py_set_error(error);
}

PyObject *asyncio__py_one_argument(PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                                   const char *function, const char *name)
{
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (ASYNCIO__LIKELY(count == 1 && named == 0))
        return args[0];
    if (count == 0 && named == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), name) == 0)
        return args[0];
    if (count + named == 0)
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'",
                     function, name);
    else if (named > 0)
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                     PyTuple_GET_ITEM(kwnames, 0));
    else
        PyErr_Format(PyExc_TypeError, "%s() takes 2 positional arguments but %zd were given",
                     function, count + 1);
    return NULL;
}

PyObject *asyncio__py_call_in(PyObject *context, PyObject *object, PyObject *name, PyObject *arg)
{
    PyObject *args[] = {object, arg};
    if (PyContext_Enter(context) < 0)
        return NULL;
    PyObject *result = PyObject_VectorcallMethod(name, args, arg ? 2 : 1, NULL);
    if (PyContext_Exit(context) < 0)
        Py_CLEAR(result);
    return result;
}

void asyncio__py_report_call(asyncio__py_loop_t *loop, PyObject *context, PyObject *object,
                             PyObject *name, PyObject *arg)
{
    if (asyncio__py_raise_from_turn(loop))
        return;
    PyObject *error = asyncio__py_take_error();
    PyObject *callback = object ? PyObject_GetAttr(object, name) : NULL;
    asyncio__py_handle_t *handle =
        callback ? asyncio__py_handle_new(loop, callback, &arg, arg ? 1 : 0, context) : NULL;
    PyErr_Clear();
    Py_XDECREF(callback);
    asyncio__py_report_callback(loop, error, handle);
    Py_XDECREF(handle);
}

void asyncio__py_finish_future(asyncio__py_loop_t *loop, PyObject *future, PyObject *error)
{
    asyncio__py_network_t *network = loop->state->network;
    if (!future)
        return;
    PyObject *done = PyObject_CallMethodNoArgs(future, network->names.done);
    PyObject *result = NULL;
    if (done == Py_False)
        result = PyObject_CallMethodOneArg(
            future, error ? network->names.set_exception : network->names.set_result,
            error ? error : Py_None);
    if (!done || (done == Py_False && !result))
        PyErr_WriteUnraisable(future);
    Py_XDECREF(done);
    Py_XDECREF(result);
}

/* --- methods of the loop ------------------------------------------------------------------- */

/* None counts as not given. */
static PyObject *given(PyObject *object)
{
    return object == Py_None ? NULL : object;
}

/* _make_socket_transport(sock, protocol, waiter=None, *, extra=None, server=None): the socket is a
 * connected one of the program. */
static PyObject *make_socket_transport(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"sock", "protocol", "waiter", "extra", "server", NULL};
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)self;
    PyObject *sock, *protocol, *waiter = Py_None, *extra = Py_None, *server = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOO", keywords, &sock, &protocol, &waiter,
                                     &extra, &server))
        return NULL;
    if (asyncio__py_check_closed(loop) < 0)
        return NULL;
    int fd = PyObject_AsFileDescriptor(sock);
    if (fd < 0)
        return NULL;
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    bool has_peer = getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
    asyncio__py_stream_options_t options = {
        .file_kind = ASYNCIO__FILE_ANY,
        .protocol = protocol,
        .waiter = given(waiter),
        .extra = given(extra),
        .server = given(server),
        .pipe = sock,
        .peer = has_peer ? (struct sockaddr *)&peer : NULL,
        .peer_size = size};
    if (has_peer && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
        options.file_kind = ASYNCIO__FILE_TCP;
    return asyncio__py_stream_new(loop, ASYNCIO__PY_SOCKET, fd, &options);
}

/* _new_read_pipe(pipe, protocol, waiter, extra), _new_write_pipe(…): a non-blocking file. A number
 * is the descriptor of a pipe, which is taken, also on failure. */
static PyObject *new_pipe(PyObject *self, PyObject *args, asyncio__py_stream_kind_t kind)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)self;
    PyObject *pipe, *protocol, *waiter, *extra;
    struct stat facts;
    if (!PyArg_ParseTuple(args, "OOOO", &pipe, &protocol, &waiter, &extra))
        return NULL;
    int fd = PyObject_AsFileDescriptor(pipe);
    if (fd < 0)
        return NULL;
    if (PyLong_CheckExact(pipe)) {
        pipe = NULL;
        facts.st_mode = S_IFIFO;
    } else if (fstat(fd, &facts) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (asyncio__py_check_closed(loop) < 0) {
        if (!pipe)
            close(fd);
        return NULL;
    }
    asyncio__py_stream_options_t options = {
        .file_kind = S_ISSOCK(facts.st_mode) ? ASYNCIO__FILE_ANY : ASYNCIO__FILE_STREAM,
        .protocol = protocol,
        .waiter = given(waiter),
        .extra = given(extra),
        .pipe = pipe,
        .is_watching_peer = !S_ISCHR(facts.st_mode)};
    return asyncio__py_stream_new(loop, kind, fd, &options);
}

static PyObject *new_read_pipe(PyObject *self, PyObject *args)
{
    return new_pipe(self, args, ASYNCIO__PY_READ_PIPE);
}

static PyObject *new_write_pipe(PyObject *self, PyObject *args)
{
    return new_pipe(self, args, ASYNCIO__PY_WRITE_PIPE);
}

/* _ensure_fd_no_transport(file) */
static PyObject *ensure_no_transport(PyObject *self, PyObject *file)
{
    int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0 || asyncio__py_net_check_fd((asyncio__py_loop_t *)self, fd) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef asyncio__py_network_methods[] = {
    ASYNCIO__PY_METHOD("_make_socket_transport", make_socket_transport,
                       METH_VARARGS | METH_KEYWORDS, NULL),
    ASYNCIO__PY_METHOD("_new_read_pipe", new_read_pipe, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("_new_write_pipe", new_write_pipe, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("_new_datagram", asyncio__py_new_datagram, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("_connect", asyncio__py_connect, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_spawn", asyncio__py_spawn, METH_FASTCALL, NULL),
    ASYNCIO__PY_METHOD("_watch_child", asyncio__py_watch_child, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("_listen", asyncio__py_listen, METH_VARARGS, NULL),
    ASYNCIO__PY_METHOD("_ensure_fd_no_transport", ensure_no_transport, METH_O, NULL),
    {0},
};

/* --- the state of the module --------------------------------------------------------------- */

static PyObject *import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

static int make_names(asyncio__py_network_t *network)
{
#define X(word)                                                                                    \
    if (!(network->names.word = PyUnicode_InternFromString(#word)))                                \
        return -1;
    ASYNCIO__PY_NETWORK_NAMES(X)
#undef X
    return 0;
}

int asyncio__py_add_network(PyObject *module, asyncio__py_state_t *state)
{
    asyncio__py_network_t *network = PyMem_Calloc(1, sizeof(*network));
    if (!network) {
        PyErr_NoMemory();
        return -1;
    }
    state->network = network;
    if (make_names(network) < 0 ||
        !(network->buffered_protocol = import_from("asyncio", "BufferedProtocol")) ||
        !(network->transport_socket = import_from("asyncio.trsock", "TransportSocket")) ||
        !(network->socket_class = import_from("socket", "socket")) ||
        !(network->families[0] = import_from("socket", "AF_INET")) ||
        !(network->families[1] = import_from("socket", "AF_INET6")) ||
        !(network->kinds[0] = import_from("socket", "SOCK_STREAM")) ||
        !(network->kinds[1] = import_from("socket", "SOCK_DGRAM")) ||
        !(network->logger = import_from("asyncio.log", "logger")))
        return -1;
    network->ssl_socket_class = import_from("ssl", "SSLSocket");
    if (!network->ssl_socket_class)
        PyErr_Clear();
    return asyncio__py_add_streams(module, state) < 0 ||
                   asyncio__py_add_connections(module, state) < 0 ||
                   asyncio__py_add_datagrams(module, state) < 0 ||
                   asyncio__py_add_listeners(module, state) < 0 ||
                   asyncio__py_add_socks(module, state) < 0
               ? -1
               : 0;
}

int asyncio__py_visit_network(asyncio__py_state_t *state, visitproc visit, void *arg)
{
    asyncio__py_network_t *network = state->network;
    if (!network)
        return 0;
    Py_VISIT(network->socket_transport);
    Py_VISIT(network->read_pipe_transport);
    Py_VISIT(network->write_pipe_transport);
    Py_VISIT(network->datagram_transport);
    Py_VISIT(network->listener);
    Py_VISIT(network->sock_call);
    Py_VISIT(network->connection);
    Py_VISIT(network->buffered_protocol);
    Py_VISIT(network->transport_socket);
    Py_VISIT(network->socket_class);
    Py_VISIT(network->ssl_socket_class);
    Py_VISIT(network->logger);
    return 0;
}

void asyncio__py_clear_network(asyncio__py_state_t *state)
{
    asyncio__py_network_t *network = state->network;
    if (!network)
        return;
#define X(word) Py_CLEAR(network->names.word);
    ASYNCIO__PY_NETWORK_NAMES(X)
#undef X
    Py_CLEAR(network->socket_transport);
    Py_CLEAR(network->read_pipe_transport);
    Py_CLEAR(network->write_pipe_transport);
    Py_CLEAR(network->datagram_transport);
    Py_CLEAR(network->listener);
    Py_CLEAR(network->sock_call);
    Py_CLEAR(network->connection);
    Py_CLEAR(network->buffered_protocol);
    Py_CLEAR(network->transport_socket);
    Py_CLEAR(network->socket_class);
    Py_CLEAR(network->ssl_socket_class);
    Py_CLEAR(network->logger);
    for (int i = 0; i < 2; i++) {
        Py_CLEAR(network->families[i]);
        Py_CLEAR(network->kinds[i]);
    }
    state->network = NULL;
    PyMem_Free(network);
}
