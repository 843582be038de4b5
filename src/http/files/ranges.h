/* The Range field: which bytes of a file are asked for. Pure. RFC 9110 14.1, 14.2. */
#ifndef NX__RANGES_H
#define NX__RANGES_H

#include <nexus/base.h>

enum {
    NX__RANGES_MOST = 32,      /* asked for at once; more, and the field is ignored */
    NX__RANGE_GAP_LEAST = 128, /* bytes between two parts; what is nearer is sent as one, since a
                                  part's own head costs as much */
};

struct nx__range {
    uint64_t first, len; /* len is never 0 */
};

enum nx__ranges {
    NX__RANGES_NONE,          /* send all: the field is malformed, of another unit, or too much */
    NX__RANGES_SOME,          /* `count` of them; with the others it is 0 */
    NX__RANGES_UNSATISFIABLE, /* answer 416 */
};

/* Reads the value of a Range field for a representation of `size` bytes. Ranges that overlap or
 * nearly touch become one, in the place of the one that was asked for first; what lies past the end
 * is cut off or left out. */
enum nx__ranges nx__ranges_parse(nx_bytes value, uint64_t size,
                                 struct nx__range out[NX__RANGES_MOST], size_t *count);

#endif
