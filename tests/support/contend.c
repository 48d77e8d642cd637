/* SPDX-License-Identifier: MIT */
/* Tasks that contend for one object; see contend.h. */
#include "contend.h"

#include "faults.h"

asyncio_task_t *start_task(asyncio_coroutine_function_t *fn, void *arg)
{
    asyncio_task_t *task =
        asyncio_loop_create_task(the_fixture()->loop, asyncio_coroutine(fn, arg));
    assert_non_null(task);
    return task;
}

asyncio_task_t *start_noting(asyncio_coroutine_function_t *fn, const char *letter)
{
    return start_task(fn, (void *)(uintptr_t)letter);
}

int end_of_task(asyncio_task_t *task)
{
    int rc = asyncio_loop_run_until_complete(the_fixture()->loop, task, NULL);
    asyncio_task_unref(task);
    return rc;
}

#define ROUNDS 100
#define WARM   20

typedef struct contender {
    struct contest *contest; /* the contest that it takes part in */
    int who;                 /* 0, 1, 2 */
} contender_t;

typedef struct contest {
    contend_use_t *use;                 /* the function of the test */
    void *arg;                          /* its argument */
    contender_t contenders[CONTENDERS]; /* arguments of the tasks */
    long allocations;                   /* in the later rounds */
} contest_t;

static int contend(void *arg, void **ret_result)
{
    contender_t *contender = arg;
    contest_t *contest = contender->contest;
    (void)ret_result;
    for (int round = 0; round < ROUNDS; round++) {
        if (round == WARM && contender->who == 0)
            faults_arm(NULL);
        assert_int_equal(contest->use(contest->arg, contender->who), 0);
        if (round == ROUNDS - WARM && contender->who == 0) {
            contest->allocations = faults_count(FAULT_MEMORY);
            faults_disarm();
        }
    }
    return 0;
}

static int contend_all(void *arg, void **ret_result)
{
    contest_t *contest = arg;
    asyncio_task_t *tasks[CONTENDERS];
    (void)ret_result;
    for (int i = 0; i < CONTENDERS; i++) {
        contest->contenders[i] = (contender_t){contest, i};
        tasks[i] = asyncio_create_task(asyncio_coroutine(contend, &contest->contenders[i]));
        assert_non_null(tasks[i]);
    }
    for (int i = 0; i < CONTENDERS; i++)
        assert_int_equal(asyncio_await_unref(tasks[i], NULL), 0);
    return 0;
}

long allocations_once_warm(fixture_t *fixture, contend_use_t *use, void *arg)
{
    contest_t contest = {.use = use, .arg = arg, .allocations = -1};
    assert_true(faults_install());
    assert_int_equal(run(fixture, contend_all, &contest), 0);
    return contest.allocations;
}
