/* gzip, zlib and raw deflate by zlib (RFC 1952, 1950, 1951). */
#include "codec/codec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* As zlib has it: bits of the window, 16 more for gzip, less than nothing for neither. */
enum { ZLIB = 15, GZIP = 15 + 16, RAW = -15, MEMORY_LEVEL = 8 };

struct stream {
    z_stream z;
    int level;
    bool ended;
};

static unsigned most(size_t n)
{
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static void *encoder_new(int level, int format)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->level = level;
    if (deflateInit2(&s->z, level, Z_DEFLATED, format, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return s;
    free(s);
    return NULL;
}

static void *gzip_encoder_new(const struct nx__encoding *how)
{
    return encoder_new(how->level, GZIP);
}

static void *zlib_encoder_new(const struct nx__encoding *how)
{
    return encoder_new(how->level, ZLIB);
}

static void *raw_encoder_new(const struct nx__encoding *how)
{
    return encoder_new(how->level, RAW);
}

static bool encoder_reset(void *encoder, const struct nx__encoding *how)
{
    struct stream *s = encoder;
    return s->level == how->level && deflateReset(&s->z) == Z_OK;
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
    if (result != Z_OK && result != Z_BUF_ERROR) return NX__CODED_NO_MEMORY;
    if (op == NX__CODE_END || in->len) return NX__CODED_ON;
    return op == NX__CODE_MORE || z->avail_out ? NX__CODED_DONE : NX__CODED_ON;
}

static void encoder_free(void *encoder)
{
    (void)deflateEnd(&((struct stream *)encoder)->z);
    free(encoder);
}

static void *decoder_new(int format)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    if (inflateInit2(&s->z, format) == Z_OK) return s;
    free(s);
    return NULL;
}

static void *gzip_decoder_new(unsigned window)
{
    (void)window;
    return decoder_new(GZIP);
}

static void *zlib_decoder_new(unsigned window)
{
    (void)window;
    return decoder_new(ZLIB);
}

static void *raw_decoder_new(unsigned window)
{
    (void)window;
    return decoder_new(RAW);
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
    if (result == Z_MEM_ERROR) return NX__CODED_NO_MEMORY;
    return result == Z_OK || result == Z_BUF_ERROR ? NX__CODED_ON : NX__CODED_BAD;
}

static void decoder_free(void *decoder)
{
    (void)inflateEnd(&((struct stream *)decoder)->z);
    free(decoder);
}

const struct nx__codec nx__codec_gzip = {
    .name = "gzip",
    .encoder_new = gzip_encoder_new,
    .encoder_reset = encoder_reset,
    .encode = encode,
    .encoder_free = encoder_free,
    .decoder_new = gzip_decoder_new,
    .decode = decode,
    .decoder_free = decoder_free,
    .many = true,
};
const struct nx__codec nx__codec_zlib = {
    .name = "zlib",
    .encoder_new = zlib_encoder_new,
    .encoder_reset = encoder_reset,
    .encode = encode,
    .encoder_free = encoder_free,
    .decoder_new = zlib_decoder_new,
    .decode = decode,
    .decoder_free = decoder_free,
};
const struct nx__codec nx__codec_deflate = {
    .name = "deflate",
    .encoder_new = raw_encoder_new,
    .encoder_reset = encoder_reset,
    .encode = encode,
    .encoder_free = encoder_free,
    .decoder_new = raw_decoder_new,
    .decode = decode,
    .decoder_free = decoder_free,
};
