/* SPDX-License-Identifier: MIT */
/*
 * The loop inside the library: what is ready, the timers, and the turn.
 *
 * What can be ready embeds an asyncio__ready_t. A slot in the ready queue is reserved when such a
 * thing is made, so that scheduling it cannot fail:
 *
 *     rc = asyncio__loop_reserve(loop, 1);                 when it is made
 *     asyncio__loop_schedule(loop, &thing->ready);         whenever it is not scheduled
 *     asyncio__loop_release(loop, 1);                      when it ends
 *
 * The loop knows nothing of tasks: it keeps a list for them, and calls hooks at its close.
 */
#ifndef ASYNCIO__LOOP_LOOP_H
#define ASYNCIO__LOOP_LOOP_H

#include <asyncio/loop.h>
#include <pthread.h>

#include "base/compiler.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/ring.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "engine/engine.h"
#include "loop/inbox.h"

/* Something that the loop runs: embedded, and found again from its address. */
typedef struct asyncio__ready {
    void (*run)(struct asyncio__ready *self);
} asyncio__ready_t;

/* A deadline that makes something ready; see timer.h. */
typedef struct asyncio__timer asyncio__timer_t;

/* What an upper layer has done when a loop closes, in the order: latest first. */
typedef struct asyncio__loop_hook {
    void (*close)(asyncio_loop_t *loop, struct asyncio__loop_hook *hook);
    struct asyncio__loop_hook *next;
} asyncio__loop_hook_t;

/*
 * While something is ready, there is a poll every 64 turns or half a millisecond. The time-stamp
 * counter is read every 8 turns: so when turns suddenly become long, a timer, I/O or another
 * thread waits for at most 8 of them.
 */
#define ASYNCIO__TURNS_WITHOUT_POLL   63 /* behind the one that begins with a poll */
#define ASYNCIO__TURNS_WITHOUT_TICKS  8

typedef struct asyncio__pace {
    uint32_t turns_left;   /* turns until the counter is read, or the next poll */
    uint32_t turns_more;   /* turns that may follow them before the next poll */
    uint32_t allowed;      /* turns between polls: adapts to how long turns take */
    uint64_t poll_ticks;   /* the counter at the last poll */
    uint64_t budget_ticks; /* between polls: half a millisecond, or less */
} asyncio__pace_t;

#define ASYNCIO__SPARE_CALLS 4 /* rows of calls that a loop keeps */

struct asyncio_loop {
    asyncio__ring_t ready;     /* asyncio__ready_t pointers */
    uint32_t todo;             /* how many of them are left of this turn */
    asyncio__pace_t pace;      /* when the next poll is due */
    bool stopping;             /* return at the end of the turn */
    bool running;              /* inside run_forever() */
    bool closed;               /* close() has begun */
    bool debug;                /* slow callbacks are reported */
    bool is_virtual;           /* now_ns is the clock, and jumps */
    uint8_t engine_kind;       /* asyncio_engine_t */
    int64_t now_ns;            /* the virtual clock; else when a poll last looked at timers */
    asyncio__engine_t *engine; /* NULL once closed */
    asyncio__inbox_t *inbox;   /* a reference */
    _Atomic(struct asyncio__calls *) spare_calls[ASYNCIO__SPARE_CALLS]; /* of calls.c */
    asyncio__heap_t timers;    /* of asyncio__timer_t */
    long jobs;                 /* work in other threads that will come back by the inbox */
    long refs;                 /* the program's references */
    long objects;              /* futures and coroutines whose memory needs this record */
    asyncio__list_t tasks;     /* pending tasks, in order of creation; of the task layer */
    asyncio__list_t watches;   /* add_reader() and add_writer(); see watch.c */
    uint8_t *claimed;          /* a bit for each descriptor that a socket uses here */
    size_t claimed_bytes;      /* of claimed */
    asyncio__loop_hook_t *hooks;      /* called at close */
    asyncio__loop_hook_t *task_hook;  /* of the task layer: among them, or NULL */
    struct asyncio__executor_state *executors; /* of the executor layer; NULL: none was needed */
    int64_t slow_ns;                  /* in debug mode, what takes so long is reported */
    int64_t told_ns;                  /* of it, what was reported or timed inside an item */
    asyncio__thread_t *thread;        /* whose it is, once it has run; NULL before */
    struct asyncio__signals *signals; /* what it watches, or NULL; see signal.c */
    unsigned fork_generation;         /* of the process that made it */
    atomic_bool debug_elsewhere;      /* for other threads: apart from what the loop writes */
    size_t stack_bytes;               /* of coroutines that do not say */
    asyncio_exception_handler_t *exception_handler; /* NULL: the default */
    void *exception_arg;                            /* passed to it */
    struct asyncio__overflow *overflow;             /* reports stack overflows; NULL: not wanted */
    char engine_reason[64];                         /* why it runs on its engine */
    asyncio__ready_t nothing;                       /* in the place of what was taken back */
};

