/* SPDX-License-Identifier: MIT */
/* The client of a request, without passing it as an argument: a variable with a value per task. */
#include <asyncio.h>
#include <stdio.h>

static asyncio_context_var_t *client;              /* client = contextvars.ContextVar('client') */

static const char *goodbye(void)                   /* def goodbye(): the client that is served */
{
    static char line[64];
    snprintf(line, sizeof(line), "good bye, client @ %s",
             (const char *)asyncio_context_var_get_or(client, "nowhere"));
    return line;
}

static int respond(double delay, void **ret_result) /* async def respond(delay): it is awaited, */
{                                                   /* so it sees the variables of its caller */
    int rc = asyncio_sleep(delay);
    if (rc == 0)
        puts(goodbye());
    *ret_result = NULL;
    return rc;
}

static int serve(const char *address, double delay, void **ret_result)
{
    int rc = asyncio_context_var_set(client, (void *)address); /* client.set(address) */
    return rc < 0 ? rc : respond(delay, ret_result);
}
ASYNCIO_COROUTINE(serve, (const char *, address), (double, delay));

static void log_later(void *arg)                   /* runs in a copy of the scheduling context */
{
    printf("%s: %s\n", (const char *)arg, goodbye());
}

static int run(void *arg, void **ret_result)       /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_task_group_t group;
    int rc = asyncio_task_group_enter(&group);
    if (rc < 0)
        return rc;
    asyncio_task_group_create_task(&group, serve_coroutine("10.0.0.1", 0.2));
    asyncio_task_group_create_task(&group, serve_coroutine("10.0.0.2", 0.1));
    rc = asyncio_task_group_exit(&group, 0);
    if (rc < 0)
        return rc;
    puts(goodbye());                               /* the tasks set their own values, not this */

    asyncio_context_token_t *token = NULL;         /* token = client.set('localhost') */
    rc = asyncio_context_var_set_full(client, "localhost", NULL, &token);
    if (rc < 0)
        return rc;
    rc = asyncio_loop_call_soon(asyncio_get_running_loop(), log_later, "callback", NULL);
    int rc2 = asyncio_context_var_reset(client, token);        /* client.reset(token) */
    asyncio_context_token_unref(token);
    log_later("main");
    int rc3 = asyncio_sleep(0);
    return rc < 0 ? rc : rc2 < 0 ? rc2 : rc3;
}

int main(void)
{
    client = asyncio_context_var_new("client");
    if (!client)
        return 1;
    int rc = asyncio_run(asyncio_coroutine(run, NULL), NULL);
    asyncio_context_var_unref(client);
    return rc < 0;
}
