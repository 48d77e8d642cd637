/* SPDX-License-Identifier: MIT */
/*
 * asyncio_serve(): servers in several loops; see serve.h.
 *
 * Each loop runs one main task: setup, wait until all are set up, wait until the stop, wait for the
 * connections, teardown. The runner's close then cancels whatever setup has started besides.
 */
#include "run/serve.h"

#include <asyncio/runner.h>
#include <asyncio/signal.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/report.h"
#include "transport/listen_table.h"

#define MOST_LOOPS      1024
#define DRAIN_TIMEOUT   30.0
#define CANCEL_TIMEOUT  1.0 /* seconds between the cancellation of connections and their abort */
#define CPU_SETS        4 /* of CPU_SETSIZE CPUs each: as many as the kernel may know */
#define MOST_CPUS       (CPU_SETS * CPU_SETSIZE)

/* The serve of this process: at most one, since signals and inherited sockets are the process's. */
static struct {
    _Atomic(asyncio__serve_t *) serve; /* NULL: none */
    atomic_uint inside;                /* calls that use it now, in any thread or signal handler */
    _Atomic pid_t process;             /* that runs it */
} present;

/* --- phases -------------------------------------------------------------------------------- */

static asyncio__serve_phase_t phase_of(asyncio__serve_t *serve)
{
    return (asyncio__serve_phase_t)atomic_load(&serve->phase);
}

/* Moves the phase forward and tells every loop. Any thread, signal handlers. */
static void advance(asyncio__serve_t *serve, asyncio__serve_phase_t phase)
{
    atomic_fetch_add(&present.inside, 1);
    int found = atomic_load(&serve->phase);
    while (found < (int)phase && !atomic_compare_exchange_weak(&serve->phase, &found, (int)phase))
        continue;
    /* Sequentially consistent with begin_loop(): either it sees the new phase, or we see that its
     * remote is valid. */
    for (size_t i = 0; found < (int)phase && i < serve->count; i++)
        if (atomic_load(&serve->loops[i].can_post))
            asyncio__ignore(asyncio_remote_post(&serve->loops[i].remote));
    atomic_fetch_sub(&present.inside, 1);
}

int asyncio_serve_stop(void)
{
    int rc = ASYNCIO_ERUNTIME;
    atomic_fetch_add(&present.inside, 1);
    asyncio__serve_t *serve = atomic_load(&present.serve);
    if (serve && atomic_load(&present.process) == getpid()) {
        advance(serve, ASYNCIO__SERVE_STOPPING);
        rc = 0;
    }
    atomic_fetch_sub(&present.inside, 1);
    return rc;
}

static void wait_for_calls(void)
{
    while (atomic_load(&present.inside) > 0)
        sched_yield();
}

asyncio__serve_t *asyncio__serve_of(const asyncio_loop_t *loop)
{
    asyncio__serving_t *serving = loop->serving;
    return serving ? ASYNCIO__CONTAINER(serving, asyncio__serve_loop_t, serving)->serve : NULL;
}

/* Keeps the first failure, with the details in the slot, and stops all loops. */
static void fail(asyncio__serve_t *serve, int code)
{
    asyncio_error_t *error = asyncio__error_take_of(code);
    pthread_mutex_lock(&serve->lock);
    if (serve->code == 0) {
        serve->code = code;
        serve->error = error;
        error = NULL;
    }
    pthread_mutex_unlock(&serve->lock);
    asyncio_error_unref(error);
    advance(serve, ASYNCIO__SERVE_STOPPING);
}

/* --- one loop ------------------------------------------------------------------------------ */

/* Runs in the loop after the phase has changed. */
static void on_phase(void *arg)
{
    asyncio__serve_loop_t *self = arg;
    asyncio__serve_phase_t phase = phase_of(self->serve);
    asyncio__ignore(asyncio_event_set(&self->changed));
    if (phase >= ASYNCIO__SERVE_STOPPING && self->is_in_setup)
        asyncio__ignore(asyncio_task_cancel(self->task, NULL));
    if (phase >= ASYNCIO__SERVE_HURRYING && self->is_draining)
        asyncio__ignore(
            asyncio_timeout_reschedule(&self->drain, asyncio_loop_time(self->loop)));
}

