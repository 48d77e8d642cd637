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

/* Waits for another thread that needs but a moment more, unless it was preempted just then. */
static inline void asyncio__pause_or_yield(uint32_t *rounds)
{
    if (++*rounds < ASYNCIO__PATIENCE_LEAST)
        asyncio__pause();
    else
        sched_yield();
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
