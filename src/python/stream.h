/* SPDX-License-Identifier: MIT */
/*
 * Transports of byte streams: sockets, the reading and the writing end of a pipe. All three are one
 * record; the kind says what differs.
 *
 *     made --start--> open --close()--> closing --all is sent--> lost --turn--> closed
 *                       '------- abort(), an error, the end of the stream -----^
 *
 * stream.c has the life of a transport and its protocol's calls, stream_read.c reading,
 * stream_write.c sending, stream_methods.c and stream_type.c what Python sees.
 *
 * READING. One POLL_IN is pending while the protocol wants data. Once it has completed, the ready
 * item read_turn receives straight into the object that the protocol gets.
 *
 * WRITING. What is written is queued by reference and sent once before the next poll, or at once if
 * it is more than the high-water mark.
 *
 * LIFE. A pending operation, and each scheduled ready item, holds a reference to the transport.
 * Completions come without the GIL: they only schedule.
 */
#ifndef ASYNCIO__PYTHON_STREAM_H
#define ASYNCIO__PYTHON_STREAM_H

#include "python/address.h"
#include "python/network.h"

typedef enum asyncio__py_stream_kind {
    ASYNCIO__PY_SOCKET,
    ASYNCIO__PY_READ_PIPE,
    ASYNCIO__PY_WRITE_PIPE,
} asyncio__py_stream_kind_t;

/* A piece of what is to be sent. */
typedef struct asyncio__py_piece {
    PyObject *owner;  /* a bytes object: a reference */
    const char *data; /* in it */
    size_t size;      /* in bytes, above 0 */
} asyncio__py_piece_t;

typedef struct asyncio__py_stream {
    PyObject_HEAD
    PyObject *extra;           /* asyncio.BaseTransport's slot _extra: a dict; or NULL */
    asyncio__py_mixed_in_t mixed_in;
    PyObject *weak_references; /* or NULL */
    PyObject *attributes;      /* that programs have set: a dict; or NULL */
    asyncio__py_loop_t *loop;  /* a reference */
    asyncio__py_network_t *network;
    PyObject *protocol;        /* NULL once lost */
    PyObject *context;         /* in which the protocol is called */
    PyObject *waiter;          /* finished when connection_made() has returned; or NULL */
    PyObject *server;          /* that has accepted it; or NULL */
    PyObject *pipe;            /* the socket or pipe of the program; or NULL: made when asked for */
    PyObject *error;           /* for connection_lost(); or NULL */
    PyObject *empty_waiter;    /* of sendfile(): finished when all is sent; or NULL */
    asyncio__file_t *file;     /* NULL once closed */
    asyncio__py_member_t member; /* in the loop's list while open */
    asyncio__operation_t read;   /* pending while is_reading */
    asyncio__operation_t send;   /* pending while is_sending */
    asyncio__ready_t read_turn;  /* scheduled by read's completion */
    asyncio__ready_t send_turn;  /* scheduled by send's */
    asyncio__ready_t turn;       /* scheduled while is_scheduled: start and end */
    asyncio__flush_t flush;      /* listed while something waits to be sent before the poll */
    asyncio__py_piece_t *queue;  /* what is not sent yet, from first on */
    size_t first, count, room;   /* of queue */
    size_t queued_bytes;         /* in queue */
    struct iovec *pieces;        /* of a send of several pieces; or NULL */
    struct msghdr message;       /* likewise */
    size_t high_bytes, low_bytes; /* water marks */
    size_t hint_bytes;           /* how much the next read asks for */
    Py_ssize_t lost_count;       /* writes after the end, and 1 for that */
    asyncio__py_name_t peer;     /* of a socket: as accept() or connect() had it */
    asyncio__py_name_t own;      /* as it was at the end */
    int fd;                      /* as programs know it */
    uint8_t kind;                /* asyncio__py_stream_kind_t */
    bool is_buffered;            /* the protocol is a BufferedProtocol */
    bool is_connected;           /* connection_lost() is to be called */
    bool is_started;             /* connection_made() was called */
    bool is_scheduled;           /* turn */
    bool is_reading;             /* read is pending, or read_turn scheduled: a reference */
    bool is_sending;             /* send is pending, or send_turn scheduled: a reference */
    bool is_paused;              /* pause_reading() */
    bool is_protocol_paused;     /* pause_writing() was called */
    bool is_closing;             /* close(), or lost */
    bool is_eof;                 /* write_eof() was called */
    bool is_at_end;              /* the peer has sent all */
    bool is_watching_peer;       /* a write pipe: input means that its reader has closed */
    bool is_entered;             /* its context is the current one: the protocol is being called */
    bool is_let_go;              /* the loop was closed first: fd is to be closed at the end */
    bool has_slots;              /* of the ready queue: 3 */
} asyncio__py_stream_t;

