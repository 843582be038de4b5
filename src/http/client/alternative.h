/* Alternative services (RFC 7838): where else an origin says that it is. Of them HTTP/3 on the same
 * host is taken, at the port that is named. */
#ifndef NX__ALTERNATIVE_H
#define NX__ALTERNATIVE_H

#include "base/list.h"
#include <nexus/base.h>

enum {
    NX__ALTERNATIVES_MOST = 256, /* origins that are kept; the one longest unused gives way */
    NX__ALTERNATIVE_FIELD_MOST = 8 * 1024, /* bytes of a field that are looked at */
    NX__ALTERNATIVE_HOST_MOST = 255,
};
#define NX__ALTERNATIVE_LIFE      NX_S(24 * 3600)      /* where the field says nothing (ma) */
#define NX__ALTERNATIVE_LIFE_MOST NX_S(30 * 24 * 3600) /* whatever it says */
/* How long one that has failed is not tried: doubled each time, until it has answered. */
#define NX__ALTERNATIVE_BROKEN      NX_S(60)
#define NX__ALTERNATIVE_BROKEN_MOST NX_S(24 * 3600)

/* What a field says. */
struct nx__alternative {
    bool clear;       /* nothing that was said before counts (also where nothing is of use) */
    uint16_t h3_port; /* 0: none */
    nx_duration life;
};

/* Reads a field of an answer of `host` (without brackets). Pure. False: it is none, and says
 * nothing. */
bool nx__alternative_read(nx_bytes field, nx_bytes host, struct nx__alternative *out);

/* Whether an origin, as ALTSVC of HTTP/2 spells it ("https://example.com:8443"), is that of the
 * host (without brackets) and the port. Pure. */
bool nx__alternative_is_origin(nx_bytes origin, nx_bytes host, uint16_t port);

/* ---- What a client keeps */

struct nx__alternatives {
    struct nx__list items; /* the latest used first */
    size_t count;
};

void nx__alternatives_init(struct nx__alternatives *all);
void nx__alternatives_free(struct nx__alternatives *all);

/* An answer of https://host:port has said so at `now`, `age` ago. Without memory it is not kept. */
void nx__alternatives_take(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                           const struct nx__alternative *said, nx_duration age, nx_duration now);

/* The port of UDP to ask HTTP/3 at; 0: there is none, or it is broken. */
uint16_t nx__alternatives_port(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                               nx_duration now);

/* It could not be reached, or was not what it should be; it has answered. */
void nx__alternatives_broken(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                             nx_duration now);
void nx__alternatives_good(struct nx__alternatives *all, nx_bytes host, uint16_t port);

#endif
