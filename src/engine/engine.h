/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine: how the loop asks the kernel for work and waits for it.
 *
 * It is completion based. An operation is submitted, and gets exactly one completion; until then
 * the operation's record and its buffer belong to the engine. Cancelling asks; the completion
 * still comes, with -ECANCELED or, when the data won the race, with the data.
 *
 *     asyncio__operation_t op = {.kind = ASYNCIO__RECV, .file = file, .buffer = b, .size = n,
 *                                .complete = wake_my_task};
 *     int rc = engine->class->submit(engine, &op);
 *     rc == 1: it is done already: op.result says how; complete is not called
 *     rc == 0: complete(&op) will be called once, from wait(); then op.result is set
 *     rc <  0: refused; there is no completion
 *
 * An engine knows nothing of tasks, and is used by one thread, but for wake(). Whatever runs on
 * one engine runs on every other with the same result. The loop owns the clock: an engine is told
 * how long it may wait, in nanoseconds.
 */
#ifndef ASYNCIO__ENGINE_ENGINE_H
#define ASYNCIO__ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/list.h"

typedef struct asyncio__engine asyncio__engine_t;
typedef struct asyncio__operation asyncio__operation_t;
typedef struct asyncio__file asyncio__file_t;
typedef struct asyncio__watch asyncio__watch_t;

typedef enum asyncio__operation_kind {
    ASYNCIO__RECV,     /* buffer, size, flags: bytes received, 0 at the end of the stream */
    ASYNCIO__SEND,     /* buffer, size, flags: bytes sent; may be fewer than asked for */
    ASYNCIO__RECVMSG,  /* message, flags: bytes received; name and control as recvmsg(2) says */
    ASYNCIO__SENDMSG,  /* message, flags: bytes sent; may be fewer (several buffers, an address) */
    ASYNCIO__ACCEPT,   /* a new descriptor, non-blocking and close-on-exec; address, if wanted */
    ASYNCIO__CONNECT,  /* address, address_size: 0 once connected */
    ASYNCIO__POLL_IN,  /* 0 once the descriptor can be read, or has an error or a hang-up */
    ASYNCIO__POLL_OUT, /* 0 once the descriptor can be written, or has an error or a hang-up */
} asyncio__operation_kind_t;

/* One operation. It lives in the frame of who waits for it, or in an object that outlives it. */
struct asyncio__operation {
    void (*complete)(asyncio__operation_t *operation); /* called once, from wait(), when pending */
    asyncio__file_t *file;                             /* the descriptor that it is about */
    uint8_t kind;                                      /* asyncio__operation_kind_t */
    uint8_t state;                                     /* the engine's own */
    uint16_t note;                                     /* the engine's own */
    int32_t result;                                    /* a count or descriptor, or -errno */
    int32_t flags;                                     /* MSG_..., for the four that take them */
    uint32_t address_size;                             /* of address, both ways */
    union {
        void *buffer;           /* RECV, SEND (which only reads it) */
        struct msghdr *message; /* RECVMSG, SENDMSG */
        struct sockaddr *address; /* CONNECT: the peer; ACCEPT: room for the peer's, or NULL */
    };
    size_t size;          /* of buffer */
    asyncio__list_t link; /* the engine's own: in the file's list of pending operations */
};

/*
 * A descriptor as an engine knows it: made by open_file(), given back by close_file() or
 * detach_file(). An engine's own record begins with this one.
 */
struct asyncio__file {
    int fd;
    asyncio__list_t operations; /* pending ones, oldest first */
};

/* What the caller of open_file() knows about the descriptor, which spares system calls. */
typedef enum asyncio__file_kind {
    ASYNCIO__FILE_ANY,    /* nothing: the engine asks the kernel */
    ASYNCIO__FILE_SOCKET, /* a socket */
    ASYNCIO__FILE_TCP,    /* a TCP socket */
} asyncio__file_kind_t;

/* A level-triggered watch of a descriptor that has no file (add_reader, add_writer). */
#define ASYNCIO__WATCH_READ  1u
#define ASYNCIO__WATCH_WRITE 2u
#define ASYNCIO__WATCH_GONE  4u /* alone: the descriptor was closed; the watch is to be ended */

