/* SPDX-License-Identifier: MIT */
/* What the test fixture needs of runners beside the public calls. */
#ifndef ASYNCIO__RUN_RUNNER_H
#define ASYNCIO__RUN_RUNNER_H

#include <asyncio/runner.h>

/* Called after a longjmp() out of a coroutine of the running loop: its tasks cannot continue. The
 * thread forgets the run; the runner and its loop are leaked. */
void asyncio__runner_abandon(asyncio_runner_t *runner);

#endif