static inline int asyncio__loop_reserve(asyncio_loop_t *loop, uint32_t count)
{
    return asyncio__ring_reserve(&loop->ready, count);
}

static inline void asyncio__loop_release(asyncio_loop_t *loop, uint32_t count)
{
    asyncio__ring_release(&loop->ready, count);
}

/* Puts it at the end of the ready queue; answers its position. */
static inline uint32_t asyncio__loop_schedule(asyncio_loop_t *loop, asyncio__ready_t *item)
{
    return asyncio__ring_push(&loop->ready, item);
}

/* Takes back what was scheduled at that position and has not run. */
void asyncio__loop_unschedule(asyncio_loop_t *loop, uint32_t position);

/* May this thread use the loop: 0, or ASYNCIO_ERUNTIME with a message (closed, forked, another
 * thread's); -EINVAL for NULL. */
int asyncio__loop_check(const asyncio_loop_t *loop);

/* The same for what is allowed on a closed loop. */
int asyncio__loop_check_thread(const asyncio_loop_t *loop);

/* The same where the loop is mostly the one that runs here: that costs one comparison. */
static inline int asyncio__loop_check_here(const asyncio_loop_t *loop)
{
    return ASYNCIO__LIKELY(asyncio__thread.running_loop == loop) ? 0
                                                                : asyncio__loop_check_thread(loop);
}

/* The clock, in nanoseconds. */
int64_t asyncio__loop_now(const asyncio_loop_t *loop);

/* The memory of the loop is needed by one object more, or less; the loop may be closed all the
 * same. NULL is ignored. */
static inline asyncio_loop_t *asyncio__loop_hold(asyncio_loop_t *loop)
{
    loop->objects++;
    return loop;
}
void asyncio__loop_free_if_unused(asyncio_loop_t *loop);
static inline void asyncio__loop_drop_object(asyncio_loop_t *loop)
{
    if (loop && --loop->objects == 0)
        asyncio__loop_free_if_unused(loop);
}

void asyncio__loop_add_hook(asyncio_loop_t *loop, asyncio__loop_hook_t *hook);
void asyncio__loop_remove_hook(asyncio_loop_t *loop, asyncio__loop_hook_t *hook);

/* Tells the exception handler of an error; any of the pointers may be NULL. */
void asyncio__loop_report(asyncio_loop_t *loop, const char *message, int code,
                          asyncio_error_t *error, asyncio_future_t *future, const char *place,
                          const char *name);

/* Exchanges who is told of what belongs to no loop. */
void asyncio__swap_process_handler(asyncio_exception_handler_t **handler, void **arg);

/* Calls a callback in a context, or in an empty one for NULL; outside of tasks. */
void asyncio__loop_call_in(asyncio_loop_t *loop, asyncio_context_t *context,
                           asyncio_callback_t *fn, void *arg);

/* The same in parts: asyncio__context_begin(), or a report and false. */
bool asyncio__loop_enter(asyncio_loop_t *loop, void **word, void **ret_former);

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

/* Has the loop poll before the next turn. */
static inline void asyncio__pace_poll_next(asyncio__pace_t *pace)
{
    pace->turns_left = 0;
    pace->turns_more = 0;
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

/* One poll: waits for the kernel as long as `wait` allows, and makes ready what came. */
int asyncio__loop_poll(asyncio_loop_t *loop, bool wait);

/* At close: what is ready runs, finds the loop closed, and only lets go of what it holds. */
void asyncio__loop_drop_ready(asyncio_loop_t *loop);

/* A socket begins (0 or -ENOMEM) or ends to use a descriptor here: it cannot be watched. */
int asyncio__loop_claim(asyncio_loop_t *loop, int fd);
void asyncio__loop_unclaim(asyncio_loop_t *loop, int fd);

/* Ends watches; of watch.c. */
void asyncio__loop_close_watches(asyncio_loop_t *loop);

#endif
