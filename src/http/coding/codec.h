/* Compressors and decompressors behind one interface; a file for each library. */
#ifndef NX__CODEC_H
#define NX__CODEC_H

#include "http/coding/accept.h"

/* The input without its first `n` bytes; it may be empty and have no address. */
static inline nx_bytes nx__code_rest(nx_bytes in, size_t n)
{
    return n ? nx_slice(in.data + n, in.len - n) : in;
}

enum nx__code_op {
    NX__CODE_MORE,  /* takes the input, gives what it likes */
    NX__CODE_FLUSH, /* gives all that was taken */
    NX__CODE_END,   /* and ends the stream */
};

enum nx__coded_state {
    NX__CODED_ON,   /* wants more input, or more room */
    NX__CODED_DONE, /* encoding: the operation; decoding: a whole stream, and more may follow */
    NX__CODED_BAD,  /* the input is no such stream; memory may be out too */
};

/* A step takes from the front of `*in` and puts up to `cap` bytes to `out`, whose count is `*len`.
 */
struct nx__codec {
    /* Four functions that are NULL where the build leaves the encoder out. NULL when memory is out.
     * `size` is that of the whole input, 0 where it is not known. */
    void *(*encoder_new)(int level, uint64_t size);
    /* Makes a used one new; false when it can't be. */
    bool (*encoder_reset)(void *encoder, int level, uint64_t size);
    enum nx__coded_state (*encode)(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len);
    void (*encoder_free)(void *encoder);
    void *(*decoder_new)(void);
    enum nx__coded_state (*decode)(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len);
    void (*decoder_free)(void *decoder);
};

extern const struct nx__codec nx__codec_gzip, nx__codec_brotli, nx__codec_zstd;

/* The library of a coding; NULL for identity. */
const struct nx__codec *nx__codec_of(enum nx__coding coding);

/* ---- Encoders of the calling thread's loop: used again, and no more than NX__ENCODERS_MOST at
 * once.
 */

enum {
    NX__ENCODERS_MOST = 64,     /* in use; an answer that finds none goes out as it is */
    NX__ENCODERS_KEPT_MOST = 2, /* idle, of each coding */
    NX__DECODERS_MOST = 32,     /* in use; windows take up to 16 MiB */
};

struct nx__encoder {
    const struct nx__codec *codec;
    void *state;
    enum nx__coding coding;
    struct nx__encoder *next; /* while idle */
};

/* NULL when too many are in use or memory is out. */
struct nx__encoder *nx__encoder_take(enum nx__coding coding, int level, uint64_t size);
void nx__encoder_give(struct nx__encoder *encoder);

/* Frees those of the thread that are idle. */
void nx__encoders_free(void);

#endif
