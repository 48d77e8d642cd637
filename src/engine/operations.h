/* SPDX-License-Identifier: MIT */
/*
 * What the engines know of each kind of operation, as a table with a row a kind. A new kind is a
 * new row, and nothing else but its line in engine.h.
 *
 * epoll tries an operation by its row's attempt, waits for an edge, and tries again. io_uring hands
 * the operation to the kernel under its row's opcode, on the kinds of files that the row names; on
 * all others it has the kernel poll the descriptor, and then tries like epoll.
 */
#ifndef ASYNCIO__ENGINE_OPERATIONS_H
#define ASYNCIO__ENGINE_OPERATIONS_H

#include "engine/completion.h"

/* Most bytes that Linux moves in one call; the count fits into a result. */
#define ASYNCIO__SIZE_MAX_BYTES 0x7ffff000u

/* Which readiness an operation waits for. */
enum { ASYNCIO__INWARD = 0, ASYNCIO__OUTWARD = 1 };

/* Which field of the operation says what io_uring gets as address and length. */
typedef enum asyncio__argument {
    ASYNCIO__ARGUMENT_NONE,
    ASYNCIO__ARGUMENT_BUFFER,
    ASYNCIO__ARGUMENT_BUFFER_AT_OFFSET,
    ASYNCIO__ARGUMENT_MESSAGE,
    ASYNCIO__ARGUMENT_ADDRESS,
} asyncio__argument_t;

typedef struct asyncio__operation_row {
    const char *name;
    /* One try by a system call that does not block. True: the operation is over and its result
     * set. False: it would block. */
    bool (*attempt)(asyncio__operation_t *operation);
    uint8_t direction;       /* ASYNCIO__INWARD or ASYNCIO__OUTWARD */
    uint8_t opcode;          /* io_uring's */
    uint8_t kernel_files;    /* a bit a file kind: on those io_uring does not poll first */
    uint8_t argument;        /* asyncio__argument_t */
    bool is_poll;            /* readiness is all that is asked for */
    uint32_t flags_added;    /* to those of the operation, for io_uring */
} asyncio__operation_row_t;

extern const asyncio__operation_row_t asyncio__operation_rows[ASYNCIO__OPERATION_KINDS];

static inline const asyncio__operation_row_t *
asyncio__row_of(const asyncio__operation_t *operation)
{
    return &asyncio__operation_rows[operation->kind];
}

static inline int asyncio__direction(const asyncio__operation_t *operation)
{
    return asyncio__row_of(operation)->direction;
}

static inline bool asyncio__is_socket(const asyncio__file_t *file)
{
    return file->kind == ASYNCIO__FILE_SOCKET || file->kind == ASYNCIO__FILE_TCP;
}

/* A try of a receive into a lent buffer: see asyncio__attempt(). */
bool asyncio__attempt_lent(asyncio__engine_t *engine, asyncio__operation_t *operation);

/*
 * One try of an operation. True: it is over, and its result set. False: it would block, or (note
 * has STARVED) it needs a lent buffer and every buffer is out.
 */
static inline bool asyncio__attempt(asyncio__engine_t *engine, asyncio__operation_t *operation)
{
    if (operation->note & ASYNCIO__LENT)
        return asyncio__attempt_lent(engine, operation);
    return asyncio__row_of(operation)->attempt(operation);
}

/* A receive without an operation: a count, or -errno, also -EAGAIN. */
int asyncio__receive_now(const asyncio__file_t *file, void *buffer, size_t size);

/* Whether the descriptor of a poll is ready now: 0, or -errno, -EAGAIN when it is not. */
int asyncio__poll_now(int fd, short events);

#endif
