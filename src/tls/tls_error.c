/* SPDX-License-Identifier: MIT */
/* What OpenSSL's error queue says, as an error of asyncio; see tls_channel.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls_channel.h"

#define TEXT_BYTES   512
#define REASON_BYTES 96

/* OpenSSL's reason as Python spells it: "wrong version number" is WRONG_VERSION_NUMBER. */
static void spell(const char *reason, char *ret_text)
{
    size_t count = 0;
    for (; reason[count] && count < REASON_BYTES - 1; count++) {
        unsigned char c = (unsigned char)reason[count];
        ret_text[count] = isalnum(c) ? (char)toupper(c) : '_';
    }
    ret_text[count] = '\0';
}

static asyncio_error_t *describe_certificate(const asyncio__tls_channel_t *self, long verify_code)
{
    char text[TEXT_BYTES], depth[32] = "";
    if (self->verify_depth >= 0)
        snprintf(depth, sizeof(depth), ", at depth %d", self->verify_depth);
    const char *meaning = asyncio__openssl.X509_verify_cert_error_string(verify_code);
    if (verify_code == ASYNCIO__X509_V_ERR_HOSTNAME_MISMATCH ||
        verify_code == ASYNCIO__X509_V_ERR_IP_ADDRESS_MISMATCH)
        snprintf(text, sizeof(text),
                 "certificate verify failed: %s, certificate is not valid for '%s'", meaning,
                 self->server_hostname ? self->server_hostname : "");
    else if (self->server_hostname)
        snprintf(text, sizeof(text), "certificate verify failed: %s%s, of '%s'", meaning, depth,
                 self->server_hostname);
    else
        snprintf(text, sizeof(text), "certificate verify failed: %s%s", meaning, depth);
    return asyncio__error_new_ssl(ASYNCIO_ESSLCERTVERIFICATION, text, "CERTIFICATE_VERIFY_FAILED",
                                  (int)verify_code);
}

/* The last error of the queue says most: those before it are of the functions below. */
static int describe(asyncio__tls_channel_t *self, asyncio_error_t **ret_error)
{
    unsigned long error = asyncio__openssl.ERR_peek_last_error();
    long verify_code = asyncio__openssl.SSL_get_verify_result(self->ssl);
    if ((error & 0xfff) == ASYNCIO__SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verify_code != ASYNCIO__X509_V_OK) {
        *ret_error = describe_certificate(self, verify_code);
        return ASYNCIO_ESSLCERTVERIFICATION;
    }
    char text[TEXT_BYTES], reason[REASON_BYTES];
    const char *meaning = error ? asyncio__openssl.ERR_reason_error_string(error) : NULL;
    if (!meaning)
        meaning = "unknown error";
    spell(meaning, reason);
    snprintf(text, sizeof(text), "%s: %s",
             self->state == ASYNCIO__TLS_HANDSHAKE ? "TLS handshake failed" : "TLS failed",
             meaning);
    *ret_error = asyncio__error_new_ssl(ASYNCIO_ESSL, text, reason, 0);
    return ASYNCIO_ESSL;
}

int asyncio__tls_result(asyncio__tls_channel_t *self, int returned, asyncio_error_t **ret_error)
{
    *ret_error = NULL;
    if (self->is_out_of_memory)
        return -ENOMEM;
    if (self->is_flooded) {
        *ret_error = asyncio__error_new_ssl(
            ASYNCIO_ESSL, "the peer asks for key updates and does not read the replies",
            "TOO_MANY_KEY_UPDATES", 0);
        return ASYNCIO_ESSL;
    }
    switch (asyncio__openssl.SSL_get_error(self->ssl, returned)) {
    case ASYNCIO__SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case ASYNCIO__SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return describe(self, ret_error);
    }
}
