/* SPDX-License-Identifier: MIT */
/*
 * The sweep over ordinary tests: runs each test function in child processes, with the n-th
 * allocation or system call failing, for n = 1, 2, 3, ... until there are no more; see accounts.h.
 *
 * A failed assertion does not count: the test did not expect the fault. What counts is a signal, a
 * report of a sanitizer, a child that does not end, and a test that passes but leaks.
 */
#include "accounts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

#define STATUS_FAILED   3 /* an assertion did not hold */
#define STATUS_KEPT     4 /* all held, but something was not released */
#define CHILD_SECONDS   10 /* limit; also a multiple of the time that the function takes alone */
#define WAIT_SECONDS    0.5 /* the same for a test that may wait for what never comes */
#define DENSE           150 /* up to here every n is tried; after it, fewer and fewer */
#define DENSE_CALLS     12
#define SLOW_SECONDS    0.05 /* CPU time: a function that takes more is tried at fewer n */
#define LOST_ENOUGH     3 /* after that number of children that died or hung, the sweep stops */

typedef struct subject {
    const char *group;             /* cmocka's name of the group */
    const struct CMUnitTest *test; /* the test */
    CMFixtureFunction setup;       /* of the group, or NULL */
    CMFixtureFunction teardown;    /* of the group, or NULL */
    double seconds;                /* that it takes without faults; large until that is known */
    bool is_slow;                  /* without faults it takes more than SLOW_SECONDS of CPU time */
} subject_t;

static fault_t ordered;        /* the fault for the child */
static FILE *transcript;       /* the output of the child */
static long runs;              /* number of children */
static long waits;             /* number of children that were ended because they waited */
static struct itimerval limit; /* the time limit of the child */
static double busy;            /* seconds of CPU time of the latest child */

bool sweep_may_wait;
bool sweep_is_on;

static void on_failed_assertion(const char *file, int line)
{
    (void)file, (void)line;
    _exit(STATUS_FAILED);
}

static void on_difference(void)
{
    _exit(STATUS_KEPT);
}

/* Restores the default signal actions: cmocka's handlers turn a crash into a failed assertion. */
static void begin(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
        signal(deadly[i], SIG_DFL);
    faults_hold(&ordered);
}

static void run_in_child(const subject_t *subject)
{
    setpgid(0, 0);
    dup2(fileno(transcript), STDOUT_FILENO);
    dup2(fileno(transcript), STDERR_FILENO);
    setvbuf(stdout, NULL, _IONBF, 0);
    accounts_on_failure = on_failed_assertion;
    accounts_wait_seconds = 1;
    setitimer(ITIMER_REAL, &limit, NULL);
    int failed = accounted_run_one(subject->group, subject->test, subject->setup,
                                   subject->teardown, begin, faults_let_go, on_difference);
    _exit(failed ? STATUS_FAILED : 0);
}

static void tell(const subject_t *subject, int status)
{
    char line[256];
    printf("%s of %s number %ld%s: %s %d\n", strerror(ordered.error), faults_name(ordered.call),
           ordered.at, ordered.for_good ? " and on" : "",
           WIFSIGNALED(status) ? "killed by signal" : "ended with status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    rewind(transcript);
    for (int i = 0; i < 60 && fgets(line, sizeof(line), transcript); i++)
        printf("    %s", line);
    printf("    of %s\n", subject->test->name);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Runs a child with the fault; returns whether it survived. */
static bool survive(const subject_t *subject, fault_t fault)
{
    double seconds = sweep_may_wait ? WAIT_SECONDS : CHILD_SECONDS;
    seconds += CHILD_SECONDS * subject->seconds;
    limit.it_value.tv_sec = (time_t)seconds;
    limit.it_value.tv_usec = (suseconds_t)(1e6 * (seconds - (double)limit.it_value.tv_sec));
    ordered = fault;
    runs++;
    faults_arm(NULL); /* resets the counts, for a child that does not arm them */
    faults_disarm();
    rewind(transcript);
    if (ftruncate(fileno(transcript), 0) < 0)
        abort();
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0)
        run_in_child(subject);
    int status = 0;
    struct rusage usage = {0};
    while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    kill(-child, SIGKILL); /* processes that it left behind */
    busy = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (sweep_may_wait && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM &&
        busy < seconds / 2) {
        waits++;
        return true;
    }
    bool survived = WIFEXITED(status) &&
                    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == STATUS_FAILED);
    /* Signals that the test sends to itself: it did not check that its handler was installed. */
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGUSR1))
        survived = true;
    if (!survived)
        tell(subject, status);
    return survived;
}

