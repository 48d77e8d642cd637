/* SPDX-License-Identifier: MIT */
/*
 * An io_uring over the raw system calls: the set-up with as many of the wanted flags as the
 * kernel accepts, the mappings, the enter.
 */
#include "engine/uring_ring.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/sanitizer.h"
#include "base/syscalls.h"

#define SETUP_CQSIZE        (1u << 3)
#define SETUP_CLAMP         (1u << 4)
#define SETUP_R_DISABLED    (1u << 6)
#define SETUP_SUBMIT_ALL    (1u << 7)
#define SETUP_COOP_TASKRUN  (1u << 8)
#define SETUP_TASKRUN_FLAG  (1u << 9)
#define SETUP_SINGLE_ISSUER (1u << 12)
#define SETUP_DEFER_TASKRUN (1u << 13)
#define SETUP_NO_SQARRAY    (1u << 16)

#define FEATURE_SINGLE_MMAP (1u << 0)
#define FEATURE_NODROP      (1u << 1)
#define FEATURE_FAST_POLL   (1u << 5)
#define FEATURE_EXT_ARG     (1u << 8)
#define FEATURE_CQE_SKIP    (1u << 11)
#define FEATURE_NO_IOWAIT   (1u << 17)
#define FEATURES_NEEDED                                                          \
    (FEATURE_SINGLE_MMAP | FEATURE_NODROP | FEATURE_FAST_POLL | FEATURE_EXT_ARG | \
     FEATURE_CQE_SKIP)

#define ENTER_GETEVENTS       (1u << 0)
#define ENTER_EXT_ARG         (1u << 3)
#define ENTER_NO_IOWAIT       (1u << 7)

#define REGISTER_EVENTFD      4
#define UNREGISTER_EVENTFD    5
#define REGISTER_PROBE        8
#define REGISTER_ENABLE_RINGS 12
#define REGISTER_BUFFER_RING  22
#define PROBE_SUPPORTED       (1u << 0)
#define PROBE_COUNT           32

#define OFFSET_RINGS 0
#define OFFSET_SQES  0x10000000

/* The structures of the kernel's ABI. */
struct sq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
    uint64_t user_address;
};

struct cq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
    uint64_t user_address;
};

struct setup {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
    uint32_t reserved[3];
    struct sq_offsets sq;
    struct cq_offsets cq;
};

struct kernel_timespec {
    int64_t seconds, nanoseconds;
};

struct wait_argument {
    uint64_t signal_mask;
    uint32_t signal_mask_bytes, minimal_wait_us;
    uint64_t timeout;
};

struct register_buffers {
    uint64_t address;
    uint32_t entries;
    uint16_t group, flags;
    uint64_t reserved[3];
};

struct probe {
    uint8_t last, count;
    uint16_t reserved1;
    uint32_t reserved2[3];
    struct {
        uint8_t opcode, reserved1;
        uint16_t flags;
        uint32_t reserved2;
    } operations[PROBE_COUNT];
};

_Static_assert(sizeof(asyncio__uring_sqe_t) == 64, "the kernel's ABI");
_Static_assert(sizeof(asyncio__uring_cqe_t) == 16, "the kernel's ABI");
_Static_assert(sizeof(struct setup) == 120, "the kernel's ABI");
_Static_assert(sizeof(struct probe) == 16 + 8 * PROBE_COUNT, "the kernel's ABI");

/* Its address identifies the thread without a system call. */
static ASYNCIO__THREAD_LOCAL char this_thread;

/* The flags that are dropped, in this order, as long as the kernel fails with EINVAL. */
static const uint32_t ladder[] = {
    SETUP_NO_SQARRAY,
    SETUP_TASKRUN_FLAG,
    SETUP_DEFER_TASKRUN | SETUP_SINGLE_ISSUER,
    SETUP_SUBMIT_ALL,
    SETUP_CQSIZE | SETUP_CLAMP,
};

