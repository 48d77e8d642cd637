/* SPDX-License-Identifier: MIT */
/* Running the loop: the GIL round waits, signals, and how a run ends. */
#include "python/handle.h"
#include "python/loop.h"
#include "python/posts.h"

/* Before a wait. */
static void leave(asyncio__pause_t *pause, bool may_block)
{
    asyncio__py_loop_t *self = ASYNCIO__CONTAINER(pause, asyncio__py_loop_t, pause);
    if (!may_block)
        return;
    /* Before any other thread can run: see posts.c. */
    atomic_store_explicit(&self->is_waiting, true, memory_order_relaxed);
    self->saved = PyEval_SaveThread();
}

/* After it. Handlers of signals run here; one that raises (KeyboardInterrupt) ends the run. */
static int enter(asyncio__pause_t *pause)
{
    asyncio__py_loop_t *self = ASYNCIO__CONTAINER(pause, asyncio__py_loop_t, pause);
    if (self->saved) {
        PyThreadState *saved = self->saved;
        self->saved = NULL;
        /* From here on this thread only waits for the GIL. Release, for the acquire in posts.c: who
         * sees this sees the queues as the wait has left them. */
        atomic_store_explicit(&self->is_waiting, false, memory_order_release);
        PyEval_RestoreThread(saved);
    }
    return ASYNCIO__UNLIKELY(PyErr_CheckSignals() < 0) ? ASYNCIO_ERUNTIME : 0;
}

void asyncio__py_begin_pauses(asyncio__py_loop_t *self)
{
    self->pause = (asyncio__pause_t){.leave = leave, .enter = enter};
    self->loop->pause = &self->pause;
}

/* Runs turns until stop(). Everything that asyncio does round that is in _loop.py. */
static PyObject *run(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    if (asyncio__py_check_closed(self) < 0)
        return NULL;
    Py_INCREF(self);
    self->is_running = true;
    int rc = asyncio_loop_run_forever(self->loop);
    /* What the last callbacks have written is on its way when asyncio's run ends; and the next run
     * may be in another thread. */
    if (!self->loop->running) {
        int rested = asyncio__loop_rest(self->loop);
        rc = rc < 0 ? rc : rested;
    }
    self->is_running = self->loop->running; /* this one was refused while another continues */
    PyObject *raised = self->raised, *result = NULL;
    self->raised = NULL;
    if (raised) {
        PyErr_Clear();
        asyncio__py_set_error(raised);
    } else if (PyErr_Occurred()) {
        result = NULL;
    } else if (rc < 0) {
        result = asyncio__py_set_code(self->state, rc);
    } else {
        result = Py_NewRef(Py_None);
    }
    Py_DECREF(self);
    return result;
}

static PyObject *stop(asyncio__py_loop_t *self, PyObject *unused)
{
    (void)unused;
    self->loop->stopping = true;
    Py_RETURN_NONE;
}

/* On the virtual clock: work of another thread begins (1) or has been posted (-1); it holds the
 * clock meanwhile. */
static PyObject *count_job(asyncio__py_loop_t *self, PyObject *value)
{
    long change = PyLong_AsLong(value);
    if (change == -1 && PyErr_Occurred())
        return NULL;
    self->loop->jobs += change;
    Py_RETURN_NONE;
}

PyMethodDef asyncio__py_run_methods[] = {
    ASYNCIO__PY_METHOD("_run", run, METH_NOARGS, NULL),
    ASYNCIO__PY_METHOD("stop", stop, METH_NOARGS,
                       "Stop the loop at the end of its present turn."),
    ASYNCIO__PY_METHOD("_count_job", count_job, METH_O, NULL),
    {0},
};
