/* SPDX-License-Identifier: MIT */
/*
 * Decoding gzip. A body may consist of several members, each a whole gzip file: what they stand for
 * is one text.
 */
#include "gzip.h"

#include "errors.h"

#ifdef FETCH_HAS_ZLIB
#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

struct gzip {
    z_stream stream;       /* zlib's state */
    bool is_in_member;     /* a member has begun and not ended */
    bool has_member;       /* a member has ended */
    uint64_t decoded;      /* bytes of all members */
    unsigned char out[16384]; /* decoded bytes on their way to the output */
};

const char gzip_accept[] = "Accept-Encoding: gzip\r\n";

int gzip_new(gzip_t **ret_gzip)
{
    gzip_t *gzip = malloc(sizeof(*gzip));
    if (gzip == NULL)
        return -ENOMEM;
    gzip->stream = (z_stream){0};
    gzip->is_in_member = gzip->has_member = false;
    gzip->decoded = 0;
    if (inflateInit2(&gzip->stream, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip, and nothing else */
        free(gzip);
        return -ENOMEM;
    }
    *ret_gzip = gzip;
    return 0;
}

void gzip_free(gzip_t *gzip)
{
    if (gzip == NULL)
        return;
    inflateEnd(&gzip->stream);
    free(gzip);
}

int gzip_decode(gzip_t *gzip, const char *data, size_t size, gzip_output_t *output, void *arg)
{
    z_stream *stream = &gzip->stream;
    stream->next_in = (unsigned char *)data;
    stream->avail_in = (unsigned)size;
    bool is_out_full = false;
    while (stream->avail_in > 0 || is_out_full) {
        stream->next_out = gzip->out;
        stream->avail_out = sizeof(gzip->out);
        gzip->is_in_member = true;
        int code = inflate(stream, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR)
            return -ENOMEM;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return asyncio_raise(FETCH_EGZIP, "the body is not valid gzip: %s",
                                 stream->msg != NULL ? stream->msg : "corrupt data");
        size_t decoded = sizeof(gzip->out) - stream->avail_out;
        is_out_full = stream->avail_out == 0 && code == Z_OK;
        gzip->decoded += decoded;
        if (gzip->decoded > GZIP_BYTES_MAX)
            return asyncio_raise(FETCH_EGZIP, "the decoded body is larger than %" PRIu64 " bytes",
                                 GZIP_BYTES_MAX);
        int rc = decoded > 0 ? output(arg, (const char *)gzip->out, decoded) : 0;
        if (rc < 0)
            return rc;
        if (code == Z_STREAM_END) {
            gzip->is_in_member = false;
            gzip->has_member = true;
            inflateReset(stream);
        }
    }
    return 0;
}

int gzip_finish(const gzip_t *gzip)
{
    if (gzip->is_in_member || !gzip->has_member)
        return asyncio_raise(FETCH_EGZIP, "the body is not valid gzip: it ends too early");
    return 0;
}

#else /* no zlib: the server is not asked for gzip, and one that sends it all the same is refused */

const char gzip_accept[] = "";

int gzip_new(gzip_t **ret_gzip)
{
    (void)ret_gzip;
    return asyncio_raise(FETCH_EGZIP, "the body is gzip, and fetch was built without zlib");
}

void gzip_free(gzip_t *gzip)
{
    (void)gzip;
}

int gzip_decode(gzip_t *gzip, const char *data, size_t size, gzip_output_t *output, void *arg)
{
    (void)gzip;
    return output(arg, data, size);
}

int gzip_finish(const gzip_t *gzip)
{
    (void)gzip;
    return 0;
}

#endif
