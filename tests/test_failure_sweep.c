/* SPDX-License-Identifier: MIT */
/*
 * The core survives every failure: scenarios that call each of its functions (tests/sweeps) run
 * with each allocation failing, once and permanently, and with each system call failing with each
 * error of its manual page. sweeps/sweep.h says which results are allowed then.
 */
#include "sweeps/sweep.h"

#include <stdlib.h>

#define SWEEPS(scenario)                                                                   \
    {"memory for " #scenario, sweep_memory, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}, \
    {"calls by " #scenario, sweep_calls, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEPS(errors),     SWEEPS(callbacks), SWEEPS(loops),      SWEEPS(watches),
        SWEEPS(signals),    SWEEPS(runners),   SWEEPS(futures),    SWEEPS(tasks),
        SWEEPS(coroutines), SWEEPS(gather),    SWEEPS(wait),       SWEEPS(timeouts),
        SWEEPS(groups),     SWEEPS(locks),     SWEEPS(conditions), SWEEPS(as_completed),
        SWEEPS(generators), SWEEPS(queues),    SWEEPS(call_graphs),
        SWEEPS(testing),    SWEEPS(contexts),  SWEEPS(factories),  SWEEPS(runner_contexts),
    };
    unsetenv("ASYNCIO_TEST_SWEEP"); /* these are sweeps already */
    return faults_install() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
