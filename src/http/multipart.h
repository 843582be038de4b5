/* multipart/form-data (RFC 7578, RFC 2046 5.1): bytes in, parts out, no I/O; what is kept is the
 * head of one part. */
#ifndef NX__MULTIPART_H
#define NX__MULTIPART_H

#include "base/arena.h"
#include <nexus/input.h>

enum { NX__BOUNDARY_MOST = 70 }; /* RFC 2046 5.1.1 */

enum nx__multipart_event {
    NX__MULTIPART_MORE,     /* all was used, and more is wanted */
    NX__MULTIPART_PART,     /* `part` has the head of one */
    NX__MULTIPART_DATA,     /* `*piece` is a piece of it */
    NX__MULTIPART_PART_END, /* it is whole */
    NX__MULTIPART_END,      /* so is the body; what follows means nothing */
    NX__MULTIPART_ERROR     /* `err` and `reason` */
};

enum nx__multipart_state {
    NX__MULTIPART_START,  /* before the first boundary */
    NX__MULTIPART_MARKED, /* behind a boundary: a head, or the end? */
    NX__MULTIPART_DASH,
    NX__MULTIPART_RETURN,
    NX__MULTIPART_HEAD,
    NX__MULTIPART_BODY,
    NX__MULTIPART_DONE
};

struct nx__multipart {
    char mark[4 + NX__BOUNDARY_MOST]; /* CR LF "--" and the boundary */
    size_t mark_len;
    enum nx__multipart_state state;
    size_t matched; /* bytes of the mark that the input ended with */
    uint32_t padding;
    char *head; /* `max_head` bytes */
    uint32_t head_len, max_head, max_name;
    nx_part part; /* in `head`, which lasts until the next part */
    nx_err err;   /* NX_EPROTO, NX_ETOOBIG */
    const char *reason;
};

/* Begins with the request's content-type. NX_ENOTSUP (no multipart/form-data), NX_EPROTO (no good
 * boundary), NX_ENOMEM, with the reason in `reason`. `head` is memory of the arena. */
NX_MUST_CHECK nx_err nx__multipart_init(struct nx__multipart *m, nx_bytes content_type,
                                        uint32_t max_head, uint32_t max_name,
                                        struct nx__arena *arena);

/* Goes through the input to the next event. `*piece` is in the input, or in `m`. Any pieces of the
 * input give the same parts and data. */
enum nx__multipart_event nx__multipart_feed(struct nx__multipart *m, const char *data, size_t len,
                                            size_t *used, nx_bytes *piece);

#endif
