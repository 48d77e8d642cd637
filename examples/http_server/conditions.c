/* SPDX-License-Identifier: MIT */
/*
 * Comparing what a client says that it has with what there is.
 */
#include "conditions.h"

#include "response.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

validators_t validators_of(const struct stat *status)
{
    validators_t validators = {.time = status->st_mtim.tv_sec};
    snprintf(validators.etag, sizeof(validators.etag), "\"%" PRIx64 "-%" PRIx64 "\"",
             (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec,
             (uint64_t)status->st_size);
    response_date(validators.time, validators.modified);
    return validators;
}

/* Reads a date in the form that servers must send; the two old ones count as no date. */
static bool parse_date(const char *text, time_t *ret_time)
{
    struct tm tm = {0};
    char month[4] = "", zone[4] = "";
    int size = 0;
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[GMT]%n", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone, &size) != 7 ||
        text[size] != '\0' || strcmp(zone, "GMT") != 0 || strlen(month) != 3)
        return false;
    const char *found = strstr(months, month);
    if (found == NULL || (found - months) % 3 != 0)
        return false;
    tm.tm_mon = (int)(found - months) / 3;
    tm.tm_year -= 1900;
    *ret_time = timegm(&tm);
    return true;
}

/* Whether a list of entity tags has this one, or is "*". A weak one (W/) matches as well. */
static bool has_etag(const char *list, const char *etag)
{
    if (strcmp(list, "*") == 0)
        return true;
    size_t etag_size = strlen(etag);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (*list != '"')
            return false; /* the end, or not a list of entity tags */
        const char *end = strchr(list + 1, '"');
        if (end == NULL)
            return false;
        size_t size = (size_t)(end + 1 - list);
        if (size == etag_size && memcmp(list, etag, size) == 0)
            return true;
        list = end + 1;
    }
    return false;
}

static bool is_unchanged(const request_t *request, const validators_t *validators)
{
    time_t since;
    if (request->if_none_match != NULL) /* it makes the date meaningless */
        return has_etag(request->if_none_match, validators->etag);
    return request->if_modified_since != NULL &&
           parse_date(request->if_modified_since, &since) && validators->time <= since;
}

/* Reads digits. Numbers that do not fit become the largest: they are behind every end. */
static const char *read_number(const char *text, int64_t *ret_number)
{
    *ret_number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        *ret_number = *ret_number > INT64_MAX / 10 - 1 ? INT64_MAX - 10
                                                       : *ret_number * 10 + (*text - '0');
    return text;
}

/* Reads one range: bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT. Returns 200, 206 or 416. */
static int parse_range(const char *text, int64_t size, part_t *ret_part)
{
    if (strncasecmp(text, "bytes=", 6) != 0)
        return 200;
    text += 6;
    int64_t first, last;
    const char *end = read_number(text, &first);
    bool has_first = end > text;
    if (*end != '-')
        return 200;
    text = end + 1;
    end = read_number(text, &last);
    bool has_last = end > text;
    if (*end != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return 200;
    if (!has_first) {
        if (last == 0)
            return 416;
        first = last < size ? size - last : 0;
        has_last = false;
    }
    if (first >= size)
        return 416;
    if (!has_last || last >= size)
        last = size - 1;
    *ret_part = (part_t){.offset = first, .size = last - first + 1};
    return 206;
}

int conditions_check(const request_t *request, const validators_t *validators, int64_t size,
                     part_t *ret_part)
{
    *ret_part = (part_t){.offset = 0, .size = size};
    if (is_unchanged(request, validators))
        return 304;
    if (request->range == NULL || request->method != METHOD_GET)
        return 200;
    /* The range is of the file that the client has begun to fetch: only if that is still here. */
    if (request->if_range != NULL && strcmp(request->if_range, validators->etag) != 0 &&
        strcmp(request->if_range, validators->modified) != 0)
        return 200;
    return parse_range(request->range, size, ret_part);
}
