/* SPDX-License-Identifier: MIT */
/* Codes, messages, causes, and groups of errors. */
#include <asyncio.h>
#include <stdio.h>
#include <string.h>

/* A code of this program's own. */
enum { EBADHEADER = ASYNCIO_EUSER };

/* Raises an error: the message, and this line as its place, stand behind the code. */
static int parse(const char *header)
{
    if (!strchr(header, ':'))
        return asyncio_raise(EBADHEADER, "no colon in \"%s\"", header);
    return 0;
}

/* Raises another one: what was raised before becomes its cause. */
static int load(const char *header, void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(0);
    if (rc == 0 && parse(header) < 0)
        rc = asyncio_raise(ASYNCIO_ERUNTIME, "cannot load the page");
    return rc;
}
ASYNCIO_COROUTINE(load, (const char *, header));

static int sleep_long(void **ret_result)
{
    (void)ret_result;
    int rc = asyncio_sleep(3600.0);
    return rc;
}
ASYNCIO_COROUTINE(sleep_long);

/* Prints an error, its causes and its children. */
static void print(const asyncio_error_t *error, int depth)
{
    printf("%*s%s: %s\n", 2 * depth, "", asyncio_error_name(asyncio_error_code(error)),
           asyncio_error_message(error));
    if (asyncio_error_cause(error))
        print(asyncio_error_cause(error), depth + 1);
    for (size_t i = 0; i < asyncio_error_child_count(error); i++)
        print(asyncio_error_child(error, i), depth + 1);
}

static int run(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    int rc = asyncio_await(load_coroutine("Host: example.org"), NULL);
    printf("a good header: %d\n", rc);

    rc = asyncio_await(load_coroutine("no header"), NULL);
    asyncio_error_t *error = asyncio_error_of(rc);
    print(error, 0);
    asyncio_error_unref(error);

    /* A task fails, the other one is cancelled, and the group reports what failed. */
    asyncio_task_group_t group;
    rc = asyncio_task_group_enter(&group);
    asyncio_task_group_create_task(&group, load_coroutine("bad"));
    asyncio_task_group_create_task(&group, sleep_long_coroutine());
    rc = asyncio_task_group_exit(&group, rc);
    error = asyncio_error_of(rc);
    print(error, 0);
    asyncio_error_unref(error);
    asyncio_error_clear(); /* handled */
    return 0;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(run, NULL), NULL) < 0;
}
