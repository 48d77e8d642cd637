/* SPDX-License-Identifier: MIT */
/*
 * The event loop: made, run turn by turn, closed.
 *
 * One turn is asyncio's: wait once; completions become ready, then timers that are due; then
 * exactly the items that are ready now run. While something is ready, the wait may be left out for
 * a few turns.
 */
#include "loop/loop.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/quarantine.h"
#include "coroutine/fiber.h"
#include "coroutine/overflow.h"
#include "loop/debug.h"
#include "loop/loop_engine.h"
#include "loop/timer.h"

#define LONGEST_WAIT_NS  ((int64_t)24 * 3600 * 1000000000)
#define QUIET_WAIT_NS    5000000   /* then the kernel has nothing, for the virtual clock */
#define SLOW_CALLBACK_NS 100000000 /* unless the program says otherwise */

/* --- making and ending --------------------------------------------------------------------- */

static int check_options(const asyncio_loop_options_t *options)
{
    if (options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options.size\" must be sizeof(asyncio_loop_options_t)");
    if ((unsigned)options->clock > ASYNCIO_CLOCK_VIRTUAL)
        return asyncio__fail(-EINVAL, "\"options.clock\" must be one of asyncio_clock_t");
    if (options->stack_bytes > ((size_t)64 << 20))
        return asyncio__fail(-EINVAL, "\"options.stack_bytes\" must be at most 64 MiB");
    return 0;
}

static void (*next_fork_hook)(void);

/* A child that was forked inside the loop runs nothing more of it: it can neither suspend nor find
 * the next item, and leaves the loop at the end of its callback. */
static void leave_in_child(void)
{
    asyncio__overflow_fork();
    if (next_fork_hook)
        next_fork_hook();
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    if (!loop)
        return;
    loop->todo = 0;
    asyncio__pace_poll_next(&loop->pace);
    asyncio__thread.running_loop = NULL;
    asyncio__thread.coroutine = NULL;
}

__attribute__((constructor)) static void add_fork_hook(void)
{
    next_fork_hook = asyncio__fork_hook;
    asyncio__fork_hook = leave_in_child;
}

/* Whether a variable of the environment is set to anything but "" and "0". */
static bool is_set(const char *variable)
{
    const char *value = secure_getenv(variable);
    return value && *value && strcmp(value, "0") != 0;
}

/* Runs instead of an item that was unscheduled, and releases the reservation of that entry. */
static void run_nothing(asyncio__ready_t *self)
{
    asyncio__loop_release(ASYNCIO__CONTAINER(self, asyncio_loop_t, nothing), 1);
}

asyncio_loop_t *asyncio_new_event_loop_full(const asyncio_loop_options_t *options)
{
    asyncio_loop_options_t defaults = {.size = sizeof(defaults)};
    if (!options)
        options = &defaults;
    int rc = check_options(options);
    if (rc < 0)
        return asyncio__fail_new(rc, "the options of the loop are invalid");
    rc = asyncio__fiber_check();
    if (rc < 0)
        return asyncio__fail_new(rc, ASYNCIO__SHADOW_STACK_MESSAGE);
    asyncio__fork_watch();
    asyncio_loop_t *loop = asyncio__calloc(sizeof(*loop));
    if (!loop)
        return asyncio__fail_new(-ENOMEM, NULL);
    if (options->report_overflow || is_set("ASYNCIO_REPORT_OVERFLOW"))
        rc = asyncio__overflow_open(&loop->overflow);
    if (rc == 0)
        rc = asyncio__loop_open_engine(loop, options->engine);
    if (rc < 0) {
        asyncio__overflow_close(loop->overflow);
        asyncio__free(loop, sizeof(*loop));
        return asyncio__fail_new(rc, "the engine cannot be opened");
    }
    loop->inbox = asyncio__inbox_new(loop->engine);
    rc = asyncio__loop_reserve(loop, 1);
    if (!loop->inbox || rc < 0) {
        loop->engine->class->close(loop->engine);
        asyncio__overflow_close(loop->overflow);
        asyncio__ring_fini(&loop->ready);
        asyncio__inbox_unref(loop->inbox);
        asyncio__free(loop, sizeof(*loop));
        return asyncio__fail_new(-ENOMEM, NULL);
    }
    loop->nothing.run = run_nothing;
    loop->refs = 1;
    loop->fork_generation = asyncio__fork_generation;
    loop->is_virtual = options->clock == ASYNCIO_CLOCK_VIRTUAL;
    loop->now_ns = loop->is_virtual ? 0 : asyncio__clock_now();
    loop->pace.allowed = 1;
    loop->pace.budget_ticks = asyncio__ticks_of_half_millisecond();
    loop->await_budget = options->await_budget;
    if (options->await_budget)
        atomic_fetch_or_explicit(&asyncio__in_use, ASYNCIO__USES_BUDGETS, memory_order_relaxed);
    loop->stack_bytes = options->stack_bytes ? options->stack_bytes : ASYNCIO__STACK_DEFAULT_BYTES;
    loop->slow_ns = SLOW_CALLBACK_NS;
    loop->debug = options->debug || is_set("ASYNCIO_DEBUG");
    loop->is_observed = loop->debug;
    atomic_init(&loop->debug_elsewhere, loop->debug);
    asyncio__list_init(&loop->flushes);
    return loop;
}

