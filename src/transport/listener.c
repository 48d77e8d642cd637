/* SPDX-License-Identifier: MIT */
/* Listeners: accepting, pausing and stopping; see listener.h. */
#include "transport/listener.h"

#include <assert.h>

#include "base/syscalls.h"

#define PAUSE_NS          1000000000
#define FAILURES_IN_A_ROW 64 /* of connections that ended before they were accepted */

static void report_and_pause(asyncio__ready_t *self);
static void end_pause(asyncio__ready_t *self);
static void on_complete(asyncio__operation_t *operation);

int asyncio__listener_init(asyncio__listener_t *listener, asyncio_loop_t *loop,
                           asyncio__file_t *file, const asyncio__listener_class_t *class)
{
    int rc = asyncio__loop_reserve(loop, 1);
    if (rc < 0)
        return rc;
    *listener = (asyncio__listener_t){.class = class,
                                      .loop = loop,
                                      .file = file,
                                      .report.run = report_and_pause,
                                      .held_fd = -1,
                                      .has_slot = true};
    return 0;
}

/* The slot is needed until the listener is closed and the report that may be scheduled has run. */
static void release_slot(asyncio__listener_t *listener)
{
    if (listener->has_slot && !listener->loop->closed)
        asyncio__loop_release(listener->loop, 1);
    listener->has_slot = false;
}

static bool may_accept(const asyncio__listener_t *listener)
{
    return listener->is_started && !listener->is_closed && !listener->loop->closed;
}

/* --- pausing ------------------------------------------------------------------------------- */

/* The report is an item of its own: the handler is user code, and we may be inside wait(). */
static void schedule_report(asyncio__listener_t *listener)
{
    assert(listener->has_slot);
    listener->is_reporting = true;
    asyncio__loop_schedule(listener->loop, &listener->report);
}

static void pause_for(asyncio__listener_t *listener, int code)
{
    if (listener->is_pausing || listener->is_closed || listener->loop->closed)
        return;
    listener->is_pausing = true;
    listener->failure = code;
    listener->failures = 0;
    listener->class->hold(listener);
    schedule_report(listener);
}

static void report_and_pause(asyncio__ready_t *self)
{
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(self, asyncio__listener_t, report);
    asyncio_loop_t *loop = listener->loop;
    int code = listener->failure;
    listener->is_reporting = false;
    listener->failure = 0;
    if (code < 0 && !listener->is_closed && !loop->closed)
        listener->class->failed(listener, code);
    if (!listener->is_closed && !loop->closed) {
        int64_t when_ns = asyncio__moment_after(asyncio__loop_now(loop), PAUSE_NS);
        asyncio__timer_init(&listener->timer, end_pause);
        listener->is_timing = asyncio__timer_start(loop, &listener->timer, when_ns) == 0;
        /* Without memory for a timer the next turn tries again: otherwise the listener would stay
         * silent permanently. */
        if (!listener->is_timing)
            schedule_report(listener);
        return;
    }
    listener->is_pausing = false;
    release_slot(listener);
    listener->class->drop(listener);
}

static void end_pause(asyncio__ready_t *self)
{
    asyncio__timer_t *timer = ASYNCIO__CONTAINER(self, asyncio__timer_t, ready);
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(timer, asyncio__listener_t, timer);
    asyncio__timer_begin(listener->loop, timer);
    listener->is_timing = listener->is_pausing = false;
    if (may_accept(listener))
        asyncio__listener_resume(listener);
    listener->class->drop(listener);
}

/* --- accepting ----------------------------------------------------------------------------- */

static void hand_over(asyncio__listener_t *listener, int fd)
{
    if (listener->loop->closed) {
        asyncio__sys.close(fd);
    } else if (!listener->is_started && !listener->is_closed) {
        listener->held_fd = fd;
    } else {
        int rc = listener->class->accepted(
            listener, fd, (const struct sockaddr *)&listener->peer, listener->peer_size);
        if (rc < 0)
            pause_for(listener, rc);
    }
}

