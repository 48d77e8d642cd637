/* SPDX-License-Identifier: MIT */
/*
 * Signals: one handler for the process, a table of who watches what, and a doorbell a loop.
 *
 * The handler sets a bit in the record of each loop that watches the signal and rings that loop's
 * remote: no lock, no allocation, and nothing that could overflow. It walks through a list that
 * others change under a lock; a record that was taken out of it is freed when no handler is inside
 * any more. The loop takes all bits at once and calls what stands for them.
 *
 *     on_signal, any thread               the loop's thread
 *     pending |= bit; post the remote     posted = false; bits = pending, pending = 0; call each
 *
 * It knows nothing of tasks. What the program had installed before is kept, and brought back.
 */
#include "loop/signal.h"

#include <asyncio/remote.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/syscalls.h"
#include "loop/debug.h"

#define SIGNALS 64 /* numbers from 1 */

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the handler takes no lock");

/* What a loop calls for one signal. */
struct watch {
    asyncio_callback_t *fn; /* NULL: not watched */
    void *arg;              /* passed to it */
    const char *place;      /* where the watch was made */
    asyncio_context_t *context; /* in which it runs; a reference, or NULL */
};

/* What a loop watches. */
typedef struct asyncio__signals {
    _Atomic(struct asyncio__signals *) next; /* in the table's list */
    _Atomic uint64_t wanted;                 /* bits of the signals that are watched */
    _Atomic uint64_t pending;                /* bits of those that came and were not called */
    asyncio_remote_t remote;                 /* rings the loop */
    asyncio_loop_t *loop;                    /* which; in its thread only */
    struct watch watches[SIGNALS];           /* by number - 1; the loop's thread only */
} signals_t;

/* The process's table. The handler reads the list, `inside` and `process`, and what was there
 * before where it runs in a child; all else is under the lock. */
