/* SPDX-License-Identifier: MIT */
/* A function that retries for an hour, and its test, which takes no time. */
#include <asyncio.h>
#include <stdio.h>

typedef int attempt_t(void *arg);

/* Calls an attempt until it succeeds, with pauses of 1, 2, 4, … minutes, for an hour at most. */
static int retry(attempt_t *attempt, void *arg)
{
    asyncio_timeout_t scope;
    int rc = asyncio_timeout_enter(&scope, 3600.0);
    if (rc < 0)
        return rc;
    double pause = 60.0;
    while ((rc = attempt(arg)) < 0) {
        rc = asyncio_sleep(pause);
        if (rc < 0)
            break;
        pause *= 2.0;
    }
    return asyncio_timeout_exit(&scope, rc);
}

static int fails_thrice(void *arg)
{
    int *count = arg;
    return ++*count <= 3 ? -ECONNREFUSED : 0;
}

static int fails_always(void *arg)
{
    (void)arg;
    return -ECONNREFUSED;
}

/* After three failures the fourth attempt succeeds, 1 + 2 + 4 minutes later. */
static int test_succeeds_in_the_end(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int count = 0;
    int rc = retry(fails_thrice, &count);
    double now = asyncio_loop_time(asyncio_get_running_loop());
    return rc == 0 && count == 4 && now == 420.0 ? 0 : -EPROTO;
}

/* After an hour it gives up. */
static int test_gives_up(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    return retry(fails_always, NULL) == -ETIMEDOUT ? 0 : -EPROTO;
}

static int check(asyncio_testing_t *testing, const char *name, asyncio_coroutine_function_t *test)
{
    int rc = asyncio_testing_run(testing, test, NULL);
    printf("%s %s\n", rc < 0 ? "not ok" : "ok", name);
    if (rc < 0)
        fputs(asyncio_testing_report(testing), stderr);
    return rc;
}

int main(void)
{
    asyncio_testing_t *testing = asyncio_testing_new(NULL);
    if (!testing)
        return 1;
    int failed = check(testing, "succeeds_in_the_end", test_succeeds_in_the_end) < 0;
    failed += check(testing, "gives_up", test_gives_up) < 0;
    asyncio_testing_unref(testing);
    return failed;
}