/* All objects are borrowed; NULL: none. */
typedef struct asyncio__py_stream_options {
    asyncio__file_kind_t file_kind; /* for the engine */
    asyncio__file_t *file;          /* that is open already, and is taken; or NULL */
    PyObject *protocol;             /* not NULL */
    PyObject *context;              /* NULL: a copy of the current one */
    PyObject *waiter;
    PyObject *server;
    PyObject *pipe;              /* whose descriptor it is; NULL: fd is taken */
    PyObject *extra;             /* a dict */
    const struct sockaddr *peer; /* if it is known */
    socklen_t peer_size;         /* of peer */
    bool is_prepared;            /* TCP_NODELAY is set */
    bool is_watching_peer;       /* of a write pipe */
} asyncio__py_stream_options_t;

/* Makes a transport and schedules its start. NULL with an exception set; then a descriptor that was
 * to be taken is closed. */
PyObject *asyncio__py_stream_new(asyncio__py_loop_t *loop, asyncio__py_stream_kind_t kind, int fd,
                                 const asyncio__py_stream_options_t *options);

/* --- stream.c ------------------------------------------------------------------------------ */

/* Ends it with an error (taken) or NULL: connection_lost() is called in the next turn. */
void asyncio__py_stream_lose(asyncio__py_stream_t *self, PyObject *error);

/* Calls connection_lost() and closes the descriptor. Called from a ready item. */
void asyncio__py_stream_end(asyncio__py_stream_t *self);

/* Reports an error (taken), unless it is an OSError, and loses the connection. */
void asyncio__py_stream_fatal(asyncio__py_stream_t *self, PyObject *error, const char *message);

/* The same with the exception that is set; KeyboardInterrupt and SystemExit end the run instead. */
void asyncio__py_stream_failed(asyncio__py_stream_t *self, const char *message);

void asyncio__py_stream_close(asyncio__py_stream_t *self);
int asyncio__py_stream_set_protocol(asyncio__py_stream_t *self, PyObject *protocol);

/* Calls protocol.name(arg) in the transport's context; arg may be NULL. */
PyObject *asyncio__py_stream_call(asyncio__py_stream_t *self, PyObject *name, PyObject *arg);

int asyncio__py_stream_traverse(PyObject *object, visitproc visit, void *arg);
int asyncio__py_stream_clear(PyObject *object);
void asyncio__py_stream_finalize(PyObject *object);
void asyncio__py_stream_dealloc(PyObject *object);

/* --- stream_read.c ------------------------------------------------------------------------- */

/* Waits for input, if the protocol wants any and nothing does so already. */
void asyncio__py_stream_read(asyncio__py_stream_t *self);
void asyncio__py_stream_read_turn(asyncio__ready_t *ready);

/* --- stream_write.c ------------------------------------------------------------------------ */

/* Appends a piece and has it sent. Takes the reference to its owner. 0, or -1 with MemoryError. */
int asyncio__py_stream_append(asyncio__py_stream_t *self, asyncio__py_piece_t piece);

/* Takes back what was appended last, until count pieces are left. */
void asyncio__py_stream_take_back(asyncio__py_stream_t *self, size_t count);

/* Something was appended: sends it before the next poll, or now if it is much. */
void asyncio__py_stream_note_queued(asyncio__py_stream_t *self);

/* Sends what there is, as far as that goes without waiting. */
void asyncio__py_stream_send(asyncio__py_stream_t *self);
void asyncio__py_stream_send_turn(asyncio__ready_t *ready);
void asyncio__py_stream_flush(asyncio__flush_t *flush);
void asyncio__py_stream_drop_queue(asyncio__py_stream_t *self);

/* Tells the protocol if more is queued than the high-water mark. */
void asyncio__py_stream_pause_if_full(asyncio__py_stream_t *self);

/* --- stream_methods.c ---------------------------------------------------------------------- */

extern PyMethodDef asyncio__py_stream_write_methods[]; /* all that writers have */

#endif
