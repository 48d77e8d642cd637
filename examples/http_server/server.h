/* SPDX-License-Identifier: MIT */
/*
 * What all connections share: the settings, and what each worker has of its own. A worker is a
 * thread with an event loop; nothing here is used by two of them at once.
 */
#ifndef HTTP_SERVER_SERVER_H
#define HTTP_SERVER_SERVER_H

#include "log.h"

#include <asyncio.h>
#include <sys/queue.h>
#include <time.h>

/* The settings, from the command line; constant while the server runs. */
typedef struct settings {
    const char *host;       /* the address to listen on */
    uint16_t port;          /* 0: any free one */
    int workers;            /* the number of loops */
    size_t connections_max; /* of all workers together; more wait in the kernel */
    int root;               /* descriptor of the folder to serve; -1: generated pages */
    double delay;           /* seconds before each response, for tests of clients */
    double grace;           /* seconds that connections have to end after a signal to stop */
    int access_log;         /* descriptor; -1: none */
    const char *cert, *key; /* files, for https; NULL: http, and a key in the file of cert */
    /* How long a client may take, in seconds. Without these limits, clients that send or read
     * nothing would hold their connections, and so the server's file descriptors, for ever. */
    double idle_timeout;    /* until the first byte of the next request */
    double head_timeout;    /* from the first to the last byte of a request's head */
    double body_timeout;    /* from there to the last byte of its body */
    double send_timeout;    /* to take 256 KiB of a response */
    size_t body_max;        /* the largest body of a request, in bytes */
} settings_t;

/* The state of one loop. */
typedef struct worker {
    const settings_t *settings;          /* the same for all */
    LIST_HEAD(, connection) connections; /* the open ones */
    bool is_stopping;                    /* close each connection after its next response */
    time_t date_time;                    /* what `date` says */
    char date[30];                       /* of responses: "Sun, 06 Nov 1994 08:49:37 GMT" */
    access_log_t log;                    /* lines that are not written yet */
} worker_t;

#endif
