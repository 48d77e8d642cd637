/* SPDX-License-Identifier: MIT */
/* Two coroutines at once: the quick one ends first, and both results come back in order. */
#include <asyncio.h>
#include <stdio.h>

static int greet(const char *name, double delay, void **ret_result)
{
    int rc = asyncio_sleep(delay);
    if (rc < 0)
        return rc;
    printf("hello, %s\n", name);
    *ret_result = (void *)name;
    return 0;
}
ASYNCIO_COROUTINE(greet, (const char *, name), (double, delay));

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    asyncio_awaitable_t *both[] = {
        greet_coroutine("slow world", 0.5),
        greet_coroutine("quick world", 0.1),
    };
    void *names[2];
    int rc = asyncio_gather_await(both, 2, names);
    if (rc < 0)
        return rc;
    printf("greeted %s and %s\n", (char *)names[0], (char *)names[1]);
    return 0;
}

int main(void)
{
    int rc = asyncio_run(asyncio_coroutine(run, NULL), NULL);
    if (rc < 0)
        fprintf(stderr, "%s\n", asyncio_strerror(rc));
    return rc < 0;
}
