/* Flame graphs: from folded stacks to a picture that can be searched and zoomed. */
#ifndef NX__FLAME_H
#define NX__FLAME_H

#include "base/buffer.h"

/* A line of folded stacks is `frame;frame;frame COUNT`, outermost first. A frame begins with one of
 * these, which says whose it is; names hold no ';' and no control characters. */
enum {
    NX__FLAME_ROOT = 'o',    /* a route or a fiber */
    NX__FLAME_APP = 'a',     /* the program's own code */
    NX__FLAME_RUNTIME = 'r', /* Nexus */
    NX__FLAME_LIBRARY = 'l', /* the system's libraries */
    NX__FLAME_KERNEL = 'k',
};

enum { NX__FLAME_MOST = 64 * 1024 * 1024 /* bytes of a picture, or of folded stacks */ };

/* Writes the picture of the lines, with the title. Lines that are none are passed over. NX_ENOMEM,
 * NX_ETOOBIG. */
NX_MUST_CHECK nx_err nx__flame_svg(nx_bytes folded, const char *title, struct nx__buffer *out);

/* Writes the lines as other tools read them: equal ones summed up, without the kinds. */
NX_MUST_CHECK nx_err nx__flame_folded(nx_bytes folded, struct nx__buffer *out);

#endif
