/* SPDX-License-Identifier: MIT */
/*
 * URLs. http_parser checks the grammar; this file adds the reasons for a refusal, the parts as
 * strings, and the resolution of relative references by RFC 3986. Knows nothing of connections.
 */
#include "url.h"

#include "errors.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Returns whether a text is without control characters and spaces, by which a URL could smuggle a
 * second line into the request. */
static bool is_printable(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

/* Returns the length of "scheme" where the text begins with "scheme:", else 0. */
static size_t scheme_length(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789+.-");
    return text[length] == ':' ? length : 0;
}

/* Returns path and query with bytes beyond ASCII encoded as %XX. */
static char *make_target(const char *path, size_t path_size, const char *query, size_t query_size)
{
    char *target = malloc(3 * (path_size + query_size) + 3);
    if (target == NULL)
        return NULL;
    char *out = target;
    if (path_size == 0)
        *out++ = '/';
    for (size_t i = 0; i < path_size + query_size; i++) {
        unsigned char c = (unsigned char)(i < path_size ? path[i] : query[i - path_size]);
        if (i == path_size)
            *out++ = '?';
        if (c < 0x80)
            *out++ = (char)c;
        else
            out += sprintf(out, "%%%02X", c);
    }
    *out = '\0';
    return target;
}

/* Checks that a text is a URL that can be fetched; else raises the reason. */
static int check_url(const char *text, struct http_parser_url *ret_parts)
{
    size_t size = strlen(text);
    if (size > URL_SIZE_MAX)
        return asyncio_raise(FETCH_EURL, "the URL is longer than %d bytes", URL_SIZE_MAX);
#ifndef FETCH_HAS_SSL
    if (strncasecmp(text, "https:", 6) == 0)
        return asyncio_raise(FETCH_EURL, "https is not supported: fetch was built without OpenSSL");
#endif
    http_parser_url_init(ret_parts);
    if (!is_printable(text) || http_parser_parse_url(text, size, 0, ret_parts) != 0 ||
        (ret_parts->field_set & (1 << UF_SCHEMA)) == 0 ||
        (ret_parts->field_set & (1 << UF_HOST)) == 0)
        return asyncio_raise(FETCH_EURL, "not a URL (expected http://host[:port]/path)");
    if (strncasecmp(text, "http:", 5) != 0 && strncasecmp(text, "https:", 6) != 0)
        return asyncio_raise(FETCH_EURL, "%.*s is not supported, only http and https",
                             (int)scheme_length(text), text);
    if ((ret_parts->field_set & (1 << UF_USERINFO)) != 0)
        return asyncio_raise(FETCH_EURL, "a user name in the URL is not supported");
    if ((ret_parts->field_set & (1 << UF_PORT)) != 0 && ret_parts->port == 0)
        return asyncio_raise(FETCH_EURL, "not a URL (the port is 0)");
    return 0;
}

int url_parse(const char *text, url_t *ret_url)
{
    struct http_parser_url parts;
    int rc = check_url(text, &parts);
    if (rc < 0)
        return rc;
    const char *host = text + parts.field_data[UF_HOST].off;
    size_t host_size = parts.field_data[UF_HOST].len;
    bool has_port = (parts.field_set & (1 << UF_PORT)) != 0;
    bool is_ipv6 = memchr(host, ':', host_size) != NULL;
    bool is_https = strncasecmp(text, "https:", 6) == 0;
    url_t url = {.port = has_port ? parts.port : is_https ? 443 : 80, .is_https = is_https};
    url.host = strndup(host, host_size);
    url.target = make_target(text + parts.field_data[UF_PATH].off, parts.field_data[UF_PATH].len,
                             text + parts.field_data[UF_QUERY].off,
                             parts.field_data[UF_QUERY].len);
    char port[8] = "";
    if (has_port)
        snprintf(port, sizeof(port), ":%u", url.port);
    if (url.host == NULL || url.target == NULL ||
        asprintf(&url.authority, is_ipv6 ? "[%s]%s" : "%s%s", url.host, port) < 0) {
        url.authority = NULL;
        url_fini(&url);
        return -ENOMEM;
    }
    *ret_url = url;
    return 0;
}

/* Returns whether the path segment that begins here is `name`. */
static bool is_segment(const char *text, const char *name)
{
    size_t size = strlen(name);
    return strncmp(text, name, size) == 0 && strchr("/?", text[size]) != NULL;
}

/* Removes "/." and "/x/.." from a path that begins with '/', as RFC 3986, 5.2.4; in place. */
static void remove_dot_segments(char *path)
{
    const char *in = path;
    char *out = path;
    while (*in == '/') {
        bool is_up = is_segment(in + 1, "..");
        if (is_up || is_segment(in + 1, ".")) {
            in += is_up ? 3 : 2;
            while (is_up && out > path && *--out != '/')
                continue;
            if (*in != '/')
                *out++ = '/';
            continue;
        }
        size_t size = 1 + strcspn(in + 1, "/?");
        memmove(out, in, size);
        in += size;
        out += size;
    }
    memmove(out, in, strlen(in) + 1);
}

int url_join(const url_t *base, const char *location, url_t *ret_url)
{
    char *text = NULL;
    int length;
    if (scheme_length(location) > 0) {
        length = asprintf(&text, "%s", location);
    } else if (strncmp(location, "//", 2) == 0) {
        length = asprintf(&text, "%s:%s", base->is_https ? "https" : "http", location);
    } else {
        size_t keep = 0;
        if (location[0] == '\0' || location[0] == '#') {
            keep = strlen(base->target);
        } else if (location[0] == '?') {
            keep = strcspn(base->target, "?");
        } else if (location[0] != '/') {
            size_t path = strcspn(base->target, "?");
            const char *slash = memrchr(base->target, '/', path);
            keep = slash != NULL ? (size_t)(slash - base->target) + 1 : 0;
        }
        length = asprintf(&text, "%s://%s%.*s%s", base->is_https ? "https" : "http",
                          base->authority, (int)keep, base->target, location);
    }
    if (length < 0)
        return -ENOMEM;
    int rc = url_parse(text, ret_url);
    if (rc == 0)
        remove_dot_segments(ret_url->target);
    free(text);
    return rc;
}

void url_fini(url_t *url)
{
    free(url->host);
    free(url->authority);
    free(url->target);
    *url = (url_t){0};
}
