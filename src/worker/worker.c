/* SPDX-License-Identifier: MIT */
/*
 * Worker threads; see worker.h. Queues under one lock, and threads that sleep until one is woken.
 *
 * At most one thread is searching at a time: it was woken, was just started, or polls for work
 * before it sleeps. A thread that takes work and leaves more behind first sends the next thread; so
 * each piece of work is begun as soon as a thread is free for it, and a burst of short work wakes
 * few threads. The thread that fell asleep last is woken first: its memory is still in the caches.
 *
 * The record of a thread is on its own stack. The record of an instance is freed by the last of its
 * owners: its threads and the one reference, which a thread may drop while it runs work.
 */
#include "worker/worker.h"

#include <asyncio/error.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/patience.h"
#include "base/syscalls.h"
#include "base/thread.h"

#define IDLE_SECONDS 10 /* after which a thread of the shared instance ends */
#define NAME_BYTES   16 /* what the kernel keeps of a thread's name */

/* A thread. */
typedef struct worker {
    sem_t wake;               /* what it sleeps on */
    struct worker *next_idle; /* the thread that fell asleep before it */
    asyncio__list_t link;     /* in the list of all threads */
    uint64_t ticket;          /* of the work that it runs; 0: none */
    unsigned class_index;     /* of the work that it runs, or ran last */
    bool is_named;            /* its name is that of this class */
    bool is_abandoned;        /* nobody waits for the work that it runs */
    bool is_idle;             /* in the list of idle threads */
    bool is_searching;        /* on its way to the queue; has_searching is set */
} worker_t;

/* What is needed to join a thread after its own record is freed. */
typedef struct joinable {
    struct joinable *next; /* was started before it */
    pthread_t id;          /* of the thread */
    bool is_joined;        /* it was joined or detached, or is about to be */
} joinable_t;

/* A class of work. */
typedef struct class {
    asyncio__list_t queue; /* asyncio__work_t: waiting work, oldest first */
    size_t running_count;  /* threads that work for it, without abandoned ones */
    size_t limit;          /* of running_count */
    size_t abandoned_count; /* threads whose work was abandoned */
    size_t thread_limit;   /* of running_count + abandoned_count */
    char name[NAME_BYTES]; /* of its threads */
} class_t;

struct asyncio__workers {
    atomic_uint owners;       /* threads, and 1 for the reference */
    unsigned fork_generation; /* of the process that made it */
    bool is_shared;           /* threads end when idle, and are not joined */
    unsigned class_count;     /* used entries of classes */
    pthread_mutex_t joining;  /* held by a thread that joins threads */
    char apart[96];           /* keeps what is above out of the lock's cache line */
    pthread_mutex_t lock;     /* protects everything below */
    worker_t *idle;           /* threads that sleep, latest first */
    size_t count;             /* threads */
    bool has_searching;       /* a thread is searching */
    bool is_closed;           /* no work is accepted */
    class_t classes[ASYNCIO__WORK_CLASSES]; /* the classes */
    asyncio__list_t workers;  /* worker_t: all threads */
    joinable_t *joinables;    /* threads to join, latest first */
    uint64_t tickets;         /* the last ticket given out */
    unsigned first_class;     /* the class that is looked at first, in turn */
    char polled[64];          /* keeps what threads poll out of the lock's cache lines */
    atomic_bool has_work;     /* some work can begin; read without the lock by polling threads */
    asyncio__patience_t patience; /* how long threads poll */
    char behind[64];          /* keeps what follows this record out of that cache line */
};

static void init_class(class_t *class, const char *name, size_t limit, size_t thread_limit)
{
    asyncio__list_init(&class->queue);
    class->running_count = class->abandoned_count = 0;
    class->limit = limit;
    class->thread_limit = thread_limit;
    snprintf(class->name, sizeof(class->name), "%s", name);
}

/* Initializes what both kinds have in common. */
static void init_workers(asyncio__workers_t *workers, bool is_shared, unsigned class_count)
{
    *workers = (asyncio__workers_t){.is_shared = is_shared, .class_count = class_count};
    atomic_init(&workers->owners, 1);
    workers->fork_generation = asyncio__fork_generation;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    /* It is held for a few instructions: retry for a moment rather than sleep. */
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&workers->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&workers->joining, NULL);
    asyncio__list_init(&workers->workers);
}

