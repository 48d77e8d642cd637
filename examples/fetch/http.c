/* SPDX-License-Identifier: MIT */
/*
 * One request and its response, as straight-line code: write, drain, read until the parser is done.
 * The parser is http_parser; its callbacks fill in an exchange. A body in gzip is decoded on its
 * way to the caller. Knows nothing of retries.
 */
#include "http.h"

#include "errors.h"
#include "gzip.h"

#include <http_parser.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The state of the parser's callbacks. */
typedef struct exchange {
    http_parser parser;        /* the state of the parser */
    http_response_t *response; /* the response to fill in */
    http_body_t *body;         /* called with each piece of the body */
    void *arg;                 /* its argument */
    int rc;                    /* the code with which a callback ended the parsing */
    bool is_done;              /* the response is complete */
    bool has_header;           /* the header is complete */
    bool is_in_value;          /* the parser was last in a value: the next name is a new one */
    uint64_t promised;         /* the Content-Length; UINT64_MAX without one */
    uint64_t received;         /* bytes of the body, before they are decoded */
    gzip_t *gzip;              /* decodes the body; NULL: it is not compressed */
    bool is_gzip;              /* the header says that the body is compressed */
    size_t name_size;          /* length of the field name received so far */
    char name[24];             /* its beginning: enough to recognize those that are used */
    size_t encoding_size;      /* length of encoding */
    char encoding[8];          /* the beginning of the value of Content-Encoding */
    char *location;            /* the value of Location; NULL before it is received */
    size_t location_size;      /* its length */
} exchange_t;

