/* The chunked transfer coding, decoded: a pure, incremental state machine (RFC 9112 7.1). */
#ifndef NX__H1_CHUNKED_H
#define NX__H1_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Past each of these 400, of the last two 431. */
enum {
    NX__H1_MAX_CHUNK_DIGITS = 16,           /* of a chunk size, leading zeros too */
    NX__H1_MAX_CHUNK_EXTENSION = 256,       /* bytes of extensions of one chunk */
    NX__H1_MAX_CHUNK_EXTENSIONS = 16 << 10, /* and of all chunks of a body (CVE-2024-22019) */
    NX__H1_MAX_TRAILERS = 64,               /* fields */
    NX__H1_DEFAULT_MAX_TRAILER =
        4096, /* bytes of the trailer section, what nx_http_server_options has by default */
};

/* All zero, but for the trailer memory, is the start of a body. */
struct nx__h1_chunked {
    uint64_t left;       /* of the current chunk */
    uint32_t extension;  /* bytes, of the current chunk */
    uint32_t extensions; /* of all */
    uint16_t digits;
    uint8_t state;
    char *trailer; /* the caller's memory for trailers; without any (NULL and 0), a body with
                      trailers is refused */
    uint32_t trailer_cap;
    uint32_t trailer_len; /* filled: well-formed field lines, "\n" behind each instead of CRLF */
    uint32_t line;        /* where the current one begins */
    uint32_t trailers;    /* fields */
    int error;            /* NX__CHUNK_ERROR: the status to answer with: 400, 431 */
    const char *reason;   /* and why; static */
};

enum nx__chunk_event {
    NX__CHUNK_MORE,  /* all was consumed, no data came out: feed more */
    NX__CHUNK_DATA,  /* `*data`, at least one byte, lies in what was fed */
    NX__CHUNK_END,   /* the body is complete; what was not consumed belongs to the next request */
    NX__CHUNK_ERROR, /* error and reason say why; where the next request begins is unknown */
};

/* Takes bytes from `in`, sets `*consumed`, returns the next event; the last two stay. Never looks
 * at more than it consumes, and gives the same data and the same end however the body is cut into
 * pieces. */
enum nx__chunk_event nx__h1_chunked_feed(struct nx__h1_chunked *decoder, const char *in, size_t len,
                                         size_t *consumed, const char **data, size_t *data_len);

#endif
