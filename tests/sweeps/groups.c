/* SPDX-License-Identifier: MIT */
/* What waits for several: gather, wait, shields and timeouts, task groups, as_completed. */
#include "sweep.h"

#include <stdlib.h>

static void use_gather(asyncio_loop_t *loop)
{
    (void)loop;
    void *values[3] = {NULL};
    asyncio_awaitable_t *children[3];
    for (int i = 0; i < 3; i++)
        children[i] = asyncio_coroutine(sweep_work, NULL);
    if (may(asyncio_gather_await(children, 3, values)) == 0)
        for (int i = 0; i < 3; i++)
            free(values[i]);
    may(asyncio_await(asyncio_gather_await_coroutine(
                          (asyncio_awaitable_t *[]){asyncio_sleep_coroutine(1)}, 1, NULL),
                      NULL));
    asyncio_awaitable_t *many[20];
    for (int i = 0; i < 20; i++)
        many[i] = asyncio_sleep_coroutine(0);
    asyncio_future_t *gathering = asyncio_gather_of(
        20, many[0], many[1], many[2], many[3], many[4], many[5], many[6], many[7], many[8],
        many[9], many[10], many[11], many[12], many[13], many[14], many[15], many[16], many[17],
        many[18], many[19]);
    may(asyncio_await_unref(gathering, NULL));
    asyncio_gather_options_t options = {.size = sizeof(options), .return_exceptions = true};
    for (int i = 0; i < 3; i++)
        children[i] = asyncio_coroutine(i == 1 ? sweep_fail : sweep_work, NULL);
    gathering = asyncio_gather(children, 3, &options);
    if (is_there(gathering) && may(asyncio_await(gathering, NULL)) == 0)
        for (size_t i = 0; i < 3; i++)
            may_be(asyncio_gather_result(gathering, i, &values[i]), -ENOMEM);
    asyncio_future_unref(gathering);
}

static void use_wait(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_awaitable_t *awaitables[] = {asyncio_coroutine(sweep_work, NULL),
                                         asyncio_sleep_coroutine(2)};
    bool done[2];
    if (awaitables[0] && awaitables[1]) {
        may(asyncio_wait(awaitables, 2, 30, ASYNCIO_ALL_COMPLETED, done));
        for (int i = 0; i < 2; i++)
            asyncio_future_unref(awaitables[i]);
    } else {
        for (int i = 0; i < 2; i++)
            must(asyncio_coroutine_close(awaitables[i]) == 0);
    }
    asyncio_awaitable_t *again[] = {asyncio_sleep_coroutine(1)};
    may(asyncio_await(asyncio_wait_coroutine(again, 1, 1, ASYNCIO_FIRST_COMPLETED, NULL), NULL));
}

static void use_timeouts(asyncio_loop_t *loop)
{
    asyncio_timeout_t scope;
    if (may(asyncio_timeout_enter(&scope, 1)) == 0) {
        may(asyncio_timeout_reschedule(&scope, asyncio_timeout_when(&scope) + 1));
        int rc = asyncio_timeout_exit(&scope, asyncio_sleep(3));
        may_be(rc, -ETIMEDOUT);
        must(asyncio_timeout_expired(&scope) == (rc == -ETIMEDOUT));
    }
    if (may(asyncio_timeout_enter_at(&scope, asyncio_loop_time(loop) + 1)) == 0) {
        may(asyncio_sleep(0));
        asyncio_timeout_cleanup(&scope);
    }
    may_be(asyncio_wait_for(asyncio_sleep_coroutine(5), 1, NULL), -ETIMEDOUT);
    may_be(asyncio_wait_for(asyncio_sleep_coroutine(5), 0, NULL), -ETIMEDOUT);
    asyncio_task_t *late = asyncio_create_task(asyncio_sleep_coroutine(5));
    may_be(asyncio_wait_for_unref(late, 1, NULL), -ETIMEDOUT);
    may_be(asyncio_await(asyncio_wait_for_coroutine(asyncio_sleep_coroutine(5), 1), NULL),
           -ETIMEDOUT);
    may(asyncio_await_unref(asyncio_shield(asyncio_coroutine(sweep_work, NULL)), NULL));
}

static void use_groups(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_task_group_t group;
    must(asyncio_task_group_enter(&group) == 0);
    is_there(asyncio_task_group_create_task(&group, asyncio_coroutine(sweep_work, NULL)));
    is_there(asyncio_task_group_create_task(&group, asyncio_coroutine(sweep_fail, NULL)));
    is_there(asyncio_task_group_create_task(&group, asyncio_sleep_coroutine(100)));
    may_be(asyncio_task_group_exit(&group, 0), ASYNCIO_EGROUP);
    must(asyncio_task_group_init(&group) == 0 && asyncio_task_group_aenter(&group) == 0);
    is_there(asyncio_task_group_create_task(&group, asyncio_coroutine(sweep_work, NULL)));
    must(asyncio_task_group_cancel(&group) == 0);
    may(asyncio_task_group_exit(&group, 0));
    must(asyncio_task_group_enter(&group) == 0);
    is_there(asyncio_task_group_create_task(&group, asyncio_coroutine(sweep_work, NULL)));
    asyncio_task_group_cleanup(&group);
}

static void use_as_completed(asyncio_loop_t *loop)
{
    (void)loop;
    asyncio_awaitable_t *awaitables[] = {asyncio_coroutine(sweep_work, NULL),
                                         asyncio_sleep_coroutine(2), asyncio_sleep_coroutine(3)};
    asyncio_as_completed_t *iteration = asyncio_as_completed(awaitables, 3, 50);
    asyncio_future_t *future = NULL;
    if (!is_there(iteration))
        return;
    may(asyncio_await(asyncio_as_completed_next_coroutine(iteration, &future), NULL));
    while (may(asyncio_as_completed_next(iteration, &future)) > 0)
        may(asyncio_future_result(future, NULL));
    asyncio_as_completed_unref(iteration);
}

const scenario_t sweep_gather = {.name = "gather", .use = use_gather};
const scenario_t sweep_wait = {.name = "wait", .use = use_wait};
const scenario_t sweep_timeouts = {.name = "timeouts", .use = use_timeouts};
const scenario_t sweep_groups = {.name = "task groups", .use = use_groups};
const scenario_t sweep_as_completed = {.name = "as_completed", .use = use_as_completed};
