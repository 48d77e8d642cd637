/* SPDX-License-Identifier: MIT */
/*
 * Certificates for tests, made with OpenSSL when they are needed: authorities, and what they issue.
 *
 *     certificate_t ca =
 *         certificate_new(&(certificate_options_t){.name = "test CA", .is_ca = true});
 *     certificate_t own = certificate_new(&(certificate_options_t){
 *         .name = "localhost", .names = "DNS:localhost,IP:127.0.0.1", .issuer = &ca});
 *     asyncio_ssl_context_load_cert_chain_pem(ssl, own.cert, strlen(own.cert), own.key, …);
 *     certificate_drop(&own);
 */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include <openssl/x509.h>
#include <stdbool.h>

typedef struct certificate {
    X509 *x509;
    EVP_PKEY *private_key;
    char *cert; /* PEM, with a 0 behind it */
    char *key;  /* PEM */
} certificate_t;

typedef struct certificate_options {
    const char *name;            /* the common name */
    const char *names;           /* subjectAltName as openssl.cnf writes it; NULL: none */
    const certificate_t *issuer; /* NULL: itself */
    bool is_ca;                  /* may issue others */
    int from_days;               /* valid from n days before now: 0 is 1, negative is later */
    int until_days;              /* until that many days after now: 0 is 30 */
    int rsa_bits;                /* an RSA key of that size; 0: ECDSA P-256 */
} certificate_options_t;

certificate_t certificate_new(const certificate_options_t *options);
void certificate_drop(certificate_t *certificate);

/* A list of revoked certificates of an authority, in PEM, to be freed: revoked is on it, unless
 * NULL. */
char *certificate_revoke(const certificate_t *authority, const certificate_t *revoked);

/* The key in PEM, encrypted with a password; to be freed. */
char *certificate_encrypt(const certificate_t *certificate, const char *password);

/* Writes text to a file in a temporary folder of the process; returns its path, to be freed. */
char *certificate_write(const char *name, const char *text);

#endif
