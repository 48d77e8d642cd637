/* SPDX-License-Identifier: MIT */
/* A coroutine driven by hand is a generator: it yields values, and receives values by send(). */
#include <asyncio.h>
#include <stdio.h>

static int jumping_range(int up_to, void **ret_result)          /* def jumping_range(up_to): */
{
    (void)ret_result;
    int index = 0;                                              /*     index = 0 */
    while (index < up_to) {                                     /*     while index < up_to: */
        void *jump = NULL;
        int rc = asyncio_yield(ASYNCIO_INT(index), &jump);      /*         jump = yield index */
        if (rc < 0)
            return rc;
        if (jump == NULL)                                       /*         if jump is None: */
            jump = ASYNCIO_INT(1);                              /*             jump = 1 */
        index += (int)asyncio_int(jump);                        /*         index += jump */
    }
    return 0;
}
ASYNCIO_COROUTINE(jumping_range, (int, up_to));

static void show(void *value)                                   /* print(value) */
{
    printf("%d\n", (int)asyncio_int(value));
}

int main(void)
{
    void *out = NULL;
    asyncio_coroutine_t *iterator = jumping_range_coroutine(5); /* iterator = jumping_range(5) */
    if (asyncio_coroutine_send(iterator, NULL, &out) == ASYNCIO_YIELDED)
        show(out);                                              /* print(next(iterator))  # 0 */
    if (asyncio_coroutine_send(iterator, ASYNCIO_INT(2), &out) == ASYNCIO_YIELDED)
        show(out);                                              /* print(iterator.send(2))  # 2 */
    if (asyncio_coroutine_send(iterator, NULL, &out) == ASYNCIO_YIELDED)
        show(out);                                              /* print(next(iterator))  # 3 */
    if (asyncio_coroutine_send(iterator, ASYNCIO_INT(-1), &out) == ASYNCIO_YIELDED)
        show(out);                                              /* print(iterator.send(-1))  # 2 */
    while (asyncio_coroutine_send(iterator, NULL, &out) == ASYNCIO_YIELDED) /* for x in iterator: */
        show(out);                                              /*     print(x)  # 3, 4 */
    return asyncio_coroutine_close(iterator) < 0;               /* iterator.close() */
}
