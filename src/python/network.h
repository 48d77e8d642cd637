/* SPDX-License-Identifier: MIT */
/*
 * What the files of Python's network share: what the module keeps for them, and what a loop does.
 *
 *     stream.h     transports of sockets and pipes       address.h   addresses as Python has them
 *     datagram.c   transports of datagrams               listener.c  accepting for servers
 *     connect.c    connecting to literal addresses
 *     sock.h       sock_recv() and the other sock_*()
 *
 * DESCRIPTORS. The engine knows a descriptor as a file. The file of a transport owns its
 * descriptor: a socket object of the program is detached when the transport closes, and a pipe is
 * duplicated. The files of sock_*() own nothing: they are detached before the engine is closed.
 */
#ifndef ASYNCIO__PYTHON_NETWORK_H
#define ASYNCIO__PYTHON_NETWORK_H

#include "python/loop.h"

/* The names that the network's files look up and call. */
#define ASYNCIO__PY_NETWORK_NAMES(X)                                                               \
    X(data_received) X(eof_received) X(get_buffer) X(buffer_updated) X(connection_made)            \
    X(connection_lost) X(pause_writing) X(resume_writing) X(datagram_received) X(error_received)   \
    X(set_result) X(set_exception) X(done) X(detach) X(close) X(socket) X(sockname) X(peername)    \
    X(_attach) X(_detach) X(_accept_ssl) X(_io_refs) X(_decref_socketios) X(sendto) X(connect)     \
    X(accept) X(_asyncio_future_blocking) X(create_future) X(pipe) X(_process_exited)            \
    X(_process_ended)

typedef struct asyncio__py_network {
    struct {
#define X(word) PyObject *word;
        ASYNCIO__PY_NETWORK_NAMES(X)
#undef X
    } names;
    PyTypeObject *socket_transport; /* types of this extension */
    PyTypeObject *read_pipe_transport;
    PyTypeObject *write_pipe_transport;
    PyTypeObject *datagram_transport;
    PyTypeObject *listener;
    PyTypeObject *sock_call;
    PyTypeObject *connection;
    PyObject *buffered_protocol; /* asyncio.BufferedProtocol */
    PyObject *transport_socket;  /* asyncio.trsock.TransportSocket */
    PyObject *socket_class;      /* socket.socket */
    PyObject *ssl_socket_class;  /* ssl.SSLSocket, or NULL: the interpreter has no ssl */
    PyObject *logger;            /* asyncio's */
    PyObject *families[2];       /* socket.AF_INET and AF_INET6 */
    PyObject *kinds[2];          /* socket.SOCK_STREAM and SOCK_DGRAM */
} asyncio__py_network_t;

/* What a loop keeps for its network. */
typedef struct asyncio__py_net {
    asyncio__loop_hook_t hook;       /* lets go of all descriptors when the loop is closed */
    asyncio__py_loop_t *loop;        /* whose it is */
    asyncio__list_t members;         /* open transports and listeners: asyncio__py_member_t */
    PyObject **owners;               /* by descriptor: the open transport, borrowed; or NULL */
    size_t owner_count;              /* room in owners */
    struct asyncio__py_sock **socks; /* by descriptor: the file of sock_*(); or NULL */
    size_t sock_count;               /* room in socks */
} asyncio__py_net_t;

/* The slots of asyncio's _FlowControlMixin, which are not used; behind BaseTransport's _extra. */
typedef struct asyncio__py_mixed_in {
    PyObject *slots[4];
} asyncio__py_mixed_in_t;

/* How what is closed with its loop is listed there. */
typedef struct asyncio__py_member {
    asyncio__list_t link;
    void (*close)(struct asyncio__py_member *self); /* the loop is being closed */
} asyncio__py_member_t;

/* The record of a loop, made at the first call; NULL with MemoryError. */
asyncio__py_net_t *asyncio__py_net_of(asyncio__py_loop_t *loop);

/* Lists a transport under its descriptor, and takes it out again. 0 or -1 with MemoryError. */
int asyncio__py_net_own(asyncio__py_loop_t *loop, int fd, PyObject *transport);
void asyncio__py_net_disown(asyncio__py_loop_t *loop, int fd, const PyObject *transport);

/* Raises RuntimeError and returns -1 if an open transport uses the descriptor. */
int asyncio__py_net_check_fd(asyncio__py_loop_t *loop, int fd);

/* Before add_reader() or add_writer(): the same, and sock_*() make room. */
int asyncio__py_net_before_watch(asyncio__py_loop_t *loop, int fd);

/* Lets go of a descriptor without closing it. Pending operations of the file were cancelled. */
void asyncio__py_release_file(asyncio__engine_t *engine, asyncio__file_t *file);

/* Returns a new OSError for a code of the engine. NULL only with an exception set. */
PyObject *asyncio__py_os_error(int code);

/* Raises that error. */
void asyncio__py_raise_os_error(int code);

/* Finishes a future with None, or with an error, unless it is NULL or done. */
void asyncio__py_finish_future(asyncio__py_loop_t *loop, PyObject *future, PyObject *error);

/* The argument of a method that takes one, by position or by its name: borrowed. NULL with a
 * TypeError. */
PyObject *asyncio__py_one_argument(PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                                   const char *function, const char *name);

/* Calls object.name(arg) in a context; arg may be NULL. Returns a new reference, or NULL with the
 * exception set. */
PyObject *asyncio__py_call_in(PyObject *context, PyObject *object, PyObject *name, PyObject *arg);

/* Has io_uring end what was cancelled, which keeps its open file until then. */
void asyncio__py_settle(asyncio_loop_t *loop);

/* Reports the exception that object.name(arg) has raised, as if call_soon() had called it. */
void asyncio__py_report_call(asyncio__py_loop_t *loop, PyObject *context, PyObject *object,
                             PyObject *name, PyObject *arg);

/* Makes a type of transports with the bases that are named in asyncio.transports, the second of
 * which may be NULL. The type's own fields begin at own_offset, behind those of the bases. */
PyTypeObject *asyncio__py_make_transport_type(PyObject *module, PyType_Spec *spec,
                                              const char *const base_names[2], size_t own_offset);

/* Reads the arguments of set_write_buffer_limits(): 0, or -1 with an exception. */
int asyncio__py_read_limits(PyObject *args, PyObject *kwargs, size_t *ret_high_bytes,
                            size_t *ret_low_bytes);

/* loop._new_datagram(sock, protocol, address, waiter, extra); see datagram.c. */
PyObject *asyncio__py_new_datagram(PyObject *loop, PyObject *args);

/* throw() of an awaitable: raises what its arguments say. */
PyObject *asyncio__py_throw(PyObject *args);

/* loop._connect(protocol_factory, host, port); see connect.c. */
PyObject *asyncio__py_connect(PyObject *loop, PyObject *const *args, Py_ssize_t count);

/* loop._watch_child(pidfd, transport); see child.c. */
PyObject *asyncio__py_watch_child(PyObject *loop, PyObject *args);

/* loop._spawn(args, shell, stdin, stdout, stderr, options); see process.c. */
PyObject *asyncio__py_spawn(PyObject *loop, PyObject *const *args, Py_ssize_t count);

/* loop._listen(sock, protocol_factory, server, ssl); see listener.c. */
PyObject *asyncio__py_listen(PyObject *loop, PyObject *args);

/* Called when the module is executed: 0 or -1. */
int asyncio__py_add_streams(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_connections(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_datagrams(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_listeners(PyObject *module, asyncio__py_state_t *state);
int asyncio__py_add_socks(PyObject *module, asyncio__py_state_t *state);

#endif
