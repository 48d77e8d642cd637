/* SPDX-License-Identifier: MIT */
/* Quarantine for freed objects; see quarantine.h. */
#include "base/quarantine.h"

#include "base/sanitizer.h"

void asyncio__quarantine_begin(asyncio__quarantine_t *quarantine)
{
#if !defined(ASYNCIO__ASAN) && !defined(ASYNCIO__TSAN)
    if (asyncio__on_valgrind())
        return;
    *quarantine = (asyncio__quarantine_t){.next = 0};
    asyncio__thread.quarantine = quarantine;
#else
    (void)quarantine;
#endif
}

static void release(asyncio__quarantine_t *quarantine, unsigned at)
{
    if (!quarantine->kept[at].block)
        return;
    atomic_fetch_sub_explicit(&asyncio__quarantined_blocks, 1, memory_order_relaxed);
    asyncio__free(quarantine->kept[at].block, quarantine->kept[at].size);
    quarantine->kept[at].block = NULL;
}

void asyncio__quarantine_put(void *block, size_t size)
{
    asyncio__quarantine_t *quarantine = asyncio__thread.quarantine;
    unsigned at = quarantine->next;
    quarantine->next = (at + 1) % ASYNCIO__QUARANTINE_BLOCKS;
    release(quarantine, at);
    quarantine->kept[at].block = block;
    quarantine->kept[at].size = size;
    atomic_fetch_add_explicit(&asyncio__quarantined_blocks, 1, memory_order_relaxed);
}

void asyncio__quarantine_end(void)
{
    asyncio__quarantine_t *quarantine = asyncio__thread.quarantine;
    asyncio__thread.quarantine = NULL;
    for (unsigned at = 0; quarantine && at < ASYNCIO__QUARANTINE_BLOCKS; at++)
        release(quarantine, at);
}
