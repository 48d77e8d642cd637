/* SPDX-License-Identifier: MIT */
/*
 * The buffers that the kernel lends to receives: a ring of them, shared with it (Linux 5.19).
 *
 * The kernel takes the buffer at the ring's head when it has data for a receive, and says in the
 * completion which one it took; a returned buffer goes to the ring's tail. A receive that finds
 * the ring empty completes with -ENOBUFS; the engine starts it again after a return, never by a
 * timer. The memory is mapped, and the ring registered, at the first receive without a buffer.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/syscalls.h"
#include "engine/uring_engine.h"

#define COUNT       ASYNCIO__LENDER_BUFFERS
#define RING_BYTES  4096 /* the kernel wants it to begin a page */
#define BUFFERS_BYTES ((size_t)COUNT * ASYNCIO__LENT_BYTES)

_Static_assert(COUNT == 64, "a bit a buffer in lent, and a power of two");

/* The ABI's: an entry of the ring. The ring's tail lies in the first one's last two bytes. */
struct entry {
    uint64_t address;
    uint32_t length;
    uint16_t id;
    _Atomic uint16_t tail;
};

typedef asyncio__uring_engine_t engine_t;
typedef asyncio__uring_buffers_t buffers_t;

static char *buffer_at(const buffers_t *buffers, unsigned id)
{
    return (char *)buffers->memory + RING_BYTES + (size_t)id * ASYNCIO__LENT_BYTES;
}

static void add(buffers_t *buffers, unsigned id)
{
    struct entry *entry = (struct entry *)buffers->memory + (buffers->tail++ & (COUNT - 1));
    entry->address = (uintptr_t)buffer_at(buffers, id);
    entry->length = ASYNCIO__LENT_BYTES;
    entry->id = (uint16_t)id;
}

/* Pairs with the kernel's acquire of the tail: the entries before it are complete. */
static void publish(buffers_t *buffers)
{
    struct entry *ring = buffers->memory;
    atomic_store_explicit(&ring->tail, buffers->tail, memory_order_release);
}

static ASYNCIO__COLD int register_buffers(engine_t *engine)
{
    buffers_t *buffers = &engine->buffers;
    int rc = asyncio__uring_own(engine);
    if (rc < 0)
        return rc;
    if (!buffers->memory) {
        void *memory = asyncio__sys.mmap(NULL, RING_BYTES + BUFFERS_BYTES, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            return -errno;
        buffers->memory = memory;
        buffers->free_count = COUNT;
    }
    /* A ring that took the place of another one begins with the buffers that are not lent. */
    buffers->tail = 0;
    publish(buffers);
    rc = asyncio__uring_register_buffers(&engine->ring, buffers->memory, COUNT);
    if (rc < 0) {
        buffers->is_refused = rc != -ENOMEM;
        return rc;
    }
    for (unsigned id = 0; id < COUNT; id++) {
        if (!(buffers->lent >> id & 1))
            add(buffers, id);
    }
    publish(buffers);
    buffers->is_registered = true;
    return 0;
}

int asyncio__uring_provide_buffers(engine_t *engine)
{
    if (ASYNCIO__LIKELY(engine->buffers.is_registered))
        return 0;
    return engine->buffers.is_refused ? -EOPNOTSUPP : register_buffers(engine);
}

void *asyncio__uring_taken_buffer(engine_t *engine, const asyncio__uring_cqe_t *cqe)
{
    buffers_t *buffers = &engine->buffers;
    unsigned id = cqe->flags >> ASYNCIO__URING_BUFFER_SHIFT;
    if (!(cqe->flags & ASYNCIO__URING_BUFFER))
        return NULL;
    assert(id < COUNT && !(buffers->lent >> id & 1));
    buffers->lent |= (uint64_t)1 << id;
    buffers->free_count--;
    return buffer_at(buffers, id);
}

void asyncio__uring_return_buffer(asyncio__engine_t *base, void *buffer)
{
    engine_t *engine = asyncio__uring_of(base);
    buffers_t *buffers = &engine->buffers;
    size_t offset = (uintptr_t)buffer - (uintptr_t)buffers->memory - RING_BYTES;
    if (buffers->memory && offset < BUFFERS_BYTES) {
        unsigned id = (unsigned)(offset / ASYNCIO__LENT_BYTES);
        assert(offset % ASYNCIO__LENT_BYTES == 0 && (buffers->lent >> id & 1));
        buffers->lent &= ~((uint64_t)1 << id);
        buffers->free_count++;
        if (buffers->is_registered) {
            add(buffers, id);
            publish(buffers);
        }
    } else {
        asyncio__lender_return(&base->lender, buffer);
    }
    if (base->is_foreign && !asyncio__list_is_empty(&engine->starved))
        base->class->wake(base);
}

void asyncio__uring_free_buffers(engine_t *engine)
{
    if (engine->buffers.memory)
        asyncio__sys.munmap(engine->buffers.memory, RING_BYTES + BUFFERS_BYTES);
    engine->buffers.memory = NULL;
}
