/* SPDX-License-Identifier: MIT */
/*
 * What the files of the io_uring engine share: uring.c (submitting, waiting), uring_operations.c
 * (operations, files), uring_buffers.c (lent buffers), uring_watch.c (watches), uring_move.c
 * (another thread). Nobody else includes this.
 *
 * Each submission carries in its user_data a pointer and a tag that says what it points to. The
 * record lives until the submission's last completion (one without MORE); kernel_count counts
 * those still to come.
 */
#ifndef ASYNCIO__ENGINE_URING_ENGINE_H
#define ASYNCIO__ENGINE_URING_ENGINE_H

#include "engine/completion.h"
#include "engine/operations.h"
#include "engine/uring_ring.h"

/* The low three bits of user_data. */
enum {
    ASYNCIO__TAG_OPERATION, /* an operation: the result is its result */
    ASYNCIO__TAG_POLL,      /* an operation: its descriptor is ready, try it */
    ASYNCIO__TAG_WATCH,     /* a watch: its descriptor is ready */
    ASYNCIO__TAG_WAKE,      /* wake() was called */
    ASYNCIO__TAG_IGNORED,   /* a cancel: what counts is its target's completion */
    ASYNCIO__TAG_MASK = 7,
};

typedef struct asyncio__uring_file {
    asyncio__file_t base;
    asyncio__list_t link;            /* in the engine's files or ending */
    asyncio__list_t retry_link;      /* in the engine's retry or starved */
    asyncio__operation_t *active[2]; /* by direction: the one that the kernel holds, or NULL */
    unsigned pending[2];             /* by direction: operations in base.operations */
    unsigned inlined;                /* completions at once, in a row */
    bool has_more;                   /* a receive or an accept would succeed at once */
    uint8_t last_direction;          /* of the operation submitted last */
    bool is_ending;                  /* to be freed once the kernel has let go of it */
    bool is_detached;                /* then the descriptor stays open */
} asyncio__uring_file_t;

typedef struct asyncio__uring_watch asyncio__uring_watch_t;

/* The buffers that the kernel lends to receives, in a ring that it shares with us. */
typedef struct asyncio__uring_buffers {
    void *memory;         /* the ring, then the buffers; or NULL */
    uint64_t lent;        /* a bit a buffer: its owner has it */
    unsigned free_count;  /* buffers that are not lent */
    uint16_t tail;        /* of the ring: ours, published in it */
    bool is_registered;   /* the kernel knows the ring */
    bool is_refused;      /* this kernel has no such rings */
} asyncio__uring_buffers_t;

typedef struct asyncio__uring_engine {
    asyncio__engine_t base;
    asyncio__uring_t ring;   /* what the kernel is asked through */
    int wake_fd;             /* an eventfd, always polled and never read */
    bool is_wake_armed;      /* the kernel polls wake_fd */
    bool is_reaping;         /* inside reap_all(), which takes completions */
    bool is_resting;         /* until the next wait() nothing new is submitted; see rest() */
    bool is_abandoned;       /* the ring failed: its completions are not looked at */
    bool is_modern;          /* the kernel defers work until we enter; see uring_operations.c */
    long kernel_count;       /* last completions that are still to come, without wake's */
    asyncio__uring_buffers_t buffers; /* for receives that bring none */
    asyncio__list_t files;   /* all open files */
    asyncio__list_t ending;  /* closed ones that the kernel has not let go of */
    asyncio__list_t retry;   /* files with something to submit for which there was no room */
    asyncio__list_t starved; /* files with a receive that waits for a lent buffer */
    asyncio__list_t watches; /* all that have not ended, or that the kernel has not let go of */
    asyncio__list_t rearm;   /* watches that the next wait() polls again */
} asyncio__uring_engine_t;

static inline asyncio__uring_engine_t *asyncio__uring_of(asyncio__engine_t *engine)
{
    return ASYNCIO__CONTAINER(engine, asyncio__uring_engine_t, base);
}

static inline uint64_t asyncio__uring_tag(const void *pointer, unsigned tag)
{
    return (uint64_t)(uintptr_t)pointer | tag;
}

/* Makes the ring this thread's: 0 or -errno, -EXDEV while another thread's ring holds something. */
int asyncio__uring_own(asyncio__uring_engine_t *engine);

/* Room for a submission, or NULL if the kernel takes none now. */
asyncio__uring_sqe_t *asyncio__uring_prepare(asyncio__uring_engine_t *engine);

/* Asks the kernel to poll the descriptor once: 0 or -EBUSY. */
int asyncio__uring_poll(asyncio__uring_engine_t *engine, int fd, unsigned events,
                        uint64_t user_data);

