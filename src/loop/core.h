/* SPDX-License-Identifier: MIT */
/*
 * The core of the loop: the record itself, the ready queue, and when the next poll is due.
 *
 * Whatever can be ready embeds an asyncio__ready_t. It reserves a slot of the ready queue when it
 * is made, so that scheduling it cannot fail:
 *
 *     rc = asyncio__loop_reserve(loop, 1);                 when it is made
 *     asyncio__loop_schedule(loop, &thing->ready);         whenever it is not scheduled
 *     asyncio__loop_release(loop, 1);                      when it ends
 *
 * Every file of this folder stands on this header, which includes none of them:
 *
 *     core.h   <- timer, inbox, report        what a turn needs
 *              <- check, debug, choose_engine
 *              <- loop.h, loop.c              the turn: new, run, stop, close
 *              <- callback, handle, calls, remote, signal, watches ...   what runs in turns
 *
 * The loop knows nothing of tasks: a layer above keeps its own record in a field of its own type,
 * and ends it by a hook when the loop is closed.
 */
#ifndef ASYNCIO__LOOP_CORE_H
#define ASYNCIO__LOOP_CORE_H

#include <asyncio/loop.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/ring.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "engine/engine.h"
#include "loop/inbox.h"

/* Something that the loop runs: embedded in its owner, which is found from its address. */
typedef struct asyncio__ready {
    void (*run)(struct asyncio__ready *self);
} asyncio__ready_t;

/* A deadline that makes something ready; see timer.h. */
typedef struct asyncio__timer asyncio__timer_t;

/* What is done when a loop is closed: the latest hook first. */
typedef struct asyncio__loop_hook {
    void (*close)(asyncio_loop_t *loop, struct asyncio__loop_hook *hook);
    struct asyncio__loop_hook *next; /* added before it */
    bool is_late;                    /* called after the inbox has been closed */
} asyncio__loop_hook_t;

/* Work that is collected and done once before the next poll, such as queued writes. */
typedef struct asyncio__flush {
    void (*run)(struct asyncio__flush *self); /* it is out of the list by then */
    asyncio__list_t link;                     /* in loop->flushes until it runs; zero at first */
} asyncio__flush_t;

/*
 * Called around everything in a poll that may block, so that another lock (Python's GIL) can be
 * released there. Between leave() and enter(), completions and posts only schedule ready items:
 * no callback runs. A negative code from enter() ends the run, which returns it.
 */
typedef struct asyncio__pause {
    void (*leave)(struct asyncio__pause *self, bool may_block);
    int (*enter)(struct asyncio__pause *self);
} asyncio__pause_t;

/*
 * While something is ready, there is a poll every 64 turns or half a millisecond; every 256 turns
 * while those take some microseconds together. The time-stamp counter is read every 8 turns: so
 * when turns suddenly become long, a timer, I/O or another thread waits for at most 8 of them.
 */
#define ASYNCIO__TURNS_WITHOUT_POLL   63  /* behind the one that begins with a poll */
#define ASYNCIO__SHORT_TURNS_WITHOUT_POLL 255
#define ASYNCIO__SHORT_TURNS_SHARE    25 /* of the budget: 4 to 20 microseconds are short */
#define ASYNCIO__TURNS_WITHOUT_TICKS  8

typedef struct asyncio__pace {
    uint32_t turns_left;   /* turns until the counter is read, or the next poll */
    uint32_t turns_more;   /* turns that may follow them before the next poll */
    uint32_t allowed;      /* turns between polls: adapts to how long turns take */
    uint64_t poll_ticks;   /* the counter at the last poll */
    uint64_t budget_ticks; /* between polls: half a millisecond, or less */
} asyncio__pace_t;

/* Counts of what a loop has done, up to its last poll. */
typedef struct asyncio__counts {
    uint64_t polls;     /* looks for completions, posts and timers */
    uint64_t waits;     /* polls that were allowed to block */
    uint64_t turns;     /* turns begun */
    uint64_t steps;     /* ready items run */
    uint32_t last_head; /* the head of the ready queue when steps was counted */
} asyncio__counts_t;

#define ASYNCIO__TURN_NAMES 3