asyncio_loop_t *asyncio_new_event_loop(void)
{
    return asyncio_new_event_loop_full(NULL);
}

/* Schedules every timer: run in a closed loop, it frees what it holds. */
static void drop_timers(asyncio_loop_t *loop)
{
    loop->now_ns = ASYNCIO__NANOSECONDS_FOREVER;
    asyncio__timers_expire(loop);
}

void asyncio__loop_drop_ready(asyncio_loop_t *loop)
{
    while (asyncio__ring_count(&loop->ready) > 0) {
        asyncio__ready_t *item = asyncio__ring_pop(&loop->ready);
        item->run(item);
    }
}

static void call_hooks(asyncio_loop_t *loop, bool is_late)
{
    asyncio__loop_hook_t **at = &loop->hooks, *hook;
    while ((hook = *at)) {
        if (hook->is_late && !is_late) {
            at = &hook->next;
            continue;
        }
        *at = hook->next;
        hook->close(loop, hook);
        at = &loop->hooks; /* the hook may have added others */
    }
}

int asyncio_loop_close(asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    if (loop->running)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Cannot close a running event loop");
    if (loop->closed)
        return 0;
    loop->closed = true;
    loop->refs++;
    asyncio__overflow_enter(loop->overflow);
    call_hooks(loop, /* is_late= */ false);
    asyncio__inbox_close(loop->inbox);
    call_hooks(loop, /* is_late= */ true);
    int64_t now_ns = asyncio__loop_now(loop);
    drop_timers(loop);
    asyncio__loop_drop_ready(loop);
    loop->engine->class->close(loop->engine);
    loop->engine = NULL;
    asyncio__loop_drop_ready(loop);
    loop->is_virtual = true; /* the time does not change any more */
    loop->now_ns = now_ns;
    asyncio__heap_fini(&loop->timers);
    asyncio__overflow_leave(loop->overflow);
    asyncio__overflow_close(loop->overflow);
    loop->overflow = NULL;
    if (asyncio__stack_trim(ASYNCIO__STACKS_KEPT) > 0)
        asyncio__ignore((long)asyncio__memory_trim());
    asyncio_loop_unref(loop);
    return 0;
}

void asyncio__loop_free_if_unused(asyncio_loop_t *loop)
{
    if (loop->refs > 0 || loop->objects > 0)
        return;
    asyncio__ring_fini(&loop->ready);
    asyncio__heap_fini(&loop->timers);
    asyncio__inbox_unref(loop->inbox);
    asyncio__free(loop, sizeof(*loop));
}

asyncio_loop_t *asyncio_loop_ref(asyncio_loop_t *loop)
{
    if (loop)
        loop->refs++;
    return loop;
}

void asyncio_loop_unref(asyncio_loop_t *loop)
{
    if (!loop || --loop->refs > 0)
        return;
    if (!loop->closed) {
        loop->refs = 1; /* while it is being closed */
        if (asyncio_loop_close(loop) < 0)
            return; /* running, or in a forked child: leaked rather than damaged */
        loop->refs = 0;
    }
    asyncio__loop_free_if_unused(loop);
}

/* --- running ------------------------------------------------------------------------------- */

double asyncio_loop_time(const asyncio_loop_t *loop)
{
    return asyncio__seconds(loop ? asyncio__loop_now(loop) : asyncio__clock_now());
}

