/* The public headers as they were when the runtime was built; made by embed.cmake. */
#ifndef NX__EMBEDDED_H
#define NX__EMBEDDED_H

#include <stddef.h>

struct nx__embedded {
    const char *name; /* relative to the include folder */
    size_t at, len;   /* in all of them */
};

/* Ends with a NULL name. */
extern const struct nx__embedded nx__headers[];

/* All of them, one behind the other: a frame of zstd, of so many bytes when it is unpacked. */
extern const char nx__headers_packed[], nx__headers_packed_end[];
extern const size_t nx__headers_size;

/* Tells these headers from all others; part of the cache key. */
extern const char nx__headers_hash[];

#endif
