/* SPDX-License-Identifier: MIT */
/* Threads of the library's own: signals go to the program's threads. */
#ifndef ASYNCIO__EXECUTOR_THREAD_H
#define ASYNCIO__EXECUTOR_THREAD_H

#include <pthread.h>

/* Starts a thread with all signals blocked: 0 or a negative code. The attributes may be NULL. */
int asyncio__thread_start(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg);

#endif