/* Returns how long the next wait may be: 0, up to a day, or -1 without a limit. */
static int64_t wait_limit(asyncio_loop_t *loop)
{
    if (asyncio__ring_count(&loop->ready) > 0 || loop->stopping)
        return 0;
    const struct asyncio__heap_entry *first = asyncio__heap_first(&loop->timers);
    if (!first)
        return -1;
    int64_t left_ns = first->when_ns - asyncio__loop_now(loop);
    return left_ns < 0 ? 0 : left_ns < LONGEST_WAIT_NS ? left_ns : LONGEST_WAIT_NS;
}

/* What the program has asked of the engine so far, plus 1 so that it is not 0. */
static uint64_t activity(const asyncio_loop_t *loop)
{
    return loop->engine->submitted + loop->engine->inlined + 1;
}

/*
 * Moves the virtual clock to the first timer, if nothing else can happen before; else returns how
 * long to wait.
 *
 * Jobs of other threads hold the clock. So does the kernel, while operations are in flight, until a
 * short real wait has brought nothing; then the clock may jump as often as it likes, until there is
 * a completion or a new operation.
 */
static int64_t virtual_wait(asyncio_loop_t *loop, int64_t limit_ns)
{
    if (limit_ns == 0)
        return 0;
    if (loop->jobs > 0 || !asyncio__inbox_is_empty(loop->inbox))
        return -1;
    bool has_io = loop->engine->in_flight > 0;
    if (limit_ns < 0)
        return has_io ? -1 : ASYNCIO_EDEADLOOP;
    if (has_io && loop->quiet_mark != activity(loop))
        return QUIET_WAIT_NS;
    loop->now_ns = asyncio__heap_first(&loop->timers)->when_ns;
    return 0;
}

/* The turns that have run since the last poll, without the one that began with it. */
static uint32_t turns_since_poll(const asyncio__pace_t *pace)
{
    return pace->allowed - pace->turns_left - pace->turns_more;
}

/* Decides how many turns may run until the next poll: as many as lately took the budget. */
static void pace_turns(asyncio__pace_t *pace, uint32_t turns, bool has_waited)
{
    uint64_t ticks = asyncio__ticks_now(), spent = ticks - pace->poll_ticks;
    if (!has_waited) {
        uint32_t allowed = pace->allowed * 2;
        if (spent > pace->budget_ticks)
            allowed = (uint32_t)(pace->budget_ticks * (turns + 1) / spent);
        bool is_short = spent < pace->budget_ticks / ASYNCIO__SHORT_TURNS_SHARE;
        uint32_t most =
            is_short ? ASYNCIO__SHORT_TURNS_WITHOUT_POLL : ASYNCIO__TURNS_WITHOUT_POLL;
        if (allowed > most)
            allowed = most;
        pace->allowed = allowed > 0 ? allowed : 1; /* 0 could not grow again */
    }
    pace->poll_ticks = ticks;
    /* The turn that begins now counts too. */
    const uint32_t most = ASYNCIO__TURNS_WITHOUT_TICKS - 1;
    pace->turns_left = pace->allowed < most ? pace->allowed : most;
    pace->turns_more = pace->allowed - pace->turns_left;
}

/* Before a wait: returns memory of a peak to the kernel. Returns how long the wait may be: shorter
 * if there will be more to return. */
static int64_t trim_before_wait(const asyncio_loop_t *loop, int64_t timeout_ns)
{
    int64_t more_ns = asyncio__stack_trim_idle(loop->now_ns);
    return more_ns >= 0 && (timeout_ns < 0 || more_ns < timeout_ns) ? more_ns : timeout_ns;
}

/* Counts the turns and steps since the last poll, which costs less than counting each. */
static void count_turns(asyncio_loop_t *loop, uint32_t turns)
{
    asyncio__counts_t *counts = &loop->counts;
    counts->polls++;
    counts->turns += turns + 1;
    counts->steps += loop->ready.head - counts->last_head;
    counts->last_head = loop->ready.head;
}

static void flush(asyncio_loop_t *loop)
{
    /* Only what is listed now: a flush that lists itself again runs at the next poll. */
    asyncio__list_t now;
    asyncio__list_init(&now);
    asyncio__list_move(&loop->flushes, &now);
    while (!asyncio__list_is_empty(&now)) {
        asyncio__flush_t *flush = ASYNCIO__CONTAINER(now.next, asyncio__flush_t, link);
        asyncio__loop_flush_cancel(flush);
        flush->run(flush);
    }
}

/* Takes what other threads have posted, and waits for the kernel for at most timeout_ns. Inline in
 * every poll that nothing pauses. */
