/* SPDX-License-Identifier: MIT */
/*
 * Bytes made a scenario of the conformance language: any bytes are one, and those that a fuzzer
 * changes a little are one that differs a little.
 *
 * A byte chooses the statement, those behind it its arguments; a choice beyond the table ends a
 * body. The first body is main's, then come those of the coroutines; each starts only later ones,
 * so that calls are nested a few times only, and a small stack will do. Knows what stands in
 * ../conformance/LANGUAGE.md, and nothing of how it is run.
 */
#include "decode.h"

#include <string.h>

#define STATEMENTS_MOST 300
#define DEPTH_MOST      6
#define ENDS            12 /* choices that end a body */

/* Names of coroutines; any may be started, and the last one has no body. */
static const char *const names[] = {"u", "v", "w", "x", "none"};
#define COROUTINES 4

typedef struct bytes {
    const uint8_t *at, *end; /* what is left */
    size_t statements;       /* how many were made */
    size_t body;             /* the first coroutine that this body may start */
} bytes_t;

/* The possible values of an argument: its letter in FORMS, and the words. */
static const struct {
    char letter;
    const char *words;
} choices[] = {
    {'x', "a b c d e f"},       {'h', "h i"},
    {'t', "A B C"},
    {'e', "E1 E2"},             {'L', "L0 S0:1 C0 S1:2 L1 S2:0"},
    {'E', "E0 E1"},             {'C', "C0 C1"},
    {'B', "B0:2 B1:3 B2:1"},    {'Q', "Q0:1 Q1:0 P0:2 K0:0 P1:0"},
    {'w', "ALL FIRST EXC"},     {'k', "cancelled timeout error group any all"},
    {'m', "- - m1 m2"},         {'n', "0 1 2 3 5 9"},
    {'i', "0 0 1 1 2 3 7"},     {'o', "- 0 1 2 3 5"},
    {'b', "0 1"},
};

/* The statements: a letter for each argument; c is a coroutine, S a list of sources, { a body, H
 * handlers, F the body of a finally. */
static const struct {
    const char *name;
    const char *arguments;
} forms[] = {
    {"log", "t"},           {"time", ""},           {"raise", "e"},
    {"return", "n"},        {"task", "xc"},         {"task", "xc"},
    {"task", "xc"},         {"coro", "xc"},         {"future", "x"},
    {"future", "x"},        {"ensure", "xx"},       {"set_result", "xn"},
    {"set_exception", "xe"}, {"cancel", "xm"},      {"cancel", "xm"},
    {"uncancel", "x"},      {"cancelling", "x"},    {"cancel_self", ""},
    {"uncancel_self", ""},  {"state", "x"},         {"result", "x"},
    {"exception", "x"},     {"on_done", "xt{"},     {"off_done", "xt"},
    {"gather", "xSb"},      {"shield", "xx"},       {"call_soon", "ht{"},
    {"call_later", "hit{"}, {"call_at", "hit{"},    {"cancel_handle", "h"},
    {"all_tasks", ""},      {"release", "L"},       {"set", "E"},
    {"clear", "E"},         {"notify", "Cn"},       {"notify_all", "C"},
    {"locked", "L"},        {"qsize", "Q"},         {"put_nowait", "Qn"},
    {"get_nowait", "Q"},    {"task_done", "Q"},     {"queue_shutdown", "Qb"},
    {"sleep", "i"},         {"sleep", "i"},         {"sleep", "i"},
    {"await", "x"},         {"await", "x"},         {"call", "c"},
    {"try", "{H"},          {"try", "{HF"},         {"repeat", "n{"},
    {"wait", "Sow"},        {"wait_for", "xo"},     {"as_completed", "So"},
    {"timeout", "o{"},      {"group", "{"},         {"spawn", "xc"},
    {"spawn", "xc"},        {"with", "L{"},         {"acquire", "L"},
    {"event_wait", "E"},    {"cond_wait", "C"},     {"barrier_wait", "B"},
    {"barrier_reset", "B"}, {"barrier_abort", "B"}, {"put", "Qn"},
    {"get", "Q"},           {"join", "Q"},
};
#define FORMS (sizeof(forms) / sizeof(*forms))