asyncio__workers_t *asyncio__workers_new(const char *name, size_t thread_limit)
{
    asyncio__fork_watch();
    asyncio__workers_t *workers = asyncio__calloc(sizeof(*workers));
    if (!workers)
        return NULL;
    init_workers(workers, /* is_shared= */ false, /* class_count= */ 1);
    init_class(&workers->classes[0], name, thread_limit, thread_limit);
    return workers;
}

static void drop_owner(asyncio__workers_t *workers)
{
    /* Release here, acquire in the last one: it frees what the others have written. */
    if (atomic_fetch_sub_explicit(&workers->owners, 1, memory_order_acq_rel) != 1)
        return;
    while (workers->joinables) {
        joinable_t *joinable = workers->joinables;
        workers->joinables = joinable->next;
        asyncio__free(joinable, sizeof(*joinable));
    }
    pthread_mutex_destroy(&workers->lock);
    pthread_mutex_destroy(&workers->joining);
    asyncio__free(workers, sizeof(*workers));
}

/* --- queues: all under the lock ------------------------------------------------------------ */

static bool can_begin(const class_t *class)
{
    return !asyncio__list_is_empty(&class->queue) && class->running_count < class->limit &&
           class->running_count + class->abandoned_count < class->thread_limit;
}

static bool any_can_begin(const asyncio__workers_t *workers)
{
    for (unsigned i = 0; i < workers->class_count; i++)
        if (can_begin(&workers->classes[i]))
            return true;
    return false;
}

/* Whenever what can begin has changed. Returns whether something can. */
static bool refresh(asyncio__workers_t *workers)
{
    bool has_work = any_can_begin(workers);
    /* Relaxed: whoever reads it looks at the queues under the lock before it acts. */
    if (atomic_load_explicit(&workers->has_work, memory_order_relaxed) != has_work)
        atomic_store_explicit(&workers->has_work, has_work, memory_order_relaxed);
    return has_work;
}

/* Takes work for a thread, from each class in turn. */
static asyncio__work_t *take(asyncio__workers_t *workers, worker_t *worker)
{
    for (unsigned i = 0; i < workers->class_count; i++) {
        unsigned index = workers->first_class + i;
        if (index >= workers->class_count)
            index -= workers->class_count;
        class_t *class = &workers->classes[index];
        if (!can_begin(class))
            continue;
        asyncio__work_t *work =
            ASYNCIO__CONTAINER(asyncio__list_pop(&class->queue), asyncio__work_t, link);
        class->running_count++;
        work->ticket = worker->ticket = ++workers->tickets;
        worker->is_named = worker->is_named && worker->class_index == index;
        worker->class_index = index;
        worker->is_abandoned = false;
        workers->first_class = index + 1 < workers->class_count ? index + 1 : 0;
        return work;
    }
    return NULL;
}

/* The thread has run what it took. */
static void finish(asyncio__workers_t *workers, worker_t *worker)
{
    class_t *class = &workers->classes[worker->class_index];
    worker->ticket = 0;
    if (worker->is_abandoned)
        class->abandoned_count--;
    else
        class->running_count--;
}

/* --- threads ------------------------------------------------------------------------------- */

static void *run_worker(void *arg);

/* Starts a thread, which is searching then. Signals are for the program's own threads. Under the
 * lock. Returns 0, -ENOMEM or the negative code of pthread_create(). */
static int start_worker(asyncio__workers_t *workers)
{
    joinable_t *joinable = NULL;
    if (!workers->is_shared && !(joinable = asyncio__calloc(sizeof(*joinable))))
        return -ENOMEM;
    pthread_t id;
    sigset_t all, before;
    sigfillset(&all);
    atomic_fetch_add_explicit(&workers->owners, 1, memory_order_relaxed);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* The default stack size: libc takes a program's thread-local data out of the stack, so that a
     * small one may be too small to start with. */
    int error = asyncio__sys.pthread_create(&id, NULL, run_worker, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        atomic_fetch_sub_explicit(&workers->owners, 1, memory_order_relaxed);
        asyncio__free(joinable, sizeof(*joinable));
        return -error;
    }
    if (joinable) {
        *joinable = (joinable_t){.next = workers->joinables, .id = id};
        workers->joinables = joinable;
    } else {
        pthread_detach(id);
    }
    workers->count++;
    workers->has_searching = true;
    return 0;
}