static int set_up(struct setup *setup, unsigned submissions, unsigned completions)
{
    uint32_t flags = SETUP_R_DISABLED | SETUP_SUBMIT_ALL | SETUP_CLAMP | SETUP_CQSIZE |
                     SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_TASKRUN_FLAG |
                     SETUP_NO_SQARRAY;
    size_t step = 0;
    for (;;) {
        memset(setup, 0, sizeof(*setup));
        setup->flags = flags;
        setup->cq_entries = flags & SETUP_CQSIZE ? completions : 0;
        int fd = asyncio__sys.io_uring_setup(submissions, setup);
        if (fd >= 0)
            return fd;
        int error = errno;
        if (error == ENOMEM && (flags & SETUP_CQSIZE) && completions > 2 * submissions) {
            completions /= 2;
        } else if (error == EINVAL && step < sizeof(ladder) / sizeof(ladder[0])) {
            /* Without DEFER_TASKRUN, COOP_TASKRUN saves interrupts. */
            if (ladder[step] & SETUP_DEFER_TASKRUN)
                flags |= SETUP_COOP_TASKRUN;
            if (ladder[step] & SETUP_SUBMIT_ALL)
                flags &= ~SETUP_COOP_TASKRUN;
            flags &= ~ladder[step++];
        } else {
            return -error;
        }
    }
}

static int map(asyncio__uring_t *ring, const struct setup *setup)
{
    size_t sq_bytes = setup->sq.array + setup->sq_entries * sizeof(uint32_t);
    size_t cq_bytes = setup->cq.cqes + setup->cq_entries * sizeof(asyncio__uring_cqe_t);
    ring->rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    ring->sqes_bytes = setup->sq_entries * sizeof(asyncio__uring_sqe_t);

    void *rings = asyncio__sys.mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_POPULATE, ring->fd, OFFSET_RINGS);
    if (rings == MAP_FAILED)
        return -errno;
    ring->rings = rings;
    void *sqes = asyncio__sys.mmap(NULL, ring->sqes_bytes, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_POPULATE, ring->fd, OFFSET_SQES);
    if (sqes == MAP_FAILED)
        return -errno;
    ring->sqes = sqes;
    /* A forked child that used the queues would corrupt its parent's: do not map them there. */
    asyncio__ignore(asyncio__sys.madvise(rings, ring->rings_bytes, MADV_DONTFORK));
    asyncio__ignore(asyncio__sys.madvise(sqes, ring->sqes_bytes, MADV_DONTFORK));

    char *base = rings;
    ring->sq_head = (void *)(base + setup->sq.head);
    ring->sq_tail = (void *)(base + setup->sq.tail);
    ring->sq_flags = (void *)(base + setup->sq.flags);
    ring->cq_head = (void *)(base + setup->cq.head);
    ring->cq_tail = (void *)(base + setup->cq.tail);
    ring->cqes = (void *)(base + setup->cq.cqes);
    ring->sq_mask = setup->sq_entries - 1;
    ring->cq_mask = setup->cq_entries - 1;
    if (!(setup->flags & SETUP_NO_SQARRAY)) {
        uint32_t *array = (void *)(base + setup->sq.array);
        for (uint32_t i = 0; i < setup->sq_entries; i++)
            array[i] = i;
    }
    return 0;
}

/* Checks that the kernel has every operation that is needed, and that the system calls enter and
 * register are permitted. */
