/* An exchange that is given over to another protocol, as a tunnel (http/tunnel.h): what an extended
 * CONNECT opens (RFC 8441, RFC 9220). It has a connection of its own. */
#ifndef NX__CLIENT_THROUGH_H
#define NX__CLIENT_THROUGH_H

#include "http/client/driver.h"

struct nx__tunnel;

/* Opens the tunnel over an exchange whose head has been read, in order. The exchange's memory,
 * which is malloc's, and its connection, which is in no pool, are the tunnel's from here on.
 * NX_ENOMEM: both stay the caller's. Does not suspend. */
NX_MUST_CHECK nx_err nx__through_open(struct nx__tunnel *tunnel, struct nx__exchange *x);

/* The program has let go of what is in the tunnel, and ends no sooner than that. Nothing for other
 * tunnels. Does not suspend. */
void nx__through_last(const struct nx__tunnel *tunnel);

/* For drivers, from wherever: there is more to take, or to put, or it is over (NX__READABLE,
 * NX__WRITABLE). What is in the tunnel hears of it in the loop's context. */
void nx__through_tell(struct nx__through *through, uint32_t events);

#endif
