/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C during a run: the first one cancels the main task, the second one ends the run; what that
 * means in C stands in <asyncio/runner.h>.
 *
 * The handler counts, rings the loop, and from the second one on leaves the next to the default
 * disposition. All that it touches is atomic, and outlives the last handler that is inside.
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

/* The run that is interrupted: there is one at most, for there is one initial thread. */
static struct {
    _Atomic(asyncio__interrupt_t *) interrupt; /* of the run; NULL: none */
    atomic_uint inside;                        /* handlers that run now */
    _Atomic pid_t process;                     /* whose run it is */
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
        /* Nobody's, or the loop hangs: the default action, once this handler has returned. */
        asyncio__ignore(raise(signo));
    else
        asyncio__ignore(asyncio_remote_post(&interrupt->remote));
    atomic_fetch_sub(&present.inside, 1);
    errno = saved;
}

/* In the loop. */
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
        /* In a child that was forked inside a run the handler is there still. */
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
    /* What the loop has not come round to, it need not: the run is over, and the task may go. */
    bool is_raised = interrupt->is_raised || came > atomic_exchange(&interrupt->seen, came);
    if (!is_raised && came > 0 && rc == -ECANCELED)
        is_raised = asyncio_task_uncancel(interrupt->task) == 0;
    return is_raised ? asyncio__fail(ASYNCIO_EKEYBOARDINTERRUPT, NULL) : rc;
}
