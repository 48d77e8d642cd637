/* SPDX-License-Identifier: MIT */
/* Saves the C++ runtime's exceptions over a switch, and stops those that would leave a coroutine;
 * see coroutine/exceptions.h. */
#include "coroutine/exceptions.h"

#include <stdlib.h>
#include <unwind.h>

#include "coroutine/fiber.h"
#include "coroutine/overflow.h"

/* Of the C++ runtime, if the program has one. */
extern asyncio__exceptions_t *__cxa_get_globals(void) __attribute__((weak));
extern void *__cxa_begin_catch(void *exception) __attribute__((weak));
extern void _ZSt9terminatev(void) __attribute__((weak)); /* std::terminate() */

void asyncio__exceptions_find(void)
{
    if (__cxa_get_globals)
        asyncio__thread.exceptions = __cxa_get_globals();
}

void asyncio__fiber_switch_with_exceptions(asyncio__fiber_t *from, asyncio__fiber_t *to)
{
    asyncio__exceptions_t saved = *asyncio__thread.exceptions;
    *asyncio__thread.exceptions = (asyncio__exceptions_t){NULL, 0};
    asyncio__fiber_switch_plain(from, to);
    *asyncio__thread.exceptions = saved;
}

/* The personality routine of functions with ASYNCIO__STOP_EXCEPTIONS(): called while the unwinder
 * searches for a handler. `used`, because only unwind tables name it. */
__attribute__((used, visibility("hidden"))) _Unwind_Reason_Code
asyncio__exceptions_stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                         struct _Unwind_Exception *exception, struct _Unwind_Context *context);

_Unwind_Reason_Code
asyncio__exceptions_stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                         struct _Unwind_Exception *exception, struct _Unwind_Context *context)
{
    (void)version, (void)class, (void)context;
    /* A thread that exits or is cancelled runs cleanups; it looks for no handler. */
    if (actions & _UA_FORCE_UNWIND)
        return _URC_CONTINUE_UNWIND;
    asyncio__overflow_write_owner("an exception left ", "\n");
    if (__cxa_begin_catch && _ZSt9terminatev) {
        __cxa_begin_catch(exception); /* so that the terminate handler can say what it is */
        _ZSt9terminatev();
    }
    abort();
}
