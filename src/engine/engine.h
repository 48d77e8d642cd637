/* SPDX-License-Identifier: MIT */
/*
 * The contract of an engine: how the loop asks the kernel for work and waits for it.
 *
 * The contract is completion based. An operation is submitted and gets exactly one completion;
 * until then the engine owns the operation's record and its buffer. Cancelling asks; the
 * completion still comes, with -ECANCELED or, when the data won the race, with the data.
 *
 *     asyncio__operation_t op = {.kind = ASYNCIO__RECV, .file = file, .buffer = b, .size = n,
 *                                .complete = wake_my_task};
 *     int rc = engine->class->submit(engine, &op);
 *     rc == 1: the operation is done, op.result is set; complete is not called
 *     rc == 0: wait() will call complete(&op) once; then op.result is set
 *     rc <  0: the operation was refused; there is no completion
 *
 * A RECV without a buffer holds no memory while it waits. The engine lends it a buffer when data
 * is there, and the owner returns that buffer after use:
 *
 *     asyncio__operation_t op = {.kind = ASYNCIO__RECV, .file = file, .complete = use_data};
 *     in use_data, if op.result > 0: op.buffer holds op.result bytes
 *     engine->class->return_buffer(engine, op.buffer);
 *
 * An owner that chooses its buffer only when data is there submits POLL_IN and, once that has
 * completed, calls receive(), until it returns -EAGAIN or less than was asked for.
 *
 * An engine knows nothing of tasks. One thread uses it, except for wake(). Whatever runs on one
 * engine runs on every other with the same result. The loop owns the clock: it tells the engine
 * how long to wait, in nanoseconds.
 */
#ifndef ASYNCIO__ENGINE_ENGINE_H
#define ASYNCIO__ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/list.h"
#include "engine/lender.h"

typedef struct asyncio__engine asyncio__engine_t;
typedef struct asyncio__operation asyncio__operation_t;
typedef struct asyncio__file asyncio__file_t;
typedef struct asyncio__watch asyncio__watch_t;

/* Each kind is a row of the table in operations.c. */
typedef enum asyncio__operation_kind {
    ASYNCIO__RECV,     /* buffer (NULL: the engine lends one), size, flags: bytes received, or 0 at
                        * the end of the stream */
    ASYNCIO__SEND,     /* buffer, size, flags: bytes sent; may be fewer than asked for */
    ASYNCIO__RECVMSG,  /* message, flags: bytes received; name and control as recvmsg(2) says */
    ASYNCIO__SENDMSG,  /* message, flags: bytes sent; may be fewer (several buffers, an address) */
    ASYNCIO__ACCEPT,   /* a new descriptor, non-blocking and close-on-exec; address, if wanted */
    ASYNCIO__CONNECT,  /* address, address_size: 0 once connected */
    ASYNCIO__POLL_IN,  /* 0 once the descriptor can be read, or has an error or a hang-up */
    ASYNCIO__POLL_OUT, /* 0 once the descriptor can be written, or has an error or a hang-up */
    ASYNCIO__READ,     /* buffer, size, offset: bytes read, or 0 at the end */
    ASYNCIO__WRITE,    /* buffer, size, offset: bytes written; may be fewer than asked for */
} asyncio__operation_kind_t;

#define ASYNCIO__OPERATION_KINDS 10

/* One operation. It lives in the frame of its owner, or in an object that outlives it. */
struct asyncio__operation {
    void (*complete)(asyncio__operation_t *operation); /* called once, from wait(), when pending */
    asyncio__file_t *file;                             /* the descriptor that it is about */
    uint8_t kind;                                      /* asyncio__operation_kind_t */
    uint8_t state;                                     /* the engine's own */
    uint16_t note;                                     /* the engine's own */
    int32_t result;                                    /* a count or descriptor, or -errno */
    union {
        struct {
            int32_t flags;         /* RECV, SEND, RECVMSG, SENDMSG: MSG_… */
            uint32_t address_size; /* ACCEPT, CONNECT: of address, both ways */
        };
        int64_t offset; /* READ, WRITE: where in the file; -1: its current position */
    };
    union {
        void *buffer; /* RECV, READ; SEND and WRITE, which only read it. A RECV that was submitted
                       * with NULL has a lent buffer here if its result is above 0, else NULL. */
        struct msghdr *message;   /* RECVMSG, SENDMSG */
        struct sockaddr *address; /* CONNECT: the peer's; ACCEPT: room for the peer's, or NULL */
    };
    size_t size;          /* of buffer; the engine sets it for one that it lends */
    asyncio__list_t link; /* the engine's own: in the file's list of pending operations */
};

/* What is known of a descriptor. What the caller knows, the engine need not ask the kernel. */
typedef enum asyncio__file_kind {
    ASYNCIO__FILE_ANY,     /* nothing: the engine asks the kernel */
    ASYNCIO__FILE_SOCKET,  /* a socket */
    ASYNCIO__FILE_TCP,     /* a TCP socket: a short receive has left nothing behind */
    ASYNCIO__FILE_STREAM,  /* a pipe, a terminal, an eventfd: read(2) and write(2), after a poll */
    ASYNCIO__FILE_REGULAR, /* a regular file: takes READ and WRITE only */
} asyncio__file_kind_t;

/*
 * A descriptor as an engine knows it: made by open_file(), ended by close_file() or
 * detach_file(). An engine's own record begins with this one.
 */
struct asyncio__file {
    int fd;
    uint8_t kind;               /* asyncio__file_kind_t; never ANY */
    asyncio__list_t operations; /* pending ones, oldest first */
};

/* A level-triggered watch of a descriptor that has no file (add_reader, add_writer). */
#define ASYNCIO__WATCH_READ  1u
#define ASYNCIO__WATCH_WRITE 2u
#define ASYNCIO__WATCH_GONE  4u /* alone: the descriptor was closed; the owner ends the watch */

