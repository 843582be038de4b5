/* The public headers as they were when the runtime was built; made by embed.cmake. */
#ifndef NX__EMBEDDED_H
#define NX__EMBEDDED_H

struct nx__embedded {
    const char *name; /* relative to the include folder */
    const char *start, *end;
};

/* Ends with a NULL name. */
extern const struct nx__embedded nx__headers[];

/* Tells these headers from all others; part of the cache key. */
extern const char nx__headers_hash[];

#endif
