/* SPDX-License-Identifier: MIT */
/* What the fuzz targets of TLS share; see fuzz_ssl.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method */
#include "fuzz_ssl.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../support/certificates.h"

static asyncio_ssl_context_t *servers[2][2], *clients[2];
static uint64_t random_state;

/* --- random numbers ------------------------------------------------------------------------ */

static int give_bytes(unsigned char *buffer, int count)
{
    for (int i = 0; i < count; i++) { /* splitmix64 */
        uint64_t z = random_state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        buffer[i] = (unsigned char)(z ^ (z >> 31));
    }
    return 1;
}

static int give_status(void)
{
    return 1;
}

static const RAND_METHOD method = {
    .bytes = give_bytes, .pseudorand = give_bytes, .status = give_status};

void fuzz_ssl_restart(void)
{
    random_state = 1;
}

/* --- contexts ------------------------------------------------------------------------------ */

static void expect(int rc)
{
    if (rc != 0)
        abort();
}

static asyncio_ssl_context_t *new_context(asyncio_ssl_purpose_t purpose, const certificate_t *own,
                                          const certificate_t *authority)
{
    asyncio_ssl_context_t *context = asyncio_ssl_create_default_context(purpose);
    if (own)
        expect(asyncio_ssl_context_load_cert_chain_pem(context, own->cert, strlen(own->cert),
                                                       own->key, strlen(own->key), NULL, NULL));
    expect(asyncio_ssl_context_load_verify_pem(context, authority->cert, strlen(authority->cert)));
    return context;
}

static void make_contexts(void)
{
    RAND_set_rand_method(&method);
    certificate_t authority =
        certificate_new(&(certificate_options_t){.name = "authority", .is_ca = true});
    certificate_t own = certificate_new(&(certificate_options_t){
        .name = "localhost", .names = "DNS:localhost", .issuer = &authority});
    for (int is_mutual = 0; is_mutual < 2; is_mutual++) {
        clients[is_mutual] =
            new_context(ASYNCIO_SSL_SERVER_AUTH, is_mutual ? &own : NULL, &authority);
        for (int is_old = 0; is_old < 2; is_old++) {
            asyncio_ssl_context_t *server = new_context(ASYNCIO_SSL_CLIENT_AUTH, &own, &authority);
            if (is_mutual)
                expect(asyncio_ssl_context_set_verify_mode(server, ASYNCIO_SSL_CERT_REQUIRED));
            if (is_old)
                expect(asyncio_ssl_context_set_maximum_version(server, ASYNCIO_TLS_1_2));
            servers[is_old][is_mutual] = server;
        }
    }
    certificate_drop(&own);
    certificate_drop(&authority);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_contexts();
    /* Creates the objects that the libraries keep for the whole process. */
    return LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
}

asyncio_ssl_context_t *fuzz_ssl_server(bool is_tls_1_2, bool is_mutual)
{
    return servers[is_tls_1_2][is_mutual];
}

asyncio_ssl_context_t *fuzz_ssl_client(bool is_mutual)
{
    return clients[is_mutual];
}

bool fuzz_ssl_is_known(int code)
{
    switch (code) {
    case 0:
    case ASYNCIO_ESSL:
    case ASYNCIO_ESSLEOF:
    case ASYNCIO_ESSLCERTVERIFICATION:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* --- somebody in the network --------------------------------------------------------------- */

#define TEXT(text) {text, sizeof(text) - 1}

static const struct {
    const char *data;
    size_t size;
} texts[] = {
    TEXT("GET / HTTP/1.1\r\n\r\n"),
    TEXT("\x15\x03\x03\x00\x02\x02\x28"),         /* an alert: fatal, handshake failure */
    TEXT("\x15\x03\x03\x00\x02\x01\x00"),         /* and a close_notify */
    TEXT("\x16\x03\x01\x40\x00 longer than it is"), /* of a handshake */
    TEXT("\x16\x03\x01\xff\xff larger than records may be"),
    TEXT("\x17\x03\x03\x00\x05 data"),
    TEXT("\x14\x03\x03\x00\x01\x01"),             /* change_cipher_spec */
};

void fuzz_ssl_meddle(wire_t *wire, uint8_t number, fuzz_bytes_t *bytes)
{
    wire_end_t *end = &wire->ends[number & 1];
    uint8_t more = fuzz_byte(bytes);
    bool is_behind = (more & 128) != 0;
    size_t text = more % (sizeof(texts) / sizeof(texts[0]));
    char raw[8];
    switch ((number >> 1) % 5) {
    case 0:
        wire_cut(end, /* is_reset= */ more & 1);
        break;
    case 1:
        wire_corrupt(end, (size_t)more * 7, (unsigned char)(1 << (more % 8)));
        break;
    case 2:
        wire_insert(end, texts[text].data, texts[text].size, is_behind);
        break;
    case 3:
        for (size_t i = 0; i < sizeof(raw); i++)
            raw[i] = (char)fuzz_byte(bytes);
        wire_insert(end, raw, more % 8 + 1u, is_behind);
        break;
    default:
        wire_cut(&wire->ends[0], /* is_reset= */ false);
        wire_cut(&wire->ends[1], /* is_reset= */ false);
    }
}