struct asyncio__watch {
    void (*ready)(asyncio__watch_t *watch, unsigned events); /* called from wait() while ready */
    int fd;
    unsigned events;   /* what the owner asks for: ASYNCIO__WATCH_READ | ASYNCIO__WATCH_WRITE */
    void *engine_data; /* the engine's own */
};

typedef struct asyncio__engine_class {
    const char *name; /* "epoll", "uring", "sim" */

    /* Ends the engine: cancels and completes every pending operation first. Takes back what it
     * has lent. */
    void (*close)(asyncio__engine_t *engine);

    /*
     * Begins with a non-blocking descriptor. For kind ANY the engine asks the kernel what the
     * descriptor is, and fails with -EPERM for regular files, directories and devices that are
     * always ready. Any other kind is believed: a descriptor that ACCEPT returned has the kind of
     * its listener. 0, or -errno.
     */
    int (*open_file)(asyncio__engine_t *engine, int fd, asyncio__file_kind_t kind,
                     asyncio__file_t **ret_file);

    /*
     * Ends each pending operation of the file (complete is called from the next wait()), and
     * closes the descriptor as soon as the kernel has let go of it, never before, so that the
     * number is not used again while an operation could still mean the old descriptor. An
     * operation ends with -EBADF, unless the kernel had carried it out: bytes that were sent and
     * a connection that was accepted are still the operation's result.
     */
    void (*close_file)(asyncio__engine_t *engine, asyncio__file_t *file);

    /* Lets go of the descriptor without closing it. Fails with -EBUSY while operations are
     * pending. */
    int (*detach_file)(asyncio__engine_t *engine, asyncio__file_t *file);

    /*
     * shutdown(2) of a socket: 0 or -errno. Pending operations of that direction are tried again:
     * receives end with what is left or 0, sends with -EPIPE, which the kernel alone does not
     * tell on every socket.
     */
    int (*shutdown_file)(asyncio__engine_t *engine, asyncio__file_t *file, int how);

    int (*submit)(asyncio__engine_t *engine, asyncio__operation_t *operation);

    /* Asks a pending operation to end. Never fails, and completes nothing before the next
     * wait(). */
    void (*cancel)(asyncio__engine_t *engine, asyncio__operation_t *operation);

    /* Returns a lent buffer. The operation that received into it may be gone. */
    void (*return_buffer)(asyncio__engine_t *engine, void *buffer);

    /*
     * Receives at once from a socket or a stream: the number of bytes, 0 at the end, -EAGAIN when
     * nothing is there, or -errno. Fails with -EBUSY while receives of the file are pending, whose
     * turn it is.
     */
    int (*receive)(asyncio__engine_t *engine, asyncio__file_t *file, void *buffer, size_t size);

    /*
     * Submits what is new to the kernel, waits for at most timeout_ns (0: not at all, < 0: until
     * something happens), and calls complete and ready for what came, in the order in which the
     * kernel gave it. 0, also when woken or interrupted; -errno when the engine is broken.
     */
    int (*wait)(asyncio__engine_t *engine, int64_t timeout_ns);

    /*
     * Called when wait() has failed and the loop cannot continue. Completes every finished
     * operation, then every operation that the kernel still holds. An engine that had to let go
     * of something refuses every submit() and wait() from then on.
     */
    void (*abandon)(asyncio__engine_t *engine);

    /* Makes the present wait(), or the next one, return at once. Any thread, signal handlers. */
    void (*wake)(asyncio__engine_t *engine);

    /*
     * Begins, changes (events) or ends (events = 0) a watch. Returns 0; or 1: its descriptor was
     * closed, and the engine now watches the descriptor that its number means now; or -errno
     * (EPERM: not pollable): then the watch is as before, or has ended (engine_data is NULL).
     */
    int (*watch)(asyncio__engine_t *engine, asyncio__watch_t *watch);

    /*
     * Called between two runs of a loop that may continue in another thread: the kernel holds
     * nothing of this thread any more, and the next wait() submits again what was pending. Until
     * then submit() and watch() keep to themselves what they are given. NULL: the kernel does not
     * care which thread waits.
     */
    void (*rest)(asyncio__engine_t *engine);

    /* A descriptor that a foreign loop can poll for input to know that wait(0) has work. */
    int (*poll_fd)(asyncio__engine_t *engine);
} asyncio__engine_class_t;

struct asyncio__engine {
    const asyncio__engine_class_t *class;
    long in_flight;             /* operations and watches not yet completed or ended */
    uint64_t enters;            /* system calls made to wait or submit */
    uint64_t submitted;         /* operations that did not complete at once */
    uint64_t inlined;           /* operations that did */
    asyncio__list_t done;       /* completed ones that the next wait() delivers */
    asyncio__list_t delivering; /* those that the present wait() delivers */
    asyncio__lender_t lender;   /* buffers for receives that bring none */
    bool is_preferred;          /* this kernel has everything that makes this engine fast */
    bool is_batching;           /* submit() makes no system call: those of a turn go together */
    bool is_async_on_files;     /* READ and WRITE of a regular file do not block the thread */
    bool is_foreign;            /* poll_fd() was called: finished operations must show there */
    bool is_waiting;            /* inside wait(), before it delivers */
    bool is_closing;            /* closed or abandoned: nothing can be submitted any more */
};

/* Each makes its engine: 0 and the engine, or -errno (EPERM, ENOSYS, …: not available here). */
int asyncio__epoll_open(asyncio__engine_t **ret_engine);
int asyncio__uring_open(asyncio__engine_t **ret_engine);
int asyncio__sim_open(asyncio__engine_t **ret_engine);

#endif
