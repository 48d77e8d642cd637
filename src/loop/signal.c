/* SPDX-License-Identifier: MIT */
/*
 * Signals: one handler for the process, a table of the loops that handle signals, and one remote
 * for each of them.
 *
 * The handler sets a bit in the record of each loop that handles the signal and posts that loop's
 * remote: no lock, no allocation, and nothing that could overflow. It walks through a list that
 * others change under a lock; a record that was removed from the list is freed when no handler is
 * running any more. The loop takes all bits at once and calls their callbacks.
 *
 *     on_signal, any thread               the loop's thread
 *     pending |= bit; post the remote     posted = false; bits = pending, pending = 0; call each
 *
 * The dispositions that the program had set before are kept and restored.
 */
#include "loop/signal.h"

#include <asyncio/remote.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/context.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/patience.h"
#include "base/syscalls.h"
#include "loop/callback.h"
#include "loop/check.h"
#include "loop/debug.h"

#define SIGNALS 64 /* numbers from 1 */

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the handler takes no lock");

/* What a loop calls for one signal. */
struct handler_call {
    asyncio_callback_t *fn; /* NULL: the signal is not handled */
    void *arg;              /* passed to it */
    const char *place;      /* where the handler was added */
    asyncio_context_t *context; /* the context it runs in: a reference, or NULL */
};

/* The signals that a loop handles. */
typedef struct asyncio__signals {
    asyncio__loop_hook_t hook;               /* ends them at close, after the inbox */
    _Atomic(struct asyncio__signals *) next; /* in the table's list */
    _Atomic uint64_t wanted;                 /* bits of the signals that are handled */
    _Atomic uint64_t pending;                /* bits of those that came and were not called yet */
    asyncio_remote_t remote;                 /* wakes the loop */
    asyncio_loop_t *loop;                    /* used in the loop's thread only */
    struct handler_call calls[SIGNALS];      /* by number - 1; the loop's thread only */
} signals_t;

/* The table of the process. The handler reads first, inside and process, and in a child former;
 * everything else is read and written under the lock. */
static struct {
    pthread_mutex_t lock;            /* for everything but what the handler reads */
    _Atomic(signals_t *) first;      /* the records of all loops */
    atomic_uint inside;              /* handlers that are running */
    _Atomic pid_t process;           /* the process that uses the table; 0: none */
    unsigned counts[SIGNALS];        /* loops that handle a signal; > 0: on_signal is set */
    struct sigaction former[SIGNALS]; /* the program's dispositions */
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
        /* A child before its fork hook has run, or one that shares this memory (vfork): restores
         * its own disposition. The signal is delivered to that when this handler returns. */
        asyncio__ignore(asyncio__sys.sigaction(signo, &table.former[signo - 1], NULL));
        asyncio__ignore(raise(signo));
        errno = saved;
        return;
    }
    /* Sequentially consistent with wait_for_handlers(): either it sees this handler inside, or the
     * handler sees the list without the record that was removed. */
    atomic_fetch_add(&table.inside, 1);
    for (signals_t *signals = atomic_load(&table.first); signals;
         signals = atomic_load(&signals->next)) {
        if (!(atomic_load(&signals->wanted) & bit_of(signo)))
            continue;
        /* Before the post: if one is pending already, its callback sees the bit. */
        atomic_fetch_or(&signals->pending, bit_of(signo));
        asyncio__ignore(asyncio_remote_post(&signals->remote));
    }
    atomic_fetch_sub(&table.inside, 1);
    errno = saved;
}

static void wait_for_handlers(void)
{
    uint32_t rounds = 0;
    while (atomic_load(&table.inside) > 0)
        asyncio__pause_or_sleep(&rounds);
}

static void call_handler(const signals_t *signals, const struct handler_call *watch)
{
    if (ASYNCIO__UNLIKELY(signals->loop->debug))
        asyncio__call_timed(signals->loop, watch->fn, watch->arg, watch->place);
    else
        watch->fn(watch->arg);
}

static void call_in_context(const signals_t *signals, const struct handler_call *watch)
{
    /* A reference for the duration of the call, which may remove the handler. */
    void *word = asyncio_context_ref(watch->context), *former;
    if (asyncio__loop_enter(signals->loop, &word, &former)) {
        call_handler(signals, watch);
        asyncio__context_end(&word, former);
    }
    asyncio__context_drop(word);
}

/* Runs in the loop's thread. A callback may remove and add any handlers. */
static void call_pending(void *arg)
{
    signals_t *signals = arg;
    uint64_t came = atomic_exchange(&signals->pending, 0);
    for (int signo = 1; signo <= SIGNALS; signo++) {
        struct handler_call watch = signals->calls[signo - 1];
        if (!(came & bit_of(signo)) || !watch.fn)
            continue;
        if (asyncio__uses(ASYNCIO__USES_CONTEXTS))
            call_in_context(signals, &watch);
        else
            call_handler(signals, &watch);
    }
}

