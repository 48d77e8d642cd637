/* SPDX-License-Identifier: MIT */
/*
 * A stream reader beside a naive model of it. Any bytes are a stream in fragments and a list of
 * calls; each call must return what follows from the bytes of the stream that are left, however
 * they are cut into fragments and whenever these come. Some calls are cancelled: what such a call
 * does not return, the next one must.
 *
 * The model knows all of the stream from the beginning. One thing only it must be told: how much
 * the reader has received when a line is too long, because that is what readline() drops then.
 */
#include "fuzz.h"

#include <asyncio.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "net/connection.h"
#include "script_channel.h"

#define STREAM_MOST 100000
#define CALLS_MOST  64
#define BUFFER_SIZE 10000

static const size_t limits[] = {1, 2, 3, 7, 16, 100, 4096, 0};
static const double delays[] = {0, 0, 0.5, 1};
static const size_t sizes[] = {0, 1, 2, 5, 50, 4096, 4097, BUFFER_SIZE};
static const char *const separators[] = {"\n", "\r\n", "a", "ab", "aab", "abab;", "aaaaaaaa", ";;"};
static const char letters[] = "ab\n\r;aaa";
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

typedef struct model {
    script_t script;
    char data[STREAM_MOST];          /* of the script */
    size_t limit;                    /* of lines and searches */
    bool ends_on_overrun;            /* the option */
    bool is_overrun;                 /* and it has been applied */
    size_t consumed;                 /* bytes of the stream that calls have returned or dropped */
    asyncio_stream_reader_t *reader; /* of the stream */
    asyncio_task_t *task;            /* that reads, borrowed */
    bool is_cancel_wanted;           /* the present call was cancelled */
    fuzz_bytes_t bytes;              /* the calls */
    const char *call;                /* the present one, for messages */
} model_t;

static void fail(const model_t *model, const char *what, ssize_t found, ssize_t wanted)
{
    fprintf(stderr, "fuzz_reader: %s: %s: %zd, not %zd; limit %zu, %zu consumed of %zu\n",
            model->call, what, found, wanted, model->limit, model->consumed, model->script.size);
    abort();
}

static void expect(const model_t *model, const char *what, ssize_t found, ssize_t wanted)
{
    if (found != wanted)
        fail(model, what, found, wanted);
}

static const char *left(const model_t *model)
{
    return model->data + model->consumed;
}

static size_t left_size(const model_t *model)
{
    return model->script.size - model->consumed;
}

static void expect_bytes(model_t *model, const char *found, size_t size)
{
    if (size > left_size(model))
        fail(model, "more bytes than there are", (ssize_t)size, (ssize_t)left_size(model));
    for (size_t i = 0; i < size; i++)
        expect(model, "another byte", found[i], left(model)[i]);
    model->consumed += size;
}

/* --- what each call must return ------------------------------------------------------------ */

/* Whether the call ended before it looked at the stream, as it had to. */
static bool is_refused(model_t *model, ssize_t rc, bool was_lost)
{
    if (was_lost)
        expect(model, "lost before", rc, -ECONNRESET);
    else if (model->is_overrun)
        expect(model, "after an overrun", rc, ASYNCIO_ELIMITOVERRUN);
    return was_lost || model->is_overrun;
}

/* Where a separator begins in what is left; its size if it is not there. */
static size_t place_of(const model_t *model, const char *separator)
{
    size_t size = strlen(separator);
    for (size_t i = 0; i + size <= left_size(model); i++)
        if (memcmp(left(model) + i, separator, size) == 0)
            return i;
    return left_size(model);
}

static void check_read(model_t *model, ssize_t rc, const char *buffer, size_t size)
{
    if (size == 0) {
        expect(model, "nothing was wanted", rc, 0);
    } else if (left_size(model) == 0) {
        expect(model, "at the end", rc, model->script.is_lost ? -ECONNRESET : 0);
    } else {
        if (rc < 1 || (size_t)rc > size)
            fail(model, "a count", rc, (ssize_t)size);
        expect_bytes(model, buffer, (size_t)rc);
    }
}

static void check_exactly(model_t *model, ssize_t rc, const char *buffer, size_t size,
                          size_t partial)
{
    if (size <= left_size(model)) {
        expect(model, "all of it", rc, (ssize_t)size);
        expect_bytes(model, buffer, size);
    } else if (model->script.is_lost) {
        expect(model, "lost", rc, -ECONNRESET);
    } else {
        expect(model, "less than wanted", rc, ASYNCIO_EINCOMPLETEREAD);
        expect(model, "partial", (ssize_t)partial, (ssize_t)left_size(model));
        expect_bytes(model, buffer, partial);
    }
}

static void check_all(model_t *model, ssize_t rc, const char *data)
{
    if (model->script.is_lost) {
        expect(model, "lost", rc, -ECONNRESET);
        return;
    }
    expect(model, "all of it", rc, (ssize_t)left_size(model));
    expect(model, "a NUL behind it", data[rc], 0);
    expect_bytes(model, data, (size_t)rc);
}

/* What a search finds: the number of bytes up to its end, 0 where the stream ends before, or
 * ASYNCIO_ELIMITOVERRUN. */
