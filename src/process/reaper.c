/* SPDX-License-Identifier: MIT */
/* Reapers; see reaper.h. */
#include "process/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/inbox.h"
#include "worker/worker.h"

asyncio__reaper_t *asyncio__reaper_new(asyncio_loop_t *loop)
{
    asyncio__reaper_t *reaper = asyncio__calloc(sizeof(*reaper));
    if (!reaper)
        return NULL;
    reaper->loop = asyncio__loop_hold(loop);
    reaper->refs = 1;
    reaper->child.pidfd = -1;
    return reaper;
}

void asyncio__reaper_unref(asyncio__reaper_t *reaper)
{
    if (!reaper || --reaper->refs > 0)
        return;
    asyncio__loop_drop_object(reaper->loop);
    asyncio__free(reaper, sizeof(*reaper));
}

/* The child is reaped, or cannot be: tells the owner, and drops the reaper's own reference. */
static void finish(asyncio__reaper_t *reaper, int return_code)
{
    reaper->has_exited = true;
    reaper->return_code = return_code;
    reaper->loop->jobs--;
    if (reaper->file) {
        if (!reaper->loop->closed)
            reaper->loop->engine->class->close_file(reaper->loop->engine, reaper->file);
        reaper->file = NULL;
    } else if (reaper->child.pidfd >= 0) {
        asyncio__sys.close(reaper->child.pidfd);
    }
    reaper->child.pidfd = -1;
    if (reaper->exited)
        reaper->exited(reaper->arg);
    asyncio__reaper_unref(reaper);
}

#define KILLED_WAITS 100 /* of a millisecond */

/* Kills and reaps a child that the loop can no longer wait for. A killed child ends at once, unless
 * the kernel holds it in a call that cannot be interrupted; then it stays a zombie until this
 * process ends. */
