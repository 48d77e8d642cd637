/* SPDX-License-Identifier: MIT */
/* Certificates, keys and authorities of a context; see <asyncio/ssl.h>. */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "tls/ssl_context.h"

/* No file of certificates is larger. */
#define FILE_MAX_BYTES (16 * 1024 * 1024)

/* A file in memory. */
typedef struct text {
    char *data;
    size_t size;
} text_t;

static void drop_text(text_t *text)
{
    if (text->data)
        OPENSSL_cleanse(text->data, text->size);
    asyncio__free(text->data, text->size + 1);
}

/* The size of a file, or a negative code. That of a folder is LONG_MAX, says ftell(). */
static long size_of(FILE *file)
{
    struct stat status;
    if (!file || fstat(fileno(file), &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -errno;
    return size > FILE_MAX_BYTES ? -EFBIG : size;
}

/* Reads a whole file: 0, or an error that names it. */
static int read_text(const char *path, text_t *ret_text)
{
    FILE *file = fopen(path, "re");
    long size = size_of(file);
    int rc = size < 0 ? (int)size : 0;
    *ret_text = (text_t){NULL, 0};
    if (rc == 0) {
        ret_text->size = (size_t)size;
        ret_text->data = asyncio__malloc((size_t)size + 1);
        rewind(file);
        if (!ret_text->data)
            rc = -ENOMEM;
        else if (fread(ret_text->data, 1, (size_t)size, file) != (size_t)size)
            rc = ferror(file) ? -EIO : -ESTALE;
    }
    if (file)
        fclose(file);
    if (rc < 0) {
        drop_text(ret_text);
        return asyncio_raise(rc, "%s: %s", path, asyncio_strerror(rc));
    }
    return 0;
}

/* --- a certificate and its key ------------------------------------------------------------- */

/* What OpenSSL's callback for passwords needs. */
typedef struct asking {
    asyncio_ssl_password_t *password; /* the caller's, or NULL */
    void *arg;                        /* passed to it */
    int code;                         /* with which it has failed; 0: it has not */
} asking_t;

static int on_password(char *buffer, int size, int is_writing, void *arg)
{
    asking_t *asking = arg;
    (void)is_writing;
    int length = asking->password ? asking->password(buffer, (size_t)size, asking->arg) : -1;
    if (length < 0 && asking->password)
        asking->code = length;
    if (length > size)
        asking->code = -EINVAL;
    return length < 0 || length > size ? -1 : length;
}

static BIO *bio_of(const void *data, size_t size)
{
    return size <= INT_MAX ? BIO_new_mem_buf(data, (int)size) : NULL;
}

/* Reads the own certificate and those behind it. */
static int use_certificates(SSL_CTX *ctx, BIO *bio, asking_t *asking)
{
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, on_password, asking);
    int is_good = certificate && SSL_CTX_use_certificate(ctx, certificate) == 1 &&
                  SSL_CTX_clear_chain_certs(ctx) == 1;
    X509_free(certificate);
    while (is_good && (certificate = PEM_read_bio_X509(bio, NULL, on_password, asking))) {
        if (SSL_CTX_add0_chain_cert(ctx, certificate) != 1) {
            X509_free(certificate);
            is_good = 0;
        }
    }
    if (is_good)
        ERR_clear_error(); /* that there are no more of them */
    return is_good;
}

static int use_key(SSL_CTX *ctx, BIO *bio, asking_t *asking)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, asking);
    int is_good = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    return is_good;
}

/* Loads both; the context may be changed. */
static int load_chain(asyncio_ssl_context_t *context, const void *cert, size_t cert_size,
                      const void *key, size_t key_size, asking_t *asking)
{
    int rc = 0;
    asyncio_coroutine_t *former = asyncio__tls_enter();
    BIO *cert_bio = bio_of(cert, cert_size);
    BIO *key_bio = key ? bio_of(key, key_size) : bio_of(cert, cert_size);
    if (!cert_bio || !key_bio)
        rc = asyncio__fail(-ENOMEM, NULL);
    else if (!use_certificates(context->ctx, cert_bio, asking))
        rc = asyncio__ssl_context_fail("the certificate cannot be loaded");
    else if (!use_key(context->ctx, key_bio, asking))
        rc = asking->code < 0 ? asyncio__fail(asking->code, "the password of the key is missing")
                              : asyncio__ssl_context_fail("the key cannot be loaded");
    else if (SSL_CTX_check_private_key(context->ctx) != 1)
        rc = asyncio__ssl_context_fail("the key does not fit the certificate");
    BIO_free(cert_bio);
    BIO_free(key_bio);
    asyncio__tls_leave(former);
    return rc;
}

