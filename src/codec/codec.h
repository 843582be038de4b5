/* Compressors and decompressors behind one interface; a file for each library. */
#ifndef NX__CODEC_H
#define NX__CODEC_H

#include <nexus/base.h>

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
    NX__CODED_ON,    /* wants more input, or more room */
    NX__CODED_DONE,  /* encoding: the operation; decoding: a whole stream, and more may follow */
    NX__CODED_BAD,   /* the input is no such stream. This and what is below: it is over */
    NX__CODED_LARGE, /* it wants a larger window than it may have */
    NX__CODED_NO_MEMORY, /* memory is out */
};

/* How to encode. */
struct nx__encoding {
    int level;       /* the library's own scale */
    unsigned window; /* bytes that it looks back as a power of two; 0: the library's choice */
    uint64_t size;   /* of the whole input, 0 where it is not known */
};

/* The window that a decoder of zstd has to have (RFC 8878 3.1.1.1.2), and that HTTP is content with
 * (RFC 9659): 8 MiB. */
enum { NX__CODEC_WINDOW = 23, NX__CODEC_WINDOW_MOST = 27 };

/* A step takes from the front of `*in` and puts up to `cap` bytes to `out`, whose count is `*len`.
 */
struct nx__codec {
    const char *name;
    /* Four functions that are NULL where the build leaves the encoder out. NULL when memory is out.
     */
    void *(*encoder_new)(const struct nx__encoding *how);
    /* Makes a used one new; false when it can't be. */
    bool (*encoder_reset)(void *encoder, const struct nx__encoding *how);
    enum nx__coded_state (*encode)(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len);
    void (*encoder_free)(void *encoder);
    /* `window` as a power of two is the most that a stream may ask for, where streams ask. */
    void *(*decoder_new)(unsigned window);
    enum nx__coded_state (*decode)(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len);
    void (*decoder_free)(void *decoder);
    bool many; /* one stream may follow another (RFC 1952 2.2, RFC 8878 3.1) */
};

/* RFC 1952, 1950, 1951, 7932 and 8878. */
extern const struct nx__codec nx__codec_gzip, nx__codec_zlib, nx__codec_deflate, nx__codec_brotli,
    nx__codec_zstd;

#endif
