/* Connecting to whichever of several addresses answers first (RFC 8305, "Happy Eyeballs"). */
#ifndef NX__RACE_H
#define NX__RACE_H

#include "net/address.h"

/* Connects. `addresses` are tried in their order, families taking turns; `peer` is for messages.
 * `deadline` is absolute. As nx__dial. */
NX_MUST_CHECK nx_err nx__race(int *fd, const struct nx__addresses *addresses, const char *peer,
                              nx_duration deadline);

#endif
