/* SPDX-License-Identifier: MIT */
/*
 * The io_uring engine with rings of a given size, for tests: whatever works must work with a ring
 * that is always full. Everybody else calls asyncio__uring_open().
 */
#ifndef ASYNCIO__ENGINE_URING_H
#define ASYNCIO__ENGINE_URING_H

#include "engine/engine.h"

int asyncio__uring_open_sized(unsigned submissions, unsigned completions,
                              asyncio__engine_t **ret_engine);

#endif
