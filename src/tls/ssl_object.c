/* SPDX-License-Identifier: MIT */
/* What is known of a connection by TLS; see <asyncio/ssl.h>. */
#include "tls/ssl_object.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/memory.h"

static asyncio__tls_channel_t *channel_of(const asyncio_ssl_object_t *object)
{
    return (asyncio__tls_channel_t *)object;
}

static SSL *ssl_of(const asyncio_ssl_object_t *object)
{
    return channel_of(object)->ssl;
}

/* --- the connection ------------------------------------------------------------------------ */

const char *asyncio_ssl_object_version(const asyncio_ssl_object_t *object)
{
    return object ? SSL_get_version(ssl_of(object)) : "";
}

const char *asyncio_ssl_object_cipher(const asyncio_ssl_object_t *object)
{
    const SSL_CIPHER *cipher = object ? SSL_get_current_cipher(ssl_of(object)) : NULL;
    return cipher ? SSL_CIPHER_get_name(cipher) : "";
}

/* OpenSSL's name has no 0 behind it. */
static const char *copy_text(asyncio__tls_channel_t *self, const void *data, size_t size)
{
    char *text = asyncio__malloc(size + 1);
    if (!text)
        return NULL;
    memcpy(text, data, size);
    text[size] = '\0';
    asyncio__free_string(self->info_text);
    self->info_text = text;
    return text;
}

int asyncio_ssl_object_selected_alpn_protocol(const asyncio_ssl_object_t *object, char *ret_text,
                                              size_t size)
{
    const unsigned char *name = NULL;
    unsigned length = 0;
    if (!object || (!ret_text && size))
        return asyncio__fail(-EINVAL, "\"object\" and \"ret_text\" must not be NULL");
    SSL_get0_alpn_selected(ssl_of(object), &name, &length);
    if (size > 0) {
        size_t part = length < size - 1 ? length : size - 1;
        if (part)
            memcpy(ret_text, name, part);
        ret_text[part] = '\0';
    }
    return (int)length;
}

const char *asyncio_ssl_object_server_hostname(const asyncio_ssl_object_t *object)
{
    if (!object)
        return "";
    const asyncio__tls_channel_t *channel = channel_of(object);
    const char *name = channel->is_server
                           ? SSL_get_servername(channel->ssl, TLSEXT_NAMETYPE_host_name)
                           : channel->server_hostname;
    return name ? name : "";
}

bool asyncio_ssl_object_session_reused(const asyncio_ssl_object_t *object)
{
    return object && SSL_session_reused(ssl_of(object));
}

bool asyncio_ssl_object_server_side(const asyncio_ssl_object_t *object)
{
    return object && channel_of(object)->is_server;
}

asyncio_ssl_context_t *asyncio_ssl_object_context(const asyncio_ssl_object_t *object)
{
    return object ? channel_of(object)->context : NULL;
}

int asyncio_ssl_object_verify_client_post_handshake(const asyncio_ssl_object_t *object)
{
    if (!object || !channel_of(object)->is_server)
        return asyncio__fail(-EINVAL, "\"object\" must be that of a server's connection");
    asyncio_coroutine_t *former = asyncio__tls_enter();
    int rc = SSL_verify_client_post_handshake(ssl_of(object)) == 1
                 ? 0 : asyncio__ssl_context_fail("the client's certificate cannot be asked for");
    asyncio__tls_leave(former);
    return rc;
}

struct ssl_st *asyncio_ssl_object_openssl(const asyncio_ssl_object_t *object)
{
    return object ? ssl_of(object) : NULL;
}

/* --- certificates of the peer -------------------------------------------------------------- */

/* The certificate at that place of the peer's chain, borrowed; or NULL. */
static X509 *certificate_at(const asyncio_ssl_object_t *object, size_t index)
{
    if (!object)
        return NULL;
    /* A server's list is without the client's own certificate, a client's has the server's. */
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl_of(object));
    X509 *own = SSL_get0_peer_certificate(ssl_of(object));
    size_t offset = channel_of(object)->is_server ? 1 : 0;
    if (index == 0 || !own)
        return own;
    return chain && index - offset < (size_t)sk_X509_num(chain)
               ? sk_X509_value(chain, (int)(index - offset)) : NULL;
}

size_t asyncio_ssl_object_peercert_count(const asyncio_ssl_object_t *object)
{
    size_t count = 0;
    while (certificate_at(object, count))
        count++;
    return count;
}

