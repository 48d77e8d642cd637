/* SPDX-License-Identifier: MIT */
/* What kind of descriptor one is, and what the kernel's poll bits mean for a watch. */
#ifndef ASYNCIO__ENGINE_DESCRIPTOR_H
#define ASYNCIO__ENGINE_DESCRIPTOR_H

#include "engine/engine.h"

/*
 * Finds out the kind of a descriptor that can be waited for: 0, -EBADF, or -EPERM for regular
 * files, directories and devices that are always ready. All engines refuse the same descriptors.
 */
int asyncio__descriptor_kind(int fd, asyncio__file_kind_t *ret_kind);

/* Which of the events that a watch asks for the bits of epoll or poll mean. */
unsigned asyncio__watch_events(unsigned polled, unsigned asked);

/* The bits of epoll or poll for what a watch asks for. */
unsigned asyncio__poll_events(unsigned asked);

#endif
