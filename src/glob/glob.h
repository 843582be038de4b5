/* A compiled pattern: what braces stand for is written out, and each of that is a list of
 * components.
 */
#ifndef NX__GLOB_H
#define NX__GLOB_H

#include <nexus/glob.h>

struct nx__alternative {
    struct nx__alternative *next;
    uint64_t deep;  /* bit i: component i is ** */
    unsigned count; /* of components */
    bool absolute;
    nx_bytes components[]; /* into a copy of its own, which follows */
};

struct nx_glob {
    struct nx__alternative *alternatives;
    bool hidden;
};

#endif
