/* SPDX-License-Identifier: MIT */
/* Calling a program's callback in its context; see callback.h. */
#include "loop/callback.h"

#include "base/context.h"
#include "base/error.h"
#include "loop/report.h"

bool asyncio__loop_enter(asyncio_loop_t *loop, void **word, void **ret_former)
{
    int rc = asyncio__context_begin(word, ret_former);
    if (rc == 0)
        return true;
    asyncio_error_t *error = asyncio__error_take_of(rc);
    asyncio__loop_report(loop, "a callback was not called", rc, error, NULL, NULL, NULL);
    asyncio_error_unref(error);
    return false;
}

void asyncio__loop_call_in(asyncio_loop_t *loop, asyncio_context_t *context,
                           asyncio_callback_t *fn, void *arg)
{
    void *word = asyncio_context_ref(context), *former;
    if (asyncio__loop_enter(loop, &word, &former)) {
        fn(arg);
        asyncio__context_end(&word, former);
    }
    asyncio__context_drop(word);
}
