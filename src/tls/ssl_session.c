/* SPDX-License-Identifier: MIT */
/* The sessions that a client keeps; see ssl_session.h. */
#include "tls/ssl_session.h"

#include <string.h>

#include "base/list.h"
#include "base/memory.h"

#define HOST_BYTES 256

typedef struct entry {
    asyncio__list_t link;   /* in sessions->list */
    SSL_SESSION *session;   /* a reference */
    uint16_t port;          /* of the server */
    char host[HOST_BYTES];  /* of the server */
} entry_t;

struct asyncio__ssl_sessions {
    asyncio__list_t list; /* of entry_t; the one used last is at the end */
    size_t count;         /* of list */
    size_t limit;         /* of count */
};

static void drop_entry(asyncio__ssl_sessions_t *sessions, entry_t *entry)
{
    asyncio__list_remove(&entry->link);
    sessions->count--;
    SSL_SESSION_free(entry->session);
    asyncio__free(entry, sizeof(*entry));
}

void asyncio__ssl_sessions_free(asyncio__ssl_sessions_t *sessions)
{
    if (!sessions)
        return;
    while (!asyncio__list_is_empty(&sessions->list))
        drop_entry(sessions, ASYNCIO__CONTAINER(sessions->list.next, entry_t, link));
    asyncio__free(sessions, sizeof(*sessions));
}

static bool is_of(const entry_t *entry, const char *host, uint16_t port)
{
    return entry->port == port && strcmp(entry->host, host) == 0;
}

/* The newest session of a server, or NULL. */
static entry_t *find(const asyncio__ssl_sessions_t *sessions, const char *host, uint16_t port)
{
    for (asyncio__list_t *at = sessions->list.prev; at != &sessions->list; at = at->prev)
        if (is_of(ASYNCIO__CONTAINER(at, entry_t, link), host, port))
            return ASYNCIO__CONTAINER(at, entry_t, link);
    return NULL;
}

/* OpenSSL has a new session: after the handshake, or with a ticket. 1: its reference is taken. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const asyncio__tls_channel_t *channel = BIO_get_data(SSL_get_rbio(ssl));
    asyncio_ssl_context_t *context = channel ? channel->context : NULL;
    if (!context || !context->sessions || !channel->server_hostname ||
        strlen(channel->server_hostname) >= HOST_BYTES || !SSL_SESSION_is_resumable(session))
        return 0;
    entry_t *entry = asyncio__calloc(sizeof(*entry));
    if (!entry)
        return 0;
    strcpy(entry->host, channel->server_hostname);
    entry->port = channel->port;
    entry->session = session;
    pthread_mutex_lock(&context->lock);
    asyncio__ssl_sessions_t *sessions = context->sessions;
    if (sessions->count >= sessions->limit)
        drop_entry(sessions, ASYNCIO__CONTAINER(sessions->list.next, entry_t, link));
    asyncio__list_append(&sessions->list, &entry->link);
    sessions->count++;
    pthread_mutex_unlock(&context->lock);
    return 1;
}

void asyncio__ssl_sessions_use(asyncio_ssl_context_t *context, SSL *ssl, const char *host,
                               uint16_t port)
{
    if (!context->sessions || !host)
        return;
    pthread_mutex_lock(&context->lock);
    entry_t *entry = find(context->sessions, host, port);
    if (entry) {
        SSL_set_session(ssl, entry->session);
        if (SSL_SESSION_get_protocol_version(entry->session) >= TLS1_3_VERSION)
            drop_entry(context->sessions, entry);
    }
    pthread_mutex_unlock(&context->lock);
}

int asyncio_ssl_context_set_session_cache(asyncio_ssl_context_t *context, size_t entries)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!context->is_client)
        return asyncio__fail(-EINVAL, "\"context\" must be a client's");
    asyncio__ssl_sessions_t *sessions = NULL;
    if (entries > 0 && !(sessions = asyncio__calloc(sizeof(*sessions))))
        return asyncio__fail(-ENOMEM, NULL);
    if (sessions) {
        asyncio__list_init(&sessions->list);
        sessions->limit = entries;
    }
    asyncio__ssl_sessions_free(context->sessions);
    context->sessions = sessions;
    SSL_CTX_set_session_cache_mode(
        context->ctx,
        entries ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(context->ctx, entries ? on_new_session : NULL);
    return 0;
}