/* Makes sure that a thread is searching, if there can be one and something can begin. Under the
 * lock. A thread in *ret_wake is to be woken after the lock is released: woken before, it would
 * run into the lock. Returns 0, or why no thread could be started. */
static int send_worker(asyncio__workers_t *workers, worker_t **ret_wake)
{
    *ret_wake = NULL;
    if (!refresh(workers) || workers->has_searching)
        return 0;
    worker_t *worker = workers->idle;
    if (worker) {
        workers->idle = worker->next_idle;
        worker->is_idle = false;
        worker->is_searching = workers->has_searching = true;
        *ret_wake = worker;
        return 0;
    }
    if (!workers->is_shared && workers->count >= workers->classes[0].thread_limit)
        return 0;
    return start_worker(workers);
}

static void unlock_and_wake(asyncio__workers_t *workers, worker_t *wake)
{
    pthread_mutex_unlock(&workers->lock);
    if (wake)
        sem_post(&wake->wake);
}

static void stop_searching(asyncio__workers_t *workers, worker_t *worker)
{
    if (worker->is_searching)
        worker->is_searching = workers->has_searching = false;
}

/* Polls for work a short while, one thread at a time. Under the lock, which it releases meanwhile.
 * Returns whether something can begin. */
static bool poll_work(asyncio__workers_t *workers, worker_t *worker)
{
    if (workers->has_searching && !worker->is_searching)
        return false;
    uint32_t rounds = asyncio__patience_rounds(&workers->patience);
    if (rounds == 0)
        return false;
    worker->is_searching = workers->has_searching = true;
    pthread_mutex_unlock(&workers->lock);
    /* Relaxed: the queues themselves are looked at under the lock. */
    while (rounds > 0 && !atomic_load_explicit(&workers->has_work, memory_order_relaxed)) {
        asyncio__pause();
        rounds--;
    }
    pthread_mutex_lock(&workers->lock);
    asyncio__patience_learn(&workers->patience, rounds > 0);
    return any_can_begin(workers);
}

/* Waits until the thread is woken. With has_limit, at most IDLE_SECONDS: then it returns false. */
static bool wait_for_wake(worker_t *worker, bool has_limit)
{
    struct timespec end = {0, 0};
    if (has_limit)
        (void)asyncio__sys.clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += IDLE_SECONDS;
    for (;;) {
        int rc = has_limit ? sem_timedwait(&worker->wake, &end) : sem_wait(&worker->wake);
        if (rc == 0)
            return true;
        if (errno != EINTR) /* a debugger interrupts too */
            return false;
    }
}

/* Sleeps until the thread is woken. Under the lock, which it releases meanwhile. Returns false if
 * the thread has been idle for too long and is to end. */
static bool sleep_idle(asyncio__workers_t *workers, worker_t *worker)
{
    stop_searching(workers, worker);
    worker->next_idle = workers->idle;
    worker->is_idle = true;
    workers->idle = worker;
    pthread_mutex_unlock(&workers->lock);
    bool is_woken = wait_for_wake(worker, workers->is_shared);
    pthread_mutex_lock(&workers->lock);
    if (is_woken)
        return true;
    if (!worker->is_idle) /* chosen just now: the post follows, and needs this record */
        return wait_for_wake(worker, /* has_limit= */ false);
    worker_t **at = &workers->idle;
    while (*at != worker)
        at = &(*at)->next_idle;
    *at = worker->next_idle;
    worker->is_idle = false;
    return false;
}

/* Names the thread after the class of work that it runs. */
static void set_name(asyncio__workers_t *workers, worker_t *worker)
{
    if (worker->is_named)
        return;
    pthread_setname_np(pthread_self(), workers->classes[worker->class_index].name);
    worker->is_named = true;
}