static int probe(const asyncio__uring_t *ring)
{
    static const uint8_t needed[] = {
        ASYNCIO__URING_POLL_ADD, ASYNCIO__URING_SENDMSG,      ASYNCIO__URING_RECVMSG,
        ASYNCIO__URING_ACCEPT,   ASYNCIO__URING_ASYNC_CANCEL, ASYNCIO__URING_SEND,
        ASYNCIO__URING_RECV,     ASYNCIO__URING_READ,         ASYNCIO__URING_WRITE,
    };
    struct probe result;
    memset(&result, 0, sizeof(result));
    if ((ring->features & FEATURES_NEEDED) != FEATURES_NEEDED)
        return -ENOSYS;
    if (asyncio__sys.io_uring_register(ring->fd, REGISTER_PROBE, &result, PROBE_COUNT) < 0)
        return -errno;
    for (size_t i = 0; i < sizeof(needed); i++) {
        if (needed[i] > result.last || !(result.operations[needed[i]].flags & PROBE_SUPPORTED))
            return -ENOSYS;
    }
    /* On a disabled ring the kernel fails with EBADFD; any other error comes from a filter that
     * forbids the call. */
    if (asyncio__sys.io_uring_enter(ring->fd, 0, 0, 0, NULL, 0) < 0 && errno != EBADFD)
        return -errno;
    return 0;
}

int asyncio__uring_init(asyncio__uring_t *ring, unsigned submissions, unsigned completions)
{
    struct setup setup;
    memset(ring, 0, sizeof(*ring));
    ring->event_fd = -1;
    ring->fd = set_up(&setup, submissions, completions);
    if (ring->fd < 0) {
        int rc = ring->fd;
        ring->fd = -1;
        return rc;
    }
    ring->setup_flags = setup.flags;
    ring->features = setup.features;
    ring->enter_flags = ENTER_GETEVENTS;
    ring->is_on_valgrind = asyncio__on_valgrind();
    /* Else the kernel accounts an idle loop as one that waits for a disk. */
    if (setup.features & FEATURE_NO_IOWAIT)
        ring->enter_flags |= ENTER_NO_IOWAIT;
    int rc = probe(ring);
    if (rc == 0)
        rc = map(ring, &setup);
    /* Created now and not on demand, because wake() reads it from any thread. */
    if (rc == 0 && ring->is_on_valgrind && (rc = asyncio__uring_event_fd(ring)) > 0)
        rc = 0;
    if (rc < 0)
        asyncio__uring_fini(ring);
    return rc;
}

void asyncio__uring_fini(asyncio__uring_t *ring)
{
    if (ring->sqes)
        asyncio__sys.munmap(ring->sqes, ring->sqes_bytes);
    if (ring->rings)
        asyncio__sys.munmap(ring->rings, ring->rings_bytes);
    if (ring->fd >= 0)
        asyncio__sys.close(ring->fd);
    if (ring->event_fd >= 0)
        asyncio__sys.close(ring->event_fd);
    ring->sqes = NULL;
    ring->rings = NULL;
    ring->event_fd = -1;
    ring->fd = -1;
}

bool asyncio__uring_is_deferred(const asyncio__uring_t *ring)
{
    return ring->setup_flags & SETUP_DEFER_TASKRUN;
}

