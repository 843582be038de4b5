/* zstd by libzstd (RFC 8878; RFC 9659 for its window). */
#include "http/coding/codec.h"

#include <stdlib.h>
#include <zstd.h>

enum {
    WINDOW_LOG = 18,     /* 256 KiB for an encoder: answers are many, and mostly short */
    TABLE_LOG = 16,      /* of its hash tables */
    WINDOW_LOG_MOST = 23 /* 8 MiB, that peers may use */
};

static bool set_up(ZSTD_CCtx *context, int level, uint64_t size)
{
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (!size || size > (1u << WINDOW_LOG)) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG);
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, TABLE_LOG);
        ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, TABLE_LOG);
    }
    return !size || !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, size));
}

static void *encoder_new(int level, uint64_t size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context && set_up(context, level, size)) return context;
    ZSTD_freeCCtx(context);
    return NULL;
}

static bool encoder_reset(void *encoder, int level, uint64_t size)
{
    return set_up(encoder, level, size);
}

static enum nx__coded_state encode(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len)
{
    static const ZSTD_EndDirective directive[] = {[NX__CODE_MORE] = ZSTD_e_continue,
                                                  [NX__CODE_FLUSH] = ZSTD_e_flush,
                                                  [NX__CODE_END] = ZSTD_e_end};
    ZSTD_inBuffer input = {in->data, in->len, 0};
    ZSTD_outBuffer output = {out, cap, 0};
    size_t left = ZSTD_compressStream2(encoder, &output, &input, directive[op]);
    *in = nx__code_rest(*in, input.pos);
    *len = output.pos;
    if (ZSTD_isError(left)) return NX__CODED_BAD;
    if (in->len) return NX__CODED_ON;
    return op == NX__CODE_MORE || left == 0 ? NX__CODED_DONE : NX__CODED_ON;
}

static void encoder_free(void *encoder)
{
    ZSTD_freeCCtx(encoder);
}

struct decoder {
    ZSTD_DCtx *context;
    unsigned char magic[4]; /* of the frame that begins */
    uint8_t have, given;    /* of it: read, handed to the library */
};

static void *decoder_new(void)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->context = ZSTD_createDCtx();
    if (d->context &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(d->context, ZSTD_d_windowLogMax, WINDOW_LOG_MOST)))
        return d;
    ZSTD_freeDCtx(d->context);
    free(d);
    return NULL;
}

static enum nx__coded_state decode(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len)
{
    static const unsigned char zstd[4] = {0x28, 0xb5, 0x2f, 0xfd};
    struct decoder *d = decoder;
    *len = 0;
    /* The library also reads the formats before the first release, which nobody needs and an
     * attacker may like: a frame is let in by its first bytes. */
    while (d->have < sizeof d->magic && in->len) {
        d->magic[d->have++] = (unsigned char)*in->data;
        *in = nx_slice(in->data + 1, in->len - 1);
    }
    if (d->have < sizeof d->magic) return NX__CODED_ON;
    if (memcmp(d->magic, zstd, sizeof zstd) != 0) return NX__CODED_BAD;
    ZSTD_outBuffer output = {out, cap, 0};
    while (d->given < sizeof d->magic) {
        ZSTD_inBuffer first = {d->magic + d->given, sizeof d->magic - d->given, 0};
        if (ZSTD_isError(ZSTD_decompressStream(d->context, &output, &first)) || !first.pos)
            return NX__CODED_BAD;
        d->given = (uint8_t)(d->given + first.pos);
    }
    ZSTD_inBuffer input = {in->data, in->len, 0};
    size_t left = ZSTD_decompressStream(d->context, &output, &input);
    *in = nx__code_rest(*in, input.pos);
    *len = output.pos;
    if (ZSTD_isError(left)) return NX__CODED_BAD;
    if (left) return NX__CODED_ON;
    d->have = d->given = 0;
    return NX__CODED_DONE;
}

static void decoder_free(void *decoder)
{
    struct decoder *d = decoder;
    ZSTD_freeDCtx(d->context);
    free(d);
}

const struct nx__codec nx__codec_zstd = {encoder_new, encoder_reset, encode,      encoder_free,
                                         decoder_new, decode,        decoder_free};
