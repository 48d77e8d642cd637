/* SPDX-License-Identifier: MIT */
/* Runs scenarios with faults; see sweep.h. */
#include "sweep.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sanitizer.h"
#include "coroutine/stack.h"

#define PATIENCE_SECONDS 60
/* Up to this n each allocation and system call fails; above it, fewer and fewer. Under a sanitizer
 * or an emulator a run takes long, and the runs must share the time. */
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN) || !defined(__x86_64__)
#define DENSE_MEMORY 20
#define DENSE_CALLS  1
#else
#define DENSE_MEMORY LONG_MAX
#define DENSE_CALLS  12
#endif

/* What ends before the loop is closed. */
typedef enum over { OVER_BEFORE, OVER_BEHIND } over_t;

static const scenario_t *scenario; /* that runs */
static fault_t fault;              /* that it runs with */
static over_t over;                /* when the fault ends */
static long runs;                  /* of all scenarios of the test function */

_Noreturn void sweep_end(const char *what, int line)
{
    faults_disarm();
    fprintf(stderr, "%s:%d, with %s of %s number %ld%s: %s\n", scenario->name, line,
            fault.at ? strerror(fault.error) : "no failure", faults_name(fault.call), fault.at,
            fault.for_good ? " and on" : "", what);
    abort();
}

bool sweep_loop_cannot_wait(void)
{
    return fault.call == FAULT_epoll_pwait2 || fault.call == FAULT_epoll_wait ||
           fault.call == FAULT_io_uring_enter || fault.call == FAULT_io_uring_register ||
           fault.call == FAULT_poll;
}

static bool may_happen(long rc, int other)
{
    if (rc >= 0 || (other && rc == other))
        return true;
    if (fault.at == 0)
        return false;
    /* Closing a loop that cannot wait ends its suspended tasks. */
    if ((rc == ASYNCIO_EGENERATOREXIT || rc == ASYNCIO_ERUNTIME) && sweep_loop_cannot_wait())
        return true;
    return rc == -ENOMEM || rc == ASYNCIO_EGROUP || rc == -fault.error;
}

long sweep_may(long rc, int other, const char *call, int line)
{
    char text[300];
    if (may_happen(rc, other))
        return rc;
    snprintf(text, sizeof(text), "%s answered %s", call, asyncio_error_name((int)rc));
    sweep_end(text, line);
}

bool sweep_is_there(const void *made, int line)
{
    int code = made ? 0 : asyncio_errno();
    if (!made && (code >= 0 || !may_happen(code, 0)))
        sweep_end(asyncio_error_name(code), line);
    return made != NULL;
}

bool sweep_strikes(enum fault_call call)
{
    return fault.at && fault.call == call;
}

int sweep_work(void *arg, void **ret_result)
{
    (void)arg;
    int rc = asyncio_sleep(scenario->in_real_time ? 0 : 1);
    return rc < 0 ? rc : asyncio_return(ret_result, malloc(8), free);
}

int sweep_fail(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return asyncio_raise(-ENOMEM, "on purpose, %s", "with a message");
}

void sweep_await_work(asyncio_awaitable_t *awaitable)
{
    void *value = NULL;
    if (may(asyncio_await(awaitable, &value)) == 0)
        free(value);
}

void sweep_end_task(asyncio_task_t *task, int other)
{
    if (task)
        may_be(asyncio_await_unref(task, NULL), other);
}

/* --- one run ------------------------------------------------------------------------------- */

static void ignore(asyncio_loop_t *loop, const asyncio_exception_context_t *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
}

void sweep_ignore_reports(asyncio_loop_t *loop)
{
    asyncio_loop_set_exception_handler(loop, ignore, NULL);
}

static int use_scenario(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    scenario->use(asyncio_get_running_loop());
    return 0;
}

static asyncio_loop_t *new_loop(void)
{
    asyncio_loop_options_t options = {
        .size = sizeof(options),
        .clock = scenario->in_real_time ? ASYNCIO_CLOCK_MONOTONIC : ASYNCIO_CLOCK_VIRTUAL,
    };
    return asyncio_new_event_loop_full(&options);
}

/* After the fault a task runs as usual. */
static void work_as_ever(asyncio_loop_t *loop)
{
    void *value = NULL;
    asyncio_error_clear();
    must(loop);
    must(asyncio_loop_run_until_complete(loop, asyncio_coroutine(sweep_work, NULL), &value) == 0);
    free(value);
}