static struct {
    pthread_mutex_t lock;            /* over all but what the handler reads */
    _Atomic(signals_t *) first;      /* of each loop that watches something */
    atomic_uint inside;              /* handlers that run now */
    _Atomic pid_t process;           /* whose table it is; 0 before it is used */
    unsigned counts[SIGNALS];        /* loops that watch a signal; > 0: its handler is ours */
    struct sigaction former[SIGNALS]; /* what was there before */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t bit_of(int signo)
{
    return UINT64_C(1) << (signo - 1);
}

/* --- the handler --------------------------------------------------------------------------- */

static void on_signal(int signo)
{
    int saved = errno;
    if (getpid() != atomic_load(&table.process)) {
        /* A child that has not got as far as the fork hook, or shares our memory (vfork): the
         * signal is its own, and waits until this handler returns. */
        asyncio__ignore(asyncio__sys.sigaction(signo, &table.former[signo - 1], NULL));
        asyncio__ignore(raise(signo));
        errno = saved;
        return;
    }
    /* Sequentially consistent with wait_for_handlers(): either it sees that we are inside, or we
     * see the list without what was taken out. */
    atomic_fetch_add(&table.inside, 1);
    for (signals_t *signals = atomic_load(&table.first); signals;
         signals = atomic_load(&signals->next)) {
        if (!(atomic_load(&signals->wanted) & bit_of(signo)))
            continue;
        /* Before the post, which may find one under way: that one then sees the bit. */
        atomic_fetch_or(&signals->pending, bit_of(signo));
        asyncio__ignore(asyncio_remote_post(&signals->remote));
    }
    atomic_fetch_sub(&table.inside, 1);
    errno = saved;
}

static void wait_for_handlers(void)
{
    while (atomic_load(&table.inside) > 0)
        sched_yield();
}

static void call(const signals_t *signals, const struct watch *watch)
{
    if (ASYNCIO__UNLIKELY(signals->loop->debug))
        asyncio__call_timed(signals->loop, watch->fn, watch->arg, watch->place);
    else
        watch->fn(watch->arg);
}

static void call_in_context(const signals_t *signals, const struct watch *watch)
{
    /* A reference for the call, which may end the watch. */
    void *word = asyncio_context_ref(watch->context), *former;
    if (asyncio__loop_enter(signals->loop, &word, &former)) {
        call(signals, watch);
        asyncio__context_end(&word, former);
    }
    asyncio__context_drop(word);
}

/* In the loop's thread. A callback may end any watch, and begin others. */
static void call_pending(void *arg)
{
    signals_t *signals = arg;
    uint64_t came = atomic_exchange(&signals->pending, 0);
    for (int signo = 1; signo <= SIGNALS; signo++) {
        struct watch watch = signals->watches[signo - 1];
        if (!(came & bit_of(signo)) || !watch.fn)
            continue;
        if (asyncio__uses(ASYNCIO__USES_CONTEXTS))
            call_in_context(signals, &watch);
        else
            call(signals, &watch);
    }
}

/* --- dispositions; under the lock ---------------------------------------------------------- */

static int install(int signo, void (*handler)(int), struct sigaction *ret_former)
{
    /* On the alternative stack, where the thread has one: stacks of coroutines are small. */
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    asyncio__ignore(sigfillset(&action.sa_mask));
    /* Asked first: a child that is forked in between must find it. */
    if (ret_former && asyncio__sys.sigaction(signo, NULL, ret_former) < 0)
        return -errno;
    return asyncio__sys.sigaction(signo, &action, NULL) < 0 ? -errno : 0;
}

static bool is_installed(int signo, void (*handler)(int))
{
    struct sigaction action;
    return asyncio__sys.sigaction(signo, NULL, &action) == 0 &&
           !(action.sa_flags & SA_SIGINFO) && action.sa_handler == handler;
}

static int begin_watch(int signo)
{
    atomic_store(&table.process, getpid());
    if (table.counts[signo - 1] == 0) {
        int rc = install(signo, on_signal, &table.former[signo - 1]);
        if (rc < 0)
            return rc;
    }
    table.counts[signo - 1]++;
    return 0;
}

static void end_watch(int signo)
{
    if (--table.counts[signo - 1] == 0 && is_installed(signo, on_signal))
        asyncio__ignore(asyncio__sys.sigaction(signo, &table.former[signo - 1], NULL));
}

void asyncio__signals_forget(void)
{
    /* The thread that forked is the only one, and another may have had the lock. */
    asyncio__ignore(pthread_mutex_init(&table.lock, NULL));
    for (int signo = 1; signo <= SIGNALS; signo++) {
        if (table.counts[signo - 1] > 0 && is_installed(signo, on_signal))
            asyncio__ignore(asyncio__sys.sigaction(signo, &table.former[signo - 1], NULL));
        table.counts[signo - 1] = 0;
    }
    atomic_store(&table.first, NULL);
    atomic_store(&table.inside, 0);
    atomic_store(&table.process, 0);
}

void asyncio__signal_default(int signo)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    asyncio__ignore(sigemptyset(&action.sa_mask));
    asyncio__ignore(asyncio__sys.sigaction(signo, &action, NULL));
}

bool asyncio__signal_take(int signo, void (*handler)(int signo))
{
    asyncio__fork_watch();
    pthread_mutex_lock(&table.lock);
    bool is_taken = is_installed(signo, SIG_DFL) && install(signo, handler, NULL) == 0;
    pthread_mutex_unlock(&table.lock);
    return is_taken;
}

void asyncio__signal_give_back(int signo, void (*handler)(int signo))
{
    pthread_mutex_lock(&table.lock);
    struct sigaction *former = &table.former[signo - 1];
    if (is_installed(signo, handler))
        asyncio__signal_default(signo);
    else if (table.counts[signo - 1] > 0 && !(former->sa_flags & SA_SIGINFO) &&
             former->sa_handler == handler)
        former->sa_handler = SIG_DFL;
    pthread_mutex_unlock(&table.lock);
}

