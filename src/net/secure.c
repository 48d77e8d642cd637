/* SPDX-License-Identifier: MIT */
/* TLS as calls with options want it; see secure.h. */
#include "net/secure.h"

#include "base/clock.h"
#include "task/waiter_list.h"

#define HANDSHAKE_TIMEOUT_S 60.0
#define SHUTDOWN_TIMEOUT_S  30.0

/* Seconds as nanoseconds, 0 being the default: 0, or -EINVAL. */
static int read_timeout(double seconds, double default_seconds, const char *refusal,
                        int64_t *ret_ns)
{
    if (!(seconds >= 0))
        return asyncio__fail(-EINVAL, refusal);
    *ret_ns = asyncio__nanoseconds(seconds > 0 ? seconds : default_seconds);
    return 0;
}

static int read_timeouts(double handshake, double shutdown, asyncio__ssl_options_t *wanted)
{
    int rc = read_timeout(handshake, HANDSHAKE_TIMEOUT_S,
                          "\"ssl_handshake_timeout\" must be a positive number",
                          &wanted->handshake_timeout_ns);
    return rc < 0 ? rc
                  : read_timeout(shutdown, SHUTDOWN_TIMEOUT_S,
                                 "\"ssl_shutdown_timeout\" must be a positive number",
                                 &wanted->shutdown_timeout_ns);
}

/* Options of TLS beside a context that is NULL: 0 if none is set, else -EINVAL. */
static int check_without_ssl(const char *server_hostname, double handshake, double shutdown)
{
    if (server_hostname)
        return asyncio__fail(-EINVAL, "server_hostname is only meaningful with ssl");
    if (handshake != 0)
        return asyncio__fail(-EINVAL, "ssl_handshake_timeout is only meaningful with ssl");
    if (shutdown != 0)
        return asyncio__fail(-EINVAL, "ssl_shutdown_timeout is only meaningful with ssl");
    return 0;
}

int asyncio__secure_client(const asyncio_connection_options_t *options, const char *host,
                           uint16_t port, asyncio__ssl_options_t *ret_wanted)
{
    *ret_wanted = (asyncio__ssl_options_t){.port = port};
    if (!options)
        return 0;
    if (!options->ssl)
        return check_without_ssl(options->server_hostname, options->ssl_handshake_timeout,
                                 options->ssl_shutdown_timeout);
    ret_wanted->context = options->ssl;
    ret_wanted->server_hostname = options->server_hostname ? options->server_hostname : host;
    int rc = read_timeouts(options->ssl_handshake_timeout, options->ssl_shutdown_timeout,
                           ret_wanted);
    return rc < 0 ? rc : asyncio__ssl_check(ret_wanted);
}

static int secure_server(asyncio_ssl_context_t *context, double handshake, double shutdown,
                         asyncio__ssl_options_t *ret_wanted)
{
    *ret_wanted = (asyncio__ssl_options_t){.is_server = true, .context = context};
    if (!context)
        return check_without_ssl(/* server_hostname= */ NULL, handshake, shutdown);
    int rc = read_timeouts(handshake, shutdown, ret_wanted);
    return rc < 0 ? rc : asyncio__ssl_check(ret_wanted);
}

int asyncio__secure_server(const asyncio_server_options_t *options,
                           asyncio__ssl_options_t *ret_wanted)
{
    return options ? secure_server(options->ssl, options->ssl_handshake_timeout,
                                   options->ssl_shutdown_timeout, ret_wanted)
                   : secure_server(NULL, 0, 0, ret_wanted);
}

int asyncio__secure_accepted(const asyncio_accepted_socket_options_t *options,
                             asyncio__ssl_options_t *ret_wanted)
{
    return options ? secure_server(options->ssl, options->ssl_handshake_timeout,
                                   options->ssl_shutdown_timeout, ret_wanted)
                   : secure_server(NULL, 0, 0, ret_wanted);
}

int asyncio__secure_start(asyncio_ssl_context_t *context,
                          const asyncio_start_tls_options_t *options, bool is_accepted,
                          asyncio__ssl_options_t *ret_wanted)
{
    *ret_wanted = (asyncio__ssl_options_t){.context = context, .is_server = is_accepted};
    if (options && options->size < sizeof(*options))
        return asyncio__fail(-EINVAL, "\"options->size\" must be sizeof(*options)");
    if (options && options->server_side)
        ret_wanted->is_server = true;
    if (options)
        ret_wanted->server_hostname = options->server_hostname;
    int rc = read_timeouts(options ? options->ssl_handshake_timeout : 0,
                           options ? options->ssl_shutdown_timeout : 0, ret_wanted);
    return rc < 0 ? rc : asyncio__ssl_check(ret_wanted);
}

int asyncio__secure_check_received(const asyncio__ssl_options_t *wanted)
{
    const unsigned char *bytes = wanted->received;
    size_t size = wanted->received_bytes;
    if (size == 0)
        return 0;
    if (wanted->is_server && bytes[0] == 0x16 && (size < 2 || bytes[1] == 0x03))
        return 0;
    return asyncio__fail_with(
        ASYNCIO_ESSL, asyncio__error_new_ssl(ASYNCIO_ESSL, "plaintext was received before TLS",
                                             "PLAINTEXT_BEFORE_TLS", 0));
}

/* --- waiting for the handshake ------------------------------------------------------------- */

/* What the owner of a channel in its handshake waits for. */
typedef struct shaking {
    asyncio__list_t waiters; /* the task */
    bool is_over;            /* opened, or closed */
} shaking_t;

static void on_over(asyncio__channel_t *channel)
{
    shaking_t *shaking = channel->owner;
    shaking->is_over = true;
    asyncio__waiters_wake_all(&shaking->waiters);
}

static const asyncio__channel_owner_class_t owner_class = {.opened = on_over, .closed = on_over};

int asyncio__secure(asyncio__channel_t **channel, const asyncio__ssl_options_t *wanted,
                    const char *call)
{
    shaking_t shaking = {.is_over = false};
    asyncio__channel_t *secure;
    if (!wanted->context)
        return 0;
    int rc = asyncio__ssl_wrap(*channel, wanted, &secure);
    *channel = NULL;
    if (rc < 0)
        return rc;
    asyncio__list_init(&shaking.waiters);
    secure->owner = &shaking;
    secure->owner_class = &owner_class;
    while (rc == 0 && !shaking.is_over)
        rc = asyncio__waiters_wait(secure->loop, &shaking.waiters, call);
    secure->owner_class = NULL;
    if (rc == 0 && secure->is_closing)
        rc = asyncio__channel_fail(secure, -ECONNRESET, "the TLS handshake was interrupted");
    if (rc == 0) {
        *channel = secure;
        return 0;
    }
    asyncio_error_t *error = asyncio__error_take_of(rc);
    secure->class->abort(secure, 0, NULL);
    asyncio__channel_unref(secure);
    return asyncio__fail_with(rc, error);
}
