/* SPDX-License-Identifier: MIT */
/* Starting a child process with a protocol: the awaiting calls; see <asyncio/subprocess.h>. */
#include <asyncio/subprocess.h>

#include "base/memory.h"
#include "net/operation.h"
#include "process/process_copy.h"
#include "process/subprocess.h"
#include "task/twin.h"
#include "task/waiter_list.h"

/* A protocol whose table can be used: 0, or an error. */
static int make_protocol(asyncio_subprocess_protocol_factory_t *factory, void *arg,
                         asyncio_subprocess_protocol_t **ret_protocol)
{
    asyncio_subprocess_protocol_t *protocol = factory(arg);
    if (!protocol)
        return asyncio__fail(-ENOMEM, "\"factory\" returned no protocol");
    if (!protocol->functions || protocol->functions->size < sizeof(*protocol->functions))
        return asyncio__fail(-EINVAL, "\"protocol->functions\" must be a table that begins with "
                                      "sizeof(asyncio_subprocess_protocol_functions_t)");
    *ret_protocol = protocol;
    return 0;
}

/* Starts the child: 0, or an error; then the caller gives the transport up. */
static int start_child(asyncio_subprocess_transport_t *transport, const char *const *argv,
                       const asyncio_process_options_t *options)
{
    asyncio__stdio_t stdio;
    int rc = asyncio__stdio_open(&stdio, transport->loop, options);
    if (rc < 0)
        return rc;
    rc = asyncio__subprocess_open_pipes(transport, &stdio);
    if (rc == 0)
        rc = asyncio__process_start(argv, options, &stdio, transport->reaper, &transport->pid);
    asyncio__stdio_close(&stdio);
    return rc;
}

/* Waits for connection_made. */
static int wait_until_made(asyncio_subprocess_transport_t *transport)
{
    int rc = 0;
    while (rc == 0 && !transport->is_made && !transport->is_over)
        rc = asyncio__waiters_wait(transport->loop, &transport->waiters,
                                   "asyncio_loop_subprocess_exec");
    return rc;
}

int asyncio_loop_subprocess_exec(asyncio_loop_t *loop,
                                 asyncio_subprocess_protocol_factory_t *factory, void *arg,
                                 const char *const *argv,
                                 const asyncio_process_options_t *options,
                                 asyncio_subprocess_transport_t **ret_transport)
{
    static const asyncio_process_options_t pipes = {.size = sizeof(pipes),
                                                    .stdin_kind = ASYNCIO_PROCESS_PIPE,
                                                    .stdout_kind = ASYNCIO_PROCESS_PIPE,
                                                    .stderr_kind = ASYNCIO_PROCESS_PIPE};
    if (!options)
        options = &pipes;
    if (!factory)
        return asyncio__fail(-EINVAL, "\"factory\" must not be NULL");
    int rc = asyncio__process_check(argv, options);
    if (rc == 0)
        rc = asyncio__operation_check(loop);
    if (rc == 0)
        rc = asyncio__process_check_loop(loop);
    asyncio_subprocess_protocol_t *protocol = NULL;
    if (rc == 0)
        rc = make_protocol(factory, arg, &protocol);
    if (rc < 0)
        return rc;
    asyncio_subprocess_transport_t *transport = asyncio__subprocess_new(loop, protocol);
    if (!transport) {
        if (protocol->functions->destroy)
            protocol->functions->destroy(protocol);
        return asyncio__fail(-ENOMEM, NULL);
    }
    rc = start_child(transport, argv, options);
    if (rc < 0) {
        asyncio_error_t *error = asyncio__error_take_of(rc);
        asyncio__subprocess_give_up(transport); /* calls destroy, which may fill the slot */
        return asyncio__fail_with(rc, error);
    }
    asyncio__subprocess_begin(transport);
    rc = wait_until_made(transport);
    if (rc < 0)
        asyncio__ignore(asyncio_subprocess_transport_close(transport));
    if (rc == 0 && ret_transport)
        *ret_transport = transport;
    else
        asyncio_subprocess_transport_unref(transport);
    return rc;
}

int asyncio_loop_subprocess_shell(asyncio_loop_t *loop,
                                  asyncio_subprocess_protocol_factory_t *factory, void *arg,
                                  const char *command, const asyncio_process_options_t *options,
                                  asyncio_subprocess_transport_t **ret_transport)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    if (!command)
        return asyncio__fail(-EINVAL, "\"command\" must not be NULL");
    return asyncio_loop_subprocess_exec(loop, factory, arg, argv, options, ret_transport);
}

/* --- coroutine objects --------------------------------------------------------------------- */

static int keep_exec(void *arguments);
static void drop_exec(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_subprocess_exec, keep_exec, drop_exec,
                   (asyncio_loop_t *, loop), (asyncio_subprocess_protocol_factory_t *, factory),
                   (void *, arg), (const char *const *, argv),
                   (const asyncio_process_options_t *, options),
                   (asyncio_subprocess_transport_t **, ret_transport))

static int keep_exec(void *arguments)
{
    struct asyncio_loop_subprocess_exec_arguments *a = arguments;
    int rc = asyncio__process_copy_arguments(&a->argv);
    int options_rc = asyncio__process_copy_options(&a->options);
    return rc < 0 ? rc : options_rc;
}

static void drop_exec(void *arguments)
{
    struct asyncio_loop_subprocess_exec_arguments *a = arguments;
    asyncio__process_copy_free(a->argv);
    asyncio__process_copy_free(a->options);
}

static int keep_shell(void *arguments);
static void drop_shell(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_subprocess_shell, keep_shell, drop_shell,
                   (asyncio_loop_t *, loop), (asyncio_subprocess_protocol_factory_t *, factory),
                   (void *, arg), (const char *, command),
                   (const asyncio_process_options_t *, options),
                   (asyncio_subprocess_transport_t **, ret_transport))

static int keep_shell(void *arguments)
{
    struct asyncio_loop_subprocess_shell_arguments *a = arguments;
    const char *command = a->command;
    int rc = 0;
    if (command && !(a->command = asyncio__strdup(command)))
        rc = asyncio__fail(-ENOMEM, NULL);
    int options_rc = asyncio__process_copy_options(&a->options);
    return rc < 0 ? rc : options_rc;
}

static void drop_shell(void *arguments)
{
    struct asyncio_loop_subprocess_shell_arguments *a = arguments;
    asyncio__free_string((char *)a->command);
    asyncio__process_copy_free(a->options);
}
