/* SPDX-License-Identifier: MIT */
/* run_in_executor inside the library: in a context, and with the job of the future. */
#ifndef ASYNCIO__EXECUTOR_EXECUTOR_RUN_H
#define ASYNCIO__EXECUTOR_EXECUTOR_RUN_H

#include <asyncio/executor.h>

/* As asyncio_loop_run_in_executor_full(); with in_context, fn runs in a copy of the current
 * context. */
asyncio_future_t *asyncio__run_in_executor(asyncio_loop_t *loop, asyncio_executor_t *executor,
                                           asyncio_coroutine_function_t *fn, void *arg,
                                           const asyncio_job_options_t *options, bool in_context);

/* The job of a future that asyncio__run_in_executor() returned, as long as the future lives; NULL
 * for another future. */
asyncio_job_t *asyncio__job_of_future(asyncio_future_t *future);

#endif
