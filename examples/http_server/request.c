/* SPDX-License-Identifier: MIT */
/*
 * Parsing the head of a request, line by line. Each line has lost its CR LF when it gets here.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

/* Returns the length of the token at the beginning of a text (RFC 9110, 5.6.2). */
static size_t token_length(const char *text)
{
    static const bool is_token[256] = {
        ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
        ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
        ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
        ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
        ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1,
        ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1,
        ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
        ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1,
        ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
        ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
    };
    size_t length = 0;
    while (is_token[(unsigned char)text[length]])
        length++;
    return length;
}

static int parse_method(request_t *request, const char *name)
{
    static const char *const others[] = {
        "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
    };
    request->method_name = name;
    request->method = METHOD_OTHER;
    if (strcmp(name, "GET") == 0)
        request->method = METHOD_GET;
    else if (strcmp(name, "HEAD") == 0)
        request->method = METHOD_HEAD;
    else if (strcmp(name, "POST") == 0)
        request->method = METHOD_POST;
    if (request->method != METHOD_OTHER)
        return 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(name, others[i]) == 0)
            return 0;
    return 501;
}

/* A target is a path, or a whole URL, of which the path is used: a proxy's client sends that. */
static int parse_target(request_t *request, char *target)
{
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        char *authority = strchr(target, ':') + 3;
        size_t size = strcspn(authority, "/?#");
        if (size == 0)
            return 400;
        /* What follows the authority becomes the target, which needs a slash where it has none. */
        target = authority + size;
        if (target[0] != '/')
            *--target = '/';
    }
    request->target = target;
    for (const unsigned char *c = (const unsigned char *)target; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '#')
            return 400;
    if (request->method == METHOD_OTHER)
        return 0; /* "*" of OPTIONS, a host and port of CONNECT */
    return target[0] == '/' ? 0 : 400;
}

static int parse_version(request_t *request, const char *version)
{
    if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9' || version[8] != '\0')
        return 400;
    if (version[5] != '1')
        return 505;
    request->minor_version = version[7] != '0';
    request->keep_alive = request->minor_version == 1;
    return 0;
}

static int parse_first_line(request_t *request, char *line)
{
    size_t method_size = token_length(line);
    if (method_size == 0 || line[method_size] != ' ')
        return 400;
    line[method_size] = '\0';
    char *target = line + method_size + 1;
    char *version = strchr(target, ' ');
    if (version == NULL || version == target)
        return 400;
    *version++ = '\0';
    int status = parse_version(request, version);
    if (status == 0)
        status = parse_method(request, line);
    if (status == 0)
        status = parse_target(request, target);
    if (status == 0 && version - target > REQUEST_TARGET_BYTES)
        status = 414;
    return status;
}

/* The value is digits alone: no sign, no list, and not more than fits. */
static int parse_length(request_t *request, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    if (request->has_length || digits == 0 || digits > 18 || value[digits] != '\0')
        return 400;
    request->has_length = true;
    request->length = 0;
    for (size_t i = 0; i < digits; i++)
        request->length = 10 * request->length + (uint64_t)(value[i] - '0');
    return 0;
}

static int parse_coding(request_t *request, const char *value)
{
    if (request->is_chunked || request->minor_version == 0)
        return 400;
    if (strcasecmp(value, "chunked") != 0)
        return 501;
    request->is_chunked = true;
    return 0;
}

/* A list of tokens, of which "close" is stronger than "keep-alive". */
static void parse_connection(request_t *request, const char *value, bool *has_close)
{
    while (*value != '\0') {
        size_t size = token_length(value);
        if (size == 5 && strncasecmp(value, "close", 5) == 0)
            *has_close = true;
        else if (size == 10 && strncasecmp(value, "keep-alive", 10) == 0)
            request->keep_alive = true;
        value += size > 0 ? size : 1;
        value += strspn(value, " \t,");
    }
}

/* Keeps the fields that the server uses. A second one of those that may be there once is an error
 * where requests could be smuggled by it, and else the first one is used. */
static int take_field(request_t *request, const char *name, const char *value, bool *has_close)
{
    const char **keep = NULL;
    switch (name[0] | 0x20) { /* most fields differ in their first letter */
    case 'c':
        if (strcasecmp(name, "content-length") == 0)
            return parse_length(request, value);
        if (strcasecmp(name, "connection") == 0)
            parse_connection(request, value, has_close);
        return 0;
    case 'e':
        if (strcasecmp(name, "expect") != 0)
            return 0;
        request->expects_continue = strcasecmp(value, "100-continue") == 0;
        return request->expects_continue ? 0 : 417;
    case 'h':
        if (strcasecmp(name, "host") != 0)
            return 0;
        if (request->has_host || strpbrk(value, " \t/@,") != NULL)
            return 400;
        request->has_host = true;
        return 0;
    case 'i':
        if (strcasecmp(name, "if-none-match") == 0)
            keep = &request->if_none_match;
        else if (strcasecmp(name, "if-modified-since") == 0)
            keep = &request->if_modified_since;
        else if (strcasecmp(name, "if-range") == 0)
            keep = &request->if_range;
        break;
    case 'r':
        if (strcasecmp(name, "range") == 0)
            keep = &request->range;
        break;
    case 't':
        return strcasecmp(name, "transfer-encoding") == 0 ? parse_coding(request, value) : 0;
    }
    if (keep != NULL && *keep == NULL)
        *keep = value;
    return 0;
}

static int parse_field(request_t *request, char *line, size_t size, bool *has_close)
{
    size_t name_size = token_length(line);
    if (name_size == 0 || line[name_size] != ':')
        return 400; /* also a line that begins with a space, to continue the one before it */
    line[name_size] = '\0';
    char *value = line + name_size + 1;
    char *end = line + size;
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (const char *c = value; c < end; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return 400;
    *end = '\0';
    return take_field(request, line, value, has_close);
}

/* What holds of the fields together. */
static int check_fields(const request_t *request)
{
    if (request->minor_version == 1 && !request->has_host)
        return 400;
    if (request->has_length && request->is_chunked)
        return 400; /* which of them ends the body is what smuggling is made of */
    return 0;
}

/* Cuts a line off. Returns its length without CR LF, or -1 where it ends in another way. */
static ptrdiff_t cut_line(char *text, const char *end)
{
    char *newline = memchr(text, '\n', (size_t)(end - text));
    if (newline == NULL || newline == text || newline[-1] != '\r')
        return -1;
    newline[-1] = '\0';
    ptrdiff_t size = newline - 1 - text;
    return memchr(text, '\0', (size_t)size) == NULL ? size : -1;
}

int request_parse(char *text, size_t size, request_t *ret_request)
{
    *ret_request = (request_t){.method = METHOD_OTHER};
    const char *end = text + size;
    ptrdiff_t line_size = cut_line(text, end);
    int status = line_size < 0 ? 400 : parse_first_line(ret_request, text);
    bool has_close = false;
    for (int count = 0; status == 0; count++) {
        text += line_size + 2;
        line_size = cut_line(text, end);
        if (line_size == 0)
            break; /* the empty line: the end of the head */
        if (line_size < 0)
            status = 400;
        else if (count == REQUEST_FIELD_COUNT)
            status = 431;
        else
            status = parse_field(ret_request, text, (size_t)line_size, &has_close);
    }
    if (status == 0)
        status = check_fields(ret_request);
    if (status != 0 || has_close)
        ret_request->keep_alive = false;
    return status;
}
