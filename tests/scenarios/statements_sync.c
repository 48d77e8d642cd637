/* SPDX-License-Identifier: MIT */
/*
 * The statements about locks, events, conditions, semaphores, barriers and queues.
 */
#include "scenario.h"

/* The library has none of them yet. */
static outcome_t unsupported(scenario_t *scenario, json_t *args)
{
    log_line(scenario, "unsupported %s", text_at(args, 0));
    return go_on();
}

const operation_t operations_sync_now[] = {
    {"release", unsupported},    {"locked", unsupported},     {"set", unsupported},
    {"clear", unsupported},      {"notify", unsupported},     {"notify_all", unsupported},
    {"put_nowait", unsupported}, {"get_nowait", unsupported}, {"task_done", unsupported},
    {"qsize", unsupported},      {"queue_shutdown", unsupported}, {NULL, NULL},
};

const operation_t operations_sync_wait[] = {
    {"with", unsupported},         {"acquire", unsupported},       {"event_wait", unsupported},
    {"cond_wait", unsupported},    {"barrier_wait", unsupported},  {"barrier_reset", unsupported},
    {"barrier_abort", unsupported}, {"put", unsupported},          {"get", unsupported},
    {"join", unsupported},         {NULL, NULL},
};