/* Asks the kernel to end the submission with that user_data: 0 or -EBUSY. */
int asyncio__uring_cancel_submission(asyncio__uring_engine_t *engine, uint64_t user_data);

/* Submits all, and takes the completions that are there; calls no callback. */
void asyncio__uring_flush(asyncio__uring_engine_t *engine);

/* Takes the completions that are there. */
void asyncio__uring_reap_all(asyncio__uring_engine_t *engine);

/* Replaces the ring by one of this thread: 0, or -EXDEV while the kernel holds something. */
int asyncio__uring_move(asyncio__uring_engine_t *engine);

/* Of the engine's class: takes back all that the kernel holds, so that the ring can move. */
void asyncio__uring_rest(asyncio__engine_t *base);

/* Submits what is new and waits until `wait` completions are there: 0 or -errno. */
int asyncio__uring_submit_and_wait(asyncio__uring_engine_t *engine, unsigned wait,
                                   int64_t timeout_ns);

/* Has the next wait() submit what the file could not submit now. */
void asyncio__uring_retry_later(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file);

/* ---- uring_operations.c ---- */

/* Those of the engine's class. */
int asyncio__uring_open_file(asyncio__engine_t *base, int fd, asyncio__file_kind_t kind,
                             asyncio__file_t **ret_file);
void asyncio__uring_close_file(asyncio__engine_t *base, asyncio__file_t *file);
int asyncio__uring_detach_file(asyncio__engine_t *base, asyncio__file_t *file);
int asyncio__uring_shutdown_file(asyncio__engine_t *base, asyncio__file_t *file, int how);
int asyncio__uring_submit(asyncio__engine_t *base, asyncio__operation_t *operation);
void asyncio__uring_cancel(asyncio__engine_t *base, asyncio__operation_t *operation);
int asyncio__uring_receive(asyncio__engine_t *base, asyncio__file_t *file, void *buffer,
                           size_t size);

/* The completion of an operation that the kernel carried out. */
void asyncio__uring_handle_operation(asyncio__uring_engine_t *engine,
                                     asyncio__operation_t *operation,
                                     const asyncio__uring_cqe_t *cqe);

/* The completion of a poll for an operation: poll's bits, or -errno. */
void asyncio__uring_handle_poll(asyncio__uring_engine_t *engine, asyncio__operation_t *operation,
                                int polled);

/* Submits what a file could not submit before. */
void asyncio__uring_retry(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file);

/* Starts receives for which a buffer was returned. True: the next wait() can start more. */
bool asyncio__uring_restart_starved(asyncio__uring_engine_t *engine);

/* Ends every operation of the file that the kernel does not hold, and cancels the others. */
void asyncio__uring_end_operations(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file,
                                   int result);

/* Has the kernel let go of the file's operations, which are started again later. */
void asyncio__uring_take_back(asyncio__uring_engine_t *engine, asyncio__uring_file_t *file);

/* Completes every operation of these files with -ECANCELED, whatever the kernel holds. */
void asyncio__uring_abandon_files(asyncio__uring_engine_t *engine, asyncio__list_t *files);

/* Frees the record, and closes the descriptor unless it was detached. */
void asyncio__uring_free_file(asyncio__uring_file_t *file);

/* ---- uring_buffers.c ---- */

/* Has the kernel know the buffers that it lends: 0 or -errno, for which a receive is polled and
 * gets a buffer of the engine's lender. */
int asyncio__uring_provide_buffers(asyncio__uring_engine_t *engine);

/* The buffer that the completion of a receive has taken, or NULL. */
void *asyncio__uring_taken_buffer(asyncio__uring_engine_t *engine,
                                  const asyncio__uring_cqe_t *cqe);

/* Of the engine's class; takes buffers of either kind. */
void asyncio__uring_return_buffer(asyncio__engine_t *base, void *buffer);

/* Unmaps the buffers; the ring is closed. */
void asyncio__uring_free_buffers(asyncio__uring_engine_t *engine);

/* ---- uring_watch.c ---- */

int asyncio__uring_watch(asyncio__engine_t *base, asyncio__watch_t *user);

/* Polls again for the events that were delivered last time. */
void asyncio__uring_rearm_watches(asyncio__uring_engine_t *engine);

void asyncio__uring_handle_watch(asyncio__uring_engine_t *engine, asyncio__uring_watch_t *watch,
                                 const asyncio__uring_cqe_t *cqe);

/* Has the kernel let go of all watches, which are polled again later. */
void asyncio__uring_take_watches_back(asyncio__uring_engine_t *engine);

/* Ends all watches; their owners are not told. */
void asyncio__uring_end_watches(asyncio__uring_engine_t *engine);

/* Frees the watches that the kernel never let go of; the ring is closed. */
void asyncio__uring_free_watches(asyncio__uring_engine_t *engine);

#endif
