/* SPDX-License-Identifier: MIT */
/**
 * @file
 * TLS: contexts with certificates and keys. <asyncio/ssl_object.h> says what is known of a
 * connection.
 *
 * A context is given to the calls that connect and serve. With its defaults a client verifies the
 * server's certificate against the system's authorities, and the name in it against the host.
 *
 * @code
 *     asyncio_connection_options_t options = {
 *         .size = sizeof(options), .ssl = asyncio_ssl_default_client_context()};
 *     int rc = asyncio_open_connection("example.org", 443, &options, &reader, &writer);
 * @endcode
 *
 * A server has a certificate and its key:
 *
 * @code
 *     asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH);
 *     int rc = asyncio_ssl_context_load_cert_chain(ssl, "cert.pem", "key.pem", NULL, NULL);
 *     asyncio_server_options_t options = {.size = sizeof(options), .ssl = ssl};
 *     rc = asyncio_start_server(NULL, 8443, serve, NULL, &options, &server);
 * @endcode
 *
 * These functions are in a library of their own, libasyncio-ssl, with OpenSSL 3 behind it; its
 * pkg-config name is libasyncio-ssl. libasyncio alone does not need OpenSSL.
 *
 * A context belongs to no loop and may be shared by threads. It is frozen by the first connection
 * or server that uses it: functions that would change it fail with ASYNCIO_ERUNTIME from then on.
 * To serve with other certificates, make another context and call asyncio_server_set_ssl().
 *
 * Errors: ASYNCIO_ESSLCERTVERIFICATION when a certificate is refused, ASYNCIO_ESSLEOF when a
 * connection ends without a close_notify (data may be missing), ASYNCIO_ESSL for the rest;
 * asyncio_error_ssl_reason() and asyncio_error_ssl_verify_code() say more.
 */
#ifndef ASYNCIO_SSL_H
#define ASYNCIO_SSL_H

#include <asyncio/ssl_object.h>

ASYNCIO_BEGIN_DECLS

/** OpenSSL's SSL_CTX. */
struct ssl_ctx_st;

/** Whose certificate a context verifies. */
typedef enum asyncio_ssl_purpose {
    ASYNCIO_SSL_SERVER_AUTH, /**< the server's: the context is a client's */
    ASYNCIO_SSL_CLIENT_AUTH  /**< the client's, if it is asked for: the context is a server's */
} asyncio_ssl_purpose_t;

/** Versions of TLS. */
typedef enum asyncio_tls_version {
    ASYNCIO_TLS_1_2 = 0x303, /**< the default minimum */
    ASYNCIO_TLS_1_3 = 0x304  /**< the default maximum */
} asyncio_tls_version_t;

/** Whether a server asks for the client's certificate. */
typedef enum asyncio_ssl_verify_mode {
    ASYNCIO_SSL_CERT_NONE,     /**< no: the default */
    ASYNCIO_SSL_CERT_OPTIONAL, /**< yes, but a client may have none */
    ASYNCIO_SSL_CERT_REQUIRED  /**< yes, and a client without one is refused */
} asyncio_ssl_verify_mode_t;

/** What is verified of a chain beyond signatures, dates and names; combined by |. The values are
 * those of Python's ssl and of OpenSSL. */
typedef enum asyncio_ssl_verify_flags {
    ASYNCIO_SSL_VERIFY_DEFAULT = 0,                  /**< nothing more */
    ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF = 0x4,         /**< the peer's certificate must not be on the
                                                          list of its authority */
    ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN = 0xc,        /**< nor may any other of the chain */
    ASYNCIO_SSL_VERIFY_X509_STRICT = 0x20,           /**< authorities without key usage or key
                                                          identifiers are refused, as RFC 5280
                                                          asks */
    ASYNCIO_SSL_VERIFY_X509_TRUSTED_FIRST = 0x8000,  /**< chains end at the first trusted
                                                          certificate */
    ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN = 0x80000  /**< which may be an intermediate one */
} asyncio_ssl_verify_flags_t;

/**
 * Writes the password of a key into a buffer: returns its length, or a negative code, with which
 * the call fails. It must not suspend.
 */