/* --- dispositions; under the lock ---------------------------------------------------------- */

static int install(int signo, void (*handler)(int), struct sigaction *ret_former)
{
    /* On the alternative stack where the thread has one, because coroutine stacks are small. */
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    asyncio__ignore(sigfillset(&action.sa_mask));
    /* Read first: a child that is forked in between needs it. */
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

static int begin_handling(int signo)
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

static void end_handling(int signo)
{
    if (--table.counts[signo - 1] == 0 && is_installed(signo, on_signal))
        asyncio__ignore(asyncio__sys.sigaction(signo, &table.former[signo - 1], NULL));
}

/* In a forked child: restores the program's own dispositions. */
static void forget_signals(void)
{
    /* The thread that forked is the only one left; another one may have held the lock. */
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

static void (*next_fork_hook)(void);

static void on_fork(void)
{
    forget_signals();
    if (next_fork_hook)
        next_fork_hook();
}

__attribute__((constructor)) static void add_fork_hook(void)
{
    next_fork_hook = asyncio__fork_hook;
    asyncio__fork_hook = on_fork;
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

/* --- handlers of loops --------------------------------------------------------------------- */

/* Whether a program may use the signal: libc reserves some. */
static bool is_signal(int signo)
{
    sigset_t all;
    asyncio__ignore(sigfillset(&all));
    return signo >= 1 && signo <= SIGNALS && sigismember(&all, signo) == 1;
}

static void close_signals(asyncio_loop_t *loop, asyncio__loop_hook_t *hook);

static int make_signals(asyncio_loop_t *loop)
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
    signals->hook = (asyncio__loop_hook_t){.close = close_signals, .is_late = true};
    asyncio__loop_add_hook(loop, &signals->hook);
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
        return asyncio__fail(-EINVAL, fn ? "\"signo\" must be the number of a signal"
                                         : "\"fn\" must not be NULL");
    if (!loop->signals && (rc = make_signals(loop)) < 0)
        return asyncio__fail(rc, NULL);
    asyncio_context_t *context = NULL;
    if (asyncio__uses(ASYNCIO__USES_CONTEXTS) && !(context = asyncio_copy_context()))
        return asyncio__fail(asyncio_errno(), NULL);
    signals_t *signals = loop->signals;
    struct handler_call *watch = &signals->calls[signo - 1];
    if (!watch->fn) {
        /* Wanted before it is caught, so that a signal in between is not lost. */
        atomic_fetch_or(&signals->wanted, bit_of(signo));
        pthread_mutex_lock(&table.lock);
        rc = begin_handling(signo);
        pthread_mutex_unlock(&table.lock);
        if (rc < 0) {
            atomic_fetch_and(&signals->wanted, ~bit_of(signo));
            asyncio_context_unref(context);
            return asyncio_raise(ASYNCIO_ERUNTIME, "sig %d cannot be caught", signo);
        }
    }
    asyncio_context_t *former = watch->context;
    *watch = (struct handler_call){fn, arg, place, context};
    asyncio_context_unref(former);
    return 0;
}

static void remove_handler(signals_t *signals, int signo)
{
    atomic_fetch_and(&signals->wanted, ~bit_of(signo));
    atomic_fetch_and(&signals->pending, ~bit_of(signo));
    struct handler_call *watch = &signals->calls[signo - 1];
    watch->fn = NULL;
    asyncio_context_unref(watch->context);
    watch->context = NULL;
    pthread_mutex_lock(&table.lock);
    end_handling(signo);
    pthread_mutex_unlock(&table.lock);
}

int asyncio_loop_remove_signal_handler(asyncio_loop_t *loop, int signo)
{
    int rc = asyncio__loop_check_thread(loop);
    if (rc < 0)
        return rc;
    if (!is_signal(signo))
        return asyncio__fail(-EINVAL, "\"signo\" must be the number of a signal");
    signals_t *signals = loop->signals;
    if (!signals || !signals->calls[signo - 1].fn)
        return 0;
    remove_handler(signals, signo);
    return 1;
}

static void close_signals(asyncio_loop_t *loop, asyncio__loop_hook_t *hook)
{
    signals_t *signals = ASYNCIO__CONTAINER(hook, signals_t, hook);
    for (int signo = 1; signo <= SIGNALS; signo++)
        if (signals->calls[signo - 1].fn)
            remove_handler(signals, signo);
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

/* --- the macros as functions --------------------------------------------------------------- */

int (asyncio_loop_add_signal_handler)(asyncio_loop_t *loop, int signo, asyncio_callback_t *fn,
                                      void *arg)
{
    return asyncio_loop_add_signal_handler_at(loop, signo, fn, arg, /* place= */ NULL);
}
