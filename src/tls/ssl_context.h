/* SPDX-License-Identifier: MIT */
/*
 * The record of a context: OpenSSL's, and what it does not keep. Shared by threads: the count and
 * is_frozen are atomic, the sessions have a lock, and nothing else changes once it is frozen.
 */
#ifndef ASYNCIO__TLS_SSL_CONTEXT_H
#define ASYNCIO__TLS_SSL_CONTEXT_H

#include <asyncio/ssl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tls/tls_channel.h"

struct asyncio_ssl_context {
    const asyncio__ssl_class_t *class; /* first: how the core reaches it */
    atomic_uint refs;                  /* references */
    atomic_bool is_frozen;             /* it was used: nothing below changes any more */
    pthread_mutex_t lock;              /* of freezing, and of the sessions */
    SSL_CTX *ctx;                      /* a reference */
    bool is_client;                    /* may be a client's */
    bool is_server;                    /* may be a server's */
    bool is_foreign;                   /* of asyncio_ssl_context_from_openssl() */
    bool has_authorities;              /* some were loaded: the system's are not wanted */
    bool asks_later;                   /* a server does for certificates of clients, after the
                                          handshake */
    bool checks_hostname;              /* of a client: the name is verified */
    bool suppresses_ragged_eofs;       /* an end without close_notify is an ordinary one */
    unsigned char *alpn;               /* names, each behind a byte with its size; or NULL */
    size_t alpn_bytes;                 /* of alpn */
    asyncio_ssl_sni_t *sni;            /* chooses another context; or NULL */
    void *sni_arg;                     /* passed to it */
    int keylog_fd;                     /* where secrets are appended; -1: nowhere */
    struct asyncio__ssl_sessions *sessions; /* kept by a client; or NULL */
};

/* Begins a function that changes the context: 0, or an error with details. */
int asyncio__ssl_context_change(asyncio_ssl_context_t *context);

/* Freezes it, and reads the system's authorities if they are wanted: 0, or an error with
 * details. */
int asyncio__ssl_context_freeze(asyncio_ssl_context_t *context);

/* Fails with what OpenSSL's error queue says first, which is emptied. */
int asyncio__ssl_context_fail(const char *what);

/* The class that contexts of this library have. */
extern const asyncio__ssl_class_t asyncio__ssl_linked_class;

#endif
