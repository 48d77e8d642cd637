/* SPDX-License-Identifier: MIT */
/* Executors as an interface: references and the shutdown; see <asyncio/executor.h>. */
#include <asyncio/executor.h>

#include "base/error.h"

int asyncio_executor_init(asyncio_executor_t *executor, const asyncio_executor_class_t *methods)
{
    if (!executor)
        return asyncio__fail(-EINVAL, "\"executor\" must not be NULL");
    if (!methods)
        return asyncio__fail(-EINVAL, "\"methods\" must not be NULL");
    if (methods->size < sizeof(*methods))
        return asyncio__fail(-EINVAL, "\"methods->size\" must be sizeof(*methods)");
    if (!methods->submit)
        return asyncio__fail(-EINVAL, "\"methods->submit\" must not be NULL");
    executor->methods = methods;
    executor->asyncio_refs = 1;
    return 0;
}

asyncio_executor_t *asyncio_executor_ref(asyncio_executor_t *executor)
{
    if (executor)
        __atomic_fetch_add(&executor->asyncio_refs, 1, __ATOMIC_RELAXED);
    return executor;
}

void asyncio_executor_unref(asyncio_executor_t *executor)
{
    /* Release here, acquire in the last one: it destroys what the others have written. */
    if (executor && __atomic_fetch_sub(&executor->asyncio_refs, 1, __ATOMIC_ACQ_REL) == 1 &&
        executor->methods->destroy)
        executor->methods->destroy(executor);
}

int asyncio_executor_shutdown(asyncio_executor_t *executor, bool wait, bool cancel_futures)
{
    if (!executor)
        return asyncio__fail(-EINVAL, "\"executor\" must not be NULL");
    if (executor->methods->shutdown)
        executor->methods->shutdown(executor, wait, cancel_futures);
    return 0;
}