static ssize_t outcome_of_search(const model_t *model, const char *separator)
{
    size_t size = strlen(separator), place = place_of(model, separator);
    size_t limit = model->limit ? model->limit : ASYNCIO_STREAM_LIMIT_BYTES;
    bool is_there = place < left_size(model);
    if (is_there ? place > limit : left_size(model) >= size && left_size(model) + 1 - size > limit)
        return ASYNCIO_ELIMITOVERRUN;
    return is_there ? (ssize_t)(place + size) : 0;
}

static void check_until(model_t *model, ssize_t rc, const char *data, const char *separator)
{
    ssize_t wanted = outcome_of_search(model, separator);
    if (wanted > 0) {
        expect(model, "found", rc, wanted);
        expect_bytes(model, data, (size_t)wanted);
    } else if (wanted < 0) {
        expect(model, "beyond the limit", rc, wanted);
        model->is_overrun = model->ends_on_overrun;
    } else if (model->script.is_lost) {
        expect(model, "lost", rc, -ECONNRESET);
    } else {
        expect(model, "not there", rc, ASYNCIO_EINCOMPLETEREAD);
        size_t partial = asyncio_stream_reader_partial(model->reader);
        expect(model, "partial", (ssize_t)partial, (ssize_t)left_size(model));
        expect_bytes(model, data, partial);
    }
}

static void check_line(model_t *model, ssize_t rc, const char *line)
{
    ssize_t wanted = outcome_of_search(model, "\n");
    size_t received = model->script.given - model->consumed;
    if (wanted < 0) {
        expect(model, "a line beyond the limit", rc, -EINVAL);
        if (received <= model->limit)
            fail(model, "dropped too early", (ssize_t)received, (ssize_t)model->limit);
        size_t place = place_of(model, "\n");
        model->consumed += place < received ? place + 1 : received;
        model->is_overrun = model->ends_on_overrun;
    } else if (wanted == 0 && model->script.is_lost) {
        expect(model, "lost", rc, -ECONNRESET);
    } else {
        expect(model, "a line", rc, wanted ? wanted : (ssize_t)left_size(model));
        expect_bytes(model, line, (size_t)rc);
    }
}

/* --- calls --------------------------------------------------------------------------------- */

/* Whether the call was cancelled: then nothing was consumed. */
static bool is_cancelled(model_t *model, ssize_t rc)
{
    if (rc == -ECANCELED && !model->is_cancel_wanted)
        fail(model, "nobody cancelled it", rc, 0);
    return rc == -ECANCELED;
}

static void check_at_eof(model_t *model)
{
    const script_t *script = &model->script;
    bool is_there = script->next == script->count &&
                    (script->is_ripe || script->delays[script->next] == 0);
    bool wanted = left_size(model) == 0 && !script->is_lost && is_there;
    expect(model, "at_eof", asyncio_stream_reader_at_eof(model->reader), wanted);
}

static ssize_t read_some(model_t *model, size_t size, bool exactly)
{
    static char buffer[BUFFER_SIZE];
    size_t partial = 0;
    bool was_lost = model->script.channel.code < 0;
    model->call = exactly ? "readexactly" : "read";
    ssize_t rc = exactly ? asyncio_stream_reader_readexactly(model->reader, buffer, size, &partial)
                         : asyncio_stream_reader_read(model->reader, buffer, size);
    if (is_cancelled(model, rc) || is_refused(model, rc, was_lost))
        return rc;
    if (exactly)
        check_exactly(model, rc, buffer, size, partial);
    else
        check_read(model, rc, buffer, size);
    return rc;
}

static ssize_t search(model_t *model, uint8_t kind, const char *separator)
{
    const char *data = NULL;
    bool was_lost = model->script.channel.code < 0;
    ssize_t rc;
    if (kind == 0) {
        model->call = "readline";
        rc = asyncio_stream_reader_readline(model->reader, &data);
    } else if (kind == 1) {
        model->call = "readuntil";
        rc = asyncio_stream_reader_readuntil(model->reader, separator, strlen(separator), &data);
    } else {
        model->call = "read_all";
        rc = asyncio_stream_reader_read_all(model->reader, &data);
    }
    if (is_cancelled(model, rc) || is_refused(model, rc, was_lost))
        return rc;
    if (kind == 0)
        check_line(model, rc, data);
    else if (kind == 1)
        check_until(model, rc, data, separator);
    else
        check_all(model, rc, data);
    return rc;
}

static ssize_t call(model_t *model, uint8_t kind)
{
    size_t size = sizes[(kind >> 3) % LENGTH(sizes)];
    switch (kind % 8) {
    case 0:
    case 1:
        return search(model, 0, NULL);
    case 2:
    case 3:
        return search(model, 1, separators[(kind >> 3) % LENGTH(separators)]);
    case 4:
        return search(model, 2, NULL);
    case 5:
        return read_some(model, size, /* exactly= */ true);
    default:
        return read_some(model, size, /* exactly= */ false);
    }
}

