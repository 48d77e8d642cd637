/* SPDX-License-Identifier: MIT */
/*
 * Reading requests with http_parser. The parser is paused behind each request, so that what a
 * client sent ahead waits in the buffer for its turn.
 */
#include "request.h"

#include <string.h>

static int on_message_begin(http_parser *parser)
{
    request_t *request = parser->data;
    request->target_size = 0;
    request->error = 0;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
    request_t *request = parser->data;
    if (size >= sizeof(request->target) - request->target_size) {
        request->error = 414;
        return 1;
    }
    memcpy(request->target + request->target_size, at, size);
    request->target_size += size;
    request->target[request->target_size] = '\0';
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    request_t *request = parser->data;
    request->is_complete = true;
    request->is_head = parser->method == HTTP_HEAD;
    request->is_allowed = request->is_head || parser->method == HTTP_GET;
    request->keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_message_complete = on_message_complete,
};

void request_init(request_t *request)
{
    /* The two large arrays stay untouched: most requests need a page of them. */
    http_parser_set_max_header_size(REQUEST_HEADER_BYTES);
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    request->begin = 0;
    request->end = 0;
    request->target_size = 0;
    request->target[0] = '\0';
}

/* The status with which a request is refused that the parser does not understand. */
static int refuse(request_t *request)
{
    if (request->error == 0)
        request->error = HTTP_PARSER_ERRNO(&request->parser) == HPE_HEADER_OVERFLOW ? 431 : 400;
    request->is_complete = true;
    request->is_head = false;
    request->keep_alive = false;
    return 1;
}

int request_read(request_t *request, asyncio_stream_reader_t *reader)
{
    request->is_complete = false;
    request->error = 0;
    http_parser_pause(&request->parser, 0);
    while (!request->is_complete) {
        if (request->begin == request->end) {
            ssize_t size = asyncio_stream_reader_read(reader, request->buffer,
                                                      sizeof(request->buffer));
            if (size <= 0)
                return (int)size;
            request->begin = 0;
            request->end = (size_t)size;
        }
        request->begin += http_parser_execute(&request->parser, &callbacks,
                                              request->buffer + request->begin,
                                              request->end - request->begin);
        enum http_errno code = HTTP_PARSER_ERRNO(&request->parser);
        if (code != HPE_OK && code != HPE_PAUSED)
            return refuse(request);
        if (request->parser.upgrade)
            request->keep_alive = false; /* what follows would not be HTTP */
    }
    return 1;
}
