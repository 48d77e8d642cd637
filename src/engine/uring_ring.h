/* SPDX-License-Identifier: MIT */
/*
 * An io_uring: its set-up, its two queues in shared memory, its system calls. Nothing here knows
 * what is asked of the kernel.
 *
 *     asyncio__uring_sqe_t *sqe = asyncio__uring_next(ring);    NULL: full, flush first
 *     sqe->opcode = …;                                          fields come zeroed
 *     asyncio__uring_enter(ring, 1, -1);                        submits all, waits for one
 *     while (asyncio__uring_reap(ring, &cqe)) …
 *
 * The constants are our own, since the headers of today's distributions lack half of them; the
 * values are the kernel's ABI. What a kernel does not know is found out by asking it, never
 * guessed from its version.
 *
 * The ring is made disabled, on any thread. The thread that first enters it enables it and is
 * from then on its only user, for the kernel relies on that to leave out locks and interrupts.
 */
#ifndef ASYNCIO__ENGINE_URING_RING_H
#define ASYNCIO__ENGINE_URING_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What a submission asks for (sqe->opcode). */
enum {
    ASYNCIO__URING_POLL_ADD = 6,
    ASYNCIO__URING_SENDMSG = 9,
    ASYNCIO__URING_RECVMSG = 10,
    ASYNCIO__URING_ACCEPT = 13,
    ASYNCIO__URING_ASYNC_CANCEL = 14,
    ASYNCIO__URING_READ = 22,
    ASYNCIO__URING_WRITE = 23,
    ASYNCIO__URING_SEND = 26,
    ASYNCIO__URING_RECV = 27,
};

#define ASYNCIO__URING_BUFFER_SELECT  (1u << 5) /* sqe->flags: into a buffer of the group */
#define ASYNCIO__URING_SKIP_SUCCESS   (1u << 6) /* sqe->flags: no completion on success */
#define ASYNCIO__URING_POLL_MULTISHOT (1u << 0) /* sqe->length of a poll */

#define ASYNCIO__URING_BUFFER   (1u << 0) /* cqe->flags: a buffer was taken; its id is above */
#define ASYNCIO__URING_BUFFER_SHIFT 16
#define ASYNCIO__URING_MORE     (1u << 1) /* cqe->flags: more completions will follow */
#define ASYNCIO__URING_NONEMPTY (1u << 2) /* cqe->flags: the socket holds more to receive */

/* One submission, 64 bytes. */
typedef struct asyncio__uring_sqe {
    uint8_t opcode;      /* what to do */
    uint8_t flags;       /* how to submit it */
    uint16_t ioprio;     /* flags of sends, receives and accepts */
    int32_t fd;          /* about which descriptor */
    uint64_t offset;     /* or a second address */
    uint64_t address;    /* of a buffer or a message, or whom to cancel */
    uint32_t length;     /* of the buffer, or flags of a poll */
    uint32_t op_flags;   /* MSG_…, SOCK_…, poll events or cancel flags */
    uint64_t user_data;  /* comes back in the completion */
    uint16_t buffer_group; /* zero: the only group */
    uint16_t unused16[3];  /* zero */
    uint64_t unused[2];    /* zero */
} asyncio__uring_sqe_t;

/* One completion, 16 bytes. */
typedef struct asyncio__uring_cqe {
    uint64_t user_data; /* of the submission */
    int32_t result;     /* or -errno */
    uint32_t flags;     /* MORE, NONEMPTY */
} asyncio__uring_cqe_t;

typedef struct asyncio__uring {
    asyncio__uring_sqe_t *sqes;  /* the submissions */
    asyncio__uring_cqe_t *cqes;  /* the completions */
    _Atomic uint32_t *sq_head;   /* the kernel's: what it has taken */
    _Atomic uint32_t *sq_tail;   /* ours: what it may take */
    _Atomic uint32_t *sq_flags;  /* the kernel's: what it wants of us */
    _Atomic uint32_t *cq_head;   /* ours: what we have taken */
    _Atomic uint32_t *cq_tail;   /* the kernel's: what we may take */
    uint32_t sq_mask;            /* submissions - 1 */
    uint32_t cq_mask;            /* completions - 1 */
    uint32_t tail;               /* ours: submissions prepared, sq_tail once published */
    uint32_t setup_flags;        /* what the kernel granted */
    uint32_t features;           /* what else the kernel says it has */
    uint32_t enter_flags;        /* to every enter */
    int fd;                      /* the ring, or -1 */
    _Atomic int event_fd;        /* an eventfd that the kernel signals, or -1 */
    bool is_enabled;             /* a thread has made it its own */
    bool is_on_valgrind;         /* which stops all threads while one waits in the kernel */
    const void *thread;          /* which one */
    void *rings;                 /* the mapping of both queues */
    size_t rings_bytes;          /* its size */
    size_t sqes_bytes;           /* of the mapping of sqes */
} asyncio__uring_t;

