/* SPDX-License-Identifier: MIT */
/* Every allocation and every system call of files, paths and sent files fails: see
 * sweeps/sweep.h. */
#include "sweeps/sweep.h"

#include <stdlib.h>

#define SWEEPS(scenario)                                                                   \
    {"memory for " #scenario, sweep_memory, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}, \
    {"calls by " #scenario, sweep_calls, NULL, NULL, (void *)(uintptr_t)&sweep_##scenario}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEPS(files), SWEEPS(paths), SWEEPS(sending),
    };
    unsetenv("ASYNCIO_TEST_SWEEP"); /* these are sweeps already */
    return faults_install() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