/* Runs in the first loop. The third signal has its default action. */
static void on_signal(void *arg)
{
    asyncio__serve_loop_t *self = arg;
    if (phase_of(self->serve) < ASYNCIO__SERVE_STOPPING) {
        advance(self->serve, ASYNCIO__SERVE_STOPPING);
        return;
    }
    asyncio__ignore(asyncio_loop_remove_signal_handler(self->loop, SIGTERM));
    asyncio__ignore(asyncio_loop_remove_signal_handler(self->loop, SIGINT));
    advance(self->serve, ASYNCIO__SERVE_HURRYING);
}

static bool is_ignored(int signo)
{
    struct sigaction action;
    return asyncio__sys.sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Handles SIGTERM and SIGINT, unless the process ignores them: 0 or an error. */
static int handle_signals(asyncio__serve_loop_t *self)
{
    int rc = 0;
    if (!is_ignored(SIGTERM))
        rc = asyncio_loop_add_signal_handler(self->loop, SIGTERM, on_signal, self);
    if (rc == 0 && !is_ignored(SIGINT))
        rc = asyncio_loop_add_signal_handler(self->loop, SIGINT, on_signal, self);
    return rc;
}

static void on_exception(asyncio_loop_t *loop, const asyncio_exception_context_t *context,
                         void *arg)
{
    asyncio__serve_t *serve = arg;
    pthread_mutex_lock(&serve->handler_lock);
    serve->options.exception_handler(loop, context, serve->options.exception_arg);
    pthread_mutex_unlock(&serve->handler_lock);
}

/* Waits until the phase is at least the given one: 0 or a code. */
static int wait_for_phase(asyncio__serve_loop_t *self, asyncio__serve_phase_t phase)
{
    int rc = 0;
    while (rc == 0 && phase_of(self->serve) < phase) {
        asyncio__ignore(asyncio_event_clear(&self->changed));
        if (phase_of(self->serve) < phase)
            rc = asyncio_event_wait(&self->changed);
    }
    return rc;
}

/* Runs setup, which a stop cancels: 0 or its code. A cancellation by a stop is undone. */
static int set_up(asyncio__serve_loop_t *self)
{
    asyncio__serve_t *serve = self->serve;
    self->is_in_setup = true;
    int rc = serve->setup(serve->arg, self->index);
    self->is_in_setup = false;
    if (phase_of(serve) >= ASYNCIO__SERVE_STOPPING && asyncio_task_cancelling(self->task) > 0)
        asyncio__ignore(asyncio_task_uncancel(self->task));
    return rc > 0 ? 0 : rc;
}

/* The last loop that is set up lets all accept. */
static void arrive(asyncio__serve_loop_t *self)
{
    if (atomic_fetch_sub(&self->serve->setups_left, 1) > 1)
        return;
    if (asyncio__listen_table_drop_untaken() > 0)
        asyncio__loop_report(self->loop, "listening sockets were closed, since a loop of "
                             "asyncio_serve() has no server with their listen_name",
                             ASYNCIO_ERUNTIME, NULL, NULL, NULL, NULL);
    advance(self->serve, ASYNCIO__SERVE_SERVING);
}

/* Serves until the stop, after a setup that returned 0: 0 or a code. */
static int serve_until_stop(asyncio__serve_loop_t *self)
{
    arrive(self);
    int rc = wait_for_phase(self, ASYNCIO__SERVE_SERVING);
    /* Also if the stop has come meanwhile: other loops may have accepted connections already, and
     * those that this one has are served as well. */
    if (rc == 0 && atomic_load(&self->serve->setups_left) == 0)
        rc = asyncio__serving_release(&self->serving);
    if (rc == 0 && self->index == 0 && phase_of(self->serve) == ASYNCIO__SERVE_SERVING)
        asyncio__listen_table_report_ready();
    return rc < 0 ? rc : wait_for_phase(self, ASYNCIO__SERVE_STOPPING);
}

/* Waits for the connections, as long as that is allowed: 0 or a code. */
static int drain(asyncio__serve_loop_t *self, double seconds)
{
    if (phase_of(self->serve) >= ASYNCIO__SERVE_HURRYING && seconds > CANCEL_TIMEOUT)
        return -ETIMEDOUT;
    int rc = asyncio_timeout_enter(&self->drain, seconds);
    if (rc < 0)
        return rc;
    self->is_draining = true;
    rc = asyncio__serving_wait(&self->serving);
    self->is_draining = false;
    return asyncio_timeout_exit(&self->drain, rc);
}

/* Ends the servers and their connections, gently at first. */
static void end_connections(asyncio__serve_loop_t *self)
{
    asyncio__serve_t *serve = self->serve;
    if (serve->options.stopping)
        serve->options.stopping(serve->arg, self->index);
    asyncio__serving_stop(&self->serving);
    if (drain(self, serve->drain_timeout) == 0)
        return;
    asyncio__serving_cancel(&self->serving);
    if (drain(self, CANCEL_TIMEOUT) < 0)
        asyncio__serving_abort(&self->serving);
}

/* Prepares the record in its loop: 0 or an error. */
static int begin_loop(asyncio__serve_loop_t *self)
{
    asyncio__serve_t *serve = self->serve;
    self->loop = asyncio_get_running_loop();
    self->task = asyncio_current_task();
    if (serve->count > 1 && (asyncio_loop_get_engine(self->loop) == ASYNCIO_ENGINE_SIM ||
                             self->loop->is_virtual))
        return asyncio__fail(-EINVAL, "\"options->loops\" must be 1 on the sim engine and on the "
                                      "virtual clock");
    if (serve->options.exception_handler)
        asyncio_loop_set_exception_handler(self->loop, on_exception, serve);
    int rc = asyncio_event_init(&self->changed);
    if (rc == 0)
        rc = asyncio_remote_init(&self->remote, self->loop, on_phase, self);
    if (rc < 0)
        return rc;
    atomic_store(&self->can_post, true);
    asyncio__serving_init(&self->serving, self->loop, self->index);
    return self->index == 0 && !serve->options.no_signals ? handle_signals(self) : 0;
}

static void end_loop(asyncio__serve_loop_t *self)
{
    asyncio__ignore(asyncio_loop_remove_signal_handler(self->loop, SIGTERM));
    asyncio__ignore(asyncio_loop_remove_signal_handler(self->loop, SIGINT));
    asyncio__serving_fini(&self->serving, self->loop);
    atomic_store(&self->can_post, false);
    wait_for_calls();
    asyncio_remote_fini(&self->remote);
    asyncio_event_fini(&self->changed);
}

/* The main task's own end by Ctrl-C or the close of its loop is no failure that is kept here: the
 * run returns what it means. */
static bool is_end_of_task(int rc)
{
    return rc == -ECANCELED || rc == ASYNCIO_EGENERATOREXIT;
}

/* The main task of each loop. */
static int run_main(void *arg, void **ret_result)
{
    (void)ret_result;
    asyncio__serve_loop_t *self = arg;
    asyncio__serve_t *serve = self->serve;
    int rc = begin_loop(self);
    if (!atomic_load(&self->can_post))
        return rc;
    bool is_set_up = false;
    if (rc == 0 && phase_of(serve) < ASYNCIO__SERVE_STOPPING) {
        rc = set_up(self);
        is_set_up = rc == 0;
        bool is_stopped = rc == -ECANCELED && phase_of(serve) >= ASYNCIO__SERVE_STOPPING;
        rc = is_set_up ? serve_until_stop(self) : is_stopped ? 0 : rc;
    }
    if (rc < 0 && !is_end_of_task(rc))
        fail(serve, rc);
    advance(serve, ASYNCIO__SERVE_STOPPING);
    end_connections(self);
    if (is_set_up && serve->options.teardown) {
        int code = serve->options.teardown(serve->arg, self->index);
        if (code < 0 && !is_end_of_task(code))
            fail(serve, code);
    }
    end_loop(self);
    return is_end_of_task(rc) ? rc : 0;
}

/* --- threads ------------------------------------------------------------------------------- */

static void pin(const asyncio__serve_loop_t *self)
{
    cpu_set_t set[CPU_SETS];
    CPU_ZERO_S(sizeof(set), set);
    CPU_SET_S((size_t)self->serve->cpus[self->index], sizeof(set), set);
    /* The CPU may have been taken from the process since: then the loop runs where it may. */
    asyncio__ignore(pthread_setaffinity_np(pthread_self(), sizeof(set), set));
}

static void run_loop(asyncio__serve_loop_t *self)
{
    asyncio__serve_t *serve = self->serve;
    asyncio_runner_options_t options = {.size = sizeof(options),
                                        .loop_options = serve->options.loop_options};
    if (serve->options.pin)
        pin(self);
    int rc = asyncio_run_full(asyncio_coroutine(run_main, self), &options, NULL);
    if (rc < 0)
        fail(serve, rc);
}

static void *run_thread(void *arg)
{
    asyncio__serve_loop_t *self = arg;
    char name[16];
    snprintf(name, sizeof(name), "serve-%zu", self->index);
    asyncio__ignore(pthread_setname_np(pthread_self(), name));
    run_loop(self);
    return NULL;
}

/* Starts the threads of all loops but the first: what fails stops those that were started. */
static void start_threads(asyncio__serve_t *serve)
{
    for (size_t i = 1; i < serve->count; i++) {
        int error = asyncio__sys.pthread_create(&serve->loops[i].thread, NULL, run_thread,
                                                &serve->loops[i]);
        if (error) {
            fail(serve, asyncio__fail(-error, "a thread cannot be started"));
            return;
        }
        serve->started++;
    }
}

/* --- the call ------------------------------------------------------------------------------ */

static int check_options(const asyncio_serve_options_t *options)
{
    if (options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options->loops < 0 || options->loops > MOST_LOOPS)
        return asyncio__fail(-EINVAL, "\"options->loops\" must be from 0 to 1024");
    if (!(options->drain_timeout >= 0))
        return asyncio__fail(-EINVAL, "\"options->drain_timeout\" must be 0 or more");
    if (options->loop_options && options->loop_options->size < sizeof(*options->loop_options))
        return asyncio__fail(-EINVAL,
                             "\"options->loop_options->size\" must be the size of the struct");
    return 0;
}

/* The CPUs that this thread may run on, at least one: the number of them, or -errno. */
static int read_cpus(int *ret_cpus)
{
    cpu_set_t set[CPU_SETS];
    if (sched_getaffinity(0, sizeof(set), set) < 0)
        return -errno;
    int count = 0;
    for (int i = 0; i < MOST_CPUS; i++)
        if (CPU_ISSET_S((size_t)i, sizeof(set), set))
            ret_cpus[count++] = i;
    return count;
}

static size_t serve_bytes(size_t count)
{
    return sizeof(asyncio__serve_t) + count * sizeof(asyncio__serve_loop_t);
}

static asyncio__serve_t *make_serve(asyncio_serve_setup_t *setup, void *arg,
                                    const asyncio_serve_options_t *options, size_t count,
                                    int *cpus)
{
    asyncio__serve_t *serve = asyncio__calloc(serve_bytes(count));
    if (!serve)
        return NULL;
    serve->setup = setup;
    serve->arg = arg;
    serve->options = *options;
    if (options->loop_options) {
        serve->loop_options = *options->loop_options;
        serve->options.loop_options = &serve->loop_options;
    }
    serve->drain_timeout = options->drain_timeout > 0 ? options->drain_timeout : DRAIN_TIMEOUT;
    serve->cpus = cpus;
    serve->count = count;
    atomic_init(&serve->setups_left, count);
    pthread_mutex_init(&serve->lock, NULL);
    pthread_mutexattr_t recursive; /* the handler may cause a report itself */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&serve->handler_lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    for (size_t i = 0; i < count; i++) {
        serve->loops[i].serve = serve;
        serve->loops[i].index = i;
    }
    return serve;
}

static void free_serve(asyncio__serve_t *serve)
{
    asyncio_error_unref(serve->error);
    pthread_mutex_destroy(&serve->lock);
    pthread_mutex_destroy(&serve->handler_lock);
    asyncio__free(serve, serve_bytes(serve->count));
}

/* Runs all loops to their end: 0 or the code of the first failure. */
static int run_loops(asyncio__serve_t *serve)
{
    cpu_set_t former[CPU_SETS];
    bool has_former = serve->options.pin &&
                      pthread_getaffinity_np(pthread_self(), sizeof(former), former) == 0;
    start_threads(serve);
    run_loop(&serve->loops[0]);
    for (size_t i = 1; i <= serve->started; i++)
        pthread_join(serve->loops[i].thread, NULL);
    if (has_former)
        asyncio__ignore(pthread_setaffinity_np(pthread_self(), sizeof(former), former));
    return serve->code;
}

/* Claims the process for a serve: 0 or an error. */
static int claim(asyncio__serve_t *serve)
{
    asyncio__serve_t *other = NULL;
    bool is_child = atomic_load(&present.process) != getpid();
    if (is_child) /* what its parent runs is not here */
        atomic_store(&present.serve, NULL);
    if (!atomic_compare_exchange_strong(&present.serve, &other, serve))
        return asyncio__fail(ASYNCIO_ERUNTIME, "asyncio_serve() runs already in this process");
    atomic_store(&present.process, getpid());
    int rc = asyncio__listen_table_open(serve->count);
    if (rc < 0)
        atomic_store(&present.serve, NULL);
    return rc;
}

int asyncio_serve(asyncio_serve_setup_t *setup, void *arg, const asyncio_serve_options_t *options)
{
    asyncio_serve_options_t defaults = {.size = sizeof(defaults)};
    int cpus[MOST_CPUS];
    if (!setup)
        return asyncio__fail(-EINVAL, "\"setup\" must not be NULL");
    if (!options)
        options = &defaults;
    int rc = check_options(options);
    if (rc == 0 && asyncio_get_running_loop())
        rc = asyncio__fail(ASYNCIO_ERUNTIME,
                           "asyncio_serve() cannot be called from a running event loop");
    if (rc < 0)
        return rc;
    int cpu_count = read_cpus(cpus);
    if (cpu_count < 0)
        return asyncio__fail(cpu_count, "the CPUs of this thread cannot be read");
    size_t count = (size_t)(options->loops > 0 ? options->loops : cpu_count);
    count = count < MOST_LOOPS ? count : MOST_LOOPS;
    if (options->pin && count > (size_t)cpu_count)
        return asyncio__fail(-EINVAL, "\"options->loops\" must not exceed the number of CPUs where "
                                      "\"options->pin\" is set");
    asyncio__serve_t *serve = make_serve(setup, arg, options, count, cpus);
    if (!serve)
        return asyncio__fail(-ENOMEM, NULL);
    rc = claim(serve);
    if (rc == 0) {
        rc = run_loops(serve);
        atomic_store(&present.serve, NULL);
        wait_for_calls();
        asyncio__listen_table_close();
        asyncio__fail_with(rc, serve->error);
        serve->error = NULL;
    }
    free_serve(serve);
    return rc;
}
