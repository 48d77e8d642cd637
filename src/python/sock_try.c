/* SPDX-License-Identifier: MIT */
/* One try of each call on a socket; see sock.h. */
#include <errno.h>
#include <string.h>

#include "python/address.h"
#include "python/sock.h"

#define STACK_BYTES 16384 /* so much is received into the stack and copied */

typedef asyncio__py_sock_call_t call_t;

bool asyncio__py_sock_is_output(const call_t *call)
{
    return call->kind == ASYNCIO__PY_SOCK_SENDALL || call->kind == ASYNCIO__PY_SOCK_SENDTO ||
           call->kind == ASYNCIO__PY_SOCK_CONNECT || call->kind == ASYNCIO__PY_SOCK_WRITABLE;
}

/* Judges what a system call returned, a count or -1 with errno: 1; 0: it would block; -1 with an
 * exception. */
static int judge(ssize_t result)
{
    if (result >= 0)
        return 1;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* --- receiving ----------------------------------------------------------------------------- */

typedef struct sender {
    struct sockaddr_storage address;
    socklen_t size;
} sender_t;

/* sender: NULL, or where the address of the sender is put. */
typedef ssize_t receive_t(call_t *call, void *buffer, size_t size, sender_t *sender);

/* Where the engine knows that nothing is there, the kernel is not asked. */
static ssize_t receive_plain(call_t *call, void *buffer, size_t size, sender_t *sender)
{
    asyncio__py_sock_t *sock = asyncio__py_sock_find(call->loop, call->object, call->fd);
    (void)sender;
    if (sock && !sock->is_duplicate) {
        asyncio__engine_t *engine = call->loop->loop->engine;
        int received = engine->class->receive(engine, sock->file, buffer, size);
        if (received >= 0)
            return received;
        if (received != -EBUSY) {
            errno = -received;
            return -1;
        }
    }
    return recv(call->fd, buffer, size, MSG_DONTWAIT);
}

static ssize_t receive_from(call_t *call, void *buffer, size_t size, sender_t *sender)
{
    sender->size = sizeof(sender->address);
    return recvfrom(call->fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&sender->address,
                    &sender->size);
}

static Py_ssize_t size_of(PyObject *number)
{
    Py_ssize_t size = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    if (size < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
    return size;
}

/* Receives at most the number of bytes of the first argument into a bytes object. */
static int receive_bytes(call_t *call, receive_t *function, sender_t *sender, PyObject **ret_data)
{
    Py_ssize_t size = size_of(call->first);
    if (size < 0)
        return -1;
    if (size <= STACK_BYTES) {
        char buffer[STACK_BYTES];
        ssize_t received = function(call, buffer, (size_t)size, sender);
        int rc = judge(received);
        if (rc > 0 && !(*ret_data = PyBytes_FromStringAndSize(buffer, received)))
            rc = -1;
        return rc;
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (!data)
        return -1;
    ssize_t received = function(call, PyBytes_AS_STRING(data), (size_t)size, sender);
    int rc = judge(received);
    if (rc <= 0)
        Py_DECREF(data);
    else if (received == size || _PyBytes_Resize(&data, received) == 0)
        *ret_data = data;
    else
        rc = -1;
    return rc;
}

/* Receives into the buffer that is the first argument; the second one is a limit, or NULL. */
static int receive_into(call_t *call, receive_t *function, sender_t *sender, PyObject **ret_count)
{
    Py_buffer view;
    if (PyObject_GetBuffer(call->first, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "recv_into() argument 1 must be read-write bytes-like object, not %s",
                     Py_TYPE(call->first)->tp_name);
        return -1;
    }
    Py_ssize_t size = call->second ? size_of(call->second) : 0;
    if (size < 0 || size > view.len) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "nbytes is greater than the length of the buffer");
        PyBuffer_Release(&view);
        return -1;
    }
    ssize_t received = function(call, view.buf, (size_t)(size ? size : view.len), sender);
    int rc = judge(received);
    PyBuffer_Release(&view);
    if (rc > 0 && !(*ret_count = PyLong_FromSsize_t(received)))
        rc = -1;
    return rc;
}

static int try_recv(call_t *call, PyObject **ret_value)
{
    return receive_bytes(call, receive_plain, NULL, ret_value);
}

static int try_recv_into(call_t *call, PyObject **ret_value)
{
    return receive_into(call, receive_plain, NULL, ret_value);
}

/* Makes a pair with the sender's address. Takes the reference to what was received. */
static int with_sender(PyObject *received, const sender_t *sender, PyObject **ret_value)
{
    PyObject *address =
        sender->size > 0
            ? asyncio__py_address((const struct sockaddr *)&sender->address, sender->size)
            : Py_NewRef(Py_None);
    *ret_value = address ? PyTuple_Pack(2, received, address) : NULL;
    Py_XDECREF(address);
    Py_DECREF(received);
    return *ret_value ? 1 : -1;
}

static int try_recvfrom(call_t *call, PyObject **ret_value)
{
    sender_t sender;
    PyObject *data;
    int rc = receive_bytes(call, receive_from, &sender, &data);
    return rc > 0 ? with_sender(data, &sender, ret_value) : rc;
}

static int try_recvfrom_into(call_t *call, PyObject **ret_value)
{
    sender_t sender;
    PyObject *count;
    int rc = receive_into(call, receive_from, &sender, &count);
    return rc > 0 ? with_sender(count, &sender, ret_value) : rc;
}

/* --- sending ------------------------------------------------------------------------------- */

static int try_sendall(call_t *call, PyObject **ret_value)
{
    Py_buffer view;
    if (PyObject_GetBuffer(call->first, &view, PyBUF_SIMPLE) < 0)
        return -1;
    int rc = 1;
    while (rc > 0 && call->done_bytes < view.len) {
        ssize_t sent = send(call->fd, (char *)view.buf + call->done_bytes,
                            (size_t)(view.len - call->done_bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
        rc = judge(sent);
        if (rc > 0)
            call->done_bytes += sent;
    }
    PyBuffer_Release(&view);
    if (rc > 0)
        *ret_value = Py_NewRef(Py_None);
    return rc;
}

/* Calls a method of the socket object itself; BlockingIOError means that it would block. */
static int call_socket(call_t *call, PyObject *name, PyObject *first, PyObject *second,
                       PyObject **ret_value)
{
    *ret_value = PyObject_CallMethodObjArgs(call->object, name, first, second, NULL);
    if (*ret_value)
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_BlockingIOError) &&
        !PyErr_ExceptionMatches(PyExc_InterruptedError))
        return -1;
    PyErr_Clear();
    return 0;
}

static int family_of(int fd)
{
    int family = AF_UNSPEC;
    socklen_t size = sizeof(family);
    asyncio__ignore(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size));
    return family;
}

