/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What is known of a connection by TLS: version, cipher, protocol, and the certificates of the
 * peer.
 *
 * @code
 *     const asyncio_ssl_object_t *tls = asyncio_stream_writer_get_ssl_object(writer);
 *     char subject[256];
 *     if (asyncio_ssl_object_peercert_subject(tls, 0, subject, sizeof(subject)) > 0)
 *         printf("%s: %s\n", asyncio_ssl_object_version(tls), subject);
 * @endcode
 *
 * The functions are in libasyncio-ssl, as those of <asyncio/ssl.h> are. An object belongs to its
 * connection and to the loop of that.
 */
#ifndef ASYNCIO_SSL_OBJECT_H
#define ASYNCIO_SSL_OBJECT_H

#include <asyncio/stream.h>
#include <time.h>

ASYNCIO_BEGIN_DECLS

/** OpenSSL's SSL. */
struct ssl_st;

/**
 * Returns the version of TLS.
 *
 * @param object  of asyncio_stream_writer_get_ssl_object() or asyncio_transport_get_ssl_object()
 * @return "TLSv1.3", "TLSv1.2"; "" for NULL.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: loop thread.
 * Twin: `SSLObject.version`.
 */
ASYNCIO_API const char *asyncio_ssl_object_version(const asyncio_ssl_object_t *object);

/**
 * Returns the name of the cipher.
 *
 * @param object  the connection
 * @return the name, such as "TLS_AES_256_GCM_SHA384"; "" for NULL.
 *
 * Ownership: the string is *borrowed*, for ever.
 * Context: loop thread.
 * Twin: `SSLObject.cipher`.
 */
ASYNCIO_API const char *asyncio_ssl_object_cipher(const asyncio_ssl_object_t *object);

/**
 * Writes the protocol that was negotiated (ALPN).
 *
 * @param object    the connection
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text, 0 where none was negotiated; -EINVAL: object or ret_text is
 *   NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.selected_alpn_protocol`.
 */
ASYNCIO_API int asyncio_ssl_object_selected_alpn_protocol(const asyncio_ssl_object_t *object,
                                                          char *ret_text, size_t size);

/**
 * Returns the name of the server: that which the client verifies, or has asked for.
 *
 * @param object  the connection
 * @return the name, or "".
 *
 * Ownership: the string is *borrowed* as long as the connection lives.
 * Context: loop thread.
 * Twin: `SSLObject.server_hostname`.
 */
ASYNCIO_API const char *asyncio_ssl_object_server_hostname(const asyncio_ssl_object_t *object);

/**
 * Returns whether a session of an earlier connection was used.
 *
 * @param object  the connection
 * @return true if the handshake was a short one.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.session_reused`.
 */
ASYNCIO_API bool asyncio_ssl_object_session_reused(const asyncio_ssl_object_t *object);

/**
 * Returns whether this side is the server.
 *
 * @param object  the connection
 * @return true for a server; false for a client, and for NULL.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.server_side`.
 */
ASYNCIO_API bool asyncio_ssl_object_server_side(const asyncio_ssl_object_t *object);

/**
 * Returns the context that the connection was made with.
 *
 * @param object  the connection
 * @return the context; NULL for NULL.
 *
 * Ownership: it is *borrowed* as long as the connection lives.
 * Context: loop thread.
 * Twin: `SSLObject.context`.
 */
ASYNCIO_API asyncio_ssl_context_t *
asyncio_ssl_object_context(const asyncio_ssl_object_t *object);

/**
 * Has a server ask for the client's certificate: with the next bytes that it writes, and the reply
 * is verified with the next bytes that it reads, which fail where the certificate is refused.
 *
 * @param object  a server's connection of TLS 1.3, whose context has
 *                asyncio_ssl_context_set_post_handshake_auth()
 * @return 0; -EINVAL: object is NULL, or a client's; ASYNCIO_ESSL: the client does not allow it, or
 *   a request is on its way already.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.verify_client_post_handshake`.
 */
ASYNCIO_API int
asyncio_ssl_object_verify_client_post_handshake(const asyncio_ssl_object_t *object);

/**
 * Returns OpenSSL's own object, for what is not offered here. Nothing may be read, written or shut
 * down through it.
 *
 * @param object  the connection
 * @return the object; NULL for NULL.
 *
 * Ownership: it is *borrowed* as long as the connection lives.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API struct ssl_st *asyncio_ssl_object_openssl(const asyncio_ssl_object_t *object);

/**
 * Returns how many certificates the peer has sent.
 *
 * @param object  the connection
 * @return the number; 0 for NULL.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `len(SSLObject.get_unverified_chain())`.
 */
ASYNCIO_API size_t asyncio_ssl_object_peercert_count(const asyncio_ssl_object_t *object);

