/* SPDX-License-Identifier: MIT */
/*
 * An executor of the library's own jobs, over the shared worker threads: class ASYNCIO__WORK_JOBS.
 * It is never shut down or destroyed.
 */
#ifndef ASYNCIO__EXECUTOR_SHARED_EXECUTOR_H
#define ASYNCIO__EXECUTOR_SHARED_EXECUTOR_H

#include <asyncio/executor.h>

asyncio_executor_t *asyncio__shared_executor(void);

/* The caller no longer waits for a job, whose memory it still holds: one that has begun does not
 * count any more against the limit of its class. */
void asyncio__shared_executor_abandon(asyncio_job_t *job);

#endif