typedef int asyncio_ssl_password_t(char *ret_password, size_t size, void *arg);

/**
 * Returns the context that a server uses for the name that a client has asked for (NULL: none), or
 * NULL: its own. The context is *borrowed* and must live as long as the one that has the callback.
 * Called during the handshake, from the ready queue; it must not suspend.
 */
typedef asyncio_ssl_context_t *asyncio_ssl_sni_t(const char *name, void *arg);

/* --- contexts ------------------------------------------------------------------------------ */

/**
 * Makes a context with the defaults of Python's `create_default_context`: TLS 1.2 or newer, and
 * strict verification.
 *
 * A client's context trusts the authorities of the system, unless others are loaded. They are read
 * when the context is used first, which takes some 20 ms.
 *
 * @param purpose  ASYNCIO_SSL_SERVER_AUTH for clients, ASYNCIO_SSL_CLIENT_AUTH for servers
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL or -ENOMEM.
 *
 * Ownership: the context is *new*.
 * Context: any thread.
 * Twin: `ssl.create_default_context`.
 */
ASYNCIO_API asyncio_ssl_context_t *
asyncio_ssl_create_default_context(asyncio_ssl_purpose_t purpose);

/**
 * Returns the client's context of the process: made once, with the defaults, and never freed. It
 * is frozen.
 *
 * @return the context, or NULL; then asyncio_errno() is -ENOMEM.
 *
 * Ownership: the context is *borrowed*, for ever.
 * Context: any thread.
 * Twin: `ssl=True`.
 */
ASYNCIO_API asyncio_ssl_context_t *asyncio_ssl_default_client_context(void);

/**
 * Makes a context of one of OpenSSL's, for settings that are not offered here.
 *
 * It serves as a client's and as a server's, as far as its method allows. A client verifies what
 * that context says, and where it verifies, the name too.
 *
 * @param ctx  OpenSSL's context; NULL is -EINVAL
 * @return a *new* reference, or NULL; then asyncio_errno() is -EINVAL or -ENOMEM.
 *
 * Ownership: ctx is *shared*: its count grows by one; the context is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_ssl_context_t *asyncio_ssl_context_from_openssl(struct ssl_ctx_st *ctx);

/**
 * Returns OpenSSL's context, for settings that are not offered here: security level, options,
 * parameters of key exchange. It may be changed as long as this one is not in use.
 *
 * @param context  the context
 * @return OpenSSL's context; NULL for NULL.
 *
 * Ownership: it is *borrowed* as long as context lives.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API struct ssl_ctx_st *asyncio_ssl_context_openssl(const asyncio_ssl_context_t *context);

/**
 * Takes another reference.
 *
 * @param context  NULL is allowed
 * @return context.
 *
 * Ownership: the reference is *new*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API asyncio_ssl_context_t *asyncio_ssl_context_ref(asyncio_ssl_context_t *context);

/**
 * Drops a reference; the last one frees the context. Connections and servers have their own.
 *
 * @param context  NULL is allowed
 *
 * Ownership: context is *taken*.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API void asyncio_ssl_context_unref(asyncio_ssl_context_t *context);

/* --- certificates and keys ----------------------------------------------------------------- */

/**
 * Loads a certificate with its chain and its key, in PEM.
 *
 * @param context   the context
 * @param certfile  the path of the certificates: the own one first, then those that issued it
 * @param keyfile   the path of the key; NULL: it is in certfile
 * @param password  called if the key is encrypted; NULL: then that is an error
 * @param arg       passed to it
 * @return - 0: loaded.
 *   - -ENOENT, -EACCES or any other -errno: a file cannot be read.
 *   - ASYNCIO_ESSL: it holds no certificate or no key, the key does not fit the certificate, or
 *     its password is wrong or missing.
 *   - ASYNCIO_ERUNTIME: the context is frozen.
 *   - the code of password.
 *   - -EINVAL: context or certfile is NULL.
 *   - -ENOMEM: out of memory.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread; it reads files.
 * Twin: `SSLContext.load_cert_chain`.
 */