static void cancel_call(void *arg)
{
    model_t *model = arg;
    model->is_cancel_wanted = true;
    asyncio_task_cancel(model->task, NULL);
}

/* A call that may be cancelled while it waits. Where it returns something else than -ECANCELED, the
 * next suspension returns that. */
static void call_and_cancel(model_t *model, uint8_t kind, uint8_t when)
{
    asyncio_loop_t *loop = asyncio_get_running_loop();
    asyncio_handle_t *timer = NULL, *handle = NULL;
    model->is_cancel_wanted = false;
    if (when % 4 == 1 && asyncio_loop_call_later(loop, 0.5, cancel_call, model, &timer) < 0)
        abort();
    if (when % 4 == 2 && asyncio_loop_call_soon(loop, cancel_call, model, &handle) < 0)
        abort();
    if (when % 4 == 3)
        cancel_call(model);
    ssize_t rc = call(model, kind);
    if (timer)
        asyncio_handle_cancel(timer);
    asyncio_handle_cancel(handle);
    if (model->is_cancel_wanted) {
        expect(model, "the cancellation is told once", asyncio_sleep(0),
               rc == -ECANCELED ? 0 : -ECANCELED);
        asyncio_task_uncancel(model->task);
    }
    asyncio_handle_unref(timer);
    asyncio_handle_unref(handle);
}

static void read_stream(model_t *model)
{
    for (int i = 0; i < CALLS_MOST && model->bytes.at < model->bytes.end; i++) {
        uint8_t kind = fuzz_byte(&model->bytes), more = fuzz_byte(&model->bytes);
        call_and_cancel(model, kind, more >> 4);
        if (more & 1)
            check_at_eof(model);
    }
    model->is_cancel_wanted = false;
    search(model, 2, NULL); /* all that is left is still there */
    if (!model->is_overrun)
        check_at_eof(model);
}

/* --- the input ----------------------------------------------------------------------------- */

/* A fragment: a few letters, or one letter many times. */
static size_t make_fragment(fuzz_bytes_t *bytes, char *data, size_t room)
{
    uint8_t head = fuzz_byte(bytes);
    size_t size = head < 192 ? head % 24 + 1u : (size_t)(head - 191) * 128;
    if (size > room)
        size = room;
    if (head >= 192) {
        memset(data, letters[fuzz_byte(bytes) % 8], size);
        return size;
    }
    for (size_t i = 0; i < size; i++)
        data[i] = letters[fuzz_byte(bytes) % 8];
    return size;
}

static void make_stream(model_t *model, fuzz_bytes_t *bytes)
{
    script_t *script = &model->script;
    size_t count = fuzz_byte(bytes) % (FRAGMENTS_MOST + 1);
    script->data = model->data;
    for (size_t i = 0; i < count && script->size < STREAM_MOST; i++) {
        script->delays[i] = delays[fuzz_byte(bytes) % 4];
        script->size += make_fragment(bytes, model->data + script->size,
                                      STREAM_MOST - script->size);
        script->ends[script->count++] = script->size;
    }
    script->delays[script->count] = delays[fuzz_byte(bytes) % 4];
}

static int run(void *arg, void **ret_result)
{
    (void)ret_result;
    model_t *model = arg;
    script_open(&model->script, asyncio_get_running_loop());
    asyncio__connection_t *connection =
        asyncio__connection_new(&model->script.channel, model->limit);
    if (!connection)
        abort();
    connection->reader.ends_on_overrun = model->ends_on_overrun;
    model->reader = &connection->reader;
    model->task = asyncio_current_task();
    read_stream(model);
    asyncio_stream_writer_close(&connection->writer);
    asyncio_stream_writer_unref(&connection->writer);
    asyncio_stream_reader_unref(&connection->reader);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    /* Creates the objects that the library keeps for the whole process. */
    return LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model_t model;
    static long blocks = -1;
    memset(&model, 0, sizeof(model));
    fuzz_bytes_t bytes = {data, data + size};
    uint8_t flags = fuzz_byte(&bytes);
    model.limit = limits[flags % LENGTH(limits)];
    model.ends_on_overrun = (flags & 8) != 0;
    model.script.is_lost = (flags & 16) != 0;
    model.script.cancel = (script_cancel_t)((flags >> 5) % CANCEL_KINDS);
    make_stream(&model, &bytes);
    model.bytes = bytes;
    asyncio_loop_options_t loop_options = {.size = sizeof(loop_options),
                                           .engine = ASYNCIO_ENGINE_SIM,
                                           .clock = ASYNCIO_CLOCK_VIRTUAL,
                                           .await_budget = size % 3 == 0 ? 2 : 0};
    asyncio_runner_options_t options = {.size = sizeof(options), .loop_options = &loop_options};
    model.call = "asyncio_run_full";
    expect(&model, "the run", asyncio_run_full(asyncio_coroutine(run, &model), &options, NULL), 0);
    expect(&model, "the channel is freed", model.script.is_freed, 1);
    asyncio_error_clear();
    if (blocks >= 0)
        expect(&model, "blocks are left behind", asyncio__live_blocks(), blocks);
    blocks = asyncio__live_blocks();
    return 0;
}