static inline __attribute__((always_inline)) int wait_for_events(asyncio_loop_t *loop,
                                                                 int64_t timeout_ns,
                                                                 bool *ret_waited)
{
    asyncio__inbox_t *inbox = loop->inbox;
    asyncio__inbox_take(inbox);
    if (timeout_ns != 0 && inbox->is_stream && asyncio__ring_count(&loop->ready) == 0)
        asyncio__inbox_gather(inbox);
    if (timeout_ns != 0 && loop->jobs > 0 && asyncio__ring_count(&loop->ready) == 0)
        asyncio__inbox_expect(inbox);
    if (timeout_ns != 0 &&
        (asyncio__ring_count(&loop->ready) > 0 || !asyncio__inbox_sleep(inbox)))
        timeout_ns = 0;
    int rc = 0;
    if (timeout_ns != 0 || loop->engine->in_flight > 0 || loop->engine->is_foreign)
        rc = loop->engine->class->wait(loop->engine, timeout_ns);
    asyncio__inbox_awake(inbox);
    asyncio__inbox_take(inbox);
    *ret_waited = timeout_ns != 0;
    return rc < 0 ? asyncio__fail(rc, "the engine has failed") : 0;
}

static ASYNCIO__COLD int pause_and_wait(asyncio_loop_t *loop, int64_t timeout_ns, bool *ret_waited)
{
    asyncio__pause_t *pause = loop->pause;
    pause->leave(pause, timeout_ns != 0);
    int rc = wait_for_events(loop, timeout_ns, ret_waited);
    int entered = pause->enter(pause);
    return rc < 0 ? rc : entered;
}

/* In an observed loop: the time of a poll that began at before_ns, and how late a timer is. */
static ASYNCIO__COLD void note_poll(asyncio_loop_t *loop, int64_t before_ns)
{
    loop->times.wait_ns += asyncio__clock_now() - before_ns;
    const struct asyncio__heap_entry *first = asyncio__heap_first(&loop->timers);
    if (first && loop->now_ns - first->when_ns > loop->times.longest_lag_ns)
        loop->times.longest_lag_ns = loop->now_ns - first->when_ns;
}

/* Waits for the kernel until something can be run, and makes ready what came. */
static int poll_once(asyncio_loop_t *loop)
{
    int64_t before_ns = ASYNCIO__UNLIKELY(loop->is_observed) ? asyncio__clock_now() : 0;
    if (ASYNCIO__UNLIKELY(!asyncio__list_is_empty(&loop->flushes)))
        flush(loop);
    int64_t timeout_ns = wait_limit(loop);
    if (loop->is_virtual) {
        timeout_ns = virtual_wait(loop, timeout_ns);
        if (timeout_ns == ASYNCIO_EDEADLOOP)
            return asyncio__fail(ASYNCIO_EDEADLOOP,
                                 "nothing can wake the loop: no timer, no I/O, no job");
    }
    if (ASYNCIO__UNLIKELY(asyncio__stack_has_many) && timeout_ns != 0 && !loop->is_virtual)
        timeout_ns = trim_before_wait(loop, timeout_ns);
    uint32_t turns = turns_since_poll(&loop->pace), scheduled = loop->ready.tail;
    bool has_waited;
    count_turns(loop, turns);
    int rc = ASYNCIO__UNLIKELY(loop->pause != NULL)
                 ? pause_and_wait(loop, timeout_ns, &has_waited)
                 : wait_for_events(loop, timeout_ns, &has_waited);
    if (rc < 0)
        return rc;
    loop->counts.waits += has_waited;
    if (loop->is_virtual) {
        if (loop->ready.tail != scheduled)
            loop->quiet_mark = 0;
        else if (timeout_ns > 0)
            loop->quiet_mark = activity(loop);
    } else {
        pace_turns(&loop->pace, turns, has_waited);
        if (has_waited || asyncio__heap_first(&loop->timers))
            loop->now_ns = asyncio__clock_now();
    }
    if (ASYNCIO__UNLIKELY(before_ns != 0))
        note_poll(loop, before_ns);
    asyncio__timers_expire(loop);
    return 0;
}

int asyncio__loop_rest(asyncio_loop_t *loop)
{
    asyncio__engine_t *engine = loop->engine;
    if (!asyncio__list_is_empty(&loop->flushes))
        flush(loop);
    int rc =
        engine->is_batching && engine->in_flight > 0 ? engine->class->wait(engine, 0) : 0;
    if (engine->class->rest)
        engine->class->rest(engine);
    return rc;
}