ASYNCIO_API int asyncio_ssl_context_load_cert_chain(asyncio_ssl_context_t *context,
                                                    const char *certfile, const char *keyfile,
                                                    asyncio_ssl_password_t *password, void *arg);

/**
 * Loads a certificate with its chain and its key from memory, in PEM.
 *
 * @param context    the context
 * @param cert       the certificates
 * @param cert_size  of cert, in bytes
 * @param key        the key; NULL: it is in cert
 * @param key_size   of key, in bytes
 * @param password   as asyncio_ssl_context_load_cert_chain()
 * @param arg        passed to it
 * @return as asyncio_ssl_context_load_cert_chain().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_ssl_context_load_cert_chain_pem(asyncio_ssl_context_t *context,
                                                        const void *cert, size_t cert_size,
                                                        const void *key, size_t key_size,
                                                        asyncio_ssl_password_t *password,
                                                        void *arg);

/**
 * Trusts authorities: the peer's certificate must be issued by one of those that are loaded, and
 * not of the system's any more.
 *
 * @param context  the context
 * @param cafile   the path of certificates in PEM; NULL: none
 * @param capath   the path of a folder of certificates, by hash (see openssl-rehash); NULL: none
 * @return 0; -EINVAL: context is NULL, or cafile and capath both are; -errno: a file cannot be
 *   read; ASYNCIO_ESSL: it holds no certificate; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread; it reads files.
 * Twin: `SSLContext.load_verify_locations`.
 */
ASYNCIO_API int asyncio_ssl_context_load_verify_locations(asyncio_ssl_context_t *context,
                                                          const char *cafile,
                                                          const char *capath);

/**
 * Trusts authorities whose certificates are in memory, in PEM.
 *
 * @param context  the context
 * @param pem      the certificates
 * @param size     in bytes
 * @return as asyncio_ssl_context_load_verify_locations().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: `SSLContext.load_verify_locations(cadata=…)`.
 */
ASYNCIO_API int asyncio_ssl_context_load_verify_pem(asyncio_ssl_context_t *context,
                                                    const void *pem, size_t size);

/**
 * Trusts the authorities of the system, beside others that are loaded.
 *
 * @param context  the context
 * @return 0; -EINVAL: NULL; ASYNCIO_ERUNTIME: the context is frozen; ASYNCIO_ESSL.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread; it reads files.
 * Twin: `SSLContext.load_default_certs`.
 */
ASYNCIO_API int asyncio_ssl_context_load_default_certs(asyncio_ssl_context_t *context);

/**
 * Loads a list of revoked certificates, in PEM. From then on each authority must have a list.
 *
 * @param context  the context
 * @param path     of the list
 * @return as asyncio_ssl_context_load_verify_locations().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread; it reads a file.
 * Twin: none; in Python load_verify_locations() and verify_flags do it.
 */
ASYNCIO_API int asyncio_ssl_context_load_crl(asyncio_ssl_context_t *context, const char *path);

/* --- what is negotiated -------------------------------------------------------------------- */

/**
 * Sets the oldest version of TLS that is spoken.
 *
 * @param context  the context
 * @param version  ASYNCIO_TLS_1_2 or ASYNCIO_TLS_1_3
 * @return 0; -EINVAL: context is NULL, or version is neither; ASYNCIO_ERUNTIME: the context is
 *   frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.minimum_version`.
 */
ASYNCIO_API int asyncio_ssl_context_set_minimum_version(asyncio_ssl_context_t *context,
                                                        asyncio_tls_version_t version);

/**
 * Sets the newest version of TLS that is spoken.
 *
 * @param context  the context
 * @param version  ASYNCIO_TLS_1_2 or ASYNCIO_TLS_1_3
 * @return 0; -EINVAL: context is NULL, or version is neither; ASYNCIO_ERUNTIME: the context is
 *   frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.maximum_version`.
 */
ASYNCIO_API int asyncio_ssl_context_set_maximum_version(asyncio_ssl_context_t *context,
                                                        asyncio_tls_version_t version);

/**
 * Sets the ciphers of TLS 1.2.
 *
 * @param context  the context
 * @param ciphers  a list as openssl-ciphers describes it
 * @return 0; -EINVAL: context or ciphers is NULL, or ciphers names none that is known;
 *   ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: `SSLContext.set_ciphers`.
 */
