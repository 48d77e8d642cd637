/* SPDX-License-Identifier: MIT */
/*
 * Writing responses. Each function ends with a drain, so that a slow client delays its own task.
 */
#include "response.h"

#include <stdio.h>
#include <string.h>

const char *response_reason(int status)
{
    switch (status) {
#define REASON(number, name, text) \
    case number: \
        return #text;
        HTTP_STATUS_MAP(REASON)
#undef REASON
    default:
        return "Unknown";
    }
}

static bool may_have_body(const response_t *response, int status)
{
    return !response->request->is_head && status != 204 && status != 304 && status >= 200;
}

static int make_header(const response_t *response, int status, const char *type, long long bytes,
                       const char *extra, char *ret_header, size_t size)
{
    char length[64] = "";
    if (status == 204)
        length[0] = '\0'; /* a 204 must not have a Content-Length */
    else if (bytes < 0)
        snprintf(length, sizeof(length), "Transfer-Encoding: chunked\r\n");
    else
        snprintf(length, sizeof(length), "Content-Length: %lld\r\n", bytes);
    int written = snprintf(ret_header, size,
                           "HTTP/1.1 %d %s\r\nServer: libasyncio\r\nContent-Type: %s\r\n%s%s%s\r\n",
                           status, response_reason(status), type, length, extra,
                           response->request->keep_alive ? "" : "Connection: close\r\n");
    return (size_t)written < size ? written : -EMSGSIZE;
}

int response_begin(const response_t *response, int status, const char *type, long long bytes,
                   const char *extra)
{
    char header[1024];
    int size = make_header(response, status, type, bytes, extra, header, sizeof(header));
    if (size < 0)
        return size;
    return asyncio_stream_writer_write(response->writer, header, (size_t)size);
}

int response_text(const response_t *response, int status, const char *type, const char *text,
                  const char *extra)
{
    char header[1024];
    int size = make_header(response, status, type, (long long)strlen(text), extra, header,
                           sizeof(header));
    if (size < 0)
        return size;
    struct iovec pieces[] = {
        {.iov_base = header, .iov_len = (size_t)size},
        {.iov_base = (void *)text, .iov_len = strlen(text)},
    };
    int rc = asyncio_stream_writer_writelines(response->writer, pieces,
                                              may_have_body(response, status) ? 2 : 1);
    return rc < 0 ? rc : asyncio_stream_writer_drain(response->writer);
}

int response_status(const response_t *response, int status)
{
    char text[128];
    snprintf(text, sizeof(text), "%d %s\n", status, response_reason(status));
    return response_text(response, status, "text/plain", text, "");
}