/* How long turns take: in debug mode, or when asked for. */
typedef struct asyncio__times {
    bool is_wanted;          /* by asyncio_loop_set_timing() */
    int64_t wait_ns;         /* time in polls */
    int64_t run_ns;          /* time in turns */
    int64_t longest_turn_ns; /* the longest turn */
    int64_t longest_lag_ns;  /* the longest delay of a timer */
    int64_t item_ns;         /* of this turn: time in items that were reported as slow */
    char longest_names[96];  /* of the longest turn: its longest items */
    struct {
        int64_t spent_ns;
        char name[64];
    } top[ASYNCIO__TURN_NAMES]; /* of this turn: the longest items first */
} asyncio__times_t;

struct asyncio_loop {
    asyncio__ring_t ready; /* asyncio__ready_t pointers */
    uint32_t todo;         /* items of it that still belong to this turn */
    bool stopping;         /* return at the end of the turn */
    bool running;          /* inside run_forever() */
    bool closed;           /* close() has begun */
    bool is_observed;      /* every item is timed: in debug mode, or because times were asked for */
    bool debug;            /* debug mode */
    bool is_virtual;       /* now_ns is the clock, and jumps */
    bool may_move;         /* each run may be in another thread */
    uint8_t engine_kind;   /* asyncio_engine_t */
    asyncio__pace_t pace;  /* when the next poll is due */
    int64_t now_ns;        /* the virtual clock; else when a poll last looked at timers */
    asyncio__engine_t *engine;        /* NULL once closed */
    asyncio__inbox_t *inbox;          /* posts of other threads: a reference */
    asyncio__heap_t timers;           /* of asyncio__timer_t */
    asyncio__list_t flushes;          /* asyncio__flush_t: done before the next poll */
    asyncio__pause_t *pause;          /* called around waits; or NULL */
    asyncio__counts_t counts;         /* for asyncio_loop_get_stats() */
    uint64_t quiet_mark; /* the engine's activity when a wait for it last brought nothing; or 0 */
    long jobs;                        /* work in other threads whose outcome will be posted */
    long refs;                        /* the program's references */
    long objects;                     /* futures and coroutines whose memory needs this record */
    asyncio__loop_hook_t *hooks;      /* called at close */
    int64_t slow_ns;                  /* in debug mode, what takes this long is reported */
    int64_t told_ns;                  /* time of items that was reported or measured inside them */
    asyncio__thread_t *thread;        /* the thread that it belongs to once it has run; or NULL */
    unsigned fork_generation;         /* of the process that made it */
    atomic_bool debug_elsewhere;      /* debug, for other threads: not near what the loop writes */
    size_t stack_bytes;               /* of coroutines that do not say */
    uint32_t await_budget;            /* of task/budget.h: awaits in a row; 0: no limit */
    uint32_t budget_left;             /* of it, in this step */
    uint64_t budget_step;             /* which step that is */
    uint64_t file_step;               /* of src/file: the step that file_calls is about */
    uint32_t file_calls;              /* calls on files in that step, made at once */
    asyncio_exception_handler_t *exception_handler; /* NULL: the default */
    void *exception_arg;                            /* passed to it */
    struct asyncio__overflow *overflow;             /* reports stack overflows; or NULL */
    char engine_reason[64];                         /* why it runs on its engine */
    asyncio__times_t times;   /* for asyncio_loop_get_stats() and long turns */
    asyncio__ready_t nothing; /* replaces an item that was unscheduled; runs as a no-op */

    /* What other files and layers keep for a loop, each declared by its owner and NULL at first. */
    struct asyncio__signals *signals;        /* of signal.c */
    struct asyncio__watches *watches;        /* of watches.c */
    struct asyncio__task_layer *tasks;       /* of task/task.h */
    struct asyncio__executor_state *executors; /* of src/executor */
    struct asyncio__transport_layer *transport; /* of src/transport */
    struct asyncio__serving *serving;           /* of net/serving.h; while asyncio_serve() runs */
    struct asyncio__python_layer *python;       /* of src/python */
};

/* --- the ready queue ----------------------------------------------------------------------- */

