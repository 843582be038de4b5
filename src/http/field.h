/* Header fields, as requests and answers have them. */
#ifndef NX__HTTP_FIELD_H
#define NX__HTTP_FIELD_H

#include <nexus/base.h>

/* A header field; both slices in memory of the message. */
struct nx__field {
    nx_bytes name, value;
    bool always; /* stays on an error page */
};

struct nx__fields {
    struct nx__field *items;
    uint32_t count, capacity;
};

#endif
