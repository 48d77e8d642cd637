/* SPDX-License-Identifier: MIT */
/* Worker threads: classes, limits, and work that is withdrawn or abandoned. */
#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/syscalls.h"
#include "worker/worker.h"

#define MOST (ASYNCIO__JOBS_LIMIT * ASYNCIO__WORK_ABANDONED_FACTOR + 1)

/* Work that waits at a gate. */
typedef struct gated {
    asyncio__work_t work; /* the work */
    bool is_quick;        /* it does not wait */
    char name[16];        /* of the thread that ran it */
} gated_t;

static atomic_int begun, ended; /* how much of the work has */
static sem_t gate;              /* posted once for each piece of work that may end */
static gated_t blocked[MOST], quick;

static void run_gated(asyncio__work_t *work)
{
    gated_t *gated = ASYNCIO__CONTAINER(work, gated_t, work);
    pthread_getname_np(pthread_self(), gated->name, sizeof(gated->name));
    atomic_fetch_add(&begun, 1);
    while (!gated->is_quick && sem_wait(&gate) < 0)
        ;
    atomic_fetch_add(&ended, 1);
}

static void wait_until(atomic_int *counter, int count)
{
    while (atomic_load(counter) != count)
        sched_yield();
}

static int submit(gated_t *gated, unsigned class_index, bool is_quick)
{
    gated->is_quick = is_quick;
    asyncio__work_init(&gated->work, run_gated, class_index);
    return asyncio__workers_submit(asyncio__workers_shared(), &gated->work);
}

static void block(int first, int count, unsigned class_index)
{
    for (int i = first; i < first + count; i++)
        assert_int_equal(submit(&blocked[i], class_index, /* is_quick= */ false), 0);
}

static void open_gate(int count)
{
    for (int i = 0; i < count; i++)
        sem_post(&gate);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
    return sem_init(&gate, 0, 0);
}

static int tear_down(void **state)
{
    (void)state;
    return sem_destroy(&gate);
}

/* A class whose threads are all blocked does not affect the other classes; its own work waits. */
static void a_class_does_not_starve_others(void **state)
{
    (void)state;
    block(0, ASYNCIO__JOBS_LIMIT + 1, ASYNCIO__WORK_JOBS);
    wait_until(&begun, ASYNCIO__JOBS_LIMIT);
    assert_int_equal(submit(&quick, ASYNCIO__WORK_FILES, /* is_quick= */ true), 0);
    wait_until(&ended, 1);
    assert_string_equal(quick.name, "asyncio-file");
    assert_int_equal(submit(&quick, ASYNCIO__WORK_LOOKUPS, /* is_quick= */ true), 0);
    wait_until(&ended, 2);
    assert_string_equal(quick.name, "asyncio-lookup");
    assert_int_equal(begun, ASYNCIO__JOBS_LIMIT + 2);
    open_gate(ASYNCIO__JOBS_LIMIT + 1);
    wait_until(&ended, ASYNCIO__JOBS_LIMIT + 3);
    assert_string_equal(blocked[0].name, "asyncio-job");
}

/* Waiting work can be withdrawn, and then never runs; work that has started cannot. */
static void waiting_work_is_withdrawn(void **state)
{
    (void)state;
    asyncio__workers_t *workers = asyncio__workers_shared();
    block(0, ASYNCIO__FILES_LIMIT + 2, ASYNCIO__WORK_FILES);
    wait_until(&begun, ASYNCIO__FILES_LIMIT);
    assert_true(asyncio__workers_withdraw(workers, &blocked[ASYNCIO__FILES_LIMIT].work));
    assert_false(asyncio__workers_withdraw(workers, &blocked[ASYNCIO__FILES_LIMIT].work));
    assert_false(asyncio__workers_withdraw(workers, &blocked[0].work));
    open_gate(ASYNCIO__FILES_LIMIT + 1);
    wait_until(&ended, ASYNCIO__FILES_LIMIT + 1);
    assert_int_equal(begun, ASYNCIO__FILES_LIMIT + 1);
}

