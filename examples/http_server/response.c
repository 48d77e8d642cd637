/* SPDX-License-Identifier: MIT */
/*
 * Writing responses. A small one is one write, of the head and the body together.
 */
#include "response.h"

#include <stdio.h>
#include <string.h>

/* The longest head, and the longest body that is copied behind it. */
#define HEAD_MAX 2048
#define SMALL_BODY 1024

/* A text that grows to its right. */
typedef struct text {
    size_t size;                      /* bytes written */
    char bytes[HEAD_MAX + SMALL_BODY]; /* not terminated */
} text_t;

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"}, {204, "No Content"}, {206, "Partial Content"},
    {301, "Moved Permanently"}, {302, "Found"}, {304, "Not Modified"},
    {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
    {408, "Request Timeout"}, {411, "Length Required"}, {413, "Content Too Large"},
    {414, "URI Too Long"}, {416, "Range Not Satisfiable"}, {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

void response_date(time_t time, char ret_text[static 30])
{
    /* strftime() would use the names of the locale. */
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&time, &tm);
    snprintf(ret_text, 30, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
             (unsigned)tm.tm_mday % 100u, months + 3 * tm.tm_mon,
             (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)tm.tm_hour % 100u,
             (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u);
}

/* Returns the date of now, which is made once a second. */
static const char *date_of_now(worker_t *worker)
{
    time_t now = time(NULL);
    if (now != worker->date_time) {
        worker->date_time = now;
        response_date(now, worker->date);
    }
    return worker->date;
}

bool response_has_body(const connection_t *connection, int status)
{
    return connection->request.method != METHOD_HEAD && status != 204 && status != 304;
}

static void add_bytes(text_t *text, const char *bytes, size_t size)
{
    if (size > 0) /* bytes may be NULL else, of an empty body */
        memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void add(text_t *text, const char *bytes)
{
    add_bytes(text, bytes, strlen(bytes));
}

static void add_number(text_t *text, uint64_t number)
{
    char digits[20];
    size_t first = sizeof(digits);
    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add_bytes(text, digits + first, sizeof(digits) - first);
}

/* Makes the head, whose parts are all bounded but `fields`. */
static int make_head(connection_t *connection, int status, const char *type, int64_t size,
                     const char *fields, text_t *text)
{
    request_t *request = &connection->request;
    if (strlen(fields) + strlen(type) > HEAD_MAX - 512)
        return asyncio_raise(-EMSGSIZE, "the head of the response is longer than %d bytes",
                             HEAD_MAX);
    if (size == RESPONSE_CHUNKED && request->minor_version == 0)
        request->keep_alive = false; /* HTTP/1.0 has no chunks: the end of the stream ends it */
    if (connection->worker->is_stopping)
        request->keep_alive = false;
    connection->status = status;
    text->size = 0;
    add(text, "HTTP/1.1 ");
    add_number(text, (uint64_t)status);
    add(text, " ");
    add(text, reason_of(status));
    add(text, "\r\nServer: libasyncio\r\nDate: ");
    add(text, date_of_now(connection->worker));
    if (type[0] != '\0') {
        add(text, "\r\nContent-Type: ");
        add(text, type);
    }
    if (size != RESPONSE_CHUNKED && status != 204 && status != 304) {
        add(text, "\r\nContent-Length: ");
        add_number(text, (uint64_t)size);
    } else if (size == RESPONSE_CHUNKED && request->minor_version > 0) {
        add(text, "\r\nTransfer-Encoding: chunked");
    }
    if (!request->keep_alive)
        add(text, "\r\nConnection: close");
    else if (request->minor_version == 0)
        add(text, "\r\nConnection: keep-alive");
    add(text, "\r\n");
    add(text, fields);
    add(text, "\r\n");
    return 0;
}

int response_begin(connection_t *connection, int status, const char *type, int64_t size,
                   const char *fields)
{
    text_t text;
    int rc = make_head(connection, status, type, size, fields, &text);
    return rc < 0 ? rc : asyncio_stream_writer_write(connection->writer, text.bytes, text.size);
}

int response_write(connection_t *connection, const char *data, size_t size)
{
    connection->sent += size;
    int rc = asyncio_stream_writer_write(connection->writer, data, size);
    return rc < 0 ? rc : connection_drain(connection);
}

int response_send(connection_t *connection, int status, const char *type, const char *body,
                  size_t size, const char *fields)
{
    text_t text;
    int rc = make_head(connection, status, type, (int64_t)size, fields, &text);
    if (rc < 0)
        return rc;
    size_t sent = response_has_body(connection, status) ? size : 0;
    struct iovec pieces[] = {{text.bytes, text.size}, {(void *)body, sent}};
    connection->sent = sent;
    if (sent <= SMALL_BODY) {
        add_bytes(&text, body, sent);
        rc = asyncio_stream_writer_write(connection->writer, text.bytes, text.size);
    } else {
        rc = asyncio_stream_writer_writelines(connection->writer, pieces, 2);
    }
    return rc < 0 ? rc : connection_drain(connection);
}

int response_status(connection_t *connection, int status, const char *fields)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "%d %s\n", status, reason_of(status));
    return response_send(connection, status, "text/plain", text, (size_t)size, fields);
}
