/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C during a run: the first one cancels the main task, the second one ends the run;
 * <asyncio/runner.h> says what a program sees of it.
 *
 * The handler counts and wakes the loop; from the second SIGINT on it also restores the default
 * disposition for the next. Everything that it touches is atomic and stays valid until the last
 * handler has returned.
 */
#include "run/interrupt.h"

#include <asyncio/loop.h>
#include <asyncio/task.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "loop/signal.h"

/* The run that SIGINT interrupts: at most one, because only the initial thread takes SIGINT. */
static struct {
    _Atomic(asyncio__interrupt_t *) interrupt; /* of the run; NULL: none */
    atomic_uint inside;                        /* number of handlers that run now */
    _Atomic pid_t process;                     /* the process that began the run */
} present;

static void on_interrupt(int signo)
{
    int saved = errno;
    bool is_child = getpid() != atomic_load(&present.process);
    /* Sequentially consistent with end(): either it sees that we are inside, or we see no run. */
    atomic_fetch_add(&present.inside, 1);
    asyncio__interrupt_t *interrupt = is_child ? NULL : atomic_load(&present.interrupt);
    unsigned before = interrupt ? atomic_fetch_add(&interrupt->came, 1) : 0;
    if (!interrupt || before > 0)
        asyncio__signal_default(signo);
    if (!interrupt || (before > 0 && atomic_load(&interrupt->seen) == 0))
        /* No run, or its loop hangs: the default action follows when this handler returns. */
        asyncio__ignore(raise(signo));
    else
        asyncio__ignore(asyncio_remote_post(&interrupt->remote));
    atomic_fetch_sub(&present.inside, 1);
    errno = saved;
}

/* Runs in the loop: cancels the main task for the first SIGINT, ends the run for the second. */
static void act(void *arg)
{
    asyncio__interrupt_t *interrupt = arg;
    unsigned came = atomic_load(&interrupt->came), seen = atomic_load(&interrupt->seen);
    for (; seen < came; seen++) {
        if (seen == 0 && !asyncio_future_done(interrupt->task) &&
            asyncio_task_cancel(interrupt->task, NULL) == 1)
            continue;
        interrupt->is_raised = true;
        asyncio_loop_stop(interrupt->loop);
    }
    atomic_store(&interrupt->seen, came);
}

int asyncio__interrupt_init(asyncio__interrupt_t *interrupt, asyncio_loop_t *loop)
{
    int rc = asyncio_remote_init(&interrupt->remote, loop, act, interrupt);
    if (rc == 0)
        interrupt->loop = loop;
    return rc;
}

void asyncio__interrupt_fini(asyncio__interrupt_t *interrupt)
{
    if (interrupt->loop)
        asyncio_remote_fini(&interrupt->remote);
    interrupt->loop = NULL;
}

void asyncio__interrupt_begin(asyncio__interrupt_t *interrupt, asyncio_task_t *task)
{
    interrupt->task = task;
    interrupt->is_raised = false;
    atomic_store(&interrupt->came, 0);
    atomic_store(&interrupt->seen, 0);
    interrupt->is_taken = false;
    if (gettid() != getpid())
        return;
    if (atomic_load(&present.process) != getpid())
        /* A child that was forked during a run still has the handler. */
        asyncio__signal_give_back(SIGINT, on_interrupt);
    atomic_store(&present.process, getpid());
    atomic_store(&present.interrupt, interrupt);
    interrupt->is_taken = asyncio__signal_take(SIGINT, on_interrupt);
    if (!interrupt->is_taken)
        atomic_store(&present.interrupt, NULL);
}

int asyncio__interrupt_end(asyncio__interrupt_t *interrupt, int rc)
{
    if (!interrupt->is_taken)
        return rc;
    asyncio__signal_give_back(SIGINT, on_interrupt);
    atomic_store(&present.interrupt, NULL);
    while (atomic_load(&present.inside) > 0)
        sched_yield();
    unsigned came = atomic_load(&interrupt->came);
    /* A SIGINT that the loop has not seen yet counts here: the run is over, and nothing is left to
     * cancel. */
    bool is_raised = interrupt->is_raised || came > atomic_exchange(&interrupt->seen, came);
    if (!is_raised && came > 0 && rc == -ECANCELED)
        is_raised = asyncio_task_uncancel(interrupt->task) == 0;
    return is_raised ? asyncio__fail(ASYNCIO_EKEYBOARDINTERRUPT, NULL) : rc;
}
