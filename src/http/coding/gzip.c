/* gzip by zlib (RFC 1952). */
#include "http/coding/codec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum { WINDOW_BITS = 15, GZIP = 16, MEMORY_LEVEL = 8 };

struct stream {
    z_stream z;
    int level;
    bool ended;
};

static unsigned most(size_t n)
{
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static void *encoder_new(int level, uint64_t size)
{
    (void)size;
    struct stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->level = level;
    if (deflateInit2(&s->z, level, Z_DEFLATED, WINDOW_BITS + GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) == Z_OK)
        return s;
    free(s);
    return NULL;
}

static bool encoder_reset(void *encoder, int level, uint64_t size)
{
    (void)size;
    struct stream *s = encoder;
    return s->level == level && deflateReset(&s->z) == Z_OK;
}

static enum nx__coded_state encode(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len)
{
    static const int flush[] = {
        [NX__CODE_MORE] = Z_NO_FLUSH, [NX__CODE_FLUSH] = Z_SYNC_FLUSH, [NX__CODE_END] = Z_FINISH};
    z_stream *z = &((struct stream *)encoder)->z;
    unsigned in_len = most(in->len), out_len = most(cap);
    z->next_in = (Bytef *)(uintptr_t)in->data;
    z->avail_in = in_len;
    z->next_out = (Bytef *)out;
    z->avail_out = out_len;
    int result = deflate(z, in_len < in->len ? Z_NO_FLUSH : flush[op]);
    *in = nx__code_rest(*in, in_len - z->avail_in);
    *len = out_len - z->avail_out;
    if (result == Z_STREAM_END) return NX__CODED_DONE;
    if (result != Z_OK && result != Z_BUF_ERROR) return NX__CODED_BAD;
    if (op == NX__CODE_END || in->len) return NX__CODED_ON;
    return op == NX__CODE_MORE || z->avail_out ? NX__CODED_DONE : NX__CODED_ON;
}

static void encoder_free(void *encoder)
{
    (void)deflateEnd(&((struct stream *)encoder)->z);
    free(encoder);
}

static void *decoder_new(void)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    if (inflateInit2(&s->z, WINDOW_BITS + GZIP) == Z_OK) return s;
    free(s);
    return NULL;
}

static enum nx__coded_state decode(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len)
{
    struct stream *s = decoder;
    *len = 0;
    if (s->ended) { /* another member (RFC 1952 2.2) */
        if (inflateReset(&s->z) != Z_OK) return NX__CODED_BAD;
        s->ended = false;
    }
    unsigned in_len = most(in->len), out_len = most(cap);
    s->z.next_in = (Bytef *)(uintptr_t)in->data;
    s->z.avail_in = in_len;
    s->z.next_out = (Bytef *)out;
    s->z.avail_out = out_len;
    int result = inflate(&s->z, Z_NO_FLUSH);
    *in = nx__code_rest(*in, in_len - s->z.avail_in);
    *len = out_len - s->z.avail_out;
    s->ended = result == Z_STREAM_END;
    if (s->ended) return NX__CODED_DONE;
    return result == Z_OK || result == Z_BUF_ERROR ? NX__CODED_ON : NX__CODED_BAD;
}

static void decoder_free(void *decoder)
{
    (void)inflateEnd(&((struct stream *)decoder)->z);
    free(decoder);
}

const struct nx__codec nx__codec_gzip = {encoder_new, encoder_reset, encode,      encoder_free,
                                         decoder_new, decode,        decoder_free};
