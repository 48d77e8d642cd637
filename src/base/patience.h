/* SPDX-License-Identifier: MIT */
/*
 * Looking a short while for what another thread is about to bring, before going to sleep: to sleep
 * and be woken costs both threads some microseconds.
 *
 *     uint32_t rounds = asyncio__patience_rounds(&patience);
 *     while (rounds > 0 && !is_there()) { asyncio__pause(); rounds--; }
 *     asyncio__patience_learn(&patience, is_there());
 *
 * It learns: what was waited for in vain makes it look less, down to not at all but for a try now
 * and then. So a thread that waits for long work, or shares one processor with the thread that does
 * it, loses nothing.
 */
#ifndef ASYNCIO__BASE_PATIENCE_H
#define ASYNCIO__BASE_PATIENCE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define ASYNCIO__PATIENCE_MOST  512 /* rounds: about ten microseconds, what a wake-up costs */
#define ASYNCIO__PATIENCE_LEAST 32  /* below this it does not look */
#define ASYNCIO__PATIENCE_TRY   64  /* but every so often */

typedef struct asyncio__patience {
    uint32_t rounds; /* how long it looks */
    uint32_t missed; /* how often it did not look, since it last did */
} asyncio__patience_t;

/* Tells the processor that this is a wait. */
static inline void asyncio__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#define ASYNCIO__YIELDS_MOST 16 /* before the waiting thread sleeps */
#define ASYNCIO__NAP_NS      50000

/*
 * Waits for another thread that needs only a moment more. The other thread may have been
 * preempted, possibly by this one: with a real-time priority sched_yield() does not let it run, so
 * after some rounds this thread sleeps.
 */
static inline void asyncio__pause_or_sleep(uint32_t *rounds)
{
    if (++*rounds < ASYNCIO__PATIENCE_LEAST) {
        asyncio__pause();
    } else if (*rounds < ASYNCIO__PATIENCE_LEAST + ASYNCIO__YIELDS_MOST) {
        sched_yield();
    } else {
        const struct timespec nap = {.tv_nsec = ASYNCIO__NAP_NS};
        nanosleep(&nap, NULL);
    }
}

static inline uint32_t asyncio__patience_rounds(asyncio__patience_t *patience)
{
    if (patience->rounds >= ASYNCIO__PATIENCE_LEAST)
        return patience->rounds;
    if (++patience->missed < ASYNCIO__PATIENCE_TRY)
        return 0;
    patience->missed = 0;
    return ASYNCIO__PATIENCE_MOST;
}

static inline void asyncio__patience_learn(asyncio__patience_t *patience, bool was_rewarded)
{
    patience->rounds = was_rewarded ? ASYNCIO__PATIENCE_MOST : patience->rounds / 2;
}

#endif
