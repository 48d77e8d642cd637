/* SPDX-License-Identifier: MIT */
/*
 * sock_recv() and the other calls on sockets of the program.
 *
 * Each call is an awaitable of C. It tries its system call first. If that would block it waits for
 * a future, which becomes done when the socket is ready, and tries again. A socket object has one
 * record per loop, which stays registered with the engine, so that later waits cost no system call:
 *
 *     loop->net->socks[fd] --> record ==contains==> 2 directions --list--> calls that wait
 *                                     --owns--> file of the engine
 *
 * A record belongs to a socket object, by a weak reference: a number that means another object
 * gets another record. While a call waits, the socket's count _io_refs is one higher, so that
 * close() of the program closes the descriptor only when the call has ended.
 */
#ifndef ASYNCIO__PYTHON_SOCK_H
#define ASYNCIO__PYTHON_SOCK_H

#include "python/network.h"

struct asyncio__py_sock;

typedef struct asyncio__py_direction {
    asyncio__operation_t poll;     /* pending while is_polling */
    asyncio__ready_t turn;         /* scheduled by its completion */
    asyncio__list_t waiting;       /* calls */
    struct asyncio__py_sock *sock; /* that it is in */
    bool is_polling;               /* or turn is scheduled: a reference to the record */
} asyncio__py_direction_t;

typedef struct asyncio__py_sock {
    asyncio__py_loop_t *loop; /* borrowed: the loop ends its records */
    asyncio__file_t *file;    /* NULL once released */
    PyObject *weak_reference; /* to the socket object; NULL: it takes none */
    unsigned refs;            /* of the table, and of polls */
    int fd;                   /* of the socket */
    bool is_duplicate;        /* the file is a copy of the descriptor, which is closed */
    asyncio__py_direction_t directions[2]; /* for input and output */
} asyncio__py_sock_t;

typedef enum asyncio__py_sock_kind {
    ASYNCIO__PY_SOCK_RECV,
    ASYNCIO__PY_SOCK_RECV_INTO,
    ASYNCIO__PY_SOCK_RECVFROM,
    ASYNCIO__PY_SOCK_RECVFROM_INTO,
    ASYNCIO__PY_SOCK_SENDALL,
    ASYNCIO__PY_SOCK_SENDTO,
    ASYNCIO__PY_SOCK_CONNECT,
    ASYNCIO__PY_SOCK_ACCEPT,
    ASYNCIO__PY_SOCK_WRITABLE,
} asyncio__py_sock_kind_t;

typedef struct asyncio__py_sock_call {
    PyObject_HEAD
    asyncio__py_loop_t *loop;        /* a reference */
    PyObject *object;                /* the socket */
    PyObject *first, *second;        /* arguments, or NULL */
    PyObject *future;                /* while it waits */
    asyncio__list_t link;            /* among those that wait: a reference */
    Py_ssize_t done_bytes;           /* of sendall() */
    int fd;                          /* of the socket; -1: not known yet */
    uint8_t kind;                    /* asyncio__py_sock_kind_t */
    bool has_begun;
    bool has_ended;
    bool has_tried;                  /* connect() was called, or it has waited once */
    bool holds_socket;               /* _io_refs counts it */
} asyncio__py_sock_call_t;

/* --- sock.c -------------------------------------------------------------------------------- */

/* The record of a socket if it has one already. */
asyncio__py_sock_t *asyncio__py_sock_find(asyncio__py_loop_t *loop, PyObject *object, int fd);

/* Has the call wait for input or output. 0, or -1 with an exception. */
int asyncio__py_sock_wait(asyncio__py_sock_call_t *call, bool is_output);

/* The call has left the list before the socket was ready. */
void asyncio__py_sock_stop_wait(asyncio__py_sock_call_t *call, bool is_output);

/* Makes room for another user of the descriptor in the engine (add_reader()): a record without
 * waiting calls goes, another one continues on a copy of the descriptor. 0, or -1. */
int asyncio__py_sock_yield(asyncio__py_loop_t *loop, int fd);

/* The loop is being closed: lets go of all descriptors. */
void asyncio__py_sock_close_all(asyncio__py_net_t *net);

/* --- sock_call.c --------------------------------------------------------------------------- */

/* The call no longer waits: drops its hold of the socket. */
void asyncio__py_sock_call_release(asyncio__py_sock_call_t *call);

/* --- sock_try.c ---------------------------------------------------------------------------- */

/* One try: 1 and a value, 0: it would block, -1 with an exception. */
int asyncio__py_sock_try(asyncio__py_sock_call_t *call, PyObject **ret_value);

/* Whether it waits for output. */
bool asyncio__py_sock_is_output(const asyncio__py_sock_call_t *call);

#endif
