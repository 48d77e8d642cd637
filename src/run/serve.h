/* SPDX-License-Identifier: MIT */
/*
 * asyncio_serve(): the records that its loops share.
 *
 *     serve --contains--> loops[0], in the calling thread
 *                         loops[1], in a thread of its own
 *                         ...
 *
 * The phase moves forward only. Who moves it posts the remote of every loop, which then looks at
 * the phase; so a signal handler can do that.
 *
 *     SETTING_UP --the last setup has returned--> SERVING --a signal, a failure--> STOPPING
 *                                                          --another signal--> HURRYING
 */
#ifndef ASYNCIO__RUN_SERVE_H
#define ASYNCIO__RUN_SERVE_H

#include <asyncio/event.h>
#include <asyncio/remote.h>
#include <asyncio/serve.h>
#include <asyncio/timeout.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/serving.h"

typedef struct asyncio__serve asyncio__serve_t;

typedef enum asyncio__serve_phase {
    ASYNCIO__SERVE_SETTING_UP,
    ASYNCIO__SERVE_SERVING,
    ASYNCIO__SERVE_STOPPING,
    ASYNCIO__SERVE_HURRYING, /* no longer waits for connections */
} asyncio__serve_phase_t;

/* One loop. Everything but the first four fields is used in its thread only. */
typedef struct asyncio__serve_loop {
    asyncio__serve_t *serve;  /* whose */
    size_t index;             /* in serve->loops */
    asyncio_remote_t remote;  /* posted when the phase has changed */
    atomic_bool can_post;     /* remote is valid */
    pthread_t thread;         /* valid for index > 0 when it was started */
    asyncio_loop_t *loop;     /* while it runs */
    asyncio_task_t *task;     /* its main task: borrowed */
    asyncio_event_t changed;  /* set when the phase has changed */
    asyncio_timeout_t drain;  /* around the wait for connections while is_draining */
    asyncio__serving_t serving; /* its servers */
    bool is_in_setup;         /* the main task is in setup */
    bool is_draining;         /* the main task waits for connections */
} asyncio__serve_loop_t;

struct asyncio__serve {
    asyncio_serve_setup_t *setup;        /* as the caller passed it */
    void *arg;                           /* passed to it */
    asyncio_serve_options_t options;     /* a copy; loop_options points below */
    asyncio_loop_options_t loop_options; /* a copy */
    double drain_timeout;                /* seconds */
    int *cpus;                           /* the CPUs that the caller may run on */
    size_t cpu_count;                    /* of cpus */
    atomic_int phase;                    /* asyncio__serve_phase_t */
    atomic_size_t setups_left;           /* loops whose setup has not returned */
    atomic_bool is_reloading;            /* asyncio_serve_reload() runs */
    pthread_mutex_t lock;                /* for code and error */
    int code;                            /* of the first failure; 0: none */
    asyncio_error_t *error;              /* its details, or NULL */
    pthread_mutex_t handler_lock;        /* held while the exception handler runs */
    size_t started;                      /* threads to join */
    size_t count;                        /* of loops */
    asyncio__serve_loop_t loops[];
};

/* The serve that a loop belongs to, or NULL. */
asyncio__serve_t *asyncio__serve_of(const asyncio_loop_t *loop);

#endif