/* Runs work until there is none. Under the lock. Returns false in a process that the work forked:
 * there the instance belongs to nobody. */
static bool run_all(asyncio__workers_t *workers, worker_t *worker)
{
    unsigned fork_generation = asyncio__fork_generation;
    asyncio__work_t *work;
    while ((work = take(workers, worker))) {
        stop_searching(workers, worker);
        worker_t *wake;
        /* If no thread can be started, the work waits for the threads that exist. */
        asyncio__ignore(send_worker(workers, &wake));
        unlock_and_wake(workers, wake);
        set_name(workers, worker);
        work->run(work);
        if (ASYNCIO__UNLIKELY(fork_generation != asyncio__fork_generation))
            return false;
        pthread_mutex_lock(&workers->lock);
        finish(workers, worker);
    }
    return true;
}

static void *run_worker(void *arg)
{
    asyncio__workers_t *workers = arg;
    worker_t self = {.is_searching = true};
    sem_init(&self.wake, /* pshared= */ 0, 0);
    pthread_mutex_lock(&workers->lock);
    asyncio__list_append(&workers->workers, &self.link);
    do {
        if (!run_all(workers, &self))
            return NULL;
    } while (!workers->is_closed &&
             (poll_work(workers, &self) || workers->is_closed || sleep_idle(workers, &self)));
    stop_searching(workers, &self);
    asyncio__list_remove(&self.link);
    workers->count--;
    pthread_mutex_unlock(&workers->lock);
    sem_destroy(&self.wake);
    drop_owner(workers);
    return NULL;
}

/* --- submitting and taking back ------------------------------------------------------------ */

int asyncio__workers_submit(asyncio__workers_t *workers, asyncio__work_t *work)
{
    class_t *class = &workers->classes[work->class_index];
    if (workers->fork_generation != asyncio__fork_generation)
        return ASYNCIO_ERUNTIME;
    pthread_mutex_lock(&workers->lock);
    if (workers->is_closed) {
        pthread_mutex_unlock(&workers->lock);
        return ASYNCIO_ERUNTIME;
    }
    asyncio__list_append(&class->queue, &work->link);
    worker_t *wake;
    int rc = send_worker(workers, &wake);
    if (ASYNCIO__UNLIKELY(rc < 0)) {
        /* A thread that works for the class will take this work too; without one it is refused. */
        if (class->running_count > 0)
            rc = 0;
        else
            asyncio__list_remove(&work->link);
        refresh(workers);
    }
    unlock_and_wake(workers, wake);
    return rc;
}

/* Takes work out of its queue, if it is there. Under the lock. */
static bool unqueue(asyncio__workers_t *workers, asyncio__work_t *work)
{
    bool is_queued = asyncio__list_is_member(&work->link);
    asyncio__list_remove(&work->link);
    refresh(workers);
    return is_queued;
}

bool asyncio__workers_withdraw(asyncio__workers_t *workers, asyncio__work_t *work)
{
    if (workers->fork_generation != asyncio__fork_generation)
        return false;
    pthread_mutex_lock(&workers->lock);
    bool is_queued = unqueue(workers, work);
    pthread_mutex_unlock(&workers->lock);
    return is_queued;
}

bool asyncio__workers_abandon(asyncio__workers_t *workers, asyncio__work_t *work)
{
    worker_t *wake = NULL;
    if (workers->fork_generation != asyncio__fork_generation)
        return false;
    pthread_mutex_lock(&workers->lock);
    bool is_queued = unqueue(workers, work);
    asyncio__list_t *link = is_queued ? &workers->workers : workers->workers.next;
    for (; link != &workers->workers; link = link->next) {
        worker_t *worker = ASYNCIO__CONTAINER(link, worker_t, link);
        if (worker->ticket != work->ticket || worker->is_abandoned)
            continue;
        worker->is_abandoned = true;
        workers->classes[worker->class_index].running_count--;
        workers->classes[worker->class_index].abandoned_count++;
        asyncio__ignore(send_worker(workers, &wake));
        break;
    }
    unlock_and_wake(workers, wake);
    return is_queued;
}