static ASYNCIO__COLD int enable_here(asyncio__uring_t *ring)
{
    if (ring->is_enabled)
        return -EXDEV;
    if (asyncio__sys.io_uring_register(ring->fd, REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    ring->is_enabled = true;
    ring->thread = &this_thread;
    /* The ring's descriptor is not registered with the thread: a thread keeps a registered ring,
     * and every socket in it, until it ends, even if another thread has closed the engine. */
    return 0;
}

int asyncio__uring_enable(asyncio__uring_t *ring)
{
    return ASYNCIO__LIKELY(ring->thread == &this_thread) ? 0 : enable_here(ring);
}

static int register_event_fd(asyncio__uring_t *ring, int fd)
{
    if (asyncio__sys.io_uring_register(ring->fd, REGISTER_EVENTFD, &fd, 1) < 0)
        return -errno;
    ring->event_fd = fd;
    return 0;
}

int asyncio__uring_event_fd(asyncio__uring_t *ring)
{
    if (ring->event_fd >= 0)
        return ring->event_fd;
    int fd = asyncio__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = register_event_fd(ring, fd);
    if (rc < 0) {
        asyncio__sys.close(fd);
        return rc;
    }
    return fd;
}

int asyncio__uring_adopt_event_fd(asyncio__uring_t *ring, asyncio__uring_t *from)
{
    if (ring->event_fd >= 0) {
        asyncio__ignore(asyncio__sys.io_uring_register(ring->fd, UNREGISTER_EVENTFD, NULL, 0));
        asyncio__sys.close(ring->event_fd);
        ring->event_fd = -1;
    }
    int rc = register_event_fd(ring, from->event_fd);
    if (rc == 0)
        from->event_fd = -1;
    return rc;
}

int asyncio__uring_register_buffers(asyncio__uring_t *ring, void *memory, unsigned entries)
{
    struct register_buffers argument = {.address = (uintptr_t)memory, .entries = entries};
    if (asyncio__sys.io_uring_register(ring->fd, REGISTER_BUFFER_RING, &argument, 1) < 0)
        return -errno;
    return 0;
}

void asyncio__uring_clear_event(asyncio__uring_t *ring)
{
    uint64_t count;
    int fd = atomic_load_explicit(&ring->event_fd, memory_order_relaxed);
    if (fd >= 0)
        asyncio__ignore(asyncio__sys.read(fd, &count, sizeof(count)));
}

void asyncio__uring_set_event(asyncio__uring_t *ring)
{
    int fd = atomic_load_explicit(&ring->event_fd, memory_order_relaxed);
    if (fd >= 0)
        asyncio__eventfd_ring(fd);
}

/*
 * Valgrind does not know that io_uring_enter may block, and stops all other threads while it
 * does. Under valgrind an eventfd is polled instead, and the ring is entered without waiting.
 */
static ASYNCIO__COLD int wait_on_valgrind(asyncio__uring_t *ring, int64_t timeout_ns)
{
    struct pollfd poll = {.fd = asyncio__uring_event_fd(ring), .events = POLLIN};
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    if (poll.fd < 0)
        return poll.fd;
    int rc = asyncio__uring_enter(ring, 0, 0);
    if (rc < 0 || asyncio__uring_has_completion(ring))
        return rc;
    asyncio__uring_clear_event(ring);
    if (asyncio__uring_has_work(ring))
        return asyncio__uring_enter(ring, 0, 0);
    if (timeout_ns < 0 || timeout_ms > INT_MAX)
        timeout_ms = -1;
    asyncio__ignore(asyncio__sys.poll(&poll, 1, (int)timeout_ms));
    return asyncio__uring_enter(ring, 0, 0);
}

int asyncio__uring_enter(asyncio__uring_t *ring, unsigned wait, int64_t timeout_ns)
{
    if (ASYNCIO__UNLIKELY(ring->is_on_valgrind) && wait > 0)
        return wait_on_valgrind(ring, timeout_ns);
    struct kernel_timespec timeout;
    struct wait_argument argument = {.signal_mask_bytes = 0};
    const void *pointer = NULL;
    size_t size = 0;
    uint32_t flags = ring->enter_flags;
    if (wait > 0 && timeout_ns >= 0) {
        timeout.seconds = timeout_ns / 1000000000;
        timeout.nanoseconds = timeout_ns % 1000000000;
        argument.timeout = (uintptr_t)&timeout;
        pointer = &argument;
        size = sizeof(argument);
        flags |= ENTER_EXT_ARG;
    }
    /* Pairs with the kernel's acquire of the tail: the submissions before it are complete. */
    atomic_store_explicit(ring->sq_tail, ring->tail, memory_order_release);
    int rc = asyncio__sys.io_uring_enter(ring->fd, asyncio__uring_unsubmitted(ring), wait,
                                         flags, pointer, size);
    if (rc >= 0 || errno == ETIME || errno == EINTR)
        return 0;
    return -errno;
}
