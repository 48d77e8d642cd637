/* SPDX-License-Identifier: MIT */
/* Which engine a loop runs on. */
#ifndef ASYNCIO__LOOP_LOOP_ENGINE_H
#define ASYNCIO__LOOP_LOOP_ENGINE_H

#include "loop/core.h"

/* Opens the engine that is wanted, or for AUTO the one that ASYNCIO_ENGINE names, or the best. */
int asyncio__loop_open_engine(asyncio_loop_t *loop, asyncio_engine_t wanted);

#endif
