/* SPDX-License-Identifier: MIT */
/*
 * Generated pages; each depends on the path alone, but for /echo.
 */
#include "pages.h"

#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest body that is generated, in bytes. */
#define BYTES_MAX (1LL << 30)

/* Reads the number after a prefix: 12 for the target "/bytes/12" and the prefix "/bytes/". */
static bool number_after(const char *target, const char *prefix, long long *ret_number)
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

static int redirect(connection_t *connection, long long count)
{
    char location[64];
    if (count > 1)
        snprintf(location, sizeof(location), "Location: /redirect/%lld\r\n", count - 1);
    else
        snprintf(location, sizeof(location), "Location: /\r\n");
    return response_status(connection, 302, location);
}

static int send_bytes(connection_t *connection, long long count)
{
    char piece[4096];
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)('a' + i % 26);
    int rc = response_begin(connection, 200, "application/octet-stream", count, "");
    while (rc == 0 && count > 0 && response_has_body(connection, 200)) {
        size_t size = count < (long long)sizeof(piece) ? (size_t)count : sizeof(piece);
        rc = response_write(connection, piece, size);
        count -= (long long)size;
    }
    return rc;
}

/* HTTP/1.0 has no chunks: there the body is sent as it is, and the connection closed. */
static int send_chunked(connection_t *connection)
{
    static const char body[] = "first\nsecond\nthird\n";
    static const char chunks[] = "6\r\nfirst\n\r\n7\r\nsecond\n\r\n6\r\nthird\n\r\n0\r\n\r\n";
    bool is_old = connection->request.minor_version == 0;
    int rc = response_begin(connection, 200, "text/plain", RESPONSE_CHUNKED, "");
    if (rc < 0 || !response_has_body(connection, 200))
        return rc;
    return is_old ? response_write(connection, body, sizeof(body) - 1)
                  : response_write(connection, chunks, sizeof(chunks) - 1);
}

/* Sends a page that shows the path, which comes from the client: escapes it for HTML. */
static int send_page(connection_t *connection)
{
    const char *target = connection->request.target;
    char path[256];
    size_t size = strcspn(target, "?");
    size = size < sizeof(path) ? size : sizeof(path) - 1;
    for (size_t i = 0; i < size; i++)
        path[i] = strchr("<>&\"'", target[i]) != NULL ? '_' : target[i];
    path[size] = '\0';
    char text[640];
    int length = snprintf(text, sizeof(text), "<!DOCTYPE html>\n<title>%s</title>\n"
                          "<p>This is the page %s.\n", path, path);
    return response_send(connection, 200, "text/html", text, (size_t)length, "");
}

bool pages_wants_body(const request_t *request)
{
    return strcmp(request->target, "/echo") == 0;
}

int pages_respond(connection_t *connection)
{
    const char *target = connection->request.target;
    long long number;
    if (strcmp(target, "/plaintext") == 0)
        return response_send(connection, 200, "text/plain", "Hello, World!", 13, "");
    if (pages_wants_body(&connection->request))
        return response_send(connection, 200, "application/octet-stream", connection->body,
                             connection->body_size, "");
    if (number_after(target, "/redirect/", &number))
        return redirect(connection, number);
    if (number_after(target, "/status/", &number) && number >= 200 && number <= 599)
        return response_status(connection, (int)number, "");
    if (number_after(target, "/bytes/", &number) && number <= BYTES_MAX)
        return send_bytes(connection, number);
    if (strcmp(target, "/chunked") == 0)
        return send_chunked(connection);
    if (strcmp(target, "/missing") == 0)
        return response_status(connection, 404, "");
    return send_page(connection);
}
