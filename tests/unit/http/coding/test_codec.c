/* Accept-Encoding, and that what the encoders give the decoders take. */
#include "http/coding/encoders.h"

#include <nexus/test.h>
#include <stdio.h>

static const char *weights(const char *value)
{
    static char text[64];
    uint16_t weight[NX__CODINGS];
    nx__accept_codings(value ? nx_str(value) : (nx_bytes){0}, weight);
    (void)snprintf(text, sizeof text, "%d %d %d %d", weight[NX__CODING_IDENTITY],
                   weight[NX__CODING_GZIP], weight[NX__CODING_BROTLI], weight[NX__CODING_ZSTD]);
    return text;
}

NX_TEST("accept")
{
    nx_expect_eq(weights(NULL), "1 0 0 0");
    nx_expect_eq(weights(""), "1 0 0 0");
    nx_expect_eq(weights("gzip, deflate, br, zstd"), "1 1000 1000 1000");
    nx_expect_eq(weights("GZIP;Q=0.5 , br ; q=0.123"), "1 500 123 0");
    nx_expect_eq(weights("x-gzip"), "1 1000 0 0");
    nx_expect_eq(weights("*"), "1000 1000 1000 1000");
    nx_expect_eq(weights("*;q=0, br"), "0 0 1000 0");
    nx_expect_eq(weights("identity;q=0, gzip;q=1.000"), "0 1000 0 0");
    nx_expect_eq(weights("gzip;q=2, br;q=, zstd;q=0.1234"), "1 0 0 0");
    nx_expect_eq(weights("gzip;q=1.001, br;x=1, zstd;q=.5"), "1 0 0 0");
    nx_expect_eq(weights(",,;q=1,gzip,"), "1 1000 0 0");
}

static char input[300000], packed[400000], out[300001];

static size_t encode(struct nx__encoder *e, const char *data, size_t len, size_t step, size_t room)
{
    size_t packed_len = 0, got;
    for (size_t at = 0;;) {
        size_t n = len - at < step ? len - at : step;
        nx_bytes in = nx_slice(data + at, n);
        bool last = at + n == len;
        enum nx__coded_state state;
        do {
            size_t cap = sizeof packed - packed_len < room ? sizeof packed - packed_len : room;
            state = e->codec->encode(e->state, last ? NX__CODE_END : NX__CODE_FLUSH, &in,
                                     packed + packed_len, cap, &got);
            packed_len += got;
        } while (state == NX__CODED_ON);
        nx_expect_eq(state, NX__CODED_DONE);
        at += n;
        if (last) return packed_len;
    }
}

static size_t decode(const struct nx__codec *codec, size_t len, size_t step, size_t room,
                     bool *done)
{
    void *decoder = codec->decoder_new(NX__CODEC_WINDOW);
    size_t out_len = 0, got;
    *done = false;
    for (size_t at = 0; at < len;) {
        nx_bytes in = nx_slice(packed + at, len - at < step ? len - at : step);
        size_t before = in.len;
        size_t cap = sizeof out - out_len < room ? sizeof out - out_len : room;
        enum nx__coded_state state = codec->decode(decoder, &in, out + out_len, cap, &got);
        out_len += got;
        at += before - in.len;
        if (state >= NX__CODED_BAD) {
            codec->decoder_free(decoder);
            return SIZE_MAX;
        }
        *done = state == NX__CODED_DONE;
        if (!got && before == in.len && !*done) break;
    }
    for (;;) { /* what it still holds */
        nx_bytes in = {0};
        if (*done) break;
        enum nx__coded_state state =
            codec->decode(decoder, &in, out + out_len, sizeof out - out_len, &got);
        out_len += got;
        *done = state == NX__CODED_DONE;
        if (!got) break;
    }
    codec->decoder_free(decoder);
    return out_len;
}

NX_TEST("round trips")
{
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof input; i++) {
        random = random * 1664525 + 1013904223;
        input[i] = "the quick brown fox jumps over the lazy dog\n"[(random >> 24) % 44];
    }
    static const size_t sizes[] = {0, 1, 100, 70000, sizeof input},
                        steps[] = {7, 4096, sizeof packed};
    for (int coding = NX__CODING_GZIP; coding < NX__CODINGS; coding++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t t = s > 2 ? 1 : 0; t < sizeof steps / sizeof *steps; t++)
                nx_subtest ("coding %d, %zu bytes in steps of %zu", coding, sizes[s], steps[t]) {
                    struct nx__encoder *e =
                        nx__encoder_take((enum nx__coding)coding, 4, t == 2 ? sizes[s] : 0);
                    nx_require(e != NULL);
                    size_t len =
                        encode(e, input, sizes[s], steps[t], steps[t] < 16 ? 16 : steps[t]);
                    nx__encoder_give(e);
                    bool done;
                    size_t back = decode(nx__codec_of((enum nx__coding)coding), len, steps[t],
                                         steps[2 - t] < 16 ? 16 : steps[2 - t], &done);
                    nx_expect_eq(back, sizes[s]);
                    nx_expect(done && memcmp(out, input, sizes[s]) == 0);
                    back =
                        decode(nx__codec_of((enum nx__coding)coding), len - 1, 4096, 4096, &done);
                    nx_expect(!done || back == SIZE_MAX);
                }
        }
    }
    nx__encoders_free();
}

NX_TEST("no more than the most")
{
    struct nx__encoder *taken[NX__ENCODERS_MOST];
    for (int i = 0; i < NX__ENCODERS_MOST; i++) {
        taken[i] = nx__encoder_take(NX__CODING_GZIP, 1, 0);
        nx_expect(taken[i] != NULL);
    }
    nx_expect(!nx__encoder_take(NX__CODING_ZSTD, 1, 0));
    for (int i = 0; i < NX__ENCODERS_MOST; i++) nx__encoder_give(taken[i]);
    taken[0] = nx__encoder_take(NX__CODING_GZIP, 9, 0);
    nx_expect(taken[0] != NULL);
    nx__encoder_give(taken[0]);
    nx__encoders_free();
}

/* Frames of zstd's formats from before its release are let through by the library. */
NX_TEST("old formats are refused")
{
    static const unsigned char magics[][4] = {{0x25, 0xb5, 0x2f, 0xfd},
                                              {0x26, 0xb5, 0x2f, 0xfd},
                                              {0x27, 0xb5, 0x2f, 0xfd},
                                              {0x50, 0x2a, 0x4d, 0x18}};
    for (size_t i = 0; i < 4; i++)
        nx_subtest ("magic %zu", i) {
            memcpy(packed, magics[i], 4);
            memset(packed + 4, 0, 60);
            bool done;
            nx_expect_eq(decode(&nx__codec_zstd, 64, 64, 4096, &done), SIZE_MAX);
        }
}