/* --- watches ------------------------------------------------------------------------------- */

/* The numbers that a program may use: not those that libc keeps for itself. */
static bool is_signal(int signo)
{
    sigset_t all;
    asyncio__ignore(sigfillset(&all));
    return signo >= 1 && signo <= SIGNALS && sigismember(&all, signo) == 1;
}

static int make(asyncio_loop_t *loop)
{
    signals_t *signals = asyncio__calloc(sizeof(*signals));
    if (!signals)
        return -ENOMEM;
    int rc = asyncio_remote_init(&signals->remote, loop, call_pending, signals);
    if (rc < 0) {
        asyncio__free(signals, sizeof(*signals));
        return rc;
    }
    signals->loop = loop;
    loop->signals = signals;
    pthread_mutex_lock(&table.lock);
    atomic_store(&signals->next, atomic_load(&table.first));
    atomic_store(&table.first, signals);
    pthread_mutex_unlock(&table.lock);
    return 0;
}

int asyncio_loop_add_signal_handler_at(asyncio_loop_t *loop, int signo, asyncio_callback_t *fn,
                                       void *arg, const char *place)
{
    int rc = asyncio__loop_check(loop);
    if (rc < 0)
        return rc;
    if (!fn || !is_signal(signo))
        return asyncio__fail(-EINVAL, fn ? "invalid signal number" : "no callback was given");
    if (!loop->signals && (rc = make(loop)) < 0)
        return asyncio__fail(rc, NULL);
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && !(context = asyncio_copy_context()))
        return asyncio__fail(asyncio_errno(), NULL);
    signals_t *signals = loop->signals;
    struct watch *watch = &signals->watches[signo - 1];
    if (!watch->fn) {
        /* Wanted before it is caught: else one that comes in between would be lost. */
        atomic_fetch_or(&signals->wanted, bit_of(signo));
        pthread_mutex_lock(&table.lock);
        rc = begin_watch(signo);
        pthread_mutex_unlock(&table.lock);
        if (rc < 0) {
            atomic_fetch_and(&signals->wanted, ~bit_of(signo));
            asyncio_context_unref(context);
            return asyncio_raise(ASYNCIO_ERUNTIME, "sig %d cannot be caught", signo);
        }
    }
    asyncio_context_t *former = watch->context;
    *watch = (struct watch){fn, arg, place, context};
    asyncio_context_unref(former);
    return 0;
}

static void remove_watch(signals_t *signals, int signo)
{
    atomic_fetch_and(&signals->wanted, ~bit_of(signo));
    atomic_fetch_and(&signals->pending, ~bit_of(signo));
    struct watch *watch = &signals->watches[signo - 1];
    watch->fn = NULL;
    asyncio_context_unref(watch->context);
    watch->context = NULL;
    pthread_mutex_lock(&table.lock);
    end_watch(signo);
    pthread_mutex_unlock(&table.lock);
}

int asyncio_loop_remove_signal_handler(asyncio_loop_t *loop, int signo)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    if (!is_signal(signo))
        return asyncio__fail(-EINVAL, "invalid signal number");
    signals_t *signals = loop->signals;
    if (!signals || !signals->watches[signo - 1].fn)
        return 0;
    remove_watch(signals, signo);
    return 1;
}

void asyncio__signals_close(asyncio_loop_t *loop)
{
    signals_t *signals = loop->signals;
    if (!signals)
        return;
    for (int signo = 1; signo <= SIGNALS; signo++)
        if (signals->watches[signo - 1].fn)
            remove_watch(signals, signo);
    pthread_mutex_lock(&table.lock);
    _Atomic(signals_t *) *at = &table.first;
    while (atomic_load(at) != signals)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&signals->next));
    pthread_mutex_unlock(&table.lock);
    wait_for_handlers();
    loop->signals = NULL;
    asyncio_remote_fini(&signals->remote);
    asyncio__free(signals, sizeof(*signals));
}
