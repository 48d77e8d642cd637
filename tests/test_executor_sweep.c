/* SPDX-License-Identifier: MIT */
/*
 * Executors survive every failure, in whatever thread it happens: as in test_failure_sweep.c, but
 * in real time.
 */
#include "sweeps/sweep.h"

#include <stdlib.h>

#define SWEEPS(scenario)                                                                   \
    {"memory for " #scenario, sweep_memory, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}, \
    {"calls by " #scenario, sweep_calls, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}

int main(void)
{
    const struct CMUnitTest tests[] = {SWEEPS(executors), SWEEPS(concurrent_futures)};
    unsetenv("ASYNCIO_TEST_SWEEP"); /* these are sweeps already */
    return faults_install() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
