/* SPDX-License-Identifier: MIT */
/*
 * Listeners: a listening socket that hands each connection to its owner, by callbacks.
 *
 *     rc = asyncio__listener_init(&listener, loop, file, &my_class);
 *     rc = asyncio__listener_start(&listener);         accepted() is called from now on
 *     asyncio__listener_stop(&listener);               enough for now
 *     asyncio__listener_resume(&listener);             there is room again
 *     asyncio__listener_close(&listener);              then the owner closes the socket
 *
 * One accept is pending while the listener is started, and none otherwise. A connection that wins
 * the race against stop() is held, and handed over by resume(): nothing that was accepted is lost,
 * and the owner never gets more than it asks for. One that wins the race against close() is handed
 * over late.
 *
 *     stopped --start--> accepting --out of descriptors or memory--> pausing --1 s--> accepting
 *        ^----- stop -------'  '--- an error that stays: after 64 in a row ---^
 *
 * It knows nothing of tasks, servers or streams.
 */
#ifndef ASYNCIO__TRANSPORT_LISTENER_H
#define ASYNCIO__TRANSPORT_LISTENER_H

#include "loop/timer.h"

typedef struct asyncio__listener asyncio__listener_t;

/* What the owner of a listener is told. */
typedef struct asyncio__listener_class {
    /*
     * A connection: fd is taken, also on failure; it is non-blocking and close-on-exec. peer is the
     * peer's address as accept4() returned it. Called from start() and resume(), or from the
     * engine's wait(), so it must not run user code; it may stop or close the listener. A negative
     * code (no memory) makes the listener pause as if accept had failed with it.
     */
    int (*accepted)(asyncio__listener_t *listener, int fd, const struct sockaddr *peer,
                    socklen_t peer_size);

    /* Accepting failed, and is tried again in a second. Called from the ready queue, so it may run
     * user code; it may close the listener. */
    void (*failed)(asyncio__listener_t *listener, int code);

    /* Something of the listener is pending in the loop or the engine: its record must stay until
     * drop() has been called as often as hold(). */
    void (*hold)(asyncio__listener_t *listener);
    void (*drop)(asyncio__listener_t *listener); /* may free the listener */
} asyncio__listener_class_t;

struct asyncio__listener {
    const asyncio__listener_class_t *class; /* of the owner */
    asyncio_loop_t *loop;         /* borrowed from the owner */
    asyncio__file_t *file;        /* of the listening socket; NULL once that is closed */
    asyncio__operation_t accept;  /* in flight while is_accepting */
    asyncio__timer_t timer;       /* set while is_timing */
    asyncio__ready_t report;      /* in the ready queue while is_reporting; its slot is reserved */
    struct sockaddr_storage peer; /* of the latest connection */
    socklen_t peer_size;          /* of peer */
    int held_fd;                  /* accepted while stopped; -1: none */
    int failure;                  /* to be reported; 0: none */
    unsigned failures;            /* of accept in a row */
    bool is_started;              /* the owner wants connections */
    bool is_closed;               /* close() was called */
    bool is_accepting;            /* the operation is in flight */
    bool is_pausing;              /* until the timer has run */
    bool is_reporting;            /* report is scheduled */
    bool is_timing;               /* the timer is set */
    bool has_slot;                /* a slot of the ready queue is reserved for report */
};

/* Fills a record; the owner keeps file open until close(). 0 or -ENOMEM. */
int asyncio__listener_init(asyncio__listener_t *listener, asyncio_loop_t *loop,
                           asyncio__file_t *file, const asyncio__listener_class_t *class);

/* Begins to accept. 0, or the code with which the engine refuses; then the listener is stopped. */
int asyncio__listener_start(asyncio__listener_t *listener);

/* The same after a stop(): what the engine refuses is reported and tried again in a second. */
void asyncio__listener_resume(asyncio__listener_t *listener);

/* Accepts no more; a no-op when stopped or closed. */
void asyncio__listener_stop(asyncio__listener_t *listener);

/* Hands over, without waiting, the connections that the kernel has established already, as far as
 * the owner wants them: before a close, which would reset them. */
void asyncio__listener_drain(asyncio__listener_t *listener);

/* Ends the listener permanently; call it before the socket is closed. A no-op when closed. */
void asyncio__listener_close(asyncio__listener_t *listener);

#endif