struct asyncio__watch {
    void (*ready)(asyncio__watch_t *watch, unsigned events); /* called from wait() while ready */
    int fd;
    unsigned events;    /* what is asked for: ASYNCIO__WATCH_READ | ASYNCIO__WATCH_WRITE */
    void *engine_data;  /* the engine's own */
};

typedef struct asyncio__engine_class {
    const char *name; /* "epoll", "uring", "sim" */

    /* Ends the engine: every pending operation is cancelled and completed first. */
    void (*close)(asyncio__engine_t *engine);

    /* Makes the file of a descriptor, which must be non-blocking. 0, or -errno. */
    int (*open_file)(asyncio__engine_t *engine, int fd, asyncio__file_kind_t kind,
                     asyncio__file_t **ret_file);

    /*
     * Ends each pending operation of the file with -EBADF (complete is called from the next
     * wait()), and closes the descriptor as soon as the kernel has let go of it, never before,
     * so that the number is not used again while an operation could still mean the old one.
     */
    void (*close_file)(asyncio__engine_t *engine, asyncio__file_t *file);

    /* Lets go of the descriptor without closing it; only without pending operations (else
     * -EBUSY). */
    int (*detach_file)(asyncio__engine_t *engine, asyncio__file_t *file);

    int (*submit)(asyncio__engine_t *engine, asyncio__operation_t *operation);

    /* Asks a pending operation to end. Never fails, never completes it before the next wait(). */
    void (*cancel)(asyncio__engine_t *engine, asyncio__operation_t *operation);

    /*
     * Hands what was submitted to the kernel, waits for at most timeout_ns (0: not at all, < 0:
     * until something happens), and calls complete and ready for what came, in the order in which
     * the kernel gave it. 0, also when woken or interrupted; -errno when the engine is broken.
     */
    int (*wait)(asyncio__engine_t *engine, int64_t timeout_ns);

    /*
     * After a wait() that failed, for who cannot stay: calls complete for what is finished, and
     * for all that the kernel holds, which from now on is not listened to any more: an engine that
     * let go of something so refuses every submit() and wait() from then on.
     */
    void (*abandon)(asyncio__engine_t *engine);

    /* Makes the present wait(), or the next one, return at once. Any thread, signal handlers. */
    void (*wake)(asyncio__engine_t *engine);

    /*
     * Begins, changes (events) or ends (events = 0) a watch. 0; 1: its descriptor was closed, and
     * what its number means now is watched instead; or -errno (EPERM: not pollable): then the
     * watch is as before, or has ended (engine_data is NULL).
     */
    int (*watch)(asyncio__engine_t *engine, asyncio__watch_t *watch);

    /* A descriptor that a foreign loop can poll for input to know that wait(0) has work. */
    int (*poll_fd)(asyncio__engine_t *engine);
} asyncio__engine_class_t;

struct asyncio__engine {
    const asyncio__engine_class_t *class;
    long in_flight;             /* operations and watches not yet completed or ended */
    uint64_t enters;            /* system calls made to wait or submit */
    uint64_t submitted;         /* operations that did not complete at once */
    uint64_t inlined;           /* operations that did */
    asyncio__list_t done;       /* completed ones that the next wait() hands out */
    asyncio__list_t delivering; /* those that the present wait() hands out */
    bool is_preferred;          /* this kernel has all that makes this engine fast */
    bool is_foreign;            /* poll_fd() was asked for: what is done must show there */
    bool is_waiting;            /* inside wait(), before it hands out */
    bool is_closing;            /* closed, or given up: nothing can be submitted any more */
};

/* Each makes its engine: 0 and the engine, or -errno (EPERM, ENOSYS, …: not to be had here). */
int asyncio__epoll_open(asyncio__engine_t **ret_engine);
int asyncio__uring_open(asyncio__engine_t **ret_engine);
int asyncio__sim_open(asyncio__engine_t **ret_engine);

#endif
