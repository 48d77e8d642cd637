/* SPDX-License-Identifier: MIT */
/*
 * Sees every task as it is made, those of gather, wait and the rest too. There is no public call
 * for that: this is the one file of the program that looks into the library.
 */
#include "task/task.h"

#include "scenario.h"

static void on_task_created(asyncio_task_t *task, void *arg)
{
    add_task(arg, task);
}

void observe_tasks(scenario_t *scenario)
{
    asyncio__ignore(asyncio__tasks_watch(scenario->loop, on_task_created, scenario));
}