static bool is_redirect_status(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool http_is_redirect(const http_response_t *response)
{
    return response->location != NULL;
}

void http_response_fini(http_response_t *response)
{
    free(response->location);
    response->location = NULL;
}

/* Informational responses (100, 103) pass through here too, and are ignored. */
static int on_message_begin(http_parser *parser)
{
    exchange_t *exchange = parser->data;
    if (exchange->is_done)
        exchange->response->keep_alive = false; /* a response without a request */
    return exchange->is_done;
}

static int on_header_field(http_parser *parser, const char *at, size_t size)
{
    exchange_t *exchange = parser->data;
    if (exchange->is_in_value)
        exchange->name_size = 0;
    exchange->is_in_value = false;
    for (size_t i = 0; i < size && exchange->name_size < sizeof(exchange->name); i++)
        exchange->name[exchange->name_size++] = at[i];
    return 0;
}

static bool is_field(const exchange_t *exchange, const char *name)
{
    return exchange->name_size == strlen(name) &&
           strncasecmp(exchange->name, name, exchange->name_size) == 0;
}

/* Recognizes the only encoding that was asked for. */
static void take_encoding(exchange_t *exchange, const char *at, size_t size, bool is_continued)
{
    if (!is_continued)
        exchange->encoding_size = 0;
    for (size_t i = 0; i < size && exchange->encoding_size < sizeof(exchange->encoding); i++)
        exchange->encoding[exchange->encoding_size++] = at[i];
    exchange->is_gzip = (exchange->encoding_size == 4 || exchange->encoding_size == 6) &&
                        (strncasecmp(exchange->encoding, "gzip", exchange->encoding_size) == 0 ||
                         strncasecmp(exchange->encoding, "x-gzip", exchange->encoding_size) == 0);
}

static int on_header_value(http_parser *parser, const char *at, size_t size)
{
    exchange_t *exchange = parser->data;
    bool is_continued = exchange->is_in_value; /* the beginning of the value came before */
    exchange->is_in_value = true;
    if (is_field(exchange, "content-encoding"))
        take_encoding(exchange, at, size, is_continued);
    if (!is_field(exchange, "location"))
        return 0;
    char *grown = realloc(exchange->location, exchange->location_size + size + 1);
    if (grown == NULL) {
        exchange->rc = -ENOMEM;
        return 1;
    }
    memcpy(grown + exchange->location_size, at, size);
    exchange->location = grown;
    exchange->location_size += size;
    grown[exchange->location_size] = '\0';
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    exchange_t *exchange = parser->data;
    if (parser->status_code / 100 == 1 && parser->status_code != 101) {
        exchange->is_gzip = false; /* the response proper follows */
        return 0;
    }
    exchange->has_header = true;
    exchange->response->status = (int)parser->status_code;
    exchange->promised = parser->content_length;
    if (is_redirect_status(parser->status_code)) {
        exchange->response->location = exchange->location;
        exchange->location = NULL;
    }
    return 0;
}

/* Passes a piece of the decoded body on. */
static int pass_on(void *arg, const char *data, size_t size)
{
    exchange_t *exchange = arg;
    exchange->response->bytes += size;
    return exchange->body(exchange->arg, exchange->response, data, size);
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
    exchange_t *exchange = parser->data;
    exchange->received += size;
    if (http_is_redirect(exchange->response))
        return 0;
    if (exchange->is_gzip && exchange->gzip == NULL)
        exchange->rc = gzip_new(&exchange->gzip);
    if (exchange->rc == 0)
        exchange->rc = exchange->gzip != NULL
                           ? gzip_decode(exchange->gzip, at, size, pass_on, exchange)
                           : pass_on(exchange, at, size);
    return exchange->rc < 0;
}

static int on_message_complete(http_parser *parser)
{
    exchange_t *exchange = parser->data;
    if (exchange->has_header) {
        exchange->is_done = true;
        exchange->response->keep_alive = http_should_keep_alive(parser) != 0;
        if (exchange->gzip != NULL)
            exchange->rc = gzip_finish(exchange->gzip);
    }
    return exchange->rc < 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_message_begin,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static int send_request(connection_t *connection, const url_t *url)
{
    char *request;
    int size = asprintf(&request,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: libasyncio-fetch/%s\r\n"
                        "Accept: */*\r\n%s\r\n",
                        url->target, url->authority, asyncio_version(), gzip_accept);
    if (size < 0)
        return -ENOMEM;
    int rc = asyncio_stream_writer_write(connection->writer, request, (size_t)size);
    free(request);
    return rc < 0 ? rc : asyncio_stream_writer_drain(connection->writer);
}

/* The server has closed the connection: either this ends a body without a length, or it is an
 * error. */
static int end_of_stream(exchange_t *exchange)
{
    const http_response_t *response = exchange->response;
    http_parser_execute(&exchange->parser, &callbacks, NULL, 0);
    if (exchange->rc < 0)
        return exchange->rc;
    if (exchange->is_done)
        return 0;
    if (!response->is_started)
        return asyncio_raise(FETCH_ECLOSED, "the server closed the connection without a response");
    if (!exchange->has_header)
        return asyncio_raise(FETCH_ECLOSED, "the server closed the connection within the header");
    if (exchange->promised != UINT64_MAX)
        return asyncio_raise(FETCH_ECLOSED,
                             "the body is shorter than promised: %" PRIu64 " of %" PRIu64 " bytes",
                             exchange->received, exchange->promised);
    return asyncio_raise(FETCH_ECLOSED, "the server closed within a chunked body after %" PRIu64
                         " bytes", exchange->received);
}

/* Raises the reason why the parser stopped before the response was complete. */
static int parser_error(const exchange_t *exchange)
{
    enum http_errno code = HTTP_PARSER_ERRNO(&exchange->parser);
    if (exchange->rc < 0)
        return exchange->rc;
    if (exchange->parser.upgrade)
        return asyncio_raise(FETCH_EPROTOCOL, "the server switches to another protocol");
    if (code == HPE_HEADER_OVERFLOW)
        return asyncio_raise(FETCH_EHEADER, "the header is longer than %d bytes",
                             HTTP_HEADER_BYTES_MAX);
    return asyncio_raise(FETCH_EPROTOCOL, "the response is not HTTP: %s",
                         http_errno_description(code));
}

static int read_response(connection_t *connection, exchange_t *exchange)
{
    while (!exchange->is_done) {
        ssize_t size = asyncio_stream_reader_read(connection->reader, connection->buffer,
                                                  sizeof(connection->buffer));
        if (size < 0)
            return (int)size;
        if (size == 0)
            return end_of_stream(exchange);
        exchange->response->is_started = true;
        size_t parsed = http_parser_execute(&exchange->parser, &callbacks, connection->buffer,
                                            (size_t)size);
        if (exchange->rc < 0)
            return exchange->rc;
        if (exchange->is_done && parsed != (size_t)size)
            exchange->response->keep_alive = false;
        else if (!exchange->is_done && (parsed != (size_t)size || exchange->parser.upgrade))
            return parser_error(exchange);
    }
    return exchange->parser.upgrade ? parser_error(exchange) : 0;
}

int http_get(connection_t *connection, const url_t *url, http_body_t *body, void *arg,
             http_response_t *response)
{
    *response = (http_response_t){0};
    exchange_t exchange = {.response = response, .body = body, .arg = arg, .promised = UINT64_MAX};
    http_parser_set_max_header_size(HTTP_HEADER_BYTES_MAX);
    http_parser_init(&exchange.parser, HTTP_RESPONSE);
    exchange.parser.data = &exchange;
    int rc = send_request(connection, url);
    if (rc == 0)
        rc = read_response(connection, &exchange);
    gzip_free(exchange.gzip);
    free(exchange.location);
    return rc;
}
