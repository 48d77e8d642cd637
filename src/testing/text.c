/* SPDX-License-Identifier: MIT */
/* A text that grows by lines; see text.h. */
#include "testing/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

#define FIRST_BYTES ((size_t)256)

int asyncio__text_init(asyncio__text_t *text)
{
    *text = (asyncio__text_t){.text = asyncio__malloc(FIRST_BYTES), .capacity = FIRST_BYTES};
    if (!text->text)
        return -ENOMEM;
    *text->text = '\0';
    return 0;
}

void asyncio__text_fini(asyncio__text_t *text)
{
    asyncio__free(text->text, text->capacity);
    *text = (asyncio__text_t){.text = NULL};
}

void asyncio__text_clear(asyncio__text_t *text)
{
    text->length = text->lines = 0;
    *text->text = '\0';
}

static bool make_room(asyncio__text_t *text, size_t bytes)
{
    size_t wanted = text->capacity;
    while (wanted - text->length <= bytes)
        wanted *= 2;
    if (wanted == text->capacity)
        return true;
    char *grown = asyncio__realloc(text->text, text->capacity, wanted);
    if (!grown)
        return false;
    text->text = grown;
    text->capacity = wanted;
    return true;
}

void asyncio__text_add(asyncio__text_t *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text->lines++;
    if (length < 0 || !make_room(text, (size_t)length + 1))
        return;
    va_start(arguments, format);
    vsnprintf(text->text + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
    text->text[text->length++] = '\n';
    text->text[text->length] = '\0';
}

void asyncio__text_move(asyncio__text_t *text, asyncio__text_t *other)
{
    if (make_room(text, other->length)) {
        memcpy(text->text + text->length, other->text, other->length + 1);
        text->length += other->length;
    }
    text->lines += other->lines;
    asyncio__text_clear(other);
}
