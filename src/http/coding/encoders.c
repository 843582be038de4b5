/* Encoders that are used again. */
#include "http/coding/encoders.h"

#include "base/compiler.h"
#include <stdlib.h>

static NX__THREAD_LOCAL struct {
    struct nx__encoder *idle[NX__CODINGS];
    unsigned idle_count[NX__CODINGS], used;
} pool;

const struct nx__codec *nx__codec_of(enum nx__coding coding)
{
    switch (coding) {
    case NX__CODING_GZIP: return &nx__codec_gzip;
    case NX__CODING_BROTLI: return &nx__codec_brotli;
    case NX__CODING_ZSTD: return &nx__codec_zstd;
    default: return NULL;
    }
}

static void encoder_free(struct nx__encoder *encoder)
{
    if (encoder->state) encoder->codec->encoder_free(encoder->state);
    free(encoder);
}

struct nx__encoder *nx__encoder_take(enum nx__coding coding, int level, uint64_t size)
{
    if (pool.used == NX__ENCODERS_MOST || !nx__codec_of(coding)->encoder_new) return NULL;
    const struct nx__encoding how = {.level = level, .window = 18, .size = size};
    struct nx__encoder *encoder = pool.idle[coding];
    if (encoder) {
        pool.idle[coding] = encoder->next;
        pool.idle_count[coding]--;
        if (encoder->codec->encoder_reset(encoder->state, &how)) {
            pool.used++;
            return encoder;
        }
        encoder_free(encoder);
    }
    encoder = calloc(1, sizeof *encoder);
    if (!encoder) return NULL;
    encoder->codec = nx__codec_of(coding);
    encoder->coding = coding;
    encoder->state = encoder->codec->encoder_new(&how);
    if (!encoder->state) {
        free(encoder);
        return NULL;
    }
    pool.used++;
    return encoder;
}

void nx__encoder_give(struct nx__encoder *encoder)
{
    if (!encoder) return;
    pool.used--;
    if (pool.idle_count[encoder->coding] == NX__ENCODERS_KEPT_MOST) {
        encoder_free(encoder);
        return;
    }
    encoder->next = pool.idle[encoder->coding];
    pool.idle[encoder->coding] = encoder;
    pool.idle_count[encoder->coding]++;
}

void nx__encoders_free(void)
{
    for (int i = 0; i < NX__CODINGS; i++) {
        while (pool.idle[i]) {
            struct nx__encoder *encoder = pool.idle[i];
            pool.idle[i] = encoder->next;
            encoder_free(encoder);
        }
        pool.idle_count[i] = 0;
    }
}