int asyncio_ssl_object_getpeercert_der(const asyncio_ssl_object_t *object, size_t index,
                                       void *ret_data, size_t size)
{
    unsigned char *data = NULL;
    X509 *certificate = certificate_at(object, index);
    if (!certificate)
        return asyncio__fail(ASYNCIO_ELOOKUP, "the peer has sent no such certificate");
    int length = i2d_X509(certificate, &data);
    if (length < 0)
        return asyncio__fail(-ENOMEM, NULL);
    if (ret_data)
        memcpy(ret_data, data, (size_t)length < size ? (size_t)length : size);
    OPENSSL_free(data);
    return length;
}

/* Ends a text that was written into a BIO, which is freed: its length, or -ENOMEM. */
static int take_text(BIO *bio, bool is_good, char *ret_text, size_t size)
{
    char *data;
    long length = is_good ? BIO_get_mem_data(bio, &data) : -1;
    if (length >= 0 && size > 0) {
        size_t part = (size_t)length < size - 1 ? (size_t)length : size - 1;
        if (part)
            memcpy(ret_text, data, part);
        ret_text[part] = '\0';
    }
    BIO_free(bio);
    ERR_clear_error();
    return length < 0 ? asyncio__fail(-ENOMEM, NULL) : (int)length;
}

typedef bool write_t(BIO *bio, X509 *certificate);

/* A fact of a certificate of the peer as text. */
static int describe(const asyncio_ssl_object_t *object, size_t index, write_t *write,
                    char *ret_text, size_t size)
{
    if (!object || (!ret_text && size))
        return asyncio__fail(-EINVAL, "\"object\" and \"ret_text\" must not be NULL");
    X509 *certificate = certificate_at(object, index);
    if (!certificate)
        return asyncio__fail(ASYNCIO_ELOOKUP, "the peer has sent no such certificate");
    BIO *bio = BIO_new(BIO_s_mem());
    return take_text(bio, bio && write(bio, certificate), ret_text, size);
}

static bool write_subject(BIO *bio, X509 *certificate)
{
    return X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0;
}

static bool write_issuer(BIO *bio, X509 *certificate)
{
    return X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253) >= 0;
}

static bool write_serial(BIO *bio, X509 *certificate)
{
    return i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(certificate)) >= 0;
}

static bool write_fingerprint(BIO *bio, X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    bool is_good = X509_digest(certificate, EVP_sha256(), digest, &count) == 1;
    for (unsigned i = 0; is_good && i < count; i++)
        is_good = BIO_printf(bio, "%02x", digest[i]) > 0;
    return is_good;
}

int asyncio_ssl_object_peercert_subject(const asyncio_ssl_object_t *object, size_t index,
                                        char *ret_text, size_t size)
{
    return describe(object, index, write_subject, ret_text, size);
}

int asyncio_ssl_object_peercert_issuer(const asyncio_ssl_object_t *object, size_t index,
                                       char *ret_text, size_t size)
{
    return describe(object, index, write_issuer, ret_text, size);
}

int asyncio_ssl_object_peercert_serial(const asyncio_ssl_object_t *object, size_t index,
                                       char *ret_text, size_t size)
{
    return describe(object, index, write_serial, ret_text, size);
}

int asyncio_ssl_object_peercert_fingerprint_sha256(const asyncio_ssl_object_t *object,
                                                   size_t index, char *ret_text, size_t size)
{
    return describe(object, index, write_fingerprint, ret_text, size);
}

/* Seconds since 1970, or 0. */
static time_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return time && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

time_t asyncio_ssl_object_peercert_not_before(const asyncio_ssl_object_t *object, size_t index)
{
    const X509 *certificate = certificate_at(object, index);
    return certificate ? seconds_of(X509_get0_notBefore(certificate)) : 0;
}

time_t asyncio_ssl_object_peercert_not_after(const asyncio_ssl_object_t *object, size_t index)
{
    const X509 *certificate = certificate_at(object, index);
    return certificate ? seconds_of(X509_get0_notAfter(certificate)) : 0;
}

bool asyncio_ssl_object_peercert_matches(const asyncio_ssl_object_t *object, const char *host)
{
    X509 *certificate = certificate_at(object, 0);
    if (!certificate || !host || !*host)
        return false;
    bool is_match = X509_check_ip_asc(certificate, host, 0) == 1 ||
                    X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                                    NULL) == 1;
    ERR_clear_error();
    return is_match;
}

