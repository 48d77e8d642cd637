/* SPDX-License-Identifier: MIT */
/* The accounts of each test function; see accounts.h. */
#include "accounts.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/thread.h"
#include "coroutine/stack.h"
#include "kernels.h"

/* The time between two comparisons while other threads end. */
#define PATIENCE_NS 1000000
int accounts_patience_rounds = 10000;

void (*accounts_on_failure)(const char *file, int line);

int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -1; /* the folder's own */
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Whether a thread is independent of the test: a kernel thread of io_uring, or a shared worker
 * thread, which stays idle for a while before it ends. */
static bool is_own_business(const char *id)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", id);
    FILE *file = fopen(path, "re");
    if (!file)
        return true; /* it has just ended */
    bool is_read = fgets(name, sizeof(name), file) != NULL;
    fclose(file);
    return !is_read || strncmp(name, "iou-", 4) == 0 || strncmp(name, "asyncio-", 8) == 0;
}

static int count_threads(void)
{
#if defined(ASYNCIO__TSAN)
    return 1; /* the sanitizer starts a thread of its own at any time */
#endif
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.' && !is_own_business(entry->d_name);
    closedir(folder);
    return count;
}

static int have_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

void accounts_take(accounts_t *ret_accounts)
{
    asyncio__stack_statistics_t stacks;
    asyncio__stack_statistics(&stacks);
    *ret_accounts = (accounts_t){
        .blocks = asyncio__live_blocks(),
        .stacks = stacks.in_use,
        .descriptors = open_descriptors(),
        .threads = count_threads(),
        .has_children = have_children(),
        .marks = (asyncio__thread.running_loop != NULL) | (asyncio__thread.task != NULL) << 1 |
                 (asyncio__thread.coroutine != NULL) << 2,
    };
}

/* Gives other threads some time: little in the first rounds, which is usually enough. */
static void wait_a_moment(int round)
{
    const struct timespec moment = {0, PATIENCE_NS};
    if (round < 200)
        sched_yield();
    else
        nanosleep(&moment, NULL);
}

void await_blocks(long blocks)
{
    for (int round = 0; round < accounts_patience_rounds; round++) {
        if (asyncio__live_blocks() == blocks)
            return;
        wait_a_moment(round);
    }
    assert_int_equal(asyncio__live_blocks(), blocks);
}

bool accounts_hold(const accounts_t *before, char *ret_text, size_t size)
{
    accounts_t now = *before;
    for (int round = 0; round < accounts_patience_rounds; round++) {
        accounts_take(&now);
        if (memcmp(before, &now, sizeof(now)) == 0)
            return true;
        if (now.has_children && !before->has_children)
            break; /* nobody waits for children any more */
        wait_a_moment(round);
    }
    snprintf(ret_text, size,
             "blocks %ld -> %ld, stacks %zu -> %zu, descriptors %d -> %d, threads %d -> %d, "
             "children %d -> %d, marks %d -> %d",
             before->blocks, now.blocks, before->stacks, now.stacks, before->descriptors,
             now.descriptors, before->threads, now.threads, before->has_children,
             now.has_children, before->marks, now.marks);
    return false;
}

/* --- around each test function ------------------------------------------------------------- */

typedef struct account {
    const struct CMUnitTest *test; /* the test of the program */
    accounts_t before;             /* the accounts when it began */
    void (*begin)(void);           /* called before the test function, or NULL */
    void (*end)(void);             /* called after it, or NULL */
    void (*on_difference)(void);   /* called instead of failing the test, or NULL */
} account_t;

static account_t *present; /* of the running test: cmocka passes only its state to the teardown */

static int set_up(void **state)
{
    present = *state;
    *state = present->test->initial_state;
    accounts_take(&present->before);
    return present->test->setup_func ? present->test->setup_func(state) : 0;
}

static void call_function(void **state)
{
    if (present->begin)
        present->begin();
    present->test->test_func(state);
}

static int tear_down(void **state)
{
    char text[300];
    if (present->end)
        present->end();
    int rc = present->test->teardown_func ? present->test->teardown_func(state) : 0;
    if (rc != 0 || accounts_hold(&present->before, text, sizeof(text)))
        return rc;
    print_error("%s took and kept: %s\n", present->test->name, text);
    if (present->on_difference)
        present->on_difference();
    return -1;
}

void accounts_expect_kept_stacks(size_t count)
{
    present->before.stacks += count;
}

void accounts_end(const char *what, const char *file, int line)
{
    if (accounts_on_failure)
        accounts_on_failure(file, line);
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

int accounts_wait_seconds = 60;

int accounts_sem_wait(sem_t *semaphore, const char *file, int line)
{
    struct timespec until;
    int rc;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += accounts_wait_seconds;
    while ((rc = sem_timedwait(semaphore, &until)) < 0 && errno == EINTR)
        ;
    if (rc < 0)
        accounts_end("waited in vain", file, line);
    return rc;
}

static struct CMUnitTest wrap(account_t *account, const struct CMUnitTest *test)
{
    account->test = test;
    return (struct CMUnitTest){test->name, call_function, set_up, tear_down, account};
}

int accounted_run(const char *group, const struct CMUnitTest *tests, size_t count,
                  CMFixtureFunction group_setup, CMFixtureFunction group_teardown)
{
    kernels_pretend();
    const char *kind = getenv("ASYNCIO_TEST_SWEEP");
    if (kind && *kind)
        return sweep_run(kind, group, tests, count, group_setup, group_teardown);
    account_t *accounts = calloc(count, sizeof(*accounts));
    struct CMUnitTest *wrapped = calloc(count, sizeof(*wrapped));
    if (!accounts || !wrapped)
        return -1;
    for (size_t i = 0; i < count; i++)
        wrapped[i] = wrap(&accounts[i], &tests[i]);
    int failed = _cmocka_run_group_tests(group, wrapped, count, group_setup, group_teardown);
    free(wrapped);
    free(accounts);
    return failed;
}

int accounted_run_one(const char *group, const struct CMUnitTest *test,
                      CMFixtureFunction group_setup, CMFixtureFunction group_teardown,
                      void (*begin)(void), void (*end)(void), void (*on_difference)(void))
{
    account_t account = {.begin = begin, .end = end, .on_difference = on_difference};
    const struct CMUnitTest wrapped[] = {wrap(&account, test)};
    return _cmocka_run_group_tests(group, wrapped, 1, group_setup, group_teardown);
}

/* Replaces the function that cmocka calls for every assertion that fails; calls the original. */
void _fail(const char *const file, const int line)
{
    if (accounts_on_failure)
        accounts_on_failure(file, line);
    void (*own)(const char *, int);
    void *found = dlsym(RTLD_NEXT, "_fail");
    memcpy(&own, &found, sizeof(own));
    own(file, line);
    abort();
}
