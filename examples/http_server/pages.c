/* SPDX-License-Identifier: MIT */
/*
 * Generated pages; each depends on the path alone.
 */
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest body that is generated, in bytes. */
#define BYTES_MAX (1LL << 30)

/* Reads the number after a prefix: 12 for the target "/bytes/12" and the prefix "/bytes/". */
static bool number_behind(const char *target, const char *prefix, long long *ret_number)
{
    size_t size = strlen(prefix);
    if (strncmp(target, prefix, size) != 0)
        return false;
    size_t digits = strspn(target + size, "0123456789");
    if (digits == 0 || digits > 10 || strchr("?", target[size + digits]) == NULL)
        return false;
    *ret_number = atoll(target + size);
    return true;
}

static int redirect(const response_t *response, long long count)
{
    char location[64];
    if (count > 1)
        snprintf(location, sizeof(location), "Location: /redirect/%lld\r\n", count - 1);
    else
        snprintf(location, sizeof(location), "Location: /\r\n");
    return response_text(response, 302, "text/plain", "go on\n", location);
}

static int send_bytes(const response_t *response, long long count)
{
    char piece[4096];
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)('a' + i % 26);
    int rc = response_begin(response, 200, "application/octet-stream", count, "");
    while (rc == 0 && count > 0 && !response->request->is_head) {
        size_t size = count < (long long)sizeof(piece) ? (size_t)count : sizeof(piece);
        rc = asyncio_stream_writer_write(response->writer, piece, size);
        if (rc == 0)
            rc = asyncio_stream_writer_drain(response->writer);
        count -= (long long)size;
    }
    return rc < 0 ? rc : asyncio_stream_writer_drain(response->writer);
}

static int send_chunked(const response_t *response)
{
    static const char body[] = "6\r\nfirst\n\r\n7\r\nsecond\n\r\n6\r\nthird\n\r\n0\r\n\r\n";
    int rc = response_begin(response, 200, "text/plain", -1, "");
    if (rc == 0 && !response->request->is_head)
        rc = asyncio_stream_writer_write(response->writer, body, sizeof(body) - 1);
    return rc < 0 ? rc : asyncio_stream_writer_drain(response->writer);
}

/* Sends a page that shows the path, which comes from the client: escapes it for HTML. */
static int send_page(const response_t *response, const char *target)
{
    char path[256];
    size_t size = strcspn(target, "?");
    size = size < sizeof(path) ? size : sizeof(path) - 1;
    for (size_t i = 0; i < size; i++)
        path[i] = strchr("<>&\"'", target[i]) != NULL ? '_' : target[i];
    path[size] = '\0';
    char text[640];
    snprintf(text, sizeof(text), "<!DOCTYPE html>\n<title>%s</title>\n<p>This is the page %s.\n",
             path, path);
    return response_text(response, 200, "text/html", text, "");
}

int pages_respond(const response_t *response)
{
    const char *target = response->request->target;
    long long number;
    if (number_behind(target, "/redirect/", &number))
        return redirect(response, number);
    if (number_behind(target, "/status/", &number) && number >= 200 && number <= 599)
        return response_status(response, (int)number);
    if (number_behind(target, "/bytes/", &number) && number <= BYTES_MAX)
        return send_bytes(response, number);
    if (strcmp(target, "/chunked") == 0)
        return send_chunked(response);
    if (strcmp(target, "/missing") == 0)
        return response_status(response, 404);
    return send_page(response, target);
}