/* Abandoned work does not count against the limit of its class, as long as threads may be
 * started. */
static void abandoned_work_does_not_count(void **state)
{
    (void)state;
    asyncio__workers_t *workers = asyncio__workers_shared();
    block(0, MOST, ASYNCIO__WORK_JOBS);
    for (int i = 0; i < MOST - 1 - ASYNCIO__JOBS_LIMIT; i++) {
        wait_until(&begun, i + ASYNCIO__JOBS_LIMIT);
        assert_false(asyncio__workers_abandon(workers, &blocked[i].work));
        assert_false(asyncio__workers_abandon(workers, &blocked[i].work)); /* counted once */
    }
    wait_until(&begun, MOST - 1);
    assert_false(asyncio__workers_abandon(workers, &blocked[MOST - 2].work));
    assert_int_equal(submit(&quick, ASYNCIO__WORK_FILES, /* is_quick= */ true), 0);
    wait_until(&ended, 1);
    assert_int_equal(begun, MOST); /* with the quick one: the last one waits for a thread */
    open_gate(MOST);
    wait_until(&ended, MOST + 1);
}

static int fail_to_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*start)(void *arg), void *arg)
{
    (void)ret_thread, (void)attributes, (void)start, (void)arg;
    return EAGAIN;
}

/* If no thread can be started, work of a class without a thread is refused, instead of waiting for
 * threads that another class blocks. First here, while there is only one thread. */
static void work_without_a_thread_is_refused(void **state)
{
    (void)state;
    block(0, 1, ASYNCIO__WORK_JOBS);
    wait_until(&begun, 1);
    asyncio__sys.pthread_create = fail_to_create;
    block(1, 1, ASYNCIO__WORK_JOBS); /* waits for the thread of its class */
    assert_int_equal(submit(&quick, ASYNCIO__WORK_FILES, /* is_quick= */ true), -EAGAIN);
    assert_false(asyncio__workers_withdraw(asyncio__workers_shared(), &quick.work));
    asyncio__sys.pthread_create = pthread_create;
    open_gate(2);
    wait_until(&ended, 2);
}

static atomic_bool skips_time; /* for skip_real_time(), which stands in the table throughout */

static int skip_real_time(clockid_t clock, struct timespec *ret_now)
{
    if (clock != CLOCK_REALTIME || !skips_time)
        return clock_gettime(clock, ret_now);
    *ret_now = (struct timespec){0, 0}; /* what is ten seconds later has long been */
    return 0;
}

static int count_workers(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file && fgets(name, sizeof(name), file))
            count += strncmp(name, "asyncio-", 8) == 0;
        if (file)
            fclose(file);
    }
    closedir(folder);
    return count;
}

/* A shared thread that has been idle for too long ends; work that arrives at that moment runs all
 * the same. */
static void idle_threads_end(void **state)
{
    (void)state;
    skips_time = true;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(submit(&quick, ASYNCIO__WORK_FILES, /* is_quick= */ true), 0);
        wait_until(&ended, i + 1);
    }
    while (count_workers() > 0) {
        /* Threads of earlier tests stay blocked until they are used once more. */
        int count = ended;
        assert_int_equal(submit(&quick, ASYNCIO__WORK_FILES, /* is_quick= */ true), 0);
        wait_until(&ended, count + 1);
        for (int i = 0; i < 100; i++)
            sched_yield();
    }
    skips_time = false;
}

#define WORKER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(work_without_a_thread_is_refused),
        WORKER_TEST(idle_threads_end),
        WORKER_TEST(a_class_does_not_starve_others),
        WORKER_TEST(waiting_work_is_withdrawn),
        WORKER_TEST(abandoned_work_does_not_count),
    };
    asyncio__sys.clock_gettime = skip_real_time; /* before any thread reads it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
