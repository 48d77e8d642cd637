/* SPDX-License-Identifier: MIT */
/*
 * The engine without a kernel: time and threads, but no descriptors. It waits on an eventfd only,
 * so that a loop on it can sleep and be woken; every call that names a descriptor fails with
 * -EOPNOTSUPP.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "base/memory.h"
#include "base/syscalls.h"
#include "engine/completion.h"

typedef struct sim {
    asyncio__engine_t base;
    int wake_fd; /* an eventfd, readable after wake() */
} sim_t;

static sim_t *sim_of(asyncio__engine_t *engine)
{
    return ASYNCIO__CONTAINER(engine, sim_t, base);
}

static void sim_close(asyncio__engine_t *engine)
{
    sim_t *sim = sim_of(engine);
    asyncio__sys.close(sim->wake_fd);
    asyncio__free(sim, sizeof(*sim));
}

static int sim_open_file(asyncio__engine_t *engine, int fd, asyncio__file_kind_t kind,
                         asyncio__file_t **ret_file)
{
    (void)engine, (void)fd, (void)kind, (void)ret_file;
    return -EOPNOTSUPP;
}

static void sim_close_file(asyncio__engine_t *engine, asyncio__file_t *file)
{
    (void)engine, (void)file;
}

static int sim_detach_file(asyncio__engine_t *engine, asyncio__file_t *file)
{
    (void)engine, (void)file;
    return -EOPNOTSUPP;
}

static int sim_shutdown_file(asyncio__engine_t *engine, asyncio__file_t *file, int how)
{
    (void)engine, (void)file, (void)how;
    return -EOPNOTSUPP;
}

static void sim_return_buffer(asyncio__engine_t *engine, void *buffer)
{
    (void)engine, (void)buffer;
}

static int sim_receive(asyncio__engine_t *engine, asyncio__file_t *file, void *buffer, size_t size)
{
    (void)engine, (void)file, (void)buffer, (void)size;
    return -EOPNOTSUPP;
}

static int sim_submit(asyncio__engine_t *engine, asyncio__operation_t *operation)
{
    (void)engine, (void)operation;
    return -EOPNOTSUPP;
}

static void sim_cancel(asyncio__engine_t *engine, asyncio__operation_t *operation)
{
    (void)engine, (void)operation;
}

static int sim_wait(asyncio__engine_t *engine, int64_t timeout_ns)
{
    sim_t *sim = sim_of(engine);
    struct pollfd poll = {.fd = sim->wake_fd, .events = POLLIN};
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        int64_t rounded = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
        timeout_ms = rounded < INT_MAX ? (int)rounded : INT_MAX;
    }
    engine->enters++;
    int ready = asyncio__sys.poll(&poll, 1, timeout_ms);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (ready > 0) {
        uint64_t count;
        asyncio__ignore(asyncio__sys.read(sim->wake_fd, &count, sizeof(count)));
    }
    return 0;
}

static void sim_wake(asyncio__engine_t *engine)
{
    int saved = errno;
    asyncio__eventfd_ring(sim_of(engine)->wake_fd);
    errno = saved;
}

static int sim_watch(asyncio__engine_t *engine, asyncio__watch_t *watch)
{
    (void)engine, (void)watch;
    return -EOPNOTSUPP;
}

static int sim_poll_fd(asyncio__engine_t *engine)
{
    return sim_of(engine)->wake_fd;
}

static const asyncio__engine_class_t sim_class = {
    .name = "sim",
    .close = sim_close,
    .open_file = sim_open_file,
    .close_file = sim_close_file,
    .detach_file = sim_detach_file,
    .shutdown_file = sim_shutdown_file,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .return_buffer = sim_return_buffer,
    .receive = sim_receive,
    .wait = sim_wait,
    .abandon = asyncio__deliver,
    .wake = sim_wake,
    .watch = sim_watch,
    .poll_fd = sim_poll_fd,
};

int asyncio__sim_open(asyncio__engine_t **ret_engine)
{
    sim_t *sim = asyncio__calloc(sizeof(*sim));
    if (!sim)
        return -ENOMEM;
    asyncio__engine_init(&sim->base, &sim_class);
    sim->wake_fd = asyncio__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (sim->wake_fd < 0) {
        int rc = -errno;
        asyncio__free(sim, sizeof(*sim));
        return rc;
    }
    *ret_engine = &sim->base;
    return 0;
}
