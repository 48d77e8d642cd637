/* SPDX-License-Identifier: MIT */
/*
 * An io_uring: its set-up, its two queues in shared memory, its system calls. Nothing here knows
 * which operations are submitted.
 *
 *     asyncio__uring_sqe_t *sqe = asyncio__uring_next(ring);    NULL: full, flush first
 *     sqe->opcode = …;                                          fields come zeroed
 *     asyncio__uring_enter(ring, 1, -1);                        submits all, waits for one
 *     while (asyncio__uring_reap(ring, &cqe)) …
 *
 * The constants are defined here because the headers of current distributions lack half of them;
 * their values are the kernel's ABI. Whether the kernel supports a feature is found out by asking
 * it, never guessed from its version.
 *
 * The ring is created disabled, on any thread. The first thread that enters it enables it and is
 * its only user from then on: the kernel relies on that to leave out locks and interrupts.
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

#define ASYNCIO__URING_BUFFER_SELECT  (1u << 5) /* sqe->flags: use a buffer of the group */
#define ASYNCIO__URING_SKIP_SUCCESS   (1u << 6) /* sqe->flags: no completion on success */
#define ASYNCIO__URING_POLL_MULTISHOT (1u << 0) /* sqe->length of a poll */

#define ASYNCIO__URING_BUFFER   (1u << 0) /* cqe->flags: a buffer was used; its id: bits 16-31 */
#define ASYNCIO__URING_BUFFER_SHIFT 16
#define ASYNCIO__URING_MORE     (1u << 1) /* cqe->flags: more completions will follow */
#define ASYNCIO__URING_NONEMPTY (1u << 2) /* cqe->flags: the socket holds more to receive */

/* One submission, 64 bytes. */
typedef struct asyncio__uring_sqe {
    uint8_t opcode;      /* what to do */
    uint8_t flags;       /* how to submit it */
    uint16_t ioprio;     /* flags of sends, receives and accepts */
    int32_t fd;          /* the file descriptor that it concerns */
    uint64_t offset;     /* or a second address */
    uint64_t address;    /* of a buffer or a message, or user_data of the entry to cancel */
    uint32_t length;     /* of the buffer, or flags of a poll */
    uint32_t op_flags;   /* MSG_…, SOCK_…, poll events or cancel flags */
    uint64_t user_data;  /* copied into the completion */
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
    _Atomic uint32_t *sq_head;   /* written by the kernel: submissions that it has consumed */
    _Atomic uint32_t *sq_tail;   /* written by us: submissions that it may consume */
    _Atomic uint32_t *sq_flags;  /* written by the kernel: why it needs to be entered */
    _Atomic uint32_t *cq_head;   /* written by us: completions that we have consumed */
    _Atomic uint32_t *cq_tail;   /* written by the kernel: completions that we may consume */
    uint32_t sq_mask;            /* submissions - 1 */
    uint32_t cq_mask;            /* completions - 1 */
    uint32_t tail;               /* submissions prepared; stored in *sq_tail by the next enter */
    uint32_t setup_flags;        /* the flags that the kernel accepted */
    uint32_t features;           /* the features that the kernel reports */
    uint32_t enter_flags;        /* passed to every enter */
    int fd;                      /* the ring, or -1 */
    _Atomic int event_fd;        /* an eventfd that the kernel signals, or -1 */
    bool is_enabled;             /* a thread has enabled the ring */
    bool is_on_valgrind;         /* which stops all threads while one waits in the kernel */
    const void *thread;          /* the thread that enabled it */
    void *rings;                 /* the mapping of both queues */
    size_t rings_bytes;          /* the size of that mapping */
    size_t sqes_bytes;           /* the size of the mapping of sqes */
} asyncio__uring_t;

/* Creates a disabled ring with that number of submissions and completions (powers of two).
 * Returns 0 or -errno. */
int asyncio__uring_init(asyncio__uring_t *ring, unsigned submissions, unsigned completions);

void asyncio__uring_fini(asyncio__uring_t *ring);

/* Enables the ring for this thread; a no-op if it is already. -EXDEV: it is another thread's. */
int asyncio__uring_enable(asyncio__uring_t *ring);