/* Room for so many submissions and completions (powers of two), disabled: 0 or -errno. */
int asyncio__uring_init(asyncio__uring_t *ring, unsigned submissions, unsigned completions);

void asyncio__uring_fini(asyncio__uring_t *ring);

/* Makes it this thread's; harmless when it is. -EXDEV when it is another's. */
int asyncio__uring_enable(asyncio__uring_t *ring);

/* Whether the kernel completes work only when we enter, which is what makes it fast. */
bool asyncio__uring_is_deferred(const asyncio__uring_t *ring);

/*
 * Submits all, runs what the kernel put off, and waits until there are so many completions or
 * the time has passed (< 0: no limit). 0, also when interrupted or late; -EBUSY when completions
 * must be taken first; else -errno.
 */
int asyncio__uring_enter(asyncio__uring_t *ring, unsigned wait, int64_t timeout_ns);

/*
 * A descriptor that becomes readable when there is something to enter for, or -errno. Polling the
 * ring itself is not enough: work that is put off until an enter wakes nobody there.
 */
int asyncio__uring_event_fd(asyncio__uring_t *ring);

/* Takes over the one of a ring that is given up: 0 or -errno. */
int asyncio__uring_adopt_event_fd(asyncio__uring_t *ring, asyncio__uring_t *from);

/* Has the kernel lend the buffers of a ring (page-aligned) with that many entries: 0 or -errno. */
int asyncio__uring_register_buffers(asyncio__uring_t *ring, void *memory, unsigned entries);

/* Makes that descriptor unreadable, if there is one. */
void asyncio__uring_clear_event(asyncio__uring_t *ring);

/*
 * Makes it readable; any thread. Linux 6.18 forwards only the first event to it that comes from
 * a write to an eventfd, so who wakes the ring by one calls this too.
 */
void asyncio__uring_set_event(asyncio__uring_t *ring);

static inline unsigned asyncio__uring_unsubmitted(const asyncio__uring_t *ring)
{
    return ring->tail - atomic_load_explicit(ring->sq_head, memory_order_acquire);
}

/* True when an enter without waiting could bring completions. */
static inline bool asyncio__uring_has_work(const asyncio__uring_t *ring)
{
    return atomic_load_explicit(ring->sq_flags, memory_order_relaxed) != 0;
}

static inline bool asyncio__uring_has_completion(const asyncio__uring_t *ring)
{
    return atomic_load_explicit(ring->cq_head, memory_order_relaxed) !=
           atomic_load_explicit(ring->cq_tail, memory_order_acquire);
}

/* The next submission, zeroed, or NULL when the queue is full. It is the kernel's from the next
 * enter on. */
static inline asyncio__uring_sqe_t *asyncio__uring_next(asyncio__uring_t *ring)
{
    if (asyncio__uring_unsubmitted(ring) > ring->sq_mask)
        return NULL;
    asyncio__uring_sqe_t *sqe = &ring->sqes[ring->tail++ & ring->sq_mask];
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

/* Poll's bits as a submission has them: the halves are swapped where bytes are. */
static inline uint32_t asyncio__uring_poll_bits(uint32_t events)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return events << 16 | events >> 16;
#else
    return events;
#endif
}

/*
 * Takes one completion. The head is given back with each, so that this may be called again from
 * whatever a completion leads to.
 */
static inline bool asyncio__uring_reap(asyncio__uring_t *ring, asyncio__uring_cqe_t *ret_cqe)
{
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    /* Pairs with the kernel's release of the tail: the entries before it are complete. */
    if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire))
        return false;
    *ret_cqe = ring->cqes[head & ring->cq_mask];
    /* Pairs with the kernel's acquire of the head: it may write over the entry now. */
    atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
    return true;
}

/* The completion that reap() will take after so many others, or NULL if it is not there yet. */
static inline const asyncio__uring_cqe_t *asyncio__uring_ahead(const asyncio__uring_t *ring,
                                                               uint32_t distance)
{
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    /* Pairs with the kernel's release of the tail, as in reap(). */
    uint32_t count = atomic_load_explicit(ring->cq_tail, memory_order_acquire) - head;
    return count > distance ? &ring->cqes[(head + distance) & ring->cq_mask] : NULL;
}

#endif