/* --- the end ------------------------------------------------------------------------------- */

void asyncio__workers_close(asyncio__workers_t *workers, asyncio__list_t *ret_queued)
{
    if (workers->fork_generation != asyncio__fork_generation)
        return; /* the threads, and whoever held the lock, are in the parent */
    pthread_mutex_lock(&workers->lock);
    workers->is_closed = true;
    if (ret_queued)
        asyncio__list_move(&workers->classes[0].queue, ret_queued);
    refresh(workers);
    while (workers->idle) {
        worker_t *worker = workers->idle;
        workers->idle = worker->next_idle;
        worker->is_idle = false;
        sem_post(&worker->wake);
    }
    pthread_mutex_unlock(&workers->lock);
}

/* Joins all threads but the calling one, or detaches all. Threads that empty the queue may start
 * others meanwhile. */
static void end_threads(asyncio__workers_t *workers, bool join)
{
    pthread_mutex_lock(&workers->joining);
    for (;;) {
        pthread_mutex_lock(&workers->lock);
        joinable_t *at = workers->joinables;
        while (at && (at->is_joined || (join && pthread_equal(at->id, pthread_self()))))
            at = at->next;
        if (at)
            at->is_joined = true;
        pthread_mutex_unlock(&workers->lock);
        if (!at)
            break;
        if (join)
            pthread_join(at->id, NULL);
        else
            pthread_detach(at->id);
    }
    pthread_mutex_unlock(&workers->joining);
}

void asyncio__workers_join(asyncio__workers_t *workers)
{
    if (workers->fork_generation == asyncio__fork_generation)
        end_threads(workers, /* join= */ true);
}

void asyncio__workers_unref(asyncio__workers_t *workers)
{
    if (workers->fork_generation != asyncio__fork_generation)
        return; /* leaked: its locks may be held by threads of the parent */
    asyncio__workers_close(workers, NULL);
    end_threads(workers, /* join= */ false);
    drop_owner(workers);
}

/* --- the instance of the process ----------------------------------------------------------- */

static asyncio__workers_t shared;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

/* Also in a forked child, whose only thread this is: the threads, the queued work and whoever held
 * the lock are in the parent. */
static void init_shared(void)
{
    size_t limit = shared.classes[ASYNCIO__WORK_LOOKUPS].limit;
    init_workers(&shared, /* is_shared= */ true, ASYNCIO__WORK_CLASSES);
    limit = limit > 0 ? limit : ASYNCIO__LOOKUPS_LIMIT;
    init_class(&shared.classes[ASYNCIO__WORK_LOOKUPS], "asyncio-lookup", limit,
               limit * ASYNCIO__WORK_ABANDONED_FACTOR);
    init_class(&shared.classes[ASYNCIO__WORK_FILES], "asyncio-file", ASYNCIO__FILES_LIMIT,
               ASYNCIO__FILES_LIMIT);
    init_class(&shared.classes[ASYNCIO__WORK_JOBS], "asyncio-job", ASYNCIO__JOBS_LIMIT,
               ASYNCIO__JOBS_LIMIT * ASYNCIO__WORK_ABANDONED_FACTOR);
}

static void init_shared_once(void)
{
    asyncio__fork_watch(); /* first: in a child it counts before init_shared() reads the count */
    init_shared();
    asyncio__ignore(pthread_atfork(NULL, NULL, init_shared));
}

asyncio__workers_t *asyncio__workers_shared(void)
{
    pthread_once(&shared_once, init_shared_once);
    return &shared;
}

void asyncio__workers_set_limit(asyncio__work_class_t class, size_t limit)
{
    asyncio__workers_t *workers = asyncio__workers_shared();
    pthread_mutex_lock(&workers->lock);
    workers->classes[class].limit = limit;
    workers->classes[class].thread_limit = limit * ASYNCIO__WORK_ABANDONED_FACTOR;
    worker_t *wake;
    asyncio__ignore(send_worker(workers, &wake));
    unlock_and_wake(workers, wake);
}