ASYNCIO_API int asyncio_ssl_context_set_ciphers(asyncio_ssl_context_t *context,
                                                const char *ciphers);

/**
 * Sets the ciphers of TLS 1.3.
 *
 * @param context       the context
 * @param ciphersuites  names with colons between them: "TLS_AES_128_GCM_SHA256:…"
 * @return as asyncio_ssl_context_set_ciphers().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: none; Python has it from 3.15 on.
 */
ASYNCIO_API int asyncio_ssl_context_set_ciphersuites(asyncio_ssl_context_t *context,
                                                     const char *ciphersuites);

/**
 * Sets the groups of the key exchange.
 *
 * @param context  the context
 * @param groups   names with colons between them: "X25519:P-256"
 * @return as asyncio_ssl_context_set_ciphers().
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: `SSLContext.set_ecdh_curve`.
 */
ASYNCIO_API int asyncio_ssl_context_set_groups(asyncio_ssl_context_t *context,
                                               const char *groups);

/**
 * Sets the protocols that are offered (ALPN), the preferred one first.
 *
 * A server chooses the first of its own that the client has too, and refuses a client that has
 * none of them.
 *
 * @param context  the context
 * @param names    "h2", "http/1.1", …: each of 1 to 255 bytes
 * @param count    of names; 0: none are offered
 * @return 0; -EINVAL: context or names is NULL, or one of names has another length; -ENOMEM;
 *   ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: names are *borrowed* for the call.
 * Context: any thread.
 * Twin: `SSLContext.set_alpn_protocols`.
 */
ASYNCIO_API int asyncio_ssl_context_set_alpn_protocols(asyncio_ssl_context_t *context,
                                                       const char *const *names, size_t count);

/**
 * Has a server choose its certificate by the name that the client asks for (SNI).
 *
 * @param context   a server's context
 * @param callback  returns the context to use; NULL: no choice
 * @param arg       passed to it
 * @return 0; -EINVAL: context is NULL, or a client's; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: arg is *borrowed* as long as context is used.
 * Context: any thread.
 * Twin: `SSLContext.sni_callback`.
 */
ASYNCIO_API int asyncio_ssl_context_set_sni_callback(asyncio_ssl_context_t *context,
                                                     asyncio_ssl_sni_t *callback, void *arg);

/* --- what is verified ---------------------------------------------------------------------- */

/**
 * Sets whether a server asks for the client's certificate. A client's context always verifies the
 * server's, unless asyncio_ssl_context_insecure_skip_verify() was called.
 *
 * @param context  the context
 * @param mode     see asyncio_ssl_verify_mode_t
 * @return 0; -EINVAL: context is NULL, or mode is unknown, or not ASYNCIO_SSL_CERT_REQUIRED for a
 *   client's context; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.verify_mode`.
 */
ASYNCIO_API int asyncio_ssl_context_set_verify_mode(asyncio_ssl_context_t *context,
                                                    asyncio_ssl_verify_mode_t mode);

/**
 * Returns what is verified of a chain.
 *
 * @param context  the context
 * @return flags of asyncio_ssl_verify_flags_t: by default ASYNCIO_SSL_VERIFY_X509_STRICT,
 *   ASYNCIO_SSL_VERIFY_X509_TRUSTED_FIRST and ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN; 0 for NULL.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.verify_flags`.
 */
ASYNCIO_API unsigned asyncio_ssl_context_verify_flags(const asyncio_ssl_context_t *context);

/**
 * Sets what is verified of a chain. Without ASYNCIO_SSL_VERIFY_X509_STRICT private authorities that
 * lack a key usage or a key identifier are accepted.
 *
 * @param context  the context
 * @param flags    of asyncio_ssl_verify_flags_t; those that are not given are cleared
 * @return 0; -EINVAL: context is NULL, or flags has an unknown bit; ASYNCIO_ERUNTIME: the context
 *   is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.verify_flags`.
 */
