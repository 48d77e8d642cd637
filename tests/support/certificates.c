/* SPDX-License-Identifier: MIT */
/* Certificates for tests; see certificates.h. */
#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static char *text_of(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = malloc((size_t)size + 1);
    memcpy(text, data, (size_t)size);
    text[size] = '\0';
    BIO_free(bio);
    return text;
}

certificate_t certificate_new(const certificate_options_t *options)
{
    static long serial = 1;
    certificate_t made = {.x509 = X509_new()};
    made.private_key = options->rsa_bits ? EVP_RSA_gen((unsigned)options->rsa_bits)
                                         : EVP_EC_gen("P-256");
    assert_non_null(made.private_key);
    X509 *issuer = options->issuer ? options->issuer->x509 : made.x509;
    EVP_PKEY *signer = options->issuer ? options->issuer->private_key : made.private_key;
    int from = options->from_days ? -options->from_days : -1;
    int until = options->until_days ? options->until_days : 30;
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), (long)from * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), (long)until * 86400);
    X509_set_pubkey(made.x509, made.private_key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)options->name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer));
    add_extension(made.x509, issuer, NID_basic_constraints,
                  options->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(made.x509, issuer, NID_key_usage,
                  options->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    add_extension(made.x509, issuer, NID_subject_key_identifier, "hash");
    if (issuer != made.x509)
        add_extension(made.x509, issuer, NID_authority_key_identifier, "keyid:always");
    if (options->names)
        add_extension(made.x509, issuer, NID_subject_alt_name, options->names);
    assert_true(X509_sign(made.x509, signer, EVP_sha256()) > 0);
    BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert, made.x509);
    PEM_write_bio_PKCS8PrivateKey(key, made.private_key, NULL, NULL, 0, NULL, NULL);
    made.cert = text_of(cert);
    made.key = text_of(key);
    return made;
}

void certificate_drop(certificate_t *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->private_key);
    free(certificate->cert);
    free(certificate->key);
}

char *certificate_revoke(const certificate_t *authority, const certificate_t *revoked)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -3600), *later = X509_gmtime_adj(NULL, 86400);
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->x509));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, later);
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509));
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(list, entry);
    }
    assert_true(X509_CRL_sign(list, authority->private_key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, list);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    X509_CRL_free(list);
    return text_of(bio);
}

char *certificate_encrypt(const certificate_t *certificate, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, certificate->private_key, EVP_aes_256_cbc(), password,
                                  (int)strlen(password), NULL, NULL);
    return text_of(bio);
}

char *certificate_write(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "/tmp/asyncio-test-%d-%s", getpid(), name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return strdup(path);
}
