/* SPDX-License-Identifier: MIT */
/*
 * Watches: the file descriptors that a program has the loop report, by add_reader(), add_writer()
 * or watch_fd(). They are found by their number in a table, so that each call takes constant time.
 *
 * The table also remembers which descriptors belong to sockets of the library: those cannot be
 * watched.
 */
#ifndef ASYNCIO__LOOP_WATCHES_H
#define ASYNCIO__LOOP_WATCHES_H

#include <asyncio/embed.h>

#include "loop/core.h"

/* What of a descriptor is watched. */
typedef enum asyncio__watch_kind {
    ASYNCIO__WATCH_INPUT,  /* add_reader() */
    ASYNCIO__WATCH_OUTPUT, /* add_writer() */
    ASYNCIO__WATCH_EVENTS, /* watch_fd(): one callback, which is told what is ready */
} asyncio__watch_kind_t;
#define ASYNCIO__WATCH_KINDS 3

/* What is called for a watch: fn, or for WATCH_EVENTS fd_fn. */
typedef struct asyncio__watch_call {
    asyncio_callback_t *fn;
    asyncio_fd_callback_t *fd_fn;
    void *arg;         /* passed to it */
    const char *place; /* where the watch was made */
    unsigned events;   /* ASYNCIO__WATCH_READ | ASYNCIO__WATCH_WRITE */
} asyncio__watch_call_t;

/* Begins a watch or replaces its callback: 0, or a code with a message. */
int asyncio__watch_add(asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind,
                       const asyncio__watch_call_t *call);

/* Ends a watch: 1, 0 if there was none, or a code with a message. */
int asyncio__watch_remove(asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind);

bool asyncio__watch_exists(const asyncio_loop_t *loop, int fd, asyncio__watch_kind_t kind);

/* A socket begins (0 or -ENOMEM) or ends to use a descriptor, which cannot be watched meanwhile. */
int asyncio__loop_claim(asyncio_loop_t *loop, int fd);
void asyncio__loop_unclaim(asyncio_loop_t *loop, int fd);

#endif
