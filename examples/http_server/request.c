/* SPDX-License-Identifier: MIT */
/*
 * Reading requests with http_parser. The parser is paused after each request, so that requests
 * which a client pipelines stay in the buffer until their turn.
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

void request_init(request_t *request, request_limits_t limits)
{
    /* The two large arrays are not cleared: most requests touch only one page of them. */
    request->limits = limits;
    http_parser_set_max_header_size(REQUEST_HEADER_BYTES);
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    request->begin = 0;
    request->end = 0;
    request->target_size = 0;
    request->target[0] = '\0';
}

/* Refuses a request with a status: the connection closes after the response. */
static int refuse(request_t *request, int status)
{
    request->error = status;
    request->is_complete = true;
    request->is_head = false;
    request->keep_alive = false;
    return 1;
}

/* Returns the status that tells the client why the parser stopped. */
static int refusal(const request_t *request)
{
    if (request->error != 0)
        return request->error;
    return HTTP_PARSER_ERRNO(&request->parser) == HPE_HEADER_OVERFLOW ? 431 : 400;
}

/* Receives and parses until the request is complete. The first byte moves the deadline. */
static int read_in_time(request_t *request, asyncio_stream_reader_t *reader,
                        asyncio_timeout_t *deadline)
{
    while (!request->is_complete) {
        if (request->begin == request->end) {
            ssize_t size = asyncio_stream_reader_read(reader, request->buffer,
                                                      sizeof(request->buffer));
            if (size <= 0)
                return (int)size;
            request->begin = 0;
            request->end = (size_t)size;
        }
        if (!request->has_begun) {
            double now = asyncio_loop_time(asyncio_get_running_loop());
            asyncio_timeout_reschedule(deadline, now + request->limits.request);
            request->has_begun = true;
        }
        request->begin += http_parser_execute(&request->parser, &callbacks,
                                              request->buffer + request->begin,
                                              request->end - request->begin);
        enum http_errno code = HTTP_PARSER_ERRNO(&request->parser);
        if (code != HPE_OK && code != HPE_PAUSED)
            return refuse(request, refusal(request));
        if (request->parser.upgrade)
            request->keep_alive = false; /* the bytes that follow are not HTTP */
    }
    return 1;
}

int request_read(request_t *request, asyncio_stream_reader_t *reader)
{
    asyncio_timeout_t deadline;
    request->is_complete = false;
    request->has_begun = request->begin < request->end;
    request->error = 0;
    http_parser_pause(&request->parser, 0);
    int rc = asyncio_timeout_enter(&deadline, request->has_begun ? request->limits.request
                                                                 : request->limits.idle);
    if (rc < 0)
        return rc;
    rc = read_in_time(request, reader, &deadline);
    rc = asyncio_timeout_exit(&deadline, rc);
    if (rc != -ETIMEDOUT)
        return rc;
    /* A client that sent nothing gets no response: it may be about to send the next request. */
    return request->has_begun ? refuse(request, 408) : 0;
}