static long next(const subject_t *subject, long at, long dense)
{
    if (subject->is_slow)
        return at < 3 ? at + 1 : at * 2;
    return at < dense ? at + 1 : at + at / 8 + 1;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Runs the function without a fault, which must pass: else the sweep proves nothing. */
static bool pass_alone(subject_t *subject)
{
    double begun = now_seconds();
    bool passed = survive(subject, (fault_t){.call = FAULT_MEMORY, .error = ENOMEM});
    subject->seconds = now_seconds() - begun;
    subject->is_slow = busy > SLOW_SECONDS;
    return passed;
}

static int sweep_one(const subject_t *subject, enum fault_call call, int error, bool for_good,
                     long dense)
{
    int lost = 0;
    long waits_before = waits;
    const char *one = getenv("ASYNCIO_TEST_SWEEP_AT"); /* to examine a single run */
    if (one && *one)
        return !survive(subject, (fault_t){call, error, atol(one), for_good});
    for (long at = 1; lost + waits - waits_before < LOST_ENOUGH; at = next(subject, at, dense)) {
        lost += !survive(subject, (fault_t){call, error, at, for_good});
        if (!faults_met())
            break;
    }
    return lost;
}

static int sweep_calls(const subject_t *subject)
{
    long used[FAULT_CALLS];
    int lost = 0;
    for (int call = 0; call < FAULT_CALLS; call++)
        used[call] = faults_count((enum fault_call)call);
    for (int call = 0; call < FAULT_MEMORY; call++) {
        const int *error = faults_errors((enum fault_call)call);
        for (; used[call] && *error; error++) {
            /* A slow function is tried with the other errors only at the first call. */
            if (subject->is_slow && error != faults_errors((enum fault_call)call))
                lost += !survive(subject, (fault_t){(enum fault_call)call, *error, 1, false});
            else
                lost += sweep_one(subject, (enum fault_call)call, *error, false, DENSE_CALLS);
            if (!faults_is_passing(*error))
                lost += !survive(subject, (fault_t){(enum fault_call)call, *error, 1, true});
        }
    }
    return lost;
}

int sweep_run(const char *kind, const char *group, const struct CMUnitTest *tests, size_t count,
              CMFixtureFunction group_setup, CMFixtureFunction group_teardown)
{
    int functions_lost = 0;
    const char *only = getenv("ASYNCIO_TEST_SWEEP_ONLY");
    sweep_is_on = true;
    transcript = tmpfile();
    if (!transcript)
        return -1;
    if (!faults_install()) {
        printf("[ RUN      ] %s\nan allocator of its own\n[  SKIPPED ] %s\n", group, group);
        return 0;
    }
    faults_share();
    for (size_t i = 0; i < count; i++) {
        subject_t subject = {group, &tests[i], group_setup, group_teardown, 30, false};
        if (only && *only && !strstr(tests[i].name, only))
            continue;
        printf("[ RUN      ] %s\n", tests[i].name);
        runs = waits = 0;
        int lost = !pass_alone(&subject);
        lost += strcmp(kind, "calls") == 0
                    ? sweep_calls(&subject)
                    : sweep_one(&subject, FAULT_MEMORY, ENOMEM, false, DENSE) +
                          sweep_one(&subject, FAULT_MEMORY, ENOMEM, true, DENSE);
        printf("%ld runs, %ld cut short\n[  %s ] %s\n", runs, waits,
               lost ? "FAILED " : "     OK", tests[i].name);
        functions_lost += lost != 0;
    }
    fclose(transcript);
    return functions_lost;
}
