/* SPDX-License-Identifier: MIT */
/* Budgets; see budget.h. */
#include "task/budget.h"

#include "task/task.h"

int asyncio__budget_spend_used(void)
{
    asyncio_loop_t *loop = asyncio__thread.running_loop;
    if (!loop || loop->await_budget == 0 || !asyncio__thread.coroutine)
        return 0;
    /* Each step is a ready item of its own: a new one begins with the whole budget. */
    uint64_t step = loop->counts.steps + (loop->ready.head - loop->counts.last_head);
    if (step != loop->budget_step) {
        loop->budget_step = step;
        loop->budget_left = loop->await_budget;
    }
    if (loop->budget_left > 0) {
        loop->budget_left--;
        return 0;
    }
    int rc = asyncio__give_way();
    return rc < 0 ? rc : asyncio__budget_spend_used(); /* the await counts in the new step */
}