static int try_sendto(call_t *call, PyObject **ret_value)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!asyncio__py_parse_address(family_of(call->fd), call->second, &address, &size))
        return call_socket(call, call->loop->state->network->names.sendto, call->first,
                           call->second, ret_value);
    Py_buffer view;
    if (PyObject_GetBuffer(call->first, &view, PyBUF_SIMPLE) < 0)
        return -1;
    ssize_t sent = sendto(call->fd, view.buf, (size_t)view.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                          (struct sockaddr *)&address, size);
    int rc = judge(sent);
    PyBuffer_Release(&view);
    if (rc > 0 && !(*ret_value = PyLong_FromSsize_t(sent)))
        rc = -1;
    return rc;
}

/* --- connecting and accepting -------------------------------------------------------------- */

/* The connect that was begun has ended. */
static int end_connect(call_t *call)
{
    int code = 0;
    socklen_t size = sizeof(code);
    if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        return judge(-1);
    if (code == 0)
        return 1;
    PyObject *text = PyUnicode_FromFormat("Connect call failed %S", call->first);
    PyObject *error = text ? PyObject_CallFunction(PyExc_OSError, "iO", code, text) : NULL;
    Py_XDECREF(text);
    if (error)
        asyncio__py_set_error(error);
    return -1;
}

static int begin_connect(call_t *call)
{
    struct sockaddr_storage address;
    socklen_t size;
    call->has_tried = true;
    if (!asyncio__py_parse_address(family_of(call->fd), call->first, &address, &size)) {
        PyObject *value;
        int rc = call_socket(call, call->loop->state->network->names.connect, call->first, NULL,
                             &value);
        if (rc > 0)
            Py_DECREF(value);
        return rc;
    }
    int rc = connect(call->fd, (struct sockaddr *)&address, size);
    return rc < 0 && errno == EINPROGRESS ? 0 : judge(rc);
}

static int try_connect(call_t *call, PyObject **ret_value)
{
    int rc = call->has_tried ? end_connect(call) : begin_connect(call);
    if (rc > 0)
        *ret_value = Py_NewRef(Py_None);
    return rc;
}

static int try_accept(call_t *call, PyObject **ret_value)
{
    PyObject *pair = NULL, *result = NULL;
    int rc = call_socket(call, call->loop->state->network->names.accept, NULL, NULL, &pair);
    if (rc <= 0)
        return rc;
    PyObject *sock = PySequence_GetItem(pair, 0);
    if (sock)
        result = PyObject_CallMethod(sock, "setblocking", "O", Py_False);
    Py_XDECREF(sock);
    if (!result) {
        Py_DECREF(pair);
        return -1;
    }
    Py_DECREF(result);
    *ret_value = pair;
    return 1;
}

/* The first try only waits. */
static int try_writable(call_t *call, PyObject **ret_value)
{
    if (!call->has_tried) {
        call->has_tried = true;
        return 0;
    }
    *ret_value = Py_NewRef(Py_None);
    return 1;
}

int asyncio__py_sock_try(call_t *call, PyObject **ret_value)
{
    static int (*const tries[])(call_t *call, PyObject **ret_value) = {
        [ASYNCIO__PY_SOCK_RECV] = try_recv,
        [ASYNCIO__PY_SOCK_RECV_INTO] = try_recv_into,
        [ASYNCIO__PY_SOCK_RECVFROM] = try_recvfrom,
        [ASYNCIO__PY_SOCK_RECVFROM_INTO] = try_recvfrom_into,
        [ASYNCIO__PY_SOCK_SENDALL] = try_sendall,
        [ASYNCIO__PY_SOCK_SENDTO] = try_sendto,
        [ASYNCIO__PY_SOCK_CONNECT] = try_connect,
        [ASYNCIO__PY_SOCK_ACCEPT] = try_accept,
        [ASYNCIO__PY_SOCK_WRITABLE] = try_writable,
    };
    return tries[call->kind](call, ret_value);
}
