/* SPDX-License-Identifier: MIT */
/*
 * Signals: what wakes the loop when CPython's handler has taken one.
 *
 * CPython's handler of a signal notes its number and writes a byte to a descriptor; the function
 * that the program has set for the signal runs later, in the main thread, when the interpreter or
 * loop_run.c asks. The kernel may deliver the signal to any thread: so while a loop runs in the
 * main thread, that descriptor is the end of a pipe that the loop watches.
 */
#include "python/loop.h"

#include <fcntl.h>
#include <unistd.h>

static void drain(void *arg)
{
    asyncio__py_loop_t *self = arg;
    char bytes[64];
    while (read(self->wake_pipe[0], bytes, sizeof(bytes)) > 0)
        ;
}

/* Returns the descriptor that wakes the loop. The virtual clock would wait for a watch: there
 * signals are seen when they interrupt the main thread. */
static PyObject *begin_wakeups(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    if (self->loop->is_virtual)
        return PyLong_FromLong(-1);
    if (self->wake_pipe[0] < 0) {
        if (pipe2(self->wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        asyncio__watch_call_t call = {
            .fn = drain, .arg = self, .events = ASYNCIO__WATCH_READ};
        if (asyncio__watch_add(self->loop, self->wake_pipe[0], ASYNCIO__WATCH_INPUT, &call) < 0) {
            asyncio__py_end_wakeups(self); /* an engine without descriptors */
            return PyLong_FromLong(-1);
        }
    }
    return PyLong_FromLong(self->wake_pipe[1]);
}

void asyncio__py_end_wakeups(asyncio__py_loop_t *self)
{
    if (self->wake_pipe[0] < 0)
        return;
    asyncio__ignore(asyncio__watch_remove(self->loop, self->wake_pipe[0], ASYNCIO__WATCH_INPUT));
    asyncio__ignore(close(self->wake_pipe[0]));
    asyncio__ignore(close(self->wake_pipe[1]));
    self->wake_pipe[0] = self->wake_pipe[1] = -1;
}

PyMethodDef asyncio__py_signal_methods[] = {
    ASYNCIO__PY_METHOD("_begin_wakeups", begin_wakeups, METH_NOARGS, NULL),
    {0},
};