static void kill_child(asyncio__reaper_t *reaper, const char *report)
{
    int return_code = -SIGKILL;
    asyncio__ignore(asyncio__child_kill(&reaper->child, SIGKILL));
    for (int i = 0; i < KILLED_WAITS; i++) {
        if (asyncio__child_reap(&reaper->child, &return_code) != 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    asyncio__loop_report(reaper->loop, report, 0, NULL, NULL, NULL, NULL);
    finish(reaper, return_code);
}

static void kill_at_close(asyncio__reaper_t *reaper)
{
    kill_child(reaper, "a child process was killed at the close of its loop");
}

/* --- by a thread --------------------------------------------------------------------------- */

/* What the waiting thread and the loop share; the last of the two frees it. */
typedef struct asyncio__reaper_thread {
    asyncio__work_t work;       /* runs in the thread */
    asyncio__inbox_node_t node; /* how the thread tells the loop */
    asyncio__loop_hook_t hook;  /* kills the child when the loop closes */
    asyncio__inbox_t *inbox;    /* a reference */
    asyncio__reaper_t *reaper;  /* used by the loop only; NULL once the loop is closed */
    pid_t pid;                  /* of the child */
    atomic_uint refs;           /* the thread's, until its node is delivered, and the loop's */
} thread_t;

static void drop_thread(thread_t *thread)
{
    /* Release here, acquire in the last one, which frees what the other has written. */
    if (atomic_fetch_sub_explicit(&thread->refs, 1, memory_order_acq_rel) != 1)
        return;
    asyncio__inbox_unref(thread->inbox);
    asyncio__free(thread, sizeof(*thread));
}

static void on_thread_done(asyncio__inbox_node_t *node, bool closed)
{
    thread_t *thread = ASYNCIO__CONTAINER(node, thread_t, node);
    asyncio__reaper_t *reaper = thread->reaper;
    int return_code = 255;
    if (reaper && !closed) {
        asyncio__loop_remove_hook(reaper->loop, &thread->hook);
        thread->reaper = NULL;
        drop_thread(thread);
        asyncio__ignore(asyncio__child_reap(&reaper->child, &return_code));
        finish(reaper, return_code);
    }
    drop_thread(thread);
}

static void on_loop_closes(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    thread_t *thread = ASYNCIO__CONTAINER(hook, thread_t, hook);
    asyncio__reaper_t *reaper = thread->reaper;
    (void)loop;
    thread->reaper = NULL;
    kill_at_close(reaper);
    drop_thread(thread);
}

/* Waits without reaping, so that a signal sent meanwhile cannot reach another process. */
static void wait_in_thread(asyncio__work_t *work)
{
    thread_t *thread = ASYNCIO__CONTAINER(work, thread_t, work);
    siginfo_t info;
    while (asyncio__sys.waitid(P_PID, (id_t)thread->pid, &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR)
        continue;
    if (asyncio__inbox_post(thread->inbox, &thread->node) < 0)
        drop_thread(thread); /* the loop is closed, and has killed the child */
}

static int begin_thread(asyncio__reaper_t *reaper)
{
    thread_t *thread = asyncio__calloc(sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    thread->inbox = asyncio__inbox_ref(reaper->loop->inbox);
    thread->node.deliver = on_thread_done;
    thread->hook.close = on_loop_closes;
    thread->reaper = reaper;
    thread->pid = reaper->child.pid;
    atomic_init(&thread->refs, 2);
    asyncio__work_init(&thread->work, wait_in_thread, ASYNCIO__WORK_JOBS);
    int rc = asyncio__workers_submit(asyncio__workers_shared(), &thread->work);
    if (rc < 0) {
        asyncio__inbox_unref(thread->inbox);
        asyncio__free(thread, sizeof(*thread));
        return rc;
    }
    asyncio__loop_add_hook(reaper->loop, &thread->hook);
    return 0;
}

/* --- by the pidfd -------------------------------------------------------------------------- */

static int begin_poll(asyncio__reaper_t *reaper);

static void on_poll(asyncio__operation_t *operation)
{
    asyncio__reaper_t *reaper = ASYNCIO__CONTAINER(operation, asyncio__reaper_t, poll);
    int return_code = 255, rc = operation->result;
    if (reaper->loop->closed) {
        kill_at_close(reaper);
        return;
    }
    if (rc == 0) /* after a spurious wake-up waitid() has nothing, and the poll is repeated */
        rc = asyncio__child_reap(&reaper->child, &return_code);
    if (rc == 0)
        rc = begin_poll(reaper);
    else if (rc > 0)
        finish(reaper, return_code);
    if (rc < 0 && begin_thread(reaper) < 0)
        kill_child(reaper, "a child process was killed: nothing can wait for it");
}

/* Polls the pidfd: 0, pending or the child is reaped; or the code why the engine cannot wait. */
static int begin_poll(asyncio__reaper_t *reaper)
{
    asyncio__engine_t *engine = reaper->loop->engine;
    reaper->poll = (asyncio__operation_t){
        .kind = ASYNCIO__POLL_IN, .file = reaper->file, .complete = on_poll};
    int return_code, rc;
    while ((rc = engine->class->submit(engine, &reaper->poll)) == 1) {
        /* It has ended already. */
        rc = reaper->poll.result;
        if (rc == 0)
            rc = asyncio__child_reap(&reaper->child, &return_code);
        if (rc > 0)
            finish(reaper, return_code);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return rc;
}

/* --- the start ----------------------------------------------------------------------------- */

int asyncio__reaper_start(asyncio__reaper_t *reaper, const asyncio__child_t *child)
{
    asyncio__engine_t *engine = reaper->loop->engine;
    int rc = 0;
    reaper->child = *child;
    reaper->refs++;
    reaper->loop->jobs++; /* the virtual clock waits for children */
    if (child->pidfd >= 0)
        rc = engine->class->open_file(engine, child->pidfd, ASYNCIO__FILE_STREAM, &reaper->file);
    if (rc == 0 && reaper->file)
        rc = begin_poll(reaper);
    if (rc < 0 || !reaper->file)
        rc = reaper->has_exited ? 0 : begin_thread(reaper);
    if (rc >= 0)
        return 0;
    asyncio__ignore(asyncio__child_kill(child, SIGKILL)); /* nothing can wait for it */
    asyncio__child_wait(child);
    if (reaper->file)
        engine->class->close_file(engine, reaper->file);
    else if (child->pidfd >= 0)
        asyncio__sys.close(child->pidfd);
    reaper->file = NULL;
    reaper->loop->jobs--;
    reaper->refs--;
    return rc;
}

int asyncio__reaper_kill(asyncio__reaper_t *reaper, int signo)
{
    return reaper->has_exited ? -ESRCH : asyncio__child_kill(&reaper->child, signo);
}

int asyncio__reaper_send_signal(asyncio__reaper_t *reaper, int signo)
{
    int rc = asyncio__reaper_kill(reaper, signo);
    return rc < 0 ? asyncio__fail(rc, rc == -ESRCH ? "the child process has exited" : NULL) : 0;
}

int asyncio__reaper_return_code(const asyncio__reaper_t *reaper, int *ret_code)
{
    if (!reaper->has_exited)
        return asyncio__fail(ASYNCIO_EINVALIDSTATE, "the child process has not exited");
    *ret_code = reaper->return_code;
    return 0;
}
