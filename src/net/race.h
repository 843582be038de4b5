/* Connecting to whichever of several addresses answers first (RFC 8305, "Happy Eyeballs"). */
#ifndef NX__RACE_H
#define NX__RACE_H

#include "net/address.h"

/* How long an attempt has to itself (RFC 8305, section 5). */
#define NX__RACE_DELAY NX_MS(250)

/* What is done to each socket before it connects. */
struct nx__race_prepare {
    int (*fn)(int fd, int family, const void *arg); /* 0, or the errno that it fails with */
    const void *arg;
};

/* The addresses in the order in which they are tried: the families take turns, the first one's
 * first (RFC 8305, section 4). How many: all. */
unsigned nx__race_order(const struct nx__addresses *addresses,
                        const union nx__address *out[NX__ADDRESSES_MAX]);

/* Connects. `addresses` are tried in their order, families taking turns; `peer` is for messages.
 * `deadline` is absolute; `prepare` may be NULL. As nx__dial. */
NX_MUST_CHECK nx_err nx__race(int *fd, const struct nx__addresses *addresses, const char *peer,
                              nx_duration deadline, const struct nx__race_prepare *prepare);

#endif
