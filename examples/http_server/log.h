/* SPDX-License-Identifier: MIT */
/*
 * The access log: a line for each request, in the Common Log Format, with the seconds that it took
 * behind. Lines are collected in memory and written by a thread, so that no request waits for a
 * disk. Where the disk cannot keep up, lines are dropped, and the log says how many.
 */
#ifndef HTTP_SERVER_LOG_H
#define HTTP_SERVER_LOG_H

#include <asyncio.h>

struct connection;

/* The log of one loop. */
typedef struct access_log {
    int fd;                        /* borrowed; -1: there is no log */
    size_t dropped;                /* lines for which there was no room */
    size_t size;                   /* of lines */
    size_t writing_size;           /* of writing */
    char *lines;                   /* lines that are not written yet */
    char *writing;                 /* lines that a thread writes */
    asyncio_future_t *written;     /* of that thread's job; NULL: there is none */
    asyncio_timer_handle_t *timer; /* begins the next write */
} access_log_t;

/* Opens the file of a log, "-" for standard output. Returns its descriptor, or -errno. */
int log_open(const char *path);

/* Begins a log, in the loop's thread; fd < 0: of no requests. Returns 0 or a negative code. */
int log_init(access_log_t *log, int fd);

/* Adds the request of a connection, which took that many seconds. */
void log_request(access_log_t *log, const struct connection *connection, double seconds);

/* Writes what is left, and frees what the log owns; inside a task. */
void log_fini(access_log_t *log);

#endif