/* --- channel binding ----------------------------------------------------------------------- */

/* The certificate of the server, hashed with the hash of its signature, by RFC 5929. */
static int bind_end_point(const asyncio_ssl_object_t *object, unsigned char *ret_data, size_t size)
{
    int digest_nid;
    unsigned count = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    X509 *certificate = channel_of(object)->is_server ? SSL_get_certificate(ssl_of(object))
                                                      : certificate_at(object, 0);
    if (!certificate ||
        !OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, NULL))
        return asyncio__fail(ASYNCIO_ELOOKUP, "the certificate has no hash");
    const EVP_MD *hash = digest_nid == NID_md5 || digest_nid == NID_sha1 || digest_nid == NID_undef
                             ? EVP_sha256() : EVP_get_digestbynid(digest_nid);
    if (!hash || X509_digest(certificate, hash, digest, &count) != 1)
        return asyncio__fail(-ENOMEM, NULL);
    memcpy(ret_data, digest, count < size ? count : size);
    return (int)count;
}

int asyncio_ssl_object_get_channel_binding(const asyncio_ssl_object_t *object, const char *type,
                                           void *ret_data, size_t size)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char exported[32];
    if (!object || !type || !ret_data)
        return asyncio__fail(-EINVAL,
                             "\"object\", \"type\" and \"ret_data\" must not be NULL");
    if (strcmp(type, "tls-server-end-point") == 0)
        return bind_end_point(object, ret_data, size);
    if (strcmp(type, "tls-exporter") != 0)
        return asyncio__fail(-EINVAL, "\"type\" must be \"tls-exporter\" or "
                                      "\"tls-server-end-point\"");
    int rc = SSL_export_keying_material(ssl_of(object), exported, sizeof(exported), label,
                                        sizeof(label) - 1, (const unsigned char *)"", 0, 1);
    ERR_clear_error();
    if (rc != 1)
        return asyncio__fail(ASYNCIO_ESSL, "the connection has no keys to export");
    memcpy(ret_data, exported, size < sizeof(exported) ? size : sizeof(exported));
    return (int)sizeof(exported);
}

/* --- names of get_extra_info --------------------------------------------------------------- */

/* Subject, other names and the end of validity, in one line. */
static bool write_summary(BIO *bio, X509 *certificate)
{
    if (!write_subject(bio, certificate) || BIO_puts(bio, "; ") <= 0)
        return false;
    X509V3_EXT_print(bio,
                     X509_get_ext(certificate, X509_get_ext_by_NID(certificate,
                                                                   NID_subject_alt_name, -1)),
                     0, 0);
    return BIO_puts(bio, "; not after ") > 0 &&
           ASN1_TIME_print(bio, X509_get0_notAfter(certificate)) == 1;
}

static const char *summarize(asyncio__tls_channel_t *self)
{
    char *data;
    const char *text = NULL;
    X509 *certificate = certificate_at((asyncio_ssl_object_t *)self, 0);
    BIO *bio = certificate ? BIO_new(BIO_s_mem()) : NULL;
    if (bio && write_summary(bio, certificate)) {
        long length = BIO_get_mem_data(bio, &data);
        text = copy_text(self, data, (size_t)length);
    }
    BIO_free(bio);
    ERR_clear_error();
    return certificate ? text : "";
}

int asyncio__ssl_describe(asyncio__tls_channel_t *self, const char *name,
                          asyncio__channel_info_t *ret_info)
{
    const asyncio_ssl_object_t *object = (const asyncio_ssl_object_t *)self;
    const unsigned char *alpn = NULL;
    const char *text;
    unsigned length = 0;
    if (strcmp(name, "cipher") == 0) {
        text = asyncio_ssl_object_cipher(object);
    } else if (strcmp(name, "ssl_version") == 0) {
        text = asyncio_ssl_object_version(object);
    } else if (strcmp(name, "server_hostname") == 0) {
        text = asyncio_ssl_object_server_hostname(object);
    } else if (strcmp(name, "alpn") == 0) {
        SSL_get0_alpn_selected(self->ssl, &alpn, &length);
        text = length ? copy_text(self, alpn, length) : "";
    } else if (strcmp(name, "peercert") == 0) {
        text = summarize(self);
    } else {
        return -EINVAL;
    }
    if (!text)
        return -ENOMEM;
    *ret_info = (asyncio__channel_info_t){text, strlen(text)};
    return 0;
}
