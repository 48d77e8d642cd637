/* SPDX-License-Identifier: MIT */
/* Choosing and opening the engine of a loop. */
#include "loop/loop_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *name;
    int (*open)(asyncio__engine_t **ret_engine);
} engines[] = {
    [ASYNCIO_ENGINE_AUTO] = {"auto", NULL},
    [ASYNCIO_ENGINE_EPOLL] = {"epoll", asyncio__epoll_open},
    [ASYNCIO_ENGINE_URING] = {"uring", asyncio__uring_open},
    [ASYNCIO_ENGINE_SIM] = {"sim", asyncio__sim_open},
};
#define ENGINE_COUNT (sizeof(engines) / sizeof(engines[0]))

const char *asyncio_engine_name(asyncio_engine_t engine)
{
    return (unsigned)engine < ENGINE_COUNT ? engines[engine].name : "?";
}

static int open_named(asyncio_loop_t *loop, unsigned kind, const char *reason)
{
    int rc = engines[kind].open(&loop->engine);
    if (rc < 0)
        return rc;
    loop->engine_kind = (uint8_t)kind;
    snprintf(loop->engine_reason, sizeof(loop->engine_reason), "%s", reason);
    return 0;
}

/* Opens io_uring where the kernel has everything that makes it fast, else epoll. */
static int open_best(asyncio_loop_t *loop)
{
    int rc = open_named(loop, ASYNCIO_ENGINE_URING, "the fastest here");
    if (rc == 0 && loop->engine->is_preferred)
        return 0;
    char reason[sizeof(loop->engine_reason)];
    if (rc == 0) {
        loop->engine->class->close(loop->engine);
        snprintf(reason, sizeof(reason), "io_uring here lacks what would make it faster");
    } else {
        snprintf(reason, sizeof(reason), "io_uring was refused: %s", asyncio_error_name(rc));
    }
    return open_named(loop, ASYNCIO_ENGINE_EPOLL, reason);
}

int asyncio__loop_open_engine(asyncio_loop_t *loop, asyncio_engine_t wanted)
{
    if ((unsigned)wanted >= ENGINE_COUNT)
        return asyncio__fail(-EINVAL, "\"engine\" must be one of asyncio_engine_t");
    if (wanted != ASYNCIO_ENGINE_AUTO)
        return open_named(loop, wanted, "asked for");
    const char *name = secure_getenv("ASYNCIO_ENGINE");
    if (!name || !*name || strcmp(name, "auto") == 0)
        return open_best(loop);
    for (unsigned kind = 1; kind < ENGINE_COUNT; kind++)
        if (strcmp(name, engines[kind].name) == 0)
            return open_named(loop, kind, "asked for by ASYNCIO_ENGINE");
    return asyncio__fail(-EINVAL, "ASYNCIO_ENGINE must be auto, epoll, uring or sim");
}

asyncio_engine_t asyncio_loop_get_engine(const asyncio_loop_t *loop)
{
    return loop ? (asyncio_engine_t)loop->engine_kind : ASYNCIO_ENGINE_AUTO;
}

const char *asyncio_loop_get_engine_reason(const asyncio_loop_t *loop)
{
    return loop ? loop->engine_reason : "";
}
