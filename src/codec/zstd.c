/* zstd by libzstd (RFC 8878; RFC 9659 for its window). */
#include "codec/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

static bool set_up(ZSTD_CCtx *context, const struct nx__encoding *how)
{
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, how->level);
    if (how->window && (!how->size || how->size > (uint64_t)1 << how->window)) {
        /* Tables of a quarter of the window: larger ones take more memory than they gain. */
        int window = (int)how->window;
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window);
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, window - 2);
        ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, window - 2);
    }
    return !how->size || !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, how->size));
}

static void *encoder_new(const struct nx__encoding *how)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context && set_up(context, how)) return context;
    ZSTD_freeCCtx(context);
    return NULL;
}

static bool encoder_reset(void *encoder, const struct nx__encoding *how)
{
    return set_up(encoder, how);
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
    if (ZSTD_isError(left)) return NX__CODED_NO_MEMORY;
    if (in->len) return NX__CODED_ON;
    return op == NX__CODE_MORE || left == 0 ? NX__CODED_DONE : NX__CODED_ON;
}

static void encoder_free(void *encoder)
{
    ZSTD_freeCCtx(encoder);
}

static void *decoder_new(unsigned window)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context && !ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, (int)window)))
        return context;
    ZSTD_freeDCtx(context);
    return NULL;
}

static enum nx__coded_state failed(size_t result)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation: return NX__CODED_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge: return NX__CODED_LARGE;
    default: return NX__CODED_BAD;
    }
}

static enum nx__coded_state decode(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len)
{
    ZSTD_inBuffer input = {in->data, in->len, 0};
    ZSTD_outBuffer output = {out, cap, 0};
    size_t left = ZSTD_decompressStream(decoder, &output, &input);
    *in = nx__code_rest(*in, input.pos);
    *len = output.pos;
    if (ZSTD_isError(left)) return failed(left);
    return left ? NX__CODED_ON : NX__CODED_DONE;
}

static void decoder_free(void *decoder)
{
    ZSTD_freeDCtx(decoder);
}

const struct nx__codec nx__codec_zstd = {
    .name = "zstd",
    .encoder_new = encoder_new,
    .encoder_reset = encoder_reset,
    .encode = encode,
    .encoder_free = encoder_free,
    .decoder_new = decoder_new,
    .decode = decode,
    .decoder_free = decoder_free,
    .many = true,
};
