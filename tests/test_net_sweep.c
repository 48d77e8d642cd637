/* SPDX-License-Identifier: MIT */
/*
 * Every allocation and every system call of sockets, streams, names, processes, datagrams and
 * asyncio_serve() fails: see sweeps/sweep.h. In a program of its own, as with executors.
 */
#include "sweeps/sweep.h"

#include <stdlib.h>

#define SWEEPS(scenario)                                                                   \
    {"memory for " #scenario, sweep_memory, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}, \
    {"calls by " #scenario, sweep_calls, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEPS(sockets), SWEEPS(streams), SWEEPS(names), SWEEPS(processes), SWEEPS(datagrams),
        SWEEPS(serve),
    };
    unsetenv("ASYNCIO_TEST_SWEEP"); /* these are sweeps already */
    return faults_install() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
