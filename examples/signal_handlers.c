/* SPDX-License-Identifier: MIT */
/* Signal handlers for SIGINT and SIGTERM, which stop the loop. */
#include <asyncio.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void ask_exit(void *signame)                       /* def ask_exit(signame, loop): */
{
    printf("got signal %s: exit\n", (const char *)signame);
    asyncio_loop_stop(asyncio_get_running_loop());        /*     loop.stop() */
}

static int run(void *arg, void **ret_result)              /* async def main(): */
{
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    /* for signame in {'SIGINT', 'SIGTERM'}: loop.add_signal_handler(…) */
    int rc = asyncio_loop_add_signal_handler(loop, SIGINT, ask_exit, (void *)"SIGINT");
    if (rc == 0)
        rc = asyncio_loop_add_signal_handler(loop, SIGTERM, ask_exit, (void *)"SIGTERM");
    if (rc < 0)
        return rc;
    puts("Event loop running for 1 hour, press Ctrl+C to interrupt.");
    printf("pid %d: send SIGINT or SIGTERM to exit.\n", (int)getpid());
    fflush(stdout);
    return asyncio_sleep(3600);                           /*     await asyncio.sleep(3600) */
}

int main(void)
{
    int rc = asyncio_run(asyncio_coroutine(run, NULL), NULL);
    return rc != ASYNCIO_ERUNTIME; /* RuntimeError: the loop stopped before main() had ended */
}
