/* SPDX-License-Identifier: MIT */
/*
 * What the files of the io_uring engine share: uring.c (operations, files, waiting),
 * uring_accept.c (accepting), uring_watch.c (watches), uring_move.c (another thread). Nobody
 * else includes this.
 *
 * Each submission carries in its user_data a pointer and a tag that says to what. The record
 * lives until the submission's last completion (one without MORE), which everything here hangs
 * on; kernel_count counts those still to come.
 */
#ifndef ASYNCIO__ENGINE_URING_ENGINE_H
#define ASYNCIO__ENGINE_URING_ENGINE_H

#include "base/ring.h"
#include "engine/attempt.h"
#include "engine/completion.h"
#include "engine/uring_ring.h"

/* The low three bits of user_data. */
enum {
    ASYNCIO__TAG_OPERATION, /* an operation: the result is its result */
    ASYNCIO__TAG_POLL,      /* an operation: its descriptor is ready, try it */
    ASYNCIO__TAG_ACCEPT,    /* a file: a descriptor was accepted */
    ASYNCIO__TAG_WATCH,     /* a watch: its descriptor is ready */
    ASYNCIO__TAG_WAKE,      /* wake() was called */
    ASYNCIO__TAG_IGNORED,   /* a cancel: what counts is its target's completion */
    ASYNCIO__TAG_MASK = 7,
};

typedef struct asyncio__uring_file {
    asyncio__file_t base;
    asyncio__list_t link;            /* in the engine's files or ending */
    asyncio__list_t retry_link;      /* in the engine's retry */
    asyncio__operation_t *active[2]; /* by direction: the one that the kernel holds, or NULL */
    unsigned pending[2];             /* by direction: operations in base.operations */
    unsigned inlined;                /* completions at once, in a row */
    bool is_socket;                  /* else read(2) and write(2), after a poll */
    bool has_more;                   /* to receive: a call for it would succeed */
    uint8_t last_direction;          /* of the operation submitted last */
    bool is_ending;                  /* goes away once the kernel has let go of it */
    bool is_detached;                /* then the descriptor stays open */
    bool is_accepting;               /* the kernel accepts for it */
    bool is_accept_cancel_wanted;    /* the kernel is to stop accepting */
    bool is_accept_cancel_sent;      /* it was told so */
    bool accepts_often;              /* one accept came already: the next are a series */
    bool accepts_by_hand;            /* this kernel does not wait for non-blocking listeners */
    asyncio__ring_t accepted;        /* descriptors that no operation has asked for yet */
} asyncio__uring_file_t;

typedef struct asyncio__uring_watch asyncio__uring_watch_t;

typedef struct asyncio__uring_engine {
    asyncio__engine_t base;
    asyncio__uring_t ring;   /* what the kernel is asked through */
    int wake_fd;             /* an eventfd, polled for ever and never read */
    bool is_wake_armed;      /* the kernel polls wake_fd */
    bool is_reaping;         /* inside reap(): completions are being looked through */
    bool is_abandoned;       /* the ring failed: what completes there is not looked at */
    bool is_modern;          /* the kernel defers work; it can accept in series too then */
    long kernel_count;       /* last completions that are still to come, but for wake's */
    asyncio__list_t files;   /* all that are open */
    asyncio__list_t ending;  /* closed ones that the kernel has not let go of */
    asyncio__list_t retry;   /* files with something to submit for which there was no room */
    asyncio__list_t watches; /* all that go on, or that the kernel has not let go of */
    asyncio__list_t rearm;   /* watches that are to be polled again by the next wait() */
} asyncio__uring_engine_t;

static inline uint64_t asyncio__uring_tag(const void *pointer, unsigned tag)
{
    return (uint64_t)(uintptr_t)pointer | tag;
}

/* Room for a submission, or NULL if the kernel takes none now. */
asyncio__uring_sqe_t *asyncio__uring_prepare(asyncio__uring_engine_t *engine);

/* Asks the kernel to poll the descriptor once: 0 or -EBUSY. */
int asyncio__uring_poll(asyncio__uring_engine_t *engine, int fd, unsigned events,
                        uint64_t user_data);

/* Asks the kernel to end the submission with that user_data: 0 or -EBUSY. */
int asyncio__uring_cancel_submission(asyncio__uring_engine_t *engine, uint64_t user_data);

/* Submits all, and takes the completions that are there; calls nobody. */
void asyncio__uring_flush(asyncio__uring_engine_t *engine);

/* Looks through the completions that are there. */
void asyncio__uring_reap_all(asyncio__uring_engine_t *engine);

/* Replaces the ring by one of this thread: 0, or -EXDEV while the kernel holds something. */
int asyncio__uring_move(asyncio__uring_engine_t *engine);

/* Has the next wait() look after what the file still has to submit. */
void asyncio__uring_retry_later(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file);

/* Ends an operation that is in its file's list and that the kernel does not hold. */
void asyncio__uring_end(asyncio__uring_engine_t *engine, asyncio__operation_t *operation,
                        int result);

/* ---- uring_accept.c ---- */

int asyncio__uring_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file,
                          asyncio__operation_t *operation);

/* Starts or stops accepting as the file's operations and its queue ask for. */
void asyncio__uring_adjust_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file);

void asyncio__uring_handle_accept(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file,
                                  const asyncio__uring_cqe_t *cqe);

/* Closes the descriptors that nobody asked for. */
void asyncio__uring_drop_accepted(asyncio__uring_file_t *file);

/* ---- uring_watch.c ---- */

int asyncio__uring_watch(asyncio__engine_t *base, asyncio__watch_t *user);

/* Polls again for what was delivered last time. */
void asyncio__uring_rearm_watches(asyncio__uring_engine_t *engine);

void asyncio__uring_handle_watch(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch,
                                 const asyncio__uring_cqe_t *cqe);

/* Ends all of them, without a word to their owners. */
void asyncio__uring_end_watches(asyncio__uring_engine_t *engine);

/* Frees those that the kernel never let go of; the ring is gone. */
void asyncio__uring_free_watches(asyncio__uring_engine_t *engine);

#endif
