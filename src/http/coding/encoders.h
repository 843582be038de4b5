/* The codecs of content codings, and encoders that are used again. */
#ifndef NX__ENCODERS_H
#define NX__ENCODERS_H

#include "codec/codec.h"
#include "http/coding/accept.h"

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

/* NULL when too many are in use or memory is out. `size` is that of the whole input, 0 where it is
 * not known. Windows are of 256 KiB: answers are many, and mostly short. */
struct nx__encoder *nx__encoder_take(enum nx__coding coding, int level, uint64_t size);
void nx__encoder_give(struct nx__encoder *encoder);

/* Frees those of the thread that are idle. */
void nx__encoders_free(void);

#endif
