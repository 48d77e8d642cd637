/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the end of a child process by its pidfd.
 *
 * A record belongs to the pending poll of the pidfd, and then to the ready item that reaps the
 * child and tells its transport. If somebody else has reaped it, _process_ended() of the loop finds
 * out what is known of it.
 */
#include "python/network.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

typedef struct child {
    asyncio__py_loop_t *loop;    /* a reference */
    PyObject *transport;         /* likewise */
    PyObject *context;           /* in which it is told: likewise */
    asyncio__py_member_t member; /* in the loop's list while file is open */
    asyncio__operation_t poll;   /* pending until the child ends */
    asyncio__ready_t turn;       /* scheduled by its completion; its slot is reserved */
    asyncio__file_t *file;       /* owns the pidfd; NULL once closed */
} child_t;

/* Called without the GIL. */
static void on_poll(asyncio__operation_t *operation)
{
    child_t *child = ASYNCIO__CONTAINER(operation, child_t, poll);
    asyncio__loop_schedule(child->loop->loop, &child->turn);
}

static void close_file(child_t *child)
{
    asyncio__engine_t *engine = child->loop->loop->engine;
    if (!child->file)
        return;
    asyncio__list_remove(&child->member.link);
    engine->class->close_file(engine, child->file);
    child->file = NULL;
}

/* The poll completes when the engine is closed. */
static void close_with_loop(asyncio__py_member_t *member)
{
    child_t *child = ASYNCIO__CONTAINER(member, child_t, member);
    asyncio__list_init(&child->member.link);
    close_file(child);
}

/* 0 or -errno; 1: the child has ended already, and the turn is scheduled. */
static int begin_poll(child_t *child)
{
    asyncio__engine_t *engine = child->loop->loop->engine;
    child->poll = (asyncio__operation_t){
        .kind = ASYNCIO__POLL_IN, .file = child->file, .complete = on_poll};
    int rc = engine->class->submit(engine, &child->poll);
    if (rc > 0)
        asyncio__loop_schedule(child->loop->loop, &child->turn);
    return rc;
}

static void free_child(child_t *child)
{
    if (!child->loop->loop->closed)
        asyncio__loop_release(child->loop->loop, 1);
    child->loop->loop->jobs--;
    Py_XDECREF(child->context);
    Py_DECREF(child->transport);
    Py_DECREF(child->loop);
    PyMem_Free(child);
}

/* Reaps the child: 1 and its return code, 0: it runs, or -errno. */
static int reap(const child_t *child, int *ret_code)
{
    siginfo_t info = {0};
    int rc;
    do
        rc = waitid((idtype_t)P_PIDFD, (id_t)child->file->fd, &info, WEXITED | WNOHANG);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -errno;
    *ret_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return info.si_pid != 0;
}

/* Tells the transport; an exception is reported as that of a callback. */
static void tell_end(child_t *child, int rc, int code)
{
    asyncio__py_network_t *network = child->loop->state->network;
    PyObject *subject = rc > 0 ? child->transport : (PyObject *)child->loop;
    PyObject *name = rc > 0 ? network->names._process_exited : network->names._process_ended;
    PyObject *argument = rc > 0 ? PyLong_FromLong(code) : Py_NewRef(child->transport);
    PyObject *result =
        argument ? asyncio__py_call_in(child->context, subject, name, argument) : NULL;
    if (!result)
        asyncio__py_report_call(child->loop, child->context, subject, name, argument);
    Py_XDECREF(argument);
    Py_XDECREF(result);
}

static void run_turn(asyncio__ready_t *ready)
{
    child_t *child = ASYNCIO__CONTAINER(ready, child_t, turn);
    int code = 0, rc = child->file && !child->loop->loop->closed ? reap(child, &code) : -ECANCELED;
    if (rc == 0 && (rc = begin_poll(child)) >= 0) /* a wake-up without an end */
        return;
    if (child->file && !child->loop->loop->closed) {
        close_file(child);
        tell_end(child, rc, code);
    }
    free_child(child);
}

/* loop._watch_child(pidfd, transport): takes the pidfd, unless it fails. */
PyObject *asyncio__py_watch_child(PyObject *object, PyObject *args)
{
    asyncio__py_loop_t *loop = (asyncio__py_loop_t *)object;
    int pidfd;
    PyObject *transport;
    if (!PyArg_ParseTuple(args, "iO", &pidfd, &transport) ||
        asyncio__py_check_closed(loop) < 0)
        return NULL;
    asyncio__py_net_t *net = asyncio__py_net_of(loop);
    child_t *child = net ? PyMem_Calloc(1, sizeof(*child)) : NULL;
    if (!child || asyncio__loop_reserve(loop->loop, 1) < 0) {
        PyMem_Free(child);
        return PyErr_NoMemory();
    }
    asyncio__engine_t *engine = loop->loop->engine;
    child->loop = (asyncio__py_loop_t *)Py_NewRef(object);
    child->transport = Py_NewRef(transport);
    child->turn.run = run_turn;
    child->member.close = close_with_loop;
    loop->loop->jobs++; /* the virtual clock waits for children */
    child->context = PyContext_CopyCurrent();
    if (!child->context) {
        free_child(child);
        return NULL;
    }
    int rc = engine->class->open_file(engine, pidfd, ASYNCIO__FILE_STREAM, &child->file);
    if (rc >= 0)
        rc = begin_poll(child);
    if (rc < 0) {
        if (child->file)
            asyncio__py_release_file(engine, child->file);
        free_child(child);
        asyncio__py_raise_os_error(rc);
        return NULL;
    }
    asyncio__list_append(&net->members, &child->member.link);
    Py_RETURN_NONE;
}