/**
 * Copies a certificate of the peer, in DER.
 *
 * @param object    the connection
 * @param index     0: the peer's own; then those that issued it
 * @param ret_data  room for size bytes; NULL: only the length is wanted
 * @param size      in bytes
 * @return the length of the whole; ASYNCIO_ELOOKUP: there is no such certificate; -ENOMEM.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert(binary_form=True)`.
 */
ASYNCIO_API int asyncio_ssl_object_getpeercert_der(const asyncio_ssl_object_t *object,
                                                   size_t index, void *ret_data, size_t size);

/**
 * Writes the subject of a certificate of the peer, as RFC 2253 writes it: "CN=example.org,O=…".
 *
 * @param object    the connection
 * @param index     0: the peer's own; then those that issued it
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; ASYNCIO_ELOOKUP: there is no such certificate; -ENOMEM;
 *   -EINVAL: object or ret_text is NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert()['subject']`.
 */
ASYNCIO_API int asyncio_ssl_object_peercert_subject(const asyncio_ssl_object_t *object,
                                                    size_t index, char *ret_text, size_t size);

/**
 * Writes the issuer of a certificate of the peer, as RFC 2253 writes it.
 *
 * @param object    the connection
 * @param index     0: the peer's own; then those that issued it
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; ASYNCIO_ELOOKUP: there is no such certificate; -ENOMEM;
 *   -EINVAL: object or ret_text is NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert()['issuer']`.
 */
ASYNCIO_API int asyncio_ssl_object_peercert_issuer(const asyncio_ssl_object_t *object,
                                                   size_t index, char *ret_text, size_t size);

/**
 * Writes the serial number of a certificate of the peer, in hexadecimal.
 *
 * @param object    the connection
 * @param index     0: the peer's own; then those that issued it
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; ASYNCIO_ELOOKUP: there is no such certificate; -ENOMEM;
 *   -EINVAL: object or ret_text is NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert()['serialNumber']`.
 */
ASYNCIO_API int asyncio_ssl_object_peercert_serial(const asyncio_ssl_object_t *object,
                                                   size_t index, char *ret_text, size_t size);

/**
 * Writes the SHA-256 of a certificate of the peer, in hexadecimal.
 *
 * @param object    the connection
 * @param index     0: the peer's own; then those that issued it
 * @param ret_text  room for size bytes; the text is cut off where it does not fit
 * @param size      in bytes
 * @return the length of the whole text; ASYNCIO_ELOOKUP: there is no such certificate; -ENOMEM;
 *   -EINVAL: object or ret_text is NULL.
 *
 * Ownership: all is *borrowed*.
 * Context: loop thread.
 * Twin: none.
 */
ASYNCIO_API int asyncio_ssl_object_peercert_fingerprint_sha256(
    const asyncio_ssl_object_t *object, size_t index, char *ret_text, size_t size);

/**
 * Returns from when on a certificate of the peer is valid.
 *
 * @param object  the connection
 * @param index   0: the peer's own; then those that issued it
 * @return seconds since 1970; 0: there is no such certificate.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert()['notBefore']`.
 */
ASYNCIO_API time_t asyncio_ssl_object_peercert_not_before(const asyncio_ssl_object_t *object,
                                                          size_t index);

/**
 * Returns until when a certificate of the peer is valid.
 *
 * @param object  the connection
 * @param index   0: the peer's own; then those that issued it
 * @return seconds since 1970; 0: there is no such certificate.
 *
 * Ownership: object is *borrowed*.
 * Context: loop thread.
 * Twin: `SSLObject.getpeercert()['notAfter']`.
 */
ASYNCIO_API time_t asyncio_ssl_object_peercert_not_after(const asyncio_ssl_object_t *object,
                                                         size_t index);

/**
 * Returns whether the certificate of the peer is valid for a name: for a client that connects under
 * one name and asks for others.
 *
 * @param object  the connection
 * @param host    a name, or a literal address
 * @return true if it is one of the certificate's names.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: none; Python removed `ssl.match_hostname`.
 */
ASYNCIO_API bool asyncio_ssl_object_peercert_matches(const asyncio_ssl_object_t *object,
                                                     const char *host);

/**
 * Copies bytes that bind an authentication above to this connection.
 *
 * @param object    the connection
 * @param type      "tls-exporter" (RFC 9266) or "tls-server-end-point" (RFC 5929)
 * @param ret_data  room for size bytes
 * @param size      in bytes; 64 are enough for both
 * @return the length of the whole; -EINVAL: NULL or an unknown type; ASYNCIO_ELOOKUP: the
 *   certificate has no hash; ASYNCIO_ESSL: the handshake is not over; -ENOMEM.
 *
 * Ownership: all is *borrowed* for the call.
 * Context: loop thread.
 * Twin: `SSLObject.get_channel_binding`.
 */
ASYNCIO_API int asyncio_ssl_object_get_channel_binding(const asyncio_ssl_object_t *object,
                                                       const char *type, void *ret_data,
                                                       size_t size);

ASYNCIO_END_DECLS

#endif