int asyncio_ssl_context_load_cert_chain_pem(asyncio_ssl_context_t *context, const void *cert,
                                            size_t cert_size, const void *key, size_t key_size,
                                            asyncio_ssl_password_t *password, void *arg)
{
    asking_t asking = {.password = password, .arg = arg};
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!cert)
        return asyncio__fail(-EINVAL, "\"cert\" must not be NULL");
    return load_chain(context, cert, cert_size, key, key_size, &asking);
}

int asyncio_ssl_context_load_cert_chain(asyncio_ssl_context_t *context, const char *certfile,
                                        const char *keyfile, asyncio_ssl_password_t *password,
                                        void *arg)
{
    asking_t asking = {.password = password, .arg = arg};
    text_t cert = {NULL, 0}, key = {NULL, 0};
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!certfile)
        return asyncio__fail(-EINVAL, "\"certfile\" must not be NULL");
    rc = read_text(certfile, &cert);
    if (rc == 0 && keyfile)
        rc = read_text(keyfile, &key);
    if (rc == 0)
        rc = load_chain(context, cert.data, cert.size, key.data, key.size, &asking);
    drop_text(&cert);
    drop_text(&key);
    return rc;
}

/* --- authorities --------------------------------------------------------------------------- */

int asyncio_ssl_context_load_verify_pem(asyncio_ssl_context_t *context, const void *pem,
                                        size_t size)
{
    int rc = asyncio__ssl_context_change(context), count = 0;
    if (rc < 0)
        return rc;
    if (!pem)
        return asyncio__fail(-EINVAL, "\"pem\" must not be NULL");
    BIO *bio = bio_of(pem, size);
    X509 *certificate;
    X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
    while (bio && rc == 0 && (certificate = PEM_read_bio_X509(bio, NULL, NULL, (void *)""))) {
        if (X509_STORE_add_cert(store, certificate) != 1)
            rc = asyncio__ssl_context_fail("an authority cannot be added");
        X509_free(certificate);
        count++;
    }
    BIO_free(bio);
    if (rc == 0 && count == 0)
        rc = asyncio__ssl_context_fail("there is no certificate of an authority");
    ERR_clear_error();
    if (rc == 0)
        context->has_authorities = true;
    return rc;
}

int asyncio_ssl_context_load_verify_locations(asyncio_ssl_context_t *context, const char *cafile,
                                              const char *capath)
{
    text_t text;
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (!cafile && !capath)
        return asyncio__fail(-EINVAL, "\"cafile\" and \"capath\" must not both be NULL");
    if (cafile) {
        rc = read_text(cafile, &text);
        if (rc < 0)
            return rc;
        rc = asyncio_ssl_context_load_verify_pem(context, text.data, text.size);
        drop_text(&text);
    }
    if (rc == 0 && capath) {
        if (SSL_CTX_load_verify_dir(context->ctx, capath) != 1)
            return asyncio__ssl_context_fail("the folder of authorities cannot be used");
        context->has_authorities = true;
    }
    return rc;
}

int asyncio_ssl_context_load_default_certs(asyncio_ssl_context_t *context)
{
    int rc = asyncio__ssl_context_change(context);
    if (rc < 0)
        return rc;
    if (SSL_CTX_set_default_verify_paths(context->ctx) != 1)
        return asyncio__ssl_context_fail("the system's authorities cannot be loaded");
    ERR_clear_error();
    context->has_authorities = true;
    return 0;
}

int asyncio_ssl_context_load_crl(asyncio_ssl_context_t *context, const char *path)
{
    text_t text;
    int rc = asyncio__ssl_context_change(context), count = 0;
    if (rc < 0)
        return rc;
    if (!path)
        return asyncio__fail(-EINVAL, "\"path\" must not be NULL");
    rc = read_text(path, &text);
    if (rc < 0)
        return rc;
    BIO *bio = bio_of(text.data, text.size);
    X509_CRL *list;
    X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
    while (bio && rc == 0 && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, (void *)""))) {
        if (X509_STORE_add_crl(store, list) != 1)
            rc = asyncio__ssl_context_fail("a list of revoked certificates cannot be added");
        X509_CRL_free(list);
        count++;
    }
    BIO_free(bio);
    if (rc == 0 && count == 0)
        rc = asyncio__ssl_context_fail("there is no list of revoked certificates");
    ERR_clear_error();
    if (rc == 0)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context->ctx), X509_V_FLAG_CRL_CHECK);
    drop_text(&text);
    return rc;
}
