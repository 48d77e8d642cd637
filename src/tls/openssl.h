/* SPDX-License-Identifier: MIT */
/*
 * The functions of OpenSSL that a channel of TLS calls, as a table of pointers with prototypes of
 * our own. openssl_linked.c fills it with those of the libssl that the library is linked to; the
 * Python extension fills it with those of the interpreter's. So the files that include this header
 * and nothing of OpenSSL's own (tls_channel.c, tls_bio.c, tls_error.c) serve both.
 *
 *     int n = asyncio__openssl.SSL_read(ssl, buffer, size);
 *
 * Names and meanings are OpenSSL's. From 1.1.1 on all of them exist.
 */
#ifndef ASYNCIO__TLS_OPENSSL_H
#define ASYNCIO__TLS_OPENSSL_H

#include <stddef.h>

typedef struct ssl_st asyncio__ssl_t;
typedef struct ssl_ctx_st asyncio__ssl_ctx_t;
typedef struct bio_st asyncio__bio_t;
typedef struct bio_method_st asyncio__bio_method_t;

/* X(result, name, parameters) */
#define ASYNCIO__OPENSSL_FUNCTIONS(X) \
    X(asyncio__ssl_t *, SSL_new, (asyncio__ssl_ctx_t *)) \
    X(void, SSL_free, (asyncio__ssl_t *)) \
    X(void, SSL_set_bio, (asyncio__ssl_t *, asyncio__bio_t *, asyncio__bio_t *)) \
    X(void, SSL_set_accept_state, (asyncio__ssl_t *)) \
    X(void, SSL_set_connect_state, (asyncio__ssl_t *)) \
    X(void, SSL_set_read_ahead, (asyncio__ssl_t *, int)) \
    X(long, SSL_ctrl, (asyncio__ssl_t *, int, long, void *)) \
    X(int, SSL_do_handshake, (asyncio__ssl_t *)) \
    X(int, SSL_read, (asyncio__ssl_t *, void *, int)) \
    X(int, SSL_peek, (asyncio__ssl_t *, void *, int)) \
    X(int, SSL_write, (asyncio__ssl_t *, const void *, int)) \
    X(int, SSL_shutdown, (asyncio__ssl_t *)) \
    X(int, SSL_get_error, (const asyncio__ssl_t *, int)) \
    X(int, SSL_has_pending, (const asyncio__ssl_t *)) \
    X(int, SSL_version, (const asyncio__ssl_t *)) \
    X(int, SSL_key_update, (asyncio__ssl_t *, int)) \
    X(int, SSL_set1_host, (asyncio__ssl_t *, const char *)) \
    X(long, SSL_get_verify_result, (const asyncio__ssl_t *)) \
    X(int, BIO_get_new_index, (void)) \
    X(asyncio__bio_method_t *, BIO_meth_new, (int, const char *)) \
    X(int, BIO_meth_set_create, (asyncio__bio_method_t *, int (*)(asyncio__bio_t *))) \
    X(int, BIO_meth_set_ctrl, \
      (asyncio__bio_method_t *, long (*)(asyncio__bio_t *, int, long, void *))) \
    X(int, BIO_meth_set_read, (asyncio__bio_method_t *, int (*)(asyncio__bio_t *, char *, int))) \
    X(int, BIO_meth_set_write, \
      (asyncio__bio_method_t *, int (*)(asyncio__bio_t *, const char *, int))) \
    X(asyncio__bio_t *, BIO_new, (const asyncio__bio_method_t *)) \
    X(void, BIO_set_init, (asyncio__bio_t *, int)) \
    X(void, BIO_set_data, (asyncio__bio_t *, void *)) \
    X(void *, BIO_get_data, (asyncio__bio_t *)) \
    X(void, BIO_set_flags, (asyncio__bio_t *, int)) \
    X(void, BIO_clear_flags, (asyncio__bio_t *, int)) \
    X(unsigned long, ERR_peek_error, (void)) \
    X(unsigned long, ERR_peek_last_error, (void)) \
    X(void, ERR_clear_error, (void)) \
    X(const char *, ERR_reason_error_string, (unsigned long)) \
    X(const char *, X509_verify_cert_error_string, (long))

#define ASYNCIO__OPENSSL_FIELD_(result, name, parameters) result(*name) parameters;

typedef struct asyncio__openssl {
    ASYNCIO__OPENSSL_FUNCTIONS(ASYNCIO__OPENSSL_FIELD_)
} asyncio__openssl_t;

extern asyncio__openssl_t asyncio__openssl;

/* OpenSSL's numbers, which openssl_linked.c compares with its headers. */
enum {
    ASYNCIO__SSL_ERROR_SSL = 1,
    ASYNCIO__SSL_ERROR_WANT_READ = 2,
    ASYNCIO__SSL_ERROR_SYSCALL = 5,
    ASYNCIO__SSL_ERROR_ZERO_RETURN = 6,
    ASYNCIO__SSL_CTRL_MODE = 33,
    ASYNCIO__SSL_CTRL_SET_TLSEXT_HOSTNAME = 55,
    ASYNCIO__SSL_CTRL_CLEAR_MODE = 78,
    ASYNCIO__SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2,
    ASYNCIO__SSL_MODE_RELEASE_BUFFERS = 16,
    ASYNCIO__SSL_MODE_ASYNC = 256,
    ASYNCIO__SSL_KEY_UPDATE_NOT_REQUESTED = 0,
    ASYNCIO__SSL_R_CERTIFICATE_VERIFY_FAILED = 134,
    ASYNCIO__TLS1_3_VERSION = 0x304,
    ASYNCIO__BIO_TYPE_SOURCE_SINK = 0x400,
    ASYNCIO__BIO_CTRL_FLUSH = 11,
    ASYNCIO__BIO_FLAGS_READ = 1,
    ASYNCIO__BIO_FLAGS_RWS = 7,
    ASYNCIO__BIO_FLAGS_SHOULD_RETRY = 8,
    ASYNCIO__X509_V_OK = 0,
    ASYNCIO__X509_V_ERR_HOSTNAME_MISMATCH = 62,
    ASYNCIO__X509_V_ERR_IP_ADDRESS_MISMATCH = 64,
};

#endif
