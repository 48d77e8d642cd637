/* SPDX-License-Identifier: MIT */
/*
 * Sees every task as it is made, those of gather, wait and the rest too. There is no public call
 * for that: this is the one file of the program that looks into the library.
 */
#include "loop/loop.h"

#include "scenario.h"

static void on_task_created(asyncio_task_t *task, void *arg)
{
    add_task(arg, task);
}

void observe_tasks(scenario_t *scenario)
{
    scenario->loop->task_created = on_task_created;
    scenario->loop->task_created_arg = scenario;
}