static inline int asyncio__loop_reserve(asyncio_loop_t *loop, uint32_t count)
{
    return asyncio__ring_reserve(&loop->ready, count);
}

static inline void asyncio__loop_release(asyncio_loop_t *loop, uint32_t count)
{
    asyncio__ring_release(&loop->ready, count);
}

/* Appends an item to the ready queue and returns its position. */
static inline uint32_t asyncio__loop_schedule(asyncio_loop_t *loop, asyncio__ready_t *item)
{
    return asyncio__ring_push(&loop->ready, item);
}

/* Takes back the item that was scheduled at a position and has not run. The entry stays in the
 * queue as a no-op with a reservation of its own, because the item may now release its own. */
static inline void asyncio__loop_unschedule(asyncio_loop_t *loop, uint32_t position)
{
    asyncio__ring_replace(&loop->ready, position, &loop->nothing);
    loop->ready.reserved++;
}

/* --- turns --------------------------------------------------------------------------------- */

/* Has the loop poll before the next turn. */
static inline void asyncio__pace_poll_next(asyncio__pace_t *pace)
{
    pace->turns_left = 0;
    pace->turns_more = 0;
}

/* Whether more turns may run before the next poll: asked when turns_left is 0. */
static inline bool asyncio__pace_allows_more(asyncio__pace_t *pace)
{
    uint32_t more = pace->turns_more;
    if (more == 0 || asyncio__ticks_now() - pace->poll_ticks >= pace->budget_ticks)
        return false;
    pace->turns_left =
        more < ASYNCIO__TURNS_WITHOUT_TICKS ? more : ASYNCIO__TURNS_WITHOUT_TICKS;
    pace->turns_more = more - pace->turns_left;
    return true;
}

/* Begins the next turn without a poll, if that is allowed. Returns whether todo is not 0 now. */
static inline bool asyncio__loop_next_turn_quickly(asyncio_loop_t *loop)
{
    if (loop->stopping ||
        (loop->pace.turns_left == 0 && !asyncio__pace_allows_more(&loop->pace)))
        return false;
    loop->todo = asyncio__ring_count(&loop->ready);
    loop->pace.turns_left--;
    return loop->todo != 0;
}

/*
 * Ends the present turn behind the item that runs now, and the run with it: what else is ready
 * stays queued for the next run. For an item that cannot return an error (KeyboardInterrupt).
 */
static inline void asyncio__loop_abort_turn(asyncio_loop_t *loop)
{
    loop->todo = 0;
    asyncio__pace_poll_next(&loop->pace);
    loop->stopping = true;
}

/* After a run of a loop that may move to another thread: flushes, submits what the last turn left
 * to the engine, and has the engine let go of this thread. What completes at once becomes ready
 * for the next run. Returns 0, or -errno when the engine is broken. */
int asyncio__loop_rest(asyncio_loop_t *loop);

/* Has flush->run() called once before the next poll; a no-op if it is listed already. */
static inline void asyncio__loop_flush_later(asyncio_loop_t *loop, asyncio__flush_t *flush)
{
    if (!asyncio__list_is_member(&flush->link))
        asyncio__list_append(&loop->flushes, &flush->link);
}

static inline void asyncio__loop_flush_cancel(asyncio__flush_t *flush)
{
    asyncio__list_remove(&flush->link);
}

/* --- the record ---------------------------------------------------------------------------- */

/* The clock, in nanoseconds. */
static inline int64_t asyncio__loop_now(const asyncio_loop_t *loop)
{
    return loop->is_virtual ? loop->now_ns : asyncio__clock_now();
}

/* The loop that runs in this thread and was made in this process; or NULL. */
static inline asyncio_loop_t *asyncio__running_loop(void)
{
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    return loop && loop->fork_generation == asyncio__fork_generation ? loop : NULL;
}

static inline void asyncio__loop_add_hook(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    hook->next = loop->hooks;
    loop->hooks = hook;
}

/* Removes a hook that was added and not called. */
static inline void asyncio__loop_remove_hook(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    asyncio__loop_hook_t **at = &loop->hooks;
    while (*at && *at != hook)
        at = &(*at)->next;
    if (*at)
        *at = hook->next;
}

#endif
