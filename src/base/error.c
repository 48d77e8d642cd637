/* SPDX-License-Identifier: MIT */
/*
 * Error objects and the slot that holds the latest one; see error.h and <asyncio/error.h>.
 *
 * An error object is immutable and counted atomically. Two are static: the one that says "out of
 * memory" is never freed. The slot of a task is found through asyncio__thread.locals.
 */
#include "base/error.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error_object.h"
#include "base/memory.h"
#include "base/thread.h"

unsigned asyncio__fork_generation;
void (*asyncio__fork_hook)(void);

asyncio_error_t asyncio__error_out_of_memory = {
    .code = -ENOMEM, .message = "out of memory", .place = ""};
#define OUT_OF_MEMORY (&asyncio__error_out_of_memory)

static void on_fork(void)
{
    asyncio__fork_generation++;
    if (asyncio__fork_hook)
        asyncio__fork_hook();
}

static void watch_forks(void)
{
    asyncio__ignore(pthread_atfork(NULL, NULL, on_fork));
}

void asyncio__fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

static const struct {
    int code;
    const char *python, *meaning;
} table[] = {
#define ROW(name, value, python, meaning) {value, python, meaning},
    ASYNCIO_ERROR_TABLE(ROW)
#undef ROW
    {-ECANCELED, "CancelledError", "cancelled"},
    {-ETIMEDOUT, "TimeoutError", "timed out"},
    {-EINVAL, "ValueError", "invalid argument"},
    {-ENOMEM, "MemoryError", "out of memory"},
};

const char *asyncio_error_name(int code)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code)
            return table[i].python;
    const char *name = code < 0 && code > -4096 ? strerrorname_np(-code) : NULL;
    return name ? name : code >= 0 ? "OK" : "Error";
}

const char *asyncio_strerror(int code)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code)
            return table[i].meaning;
    const char *meaning = code < 0 && code > -4096 ? strerrordesc_np(-code) : NULL;
    return meaning ? meaning : code >= 0 ? "no error" : "an error of the program's own";
}

const char *asyncio_version(void)
{
    return ASYNCIO_STRING(ASYNCIO_VERSION_MAJOR) "." ASYNCIO_STRING(
        ASYNCIO_VERSION_MINOR) "." ASYNCIO_STRING(ASYNCIO_VERSION_PATCH);
}

/* --- objects ----------------------------------------------------------------------------- */

asyncio_error_t *asyncio__error_make(int code, const char *message, const char *place,
                                     asyncio_error_t *cause, size_t child_count)
{
    asyncio_error_t *error =
        asyncio__calloc(sizeof(*error) + child_count * sizeof(error->child[0]));
    if (!error)
        return OUT_OF_MEMORY;
    atomic_init(&error->refs, 1);
    error->code = code;
    error->message = message;
    error->place = place;
    error->cause = asyncio_error_ref(cause);
    error->child_count = (uint32_t)child_count;
    return error;
}

asyncio_error_t *asyncio__error_new_static(int code, const char *static_message,
                                           asyncio_error_t *cause)
{
    return asyncio__error_make(code, static_message ? static_message : "", "", cause, 0);
}

static asyncio_error_t *make_with_copy(int code, const char *message, const char *place,
                                       asyncio_error_t *cause)
{
    asyncio_error_t *error = asyncio__error_make(code, "", place, cause, 0);
    if (error == OUT_OF_MEMORY || !message || !*message)
        return error;
    error->own_message = asyncio__strdup(message);
    error->message = error->own_message ? error->own_message : "";
    return error;
}

asyncio_error_t *asyncio_error_new(int code, const char *message, asyncio_error_t *cause)
{
    if (code >= 0)
        return asyncio__fail_new(-EINVAL, "\"code\" must be negative");
    return make_with_copy(code, message, "", cause);
}

