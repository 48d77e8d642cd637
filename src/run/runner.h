/* SPDX-License-Identifier: MIT */
/* Of runners, what the fixture for tests needs beside the public calls. */
#ifndef ASYNCIO__RUN_RUNNER_H
#define ASYNCIO__RUN_RUNNER_H

#include <asyncio/runner.h>

/* Someone left a coroutine of the running loop by longjmp(), so that nothing of it can go on. The
 * thread forgets what ran in it; the runner and its loop are leaked as they stand. */
void asyncio__runner_abandon(asyncio_runner_t *runner);

#endif
