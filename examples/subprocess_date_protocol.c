/* SPDX-License-Identifier: MIT */
/* What a child process writes, collected by a protocol: the date of second 0 of Unix time. */
#include <asyncio.h>
#include <stdio.h>

typedef struct date_protocol {                     /* class DateProtocol(SubprocessProtocol): */
    asyncio_subprocess_protocol_t protocol;
    asyncio_future_t *exit_future;
    char output[100];
    size_t size;
    bool pipe_closed, exited;
} date_protocol_t;

static void check_for_exit(date_protocol_t *self)           /* def check_for_exit(self): */
{
    if (self->pipe_closed && self->exited)
        asyncio_future_set_result(self->exit_future, NULL);
}

static void pipe_data_received(asyncio_subprocess_protocol_t *protocol, int fd, const void *data,
                               size_t size)
{
    date_protocol_t *self = (date_protocol_t *)protocol;
    (void)fd;
    for (size_t i = 0; i < size && self->size < sizeof(self->output); i++)
        self->output[self->size++] = ((const char *)data)[i];   /* self.output.extend(data) */
}

static void pipe_connection_lost(asyncio_subprocess_protocol_t *protocol, int fd, int code,
                                 asyncio_error_t *error)
{
    (void)fd, (void)code, (void)error;
    ((date_protocol_t *)protocol)->pipe_closed = true;
    check_for_exit((date_protocol_t *)protocol);
}

static void process_exited(asyncio_subprocess_protocol_t *protocol)
{
    ((date_protocol_t *)protocol)->exited = true; /* this may come before the end of the pipe */
    check_for_exit((date_protocol_t *)protocol);
}

static const asyncio_subprocess_protocol_functions_t functions = {
    .size = sizeof(functions),
    .pipe_data_received = pipe_data_received,
    .pipe_connection_lost = pipe_connection_lost,
    .process_exited = process_exited,
};

static date_protocol_t date = {.protocol = {&functions}};   /* it must outlive its transport */

static asyncio_subprocess_protocol_t *get_protocol(void *arg)
{
    return arg;
}

static int get_date(void *arg, void **ret_result)           /* async def get_date(): */
{
    static const char *const argv[] = {"date", "-u", "-d", "@0", "+%F %T", NULL};
    (void)arg, (void)ret_result;
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_process_options_t options = {.size = sizeof(options),
                                         .stdout_kind = ASYNCIO_PROCESS_PIPE};
    asyncio_subprocess_transport_t *transport = NULL;
    if (!(date.exit_future = asyncio_loop_create_future(loop)))
        return asyncio_errno();
    /* transport, protocol = await loop.subprocess_exec(lambda: DateProtocol(exit_future), …) */
    int rc = asyncio_loop_subprocess_exec(loop, get_protocol, &date, argv, &options, &transport);
    rc = rc < 0 ? rc : asyncio_await(date.exit_future, NULL); /*   await exit_future */
    asyncio_subprocess_transport_close(transport);          /*     transport.close() */
    asyncio_subprocess_transport_unref(transport);
    asyncio_future_unref(date.exit_future);
    printf("Current date: %.*s", (int)date.size, date.output);
    return rc;
}

int main(void)
{
    return asyncio_run(asyncio_coroutine(get_date, NULL), NULL) < 0;
}