asyncio_error_t *asyncio__error_new_ssl(int code, const char *message, const char *reason,
                                        int verify_code)
{
    asyncio_error_t *error = make_with_copy(code, message, "", NULL);
    if (error == OUT_OF_MEMORY)
        return error;
    error->ssl_verify_code = verify_code;
    error->ssl_reason = reason ? asyncio__strdup(reason) : NULL;
    return error;
}

asyncio_error_t *asyncio__error_new_cancelled(const char *message)
{
    if (!message)
        return NULL;
    asyncio_error_t *error = make_with_copy(-ECANCELED, message, "", NULL);
    return error == OUT_OF_MEMORY ? NULL : error;
}

asyncio_error_t *asyncio__error_new_group(const char *static_message, asyncio_error_t **children,
                                          size_t count)
{
    asyncio_error_t *group = asyncio__error_make(ASYNCIO_EGROUP, static_message, "", NULL, count);
    for (size_t i = 0; i < count; i++) {
        if (group == OUT_OF_MEMORY)
            asyncio_error_unref(children[i]);
        else
            group->child[i] = children[i];
    }
    return group;
}

asyncio_error_t *asyncio_error_ref(asyncio_error_t *error)
{
    if (error && error != OUT_OF_MEMORY)
        atomic_fetch_add_explicit(&error->refs, 1, memory_order_relaxed);
    return error;
}

/* One reference less; the last one puts the object on a list of those to free. */
static void drop(asyncio_error_t *error, asyncio_error_t **dead)
{
    /* Release here and acquire in the last one: its thread sees what the others wrote. */
    if (!error || error == OUT_OF_MEMORY ||
        atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) != 1)
        return;
    error->next_dead = *dead;
    *dead = error;
}

void asyncio_error_unref(asyncio_error_t *error)
{
    /* In a loop: chains of causes may be long, and groups lie deep in groups. */
    asyncio_error_t *dead = NULL;
    drop(error, &dead);
    while (dead) {
        error = dead;
        dead = error->next_dead;
        drop(error->cause, &dead);
        for (size_t i = 0; i < error->child_count; i++)
            drop(error->child[i], &dead);
        asyncio__free_string(error->own_message);
        asyncio__free_string(error->ssl_reason);
        asyncio__free(error, sizeof(*error) + error->child_count * sizeof(error->child[0]));
    }
}

int asyncio_error_code(const asyncio_error_t *error)
{
    return error ? error->code : 0;
}

const char *asyncio_error_message(const asyncio_error_t *error)
{
    return error ? error->message : "";
}

const char *asyncio_error_place(const asyncio_error_t *error)
{
    return error ? error->place : "";
}

asyncio_error_t *asyncio_error_cause(const asyncio_error_t *error)
{
    return error ? error->cause : NULL;
}

size_t asyncio_error_child_count(const asyncio_error_t *error)
{
    return error ? error->child_count : 0;
}

asyncio_error_t *asyncio_error_child(const asyncio_error_t *error, size_t index)
{
    return error && index < error->child_count ? error->child[index] : NULL;
}

const char *asyncio_error_ssl_reason(const asyncio_error_t *error)
{
    return error && error->ssl_reason ? error->ssl_reason : "";
}

int asyncio_error_ssl_verify_code(const asyncio_error_t *error)
{
    return error ? error->ssl_verify_code : 0;
}

/* --- printing ------------------------------------------------------------------------------ */

/* Groups below this depth are not printed, because a coroutine may print on a small stack. */
#define PRINT_DEPTH_MAX 16

static void print_line(const asyncio_error_t *error, FILE *file, int depth, const char *prefix)
{
    const char *message = *error->message ? error->message : asyncio_strerror(error->code);
    fprintf(file, "%*s%s%s: %s", 2 * depth, "", prefix, asyncio_error_name(error->code), message);
    fprintf(file, *error->place ? " (%s)\n" : "%s\n", error->place);
}