static void run_in_loop(void)
{
    asyncio_loop_t *loop = new_loop();
    if (is_there(loop)) {
        sweep_ignore_reports(loop);
        may(asyncio_loop_run_until_complete(loop, asyncio_coroutine(use_scenario, NULL), NULL));
        if (over == OVER_BEFORE) {
            faults_disarm();
            work_as_ever(loop);
        }
    }
    asyncio_loop_unref(loop);
}

static void *run_once(void *arg)
{
    (void)arg;
    asyncio__stack_statistics_t before, after;
    asyncio__stack_statistics(&before);
    faults_arm(&fault);
    if (scenario->outside)
        scenario->use(NULL);
    else
        run_in_loop();
    faults_disarm();
    asyncio_loop_t *fresh = new_loop();
    work_as_ever(fresh);
    asyncio_loop_unref(fresh);
    asyncio__stack_statistics(&after);
    must(before.in_use == after.in_use);
    if (scenario->in_initial_thread) {
        signal(SIGINT, SIG_DFL); /* what could not be given back */
        signal(SIGUSR1, SIG_DFL);
    }
    asyncio_error_clear();
    return NULL;
}

/* A new thread has no cached stacks and pools. */
static void run_in_thread(void)
{
    pthread_t thread;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    if (pthread_create(&thread, NULL, run_once, NULL) != 0)
        sweep_end("no thread", __LINE__);
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        sweep_end("did not end", __LINE__);
}

/* Returns whether the fault was met. */
static bool survive(fault_t ordered, over_t ends)
{
    char text[300];
    accounts_t accounts;
    fault = ordered;
    over = ends;
    runs++;
    accounts_take(&accounts);
    if (scenario->in_initial_thread)
        run_once(NULL);
    else
        run_in_thread();
    if (!accounts_hold(&accounts, text, sizeof(text)))
        sweep_end(text, __LINE__);
    return faults_met();
}

/* --- over all runs ------------------------------------------------------------------------- */

static void begin(void **state)
{
    const char *only = getenv("ASYNCIO_TEST_SWEEP_ONLY");
    scenario = *state;
    runs = 0;
    if (only && *only && !strstr(scenario->name, only))
        skip();
    sweep_ignore_reports(NULL);
    survive((fault_t){.call = FAULT_MEMORY}, OVER_BEFORE);
}

static long following(long at, long dense)
{
    return at < dense ? at + 1 : at + at / 2 + 1;
}

void sweep_memory(void **state)
{
    begin(state);
    fault_t next = {.call = FAULT_MEMORY, .error = ENOMEM, .at = 1};
    for (bool met = true; met; next.at = following(next.at, DENSE_MEMORY)) {
        next.for_good = false;
        met = survive(next, OVER_BEFORE);
        next.for_good = true;
        met |= survive(next, OVER_BEFORE);
        met |= survive(next, OVER_BEHIND);
    }
    print_message("%s: %ld runs\n", scenario->name, runs);
    must(next.at > 5);
}

static void fail_call(enum fault_call call, int error)
{
    fault_t next = {.call = call, .error = error, .at = 1};
    while (survive(next, OVER_BEFORE))
        next.at = following(next.at, DENSE_CALLS);
    next = (fault_t){.call = call, .error = error, .at = 1, .for_good = true};
    if (!faults_is_passing(error)) {
        survive(next, OVER_BEFORE);
        survive(next, OVER_BEHIND);
    }
}

/* Faults that scenarios with sockets or pipes are not tried with: no kernel says of an open socket
 * that it is closed, and after EAGAIN an engine waits until the descriptor becomes ready. */
static bool is_lie(enum fault_call call, int error)
{
    if (call == FAULT_epoll_ctl)
        return error == ENOENT || error == EBADF;
    if (call == FAULT_connect) /* under way, says the kernel: that it is not it cannot mean */
        return error == EINTR || error == EALREADY;
    return error == EAGAIN && (call == FAULT_recv || call == FAULT_send || call == FAULT_recvmsg ||
                               call == FAULT_sendmsg || call == FAULT_accept4 ||
                               call == FAULT_read || call == FAULT_write ||
                               call == FAULT_pwritev2);
}

void sweep_calls(void **state)
{
    long used[FAULT_CALLS];
    begin(state);
    for (int call = 0; call < FAULT_MEMORY; call++)
        used[call] = faults_count((enum fault_call)call);
    for (int call = 0; call < FAULT_MEMORY; call++)
        for (const int *error = faults_errors((enum fault_call)call); *error; error++)
            if (used[call] && !(scenario->has_sockets && is_lie((enum fault_call)call, *error)))
                fail_call((enum fault_call)call, *error);
    print_message("%s: %ld runs\n", scenario->name, runs);
}