/* Whether the kernel completes work only when the ring is entered, which is what makes it fast. */
bool asyncio__uring_is_deferred(const asyncio__uring_t *ring);

/*
 * Submits everything, runs the work that the kernel has deferred, and waits until `wait`
 * completions are available or the timeout has passed (< 0: no limit). Returns 0, also when
 * interrupted or timed out; -EBUSY when completions must be reaped first; else -errno.
 */
int asyncio__uring_enter(asyncio__uring_t *ring, unsigned wait, int64_t timeout_ns);

/*
 * Returns a descriptor that becomes readable when the ring must be entered, or -errno. Polling
 * the ring itself is not enough: deferred work does not make it readable.
 */
int asyncio__uring_event_fd(asyncio__uring_t *ring);

/* Moves the event descriptor of a ring that is being replaced to this one: 0 or -errno. */
int asyncio__uring_adopt_event_fd(asyncio__uring_t *ring, asyncio__uring_t *from);

/* Registers a ring of buffers (page-aligned) with that number of entries, from which the kernel
 * picks one for a receive with BUFFER_SELECT. Returns 0 or -errno. */
int asyncio__uring_register_buffers(asyncio__uring_t *ring, void *memory, unsigned entries);

/* Makes the event descriptor unreadable, if there is one. */
void asyncio__uring_clear_event(asyncio__uring_t *ring);

/*
 * Makes the event descriptor readable; any thread. Linux 6.18 signals it only for the first
 * completion that a write to an eventfd causes, so a caller that wakes the ring by an eventfd
 * calls this too.
 */
void asyncio__uring_set_event(asyncio__uring_t *ring);

static inline unsigned asyncio__uring_unsubmitted(const asyncio__uring_t *ring)
{
    return ring->tail - atomic_load_explicit(ring->sq_head, memory_order_acquire);
}

/* Whether an enter without waiting could produce completions. */
static inline bool asyncio__uring_has_work(const asyncio__uring_t *ring)
{
    return atomic_load_explicit(ring->sq_flags, memory_order_relaxed) != 0;
}

static inline bool asyncio__uring_has_completion(const asyncio__uring_t *ring)
{
    return atomic_load_explicit(ring->cq_head, memory_order_relaxed) !=
           atomic_load_explicit(ring->cq_tail, memory_order_acquire);
}

/* Returns the next submission, zeroed, or NULL when the queue is full. From the next enter on it
 * belongs to the kernel. */
static inline asyncio__uring_sqe_t *asyncio__uring_next(asyncio__uring_t *ring)
{
    if (asyncio__uring_unsubmitted(ring) > ring->sq_mask)
        return NULL;
    asyncio__uring_sqe_t *sqe = &ring->sqes[ring->tail++ & ring->sq_mask];
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

/* Returns poll events as a submission holds them: with halves swapped on big-endian machines. */
static inline uint32_t asyncio__uring_poll_bits(uint32_t events)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return events << 16 | events >> 16;
#else
    return events;
#endif
}

/*
 * Takes one completion; false: there is none. The head is published after each, so that the
 * handler of a completion may itself call this function.
 */
static inline bool asyncio__uring_reap(asyncio__uring_t *ring, asyncio__uring_cqe_t *ret_cqe)
{
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    /* Pairs with the kernel's release of the tail: the entries before it are complete. */
    if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire))
        return false;
    *ret_cqe = ring->cqes[head & ring->cq_mask];
    /* Pairs with the kernel's acquire of the head: it may overwrite the entry now. */
    atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
    return true;
}

/* Returns the completion that reap() will take after `distance` others, or NULL if it has not
 * arrived yet. */
static inline const asyncio__uring_cqe_t *asyncio__uring_ahead(const asyncio__uring_t *ring,
                                                               uint32_t distance)
{
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    /* Pairs with the kernel's release of the tail, as in reap(). */
    uint32_t count = atomic_load_explicit(ring->cq_tail, memory_order_acquire) - head;
    return count > distance ? &ring->cqes[(head + distance) & ring->cq_mask] : NULL;
}

#endif
