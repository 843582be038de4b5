/* Content codings, and which of them a client takes. Pure. RFC 9110 8.4.1, 12.5.3. */
#ifndef NX__ACCEPT_H
#define NX__ACCEPT_H

#include <nexus/base.h>

enum nx__coding {
    NX__CODING_IDENTITY,
    NX__CODING_GZIP,
    NX__CODING_BROTLI,
    NX__CODING_ZSTD,
    NX__CODINGS
};

/* "gzip", "br", "zstd"; "identity". */
extern const char *const nx__coding_names[NX__CODINGS];

/* The coding of that name, whatever its case; NX__CODINGS for another. */
enum nx__coding nx__coding_named(nx_bytes name);

/* How much the client wants each coding, from 0 (not at all) to 1000, by the value of its
 * Accept-Encoding field; `value.data` NULL where there is none. Members that are malformed don't
 * count. */
void nx__accept_codings(nx_bytes value, uint16_t weight[NX__CODINGS]);

#endif
