/* SPDX-License-Identifier: MIT */
/*
 * Budgets: an await that is done at once does not suspend, so that a task whose data is always
 * there keeps every other task waiting. A loop with a budget lets a task complete that many of them
 * in a row, then puts it at the end of the ready queue.
 *
 *     int rc = asyncio__budget_spend();        before anything is changed: 0, or thrown in
 *
 * Programs without budgets pay for one comparison.
 */
#ifndef ASYNCIO__TASK_BUDGET_H
#define ASYNCIO__TASK_BUDGET_H

#include "base/compiler.h"
#include "base/context.h"

ASYNCIO__COLD int asyncio__budget_spend_used(void);

/* Spends one await of the running task's budget; suspends for one turn when none is left. Returns
 * 0, also outside a task, or what was thrown into the suspended task. */
static inline int asyncio__budget_spend(void)
{
    return ASYNCIO__LIKELY(!asyncio__uses(ASYNCIO__USES_BUDGETS)) ? 0
                                                                  : asyncio__budget_spend_used();
}

#endif
