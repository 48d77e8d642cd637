/* SPDX-License-Identifier: MIT */
/* Threads of the library's own; see thread.h. */
#include "executor/thread.h"

#include <signal.h>

#include "base/syscalls.h"

int asyncio__thread_start(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = asyncio__sys.pthread_create(ret_thread, attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}
