/* Decodes a chunked body whole and in pieces. Used by unit tests and by the fuzzer. */
#ifndef NX_TEST_H1_DECODE_H
#define NX_TEST_H1_DECODE_H

#include "http/h1/chunked.h"
#include <stdlib.h>
#include <string.h>

struct h1_decoded {
    enum nx__chunk_event event; /* the last */
    size_t consumed;
    size_t body_len;
    size_t trailer_len;
    uint64_t left; /* of the chunk, at the end */
    int error;
    const char *reason;
    char trailer[NX__H1_DEFAULT_MAX_TRAILER];
    char body[1 << 16];
};

/* Feeds the text, which comes in two pieces, the first of `cut` bytes and the second in steps of
 * `step` (0: whole). */
static inline void h1_decode(const char *text, size_t len, size_t cut, size_t step,
                             size_t trailer_cap, struct h1_decoded *out)
{
    struct nx__h1_chunked d = {.trailer = trailer_cap ? out->trailer : NULL,
                               .trailer_cap = (uint32_t)trailer_cap};
    out->consumed = out->body_len = 0;
    out->event = NX__CHUNK_MORE;
    while (out->consumed < len && out->event < NX__CHUNK_END) {
        size_t at = out->consumed, have = at < cut ? cut - at : len - at;
        if (at >= cut && step && have > step) have = step;
        /* A copy of exactly this piece, so that a sanitizer sees each byte that is read behind it.
         */
        char *piece = malloc(have);
        if (!piece) abort();
        memcpy(piece, text + at, have);
        size_t consumed, data_len;
        const char *data;
        out->event = nx__h1_chunked_feed(&d, piece, have, &consumed, &data, &data_len);
        if (out->event == NX__CHUNK_DATA) {
            if (!data_len || data < piece || data + data_len > piece + have ||
                out->body_len + data_len > sizeof out->body)
                abort();
            memcpy(out->body + out->body_len, data, data_len);
            out->body_len += data_len;
        }
        if (consumed > have || (out->event == NX__CHUNK_MORE && consumed != have)) abort();
        out->consumed += consumed;
        free(piece);
    }
    if (out->event == NX__CHUNK_DATA) out->event = NX__CHUNK_MORE;
    out->trailer_len = d.trailer_len;
    out->left = d.left;
    out->error = d.error;
    out->reason = d.reason;
}

static inline bool h1_decoded_eq(const struct h1_decoded *a, const struct h1_decoded *b)
{
    return a->event == b->event && a->consumed == b->consumed && a->left == b->left &&
           a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0 &&
           a->trailer_len == b->trailer_len &&
           memcmp(a->trailer, b->trailer, a->trailer_len) == 0 && a->error == b->error &&
           a->reason == b->reason;
}

#endif
