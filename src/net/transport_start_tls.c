/* SPDX-License-Identifier: MIT */
/* start_tls of transports: the transport stays, and gets a channel of TLS over the one that it
 * has. */
#include "net/operation.h"
#include "net/options_copy.h"
#include "net/protocol.h"
#include "net/secure.h"
#include "net/transport.h"
#include "task/twin.h"
#include "task/waiter_list.h"

static int check_call(asyncio_loop_t *loop, const asyncio_transport_t *transport,
                      const asyncio_protocol_t *protocol, const asyncio_ssl_context_t *ssl)
{
    int rc = asyncio__operation_check(loop);
    if (rc < 0)
        return rc;
    if (!transport || !ssl)
        return asyncio__fail(-EINVAL, "\"transport\" and \"ssl\" must not be NULL");
    if (transport->loop != loop)
        return asyncio__fail(ASYNCIO_ERUNTIME, "the transport belongs to another event loop");
    if (!transport->can_read || !transport->can_write || !transport->is_made)
        return asyncio__fail(-EINVAL, "\"transport\" must be that of a connection");
    if (transport->is_shaking)
        return asyncio__fail(-EBUSY, "start_tls() is waiting for a handshake already");
    if (transport->is_eof_wanted)
        return asyncio__fail(ASYNCIO_ERUNTIME, "Cannot call start_tls() after write_eof()");
    if (transport->channel->is_sending_file)
        return asyncio__fail(ASYNCIO_ERUNTIME, "sendfile is in progress");
    if (transport->channel->is_closing || transport->is_over)
        return asyncio__channel_fail(transport->channel, -ECONNRESET, "Connection lost");
    return protocol ? asyncio__protocol_check(protocol) : 0;
}

/* Stops reading, and waits for the pending read to complete: what it has received must not pass for
 * data of the protocol. */
static int stop_reading(asyncio_transport_t *transport)
{
    int rc = 0;
    asyncio__channel_t *channel = transport->channel;
    transport->is_shaking = true;
    while (rc == 0 && transport->is_read_pending) {
        channel->class->cancel_read(channel, &transport->read);
        rc = asyncio__waiters_wait(transport->loop, &transport->waiters, "asyncio_loop_start_tls");
    }
    return rc;
}

/* Puts TLS over the channel, with what was received for it already. */
static int begin(asyncio_transport_t *transport, asyncio__ssl_options_t *wanted)
{
    if (transport->channel->is_closing)
        return asyncio__channel_fail(transport->channel, -ECONNRESET, "Connection lost");
    wanted->received = asyncio__transport_received(transport, &wanted->received_bytes);
    int rc = asyncio__secure_check_received(wanted);
    return rc < 0 ? rc : asyncio__transport_wrap(transport, wanted);
}

static int await_handshake(asyncio_transport_t *transport)
{
    int rc = 0;
    asyncio__channel_t *channel = transport->channel;
    while (rc == 0 && transport->is_shaking && !channel->is_closed)
        rc = asyncio__waiters_wait(transport->loop, &transport->waiters, "asyncio_loop_start_tls");
    if (rc == 0 && transport->is_shaking)
        rc = asyncio__channel_fail(channel, -ECONNRESET, "the TLS handshake was interrupted");
    return rc;
}

int asyncio_loop_start_tls(asyncio_loop_t *loop, asyncio_transport_t *transport,
                           asyncio_protocol_t *protocol, asyncio_ssl_context_t *ssl,
                           const asyncio_start_tls_options_t *options,
                           asyncio_transport_t **ret_transport)
{
    asyncio__ssl_options_t wanted;
    int rc = check_call(loop, transport, protocol, ssl);
    if (rc == 0)
        rc = asyncio__secure_start(ssl, options, /* is_accepted= */ false, &wanted);
    if (rc < 0)
        return rc;
    asyncio_transport_ref(transport);
    rc = stop_reading(transport);
    if (rc == 0)
        rc = begin(transport, &wanted);
    if (rc == 0) {
        if (protocol)
            transport->protocol = protocol;
        rc = await_handshake(transport);
    }
    if (rc < 0) {
        asyncio_error_t *error = asyncio_error_of(rc);
        bool is_cancelled = rc == -ECANCELED;
        transport->is_closing = true;
        transport->channel->class->abort(transport->channel, is_cancelled ? 0 : rc,
                                         is_cancelled ? NULL : asyncio_error_ref(error));
        asyncio__fail_with(rc, error);
    }
    transport->is_shaking = false;
    if (rc == 0 && ret_transport)
        *ret_transport = asyncio_transport_ref(transport);
    asyncio_transport_unref(transport);
    return rc;
}

static int keep_start_tls(void *arguments);
static void drop_start_tls(void *arguments);
ASYNCIO__TWIN_KEPT(CODE, asyncio_loop_start_tls, keep_start_tls, drop_start_tls,
                   (asyncio_loop_t *, loop), (asyncio_transport_t *, transport),
                   (asyncio_protocol_t *, protocol), (asyncio_ssl_context_t *, ssl),
                   (const asyncio_start_tls_options_t *, options),
                   (asyncio_transport_t **, ret_transport))

static int keep_start_tls(void *arguments)
{
    struct asyncio_loop_start_tls_arguments *a = arguments;
    asyncio_transport_ref(a->transport);
    asyncio__ssl_ref(a->ssl);
    return asyncio__copy_start_tls_options(&a->options);
}

static void drop_start_tls(void *arguments)
{
    struct asyncio_loop_start_tls_arguments *a = arguments;
    asyncio_transport_unref(a->transport);
    asyncio__ssl_unref(a->ssl);
    asyncio__free_start_tls_options(a->options);
}
