/* Connecting to whichever of several addresses answers first (RFC 8305, "Happy Eyeballs"). */
#ifndef NX__RACE_H
#define NX__RACE_H

#include "net/address.h"

/* What is done to each socket before it connects. */
struct nx__race_prepare {
    int (*fn)(int fd, int family, const void *arg); /* 0, or the errno that it fails with */
    const void *arg;
};

/* Connects. `addresses` are tried in their order, families taking turns; `peer` is for messages.
 * `deadline` is absolute; `prepare` may be NULL. As nx__dial. */
NX_MUST_CHECK nx_err nx__race(int *fd, const struct nx__addresses *addresses, const char *peer,
                              nx_duration deadline, const struct nx__race_prepare *prepare);

#endif