ASYNCIO_API int asyncio_ssl_context_set_verify_flags(asyncio_ssl_context_t *context,
                                                     unsigned flags);

/**
 * Allows a server to ask for the client's certificate after the handshake, in TLS 1.3: of a client,
 * that it replies; of a server, that asyncio_ssl_object_verify_client_post_handshake() asks, and
 * the handshake does not.
 *
 * @param context     the context; a server's also needs asyncio_ssl_context_set_verify_mode()
 * @param is_allowed  false by default
 * @return 0; -EINVAL: context is NULL; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.post_handshake_auth`.
 */
ASYNCIO_API int asyncio_ssl_context_set_post_handshake_auth(asyncio_ssl_context_t *context,
                                                            bool is_allowed);

/**
 * Turns verification off: any server that can be reached is taken for the right one, and a
 * network that changes what is sent can read all of it. For tests only.
 *
 * @param context  a client's context
 * @return 0; -EINVAL: NULL, or a server's context; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `check_hostname = False`, `verify_mode = CERT_NONE`.
 */
ASYNCIO_API int asyncio_ssl_context_insecure_skip_verify(asyncio_ssl_context_t *context);

/**
 * Turns the verification of the host name off: any server with a certificate of a trusted authority
 * is taken for the right one. For private authorities that issue no certificates to others.
 *
 * @param context  a client's context
 * @return 0; -EINVAL: NULL, or a server's context; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.check_hostname`.
 */
ASYNCIO_API int asyncio_ssl_context_insecure_skip_hostname(asyncio_ssl_context_t *context);

/**
 * Sets whether a connection that ends without a close_notify counts as ended in order. A network
 * that cuts the connection can cut the data short then.
 *
 * @param context        the context
 * @param is_suppressed  false by default
 * @return 0; -EINVAL: context is NULL; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `suppress_ragged_eofs`.
 */
ASYNCIO_API int asyncio_ssl_context_set_suppress_ragged_eofs(asyncio_ssl_context_t *context,
                                                             bool is_suppressed);

/* --- sessions, and debugging --------------------------------------------------------------- */

/**
 * Sets how many tickets a server sends after a handshake of TLS 1.3, with which the client can
 * connect again for less. Each costs the server some 20 us and 255 bytes.
 *
 * @param context  a server's context
 * @param count    2 by default; 0: clients always shake hands in full
 * @return 0; -EINVAL: context is NULL; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: `SSLContext.num_tickets`.
 */
ASYNCIO_API int asyncio_ssl_context_set_num_tickets(asyncio_ssl_context_t *context, size_t count);

/**
 * Has a client keep sessions, so that it connects again to the same host and port for less.
 *
 * @param context  a client's context
 * @param entries  how many are kept, those used last; 0, the default: none
 * @return 0; -EINVAL: context is NULL, or a server's; ASYNCIO_ERUNTIME: the context is frozen.
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: none; in Python each connection is given a session.
 */
ASYNCIO_API int asyncio_ssl_context_set_session_cache(asyncio_ssl_context_t *context,
                                                      size_t entries);

/**
 * Appends the secrets of each connection to a file, with which a recording of it can be read (by
 * Wireshark).
 *
 * @param context  the context
 * @param path     of the file, which is made with mode 0600; NULL: none
 * @return 0; -EINVAL: context is NULL; -errno: it cannot be opened; ASYNCIO_ERUNTIME: the context
 *   is frozen.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: any thread.
 * Twin: `SSLContext.keylog_filename`.
 */
ASYNCIO_API int asyncio_ssl_context_set_keylog_filename(asyncio_ssl_context_t *context,
                                                        const char *path);

/**
 * Does the same with the file that the environment variable SSLKEYLOGFILE names. A no-op where it
 * is not set, and in a program with more rights than its caller.
 *
 * @param context  the context
 * @return as asyncio_ssl_context_set_keylog_filename().
 *
 * Ownership: context is *borrowed*.
 * Context: any thread.
 * Twin: none; Python's create_default_context() always does it.
 */
ASYNCIO_API int asyncio_ssl_context_set_keylog_from_environment(asyncio_ssl_context_t *context);

ASYNCIO_END_DECLS

#endif
