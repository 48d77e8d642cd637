/* SPDX-License-Identifier: MIT */
/*
 * The record of a child process with a protocol.
 *
 *     program --users--> subprocess transport --owns--> protocol
 *                          |   ^     '--ref--> reaper          tells when the child has exited
 *                          |   |
 *                          |   '--ref-- the protocols of its pipes, which are in the record
 *                          |                ^
 *                          '--user--> pipe transports
 *
 * The pipes are transports of <asyncio/transport.h>, whose protocols call that of the child. They
 * start after connection_made, so that it is called first. The ready item calls process_exited,
 * which must not run inside the engine's wait(), and connection_lost.
 *
 *     NEW --connection_made--> OPEN --the child has exited, and all pipes are over-->
 *         connection_lost --> OVER
 *
 * The protocol is destroyed, and the references to the pipes are dropped, with the last user:
 * users are the references of the program, and one of the transport to itself until it is OVER.
 * The record stays until its pipes' protocols are destroyed as well.
 */
#ifndef ASYNCIO__PROCESS_SUBPROCESS_H
#define ASYNCIO__PROCESS_SUBPROCESS_H

#include <asyncio/subprocess.h>

#include "process/process_start.h"

/* One pipe of a child. */
typedef struct asyncio__subprocess_pipe {
    asyncio_protocol_t protocol;           /* of the pipe's transport; a reference to the record */
    asyncio_subprocess_transport_t *owner; /* the record */
    asyncio_transport_t *transport;        /* a reference; NULL: the stream is no pipe */
    int fd;                                /* 0, 1 or 2 */
    bool is_over;                          /* it is closed, and the protocol was told */
} asyncio__subprocess_pipe_t;

struct asyncio_subprocess_transport {
    asyncio__ready_t ready;                  /* calls the protocol; its slot is reserved */
    unsigned refs;                           /* references to the record */
    unsigned users;                          /* those of the program, and one until OVER */
    asyncio_loop_t *loop;                    /* held */
    asyncio_subprocess_protocol_t *protocol; /* owned */
    void *context;                           /* the word of the context of all callbacks */
    asyncio__reaper_t *reaper;               /* a reference */
    asyncio__subprocess_pipe_t pipes[3];     /* standard input, output and error */
    asyncio__list_t waiters;                 /* the task that waits for connection_made */
    pid_t pid;                               /* of the child */
    bool is_scheduled;                       /* ready is in the queue: a reference */
    bool is_made;                            /* connection_made was called */
    bool is_exit_told;                       /* process_exited was called */
    bool is_closing;                         /* close() was called */
    bool is_over;                            /* connection_lost was called, or never will be */
};

/* A transport without a child, with a reference for the caller. protocol is taken, but not on
 * failure; NULL: out of memory. */
asyncio_subprocess_transport_t *
asyncio__subprocess_new(asyncio_loop_t *loop, asyncio_subprocess_protocol_t *protocol);

/* Makes transports of the pipes, which are taken: 0 or -ENOMEM. */
int asyncio__subprocess_open_pipes(asyncio_subprocess_transport_t *transport,
                                   asyncio__stdio_t *stdio);

/* The child has been started: schedules connection_made. */
void asyncio__subprocess_begin(asyncio_subprocess_transport_t *transport);

/* Ends a transport whose child was not started, without calling anything but destroy. */
void asyncio__subprocess_give_up(asyncio_subprocess_transport_t *transport);

#endif
