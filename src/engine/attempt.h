/* SPDX-License-Identifier: MIT */
/*
 * One try of an operation by a plain system call that does not block: what the epoll engine is
 * made of, and what io_uring's falls back to. Also what kind of descriptor one is.
 */
#ifndef ASYNCIO__ENGINE_ATTEMPT_H
#define ASYNCIO__ENGINE_ATTEMPT_H

#include "engine/engine.h"

/* Most bytes that Linux moves in one call; the count fits into a result. */
#define ASYNCIO__SIZE_MAX_BYTES 0x7ffff000u

/* True when the operation is over: its result is set. False when it would block. */
bool asyncio__attempt(asyncio__operation_t *operation, bool is_socket);

/*
 * Whether the descriptor can be waited for, and is a socket: 0, -EBADF, or -EPERM for regular
 * files, directories and what else is always ready. All engines refuse the same descriptors.
 */
int asyncio__descriptor_check(int fd, bool *ret_is_socket);

/* Which of the asked-for events of a watch epoll's or poll's bits mean. */
unsigned asyncio__watch_events(unsigned polled, unsigned asked);

/* The kernel's poll bits that answer what a watch asks for. */
unsigned asyncio__poll_events(unsigned asked);

#endif
