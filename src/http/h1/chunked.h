/* The chunked transfer coding, decoded: a pure, incremental state machine (RFC 9112 7.1). */
#ifndef NX__H1_CHUNKED_H
#define NX__H1_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NX__H1_MAX_CHUNK_EXTENSION = 256,         /* bytes of extensions of one chunk */
    NX__H1_MAX_CHUNK_EXTENSIONS = 16 * 1024,  /* and of all chunks of a body (CVE-2024-22019) */
    NX__H1_MAX_TRAILERS = 64,                 /* fields */
};

/* All zero, but for the trailer memory, is the start of a body. */
struct nx__h1_chunked {
    uint64_t left; /* of the current chunk */
    uint32_t extension, extensions;
    uint16_t digits;
    uint8_t state;
    char *trailer; /* the caller's memory for the trailer section, may be NULL */
    uint32_t trailer_cap, trailer_len, line, trailers;
    int error;          /* the status to answer with */
    const char *reason; /* static */
};

enum nx__chunk_event {
    NX__CHUNK_MORE,  /* all was consumed, no data came out: feed more */
    NX__CHUNK_DATA,  /* *data, *data_len lie in what was fed */
    NX__CHUNK_END,   /* the body is complete; what was not consumed belongs to the next request */
    NX__CHUNK_ERROR, /* error and reason say why */
};

/* Takes bytes from `in`, sets `*consumed`, returns the next event. Never looks at more than it consumes. */
enum nx__chunk_event nx__h1_chunked_feed(struct nx__h1_chunked *decoder, const char *in, size_t len, size_t *consumed,
                                         const char **data, size_t *data_len);

#endif