static json_t *body_of(bytes_t *bytes, int depth);

static uint8_t next(bytes_t *bytes)
{
    return bytes->at < bytes->end ? *bytes->at++ : 255;
}

/* Returns one of the words of a list that blanks separate. */
static json_t *word_of(bytes_t *bytes, const char *words)
{
    size_t count = 1;
    for (const char *at = words; *at; at++)
        count += *at == ' ';
    for (size_t skip = next(bytes) % count; skip > 0; skip--)
        words = strchr(words, ' ') + 1;
    return json_stringn(words, strcspn(words, " "));
}

/* Returns a word of the list that a letter stands for; numbers and null are not texts. */
static json_t *choice_of(bytes_t *bytes, char letter)
{
    size_t i = 0;
    while (choices[i].letter != letter)
        i++;
    json_t *word = word_of(bytes, choices[i].words), *value = word;
    const char *text = json_string_value(word);
    if (strchr("om", letter) && strcmp(text, "-") == 0)
        value = json_null();
    else if (letter == 'b')
        value = json_boolean(*text == '1');
    else if (strchr("nio", letter))
        value = json_integer(*text - '0');
    if (value != word)
        json_decref(word);
    return value;
}

static json_t *sources_of(bytes_t *bytes)
{
    json_t *sources = json_array();
    for (size_t count = next(bytes) % 5; count > 0; count--)
        json_array_append_new(sources, choice_of(bytes, 'x'));
    return sources;
}

static json_t *handlers_of(bytes_t *bytes, int depth)
{
    json_t *handlers = json_array();
    for (size_t count = next(bytes) % 3; count > 0; count--) {
        json_t *kind = choice_of(bytes, 'k');
        json_t *body = next(bytes) % 4 == 0 ? json_string("reraise") : body_of(bytes, depth);
        json_array_append_new(handlers, json_pack("[oo]", kind, body));
    }
    return handlers;
}

static json_t *argument_of(bytes_t *bytes, char letter, int depth)
{
    switch (letter) {
    case 'S':
        return sources_of(bytes);
    case 'c':
        return json_string(names[bytes->body + next(bytes) % (COROUTINES + 1 - bytes->body)]);
    case 'H':
        return handlers_of(bytes, depth);
    case '{':
    case 'F':
        return body_of(bytes, depth);
    default:
        return choice_of(bytes, letter);
    }
}

/* Returns the next statement of a body, or NULL at its end. */
static json_t *statement_of(bytes_t *bytes, int depth)
{
    size_t form = next(bytes) % (FORMS + ENDS);
    if (form >= FORMS || bytes->statements == STATEMENTS_MOST)
        return NULL;
    bytes->statements++;
    json_t *statement = json_pack("[s]", forms[form].name);
    for (const char *letter = forms[form].arguments; *letter; letter++)
        json_array_append_new(statement, argument_of(bytes, *letter, depth));
    return statement;
}

static json_t *body_of(bytes_t *bytes, int depth)
{
    json_t *body = json_array(), *statement;
    while (depth < DEPTH_MOST && bytes->at < bytes->end &&
           (statement = statement_of(bytes, depth + 1)))
        json_array_append_new(body, statement);
    return body;
}

json_t *decode(const uint8_t *data, size_t size)
{
    bytes_t bytes = {data, data + size, 0, 0};
    json_t *main = body_of(&bytes, 0), *coros = json_object();
    for (size_t i = 0; i < COROUTINES; i++) {
        bytes.body = i + 1;
        json_object_set_new(coros, names[i], body_of(&bytes, 0));
    }
    return json_pack("{soso}", "main", main, "coros", coros);
}