/* Handles the result of an accept: a descriptor or a code. */
static void on_result(asyncio__listener_t *listener, int result)
{
    if (result >= 0) {
        listener->failures = 0;
        listener->peer_size = listener->accept.address_size;
        hand_over(listener, result);
        return;
    }
    switch (result) {
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
    case -ENOSPC:
    case -EINVAL: /* the socket does not listen (any more) */
        pause_for(listener, result);
        break;
    case -ECANCELED:
        break; /* by stop() */
    case -EBADF: /* the owner has closed the socket, or somebody else its descriptor */
        listener->is_started = false;
        break;
    default: /* the connection was ended before it was accepted */
        if (++listener->failures >= FAILURES_IN_A_ROW)
            pause_for(listener, result);
    }
}

/* Submits accepts until one is pending: 0, or the code with which the engine refuses. */
static int begin_accept(asyncio__listener_t *listener)
{
    asyncio__engine_t *engine = listener->loop->engine;
    while (may_accept(listener) && !listener->is_accepting && !listener->is_pausing) {
        if (!listener->file)
            return -EBADF; /* somebody else has closed the socket */
        listener->accept = (asyncio__operation_t){
            .complete = on_complete,
            .file = listener->file,
            .kind = ASYNCIO__ACCEPT,
            .address = (struct sockaddr *)&listener->peer,
            .address_size = sizeof(listener->peer)};
        int rc = engine->class->submit(engine, &listener->accept);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            listener->is_accepting = true;
            listener->class->hold(listener);
        } else {
            on_result(listener, listener->accept.result);
        }
    }
    return 0;
}

static void on_complete(asyncio__operation_t *operation)
{
    asyncio__listener_t *listener = ASYNCIO__CONTAINER(operation, asyncio__listener_t, accept);
    listener->is_accepting = false;
    on_result(listener, operation->result);
    if (may_accept(listener))
        asyncio__listener_resume(listener);
    listener->class->drop(listener);
}

/* --- what the owner calls ------------------------------------------------------------------ */

int asyncio__listener_start(asyncio__listener_t *listener)
{
    listener->is_started = true;
    int fd = listener->held_fd;
    listener->held_fd = -1;
    if (fd >= 0)
        hand_over(listener, fd);
    int rc = begin_accept(listener);
    if (rc < 0)
        listener->is_started = false;
    return rc;
}

void asyncio__listener_resume(asyncio__listener_t *listener)
{
    int rc = asyncio__listener_start(listener);
    if (rc < 0) {
        listener->is_started = true;
        pause_for(listener, rc);
    }
}

void asyncio__listener_stop(asyncio__listener_t *listener)
{
    asyncio__engine_t *engine = listener->loop->engine;
    if (!may_accept(listener))
        return;
    listener->is_started = false;
    if (listener->is_accepting)
        engine->class->cancel(engine, &listener->accept);
}

void asyncio__listener_drain(asyncio__listener_t *listener)
{
    while (may_accept(listener) && !listener->is_pausing && listener->file) {
        listener->peer_size = sizeof(listener->peer);
        int fd = asyncio__sys.accept4(listener->file->fd, (struct sockaddr *)&listener->peer,
                                      &listener->peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            return;
        if (fd >= 0)
            hand_over(listener, fd);
    }
}

void asyncio__listener_close(asyncio__listener_t *listener)
{
    if (listener->is_closed)
        return;
    listener->is_closed = true;
    int fd = listener->held_fd;
    listener->held_fd = -1;
    if (fd >= 0)
        hand_over(listener, fd);
    if (!listener->is_reporting)
        release_slot(listener);
    if (listener->is_timing && !listener->loop->closed) {
        asyncio__timer_cancel(listener->loop, &listener->timer);
        listener->is_timing = listener->is_pausing = false;
        listener->class->drop(listener);
    }
}