static void print_below(const asyncio_error_t *error, FILE *file, int depth)
{
    for (const char *prefix = ""; error; error = error->cause, prefix = "caused by ") {
        print_line(error, file, depth, prefix);
        if (error->child_count > 0 && depth == PRINT_DEPTH_MAX)
            fprintf(file, "%*s...\n", 2 * depth + 2, "");
        for (size_t i = 0; i < error->child_count && depth < PRINT_DEPTH_MAX; i++)
            print_below(error->child[i], file, depth + 1);
    }
}

int asyncio_error_print(const asyncio_error_t *error, FILE *file)
{
    if (!error)
        return asyncio__fail(-EINVAL, "\"error\" must not be NULL");
    if (!file)
        return asyncio__fail(-EINVAL, "\"file\" must not be NULL");
    print_below(error, file, 0);
    return ferror(file) ? asyncio__fail(-EIO, "the error could not be written") : 0;
}

/* --- the slot ---------------------------------------------------------------------------- */

static asyncio_error_t **slot(void)
{
    return &asyncio__locals()->error;
}

int asyncio__fail_with(int code, asyncio_error_t *error)
{
    asyncio_error_t **place = slot();
    asyncio_error_t *old = *place;
    *place = error;
    if (ASYNCIO__UNLIKELY(error && !asyncio__thread.is_end_watched))
        asyncio__thread_watch_end();
    asyncio_error_unref(old);
    return code;
}

int asyncio__fail(int code, const char *static_message)
{
    asyncio_error_t *error =
        static_message ? asyncio__error_make(code, static_message, "", NULL, 0) : NULL;
    return asyncio__fail_with(code, error == OUT_OF_MEMORY ? NULL : error);
}

void *asyncio__fail_new(int code, const char *static_message)
{
    asyncio__thread.constructor_code = asyncio__fail(code, static_message);
    return NULL;
}

asyncio_error_t *asyncio__error_take(void)
{
    asyncio_error_t **place = slot();
    asyncio_error_t *error = *place;
    *place = NULL;
    return error;
}

asyncio_error_t *asyncio__error_take_of(int code)
{
    return asyncio_error_code(*slot()) == code ? asyncio__error_take() : NULL;
}

asyncio_error_t *asyncio_error_last(void)
{
    return asyncio_error_ref(*slot());
}

asyncio_error_t *asyncio_error_of(int code)
{
    if (asyncio_error_code(*slot()) == code)
        return asyncio_error_ref(*slot());
    return asyncio_error_new(code, NULL, NULL);
}

void asyncio_error_clear(void)
{
    asyncio_error_unref(asyncio__error_take());
}

int asyncio_reraise(asyncio_error_t *error)
{
    if (!error)
        return asyncio__fail(-EINVAL, "\"error\" must not be NULL");
    return asyncio__fail_with(error->code, asyncio_error_ref(error));
}

ASYNCIO_PRINTF(3, 0)
static int raise_with(int code, const char *place, const char *format, va_list arguments)
{
    if (code >= 0)
        code = -EINVAL;
    char text[256], *message = text;
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    size_t size = length < 0 ? 0 : (size_t)length + 1;
    if (size > sizeof(text) && (message = asyncio__malloc(size)))
        vsnprintf(message, size, format, again);
    va_end(again);
    asyncio_error_t *cause = asyncio__error_take();
    asyncio__fail_with(code, make_with_copy(code, message ? message : text, place, cause));
    asyncio_error_unref(cause);
    if (message != text)
        asyncio__free(message, size);
    return code;
}

int asyncio_raise_at(int code, const char *place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    code = raise_with(code, place, format, arguments);
    va_end(arguments);
    return code;
}

int (asyncio_raise)(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    code = raise_with(code, /* place= */ "", format, arguments);
    va_end(arguments);
    return code;
}

int asyncio_errno(void)
{
    int code = asyncio__thread.constructor_code;
    asyncio__thread.constructor_code = 0;
    return code;
}