/* Runs the items of a turn, and measures them. */
static ASYNCIO__COLD void run_observed(asyncio_loop_t *loop)
{
    uint32_t items = loop->todo;
    int64_t begin_ns = asyncio__turn_begin(loop);
    while (loop->todo > 0) {
        loop->todo--;
        asyncio__run_timed(loop, asyncio__ring_pop(&loop->ready));
    }
    asyncio__turn_end(loop, begin_ns, items);
}

static int run_turn(asyncio_loop_t *loop)
{
    ASYNCIO__STOP_EXCEPTIONS(); /* from callbacks */
    if (!asyncio__loop_next_turn_quickly(loop)) {
        int rc = poll_once(loop);
        if (rc < 0)
            return rc;
        loop->todo = asyncio__ring_count(&loop->ready);
    }
    if (ASYNCIO__UNLIKELY(loop->is_observed))
        run_observed(loop);
    while (loop->todo > 0) {
        loop->todo--;
        asyncio__ready_t *item = asyncio__ring_pop(&loop->ready);
        item->run(item);
    }
    if (ASYNCIO__UNLIKELY(loop->fork_generation != asyncio__fork_generation))
        return ASYNCIO_ERUNTIME;
    return 0;
}

/* A loop belongs to the thread that runs it first: so do its engine and stacks. */
static int begin_running(asyncio_loop_t *loop)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (loop->running)
        return asyncio__fail(ASYNCIO_ERUNTIME, "This event loop is already running");
    if (asyncio__running_loop())
        return asyncio__fail(ASYNCIO_ERUNTIME,
                             "Cannot run the event loop while another loop is running");
    if (loop->thread && loop->thread != &asyncio__thread && !loop->may_move)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the loop belongs to the thread that ran it first");
    loop->thread = &asyncio__thread;
    return 0;
}

static int run(asyncio_loop_t *loop)
{
    int rc;
    loop->running = true;
    loop->refs++; /* a callback may drop the last reference */
    asyncio__thread.running_loop = loop;
    /* Callbacks have contexts of their own: what was set outside the loop is not set in them. */
    void *context = asyncio__thread.own.context;
    asyncio__thread.own.context = NULL;
    asyncio__pace_poll_next(&loop->pace);
    asyncio__quarantine_t quarantine;
    if (ASYNCIO__UNLIKELY(loop->debug))
        asyncio__quarantine_begin(&quarantine);
    asyncio__overflow_enter(loop->overflow);
    do
        rc = run_turn(loop);
    while (rc == 0 && !loop->stopping);
    asyncio__overflow_leave(loop->overflow);
    loop->stopping = false;
    loop->running = false;
    asyncio__thread.running_loop = NULL;
    asyncio__quarantine_end();
    asyncio__context_forget();
    asyncio__thread.own.context = context;
    asyncio_loop_unref(loop);
    return rc;
}

/* Runs a loop in a task of another one: a forked child has left that one, and may return later.
 * asyncio allows this, because get_running_loop() returns None in the child: multiprocessing may
 * fork inside a task, and its target may call asyncio.run(). */
static ASYNCIO__COLD int run_in_task(asyncio_loop_t *loop)
{
    asyncio__thread_t former = asyncio__thread;
    asyncio__fiber_t former_root = asyncio__root;
    asyncio__thread.task = NULL;
    asyncio__thread.locals = NULL;
    asyncio__thread.quarantine = NULL;
    int rc = run(loop);
    asyncio_error_t *error = rc < 0 ? asyncio__error_take_of(rc) : NULL;
    asyncio__root = former_root;
    asyncio__thread.task = former.task;
    asyncio__thread.locals = former.locals;
    asyncio__thread.quarantine = former.quarantine;
    return rc < 0 ? asyncio__fail_with(rc, error) : rc;
}

int asyncio_loop_run_forever(asyncio_loop_t *loop)
{
    int rc = begin_running(loop);
    if (rc < 0)
        return rc;
    return ASYNCIO__UNLIKELY(asyncio__thread.task != NULL) ? run_in_task(loop) : run(loop);
}

void asyncio_loop_stop(asyncio_loop_t *loop)
{
    if (asyncio__loop_check_thread(loop) == 0)
        loop->stopping = true;
}

bool asyncio_loop_is_running(const asyncio_loop_t *loop)
{
    return loop && loop->running && loop->fork_generation == asyncio__fork_generation;
}

bool asyncio_loop_is_closed(const asyncio_loop_t *loop)
{
    return !loop || loop->closed;
}
