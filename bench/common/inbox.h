/* SPDX-License-Identifier: MIT */
/*
 * An inbox of callbacks that other threads post, as a program needs it whose library can only wake
 * its loop (the work `wake` of libuv and State Threads). A mutex, and two arrays that are swapped,
 * so that the loop runs a whole batch without holding the lock.
 */
#ifndef BENCH_INBOX_H
#define BENCH_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/** A callback that was posted. */
typedef struct inbox_post {
    void (*call)(void *arg); /**< the callback */
    void *arg;               /**< its argument */
} inbox_post_t;

/** A batch of callbacks. */
typedef struct inbox_batch {
    inbox_post_t *posts; /**< in the order in which they were posted */
    size_t count;        /**< their number */
    size_t room;         /**< the length of the array */
} inbox_batch_t;

/** Zero it, and set the mutex, before use. */
typedef struct inbox {
    pthread_mutex_t mutex; /**< guards `waiting` */
    inbox_batch_t waiting; /**< callbacks posted since the last run */
    inbox_batch_t running; /**< the loop's thread only */
} inbox_t;

/** Posts a callback, on any thread; returns whether the loop must be woken. */
static inline bool inbox_post(inbox_t *inbox, void (*call)(void *arg), void *arg)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox_batch_t *waiting = &inbox->waiting;
    bool was_empty = waiting->count == 0;
    if (waiting->count == waiting->room) {
        waiting->room = waiting->room ? 2 * waiting->room : 1024;
        waiting->posts =
            (inbox_post_t *)realloc(waiting->posts, waiting->room * sizeof(inbox_post_t));
        if (!waiting->posts)
            abort();
    }
    waiting->posts[waiting->count].call = call;
    waiting->posts[waiting->count].arg = arg;
    waiting->count++;
    pthread_mutex_unlock(&inbox->mutex);
    return was_empty;
}

/** Runs the posted callbacks, on the loop's thread. */
static inline void inbox_run(inbox_t *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox_batch_t batch = inbox->waiting;
    inbox->waiting = inbox->running;
    inbox->waiting.count = 0;
    pthread_mutex_unlock(&inbox->mutex);
    for (size_t i = 0; i < batch.count; i++)
        batch.posts[i].call(batch.posts[i].arg);
    inbox->running = batch;
}

static inline void inbox_fini(inbox_t *inbox)
{
    free(inbox->waiting.posts);
    free(inbox->running.posts);
    pthread_mutex_destroy(&inbox->mutex);
}

#endif
