/* SPDX-License-Identifier: MIT */
/* What the library keeps for each thread, and its end; see thread.h. */
#include "base/thread.h"

#include <pthread.h>

#include "base/context.h"
#include "base/error.h"

ASYNCIO__THREAD_LOCAL asyncio__thread_t asyncio__thread;
void (*asyncio__thread_end_hook)(void);

static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;
static bool has_end_key;

static void end_thread(void *thread)
{
    asyncio__thread_t *ending = thread;
    ending->is_end_watched = false;
    if (asyncio__thread_end_hook)
        asyncio__thread_end_hook();
    void *word = ending->own.context;
    ending->own.context = NULL;
    asyncio__context_drop(word);
    asyncio_error_clear();
}

static void make_end_key(void)
{
    has_end_key = pthread_key_create(&end_key, end_thread) == 0;
}

void asyncio__thread_watch_end(void)
{
    if (asyncio__thread.is_end_watched)
        return;
    pthread_once(&end_key_once, make_end_key);
    asyncio__thread.is_end_watched =
        has_end_key && pthread_setspecific(end_key, &asyncio__thread) == 0;
}
