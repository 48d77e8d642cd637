/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1 request: its first line and its fields. Text in, structure out; knows
 * nothing of connections.
 *
 * It is strict, because a proxy in front that reads a request differently lets a client smuggle a
 * second one past it: lines end with CR LF, a field's name is followed by its colon, a field is one
 * line, and a body has one length.
 */
#ifndef HTTP_SERVER_REQUEST_H
#define HTTP_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest request target and the largest number of fields that are accepted. */
#define REQUEST_TARGET_BYTES 4096
#define REQUEST_FIELD_COUNT 100

/* The methods of RFC 9110 and PATCH; a request with any other is refused with 501. */
typedef enum request_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_OTHER
} request_method_t;

/* A request without its body. Its texts are NUL-terminated parts of what request_parse() got. */
typedef struct request {
    request_method_t method;       /* what is to be done */
    const char *method_name;       /* the same as text; NULL: the first line was not understood */
    const char *target;            /* path and query, begins with a slash; "*" only of OPTIONS */
    int minor_version;             /* 1 or 0, of HTTP/1.1 and HTTP/1.0 */
    bool keep_alive;               /* the client may send another request */
    bool has_host;                 /* there was a Host */
    bool has_length;               /* there was a Content-Length */
    bool is_chunked;               /* the body is in chunks */
    bool expects_continue;         /* the client waits for 100 Continue before it sends the body */
    uint64_t length;               /* of the body; 0 without one, and of chunks */
    const char *range;             /* these fields, or NULL */
    const char *if_range;
    const char *if_none_match;
    const char *if_modified_since;
} request_t;

/*
 * Parses the head of a request, which ends with an empty line. The text is changed: each part that
 * the request points to is terminated by a NUL.
 *
 * Returns 0, or the status with which the request is to be refused: 400, 414 (target too long), 417
 * (unknown expectation), 431 (too many fields), 501 (unknown method or transfer coding), 505.
 * Whatever it returns, the method and the target are those that were understood.
 */
int request_parse(char *text, size_t size, request_t *ret_request);

#endif
